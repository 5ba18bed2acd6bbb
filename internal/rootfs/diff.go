package rootfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// change is one entry of what a container changed.
type change struct {
	e layer.Entry
	i *inode // nil for whiteouts and opaque marks
}

// changes lists what differs from the layers, in order. fs.mu is held.
func (fs *memFS) changes() ([]change, error) {
	if err := fs.loadTouchedLinks(); err != nil {
		return nil, err
	}
	d := &differ{}
	root := fs.root
	if err := d.dir(root, "", false); err != nil {
		return nil, err
	}
	if root.attrsChanged() {
		d.out = append(d.out, change{root.entry(""), root})
	}
	sort.SliceStable(d.out, func(i, j int) bool { return layer.Less(&d.out[i].e, &d.out[j].e) })
	first := make(map[*inode]string)
	for k := range d.out {
		c := &d.out[k]
		if c.e.Kind != layer.File {
			continue
		}
		if p, ok := first[c.i]; ok {
			c.e.Link, c.e.Content = p, layer.Ref{}
		} else {
			first[c.i] = c.e.Path
		}
	}
	return d.out, nil
}

// loadTouchedLinks looks at every name of a changed file that has several, so
// that all of them are written and stay one file.
func (fs *memFS) loadTouchedLinks() error {
	if fs.below == nil {
		return nil
	}
	for _, g := range fs.below.groups {
		if g.ino == nil || !g.ino.isTouched() {
			continue
		}
		for _, p := range g.names {
			if err := fs.loadPath(p.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadPath loads the directories that lead to a path, as far as they are there.
func (fs *memFS) loadPath(path string) error {
	i := fs.root
	for part := range strings.SplitSeq(path, "/") {
		if i.knd != KindDir {
			return nil
		}
		d, err := i.load()
		if err != nil {
			return err
		}
		e := d.names[part]
		if e == nil {
			return nil
		}
		i = e.ino
	}
	return nil
}

// attrsChanged tells whether the root directory is other than its layers say,
// times apart: every new name in it changes those.
func (i *inode) attrsChanged() bool {
	if i.origin == nil {
		return i.mode != 0o755 || i.uid != 0 || i.gid != 0
	}
	return i.mode != i.origin.Mode&0o1777 || i.uid != i.origin.UID || i.gid != i.origin.GID
}

// entry describes an inode as a layer does.
func (i *inode) entry(path string) layer.Entry {
	i.mu.RLock()
	defer i.mu.RUnlock()
	e := layer.Entry{Path: path, Mode: i.mode, UID: i.uid, GID: i.gid, ModTime: i.mtime}
	switch i.knd {
	case KindDir:
		e.Kind = layer.Dir
	case KindSymlink:
		e.Kind, e.Target = layer.Symlink, i.dest
	default:
		e.Kind, e.Size = layer.File, i.data.size
		if i.data.pristine() {
			e.Content = i.data.base.ref()
		}
	}
	return e
}

// differ walks the directories that were looked at; the others are unchanged.
type differ struct {
	out []change
}

// dir lists the changes inside a directory. full: it is not where the layers
// have it, so everything in it counts.
func (d *differ) dir(i *inode, path string, full bool) error {
	if i.dir.parts != nil && !full {
		return nil
	}
	names, err := i.load()
	if err != nil {
		return err
	}
	if !full {
		for name := range names.hidden {
			if e := names.names[name]; e == nil || e.ghost {
				d.out = append(d.out, change{e: layer.Entry{Path: under(path, name), Kind: layer.Whiteout}})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names.names)) {
		e := names.names[name]
		_, hidden := names.hidden[name]
		if err := d.name(e, under(path, name), full, hidden); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) name(e *dirent, path string, full, hidden bool) error {
	whole := full || !e.lower
	i := e.ino
	if i.knd != KindDir {
		if (whole || i.isTouched()) && !e.ghost {
			d.out = append(d.out, change{i.entry(path), i})
		}
		return nil
	}
	before := len(d.out)
	if err := d.dir(i, path, whole); err != nil {
		return err
	}
	inside := len(d.out) > before
	if e.ghost && !inside || !e.ghost && !whole && !i.isTouched() && !inside {
		return nil
	}
	if !full && !e.lower && hidden && !e.ghost {
		d.out = append(d.out, change{e: layer.Entry{Path: path, Kind: layer.Opaque}})
	}
	d.out = append(d.out, change{i.entry(path), i})
	return nil
}

func under(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// Diff is what the container changed against its layers, as a layer to be put on
// top of them: mounts and mount points are left out. The content gives the data
// for as long as the tree is open and nothing is written to it.
func (t *Tree) Diff(ctx context.Context) (*layer.Index, layer.Content, error) {
	fs := t.union
	fs.mu.Lock()
	all, err := fs.changes()
	fs.mu.Unlock()
	if err != nil {
		return nil, nil, fmt.Errorf("compare with layers: %w", err)
	}
	x := &layer.Index{Entries: make([]layer.Entry, len(all))}
	content := &diffContent{layers: make(map[string]layer.Content), files: make(map[string]*inode)}
	for k, c := range all {
		if c.e.Kind == layer.File && c.e.Link == "" && c.e.Size > 0 {
			if c.e.Content.Digest != "" {
				content.layers[c.e.Content.Digest] = c.i.data.base.from.content
			} else {
				if c.e.Content, err = hashInode(ctx, c.i, c.e.Size); err != nil {
					return nil, nil, fmt.Errorf("read %q: %w", c.e.Path, err)
				}
				content.files[c.e.Content.Digest] = c.i
			}
		}
		x.Entries[k] = c.e
	}
	if err := x.Validate(); err != nil {
		return nil, nil, fmt.Errorf("compare with layers: %w", err)
	}
	return x, content, nil
}

// diffContent opens the data of a Diff: in the layers where it is unchanged, in
// the inodes where it is not.
type diffContent struct {
	layers map[string]layer.Content
	files  map[string]*inode
}

// OpenContent opens the data with that digest.
func (c *diffContent) OpenContent(digest string) (layer.Blob, error) {
	if l := c.layers[digest]; l != nil {
		return l.OpenContent(digest)
	}
	i := c.files[digest]
	if i == nil {
		return nil, fmt.Errorf("open content %s: %w", digest, ENOENT)
	}
	f, err := i.open(How{Read: true})
	if err != nil {
		return nil, err
	}
	st, err := f.stat()
	if err != nil {
		f.close()
		return nil, err
	}
	return &inodeBlob{io.NewSectionReader(readerAt{f}, 0, st.Size), f}, nil
}

// inodeBlob reads an inode whatever its names are.
type inodeBlob struct {
	*io.SectionReader
	f vfile
}

// Close ends the use of the inode.
func (b *inodeBlob) Close() error { return b.f.close() }

type readerAt struct{ f vfile }

func (r readerAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.f.readAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func hashInode(ctx context.Context, i *inode, size int64) (layer.Ref, error) {
	f, err := i.open(How{Read: true})
	if err != nil {
		return layer.Ref{}, err
	}
	defer f.close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return layer.Ref{}, err
		}
		n, err := f.readAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return layer.Ref{}, fmt.Errorf("%w: %d of %d bytes: %w", EIO, off, size, err)
		}
		h.Write(buf[:n])
		off += int64(n)
	}
	return layer.Ref{Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)), Size: size}, nil
}
