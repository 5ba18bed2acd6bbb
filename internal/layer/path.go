package layer

import "strings"

// Marks of whiteouts in file names, as image-spec has them.
const (
	whiteoutPrefix = ".wh."
	opaqueName     = ".wh..wh..opq"
	metaPrefix     = ".wh..wh."
)

// cleanName turns the name of an archive entry into the path of an index. A
// slash in front means the root of the image; ".." is never resolved, since
// what it would mean depends on what is there.
func cleanName(name string, lim Limits) (string, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return "", refuse(name, ErrName, "it contains a zero byte")
	}
	if len(name) > lim.PathLen+2 {
		return "", refuse(name, ErrLimit, "path of %d bytes, at most %d", len(name), lim.PathLen)
	}
	parts := make([]string, 0, 8)
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
			continue
		case part == "..":
			return "", refuse(name, ErrEscape, `it contains ".."`)
		case len(part) > lim.NameLen:
			return "", refuse(name, ErrLimit, "name of %d bytes, at most %d", len(part), lim.NameLen)
		}
		parts = append(parts, part)
	}
	if len(parts) > lim.Depth {
		return "", refuse(name, ErrLimit, "%d directories deep, at most %d", len(parts), lim.Depth)
	}
	return strings.Join(parts, "/"), nil
}

// checkPath tells whether a path is clean, and so fit for an index.
func checkPath(path string, lim Limits) error {
	if isClean(path, lim) {
		return nil
	}
	clean, err := cleanName(path, lim)
	if err != nil {
		return err
	}
	if clean != path {
		return refuse(path, ErrName, "it is not in its shortest form")
	}
	return nil
}

// isClean is the answer for nearly every path, without building a string.
func isClean(path string, lim Limits) bool {
	if path == "" {
		return true
	}
	if len(path) > lim.PathLen {
		return false
	}
	depth, start := 1, 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			if path[i] == 0 {
				return false
			}
			continue
		}
		part := path[start:i]
		if part == "" || part == "." || part == ".." || len(part) > lim.NameLen {
			return false
		}
		if i < len(path) {
			depth++
		}
		start = i + 1
	}
	return depth <= lim.Depth
}

// mark says what a path means as a whiteout.
type mark uint8

const (
	plain mark = iota
	isWhiteout
	isOpaque
	isMeta // bookkeeping of a union file system, without meaning here
)

// readMark looks for whiteouts in a cleaned path. For a whiteout it returns the
// path that is hidden, for an opaque mark the directory.
func readMark(path string) (mark, string, error) {
	if !strings.Contains(path, whiteoutPrefix) {
		return plain, path, nil
	}
	dir, base := split(path)
	for part := range strings.SplitSeq(dir, "/") {
		if strings.HasPrefix(part, metaPrefix) {
			return isMeta, path, nil
		}
		if strings.HasPrefix(part, whiteoutPrefix) {
			return plain, "", refuse(path, ErrName, "a whiteout cannot be a directory")
		}
	}
	switch {
	case base == opaqueName:
		return isOpaque, dir, nil
	case strings.HasPrefix(base, metaPrefix):
		return isMeta, path, nil
	case strings.HasPrefix(base, whiteoutPrefix):
		hidden := base[len(whiteoutPrefix):]
		if hidden == "" || hidden == "." || hidden == ".." {
			return plain, "", refuse(path, ErrName, "a whiteout of %q", hidden)
		}
		return isWhiteout, join(dir, hidden), nil
	}
	return plain, path, nil
}

// split parts a path into its directory and its last name.
func split(path string) (dir, base string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

func join(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}
