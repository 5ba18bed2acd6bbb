package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// waiting is a program with a point at which it waits for work. What it has
// loaded then it prints; without a snapshot it loads first.
func waiting() []byte {
	print := wasip1("fd_write", "iiii")
	g := calls([]hostFunc{print})
	load := code(
		i32(0), i32(16), wasm.OpI32Store, 2, 0, i32(4), i32(7), wasm.OpI32Store, 2, 0, // ciovec
		i32(16), i64(0x0a726577736e61), wasm.OpI64Store, 3, 0, // "answer\n"
		i32(100), wasm.OpGlobalSet, 0,
	)
	run := code(wasm.OpGlobalGet, 0, i32(100), wasm.OpI32Ne, wasm.OpIf, []byte{empty}, wasm.OpCall, 1, []byte{end}, wasm.OpCall, 3)
	show := code(i32(1), i32(0), i32(1), i32(8), wasm.OpCall, 0, wasm.OpDrop)
	g.funcs = []function{{code: load}, {code: run}, {code: show}}
	g.globals = [][]byte{append([]byte{byte(wasm.I32), 1}, append(i32(5), end)...)}
	g.memory = &wasm.MemoryType{Size: wasm.Size{Min: 2, Max: 64, HasMax: true}}
	g.exports = []wasm.Export{
		{Name: "memory", Kind: wasm.ExternMemory}, {Name: "wizer.initialize", Kind: wasm.ExternFunc, Index: 1}, {Name: "run", Kind: wasm.ExternFunc, Index: 2},
	}
	return g.module()
}

// derivedImage is an honest image with derived data that may say anything.
type derivedImage struct {
	image          *layout
	content        string
	config         object // of the derived data
	manifest       object
	descriptor     object   // in the index
	facts          []byte   // unpacked
	pages          [][]byte // unpacked
	factsAs, packs []byte   // the blobs, when they are to be others
	late           func(d *derivedImage, index []any) []any
	omit           string // digest of a blob that the archive lacks
}

// record runs the program to its point, as a build does.
func record(t *testing.T, rt *runtime.Runtime) *runtime.Recording {
	t.Helper()
	img := runtime.Program("app.wasm", waiting())
	c, err := rt.Create(t.Context(), img, runtime.Spec{Clock: wasi.NewFixedClock(time.Unix(1e9, 0)), Random: wasi.SeededRandom([]byte("x"))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	r, err := c.Record(t.Context(), runtime.RecordSpec{Process: runtime.Process{Args: c.Command()}, Snapshot: true})
	if err != nil || r.Snapshot == nil {
		t.Fatalf("record: %+v, %v", r, err)
	}
	return r
}

// recordedImage is the image with what was recorded of it.
func recordedImage(r *runtime.Recording) *derivedImage {
	d := &derivedImage{facts: bytes.Clone(r.Facts), pages: [][]byte{encodePages(r.Memory)}}
	d.image = honest()
	tar := archive(entry{name: "app.wasm", mode: "0000755", data: string(waiting())})
	d.image.layerData = squeeze(tar)
	d.image.config["rootfs"] = object{"type": "layers", "diff_ids": []string{string(digest.FromBytes(tar))}}
	d.content = fmt.Sprintf("%s@0+%d", digest.FromBytes(waiting()), len(waiting()))
	d.config = object{
		"version":   1,
		"modules":   []any{object{"content": d.content}},
		"snapshots": []any{object{"content": d.content, "program": []string{"/app.wasm"}, "protocol": "wizer", "memory": len(r.Memory), "globals": r.Snapshot.Globals, "reads": object{}, "realtime": 1e18, "monotonic": 7}},
	}
	d.manifest = object{"schemaVersion": 2, "mediaType": ispec.MediaTypeImageManifest, "artifactType": oci.DerivedArtifact}
	d.descriptor = object{}
	return d
}

func (d *derivedImage) snap() object   { return d.first("snapshots") }
func (d *derivedImage) module() object { return d.first("modules") }

// first is the first of a list, or nobody's object when there is none.
func (d *derivedImage) first(list string) object {
	if l, ok := d.config[list].([]any); ok && len(l) > 0 {
		if o, ok := l[0].(object); ok {
			return o
		}
	}
	return object{}
}

// encode makes the archive.
func (d *derivedImage) archive() []byte {
	l := d.image
	l.build()
	facts := d.factsAs
	if facts == nil {
		facts = zstandard(d.facts).data
	}
	fd := l.add("facts", oci.FactsLayer, facts)
	set(d.module(), "facts", fd["digest"])
	layers, names := []any{fd}, []any{}
	for _, p := range d.pages {
		if d.packs == nil {
			p = zstandard(p).data
		} else {
			p = d.packs
		}
		pd := l.add("pages", oci.PagesLayer, p)
		layers, names = append(layers, pd), append(names, pd["digest"])
	}
	if s, ok := d.config["snapshots"].([]any); ok {
		for _, s := range s {
			if s, ok := s.(object); ok {
				set(s, "pages", names)
			}
		}
	}
	image := l.index["manifests"].([]any)[0].(object)
	config := l.add("derived config", oci.DerivedConfig, encode(d.config))
	set(d.manifest, "config", config)
	set(d.manifest, "layers", layers)
	set(d.manifest, "subject", object{"mediaType": image["mediaType"], "digest": image["digest"], "size": image["size"]})
	m := l.add("derived", ispec.MediaTypeImageManifest, encode(d.manifest))
	m["artifactType"], m["platform"] = oci.DerivedArtifact, object{"os": "unknown", "architecture": "unknown"}
	for k, v := range d.descriptor {
		m[k] = v
	}
	list := []any{image, m}
	if d.late != nil {
		list = d.late(d, list)
	}
	l.index["manifests"] = list
	l.files = func(files map[string][]byte) {
		delete(files, "blobs/"+strings.Replace(d.omit, ":", "/", 1))
	}
	return l.archive()
}

// encodePages is the encoding of a memory with all of its pages.
func encodePages(memory []byte) []byte {
	b := append([]byte("WPGS\x01"), wasm.AppendU32(nil, uint32(len(memory)))...)
	b = append(wasm.AppendU32(append(b, 0), uint32(len(memory)/4096)), memory...)
	return append(b, 0, 0)
}

// derivedRow is one lie about a program. Its answer is that of the program all
// the same, unless the lie is in the memory that it goes on from.
type derivedRow struct {
	name string
	edit func(d *derivedImage)
	// restored: it is no lie that matters. any: it may answer what it likes.
	restored, any bool
	// silent: nothing has to be said, for nothing of it is about this program.
	silent bool
	// refused: such an archive is not even loaded.
	refused bool
	bound   bound
}

// TestDerived runs a program with each lie about it.
func TestDerived(t *testing.T) {
	s := newStore(t)
	rt, err := runtime.New(t.Context(), runtime.WithCacheDir(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(t.Context())
	recording := record(t, rt)
	var names []string
	for _, r := range derivedRows() {
		names = append(names, r.name)
		t.Run(r.name, func(t *testing.T) {
			d := recordedImage(recording)
			if r.edit != nil {
				r.edit(d)
			}
			data := d.archive()
			within(t, r.bound, func() { r.run(t, s, rt, data) })
			s.forget(t)
			s.unharmed(t)
			s.swept(t, false)
		})
	}
	corpus(t, "lies about programs", names)
}

func (r derivedRow) run(t *testing.T, s stored, rt *runtime.Runtime, data []byte) {
	if _, err := images.Load(t.Context(), s.Store, bytes.NewReader(data)); (err != nil) != r.refused {
		t.Fatalf("load: %v", err)
	} else if err != nil {
		message(t, err)
		return
	}
	img, err := images.Open(t.Context(), s.Store, "hostile:1", images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	var out bytes.Buffer
	c, err := rt.Create(t.Context(), img, runtime.Spec{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	err = c.Run(t.Context())
	stats := c.Stats()
	if r.any {
		return
	}
	if err != nil || out.String() != "answer\n" {
		t.Errorf("it says %q, %v", out.String(), err)
	}
	if (stats.Restored == 1) != r.restored {
		t.Errorf("restored %d times", stats.Restored)
	}
	notes := stats.Notes
	if u := img.Underived(); u != nil {
		notes = append(notes, u.Error())
	}
	if len(notes) == 0 && !r.restored && !r.silent {
		t.Error("nothing is said about it")
	}
	for _, n := range notes {
		if len(n) > 2000 || strings.ContainsFunc(n, unicode.IsControl) {
			t.Errorf("no note for people: %.500q", n)
		}
	}
}

func marshal(v any) json.RawMessage { return encode(v) }

// derivedRows are the lies.
func derivedRows() []derivedRow {
	return slices.Concat(honestRows(), memoryRows(), programRows(), factRows(), derivedDocumentRows())
}
