package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/graph"
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
	case ".onnx":
		return "onnx"
	}
	return ""
}

// findModel says which model is meant, or nil for a folder without one.
func findModel(what, source string, force bool) (*initTarget, error) {
	info, err := os.Stat(what)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return modelFolder(what, source, force)
	}
	if filepath.Base(what) == scaffold.MLmodel {
		return modelFolder(filepath.Dir(what), source, force)
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

// modelFolder says what model a folder is, or nil when it is none, or has a
// recipe or program already that may not be replaced.
func modelFolder(folder, source string, force bool) (*initTarget, error) {
	files := os.DirFS(folder)
	kind := scaffold.FolderKind(files)
	if kind == "" {
		return nil, nil
	}
	for _, name := range []string{"Wasmfile", "predict.py"} {
		if _, err := fs.Stat(files, name); err == nil && !force {
			return nil, nil
		}
	}
	if source != "" {
		return nil, &ux.UsageError{Text: folder + " is a model's folder: no notebook or script goes with it"}
	}
	return &initTarget{folder: folder, kind: kind}, nil
}

// initModel writes what an image of a model needs.
func (a *app) initModel(ctx context.Context, t initTarget, o initOptions) error {
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	host := &initHost{app: a, rt: rt}
	defer host.close()
	options := scaffold.Options{Folder: t.folder, Model: t.model, Source: t.source, Sandbox: host, Engine: host}
	if o.native {
		native, err := scaffold.NewHost()
		if err != nil {
			return err
		}
		options.Native = native
	}
	a.talk().Line("reading %s", filepath.Join(t.folder, t.model))
	d, err := t.draft(ctx, options)
	a.compiling.hush()
	a.talk().Clear()
	var refused *scaffold.RefusedError
	if errors.As(err, &refused) && refused.Advice != "" {
		return &hinted{err, refused.Advice}
	}
	if err != nil {
		return err
	}
	name := imageName(t.folder)
	return a.finishInit(t.folder, d, o.force, fmt.Sprintf("wherry build -t %s %s && wherry test %s", name, t.folder, name))
}

// draft asks the room that knows the kind of model.
func (t initTarget) draft(ctx context.Context, o scaffold.Options) (*scaffold.Draft, error) {
	switch t.kind {
	case "onnx":
		return scaffold.ONNX(ctx, o)
	case "mlflow":
		return scaffold.MLflow(ctx, o)
	case "huggingface":
		return scaffold.HuggingFace(ctx, o)
	}
	return scaffold.Pickle(ctx, o)
}

// finishInit writes the files, and says what there is to know about them.
func (a *app) finishInit(folder string, d *scaffold.Draft, force bool, next string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if !force {
		for _, f := range d.Files {
			if _, err := root.Stat(f.Name); err == nil {
				return &hinted{fmt.Errorf("%s is there already: nothing was written", filepath.Join(folder, f.Name)), "to replace it: --force"}
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
	ux.Line(a.Err, d.Found)
	wrote := "wrote " + strings.Join(names, ", ")
	switch {
	case d.Edits == 1:
		wrote += "; one line is marked EDIT: look at it"
	case d.Edits > 1:
		wrote += fmt.Sprintf("; %d lines are marked EDIT: look at them", d.Edits)
	}
	ux.Line(a.Err, wrote)
	for _, n := range d.Notes {
		ux.Line(a.Err, "note: "+n)
	}
	ux.Line(a.Err, "next: "+next)
	return nil
}

// imageName is a name for the image of a folder: the folder's, as far as it is
// one.
func imageName(folder string) string {
	full, err := filepath.Abs(folder)
	if err != nil {
		full = folder
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, filepath.Base(full))
	if name = strings.Trim(name, "-"); name == "" {
		return "model"
	}
	return name
}

// initHost runs what reads models: Python and ONNX Runtime, in containers of the
// bases, which are opened when they are first needed.
type initHost struct {
	app    *app
	rt     *runtime.Runtime
	images map[string]runtime.Image
	done   []func()
}

func (h *initHost) close() {
	for _, done := range h.done {
		done()
	}
}

// base opens one of our images.
func (h *initHost) base(ctx context.Context, name string) (runtime.Image, error) {
	if image := h.images[name]; image != nil {
		return image, nil
	}
	base, ok := bases.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("there is no base %s", name)
	}
	image, done, err := h.app.openBase(ctx, base)
	if err != nil {
		return nil, err
	}
	if h.images == nil {
		h.images = map[string]runtime.Image{}
	}
	h.images[name], h.done = image, append(h.done, done)
	return image, nil
}

// ONNX answers requests with the model of a folder.
func (h *initHost) ONNX(ctx context.Context, folder, name string, m *graph.Lowered, requests []*model.Request) ([]*model.Response, string, error) {
	image, err := h.base(ctx, "onnx")
	if err != nil {
		return nil, "", err
	}
	at := scaffold.Work + "/" + name
	spec := runtime.Spec{Mounts: []runtime.Mount{{Target: at, Data: m.Bytes.Bytes(), Mode: 0o644}}}
	for _, file := range m.ExternalFiles() {
		spec.Mounts = append(spec.Mounts, runtime.Mount{
			Source: filepath.Join(folder, filepath.FromSlash(path.Join(path.Dir(name), file))), Target: path.Join(path.Dir(at), file), ReadOnly: true,
		})
	}
	c, err := h.rt.Create(ctx, image, spec)
	if err != nil {
		return nil, "", err
	}
	defer c.Close(context.WithoutCancel(ctx))
	instance, err := onnx.Open(ctx, c, onnx.Options{Model: at})
	if err != nil {
		return nil, "", err
	}
	defer instance.Close(context.WithoutCancel(ctx))
	var answers []*model.Response
	for _, r := range requests {
		answer, err := instance.Predict(ctx, r)
		if err != nil {
			return nil, "", err
		}
		answers = append(answers, answer)
	}
	return answers, "ONNX Runtime " + onnx.Version + ", in the sandbox", nil
}

// What the reading of a model may take, besides the default limits.
const (
	readingTime   = 15 * time.Minute
	readingOutput = 64 << 20
)

// Python runs one program to its end.
func (h *initHost) Python(ctx context.Context, p scaffold.Program, stdin io.Reader, stdout io.Writer) error {
	image, err := h.base(ctx, "python")
	if err != nil {
		return err
	}
	var talk scaffold.Tail
	spec := runtime.Spec{
		Entrypoint: []string{"python"}, Args: p.Args, WorkingDir: "/", Stdin: stdin, Stdout: stdout, Stderr: &talk,
		Limits: runtime.Limits{Timeout: readingTime, Output: readingOutput},
	}
	if p.Folder != "" {
		spec.Mounts = append(spec.Mounts, runtime.Mount{Source: p.Folder, Target: scaffold.Work, ReadOnly: true})
	}
	for name, data := range p.Files {
		spec.Mounts = append(spec.Mounts, runtime.Mount{Target: name, Data: data, Mode: 0o644})
	}
	c, err := h.rt.Create(ctx, image, spec)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if err := c.Run(ctx); err != nil {
		return talk.Explain(err)
	}
	return nil
}
