package rootfs

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Tree is the file system of one container. Everything may be used by several
// goroutines, and several instances, at once.
type Tree struct {
	union    *memFS
	mounts   []*mount
	rootNode *Node

	closeOnce sync.Once
	closeErr  error
}

// New joins layers, upper and mounts. Close writes what has to last.
func New(o Options) (*Tree, error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	t := &Tree{}
	if err := t.build(o, now); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func orDefault(v, d int64) int64 {
	if v == 0 {
		return d
	}
	return v
}

func (t *Tree) build(o Options, now func() time.Time) error {
	maxBytes := orDefault(o.MaxBytes, DefaultMaxBytes)
	var store storage = memoryStorage{}
	if o.Upper.Dir == "" {
		maxBytes = orDefault(o.MaxBytes, DefaultTmpfs)
	}
	t.union = newMemFS(1, now, store, maxBytes, orDefault(o.MaxInodes, DefaultMaxInodes))
	t.mounts = append(t.mounts, t.union.m)
	t.rootNode = &Node{tree: t, v: t.union.root, up: t.union.root.ino}
	if err := newUnion(t.union, o.Layers); err != nil {
		return fmt.Errorf("join layers: %w", err)
	}
	for _, m := range o.Mounts {
		if err := t.mount(m, now); err != nil {
			return fmt.Errorf("mount at %q: %w", m.Target, err)
		}
	}
	t.union.m.readOnly = o.ReadOnly
	return nil
}

// mount makes the file system of m and puts it in its place.
func (t *Tree) mount(m Mount, now func() time.Time) error {
	target := strings.Trim(m.Target, "/")
	if target == "" {
		return EBUSY
	}
	fs := newMemFS(uint64(len(t.mounts)+1), now, memoryStorage{},
		orDefault(m.MaxBytes, DefaultTmpfs), orDefault(m.MaxInodes, DefaultMaxInodes))
	fs.root.mode = m.Mode
	if m.Mode == 0 {
		fs.root.mode = 0o1777
	}
	fs.m.target = target
	fs.m.readOnly = m.ReadOnly
	w, err := t.walker(t.rootNode)
	if err != nil {
		return err
	}
	defer w.close()
	if err := t.MkdirAll(t.rootNode, target, 0o755); err != nil {
		return err
	}
	tg, err := w.walk(target, true)
	if err != nil {
		return err
	}
	t.mounts = append(t.mounts, fs.m)
	return tg.node.mount().points.add(tg.node, fs.m)
}

// Root is the root directory; it needs no Close.
func (t *Tree) Root() *Node { return t.rootNode }

// Close writes the upper's state and gives all handles back.
func (t *Tree) Close() error {
	t.closeOnce.Do(func() {
		for _, m := range t.mounts {
			if m.closer != nil {
				t.closeErr = errors.Join(t.closeErr, m.closer())
			}
		}
	})
	return t.closeErr
}
