package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// FS is the tree for reading, as io/fs knows it. Symbolic links are followed;
// Lstat and ReadLink see them.
func (t *Tree) FS() fs.FS { return view{t} }

type view struct{ t *Tree }

func (v view) name(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return name, nil
}

// Open opens a file or directory for reading.
func (v view) Open(name string) (fs.File, error) {
	p, err := v.name("open", name)
	if err != nil {
		return nil, err
	}
	f, err := v.t.Open(v.t.rootNode, p, How{Read: true})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &viewFile{f: f, name: path.Base(name)}, nil
}

// Stat describes a file, links followed.
func (v view) Stat(name string) (fs.FileInfo, error) { return v.stat("stat", name, true) }

// Lstat describes a file or a link.
func (v view) Lstat(name string) (fs.FileInfo, error) { return v.stat("lstat", name, false) }

func (v view) stat(op, name string, follow bool) (fs.FileInfo, error) {
	p, err := v.name(op, name)
	if err != nil {
		return nil, err
	}
	st, err := v.t.Stat(v.t.rootNode, p, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return info{path.Base(name), st}, nil
}

// ReadLink returns the target of a symbolic link.
func (v view) ReadLink(name string) (string, error) {
	p, err := v.name("readlink", name)
	if err != nil {
		return "", err
	}
	s, err := v.t.Readlink(v.t.rootNode, p)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return s, nil
}

// viewFile adds an offset to a File.
type viewFile struct {
	f      *File
	name   string
	off    int64
	cookie uint64
}

func (f *viewFile) Stat() (fs.FileInfo, error) {
	st, err := f.f.Stat()
	if err != nil {
		return nil, f.fail("stat", err)
	}
	return info{f.name, st}, nil
}

func (f *viewFile) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *viewFile) Read(p []byte) (int, error) {
	n, err := f.f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, f.fail("read", err)
}

func (f *viewFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.f.ReadAt(p, off)
	return n, f.fail("read", err)
}

func (f *viewFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		st, err := f.f.Stat()
		if err != nil {
			return 0, f.fail("seek", err)
		}
		offset += st.Size
	}
	if offset < 0 {
		return 0, f.fail("seek", EINVAL)
	}
	f.off = offset
	return offset, nil
}

func (f *viewFile) Close() error { return f.fail("close", f.f.Close()) }

func (f *viewFile) ReadDir(n int) ([]fs.DirEntry, error) {
	out := []fs.DirEntry{}
	f.cookie = max(f.cookie, cookieDotDot)
	for n <= 0 || len(out) < n {
		limit := 1024
		if n > 0 {
			limit = min(limit, n-len(out))
		}
		batch, err := f.f.ReadDir(f.cookie, limit)
		if err != nil {
			return out, f.fail("readdir", err)
		}
		if len(batch) == 0 {
			break
		}
		for _, d := range batch {
			f.cookie = d.Next
			st, err := f.f.node.tree.Stat(f.f.node, d.Name, false)
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return out, f.fail("readdir", err)
			}
			out = append(out, fs.FileInfoToDirEntry(info{d.Name, st}))
		}
	}
	if n > 0 && len(out) == 0 {
		return nil, io.EOF
	}
	return out, nil
}

// info is a Stat as io/fs knows it.
type info struct {
	name string
	st   Stat
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.st.Size }
func (i info) ModTime() time.Time { return i.st.Mtime }
func (i info) IsDir() bool        { return i.st.Kind == KindDir }
func (i info) Sys() any           { return i.st }

func (i info) Mode() fs.FileMode {
	m := fs.FileMode(i.st.Mode & 0o777)
	if i.st.Mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	switch i.st.Kind {
	case KindDir:
		m |= fs.ModeDir
	case KindSymlink:
		m |= fs.ModeSymlink
	case KindDevice:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case KindOther:
		m |= fs.ModeIrregular
	}
	return m
}

// Info shows the Stat of the file called name as package io/fs does.
func (st Stat) Info(name string) fs.FileInfo { return info{name, st} }
