package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

// textImage is an image of an application that is one file, with a snapshot of it and one of
// its base.
type textImage struct {
	text string
	doc  *oci.Derived
}

func (i textImage) Config() ispec.ImageConfig {
	return ispec.ImageConfig{WorkingDir: "/app", Cmd: []string{"gunicorn", "app:app"}, Labels: map[string]string{oci.LabelPython: "3.15"}}
}

func (i textImage) Layers() []layer.Layer {
	content := &layer.Memory{}
	var x layer.Index
	for name, text := range map[string]string{"app/app.py": i.text, "usr/bin/python": "x", "usr/local/lib/p": "y"} {
		x.Entries = append(x.Entries, layer.Entry{
			Path: name, Kind: layer.File, Mode: 0o644, Size: int64(len(text)), Content: layer.Ref{Digest: content.PutBytes([]byte(text)), Size: int64(len(text))},
		})
	}
	slices.SortFunc(x.Entries, func(a, b layer.Entry) int { return strings.Compare(a.Path, b.Path) })
	return []layer.Layer{{Index: &x, Content: content}}
}

func (i textImage) Derived() *oci.Derived                                     { return i.doc }
func (i textImage) Facts(context.Context, *oci.DerivedModule) ([]byte, error) { return nil, nil }
func (i textImage) Memory(_ context.Context, s *oci.Snapshot) (*os.File, error) {
	return nil, os.ErrNotExist
}

// importer records what it is told to import.
type importer struct{ asked []string }

func (i *importer) Record(_ context.Context, s packager.RecordSpec) (*packager.Recording, error) {
	i.asked = append(i.asked, strings.Join(s.Packages, " "))
	if slices.Contains(s.Packages, "unfit") {
		return &packager.Recording{Content: "m", Refused: "it draws"}, nil
	}
	memory := make([]byte, 3<<16)
	copy(memory[70_000:], strings.Join(s.Packages, " "))
	return &packager.Recording{Content: "m", Memory: memory, Snapshot: &oci.Snapshot{Content: "m", Program: []string{"python", "launcher", "wherry-web"}, Memory: 3 << 16, Hot: []uint32{2}}}, nil
}

// TestImportedPackages: packages are recorded once for the same ones, and used for a text that
// imports all of them before it does anything to them, and for no other.
func TestImportedPackages(t *testing.T) {
	var log strings.Builder
	i := &importer{}
	p := &importedPackages{
		cache: packageCache{t.TempDir()}, recorder: i, settle: func() error { return nil }, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	own := oci.Snapshot{Content: "m", Program: []string{"python", "launcher", "wherry-web", "wsgi", "import", "app:app", ""}}
	base := oci.Snapshot{Content: "m", Program: []string{"python", "launcher"}, Hot: []uint32{1}}
	image := func(text string) runtime.Image {
		return textImage{text, &oci.Derived{Snapshots: []oci.Snapshot{own, base}}}
	}
	// begins tells with what an application may begin, in order.
	begins := func(image runtime.Image) string {
		var list []string
		for n := range image.(runtime.DerivedImage).Derived().Snapshots {
			s := &image.(runtime.DerivedImage).Derived().Snapshots[n]
			switch {
			case s.Packages:
				f, err := image.(runtime.DerivedImage).Memory(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				memory, err := io.ReadAll(f)
				f.Close()
				if err != nil || len(memory) != 3<<16 {
					t.Fatalf("%d bytes, %v", len(memory), err)
				}
				list = append(list, "["+strings.TrimRight(string(memory[70_000:]), "\x00")+"]")
			case len(s.Program) == 2:
				list = append(list, "base")
			default:
				list = append(list, "own")
			}
		}
		return strings.Join(list, " ")
	}
	check := func(step, text, want string, wantStale bool) {
		t.Helper()
		over, stale := p.over(image(text))
		if got := begins(over); got != want || stale != wantStale {
			t.Errorf("%s: %s, %v; want %s, %v\n%s", step, got, stale, want, wantStale, log.String())
		}
	}
	prepare := func(text, want string, recorded int) {
		t.Helper()
		over, err := p.prepare(t.Context(), image(text))
		if err != nil || begins(over) != want || len(i.asked) != recorded {
			t.Errorf("prepared: %v, %v, %d recordings %q", begins(over), err, len(i.asked), i.asked)
		}
	}
	check("before", "import a, b\n", "own base", true)
	prepare("import a, b\n", "[a b] base", 1)
	check("the same", "import a, b\nx = 1\n", "own [a b] base", false)
	check("more", "import a\nimport b, c\n", "own [a b] base", false)
	check("meddled", "import a\na.DEFAULT = 3\nimport b\n", "own base", true)
	check("less", "import a\n", "own base", true)
	prepare("import a\na.DEFAULT = 3\nimport b\n", "[a] base", 2)
	check("meddled, prepared", "import a\na.DEFAULT = 3\nimport b\n", "own [a] base", false)
	prepare("import a, b\n", "[a b] base", 2)
	prepare("import unfit\n", "base", 3)
	check("refused", "import unfit\n", "own base", false)
	prepare("import unfit\n", "base", 3)
	p.spec.Mounts = []runtime.Mount{{Target: "/app/"}}
	check("mounted", "import a, b\n", "own base", false)
}
