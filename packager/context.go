package packager

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/wherry-run/wherry/internal/layer"
)

// ignoreFiles name what never enters the build; the first that is there counts.
var ignoreFiles = []string{".wasmignore", ".dockerignore"}

// maxIgnore bounds an ignore file.
const maxIgnore = 1 << 20

// folder is the build context as a tree, without what the ignore file names.
type folder struct {
	files  fs.FS
	ignore *patternmatcher.PatternMatcher
}

func newFolder(files fs.FS) (*folder, error) {
	f := &folder{files: files}
	if files == nil {
		return f, nil
	}
	for _, name := range ignoreFiles {
		text, err := readSmall(files, name, maxIgnore)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		patterns, err := ignorefile.ReadAll(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if f.ignore, err = patternmatcher.New(patterns); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		break
	}
	return f, nil
}

// ignored reports whether a name is hidden; below says that names under it may
// be shown all the same.
func (f *folder) ignored(name string) (hidden, below bool, err error) {
	if f.ignore == nil || name == "" {
		return false, true, nil
	}
	// The matcher wants the separators of this OS.
	hidden, err = f.ignore.MatchesOrParentMatches(filepath.FromSlash(name))
	return hidden, f.ignore.Exclusions(), err
}

func (f *folder) lookup(name string) (node, bool, error) {
	if f.files == nil {
		return node{}, false, nil
	}
	hidden, below, err := f.ignored(name)
	if err != nil || (hidden && !below) {
		return node{}, false, err
	}
	at := fsName(name)
	if !fs.ValidPath(at) {
		return node{}, false, nil
	}
	info, err := fs.Lstat(f.files, at)
	if errors.Is(err, fs.ErrNotExist) {
		return node{}, false, nil
	}
	if err != nil {
		return node{}, false, err
	}
	n, err := f.node(at, info)
	if err != nil {
		return node{}, false, err
	}
	if hidden {
		shown, err := f.anyShown(name, n)
		return n, shown, err
	}
	return n, true, nil
}

// anyShown reports whether a hidden folder holds a name that is shown.
func (f *folder) anyShown(name string, n node) (bool, error) {
	if n.kind != layer.Dir {
		return false, nil
	}
	names, err := f.list(name)
	return len(names) > 0, err
}

func (f *folder) node(at string, info fs.FileInfo) (node, error) {
	switch info.Mode().Type() {
	case fs.ModeDir:
		return node{kind: layer.Dir, mode: 0o755}, nil
	case fs.ModeSymlink:
		target, err := fs.ReadLink(f.files, at)
		return node{kind: layer.Symlink, mode: 0o777, target: filepath.ToSlash(target)}, err
	case 0:
		return node{
			kind: layer.File, size: info.Size(),
			open: func() (io.ReadCloser, error) { return f.files.Open(at) },
		}, nil
	}
	return node{}, fmt.Errorf("%s: neither a file, a folder nor a symbolic link", at)
}

func (f *folder) list(name string) ([]string, error) {
	entries, err := fs.ReadDir(f.files, fsName(name))
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		child := e.Name()
		if name != "" {
			child = name + "/" + child
		}
		_, ok, err := f.lookup(child)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// fsName is a tree's name as package fs spells it.
func fsName(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// readSmall reads a file of at most limit bytes.
func readSmall(files fs.FS, name string, limit int64) (io.Reader, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return bytes.NewReader(data), nil
}
