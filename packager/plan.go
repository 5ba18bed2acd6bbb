package packager

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// plan gathers the entries of one new layer over a stage.
type plan struct {
	b     *builder
	below tree
	out   map[string]layer.Entry
	// mode, uid and gid are those of --chmod and --chown.
	mode     *uint32
	uid, gid int
	owner    bool
}

func newPlan(b *builder, s *state) *plan {
	return &plan{b: b, below: s.tree(b.Store), out: map[string]layer.Entry{}}
}

// entries are what was planned, in the order of an index.
func (p *plan) entries() []layer.Entry {
	x := layer.Index{Entries: slices.Collect(maps.Values(p.out))}
	x.Sort()
	return x.Entries
}

// kind is what stands at a path, in the plan or below it; 0 for nothing.
func (p *plan) kind(at string) (layer.Kind, error) {
	if e, ok := p.out[at]; ok {
		return e.Kind, nil
	}
	n, ok, err := p.below.lookup(at)
	if err != nil || !ok {
		return 0, err
	}
	return n.kind, nil
}

// mkdir plans a folder and the folders above it, where they are missing.
func (p *plan) mkdir(at string) error {
	switch kind, err := p.kind(at); {
	case err != nil || kind == layer.Dir:
		return err
	case kind != 0:
		return fmt.Errorf("/%s is a %s, not a folder", at, kind)
	}
	if err := p.mkdir(parent(at)); err != nil {
		return err
	}
	p.out[at] = layer.Entry{Path: at, Kind: layer.Dir, Mode: 0o755, ModTime: p.b.Epoch.UnixNano()}
	return nil
}

// put plans a file, link or folder at a path. Its content is in the store.
func (p *plan) put(at string, n node) error {
	if at == "" {
		return p.mkdir(at)
	}
	if len(at) > 4096 || slices.ContainsFunc(strings.Split(at, "/"), func(s string) bool { return len(s) > 255 }) {
		return fmt.Errorf("/%.100s...: name is too long", at)
	}
	if err := p.mkdir(parent(at)); err != nil {
		return err
	}
	have, err := p.kind(at)
	if err != nil {
		return err
	}
	if (have == layer.Dir) != (n.kind == layer.Dir) && have != 0 {
		return fmt.Errorf("/%s is a %s already, it cannot become a %s", at, have, n.kind)
	}
	if have == layer.Dir && p.mode == nil && !p.owner {
		return nil // keep the folder that is there
	}
	e := layer.Entry{
		Path: at, Kind: n.kind, Mode: n.mode & 0o7777, UID: n.uid, GID: n.gid,
		ModTime: p.b.Epoch.UnixNano(), Target: n.target, Size: n.size, Content: n.ref,
	}
	if n.kind != layer.File {
		e.Size, e.Content = 0, layer.Ref{}
	}
	if p.mode != nil && n.kind != layer.Symlink {
		e.Mode = *p.mode
	}
	if p.owner {
		e.UID, e.GID = p.uid, p.gid
	}
	p.out[at] = e
	return nil
}

// store reads a file's content into the store, unless it is there already, and
// gives a file of the build context its mode.
func (p *plan) store(ctx context.Context, n node) (node, error) {
	if n.kind != layer.File || n.ref.Digest != "" || (n.size == 0 && n.mode != 0) {
		return n, nil
	}
	r, err := n.open()
	if err != nil {
		return n, err
	}
	defer r.Close()
	return p.b.storeFile(ctx, r)
}

// storeFile puts a file of unknown mode into the store. The execute bit follows
// the content, since not every OS can say it: programs of the sandbox and
// scripts can be executed, nothing else.
func (b *builder) storeFile(ctx context.Context, r io.Reader) (node, error) {
	head := &headReader{r: r}
	digest, size, err := b.Store.Put(ctx, head)
	if err != nil {
		return node{}, err
	}
	n := node{kind: layer.File, mode: 0o644, size: size}
	if size > 0 {
		n.ref = layer.Ref{Digest: digest, Size: size}
	}
	if h := string(head.head); strings.HasPrefix(h, "#!") || strings.HasPrefix(h, "\x00asm") {
		n.mode = 0o755
	}
	ref := n.ref
	n.open = func() (io.ReadCloser, error) { return openRef(b.Store, ref) }
	return n, nil
}

// headReader keeps the first four bytes that pass.
type headReader struct {
	r    io.Reader
	head []byte
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if missing := 4 - len(h.head); missing > 0 && n > 0 {
		h.head = append(h.head, p[:min(n, missing)]...)
	}
	return n, err
}

// setMode reads --chmod.
func (p *plan) setMode(text string) error {
	if text == "" {
		return nil
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode > 0o7777 {
		return fmt.Errorf("--chmod=%s: expected octal digits such as 755", text)
	}
	m := uint32(mode)
	p.mode = &m
	return nil
}

// setOwner reads --chown: numbers, or root.
func (p *plan) setOwner(text string) error {
	if text == "" {
		return nil
	}
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	var err error
	if p.uid, err = ownerID(user); err == nil {
		p.gid, err = ownerID(group)
	}
	if err != nil {
		return fmt.Errorf("--chown=%s: expected numbers, as in 1000:1000", text)
	}
	p.owner = true
	return nil
}

func ownerID(s string) (int, error) {
	if s == "root" || s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// under joins a path below another one.
func under(dir, name string) string {
	return strings.TrimPrefix(path.Join("/", dir, name), "/")
}
