package hostile

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/oci"
)

// escape is what a terminal would obey.
const escape = "\x1b[31m\nroot"

// honestRows are the program as it was recorded, and what is harmless.
func honestRows() []derivedRow {
	ok := func(name string, edit func(d *derivedImage)) derivedRow {
		return derivedRow{name: name, edit: edit, restored: true}
	}
	hot := func(list oci.Functions) any {
		text, err := list.MarshalText()
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	million := make(oci.Functions, 1_000_000)
	for i := range million {
		million[i] = uint32(i)
	}
	twice := oci.Functions{1, 1, 1, 2, 2, 2, 77, 77, 1 << 31, 1<<32 - 1, 1<<32 - 1}
	snapHot := func(v any) func(d *derivedImage) { return func(d *derivedImage) { d.snap()["hot"] = v } }
	return []derivedRow{
		ok("no lie", nil),
		ok("words that nobody knows", func(d *derivedImage) { d.config["annotations"] = strings.Repeat("x", 7<<20) }),
		ok("hot functions that are not there, and twice", snapHot(hot(twice))),
		ok("a million hot functions", snapHot(hot(million))),
		ok("the same snapshot 16 times", func(d *derivedImage) {
			s := d.snap()
			d.config["snapshots"] = repeat(s, 16)
		}),
		ok("65 variables that are not set", func(d *derivedImage) {
			env := object{}
			for i := range 65 {
				env[strings.Repeat("V", i+1)] = nil
			}
			d.snap()["reads"] = object{"env": env}
		}),
		ok("ten thousand folders", func(d *derivedImage) { d.snap()["reads"] = object{"dirs": repeat(strings.Repeat("/d", 50), 10_000)} }),
	}
}

// memoryRows lie about what the program's memory was.
func memoryRows() []derivedRow {
	pages := func(name string, edit func(p []byte) []byte) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.pages[0] = edit(d.pages[0]) }}
	}
	packed := func(name string, blob []byte) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.packs = blob }}
	}
	head := func(parts ...[]byte) []byte { return append([]byte("WPGS\x01"), bytes.Join(parts, nil)...) }
	n := func(v uint32) []byte { return wasm.AppendU32(nil, v) }
	huge := bytes.Repeat([]byte{0xff}, 9)
	memory := func(name string, size any) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.snap()["memory"] = size }}
	}
	globals := func(name string, list any) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.snap()["globals"] = list }}
	}
	wide := head(n(64<<16), n(0), n(64<<16/4096), make([]byte, 64<<16), n(0), n(0))
	return []derivedRow{
		packed("pages that unpack to 1 GiB", bomb(1)),
		packed("pages that unpack to 64 GiB", bomb(64)),
		packed("pages that are not packed", []byte("WPGS\x01\x00\x00\x00")),
		packed("pages packed with gzip", squeeze([]byte("WPGS\x01\x00\x00\x00"))),
		packed("pages of nothing", []byte{}),
		packed("pages of noise", []byte("\x28\xb5\x2f\xfd noise noise noise")),
		packed("pages cut in the packing", zstandard(make([]byte, 1<<16)).data[:12]),
		pages("pages of another kind", func(p []byte) []byte { return append([]byte("WFCT\x01"), p[5:]...) }),
		pages("pages of a later version", func(p []byte) []byte { p[4] = 9; return p }),
		pages("pages cut", func(p []byte) []byte { return p[:len(p)/2] }),
		pages("pages without an end", func(p []byte) []byte { return p[:len(p)-2] }),
		pages("pages with noise behind them", func(p []byte) []byte { return append(p, "noise"...) }),
		pages("pages with zeros behind them", func(p []byte) []byte { return append(p, make([]byte, 100_000)...) }),
		pages("pages of a longer memory", func([]byte) []byte { return head(n(1<<30), n(0), n(0)) }),
		pages("pages behind the end", func([]byte) []byte { return head(n(2<<16), n(32), n(1), make([]byte, 4096), n(0), n(0)) }),
		pages("pages at the end of all addresses", func([]byte) []byte { return head(n(2<<16), n(math.MaxUint32), n(1), make([]byte, 4096)) }),
		pages("pages after so many that it overflows", func([]byte) []byte { return head(n(2<<16), huge, []byte{1}, n(1), make([]byte, 4096)) }),
		pages("more pages than numbers", func([]byte) []byte { return head(n(2<<16), n(0), huge, []byte{1}) }),
		pages("a number without an end", func([]byte) []byte { return head(bytes.Repeat([]byte{0x80}, 1000)) }),
		{name: "pages of nothing at all", any: true, edit: func(d *derivedImage) { d.pages[0] = head(n(2<<16), n(0), n(0)) }},
		{name: "pages of another program", any: true, edit: func(d *derivedImage) {
			d.pages[0] = encodePages(bytes.Repeat([]byte("another program "), 2<<16/16))
		}},
		{name: "one layer of pages a thousand times", edit: func(d *derivedImage) { d.late = nil; manyPages(d, 1000) }},
		{name: "one layer of pages twice", edit: func(d *derivedImage) { manyPages(d, 2) }},
		{name: "a layer of pages that the archive lacks", edit: func(d *derivedImage) {
			d.omit = string(digest.FromBytes(zstandard(d.pages[0]).data))
		}},
		memory("a memory of one page", 1<<16),
		memory("a memory that the module may not have", 65<<16),
		memory("a memory of 4 GiB", uint64(65535)<<16),
		memory("a memory of all addresses", uint64(1)<<32),
		memory("a memory of a terabyte", uint64(1)<<40),
		memory("a memory of half a page", 2<<16+100),
		memory("no memory", 0),
		{name: "a memory that is larger than it was", restored: true, edit: func(d *derivedImage) {
			d.snap()["memory"], d.pages[0] = 64<<16, encodePages(append(honestMemory(d), make([]byte, 62<<16)...))
		}},
		{name: "a larger memory of zeros", any: true, edit: func(d *derivedImage) { d.snap()["memory"], d.pages[0] = 64<<16, wide }},
		globals("no globals", []uint64{}), globals("one global more", []uint64{100, 1}), globals("ten thousand globals", repeat(7, 10_000)),
		globals("ten thousand and one", repeat(7, 10_001)), globals("globals of text", []string{"x"}), globals("globals that are too large", marshal([]byte("[18446744073709551616]"))),
		{name: "a global that is no i32", any: true, edit: func(d *derivedImage) { d.snap()["globals"] = []uint64{math.MaxUint64} }},
		{name: "sixteen memories of 4 GiB", edit: func(d *derivedImage) {
			var list []any
			for i := range 16 {
				list = append(list, object{"content": d.content, "program": []string{"/app.wasm", strings.Repeat("x", i)}, "protocol": "wizer",
					"memory": uint64(65535) << 16, "globals": []int{100}, "reads": object{}})
			}
			d.config["snapshots"] = append(list[:15:15], d.snap())
		}, bound: bound{time: 2 * time.Second}},
	}
}

// honestMemory is the memory that was recorded.
func honestMemory(d *derivedImage) []byte {
	p := d.pages[0]
	return bytes.Clone(p[len(p)-2-2<<16 : len(p)-2])
}

// manyPages names the layer of pages so often.
func manyPages(d *derivedImage, n int) {
	d.snap()["pages"] = repeat(string(digest.FromBytes(zstandard(d.pages[0]).data)), n)
}

// programRows lie about which program it is, and what it had looked at.
func programRows() []derivedRow {
	snap := func(name, key string, v any) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.snap()[key] = v }}
	}
	silent := func(r derivedRow) derivedRow { r.silent = true; return r }
	reads := func(name string, v object) derivedRow { return snap(name, "reads", v) }
	variables := object{}
	for i := range 10_001 {
		variables[strings.Repeat("V", i%100+1)+string(rune('a'+i%26))+strings.Repeat("x", i/100)] = "x"
	}
	return []derivedRow{
		silent(snap("snapshot of another module", "content", "sha256:"+strings.Repeat("0", 64)+"@0+1")),
		silent(snap("snapshot of a place in the module", "content", "sha256:"+strings.Repeat("0", 64)+"@18446744073709551615+1")),
		snap("snapshot of no module", "content", ""),
		silent(snap("snapshot of another program", "program", []string{"/bin/sh"})),
		silent(snap("snapshot of a program with arguments", "program", []string{"/app.wasm", "x"})),
		silent(snap("snapshot of ten thousand arguments", "program", repeat("/app.wasm", 10_000))),
		snap("snapshot of more arguments", "program", repeat("/app.wasm", 10_001)),
		snap("snapshot of no program", "program", []string{}),
		snap("snapshot by an unknown protocol", "protocol", "exec"),
		{name: "snapshot by another protocol", edit: func(d *derivedImage) { d.snap()["protocol"] = "turn" }},
		snap("time before 1970", "realtime", -1), snap("time before its beginning", "monotonic", -1),
		snap("time after all others", "monotonic", int64(math.MaxInt64)), snap("time that is a fraction", "monotonic", 1.5),
		reads("a variable that has another value", object{"env": object{"PATH": "/none"}}),
		reads("a variable with a terminal's name", object{"env": object{escape: "x"}}),
		reads("a variable with a long name", object{"env": object{strings.Repeat("N", 1<<20): "x"}}),
		reads("variables that were listed", object{"allEnv": true, "env": object{}}),
		reads("ten thousand variables and one", object{"env": variables}),
		reads("variables that are numbers", object{"env": object{"A": 1}}),
		reads("what nobody knows", object{"secrets": true}),
		snap("reads that are a list", "reads", []int{1}),
		snap("a hot function that is a list", "hot", []int{1}), snap("damaged hot functions", "hot", "gA=="), snap("too many hot functions", "hot", strings.Repeat("AAAA", 400_000)),
	}
}

// factRows lie about where the module's functions are.
func factRows() []derivedRow {
	facts := func(name string, edit func(f []byte) []byte) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.facts = edit(d.facts) }}
	}
	packed := func(name string, blob []byte) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.factsAs = blob }}
	}
	magic, err := new(prepare.Facts).MarshalBinary()
	if err != nil {
		panic(err)
	}
	magic = magic[:6] // and no exceptions
	head := func(parts ...[]byte) []byte { return slices.Concat(magic, bytes.Join(parts, nil)) }
	n := func(v uint32) []byte { return wasm.AppendU32(nil, v) }
	bodies := func(spans ...uint32) []byte {
		b := head(n(0), n(0), n(0), n(uint32(len(spans)/2)))
		for _, s := range spans {
			b = append(b, n(s)...)
		}
		return b
	}
	return []derivedRow{
		packed("facts that unpack to 1 GiB", bomb(1)),
		packed("facts of 60 MiB", zstandard(append(head(n(0), n(0), n(0), n(30<<20)), make([]byte, 60<<20)...)).data),
		packed("facts that unpack to 64 GiB", bomb(64)),
		packed("facts that are not packed", magic),
		packed("facts of no bytes", []byte{}),
		facts("facts of another kind", func(f []byte) []byte { return append([]byte("WPGS\x01"), f[5:]...) }),
		facts("facts cut", func(f []byte) []byte { return f[:len(f)/2] }),
		facts("facts with noise behind them", func(f []byte) []byte { return append(f, 0) }),
		facts("facts of a module without functions", func([]byte) []byte { return bodies() }),
		facts("facts of a module with another number", func([]byte) []byte { return bodies(60, 10, 1, 10) }),
		facts("functions behind the end of the module", func([]byte) []byte { return bodies(1<<30, 10, 1, 10, 1, 10) }),
		facts("functions at the end of all addresses", func([]byte) []byte { return bodies(1<<32-20, 10, 1, 10, 1, 10) }),
		facts("functions in the header", func([]byte) []byte { return bodies(0, 4, 0, 4, 0, 4) }),
		facts("functions of nothing", func([]byte) []byte { return bodies(100, 0, 0, 0, 0, 0) }),
		facts("a module that has to stay whole", func(f []byte) []byte { return head(n(uint32(len(escape))), []byte(escape), n(0), n(0), n(0)) }),
		facts("pinned functions that are not there", func(f []byte) []byte {
			return append(head(n(0), n(2), n(1<<31), n(5)), f[8:]...)
		}),
		facts("pinned functions by the million", func(f []byte) []byte {
			return append(append(head(n(0), n(1<<20)), make([]byte, 1<<20)...), f[8:]...)
		}),
		facts("throwing functions that are not there", func(f []byte) []byte { return slices.Concat(f[:8], n(2), n(1<<31), n(5), f[9:]) }),
		facts("throwing functions by the million", func(f []byte) []byte {
			return slices.Concat(f[:8], n(1<<20), make([]byte, 1<<20), f[9:])
		}),
		{name: "facts that say there are exceptions", restored: true, edit: func(d *derivedImage) { d.facts[5] = 1 }},
		{name: "a function that begins elsewhere", any: true, edit: func(d *derivedImage) { d.facts[10]++ }},
		{name: "facts of another module's name", silent: true, edit: func(d *derivedImage) { d.module()["content"] = "sha256:00@0+1" }},
		{name: "facts that are pages", edit: func(d *derivedImage) { d.module()["facts"] = string(digest.FromBytes(zstandard(d.pages[0]).data)) }},
		{name: "facts that the archive lacks", any: true, edit: func(d *derivedImage) { d.omit = string(digest.FromBytes(zstandard(d.facts).data)) }},
		{name: "a module that is said to be whole", edit: func(d *derivedImage) { d.module()["whole"], d.module()["facts"] = escape, "" }},
	}
}

// derivedDocumentRows lie in the documents around it.
func derivedDocumentRows() []derivedRow {
	config := func(name, key string, v any) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.config[key] = v }}
	}
	manifest := func(name, key string, v any) derivedRow {
		return derivedRow{name: name, edit: func(d *derivedImage) { d.manifest[key] = v }}
	}
	silent := func(r derivedRow) derivedRow { r.silent = true; return r }
	loaded := func(r derivedRow) derivedRow { r.refused = true; return r }
	other := object{"mediaType": ispec.MediaTypeImageManifest, "digest": string(digest.FromString("x")), "size": 5}
	return []derivedRow{
		config("a later version", "version", 2), config("no version", "version", nil), config("a module that is text", "modules", []string{"x"}),
		loaded(config("a hundred thousand snapshots", "snapshots", repeat(object{}, 100_000))), config("17 snapshots", "snapshots", repeat(object{}, 17)),
		config("snapshots that are an object", "snapshots", object{}), loaded(config("a hundred thousand modules", "modules", repeat(object{}, 100_000))),
		{name: "a word that nobody knows", restored: true, edit: func(d *derivedImage) { d.config["spy"] = true }}, config("a word in another case", "Snapshots", []any{}),
		silent(manifest("it is of another image", "subject", other)), silent(manifest("it is of no image", "subject", nil)),
		manifest("it is an image", "artifactType", nil),
		loaded(manifest("its config is twice as large as any", "config", object{"mediaType": oci.DerivedConfig, "digest": string(digest.FromString("x")), "size": 16 << 20})),
		silent(manifest("its config is an image's", "config", object{"mediaType": ispec.MediaTypeImageConfig, "digest": string(digest.FromString("x")), "size": 5})),
		loaded(manifest("its config is no digest", "config", object{"mediaType": oci.DerivedConfig, "digest": "../x", "size": 5})),
		silent(manifest("its config is not there", "config", object{"mediaType": oci.DerivedConfig, "digest": string(digest.FromString("x")), "size": 5})),
		manifest("it has no layers", "layers", []any{}),
		loaded(manifest("its layers have no digest", "layers", []any{object{"mediaType": oci.PagesLayer, "digest": "../x", "size": 5}})),
		loaded(manifest("it is an index, too", "manifests", []any{})),
		{name: "it is said to be the image", refused: true, edit: func(d *derivedImage) {
			d.descriptor["platform"] = object{"os": "wasip1", "architecture": "wasm"}
			d.late = func(_ *derivedImage, index []any) []any { return []any{index[1], index[0]} }
		}},
		{name: "it is there a hundred times", restored: true, edit: func(d *derivedImage) {
			d.late = func(_ *derivedImage, index []any) []any { return append(index, repeat(index[1], 100)...) }
		}},
	}
}

// bomb packs that many GiB of zeros.
func bomb(gibibytes int) []byte {
	one := zstandard(make([]byte, 1<<20)).data
	return bytes.Repeat(one, gibibytes<<10)
}
