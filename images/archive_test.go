package images_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/store"
)

func TestSaveAndLoad(t *testing.T) {
	s := open(t)
	x, y := build(t, s, "code", "weights"), build(t, s, "other code", "weights")
	tag(t, s, "iris:1", x.index)
	tag(t, s, "iris:2", y.index)
	var one, two bytes.Buffer
	for _, w := range []*bytes.Buffer{&one, &two} {
		if err := images.Save(t.Context(), s, w, "iris:1", "iris:2"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Fatal("saved twice, two archives")
	}
	for _, form := range []struct {
		name string
		data []byte
	}{{"plain", one.Bytes()}, {"gzip", zip(t, one.Bytes())}} {
		t.Run(form.name, func(t *testing.T) {
			there := open(t)
			loaded, err := images.Load(t.Context(), there, bytes.NewReader(form.data))
			if err != nil || len(loaded) != 2 || loaded[0].Ref.Familiar() != "iris:1" || loaded[0].ID != x.config {
				t.Fatalf("loaded %v: %v", loaded, err)
			}
			img, err := images.Open(t.Context(), there, "iris:2", images.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			if read(t, img, "app.wasm") != "other code" || img.Digest() != y.index.Digest {
				t.Fatal("another image came out")
			}
		})
	}
}

// member is one entry of a hostile archive.
type member struct {
	name, data string
	link       string
	sparse     int64 // it says that data is followed by a hole up to here
	kind       byte
}

func archive(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Mode: 0o644, Size: int64(len(m.data)), Linkname: m.link}
		if m.kind != 0 {
			h.Typeflag = m.kind
		}
		if m.sparse > 0 {
			h.PAXRecords = map[string]string{"XNU.sparse.map": "0,1", "XNU.sparse.numblocks": "1", "XNU.sparse.size": fmt.Sprint(m.sparse)}
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	// The writer does not write sparse entries; the reader reads them.
	return bytes.ReplaceAll(buf.Bytes(), []byte("XNU.sparse"), []byte("GNU.sparse"))
}

// dockerMembers is what an older docker save writes: layers in folders, equal
// ones linked.
func dockerMembers(t testing.TB) []member {
	t.Helper()
	layer := pack(t, map[string]string{"app.wasm": "code"})
	config := fmt.Sprintf(`{"architecture":"wasm","os":"wasi","config":{"Entrypoint":["/app.wasm"]},"rootfs":{"type":"layers","diff_ids":["%[1]s","%[1]s"]}}`, digest.FromBytes(layer))
	manifest, err := json.Marshal([]map[string]any{{"Config": "abc.json", "RepoTags": []string{"old:1"}, "Layers": []string{"one/layer.tar", "two/layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	return []member{
		{name: "abc.json", data: config},
		{name: "one/", kind: tar.TypeDir},
		{name: "one/layer.tar", data: string(layer)},
		{name: "two/layer.tar", kind: tar.TypeSymlink, link: "../one/layer.tar"},
		{name: "manifest.json", data: string(manifest)},
	}
}

func TestLoadDockerArchive(t *testing.T) {
	s := open(t)
	loaded, err := images.Load(t.Context(), s, bytes.NewReader(archive(t, dockerMembers(t)...)))
	if err != nil || len(loaded) != 1 || loaded[0].Ref.Familiar() != "old:1" {
		t.Fatalf("%v %v", loaded, err)
	}
	img, err := images.Open(t.Context(), s, "old:1", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if len(img.Layers()) != 2 || read(t, img, "app.wasm") != "code" {
		t.Fatal("other files")
	}
}

func TestLoadRefuses(t *testing.T) {
	layout := member{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`}
	index := func(d ispec.Descriptor) member {
		b, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ispec.Descriptor{d}})
		if err != nil {
			t.Fatal(err)
		}
		return member{name: "index.json", data: string(b)}
	}
	absent := ispec.Descriptor{MediaType: ispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}
	docker := dockerMembers(t)
	cases := []struct {
		name    string
		members []member
		want    string
	}{
		{"empty", nil, "no archive of images"},
		{"digest lies", []member{{name: "blobs/sha256/" + digest.FromString("a").Encoded(), data: "b"}}, "digest"},
		{"digest is a path", []member{{name: "blobs/sha256/../../x", data: "b"}, layout, index(absent)}, "not in the store"},
		{"digest is none", []member{{name: "blobs/sha256/xyz", data: "b"}}, "read digest"},
		{"no layout version", []member{index(absent)}, "no image layout"},
		{"layout version 2", []member{{name: "oci-layout", data: `{"imageLayoutVersion":"2.0.0"}`}, index(absent)}, "no image layout"},
		{"manifest absent", []member{layout, index(absent)}, "not in the store"},
		{"no image", []member{layout, index(ispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString("x"), Size: 1})}, "no image"},
		{"index twice", []member{layout, index(absent), index(absent)}, "twice"},
		{"sparse", []member{{name: "abc.json", data: "x", sparse: 1 << 40}}, "no sparse entries"},
		{"long link", []member{{name: "x", kind: tar.TypeSymlink, link: strings.Repeat("x", 2000)}}, "links to a name"},
		{"device", []member{{name: "dev", kind: tar.TypeChar}}, "no entries of type"},
		{"huge index", []member{{name: "index.json", data: strings.Repeat(" ", 5<<20)}}, "more than"},
		{"a name of this machine's", []member{docker[0], docker[2], docker[3], {name: "manifest.json", data: strings.ReplaceAll(docker[4].data, "old:1", "base.wherry.invalid/python:3.15")}}, "by this machine alone"},
		{"docker: the second image's layer absent", append(docker[:4:4], member{name: "manifest.json", data: strings.TrimSuffix(docker[4].data, "]") + `,{"Config":"abc.json","RepoTags":["old:2"],"Layers":["nowhere"]}]`}), "no entry"},
		{"docker: the second name is none", append(docker[:4:4], member{name: "manifest.json", data: strings.ReplaceAll(docker[4].data, `"old:1"`, `"old:1","NO NAME"`)}), "name"},
		{"docker: layer absent", []member{docker[0], docker[4]}, "no entry"},
		{"docker: link in a circle", []member{docker[0], {name: "one/layer.tar", kind: tar.TypeSymlink, link: "layer.tar"}, docker[3], docker[4]}, "no entry"},
		{"docker: link out", []member{docker[0], {name: "one/layer.tar", kind: tar.TypeSymlink, link: "/etc/passwd"}, docker[3], docker[4]}, "no entry"},
		{"docker: config is no config", []member{{name: "abc.json", data: "[]"}, docker[2], docker[3], docker[4]}, "read config"},
		{"docker: another layer", []member{docker[0], {name: "one/layer.tar", data: "x"}, docker[3], docker[4]}, "diff ID"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			loaded, err := images.Load(t.Context(), s, bytes.NewReader(archive(t, c.members...)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("loaded %v: %v, want an error with %q", loaded, err, c.want)
			}
			if list, err := s.List(t.Context()); err != nil || len(list) > 0 {
				t.Fatalf("a refused archive left images: %v %v", list, err)
			}
			if swept, err := s.GC(t.Context()); err != nil {
				t.Fatalf("%v %v", swept, err)
			}
			if u, err := s.Usage(t.Context()); err != nil || u.Blobs > 0 {
				t.Fatalf("a refused archive left blobs: %+v %v", u, err)
			}
		})
	}
}

// FuzzLoad does about a thousand inputs a second; give -fuzzminimizetime 20x,
// else go spends a minute on making each interesting one smaller.
func FuzzLoad(f *testing.F) {
	f.Add(archive(f, dockerMembers(f)...))
	f.Add(archive(f, member{name: "oci-layout", data: `{"imageLayoutVersion":"1.0.0"}`}, member{name: "index.json", data: `{"schemaVersion":2,"manifests":[]}`}))
	f.Add([]byte("\x1f\x8b"))
	// One store for all inputs, on a file system in memory where there is one: a
	// store is made durable, and that is what would take the time.
	dir, err := os.MkdirTemp(memoryDir(), "wherry-fuzz-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	s, err := store.Open(f.Context(), dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		loaded, err := images.Load(t.Context(), s, bytes.NewReader(data))
		if err == nil {
			for _, l := range loaded {
				img, err := images.Open(t.Context(), s, string(l.ID), images.Options{})
				if err == nil {
					img.Close()
				}
			}
		}
		// Else the store grows with every input.
		if _, err := s.GC(t.Context()); err != nil {
			t.Fatal(err)
		}
		if bad, err := s.Check(t.Context(), false); err != nil || len(bad) > 0 {
			t.Fatalf("the store is damaged: %v %v", bad, err)
		}
	})
}

// memoryDir is a folder that is in memory, or "".
func memoryDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}
