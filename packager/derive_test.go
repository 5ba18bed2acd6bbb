package packager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// openDerived reads the derived data of an index, as package images does.
func (m *memImages) openDerived(img *Image, index *ispec.Index) error {
	read := func(d digest.Digest) []byte {
		b, err := m.store.OpenContent(string(d))
		if err != nil {
			return nil
		}
		return b.(layer.Mapped).Bytes()
	}
	for _, d := range index.Manifests {
		if d.ArtifactType != oci.DerivedArtifact {
			continue
		}
		manifest, err := oci.ParseManifest(read(d.Digest), d.MediaType)
		if err != nil {
			return err
		}
		if img.Derived, err = oci.ParseDerived(read(manifest.Config.Digest), manifest); err != nil {
			return err
		}
		img.DerivedLayers = manifest.Layers
		img.Memory = func(_ context.Context, s *oci.Snapshot) (*os.File, error) {
			f, err := os.Create(filepath.Join(m.dir, "memory"))
			if err != nil {
				return nil, err
			}
			for _, p := range s.Pages {
				r, err := layer.Decompress(bytes.NewReader(read(p)), layer.Limits{})
				if err == nil {
					err = prepare.DecodePages(r, s.Memory, f)
				}
				if err != nil {
					return nil, err
				}
			}
			_, err = f.Seek(0, io.SeekStart)
			return f, errors.Join(err, f.Truncate(int64(s.Memory)))
		}
	}
	return nil
}

// stubRecorder records what a test says.
type stubRecorder struct {
	specs  []RecordSpec
	record func(RecordSpec) (*Recording, error)
}

func (r *stubRecorder) Record(_ context.Context, s RecordSpec) (*Recording, error) {
	r.specs = append(r.specs, s)
	return r.record(s)
}

// recording is one of a program that read /lib/a and has text in its memory.
func recording(s RecordSpec, text string) *Recording {
	memory := make([]byte, 4<<16)
	copy(memory[5000:], "the interpreter")
	copy(memory[100_000:], text)
	return &Recording{
		Content: "module@0+9", Facts: []byte("facts"), Hot: []uint32{1, 5, 9}, Memory: memory,
		Snapshot: &oci.Snapshot{
			Content: "module@0+9", Program: slices.Concat(s.Config.Entrypoint, s.Config.Cmd), Protocol: oci.ProtocolTurn,
			Memory: uint64(len(memory)), Hot: []uint32{5}, Reads: oci.Reads{Dirs: []string{"/lib", "/lib/link"}},
		},
	}
}

func (b *bench) withRecorder(record func(RecordSpec) (*Recording, error)) *stubRecorder {
	b.images.dir = b.t.TempDir()
	r := &stubRecorder{record: record}
	b.Recorder = r
	return r
}

const snapshotRecipe = "FROM scratch\nCOPY a /lib/a\nCOPY a /other/a\nENTRYPOINT [\"/run\"]\nSNAPSHOT\n"

func TestSnapshot(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A", "b": "B"})
	r := b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, "one"), nil })
	img := b.build(snapshotRecipe)
	if img.Derived == nil || img.img.Derived == nil {
		t.Fatal("there is no derived data in the index")
	}
	d := img.img.Derived
	if len(d.Modules) != 1 || cmp.Diff(oci.Functions{1, 5, 9}, d.Modules[0].Hot) != "" || len(d.Snapshots) != 1 || cmp.Diff([]string{"/run"}, d.Snapshots[0].Program) != "" {
		t.Errorf("derived %+v", d)
	}
	m, err := oci.ParseManifest(b.store.bytes(t, img.Derived.Digest), "")
	if err != nil || m.Subject == nil || m.Subject.Digest != img.Manifest.Digest {
		t.Errorf("the subject is %+v: %v", m.Subject, err)
	}
	want := recording(RecordSpec{}, "one").Memory
	if got := b.memory(img.img, 0); !bytes.Equal(got, want) {
		t.Error("the memory is another")
	}
	if s := r.specs[0]; !s.Epoch.Equal(DefaultEpoch) || s.Seed == [32]byte{} || len(s.Layers) == 0 || s.Config.Entrypoint[0] != "/run" {
		t.Errorf("recorded %+v", s)
	}
	if again := b.build(snapshotRecipe); len(r.specs) != 1 || again.Index.Digest != img.Index.Digest {
		t.Errorf("the second build recorded %d times", len(r.specs)-1)
	}
	b.build(strings.Replace(snapshotRecipe, "ENTRYPOINT", "ENV X=1\nENTRYPOINT", 1))
	if len(r.specs) != 2 || r.specs[0].Seed == r.specs[1].Seed {
		t.Errorf("another environment was recorded %d times", len(r.specs)-1)
	}
	b.NoCache = true
	if again := b.build(snapshotRecipe); len(r.specs) != 3 || again.Index.Digest != img.Index.Digest {
		t.Errorf("--no-cache: recorded %d times, another digest: %v", len(r.specs)-2, again.Index.Digest != img.Index.Digest)
	}
	// On another machine, with nothing remembered.
	there := newBench(t, map[string]string{"a": "A", "b": "B"})
	there.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, "one"), nil })
	if again := there.build(snapshotRecipe); again.Index.Digest != img.Index.Digest {
		t.Error("the same inputs have two digests")
	}
	// A sweep took what was recorded.
	fresh := &memStore{}
	b.NoCache = false
	b.store, b.Store, b.images.store = fresh, fresh, fresh
	if again := b.build(snapshotRecipe); len(r.specs) != 4 || again.Index.Digest != img.Index.Digest {
		t.Errorf("after a sweep: recorded %d times", len(r.specs)-3)
	}
}

// memory reads that of a snapshot.
func (b *bench) memory(img *Image, i int) []byte {
	b.t.Helper()
	f, err := img.Memory(b.t.Context(), &img.Derived.Snapshots[i])
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

// TestNoSnapshot: what stands in the way is an error with SNAPSHOT, and a note
// without.
func TestNoSnapshot(t *testing.T) {
	python := "FROM scratch\nCOPY a /lib/a\nLABEL run.wherry.python=3.15\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n"
	refused := func(s RecordSpec) (*Recording, error) {
		r := recording(s, "")
		r.Snapshot, r.Memory, r.Refused = nil, nil, "it keeps /x open"
		return r, nil
	}
	whole := func(RecordSpec) (*Recording, error) {
		return nil, &NoRecordingError{"", "the module has to stay whole"}
	}
	broken := func(RecordSpec) (*Recording, error) { return nil, errors.New("exit status 3") }
	cases := []struct {
		what, recipe string
		record       func(RecordSpec) (*Recording, error)
		err, note    string
		modules      int // in the derived data; -1 for none
	}{
		{"asked and refused", snapshotRecipe, refused, "SNAPSHOT: it keeps /x open", "", 0},
		{"asked of a whole module", snapshotRecipe, whole, "SNAPSHOT: the module has to stay whole", "", 0},
		{"asked of a broken program", snapshotRecipe, broken, "exit status 3", "", 0},
		{"not asked and refused", python, refused, "", "no snapshot is taken: it keeps /x open", 1},
		{"not asked of a whole module", python, whole, "", "no snapshot is taken: the module has to stay whole", -1},
		{"not asked of a broken program", python, broken, "exit status 3", "", 0},
		{"nothing of it", "FROM scratch\nCOPY a /lib/a\nENTRYPOINT [\"/run\"]\n", broken, "", "", -1},
	}
	for _, c := range cases {
		b := newBench(t, map[string]string{"a": "A"})
		b.withRecorder(c.record)
		for range 2 { // recorded, and remembered
			notes := &collect{}
			b.Progress = notes
			res, err := b.tryBuild(c.recipe)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want ...%s...", c.what, err, c.err)
			}
			if !strings.Contains(notes.String(), c.note) || c.note == "" && strings.Contains(notes.String(), "no snapshot") {
				t.Errorf("%s: notes %s, want ...%s...", c.what, notes, c.note)
			}
			if err != nil {
				continue
			}
			d := b.open(res).img.Derived
			if (d == nil) != (c.modules < 0) || d != nil && (len(d.Modules) != c.modules || len(d.Snapshots) != 0) {
				t.Errorf("%s: derived %+v", c.what, d)
			}
		}
	}
}

// TestSnapshotKeepsSecrets: a stage that saw a secret, or was made from one that
// did, is not recorded.
func TestSnapshotKeepsSecrets(t *testing.T) {
	const run = "RUN --mount=type=secret,id=token produce\n"
	for _, recipe := range []string{
		"FROM scratch\n" + run + "ENTRYPOINT [\"/run\"]\nSNAPSHOT\n",
		"FROM scratch AS one\n" + run + "FROM one\nENTRYPOINT [\"/run\"]\nSNAPSHOT\n",
	} {
		b := newBench(t, nil)
		b.Secrets = map[string]Secret{"token": func() ([]byte, error) { return []byte("hunter2-hunter2\n"), nil }}
		b.withRunner(func(RunSpec) ([]layer.Entry, error) { return []layer.Entry{b.store.file("out", "fine")}, nil })
		r := b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, "hunter2"), nil })
		for range 2 { // run, and remembered
			notes := &collect{}
			b.Progress = notes
			img := b.build(recipe)
			if len(r.specs) != 0 || img.img.Derived != nil || !strings.Contains(notes.String(), "given secrets") {
				t.Errorf("recorded %d times, derived %+v, notes %s", len(r.specs), img.img.Derived, notes)
			}
		}
	}
}

// TestInheritedSnapshots: what the base knows holds as long as its program would
// read the same files.
func TestInheritedSnapshots(t *testing.T) {
	files := map[string]string{"a": "A", "b": "B"}
	base := "FROM scratch\nCOPY a /lib/a\nCOPY a /real/a\nRUN link\nCOPY a /other/a\nENTRYPOINT [\"/run\"]\nSNAPSHOT\n"
	cases := []struct {
		what, lines string
		changes     []layer.Entry // of RUN
		kept        bool
	}{
		{what: "nothing", kept: true},
		{what: "another folder", lines: "COPY b /app/b", kept: true},
		{what: "a folder beside the files", lines: "COPY b /lib/new/b", kept: true},
		{what: "the same file again", lines: "COPY a /lib/a", kept: true},
		{what: "another environment", lines: "ENV A=B", kept: true},
		{what: "a file of the same folder", lines: "COPY b /lib/b"},
		{what: "the file itself", lines: "COPY b /lib/a"},
		{what: "its mode", lines: "COPY --chmod=600 a /lib/a"},
		{what: "a file where a link leads", lines: "COPY b /real/b"},
		{what: "the file is removed", changes: []layer.Entry{{Path: "lib/a", Kind: layer.Whiteout}}},
		{what: "its folder is removed", changes: []layer.Entry{{Path: "lib", Kind: layer.Whiteout}}},
		{what: "its folder is emptied", changes: []layer.Entry{{Path: "lib", Kind: layer.Dir, Mode: 0o755}, {Path: "lib", Kind: layer.Opaque}}},
		{what: "the link leads elsewhere", changes: []layer.Entry{{Path: "lib/link", Kind: layer.Symlink, Target: "../other"}}},
		{what: "the folder is a link now", changes: []layer.Entry{{Path: "lib", Kind: layer.Symlink, Target: "other"}}},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, files)
			b.withRunner(func(s RunSpec) ([]layer.Entry, error) {
				if strings.Contains(fmt.Sprint(s.Args), "link") {
					return []layer.Entry{{Path: "lib/link", Kind: layer.Symlink, Target: "../real"}}, nil
				}
				return slices.Clone(c.changes), nil
			})
			r := b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, "base"), nil })
			below := b.build(base)
			b.images.refs["below:1"] = below.Index
			b.images.refs["docker.io/library/below:1"] = below.Index
			lines := c.lines
			if c.changes != nil {
				lines = "RUN change"
			}
			img := b.build("FROM below:1\n" + lines + "\n")
			if len(r.specs) != 1 {
				t.Errorf("recorded %d times", len(r.specs))
			}
			d := img.img.Derived
			if d == nil || len(d.Modules) != 1 {
				t.Fatalf("what is known of the module is gone: %+v", d)
			}
			if kept := len(d.Snapshots) == 1; kept != c.kept {
				t.Errorf("the snapshot is kept: %v", kept)
			}
		})
	}
}

// TestSnapshotOverBase: pages that the base has are not stored again, and the
// image's own snapshot is looked at first.
func TestSnapshotOverBase(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A"})
	text := "base"
	b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, text), nil })
	below := b.build(snapshotRecipe)
	b.images.refs["below:1"], b.images.refs["docker.io/library/below:1"] = below.Index, below.Index
	text = "own"
	img := b.build("FROM below:1\nCMD [\"x\"]\nSNAPSHOT\n")
	d := img.img.Derived
	if len(d.Snapshots) != 2 || len(d.Modules) != 1 || len(d.Snapshots[0].Pages) != 2 || d.Snapshots[0].Pages[0] != d.Snapshots[1].Pages[0] {
		t.Fatalf("derived %+v", d)
	}
	if diff := cmp.Diff([]string{"/run", "x"}, d.Snapshots[0].Program); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{"own", "base"} {
		if !bytes.Equal(b.memory(img.img, i), recording(RecordSpec{}, want).Memory) {
			t.Errorf("the memory of %s is another", want)
		}
	}
	seen := map[digest.Digest]bool{}
	for _, l := range img.img.DerivedLayers {
		if seen[l.Digest] {
			t.Errorf("%s is listed twice", l.Digest)
		}
		seen[l.Digest] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d layers: %v", len(seen), img.img.DerivedLayers)
	}
}
