package packager

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
)

// TestPackages: what an application imports of packages is the same for all versions of the
// application, and other for other packages. It is recorded when somebody wants that: no
// build does, and nothing of it is in an image.
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
		if len(r.specs) != 1 || r.specs[0].Packages != nil || len(img.Derived.Snapshots) != 1 {
			t.Errorf("%s: %d recordings, %d snapshots; a build has that of the application alone", lines, len(r.specs), len(img.Derived.Snapshots))
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
