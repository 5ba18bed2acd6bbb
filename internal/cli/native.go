package cli

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/runtime"
)

// maxChecked bounds the golden cases that a build runs.
const maxChecked = 100

// Python answers as native Python when no number differs by more.
const (
	nativeRTol = 1e-9
	nativeATol = 1e-12
)

// checkPython has a Python model that was built answer its golden cases, so that
// its author hears now what is other than where they were made: integers of 32 bits
// wrap silently. native is a Python of this machine that is asked as well; "" asks
// none, for it runs the folder's code outside the sandbox. What differs is said,
// and no error: wherry test is what fails.
func (a *app) checkPython(ctx context.Context, w *workshop, r *packager.Result, folder, native string) error {
	if a.quiet {
		return nil
	}
	image, err := images.Open(ctx, w.store, string(r.Config.Digest), images.Options{Pull: images.PullNever})
	if err != nil {
		return err
	}
	defer image.Close()
	labels := image.Config().Labels
	if labels[oci.LabelModel] != oci.ModelPython {
		return nil
	}
	if labels[oci.LabelGolden] == "" {
		a.talk().Line("note: there are no golden cases: nothing shows that the model answers here as where it was trained (integers of numpy have 32 bits)")
		a.talk().Line("      make some: wherry predict --record cases.json IMAGE INPUT..., and add: MODEL --golden=cases.json FILE")
		return nil
	}
	m, err := a.loadModel(ctx, folder, image, runtime.Spec{})
	if err != nil {
		return err
	}
	defer m.close()
	golden, err := m.Golden(ctx)
	if err != nil || golden == nil {
		return err
	}
	golden.Cases = golden.Cases[:min(len(golden.Cases), maxChecked)]
	if err := a.checkCases(ctx, m, golden, "as written"); err != nil || native == "" {
		return err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	host := hostPython{command: native, program: filepath.Join(folder, path.Base(labels[oci.LabelModelPath]))}
	own, err := host.ask(ctx, golden)
	if err != nil {
		a.talk().Line("note: not compared with %s: %v", native, err)
		return nil
	}
	return a.checkCases(ctx, m, own, fmt.Sprintf("as %v", own.Made["by"]))
}

// checkCases asks a model and says what differs.
func (a *app) checkCases(ctx context.Context, m *askable, golden *model.Golden, as string) error {
	passed := 0
	for i := range golden.Cases {
		c, err := a.testCase(ctx, m, golden, i)
		if err != nil {
			return err
		}
		switch {
		case c.Passed:
			passed++
		case c.Error != "":
			a.talk().Line("warning: golden case %s: %s", c.Name, c.Error)
		default:
			a.talk().Line("warning: golden case %s, not %s: %s", c.Name, as, c.Worst)
		}
	}
	a.talk().Line("golden cases: %d of %d %s", passed, len(golden.Cases), as)
	return nil
}

// hostPython is a Python of this machine, and a model's program on it.
type hostPython struct{ command, program string }

//go:embed native.py
var nativeProgram []byte

// nativeWait bounds how long this machine's Python may take.
const nativeWait = 5 * time.Minute

// ask has this machine's Python answer the cases. Those that it cannot are left
// out.
func (h hostPython) ask(ctx context.Context, golden *model.Golden) (*model.Golden, error) {
	if _, err := os.Stat(h.program); err != nil {
		return nil, errors.New("the folder has no " + filepath.Base(h.program))
	}
	dir, err := os.MkdirTemp("", "wherry-native-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := layLauncher(dir); err != nil {
		return nil, err
	}
	inputs := make([]map[string]json.RawMessage, len(golden.Cases))
	for i := range golden.Cases {
		inputs[i] = golden.Cases[i].Inputs
	}
	text, err := json.Marshal(inputs)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, nativeWait)
	defer cancel()
	program := filepath.Join(dir, "native.py")
	if err := os.WriteFile(program, nativeProgram, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, h.command, "-B", program, filepath.Join(dir, "launcher"), h.program)
	var out, talk bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &talk
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, lastLine(talk.String()))
	}
	return parseNative(out.Bytes(), golden)
}

// parseNative makes golden cases of what the host's Python said.
func parseNative(text []byte, golden *model.Golden) (*model.Golden, error) {
	var said struct {
		Answers []struct {
			Outputs map[string]json.RawMessage `json:"outputs"`
			Error   string                     `json:"error"`
		} `json:"answers"`
		By string `json:"by"`
	}
	if err := json.Unmarshal(text, &said); err != nil || len(said.Answers) != len(golden.Cases) {
		return nil, errors.New("it says nothing that can be read")
	}
	rtol, atol := nativeRTol, nativeATol
	own := &model.Golden{RTol: &rtol, ATol: &atol, Made: map[string]any{"by": said.By}}
	for i, answer := range said.Answers {
		if answer.Error == "" && len(answer.Outputs) > 0 {
			own.Cases = append(own.Cases, model.Case{Name: golden.Name(i), Inputs: golden.Cases[i].Inputs, Outputs: answer.Outputs})
		}
	}
	if len(own.Cases) == 0 && len(said.Answers) > 0 {
		return nil, errors.New(said.Answers[0].Error)
	}
	return own, nil
}

// layLauncher copies the launcher of the Python base.
func layLauncher(dir string) error {
	base, ok := bases.Lookup("python")
	if !ok {
		return errors.New("there is no Python base")
	}
	sub, err := fs.Sub(base.Context, "launcher")
	if err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(dir, "launcher"), sub)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
