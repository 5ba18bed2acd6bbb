package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Files are the files of one container.
type Files interface {
	// Archive writes a file, or a folder and what is in it, as a tar.
	Archive(ctx context.Context, w io.Writer, name string) error
	// Extract puts the files of a tar below a folder.
	Extract(ctx context.Context, r io.Reader, dir string) error
	// Layer writes what the container changed of its image, as the tar of a layer.
	Layer(ctx context.Context, w io.Writer) error
	// Diff lists what the container changed of its image.
	Diff(ctx context.Context) ([]Change, error)
	// Kind tells what is called name: KindNone, KindFile or KindDir.
	Kind(ctx context.Context, name string) (Kind, error)
}

// Kind is what is called by a name.
type Kind string

// What there may be.
const (
	KindNone Kind = "none"
	KindFile Kind = "file"
	KindDir  Kind = "dir"
)

// Change is a difference between a container and its image: A for added, C for
// changed, D for deleted.
type Change struct {
	Kind string
	Path string
}

// A Filer is a Program that gives its container's files.
type Filer interface {
	Files(ctx context.Context) (Files, error)
}

// Files opens the files of a container: those of one that runs through its supervisor,
// others here, and nobody can start it until done.
func (s *Store) Files(ctx context.Context, c *Container) (files Files, done func(), err error) {
	if c.State.Status.Alive() {
		return &remoteFiles{s, c}, func() {}, nil
	}
	if s.options.Files == nil {
		return nil, nil, errors.New("this store opens no files")
	}
	c, l, err := s.hold(c.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("open files of container: %w", err)
	}
	files, end, err := s.options.Files(ctx, Job{Container: *c, Upper: s.Upper(c.ID)})
	if err != nil {
		_ = l.Close()
		return nil, nil, err
	}
	return files, func() { end(); _ = l.Close() }, nil
}

// remoteFiles are the files of a container that runs.
type remoteFiles struct {
	s *Store
	c *Container
}

func (f *remoteFiles) Archive(ctx context.Context, w io.Writer, name string) error {
	if err := f.read(ctx, w, "archive", url.Values{"path": {name}}); err != nil {
		return fmt.Errorf("read %s of container %s: %w", name, f.c.Name, err)
	}
	return nil
}

func (f *remoteFiles) Layer(ctx context.Context, w io.Writer) error {
	if err := f.read(ctx, w, "layer", nil); err != nil {
		return fmt.Errorf("read changes of container %s: %w", f.c.Name, err)
	}
	return nil
}

// read copies what the supervisor answers.
func (f *remoteFiles) read(ctx context.Context, w io.Writer, what string, q url.Values) error {
	resp, err := f.s.request(ctx, f.c, http.MethodGet, what, q, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

func (f *remoteFiles) Extract(ctx context.Context, r io.Reader, dir string) error {
	resp, err := f.s.request(ctx, f.c, http.MethodPut, "archive", url.Values{"path": {dir}}, r)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (f *remoteFiles) Diff(ctx context.Context) ([]Change, error) {
	var list []Change
	return list, f.s.get(ctx, f.c, "changes", nil, &list)
}

func (f *remoteFiles) Kind(ctx context.Context, name string) (Kind, error) {
	var k Kind
	return k, f.s.get(ctx, f.c, "kind", url.Values{"path": {name}}, &k)
}

// files are those of this life of the program.
func (v *supervisor) files(ctx context.Context) (Files, error) {
	v.mu.Lock()
	p, c := v.program, *v.c
	v.mu.Unlock()
	f, ok := p.(Filer)
	if !ok {
		return nil, &StateError{c.Name, c.State.Status, "open files of"}
	}
	return f.Files(ctx)
}

func (v *supervisor) serveFiles(mux *http.ServeMux) {
	with := func(f func(w http.ResponseWriter, r *http.Request, files Files, name string) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			files, err := v.files(r.Context())
			var answered any
			if err == nil {
				answered, err = f(w, r, files, r.URL.Query().Get("path"))
			}
			if err == nil && answered == nil {
				return // f has written it
			}
			answer(w, answered, err)
		}
	}
	mux.HandleFunc("GET /changes", with(func(_ http.ResponseWriter, r *http.Request, files Files, _ string) (any, error) {
		list, err := files.Diff(r.Context())
		return append([]Change{}, list...), err
	}))
	mux.HandleFunc("GET /kind", with(func(_ http.ResponseWriter, r *http.Request, files Files, name string) (any, error) {
		k, err := files.Kind(r.Context(), name)
		return k, err
	}))
	mux.HandleFunc("PUT /archive", with(func(_ http.ResponseWriter, r *http.Request, files Files, name string) (any, error) {
		return struct{}{}, files.Extract(r.Context(), r.Body, name)
	}))
	mux.HandleFunc("GET /archive", with(func(w http.ResponseWriter, r *http.Request, files Files, name string) (any, error) {
		if k, err := files.Kind(r.Context(), name); err != nil || k == KindNone {
			return nil, errors.Join(err, &NotFoundError{"file in the container", name})
		}
		return nil, sendTar(w, func() error { return files.Archive(r.Context(), w, name) })
	}))
	mux.HandleFunc("GET /layer", with(func(w http.ResponseWriter, r *http.Request, files Files, _ string) (any, error) {
		return nil, sendTar(w, func() error { return files.Layer(r.Context(), w) })
	}))
}

// sendTar answers with what write writes, and breaks off where that fails, so that who
// reads knows that it is not whole.
func sendTar(w http.ResponseWriter, write func() error) error {
	w.Header().Set("Content-Type", "application/x-tar")
	if write() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
