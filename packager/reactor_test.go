package packager

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/oci"
)

// describing says what a model takes.
type describing struct {
	text  string
	asked int
}

func (d *describing) Describe(_ context.Context, spec RecordSpec) ([]byte, error) {
	d.asked++
	if spec.Config.Labels[LabelModel] != oci.ModelWasm {
		return nil, errors.New("it is no reactor")
	}
	if d.text == "" {
		return nil, errors.New("it traps")
	}
	return []byte(d.text), nil
}

// exporting is a module that exports one function, which does nothing.
func exporting(name string) string {
	export := append([]byte{1, byte(len(name))}, name...)
	export = append(export, byte(wasm.ExternFunc), 0)
	b := []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00")
	b = append(b, 7, byte(len(export)))
	return string(append(append(b, export...), 10, 4, 1, 2, 0, 0x0b))
}

// A module that exports what a model does is one.
func TestReactor(t *testing.T) {
	const signature = "{ \"outputs\": [] }"
	for name, c := range map[string]struct {
		module, recipe, text string
		model, signature     string
		fails                string
	}{
		"model":        {exporting("wherry_predict"), "ENTRYPOINT [\"m\"]", signature, oci.ModelWasm, `{"outputs":[]}`, ""},
		"by its path":  {exporting("wherry_predict"), "ENTRYPOINT [\"/usr/bin/m\"]", signature, oci.ModelWasm, `{"outputs":[]}`, ""},
		"as a command": {exporting("wherry_predict"), "CMD [\"m\"]", signature, oci.ModelWasm, `{"outputs":[]}`, ""},
		"told":         {exporting("wherry_predict"), "ENTRYPOINT [\"m\"]\nLABEL run.wherry.signature=mine", signature, oci.ModelWasm, "mine", ""},
		"program":      {exporting("_start"), "ENTRYPOINT [\"m\"]", signature, "", "", ""},
		"another name": {exporting("wherry_predict2"), "ENTRYPOINT [\"m\"]", signature, "", "", ""},
		"no module":    {"wherry_predict", "ENTRYPOINT [\"m\"]", signature, "", "", ""},
		"damaged":      {exporting("wherry_predict")[:20] + "wherry_predict", "ENTRYPOINT [\"m\"]", signature, "", "", ""},
		"not there":    {exporting("wherry_predict"), "ENTRYPOINT [\"n\"]", signature, "", "", ""},
		"says nothing": {exporting("wherry_predict"), "ENTRYPOINT [\"m\"]", "", "", "", "does not say what it takes"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, map[string]string{"m": c.module})
			b.Describer = &describing{text: c.text}
			recipe := "FROM scratch\nCOPY --chmod=755 m /usr/bin/m\n" + c.recipe + "\n"
			if c.fails != "" {
				if _, err := b.tryBuild(recipe); err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("%v", err)
				}
				return
			}
			labels := b.build(recipe).img.Config.Config.Labels
			if labels[LabelModel] != c.model || labels[LabelSignature] != c.signature {
				t.Errorf("%q", labels)
			}
		})
	}
}
