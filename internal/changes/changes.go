// Package changes knows which files below a folder have changed since it looked at them
// last, and follows them. It looks now and then, on every system in the same way: what a
// system tells of changes by itself differs in what it leaves out.
package changes

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Rules say which files below a folder count. Patterns are those of ignore files.
type Rules struct {
	// Ignore are left out, Include, if there are any, the only ones that count.
	Ignore, Include []string
	// Context says that the folder is that of a build: what its ignore file names is left
	// out, too.
	Context bool
	// Recipe are files of the folder that say how it is built: they count, and with a
	// Context its ignore files, although rules leave them out.
	Recipe []string
}

// Files are the files of a folder, or one file.
type Files struct {
	root    string
	rules   Rules
	said    string // what the folder's ignore file says
	ignore  *patternmatcher.PatternMatcher
	include *patternmatcher.PatternMatcher
	seen    map[string]stamp
}

// stamp is what a file is recognised by.
type stamp struct {
	at   time.Time
	size int64
	mode fs.FileMode
}

// Set are files that were written and files that are gone, by their paths below the
// folder, with slashes. A file that is followed by itself is called ".".
type Set struct{ Written, Gone []string }

// Empty tells that nothing has changed.
func (s Set) Empty() bool { return len(s.Written)+len(s.Gone) == 0 }

// String names what has changed, as far as it fits in a line.
func (s Set) String() string {
	all := slices.Concat(s.Written, s.Gone)
	const few = 3
	if len(all) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
	}
	return strings.Join(all, ", ")
}

// with adds what has changed since.
func (s Set) with(next Set) Set {
	return Set{
		Written: merged(s.Written, next.Written, next.Gone),
		Gone:    merged(s.Gone, next.Gone, next.Written),
	}
}

// merged are the names of two lists, in order, without those of a third.
func merged(before, after, without []string) []string {
	all := slices.Concat(before, after)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(name string) bool { return slices.Contains(without, name) })
}

// alwaysIgnored is what no program reads: histories, and what editors leave for a moment.
func alwaysIgnored() []string {
	return []string{"**/.git", "**/*~", "**/.*.sw?", "**/.#*", "**/#*#", "**/.DS_Store", "**/*.tmp.*", "**/__pycache__"}
}

// ignoreFiles name what never enters a build; the first that is there counts.
var ignoreFiles = []string{".wasmignore", ".dockerignore"}

// New begins with the files as they are now.
func New(root string, rules Rules) (*Files, error) {
	f := &Files{root: root, rules: rules, said: ignored(root, rules)}
	var err error
	if f.ignore, err = f.matcher(f.said); err != nil {
		return nil, err
	}
	if len(rules.Include) > 0 {
		if f.include, err = patternmatcher.New(rules.Include); err != nil {
			return nil, fmt.Errorf("include: %w", err)
		}
	}
	f.seen = f.scan()
	return f, nil
}

// ignored is the text of the folder's ignore file; "": it has none.
func ignored(root string, rules Rules) string {
	if !rules.Context {
		return ""
	}
	for _, name := range ignoreFiles {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil {
			return string(text)
		}
	}
	return ""
}

// matcher finds what is left out.
func (f *Files) matcher(said string) (*patternmatcher.PatternMatcher, error) {
	own, err := ignorefile.ReadAll(strings.NewReader(said))
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", f.root, err)
	}
	m, err := patternmatcher.New(slices.Concat(own, alwaysIgnored(), f.rules.Ignore))
	if err != nil {
		return nil, fmt.Errorf("ignore: %w", err)
	}
	return m, nil
}

// List are all files, as they were seen last.
func (f *Files) List() []string { return slices.Sorted(maps.Keys(f.seen)) }

// Look tells what has changed since the last look.
func (f *Files) Look() Set {
	if said := ignored(f.root, f.rules); said != f.said {
		if m, err := f.matcher(said); err == nil { // else a build will say what is wrong
			f.said, f.ignore = said, m
		}
	}
	now := f.scan()
	var s Set
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if old, ok := f.seen[name]; !ok || old != now[name] {
			s.Written = append(s.Written, name)
		}
	}
	for _, name := range f.List() {
		if _, ok := now[name]; !ok {
			s.Gone = append(s.Gone, name)
		}
	}
	f.seen = now
	return s
}

// recipe tells the files that say how the folder is built.
func (f *Files) recipe(name string) bool {
	return slices.Contains(f.rules.Recipe, name) || f.rules.Context && len(f.rules.Recipe) > 0 && slices.Contains(ignoreFiles, name)
}

// scan lists the files. What cannot be read is not there.
func (f *Files) scan() map[string]stamp {
	out := map[string]stamp{}
	_ = filepath.WalkDir(f.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, err := filepath.Rel(f.root, name)
		if err != nil {
			return nil
		}
		rel = filepath.ToSlash(rel)
		if rel != "." && !f.recipe(rel) {
			if skip, _ := f.ignore.MatchesOrParentMatches(filepath.FromSlash(rel)); skip {
				if d.IsDir() && !f.ignore.Exclusions() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if d.IsDir() {
			return nil
		}
		if f.include != nil && rel != "." && !f.recipe(rel) {
			if in, _ := f.include.MatchesOrParentMatches(filepath.FromSlash(rel)); !in {
				return nil
			}
		}
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			out[rel] = stamp{info.ModTime(), info.Size(), info.Mode()}
		}
		return nil
	})
	return out
}
