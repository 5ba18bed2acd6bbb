package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestWalk: what is needed comes first, in both directions, and after an error nothing
// that needs it.
func TestWalk(t *testing.T) {
	need := map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "e": {"gone"}}
	needs := func(name string) []string { return need[name] }
	names := []string{"a", "b", "c", "d", "e"}
	run := func(needs func(string) []string, fails string) ([]string, error) {
		var mu sync.Mutex
		var list []string
		err := walk(context.Background(), names, needs, func(_ context.Context, name string) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, name)
			if name == fails {
				return errors.New(name)
			}
			return nil
		})
		return list, err
	}
	before := func(list []string, a, b string) bool { return slices.Index(list, a) < slices.Index(list, b) }
	list, err := run(needs, "")
	if err != nil || len(list) != 5 || !before(list, "d", "b") || !before(list, "d", "c") || !before(list, "b", "a") || !before(list, "c", "a") {
		t.Errorf("%v, %v", list, err)
	}
	list, err = run(backwards(names, needs), "")
	if err != nil || len(list) != 5 || !before(list, "a", "b") || !before(list, "b", "d") {
		t.Errorf("backwards: %v, %v", list, err)
	}
	list, err = run(needs, "c")
	if err == nil || slices.Contains(list, "a") || !slices.Contains(list, "b") || !slices.Contains(list, "e") {
		t.Errorf("with a failure: %v, %v", list, err)
	}
	if !cyclic([]string{"x", "y"}, func(n string) []string { return map[string][]string{"x": {"y"}, "y": {"x"}}[n] }) || cyclic(names, needs) {
		t.Error("cycles are not told from what is none")
	}
}

// TestArtifact: what is published is read again, and is no image.
func TestArtifact(t *testing.T) {
	f, err := Load(context.Background(), Source{Files: []string{write(t, "services: {a: {image: 'r.example/a:1', ports: ['${P:-80}:80']}, b: {x-wherry-external: 'h:1'}}")}, Name: "x", NoVariable: true})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Publish(map[string]string{"a": "r.example/a@sha256:1"}, nil, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	several := bytes.Replace(a.Documents[2].Data, []byte(`"layers":[`), []byte(`"layers":[`+strings.Repeat(`{"mediaType":"`+EnvType+`","digest":"`+string(a.Documents[0].Descriptor.Digest)+`","size":`+fmt.Sprint(a.Documents[0].Descriptor.Size)+`},`, 2)), 1)
	if _, _, err := ArtifactLayers(several, a.Manifest().MediaType); err == nil || !strings.Contains(err.Error(), "2 files of variables") {
		t.Errorf("several files of variables: %v", err)
	}
	files, env, err := ArtifactLayers(a.Documents[2].Data, a.Manifest().MediaType)
	if err != nil || len(files) != 1 || len(env) != 0 || files[0].Digest != a.Documents[0].Descriptor.Digest {
		t.Fatalf("%v %v %v", files, env, err)
	}
	text := string(a.Documents[0].Data)
	for _, want := range []string{"r.example/a@sha256:1", "${P:-80}", "x-wherry-external"} {
		if !contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Count(text, "image:") != 1 {
		t.Errorf("a service that lives elsewhere has an image in\n%s", text)
	}
}
