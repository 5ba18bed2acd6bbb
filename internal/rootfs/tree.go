package rootfs

import (
	"errors"
	"fmt"
	"io"
	"slices"
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

	upper  *upper
	shared Quota
	memory []*memFS // those that draw on it
	// stop ends the goroutine that saves now and then.
	stop, stopped chan struct{}

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
	} else {
		var err error
		if t.upper, err = openUpper(o.Upper.Dir); err != nil {
			return err
		}
		store = t.upper
	}
	t.shared = o.Quota
	t.union = t.share(newMemFS(1, now, store, maxBytes, orDefault(o.MaxInodes, DefaultMaxInodes)))
	t.mounts = append(t.mounts, t.union.m)
	t.rootNode = &Node{tree: t, v: t.union.root, up: t.union.root.ino}
	if err := newUnion(t.union, o.Layers, o.Checked); err != nil {
		return fmt.Errorf("join layers: %w", err)
	}
	if t.upper != nil {
		if err := t.union.restore(t.upper); err != nil {
			return err
		}
		t.union.m.syncer = t.Sync
		t.startSaving()
	}
	// A mount inside another one comes after it, whatever the order.
	mounts := slices.Clone(o.Mounts)
	slices.SortStableFunc(mounts, func(a, b Mount) int {
		return strings.Count(strings.Trim(a.Target, "/"), "/") - strings.Count(strings.Trim(b.Target, "/"), "/")
	})
	for _, m := range mounts {
		if err := t.mount(m, o.Random, now); err != nil {
			return fmt.Errorf("mount at %q: %w", m.Target, err)
		}
	}
	t.union.m.readOnly = o.ReadOnly
	return nil
}

// mount makes the file system of m and puts it in its place.
func (t *Tree) mount(m Mount, random io.Reader, now func() time.Time) error {
	target := strings.Trim(m.Target, "/")
	if target == "" {
		return EBUSY
	}
	mnt, err := t.open(m, random, now)
	if err != nil {
		return err
	}
	mnt.target = target
	t.mounts = append(t.mounts, mnt)
	if err := t.mountPoint(target, mnt.root.kind()); err != nil {
		return err
	}
	w, err := t.walker(t.rootNode)
	if err != nil {
		return err
	}
	defer w.close()
	tg, err := w.walk(target, true)
	if err != nil {
		return err
	}
	if (tg.node.kind() == KindDir) != (mnt.root.kind() == KindDir) {
		return ENOTDIR
	}
	return tg.node.mount().points.add(tg.node, mnt)
}

// open opens the host's side of m, or makes a file system in memory.
func (t *Tree) open(m Mount, random io.Reader, now func() time.Time) (*mount, error) {
	dev := uint64(len(t.mounts) + 1)
	switch {
	case m.Devices && m.Host != "":
		return nil, EINVAL
	case m.Devices:
		return newDevices(dev, random, now), nil
	case m.Data != nil && m.Host != "":
		return nil, EINVAL
	case m.Data != nil:
		return newMemoryFile(m, dev, now)
	case m.Host != "":
		return openHost(m, dev)
	}
	fs := t.share(newMemFS(dev, now, memoryStorage{},
		orDefault(m.MaxBytes, DefaultTmpfs), orDefault(m.MaxInodes, DefaultMaxInodes)))
	fs.root.mode = m.Mode & 0o1777
	if m.Mode == 0 {
		fs.root.mode = 0o1777
	}
	fs.m.readOnly = m.ReadOnly
	return fs.m, nil
}

// share has fs draw on the quota that the tree shares with others.
func (t *Tree) share(fs *memFS) *memFS {
	fs.quota.shared = t.shared
	t.memory = append(t.memory, fs)
	return fs
}

// newMemoryFile is a file system whose root is one file that is only read.
func newMemoryFile(m Mount, dev uint64, now func() time.Time) (*mount, error) {
	fs := newMemFS(dev, now, memoryStorage{}, int64(len(m.Data))+1<<16, 4)
	f := fs.newInode(KindFile, m.Mode)
	f.data = &data{}
	if _, err := f.data.writeAt(fs, m.Data, 0); err != nil {
		return nil, err
	}
	fs.m.root, fs.m.readOnly = f, true
	return fs.m, nil
}

// mountPoint makes what is missing of the path to a mount.
func (t *Tree) mountPoint(target string, k Kind) error {
	t.union.placing = true
	defer func() { t.union.placing = false }()
	dir := target
	if k != KindDir {
		i := strings.LastIndexByte(target, '/')
		dir = target[:max(i, 0)]
	}
	if dir != "" {
		if err := t.MkdirAll(t.rootNode, dir, 0o755); err != nil {
			return err
		}
	}
	if k == KindDir {
		return nil
	}
	f, err := t.Open(t.rootNode, target, How{Write: true, Create: true, Excl: true, Mode: 0o644})
	if err == EEXIST {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Root is the root directory; it needs no Close.
func (t *Tree) Root() *Node { return t.rootNode }

// Sync writes the state of the upper, when it lives on a disk and changed.
func (t *Tree) Sync() error {
	if t.upper == nil {
		return nil
	}
	return t.union.save(t.upper)
}

// saveEvery bounds what is lost when the process is killed; writing never takes
// more than a twentieth of the time.
const saveEvery = 2 * time.Second

func (t *Tree) startSaving() {
	t.stop, t.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(t.stopped)
		wait := saveEvery
		for {
			select {
			case <-t.stop:
				return
			case <-time.After(wait):
			}
			start := time.Now()
			// A failure shows again, and is reported, when the tree is closed.
			t.Sync()
			wait = max(saveEvery, 20*time.Since(start))
		}
	}()
}

// Close writes the upper's state and gives all handles back.
func (t *Tree) Close() error {
	t.closeOnce.Do(func() {
		if t.stop != nil {
			close(t.stop)
			<-t.stopped
			t.closeErr = t.Sync()
		}
		if t.upper != nil {
			tidy := t.stop != nil && t.closeErr == nil
			t.closeErr = errors.Join(t.closeErr, t.upper.close(tidy))
		}
		for _, m := range t.mounts {
			if m.closer != nil {
				t.closeErr = errors.Join(t.closeErr, m.closer())
			}
		}
		for _, fs := range t.memory {
			fs.quota.close()
		}
	})
	return t.closeErr
}

// Changed is a number that differs after every change of the container's own
// files: not those of mounts.
func (t *Tree) Changed() uint64 { return t.union.changed.Load() }

// Written is Changed together with file systems in memory that are mounted.
func (t *Tree) Written() uint64 {
	var n uint64
	for _, fs := range t.memory {
		n += fs.changed.Load()
	}
	return n
}
