package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/servercmd"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/python/uses"
)

// Packages are what a web application of Python imports of the library and of installed
// packages, and nothing of its own: versions of the application over the same packages may
// start from a recording of these.
type Packages struct {
	// Modules are their names, as the application's text has them.
	Modules []string
	// Place stands for all else that a recording of them depends on: the files of the
	// library and of the packages, and how the application is found.
	Place string

	application *servercmd.Application
	config      oci.ImageConfig
	layers      []layer.Layer
	folder      string // the application's own files
	own         ownFiles
}

// installed are the places where the base has its interpreter, its library, and installed packages.
func installed() []string { return []string{"usr/local/lib", "usr/bin"} }

// FindPackages reads the text of the application that layers have, as config runs it. nil
// is no application of Python.
func FindPackages(layers []layer.Layer, config oci.ImageConfig) (*Packages, error) {
	a, err := applicationOf(config)
	if err != nil {
		return nil, nil // another program
	}
	p := &Packages{application: a, config: config, layers: layers, folder: clean(path.Join("/", config.WorkingDir, a.Dir))}
	if path.IsAbs(a.Dir) {
		p.folder = clean(a.Dir)
	}
	p.config.Entrypoint, p.config.Cmd = a.Args(), nil
	files := newUnion(layers)
	k := newKey("packages " + deriveVersion)
	k.add(config.WorkingDir)
	k.list(a.Args())
	k.list(config.Env)
	for _, dir := range installed() {
		err := walk(files, dir, func(name string, n node) error {
			k.add(name, fmt.Sprint(n.kind, n.mode, n.size, n.ref), n.target)
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look at the packages: %w", err)
		}
	}
	p.Place = k.sum()
	p.own = ownFiles{files, p.folder}
	if p.Modules, err = p.imported(p.own); err != nil {
		return nil, fmt.Errorf("look at the application's files: %w", err)
	}
	return p, nil
}

// Key stands for a recording of them.
func (p *Packages) Key() string {
	k := newKey("packages " + p.Place)
	k.list(p.Modules)
	return k.sum()
}

// Folder is where the application's own files are.
func (p *Packages) Folder() string { return "/" + p.folder }

// Imports tells whether the application imports all of these, before it does anything that
// may matter to them.
func (p *Packages) Imports(modules []string) bool {
	have := map[string]bool{}
	for _, m := range p.Modules {
		have[m] = true
	}
	return !slices.ContainsFunc(modules, func(m string) bool { return !have[m] })
}

// Whole tells whether a snapshot is of the application itself.
func (p *Packages) Whole(s *oci.Snapshot) bool {
	args := p.application.Args()
	return len(s.Program) >= len(args) && slices.Equal(s.Program[len(s.Program)-len(args):], args)
}

// Record has them imported. The Pages of the snapshot are open.
func (p *Packages) Record(ctx context.Context, r Recorder, epoch time.Time) (*Recording, error) {
	return r.Record(ctx, RecordSpec{
		Layers: p.layers, Config: p.config, Epoch: epoch, Seed: seed(p.Key()), Stdout: io.Discard, Stderr: io.Discard,
		Packages: append([]string{}, p.Modules...),
	})
}

// imported lists the modules that an application imports, but for its own.
func (p *Packages) imported(f ownFiles) ([]string, error) {
	module, _, _ := strings.Cut(p.application.Target, ":")
	switch {
	case p.application.How == servercmd.Django:
		list, err := f.list()
		return uses.Named(f, list), err
	case module != "":
		return uses.Modules(f, strings.ReplaceAll(strings.TrimSuffix(module, ".py"), "/", ".")), nil
	}
	return uses.Modules(f, "wsgi", "app"), nil
}

// first lists the modules that an application imports first, whatever it does: to have them
// imported before it is what it does itself.
func (p *Packages) first() []string {
	module, _, _ := strings.Cut(p.application.Target, ":")
	switch {
	case p.application.How == servercmd.Django: // the framework has its own order
		return nil
	case module != "":
		return uses.Sure(p.own, strings.ReplaceAll(strings.TrimSuffix(module, ".py"), "/", "."))
	}
	if _, ok := p.own.Read("wsgi.py"); ok {
		return uses.Sure(p.own, "wsgi")
	}
	return uses.Sure(p.own, "app")
}

// ownFiles are the files of an application.
type ownFiles struct {
	files  tree
	folder string
}

// Bounds of the files that are looked at.
const (
	maxOwnFile  = 1 << 20
	maxOwnFiles = 2000
)

// Read implements uses.Files.
func (f ownFiles) Read(name string) (string, bool) {
	full, err := follow(f.files, path.Join(f.folder, name), true)
	if err != nil {
		return "", false
	}
	n, ok, err := f.files.lookup(full)
	if err != nil || !ok || n.kind != layer.File || n.size > maxOwnFile {
		return "", false
	}
	r, err := n.open()
	if err != nil {
		return "", false
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxOwnFile))
	return string(text), err == nil
}

// list is all of them that are of Python.
func (f ownFiles) list() ([]string, error) {
	var out []string
	err := walk(f.files, f.folder, func(name string, n node) error {
		if n.kind == layer.File && path.Ext(name) == ".py" && len(out) < maxOwnFiles && !strings.Contains(name, "/migrations/") {
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(name, f.folder), "/"))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return out, err
}
