package predict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// answer is what a model said, before it is known in which form.
type answer struct {
	signature *model.Signature
	answers   []*repository.Answer
	many      bool
	outputs   []string // that were asked for
}

// write answers in the form that the client wants most.
func (a *answer) write(w http.ResponseWriter, r *http.Request) error {
	var content []byte
	var err error
	kind := typeJSON
	if len(r.Header["Accept"]) > 0 {
		kind = plain.Accepts(r, a.forms()...)
	}
	switch kind {
	case typeCSV:
		content, err = a.csv()
	case typeNPY, typeNPZ:
		kind, content, err = a.arrays(kind)
	case typeImages, typeBytes:
		kind, content = a.content()
	default:
		content, err = a.json()
	}
	if err != nil {
		return err
	}
	total := plain.Total(a.answers)
	h := w.Header()
	route.SetReceipt(h, &total)
	if h["Content-Type"] = typesJSON; kind != typeJSON {
		h["Content-Type"] = []string{kind}
	}
	h["X-Content-Type-Options"] = noSniffing
	_, _ = w.Write(content) // who does not read it has left
	return nil
}

// What most answers have in their headers. net/http only reads it.
var typesJSON, noSniffing = []string{typeJSON}, []string{"nosniff"}

// forms are those in which the answer can be written.
func (a *answer) forms() []string {
	forms := []string{typeJSON, typeCSV}
	if !a.many {
		forms = append(forms, typeNPY, typeNPZ)
		if wantsImage(a.signature, a.outputs) {
			forms = append(forms, typeImages, typeBytes)
		}
	}
	return forms
}

// usualAnswer is how many bytes most answers have at most.
const usualAnswer = 256

// json is an object by the names of outputs, or a list of such.
func (a *answer) json() ([]byte, error) {
	b := make([]byte, 0, usualAnswer)
	var err error
	if a.many {
		b = append(b, '[')
	}
	for i, one := range a.answers {
		if i > 0 {
			b = append(b, ',', '\n')
		}
		if b, err = one.AppendObject(b, a.signature); err != nil {
			return nil, err
		}
	}
	if a.many {
		b = append(b, ']')
	}
	return append(b, '\n'), nil
}

// csv is a table of all outputs that have as many rows. Others cannot be one.
func (a *answer) csv() ([]byte, error) {
	frames, err := model.Frames(a.signature, plain.Responses(a.answers))
	if err != nil {
		return nil, err
	}
	if len(frames) != 1 {
		return nil, &model.InputError{Reason: fmt.Sprintf("the outputs are %d tables, which one file of CSV cannot be: ask for one of them, ?output=NAME, or accept %s", len(frames), typeJSON)}
	}
	var b bytes.Buffer
	err = frames[0].CSV(&b)
	return b.Bytes(), err
}

// arrays are the outputs as NumPy has them; several are an archive in any case.
func (a *answer) arrays(kind string) (string, []byte, error) {
	outputs := a.answers[0].Outputs
	if kind == typeNPY && len(outputs) == 1 {
		content, err := outputs[0].NPY()
		return kind, content, err
	}
	if kind == typeNPY {
		return "", nil, &model.InputError{Reason: fmt.Sprintf("one array cannot be %d outputs: ask for one of them, ?output=NAME, or accept %s", len(outputs), typeNPZ)}
	}
	var b bytes.Buffer
	err := model.NPZ(&b, outputs)
	return kind, b.Bytes(), err
}

// content is the one output that is a file.
func (a *answer) content() (string, []byte) {
	t := &a.answers[0].Outputs[0]
	if n, ok := model.Elements(t.Shape); !ok || n != 1 || t.Check() != nil {
		return typeBytes, nil
	}
	content := t.Data[4:][:binary.LittleEndian.Uint32(t.Data)]
	kind := http.DetectContentType(content)
	if !strings.HasPrefix(kind, "image/") || strings.Contains(kind, "svg") { // what a browser would run is no image
		kind = typeBytes
	}
	return kind, content
}
