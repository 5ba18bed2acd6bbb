package packager

import (
	"os"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/packager/recipe"
	"github.com/wherry-run/wherry/packager/toolchain"
)

// The examples of compiled programs build with the compilers of this machine,
// twice to the same digest.
func TestExamples(t *testing.T) {
	for name, lang := range map[string]string{"wordcount": "go", "matmul": "c"} {
		t.Run(name, func(t *testing.T) {
			tools := toolchain.New()
			if _, err := tools.Version(t.Context(), lang, ""); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skipf("SKIPPED, no compiler on this machine: %v", err)
			}
			dir := "../examples/" + name
			text, err := os.ReadFile(dir + "/Wasmfile")
			if err != nil {
				t.Fatal(err)
			}
			build := func() *built {
				b := newBench(t, nil)
				b.Toolchain = tools
				rooted(t, b, dir)
				return b.build(string(text))
			}
			img := build()
			if c := img.img.Config.Config; len(c.Entrypoint) != 1 || c.Entrypoint[0] != name {
				t.Errorf("entrypoint %q", c.Entrypoint)
			}
			if n := img.files.nodes["usr/bin/"+name]; n.mode != 0o755 || !strings.HasPrefix(img.read("usr/bin/"+name), "\x00asm") {
				t.Errorf("program %+v", n)
			}
			if len(img.manifest.Layers) != 1 {
				t.Errorf("%d layers, expected the program alone", len(img.manifest.Layers))
			}
			if again := build(); again.Index.Digest != img.Index.Digest {
				t.Errorf("%s, then %s", img.Index.Digest, again.Index.Digest)
			}
		})
	}
}

// Every example is a recipe without problems.
func TestExamplesAreClean(t *testing.T) {
	dirs, err := os.ReadDir("../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		f, err := os.Open("../examples/" + d.Name() + "/Wasmfile")
		if err != nil {
			continue
		}
		file, err := recipe.Parse(d.Name(), f)
		f.Close()
		if err != nil {
			t.Error(err)
		} else if p := recipe.Problems(file, nil); len(p) > 0 {
			t.Errorf("%s: %+v", d.Name(), p)
		}
	}
}
