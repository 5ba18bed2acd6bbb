package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/packager/recipe"
)

// copy does COPY.
func (b *builder) copy(ctx context.Context, s *state, step recipe.Step, c *instructions.CopyCommand) (bool, error) {
	src, err := b.source(ctx, s, c.From)
	if err != nil {
		return false, err
	}
	p := newPlan(b, s)
	if err := errors.Join(p.setMode(c.Chmod), p.setOwner(c.Chown)); err != nil {
		return false, err
	}
	cp := &copier{plan: p, src: src, unpack: step.Unpack, parents: c.Parents}
	if err := cp.exclude(c.ExcludePatterns); err != nil {
		return false, err
	}
	if err := cp.copyAll(ctx, s, c.SourcesAndDest); err != nil {
		return false, err
	}
	return b.commit(ctx, s, p.entries(), step.Code)
}

// source is the tree that --from names: an earlier stage, an image, or the
// build context.
func (b *builder) source(ctx context.Context, s *state, from string) (tree, error) {
	if from == "" {
		return b.context, nil
	}
	if i, ok := b.Recipe.Stage(from); ok && i < s.index {
		stage, err := b.stage(ctx, i)
		if err != nil {
			return nil, err
		}
		return stage.tree(b.Store), nil
	}
	if img, ok := b.images[from]; ok {
		return unionOf(img), nil
	}
	ref, err := recipe.ResolveFrom(from, b.Recipe.Stages[:s.index])
	if err != nil {
		return nil, err
	}
	if ref.Kind != recipe.Base && ref.Kind != recipe.Image {
		return nil, fmt.Errorf("--from=%s: neither a stage nor an image", from)
	}
	img, err := b.image(ctx, ref)
	if err != nil {
		return nil, err
	}
	b.images[from] = img
	return unionOf(img), nil
}

func unionOf(img *Image) *union {
	return newUnion(newState(img, DefaultEpoch).layers(nil))
}

// copier brings files from a tree into a plan.
type copier struct {
	*plan
	src      tree
	excludes *patternmatcher.PatternMatcher
	unpack   *recipe.Unpack
	parents  bool
	// autoUnpack writes the members of local archives, as ADD does.
	autoUnpack bool
}

func (c *copier) exclude(patterns []string) error {
	if len(patterns) == 0 {
		return nil
	}
	var err error
	if c.excludes, err = patternmatcher.New(patterns); err != nil {
		return fmt.Errorf("--exclude: %w", err)
	}
	return nil
}

// copyAll copies every source of an instruction.
func (c *copier) copyAll(ctx context.Context, s *state, sd instructions.SourcesAndDest) error {
	names, err := c.names(sd.SourcePaths)
	if err != nil {
		return err
	}
	dest, isDir, err := c.destination(s, sd.DestPath)
	if err != nil {
		return err
	}
	if len(names)+len(sd.SourceContents) > 1 && !isDir {
		return fmt.Errorf("several sources need a folder as destination: write %s/", strings.TrimRight(sd.DestPath, "/"))
	}
	for _, name := range names {
		if err := c.copyOne(ctx, name, dest, isDir); err != nil {
			return err
		}
	}
	for _, inline := range sd.SourceContents {
		n, err := c.b.storeFile(ctx, strings.NewReader(inline.Data))
		if err != nil {
			return err
		}
		if err := c.put(fileDest(dest, inline.Path, isDir), n); err != nil {
			return err
		}
	}
	return nil
}

// destination resolves where sources go in the stage, symbolic links followed.
func (c *copier) destination(s *state, dest string) (at string, isDir bool, err error) {
	if dest == "" {
		return "", false, errors.New("the destination is empty")
	}
	isDir = strings.HasSuffix(dest, "/") || path.Base(dest) == "." || path.Base(dest) == ".." || c.parents || c.unpack != nil
	if at, err = follow(c.below, s.absolute(dest), true); err != nil {
		return "", false, err
	}
	n, ok, err := c.below.lookup(at)
	if err != nil {
		return "", false, err
	}
	return at, isDir || (ok && n.kind == layer.Dir), nil
}

func fileDest(dest, name string, isDir bool) string {
	if isDir {
		return under(dest, path.Base(name))
	}
	return dest
}

// pivot is where --parents cuts a source: what stands before /./ is left away.
const pivot = "/./"

// names expands the patterns in sources.
func (c *copier) names(sources []string) ([]string, error) {
	var names []string
	for _, source := range sources {
		source = strings.ReplaceAll(source, `\`, `/`)
		if !strings.ContainsAny(source, "*?[") {
			names = append(names, source)
			continue
		}
		found, err := glob(c.src, clean(source))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("nothing matches %s", source)
		}
		names = append(names, found...)
	}
	return names, nil
}

// glob finds the names that match a pattern, element by element.
func glob(t tree, pattern string) ([]string, error) {
	found := []string{""}
	for _, elem := range strings.Split(pattern, "/") {
		if _, err := path.Match(elem, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		var next []string
		for _, dir := range found {
			matches, err := globIn(t, dir, elem)
			if err != nil {
				return nil, err
			}
			next = append(next, matches...)
		}
		found = next
	}
	return found, nil
}

func globIn(t tree, dir, elem string) ([]string, error) {
	at, err := follow(t, dir, true)
	if err != nil {
		return nil, err
	}
	if n, ok, err := t.lookup(at); err != nil || !ok || n.kind != layer.Dir {
		return nil, err
	}
	names, err := t.list(at)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		if ok, _ := path.Match(elem, name); ok {
			found = append(found, under(dir, name))
		}
	}
	return found, nil
}

// copyOne copies one source: a file, or what is in a folder.
func (c *copier) copyOne(ctx context.Context, source, dest string, isDir bool) error {
	from, err := follow(c.src, source, true)
	if err != nil {
		return err
	}
	n, ok, err := c.src.lookup(from)
	if err != nil {
		return err
	}
	if !ok {
		return c.missing(source)
	}
	switch {
	case c.parents:
		_, kept, cut := strings.Cut("/"+strings.TrimPrefix(source, "/"), pivot)
		if !cut {
			kept = source
		}
		dest = under(dest, kept)
	case n.kind != layer.Dir:
		if c.excluded(path.Base(from)) {
			return nil
		}
		if done, err := c.archive(ctx, source, n, dest); done || err != nil {
			return err
		}
		dest = fileDest(dest, source, isDir)
	case c.unpack != nil:
		return fmt.Errorf("%s is a folder, --unpack wants an archive", source)
	}
	return c.copyTree(ctx, from, dest)
}

// copyTree copies a name and all below it onto dest.
func (c *copier) copyTree(ctx context.Context, from, dest string) error {
	return walk(c.src, from, func(name string, n node) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, from), "/")
		if rel != "" && c.excluded(rel) {
			if n.kind == layer.Dir && !c.excludes.Exclusions() {
				return fs.SkipDir
			}
			return nil
		}
		// A folder of the stage may be a symbolic link; files replace links.
		at, err := follow(c.below, under(dest, rel), n.kind == layer.Dir)
		if err != nil {
			return err
		}
		if n, err = c.store(ctx, n); err != nil {
			return fmt.Errorf("copy %s: %w", fsName(name), err)
		}
		return c.put(at, n)
	})
}

func (c *copier) excluded(rel string) bool {
	if c.excludes == nil {
		return false
	}
	yes, err := c.excludes.MatchesOrParentMatches(filepath.FromSlash(rel))
	return err == nil && yes
}

// missing says that a source is not there, and why when an ignore file hides it.
func (c *copier) missing(source string) error {
	f, ok := c.src.(*folder)
	if !ok {
		return fmt.Errorf("%s: no such file in the stage or image", source)
	}
	if f.files == nil {
		return fmt.Errorf("%s: this build has no context", source)
	}
	if hidden, _, err := f.ignored(clean(source)); err == nil && hidden {
		return fmt.Errorf("%s: hidden by an ignore file (%s)", source, strings.Join(ignoreFiles, " or "))
	}
	return fmt.Errorf("%s: no such file in the build context", source)
}

// archive unpacks n when the instruction says so. done is false for a file that
// is to be copied as it is.
func (c *copier) archive(ctx context.Context, source string, n node, dest string) (done bool, err error) {
	if c.unpack == nil && !c.autoUnpack {
		return false, nil
	}
	r, err := n.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	if c.unpack == nil {
		if is, err := isTar(r); err != nil || !is {
			return false, err
		}
		r.Close()
		if r, err = n.open(); err != nil {
			return false, err
		}
		defer r.Close()
		return true, c.unpackInto(ctx, source, r, recipe.Unpack{}, dest)
	}
	return true, c.unpackInto(ctx, source, r, *c.unpack, dest)
}

// add does ADD: COPY, and besides it fetches URLs and unpacks local archives.
func (b *builder) add(ctx context.Context, s *state, step recipe.Step, a *instructions.AddCommand) (bool, error) {
	p := newPlan(b, s)
	if err := errors.Join(p.setMode(a.Chmod), p.setOwner(a.Chown)); err != nil {
		return false, err
	}
	auto := a.Unpack == nil || *a.Unpack
	cp := &copier{plan: p, src: b.context, unpack: step.Unpack, autoUnpack: auto}
	if err := cp.exclude(a.ExcludePatterns); err != nil {
		return false, err
	}
	var local, remote []string
	for _, src := range a.SourcePaths {
		switch {
		case recipe.IsGit(src):
			return false, fmt.Errorf("%s: a repository has no checksum\nclone it beside the Wasmfile and COPY", src)
		case recipe.IsRemote(src):
			remote = append(remote, src)
		default:
			local = append(local, src)
		}
	}
	if len(remote) == 1 && len(local)+len(a.SourceContents) == 0 {
		return b.addOnce(ctx, s, step, cp, remote[0], a)
	}
	if len(remote) > 0 {
		return false, errors.New("fetch one URL with one ADD: a checksum is for one file")
	}
	sd := a.SourcesAndDest
	sd.SourcePaths = local
	if err := cp.copyAll(ctx, s, sd); err != nil {
		return false, err
	}
	return b.commit(ctx, s, p.entries(), step.Code)
}

// spool makes r readable at any place: it is already, or a temporary file.
func spool(r io.Reader, limit int64) (at io.ReaderAt, size int64, done func(), err error) {
	if f, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	}); ok {
		size, err = f.Seek(0, io.SeekEnd)
		return f, size, func() {}, err
	}
	return spoolFile(r, limit)
}
