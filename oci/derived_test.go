package oci_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// derivedSample returns derived data of two programs over the image of sample.
func derivedSample(t testing.TB) (d oci.Derived, config, manifest oci.Document) {
	t.Helper()
	facts, base, own := desc(oci.FactsLayer, "facts"), desc(oci.PagesLayer, "base"), desc(oci.PagesLayer, "own")
	fast := "fast"
	content := string(digest.FromString("module")) + "@512+6"
	d = oci.Derived{
		Modules: []oci.DerivedModule{{Content: content, Facts: facts.Digest, Hot: oci.Functions{0, 7, 300, math.MaxUint32}}},
		Snapshots: []oci.Snapshot{
			{Content: content, Program: []string{"predict", "/app/predict.py"}, Protocol: oci.ProtocolTurn, Hot: oci.Functions{7},
				Memory: 3 << 16, Pages: []digest.Digest{base.Digest, own.Digest}, Globals: []uint64{1 << 63, 5},
				Reads:    oci.Reads{Env: map[string]*string{"MODE": &fast, "mode": nil, "OS": nil}, Dirs: []string{"/app"}},
				Realtime: 1e18, Monotonic: 7},
			{Content: content, Program: []string{"python"}, Protocol: oci.ProtocolWizer, Memory: 1 << 16, Pages: []digest.Digest{base.Digest},
				Reads: oci.Reads{Args: true, AllEnv: true}},
		},
	}
	_, image, _, _, _ := sample(t)
	config, manifest, err := oci.BuildDerived(d, image.Descriptor, []ispec.Descriptor{facts, base, own}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Version = 1
	return d, config, manifest
}

func TestDerived(t *testing.T) {
	want, config, manifest := derivedSample(t)
	m, err := oci.ParseManifest(manifest.Data, manifest.Descriptor.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	_, image, _, _, _ := sample(t)
	if m.ArtifactType != oci.DerivedArtifact || m.Subject == nil || m.Subject.Digest != image.Descriptor.Digest {
		t.Errorf("manifest %+v", m)
	}
	got, err := oci.ParseDerived(config.Data, m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	_, again, manifestAgain := derivedSample(t)
	if again.Descriptor.Digest != config.Descriptor.Digest || manifestAgain.Descriptor.Digest != manifest.Descriptor.Digest {
		t.Error("the same derived data has two digests")
	}
	index, err := oci.BuildIndex(image, []ispec.Descriptor{oci.ArtifactDescriptor(manifest, oci.DerivedArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := oci.ParseIndex(index.Data, "")
	if err != nil {
		t.Fatal(err)
	}
	if picked, err := oci.PickManifest(x); err != nil || picked.Digest != image.Descriptor.Digest {
		t.Errorf("picked %s: %v", picked.Digest, err)
	}
}

func TestFunctions(t *testing.T) {
	for _, f := range []oci.Functions{{}, {0}, {math.MaxUint32}, {1, 2, 3}, {5, 127, 128, 1 << 20, 1 << 31, math.MaxUint32}} {
		text, err := f.MarshalText()
		var back oci.Functions
		if err == nil {
			err = back.UnmarshalText(text)
		}
		if diff := cmp.Diff(f, back); err != nil || diff != "" {
			t.Errorf("%v: %v %s", f, err, diff)
		}
	}
	if _, err := (oci.Functions{2, 1}).MarshalText(); err == nil {
		t.Error("functions that are not in order are written")
	}
	for what, text := range map[string]string{
		"no base64":        "%%",
		"cut number":       "gA==",
		"too large":        "gICAgBA=",         // 1<<32
		"sum too large":    "/////w8B",         // 1<<32-1, then 1
		"overflow":         "////////////////", // a number of more than 64 bits
		"wraps around":     "Af///////////wE=", // 1, then 1<<64-1
		"more than bounds": strings.Repeat("AAAA", 333_334),
	} {
		var f oci.Functions
		if err := f.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%s: became %d functions", what, len(f))
		}
	}
}

func TestHostileDerived(t *testing.T) {
	_, config, manifest := derivedSample(t)
	m, err := oci.ParseManifest(manifest.Data, "")
	if err != nil {
		t.Fatal(err)
	}
	facts := string(m.Layers[0].Digest)
	many := func(n int, v any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = v
		}
		return list
	}
	snap := func(key string, v any) []byte {
		return edit(t, config.Data, func(d map[string]any) { at(d, "snapshots", 0)[key] = v })
	}
	module := func(key string, v any) []byte {
		return edit(t, config.Data, func(d map[string]any) { at(d, "modules", 0)[key] = v })
	}
	top := func(key string, v any) []byte { return edit(t, config.Data, func(d map[string]any) { d[key] = v }) }
	reads := func(key string, v any) []byte {
		return edit(t, config.Data, func(d map[string]any) { at(d, "snapshots", 0)["reads"].(map[string]any)[key] = v })
	}
	cases := []struct {
		what string
		data []byte
		want string
	}{
		{"nothing", nil, "JSON"},
		{"no object", []byte(`[]`), "JSON"},
		{"null", []byte(`null`), "version 0"},
		{"two documents", append(append([]byte{}, config.Data...), "{}"...), "after the end"},
		{"a key twice", []byte(`{"version":1,"version":1}`), "twice"},
		{"another case", []byte(`{"version":1,"Modules":[]}`), "wrong case"},
		{"deep", []byte(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)), "deeper"},
		{"huge", []byte(`{"a":"` + strings.Repeat("x", oci.MaxConfig) + `"}`), "more than"},
		{"later version", top("version", 2), "version 2"},
		{"version of text", top("version", "1"), "JSON"},
		{"modules no list", top("modules", map[string]any{}), "JSON"},
		{"too many modules", top("modules", many(65, map[string]any{"content": "x", "facts": facts})), "too many"},
		{"too many snapshots", top("snapshots", many(17, map[string]any{})), "too many"},
		{"module without name", module("content", ""), "without a name"},
		{"facts not there", module("facts", string(digest.FromString("x"))), "no layer"},
		{"facts no digest", module("facts", "../../etc/passwd"), "no layer"},
		{"facts are pages", module("facts", string(m.Layers[1].Digest)), "no layer"},
		{"hot is a list", module("hot", []any{1, 2}), "JSON"},
		{"hot is damaged", module("hot", "gA=="), "damaged"},
		{"no module", snap("content", ""), "no module"},
		{"no program", snap("program", []any{}), "list"},
		{"long program", snap("program", many(10_001, "x")), "list"},
		{"program of numbers", snap("program", []any{1}), "JSON"},
		{"protocol", snap("protocol", "exec"), "protocol"},
		{"no memory", snap("memory", 0), "memory"},
		{"half a page", snap("memory", 1<<15), "memory"},
		{"all addresses", snap("memory", 1<<32), "memory"},
		{"beyond", snap("memory", 1<<40), "memory"},
		{"negative", snap("memory", -65536), "JSON"},
		{"no pages", snap("pages", []any{}), "pages"},
		{"many pages", snap("pages", many(oci.MaxLayers+1, string(m.Layers[1].Digest))), "pages"},
		{"pages are facts", snap("pages", []any{facts}), "no layer"},
		{"pages not there", snap("pages", []any{string(digest.FromString("x"))}), "no layer"},
		{"many globals", snap("globals", many(10_001, 1)), "list"},
		{"global too large", snap("globals", []any{json.Number("18446744073709551616")}), "JSON"},
		{"time before time", snap("monotonic", -1), "time"},
		{"before 1970", snap("realtime", -1), "time"},
		{"time after time", snap("monotonic", int64(1)<<61), "time"},
		{"pages twice", snap("pages", many(2, string(m.Layers[1].Digest))), "twice"},
		{"memory of nothing", snap("memory", 60_000<<16), "next to nothing"},
		{"reads what nobody knows", reads("moon", true), "JSON"},
		{"env of numbers", reads("env", map[string]any{"A": 1}), "JSON"},
		{"env no object", reads("env", []any{}), "JSON"},
		{"many dirs", reads("dirs", many(10_001, "/")), "list"},
	}
	for _, c := range cases {
		d, err := oci.ParseDerived(c.data, m)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (%v), want ...%s...", c.what, err, d != nil, c.want)
		}
	}
	env := map[string]any{}
	for i := range 10_001 {
		env[fmt.Sprint(i)] = nil
	}
	if _, err := oci.ParseDerived(reads("env", env), m); err == nil {
		t.Error("10,001 variables are let through")
	}
	for what, change := range map[string]func(*ispec.Manifest){
		"another artifact":  func(m *ispec.Manifest) { m.ArtifactType = oci.ModelArtifact },
		"no artifact":       func(m *ispec.Manifest) { m.ArtifactType = "" },
		"another config":    func(m *ispec.Manifest) { m.Config.MediaType = ispec.MediaTypeImageConfig },
		"a layer is gone":   func(m *ispec.Manifest) { m.Layers = m.Layers[:2] },
		"a layer is tar":    func(m *ispec.Manifest) { m.Layers[0].MediaType = ispec.MediaTypeImageLayer },
		"no layers at all":  func(m *ispec.Manifest) { m.Layers = nil },
		"types interchange": func(m *ispec.Manifest) { m.Layers[1].MediaType = oci.FactsLayer },
	} {
		other, err := oci.ParseManifest(manifest.Data, "")
		if err != nil {
			t.Fatal(err)
		}
		change(other)
		if _, err := oci.ParseDerived(config.Data, other); err == nil {
			t.Errorf("%s: let through", what)
		}
	}
	if _, _, err := oci.BuildDerived(oci.Derived{Snapshots: []oci.Snapshot{{}}}, manifest.Descriptor, nil, nil); err == nil {
		t.Error("derived data is built that cannot be read")
	}
}

// FuzzDerived: what is let through keeps its bounds, and is written as it was read.
func FuzzDerived(f *testing.F) {
	_, config, manifest := derivedSample(f)
	f.Add(config.Data)
	m, err := oci.ParseManifest(manifest.Data, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := oci.ParseDerived(b, m)
		if err != nil {
			return
		}
		for _, s := range d.Snapshots {
			if len(s.Program) == 0 || s.Memory == 0 || s.Memory > 65535<<16 || s.Monotonic < 0 {
				t.Fatalf("let through %+v", s)
			}
		}
		again, err := oci.NewDocument(oci.DerivedConfig, d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := oci.ParseDerived(again.Data, m)
		if err != nil {
			t.Fatalf("what was let through is refused when it is written again: %v", err)
		}
		if twice, err := oci.NewDocument(oci.DerivedConfig, back); err != nil || twice.Descriptor.Digest != again.Descriptor.Digest {
			t.Fatalf("it changes when it is read: %v", err)
		}
	})
}
