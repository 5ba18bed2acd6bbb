package packager

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
)

// TestPackages: what an application imports of packages is the same for all versions of the
// application, and other for other packages. An image has no snapshot of it.
func TestPackages(t *testing.T) {
	files := map[string]string{
		"p": "package", "q": "another", "one.py": "import flask\nx = 1\n", "two.py": "import flask\nx = 2\n",
		"three.py": "import flask, json\n", "meddling.py": "import flask\nflask.x = 1\nimport json\n",
	}
	b := newBench(t, files)
	r := b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, strings.Join(s.Packages, " ")), nil })
	base := b.build("FROM scratch\nCOPY p /usr/local/lib/python3.15/p\nCOPY p /usr/bin/p\nCOPY p /lib/p\nLABEL run.wherry.python=3.15\n")
	b.images.refs["docker.io/library/below:1"] = base.Index
	b.images.refs["below:1"] = base.Index
	find := func(lines string) *Packages {
		t.Helper()
		r.specs = nil
		img := b.build("FROM below:1\nWORKDIR /app\n" + lines + "\nCMD [\"gunicorn\", \"app:app\"]\n").img
		if n := len(r.specs); r.specs[n-1].Packages != nil || len(img.Derived.Snapshots) != 1 {
			t.Errorf("%s: %d recordings, %d snapshots; an image has that of the application alone", lines, n, len(img.Derived.Snapshots))
		}
		var layers []layer.Layer
		for _, l := range img.Layers {
			layers = append(layers, l.Files)
		}
		p, err := FindPackages(layers, img.Config.Config)
		if err != nil || p == nil {
			t.Fatalf("%s: %v, %v", lines, p, err)
		}
		if !p.Whole(&img.Derived.Snapshots[0]) || p.Whole(&oci.Snapshot{Program: []string{"python", "launcher"}}) {
			t.Errorf("%s: which snapshot is of the application is not seen", lines)
		}
		return p
	}
	first := find("COPY one.py /app/app.py")
	for _, c := range []struct {
		lines           string
		modules         string
		place, key, fit bool // as with the first, and whether its recording holds
	}{
		{"COPY two.py /app/app.py", "flask", true, true, true},
		{"COPY three.py /app/app.py", "flask json", true, false, true},
		{"COPY meddling.py /app/app.py", "flask", true, true, true},
		{"COPY q /app/app.py", "", true, false, false},
		{"COPY one.py /app/app.py\nCOPY q /usr/local/lib/python3.15/q", "flask", false, false, true},
		{"COPY one.py /app/app.py\nENV A=b", "flask", false, false, true},
	} {
		p := find(c.lines)
		if got := strings.Join(p.Modules, " "); got != c.modules {
			t.Errorf("%s: %q, want %q", c.lines, got, c.modules)
		}
		if (p.Place == first.Place) != c.place || (p.Key() == first.Key()) != c.key || p.Imports(first.Modules) != c.fit {
			t.Errorf("%s: the same place %v, key %v, fits %v", c.lines, p.Place == first.Place, p.Key() == first.Key(), p.Imports(first.Modules))
		}
	}
	r.specs = nil
	if _, err := first.Record(t.Context(), r, time.Unix(1, 0)); err != nil || len(r.specs) != 1 {
		t.Fatalf("%d recordings, %v", len(r.specs), err)
	}
	s := r.specs[0]
	if !slices.Equal(s.Packages, []string{"flask"}) || s.Config.Entrypoint[0] != "wherry-web" || !s.Epoch.Equal(time.Unix(1, 0)) {
		t.Errorf("recorded with %+v", s)
	}
}

// TestStaged: an application is recorded over its packages, which are recorded once for all
// its versions. Whether they were recorded before does not show in the image.
func TestStaged(t *testing.T) {
	files := map[string]string{"p": "package", "q": "another", "one.py": "import flask\nx = 1\n", "two.py": "import flask\nx = 2\n", "patches.py": "change()\nimport flask\n"}
	anew := false // it would have found something else
	record := func(s RecordSpec) (*Recording, error) {
		text := strings.Join(s.Packages, " ")
		if s.Packages == nil {
			for _, l := range s.Layers {
				if e := l.Index.Lookup("app/app.py"); e != nil {
					text += e.Content.Digest
				}
			}
		}
		if r := recording(s, text); !anew || s.Over == nil {
			return r, nil
		}
		return &Recording{Content: "module@0+9", Facts: []byte("facts"), Refused: "no"}, nil
	}
	const below, recipe = "FROM scratch\nCOPY p /usr/local/lib/python3.15/p\nCOPY p /usr/bin/p\nLABEL run.wherry.python=3.15\n", "FROM below:1\nWORKDIR /app\nCOPY one.py /app/app.py\nCMD [\"gunicorn\", \"app:app\"]\n"
	open := func() (*bench, *stubRecorder) {
		b := newBench(t, files)
		r := b.withRecorder(record)
		base := b.build(below)
		b.images.refs["docker.io/library/below:1"] = base.Index
		b.images.refs["below:1"] = base.Index
		return b, r
	}
	b, r := open()
	build := func(recipe string, recordings int) *built {
		t.Helper()
		r.specs = nil
		out := b.build(recipe)
		if len(r.specs) != recordings {
			t.Errorf("%d recordings, want %d", len(r.specs), recordings)
		}
		return out
	}
	build(recipe, 2)
	packages, whole := r.specs[0], r.specs[1]
	if !slices.Equal(packages.Packages, []string{"flask"}) || !packages.Exact || packages.Over != nil || whole.Packages != nil || whole.Over == nil {
		t.Errorf("recorded %+v and %+v", packages, whole)
	}
	for _, l := range packages.Layers {
		if l.Index.Lookup("app/app.py") != nil {
			t.Error("the packages are recorded among the application's files")
		}
	}
	two := strings.Replace(recipe, "one.py", "two.py", 1)
	warm := build(two, 1)
	snapshot := warm.img.Derived.Snapshots[0]
	if len(snapshot.Pages) != 2 {
		t.Errorf("the snapshot has %d layers of pages, want those of the packages and its own", len(snapshot.Pages))
	}
	if got := b.memory(warm.img, 0); !bytes.Contains(got, []byte("the interpreter")) || bytes.Contains(got, []byte("flask")) {
		t.Error("the memory is not the application's")
	}
	b.NoCache = true
	if again := build(two, 2); again.Index.Digest != warm.Index.Digest {
		t.Error("--no-cache: another digest")
	}
	b.NoCache = false
	build(strings.Replace(two, "WORKDIR", "COPY q /usr/local/lib/python3.15/q\nWORKDIR", 1), 2)
	build("FROM below:1\nWORKDIR /\nCOPY one.py /app.py\nCMD [\"gunicorn\", \"app:app\"]\n", 1) // its folder has the packages
	build(strings.Replace(recipe, "one.py", "patches.py", 1), 1)                                // what is imported after that may be other
	b, r = open()
	if cold := build(two, 2); cold.Index.Digest != warm.Index.Digest {
		t.Error("where the packages were not known, the digest is another")
	}
	anew = true
	b, r = open()
	if plain := build(two, 3); len(plain.img.Derived.Snapshots) != 1 || len(plain.img.Derived.Snapshots[0].Pages) != 1 {
		t.Errorf("snapshots %+v", plain.img.Derived.Snapshots)
	}
}
