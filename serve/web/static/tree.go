package static

import (
	"errors"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"sync"
)

// linkFS is what a site needs of its files.
type linkFS interface {
	fs.StatFS
	fs.ReadLinkFS
}

// tree is the folder of a site.
type tree struct {
	fs   linkFS
	root string // without slashes around it
}

// at is the path of a name of the site in the container, as io/fs writes it.
func (t *tree) at(name string) string {
	if at := path.Join(t.root, name); at != "" {
		return at
	}
	return "."
}

// maxLinks bounds the symbolic links on the way to a file.
const maxLinks = 16

// errOutside is that of a symbolic link which leads out of the site.
var errOutside = errors.New("it leads out of the site")

// find looks a name up, below the root: links are followed as long as they stay
// there. It gives the name without links.
func (t *tree) find(name string) (real string, info fs.FileInfo, err error) {
	rest, done := strings.Split(name, "/"), ""
	for links := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		if strings.HasPrefix(next, "../") || next == ".." {
			return "", nil, errOutside
		}
		if next == "" || next == "." {
			done = ""
			continue
		}
		if info, err = t.fs.Lstat(t.at(next)); err != nil {
			return "", nil, err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", nil, errors.New("too many symbolic links")
			}
			target, err := t.follow(done, next)
			if err != nil {
				return "", nil, err
			}
			done, rest = "", append(strings.Split(target, "/"), rest...)
		case !info.IsDir() && len(rest) > 0:
			return "", nil, fs.ErrNotExist
		default:
			done = next
		}
	}
	if done == "" {
		info, err = t.fs.Stat(t.at(""))
	}
	return done, info, err
}

// follow gives what the link at name, in folder, leads to: a name below the root.
func (t *tree) follow(folder, name string) (string, error) {
	target, err := t.fs.ReadLink(t.at(name))
	if err != nil {
		return "", err
	}
	if !path.IsAbs(target) {
		target = path.Join("/", t.root, folder, target)
	}
	target = strings.TrimPrefix(path.Clean(target), "/")
	if t.root == "" {
		return target, nil
	}
	if target == t.root {
		return "", nil
	}
	if below, ok := strings.CutPrefix(target, t.root+"/"); ok {
		return below, nil
	}
	return "", errOutside
}

// A page is what answers for a path.
type page struct {
	// name is the file below the root; "" when there is none.
	name   string
	info   fs.FileInfo
	status int
	// redirect is where it is instead, escaped.
	redirect string
	// fallback is set when it stands for any page.
	fallback bool
}

// names remembers pages by their paths.
type names struct {
	mu    sync.RWMutex
	pages map[string]page
}

// maxNames bounds the paths that are remembered.
const maxNames = 8192

// page finds what answers for the path of a request.
func (s *Site) page(urlPath string) page {
	if !s.frozen {
		return s.look(urlPath)
	}
	s.names.mu.RLock()
	p, ok := s.names.pages[urlPath]
	s.names.mu.RUnlock()
	if ok {
		return p
	}
	p = s.look(urlPath)
	if p.status != 200 || p.fallback { // anybody can make up such paths
		return p
	}
	s.names.mu.Lock()
	if s.names.pages == nil || len(s.names.pages) >= maxNames {
		s.names.pages = make(map[string]page, 64)
	}
	s.names.pages[urlPath] = p
	s.names.mu.Unlock()
	return p
}

// maxPath bounds the path of a request.
const maxPath = 4096

// look is page for one that is not remembered.
func (s *Site) look(urlPath string) page {
	if len(urlPath) > maxPath || !strings.HasPrefix(urlPath, "/") || strings.ContainsAny(urlPath, "\x00\\") {
		return page{status: 400}
	}
	clean := path.Clean(urlPath)
	folder := strings.HasSuffix(urlPath, "/")
	name := strings.TrimPrefix(clean, "/")
	if hidden(name) {
		return s.missing("")
	}
	real, info, err := s.tree.find(name)
	switch {
	case err == nil && hidden(real):
		return s.missing("")
	case err == nil && info.IsDir() && !folder:
		return page{status: 301, redirect: escape(clean) + "/"}
	case err == nil && info.IsDir():
		for _, index := range []string{"index.html", "index.htm"} {
			if p, ok := s.file(path.Join(real, index)); ok {
				return p
			}
		}
	case err == nil && !folder:
		if p, ok := s.file(real); ok {
			return p
		}
	case err != nil && !folder && path.Ext(name) == "":
		if p, ok := s.file(name + ".html"); ok {
			return p
		}
	}
	return s.missing(name)
}

// file is the page of a regular file, if there is one.
func (s *Site) file(name string) (page, bool) {
	real, info, err := s.tree.find(name)
	if err != nil || !info.Mode().IsRegular() || hidden(real) {
		return page{}, false
	}
	return page{name: real, info: info, status: 200}, true
}

// missing is the page for a name that has no file: the fallback for what may be a page
// of it, else the site's own 404.html.
func (s *Site) missing(name string) page {
	if s.fallback != "" && name != "" && path.Ext(name) == "" {
		if p, ok := s.file(s.fallback); ok {
			p.fallback = true
			return p
		}
	}
	if p, ok := s.file("404.html"); ok {
		p.status = 404
		return p
	}
	return page{status: 404}
}

// hidden tells names of which a part begins with a dot, but for those that RFC 8615
// has for everybody.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != ".well-known" {
			return true
		}
	}
	return false
}

// escape writes a path for a Location.
func escape(p string) string { return (&url.URL{Path: p}).EscapedPath() }
