package oci_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseReference(t *testing.T) {
	cases := []struct{ in, full, familiar string }{
		{"iris", "docker.io/library/iris:latest", "iris:latest"},
		{"iris:1", "docker.io/library/iris:1", "iris:1"},
		{"user/iris", "docker.io/user/iris:latest", "user/iris:latest"},
		{"library/iris:1", "docker.io/library/iris:1", "iris:1"},
		{"docker.io/iris:1", "docker.io/library/iris:1", "iris:1"},
		{"index.docker.io/user/iris:1", "docker.io/user/iris:1", "user/iris:1"},
		{"localhost/iris", "localhost/iris:latest", "localhost/iris:latest"},
		{"localhost:5000/iris:1", "localhost:5000/iris:1", "localhost:5000/iris:1"},
		{"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
		{"[::1]:5000/iris:1", "[::1]:5000/iris:1", "[::1]:5000/iris:1"},
		{"ghcr.io/o/p/q__r-s:v1.0_x", "ghcr.io/o/p/q__r-s:v1.0_x", "ghcr.io/o/p/q__r-s:v1.0_x"},
		{"Host/iris", "Host/iris:latest", "Host/iris:latest"},
		{"iris@sha256:" + hex64, "docker.io/library/iris@sha256:" + hex64, "iris@sha256:" + hex64},
		{"iris:1@sha256:" + hex64, "docker.io/library/iris:1@sha256:" + hex64, "iris:1@sha256:" + hex64},
		{"docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"},
		{"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
	}
	for _, c := range cases {
		r, err := oci.ParseReference(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if r.String() != c.full || r.Familiar() != c.familiar {
			t.Errorf("%s is %s, familiar %s; want %s, %s", c.in, r, r.Familiar(), c.full, c.familiar)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "/", "iris:", ":1", "Iris", "iris:1:2", "a//b", "iris/", "-iris", "iris-", "a..b", "../iris", "iris/../x",
		"iris@", "iris@sha256:abc", "iris@sha256:" + strings.ToUpper(hex64), "iris@md5:" + hex64[:32], "iris@sha256:" + hex64 + "/../../x",
		"iris@sha256:" + hex64 + "@sha256:" + hex64, "http://host/iris", "host:99999999/iris", "ho_st.x/iris", hex64, "sha256:" + hex64,
		"iris:" + strings.Repeat("x", 129), strings.Repeat("a", 256), "ir\x00is", "iris\n", "iris:1\n", strings.Repeat("a/", 1000) + "b",
		"host.x/" + strings.Repeat("a", 255),
	} {
		if r, err := oci.ParseReference(in); err == nil {
			t.Errorf("%q became %v", in, r)
		}
	}
}

func desc(mediaType, content string) ispec.Descriptor {
	return ispec.Descriptor{MediaType: mediaType, Digest: digest.FromString(content), Size: int64(len(content))}
}

// sample returns the documents of a small image with a model.
func sample(t testing.TB) (config, manifest, modelConfig, model, index oci.Document) {
	t.Helper()
	layers := []oci.Layer{
		{Descriptor: desc(ispec.MediaTypeImageLayerGzip, "packed"), DiffID: digest.FromString("plain")},
		{Descriptor: desc(ispec.MediaTypeImageLayer, "weights"), DiffID: digest.FromString("weights"), Weight: "/m/model.bin"},
	}
	var img oci.Image
	img.Config.Env = []string{"A=<b>&c"}
	img.Config.Healthcheck = &oci.Healthcheck{Test: []string{"CMD", "true"}}
	var err error
	if config, err = oci.BuildConfig(img, layers); err != nil {
		t.Fatal(err)
	}
	if manifest, err = oci.BuildManifest(config, layers, map[string]string{"z": "1", "a": "2"}); err != nil {
		t.Fatal(err)
	}
	var ok bool
	if modelConfig, model, ok, err = oci.BuildModel(oci.ModelConfig{}, layers, nil); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if index, err = oci.BuildIndex(manifest, []ispec.Descriptor{oci.ArtifactDescriptor(model, oci.ModelArtifact)}, nil); err != nil {
		t.Fatal(err)
	}
	return config, manifest, modelConfig, model, index
}

func TestBuild(t *testing.T) {
	config, manifest, modelConfig, model, index := sample(t)
	x, err := oci.ParseIndex(index.Data, index.Descriptor.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range x.Manifests {
		platforms = append(platforms, oci.FormatPlatform(*m.Platform))
	}
	if diff := cmp.Diff([]string{"wasip1/wasm", "wasi/wasm", "unknown/unknown"}, platforms); diff != "" {
		t.Error(diff)
	}
	picked, err := oci.PickManifest(x)
	if err != nil || picked.Digest != manifest.Descriptor.Digest {
		t.Fatal(picked, err)
	}
	listed, ok := oci.ModelManifest(x)
	if !ok || listed.Digest != model.Descriptor.Digest {
		t.Fatal("the model is not listed")
	}
	m, err := oci.ParseManifest(manifest.Data, manifest.Descriptor.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	c, err := oci.ParseConfig(config.Data, m)
	if err != nil || !oci.Runnable(c.Platform) || c.Config.Healthcheck == nil || c.Config.Env[0] != "A=<b>&c" {
		t.Fatalf("%+v %v", c, err)
	}
	mp, err := oci.ParseManifest(model.Data, model.Descriptor.MediaType)
	if err != nil || mp.ArtifactType != oci.ModelArtifact || len(mp.Layers) != 1 {
		t.Fatalf("%+v %v", mp, err)
	}
	if w := mp.Layers[0]; w.Digest != m.Layers[1].Digest || w.MediaType != oci.ModelWeightTar || w.Annotations[oci.AnnotationModelFile] != "/m/model.bin" {
		t.Fatalf("weights are listed as %+v", w)
	}
	if mc, err := oci.ParseModelConfig(modelConfig.Data); err != nil || mc.ModelFS.DiffIDs[0] != digest.FromString("weights") {
		t.Fatalf("%+v %v", mc, err)
	}
}

// TestBuildIsPinned: these digests change only when every image of every user
// gets a new one.
func TestBuildIsPinned(t *testing.T) {
	config, _, _, model, index := sample(t)
	got := []string{config.Descriptor.Digest.Encoded()[:16], model.Descriptor.Digest.Encoded()[:16], index.Descriptor.Digest.Encoded()[:16]}
	if diff := cmp.Diff([]string{"40eccdafbee21dc2", "e02b53ed731499c5", "02f497e1259d8b21"}, got); diff != "" {
		t.Error(diff)
	}
}

// edit changes the JSON of a good document.
func edit(t *testing.T, data []byte, change func(map[string]any)) []byte {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	change(v)
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func at(v map[string]any, list string, i int) map[string]any {
	return v[list].([]any)[i].(map[string]any)
}

func TestHostileManifests(t *testing.T) {
	_, manifest, _, _, _ := sample(t)
	good := manifest.Data
	set := func(key string, value any) []byte {
		return edit(t, good, func(v map[string]any) { v[key] = value })
	}
	layer := func(key string, value any) []byte {
		return edit(t, good, func(v map[string]any) { at(v, "layers", 0)[key] = value })
	}
	conf := func(key string, value any) []byte {
		return edit(t, good, func(v map[string]any) { v["config"].(map[string]any)[key] = value })
	}
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "read manifest"},
		{"null", []byte("null"), "schemaVersion"},
		{"array", []byte("[]"), "read manifest"},
		{"html", []byte("<html>sign in</html>"), "HTML"},
		{"not UTF-8", []byte("{\"a\":\"\xff\"}"), "UTF-8"},
		{"two documents", append(append([]byte{}, good...), good...), "after the end"},
		{"cut off", good[:len(good)-3], "read manifest"},
		{"schema 1", set("schemaVersion", 1), "only 2"},
		{"no schema", set("schemaVersion", 0), "only 2"},
		{"fsLayers", set("fsLayers", []any{}), "fsLayers"},
		{"manifest and index", set("manifests", []any{}), "no \"manifests\""},
		{"no config", edit(t, good, func(v map[string]any) { delete(v, "config") }), "must have"},
		{"no layers", edit(t, good, func(v map[string]any) { delete(v, "layers") }), "must have"},
		{"null layers", set("layers", nil), "must have"},
		{"says it is an index", set("mediaType", ispec.MediaTypeImageIndex), "media type"},
		{"other case", []byte(strings.Replace(string(good), `"layers"`, `"Layers"`, 1)), "wrong case"},
		{"key twice", []byte(strings.Replace(string(good), `{`, `{"layers":[],`, 1)), "twice"},
		{"digest with a path", layer("digest", "sha256:../../../etc/passwd"), "digest"},
		{"digest upper case", layer("digest", "sha256:"+strings.ToUpper(hex64)), "digest"},
		{"digest short", layer("digest", "sha256:abc"), "digest"},
		{"digest md5", layer("digest", "md5:"+hex64[:32]), "digest"},
		{"digest sha384", layer("digest", "sha384:"+hex64+hex64[:32]), "only sha256"},
		{"size negative", layer("size", -1), "size"},
		{"size null", layer("size", nil), "is 0"},
		{"size of nothing", layer("size", 0), "is 0"},
		{"size huge", layer("size", 1<<50), "size"},
		{"size not whole", layer("size", 1.5), "read manifest"},
		{"config empty", conf("size", 0), "size"},
		{"config huge", conf("size", oci.MaxConfig+1), "size"},
		{"config type none", conf("mediaType", ""), "media type"},
		{"layer type with spaces", layer("mediaType", "a b/c"), "media type"},
		{"layer type a newline", layer("mediaType", "a/b\n"), "media type"},
		{"embedded data lies", conf("data", "eHg="), "data"},
		{"one digest, two sizes", edit(t, good, func(v map[string]any) {
			l := at(v, "layers", 0)
			twin := map[string]any{"mediaType": l["mediaType"], "digest": l["digest"], "size": 99}
			v["layers"] = append(v["layers"].([]any), twin)
		}), "two sizes"},
		{"too many layers", edit(t, good, func(v map[string]any) {
			l := at(v, "layers", 0)
			for range oci.MaxLayers {
				v["layers"] = append(v["layers"].([]any), l)
			}
		}), "more than"},
		{"too deep", []byte(strings.Repeat(`{"a":`, 50) + "1" + strings.Repeat("}", 50)), "deeper"},
		{"too many values", []byte(`{"a":[` + strings.Repeat("1,", 500_000) + `1]}`), "more than"},
		{"too long", []byte(`{"a":"` + strings.Repeat("x", oci.MaxDocument) + `"}`), "more than"},
		{"long annotation", set("annotations", map[string]string{"a": strings.Repeat("x", 1<<20)}), "bytes, more than"},
		{"annotation without a name", set("annotations", map[string]string{"": "x"}), "without a name"},
		{"annotation no string", set("annotations", map[string]any{"a": 1}), "read manifest"},
		{"artifactType", set("artifactType", "no type"), "media type"},
		{"subject", set("subject", map[string]any{"digest": "x"}), "subject.digest"},
		{"urls", layer("urls", make([]string, 17)), "urls"},
	}
	if _, err := oci.ParseManifest(good, ispec.MediaTypeImageManifest); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := oci.ParseManifest(c.data, ispec.MediaTypeImageManifest)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if len(err.Error()) > 600 {
				t.Fatalf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestHostileIndexes(t *testing.T) {
	_, _, _, _, index := sample(t)
	good := index.Data
	entry := func(key string, value any) []byte {
		return edit(t, good, func(v map[string]any) { at(v, "manifests", 0)[key] = value })
	}
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"index and manifest", edit(t, good, func(v map[string]any) { v["layers"] = []any{} }), "neither"},
		{"config", edit(t, good, func(v map[string]any) { v["config"] = map[string]any{} }), "neither"},
		{"no manifests", edit(t, good, func(v map[string]any) { delete(v, "manifests") }), "must have"},
		{"manifest too large", entry("size", oci.MaxDocument+1), "size"},
		{"platform in another case", entry("Platform", map[string]any{}), "wrong case"},
		{"too wide", edit(t, good, func(v map[string]any) {
			for i := range oci.MaxManifests {
				d := desc(ispec.MediaTypeImageManifest, fmt.Sprint(i))
				v["manifests"] = append(v["manifests"].([]any), d)
			}
		}), "more than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := oci.ParseIndex(c.data, ispec.MediaTypeImageIndex); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestHostileConfigs(t *testing.T) {
	config, manifest, _, _, _ := sample(t)
	m, err := oci.ParseManifest(manifest.Data, "")
	if err != nil {
		t.Fatal(err)
	}
	good := config.Data
	rootfs := func(key string, value any) []byte {
		return edit(t, good, func(v map[string]any) { v["rootfs"].(map[string]any)[key] = value })
	}
	set := func(key string, value any) []byte { return edit(t, good, func(v map[string]any) { v[key] = value }) }
	plain, weights := digest.FromString("plain"), digest.FromString("weights")
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"no os", set("os", ""), "no os"},
		{"rootfs type", rootfs("type", "snapshots"), "rootfs.type"},
		{"too few diff IDs", rootfs("diff_ids", []any{plain}), "1 for 2 layers"},
		{"too many diff IDs", rootfs("diff_ids", []any{plain, weights, plain}), "3 for 2 layers"},
		{"diff ID is a path", rootfs("diff_ids", []any{"sha256:../x", weights}), "diff_ids[0]"},
		{"diff ID of sha512", rootfs("diff_ids", []any{digest.SHA512.FromString("x"), weights}), "only sha256"},
		{"diff ID is not the blob", rootfs("diff_ids", []any{plain, plain}), "uncompressed layer"},
		{"history of more layers", set("history", []any{map[string]any{}, map[string]any{}, map[string]any{}}), "history"},
		{"architecture in another case", []byte(strings.Replace(string(good), `"architecture"`, `"Architecture"`, 1)), "wrong case"},
		{"NUL in env", set("config", map[string]any{"Env": []string{"A=\x00"}}), "NUL"},
		{"env no list", set("config", map[string]any{"Env": "A=b"}), "read config"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := oci.ParseConfig(c.data, m); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	ok := edit(t, good, func(v map[string]any) {
		v["config"].(map[string]any)["Labels"] = map[string]any{"a": "1", "A": "2", "Layers": "data"}
	})
	if _, err := oci.ParseConfig(ok, m); err != nil {
		t.Errorf("labels may have any name: %v", err)
	}
}

func TestPickManifest(t *testing.T) {
	p := func(os, arch string) ispec.Descriptor {
		d := desc(ispec.MediaTypeImageManifest, os+arch)
		d.Platform = &ispec.Platform{OS: os, Architecture: arch}
		return d
	}
	bare := desc(ispec.MediaTypeImageManifest, "bare")
	cases := []struct {
		name string
		list []ispec.Descriptor
		want int // -1: none
	}{
		{"best first", []ispec.Descriptor{p("wasip1", "wasm"), p("wasi", "wasm")}, 0},
		{"best last", []ispec.Descriptor{p("linux", "amd64"), p("wasi", "wasm"), p("wasip1", "wasm")}, 2},
		{"docker's", []ispec.Descriptor{p("linux", "amd64"), p("wasi", "wasm")}, 1},
		{"old docker's", []ispec.Descriptor{p("wasi", "wasm32")}, 0},
		{"native", []ispec.Descriptor{p("linux", "amd64"), p("linux", "arm64")}, -1},
		{"component", []ispec.Descriptor{p("wasip2", "wasm")}, -1},
		{"one without a platform", []ispec.Descriptor{bare}, 0},
		{"two without a platform", []ispec.Descriptor{bare, bare}, -1},
		{"empty", nil, -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, err := oci.PickManifest(&ispec.Index{Manifests: c.list})
			var none *oci.PlatformError
			if c.want < 0 {
				if !errors.As(err, &none) {
					t.Fatal(d, err)
				}
				return
			}
			if err != nil || d.Digest != c.list[c.want].Digest {
				t.Fatal(d, err)
			}
		})
	}
}

func TestDetectDocument(t *testing.T) {
	_, manifest, _, _, index := sample(t)
	strip := func(b []byte) []byte { return edit(t, b, func(v map[string]any) { delete(v, "mediaType") }) }
	cases := []struct {
		name, header string
		data         []byte
		want         string
	}{
		{"header", ispec.MediaTypeImageIndex + "; charset=utf-8", nil, ispec.MediaTypeImageIndex},
		{"document", "application/json", manifest.Data, ispec.MediaTypeImageManifest},
		{"members: manifest", "", strip(manifest.Data), ispec.MediaTypeImageManifest},
		{"members: index", "text/plain", strip(index.Data), ispec.MediaTypeImageIndex},
		{"neither", "", []byte(`{}`), ""},
		{"html", "text/html", []byte("<html>"), ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := oci.DetectDocument(c.data, c.header)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Fatal(got, err)
			}
		})
	}
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{"iris", "localhost:5000/a/b:1@sha256:" + hex64, "[::1]:1/x", "A/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := oci.ParseReference(s)
		if err != nil {
			return
		}
		for _, form := range []string{r.String(), r.Familiar()} {
			again, err := oci.ParseReference(form)
			if err != nil || again != r {
				t.Fatalf("%q is %q, which is %v: %v", s, form, again, err)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	_, manifest, _, model, _ := sample(f)
	f.Add(manifest.Data)
	f.Add(model.Data)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := oci.ParseManifest(b, "")
		if err != nil {
			return
		}
		for _, d := range append(m.Layers, m.Config) {
			if _, err := oci.ParseDigest(string(d.Digest)); err != nil || d.Size < 0 {
				t.Fatalf("let through %+v", d)
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	_, _, _, _, index := sample(f)
	f.Add(index.Data)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := oci.ParseIndex(b, "")
		if err != nil {
			return
		}
		if _, err := oci.ParseManifest(b, ""); err == nil {
			t.Fatal("one document is index and manifest")
		}
		if d, err := oci.PickManifest(x); err == nil && oci.KindOf(d.MediaType) != oci.KindManifest {
			t.Fatalf("picked %+v", d)
		}
	})
}

func FuzzConfig(f *testing.F) {
	config, manifest, modelConfig, _, _ := sample(f)
	f.Add(config.Data)
	f.Add(modelConfig.Data)
	m, err := oci.ParseManifest(manifest.Data, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := oci.ParseConfig(b, m); err == nil && len(c.RootFS.DiffIDs) != len(m.Layers) {
			t.Fatalf("let through %+v", c)
		}
		_, _ = oci.ParseModelConfig(b)
		_, _ = oci.ParseWasmArtifact(b, m)
	})
}
