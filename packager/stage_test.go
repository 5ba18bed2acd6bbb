package packager

import (
	"encoding/json"
	"testing"
	"testing/fstest"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// TestBuildStage: a stage has the files and the config of the image that would be built,
// and says in which folders it differs from the image that was.
func TestBuildStage(t *testing.T) {
	const text = "FROM scratch\nWORKDIR /app\nCOPY lib /lib\nCOPY app .\nENV A=1\nENTRYPOINT [\"/app/run\"]\n"
	b := newBench(t, map[string]string{"lib/x": "1", "app/run": "1", "app/sub/y": "1", "README": "1"})
	img := b.build(text).img
	var layers []rootfs.Layer
	for _, l := range img.Layers {
		layers = append(layers, l.Files)
	}
	image := StageOf(layers)
	stage := func() *Stage {
		b.Recipe = parse(t, text)
		s, err := BuildStage(t.Context(), b.Options)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	was, err := json.Marshal(img.Config.Config)
	if err != nil {
		t.Fatal(err)
	}
	first := stage()
	if is, err := json.Marshal(first.Config); err != nil || string(is) != string(was) {
		t.Errorf("config %s, want %s (%v)", is, was, err)
	}
	if image.Same(image) {
		t.Error("of layers nobody knows what they were made of")
	}
	before := first
	for _, c := range []struct {
		name, text string
		same       bool // as the stage before
		app, lib   bool // differ from the image
	}{
		{"nothing", "", true, false, false},
		{"README", "2", true, false, false},
		{"app/run", "2", false, true, false},
		{"app/run", "2", true, true, false},
		{"app/run", "1", false, false, false},
		{"lib/x", "2", false, false, true},
		{"lib/new", "2", false, false, true},
	} {
		if c.text != "" {
			b.Context.(fstest.MapFS)[c.name] = &fstest.MapFile{Data: []byte(c.text), Mode: 0o600}
		}
		s := stage()
		if s.Same(before) != c.same {
			t.Errorf("%s=%s: same as before: %v", c.name, c.text, !c.same)
		}
		if app, lib := s.Alters(image, []string{"/app"}), s.Alters(image, []string{"/lib"}); app != c.app || lib != c.lib {
			t.Errorf("%s=%s: alters /app %v and /lib %v, want %v and %v", c.name, c.text, app, lib, c.app, c.lib)
		}
		before = s
	}
}
