package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/packager/scaffold"
	"github.com/wherry-run/wherry/runtime"
)

// initTarget is a model that init was asked about.
type initTarget struct {
	folder, model, source string
	kind                  string
}

// modelKind tells what a model file is by its name.
func modelKind(name string) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".pkl", ".pickle", ".joblib", ".sav":
		return "pickle"
	}
	return ""
}

// findModel says which model is meant, or nil for a folder without one.
func findModel(what, source string) (*initTarget, error) {
	info, err := os.Stat(what)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, nil
	}
	t := &initTarget{folder: filepath.Dir(what), model: filepath.Base(what), kind: modelKind(what)}
	if t.kind == "" {
		return nil, &hinted{&ux.UsageError{Text: what + " is no model that init knows by its name"}, "see: wherry init --help"}
	}
	if source == "" {
		return t, nil
	}
	rel, err := filepath.Rel(t.folder, source)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, &hinted{&ux.UsageError{Text: source + " is not in the model's folder, " + t.folder}, "copy it there"}
	}
	if info, err = os.Stat(source); err != nil {
		return nil, err
	}
	if ext := strings.ToLower(filepath.Ext(source)); info.IsDir() || ext != ".ipynb" && ext != ".py" {
		return nil, &ux.UsageError{Text: source + " is neither a notebook nor a Python script"}
	}
	t.source = filepath.ToSlash(rel)
	return t, nil
}

// initModel writes what an image of a model needs.
func (a *app) initModel(ctx context.Context, t initTarget, o initOptions) error {
	base, _ := bases.Lookup("python")
	image, done, err := a.openBase(ctx, base)
	if err != nil {
		return err
	}
	defer done()
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	options := scaffold.Options{Folder: t.folder, Model: t.model, Source: t.source, Sandbox: pythonSandbox{rt, image}}
	if o.native {
		options.Native = hostPython{}
	}
	a.talk().Line("reading %s in the sandbox", t.model)
	d, err := scaffold.Pickle(ctx, options)
	a.compiling.hush()
	a.talk().Clear()
	var refused *scaffold.RefusedError
	if errors.As(err, &refused) && refused.Advice != "" {
		return &hinted{err, refused.Advice}
	}
	if err != nil {
		return err
	}
	return a.finishInit(t.folder, d, o)
}

// finishInit writes the files, and says what there is to know about them.
func (a *app) finishInit(folder string, d *scaffold.Draft, o initOptions) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if !o.force {
		for _, f := range d.Files {
			if _, err := root.Stat(f.Name); err == nil {
				return &hinted{fmt.Errorf("%s is there already: nothing was written", filepath.Join(folder, f.Name)), "to replace it: wherry init --force ..."}
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	var names []string
	for _, f := range d.Files {
		if err := root.WriteFile(f.Name, f.Data, 0o644); err != nil {
			return err
		}
		names = append(names, f.Name)
	}
	fmt.Fprintf(a.Err, "%s\nwrote %s", d.Found, strings.Join(names, ", "))
	if d.Edits > 0 {
		fmt.Fprintf(a.Err, "; %d lines are marked EDIT: look at them", d.Edits)
	}
	fmt.Fprintln(a.Err)
	for _, n := range d.Notes {
		fmt.Fprintln(a.Err, "note: "+n)
	}
	name := folderName(folder)
	fmt.Fprintf(a.Err, "next: wherry build -t %s %s && wherry test %s\n", name, folder, name)
	return nil
}

// pythonSandbox runs Python in containers of the base.
type pythonSandbox struct {
	rt    *runtime.Runtime
	image runtime.Image
}

// Python runs one program to its end.
func (s pythonSandbox) Python(ctx context.Context, p scaffold.Program) ([]byte, error) {
	var out, talk bounded
	spec := runtime.Spec{
		Entrypoint: []string{"python"}, Args: p.Args, WorkingDir: "/", Stdout: &out, Stderr: &talk,
	}
	if p.Folder != "" {
		spec.Mounts = append(spec.Mounts, runtime.Mount{Source: p.Folder, Target: scaffold.Work, ReadOnly: true})
	}
	for name, data := range p.Files {
		spec.Mounts = append(spec.Mounts, runtime.Mount{Target: name, Data: data, Mode: 0o644})
	}
	c, err := s.rt.Create(ctx, s.image, spec)
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if err := c.Run(ctx); err != nil {
		return nil, said(err, talk.Bytes())
	}
	return out.Bytes(), nil
}

// hostPython runs programs with this machine's own Python: only when it was
// asked for.
type hostPython struct{}

// Python runs one program to its end, in the folder itself.
func (hostPython) Python(ctx context.Context, p scaffold.Program) ([]byte, error) {
	python, err := findPython()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wherry-init-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	folder, err := filepath.Abs(p.Folder)
	if err != nil {
		return nil, err
	}
	for name, data := range p.Files {
		if strings.HasSuffix(name, ".json") {
			// The program sees the folder where it is.
			here, err := scaffold.Relocated(data, folder)
			if err != nil {
				return nil, err
			}
			data = here
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			return nil, err
		}
	}
	args := []string{"-B"}
	for _, arg := range p.Args {
		args = append(args, filepath.Join(dir, filepath.Base(arg)))
	}
	var out, talk bounded
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return nil, said(err, talk.Bytes())
	}
	return out.Bytes(), nil
}

// findPython finds the Python of this machine.
func findPython() (string, error) {
	for _, name := range []string{"python3", "python"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no python3 on this machine")
}

// said puts the last line that a program said to its error.
func said(err error, talk []byte) error {
	text := strings.TrimSpace(string(talk))
	if text = text[strings.LastIndexByte(text, '\n')+1:]; text != "" {
		return fmt.Errorf("%w: %s", err, strings.ToValidUTF8(text, ""))
	}
	return err
}

// bounded keeps the last part of what a program prints.
type bounded struct{ bytes.Buffer }

const keptOutput = 16 << 20

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len() > keptOutput {
		b.Next(b.Len() - keptOutput/2)
	}
	return b.Buffer.Write(p)
}
