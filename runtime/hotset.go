package runtime

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// An image says which functions of a module its programs are likely to run. What
// runs beside them is noted in a small file of the cache, one for each such list,
// when a program has ended that needed more than the list: the next build can
// take it in. A program that needs no more costs nothing.

const (
	notesDir = "hot"
	maxNoted = 8192      // functions that are noted for one list
	maxNote  = 256 << 10 // bytes of such a file
)

// noteKey names the notes about a module that is loaded so.
func (c *cutting) noteKey() string {
	return keyOf("missed", c.content, c.facts, hashFunctions(c.hot), hashFunctions(c.later))
}

// ran books which functions a program has run: for the Container, when that is to
// be recorded, or else those that were not foreseen.
func (s *session) ran(p *plan, i *engine.Instance) {
	c := s.container
	if p.cutting == nil || !c.spec.RecordFunctions && i.Groups() == 0 {
		return
	}
	hits := i.Hits()
	if !c.spec.RecordFunctions { // a group has functions that were foreseen, too
		hits = slices.DeleteFunc(hits, func(f uint32) bool {
			_, hot := slices.BinarySearch(p.cutting.hot, f)
			_, later := slices.BinarySearch(p.cutting.later, f)
			return hot || later
		})
	}
	slices.Sort(hits)
	section := prepare.HotSection{Content: p.cutting.content, Restored: p.snapshot != nil, Functions: hits}
	if c.spec.RecordFunctions {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.functions = c.functions.With(section)
		return
	}
	dir := c.rt.config.engine.CacheDir
	if dir == "" || len(hits) == 0 {
		return
	}
	// A note that cannot be kept is none: the next run makes another.
	_ = addNote(filepath.Join(dir, notesDir), p.cutting.noteKey(), section)
}

// addNote adds functions to the notes of a key.
func addNote(dir, key string, section prepare.HotSection) error {
	known := readNote(filepath.Join(dir, key))
	var have []uint32
	if len(known) == 1 && known[0].Content == section.Content && known[0].Restored == section.Restored {
		have = known[0].Functions
	}
	all := prepare.Union(have, section.Functions)
	if len(all) == len(have) {
		return nil
	}
	if len(all) > maxNoted {
		if len(have) >= maxNoted {
			return nil
		}
		all = all[:maxNoted]
	}
	section.Functions = all
	var text bytes.Buffer
	if _, err := (prepare.HotSet{section}).WriteTo(&text); err != nil || text.Len() > maxNote {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, key))
}

// readNote reads notes; what cannot be read is as good as none.
func readNote(path string) prepare.HotSet {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxNote {
		return nil
	}
	set, err := prepare.ParseHotSet(io.LimitReader(f, maxNote))
	if err != nil {
		return nil
	}
	return set
}

// Missed writes to w which functions programs of an image have run here, with
// this cache, that were not foreseen when it was built, as a hot set for a build;
// n is how many.
func Missed(cacheDir string, d *oci.Derived, w io.Writer) (n int, err error) {
	var set prepare.HotSet
	add := func(c cutting, restored bool) {
		for _, s := range readNote(filepath.Join(cacheDir, notesDir, c.noteKey())) {
			if s.Content == c.content && s.Restored == restored {
				set = set.With(s)
			}
		}
	}
	for i := range d.Modules {
		m := &d.Modules[i]
		c := cutting{content: m.Content, facts: string(m.Facts), hot: m.Hot}
		add(c, false)
		for j := range d.Snapshots {
			if s := &d.Snapshots[j]; s.Content == m.Content {
				r := c
				r.restores(s)
				add(r, true)
			}
		}
	}
	for _, s := range set {
		n += len(s.Functions)
	}
	_, err = set.WriteTo(w)
	return n, err
}

// sweepNotes removes notes that nothing was added to for longer than unused.
func sweepNotes(cacheDir string, unused time.Duration) error {
	dir := filepath.Join(cacheDir, notesDir)
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if info, ierr := e.Info(); ierr == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) >= unused {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// WriteFunctions writes which functions the container's programs have run, as a
// hot set for a build. Spec.RecordFunctions has them recorded.
func (c *Container) WriteFunctions(w io.Writer) error {
	c.mu.Lock()
	set := slices.Clone(c.functions)
	c.mu.Unlock()
	_, err := set.WriteTo(w)
	return err
}

// recordedCutting has a program loaded so that it is noted which functions run.
func (s *session) recordedCutting(ctx context.Context, p *plan, x *executable, ref layer.Ref, options prepare.Options) error {
	if p.cutting == nil {
		facts, err := s.surveyed(ctx, x, options)
		if err != nil {
			return err
		}
		layers, encoded := s.container.layers, facts.encoded
		p.cutting = &cutting{content: contentName(ref), facts: keyOf(string(encoded)), open: func() (*prepare.Split, io.Closer, error) {
			return openSplit(layers, ref, encoded, options)
		}}
	}
	p.cutting.record = true
	return nil
}

// Survey finds out what has to be known of the module of a program to load it in
// parts. Nothing of it runs.
func (c *Container) Survey(ctx context.Context, p Process) (*Recording, error) {
	if len(p.Args) == 0 {
		return nil, errors.New("survey program: none is named")
	}
	p = c.complete(p)
	s := c.newSession(p.Limits)
	x, err := c.findModule(p)
	if err != nil {
		return nil, err
	}
	defer x.close()
	ref, _, _ := x.file.Content()
	facts, err := s.surveyed(ctx, x, c.rt.prepareOptions(s.limits.Tables))
	if err != nil {
		return nil, c.cause(ctx, err)
	}
	return &Recording{Content: contentName(ref), Facts: facts.encoded, Functions: facts.functions}, nil
}

// survey is what was found out about a module.
type survey struct {
	encoded   []byte
	functions uint32
}

// told reads what the image says of a module: its facts, of which all that is made use of
// is checked.
func (c *Container) told(ctx context.Context, ref layer.Ref, options prepare.Options) (survey, error) {
	facts, err := c.toldFacts(ctx, ref)
	if err != nil {
		return survey{}, err
	}
	split, file, err := openSplit(c.layers, ref, facts, options)
	if err != nil {
		return survey{}, err
	}
	return survey{facts, split.Functions()}, file.Close()
}

// toldFacts are the facts of a module that the image has.
func (c *Container) toldFacts(ctx context.Context, ref layer.Ref) ([]byte, error) {
	if c.derived == nil || c.derived.Derived() == nil {
		return nil, errNothingTold
	}
	for _, m := range c.derived.Derived().Modules {
		if m.Content == contentName(ref) && m.Whole == "" {
			return c.derived.Facts(ctx, &m)
		}
	}
	return nil, errNothingTold
}

// errNothingTold says that an image tells nothing of a module.
var errNothingTold = errors.New("the image has no facts of the module")

// surveyed finds the facts of a program's module.
func (s *session) surveyed(ctx context.Context, x *executable, options prepare.Options) (survey, error) {
	ref, blob, ok := x.file.Content()
	if !ok {
		return survey{}, &WholeError{Reason: "it is no file of a layer"}
	}
	if ref.Size > int64(options.Limits.Module) {
		return survey{}, &FormatError{x.path, "exec format error: the module is too large"}
	}
	bin, err := moduleBytes(blob, ref)
	if err != nil {
		return survey{}, err
	}
	willNeed(blob, ref.Offset, ref.Size)
	facts, err := prepare.Survey(ctx, bin, options)
	if err != nil {
		return survey{}, refuse(x, err)
	}
	if facts.Whole != "" {
		return survey{}, &WholeError{Content: contentName(ref), Reason: facts.Whole}
	}
	split, err := prepare.NewSplit(bin, facts, options)
	if err != nil {
		return survey{}, err
	}
	encoded, err := facts.MarshalBinary()
	return survey{encoded, split.Functions()}, err
}
