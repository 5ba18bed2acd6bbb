package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// object is a JSON object that may say anything.
type object = map[string]any

// layout is an image as it stands in an archive or a registry: the documents as
// objects, so that a row can make each say what it likes. build encodes them from
// the bottom up; what a row sets itself is left as it is.
type layout struct {
	layer, config, manifest, index object // descriptors and documents
	layerData                      []byte
	// raw replaces the encoded form of a document, by its name in build.
	raw map[string]func(honest []byte) []byte
	// late changes a descriptor after it was made for honest content.
	late map[string]func(descriptor object)
	// files changes what the archive holds, by name; nil removes.
	files func(files map[string][]byte)
	extra []entry // at the end of the archive
	wrap  func(archive []byte) []byte

	blobs map[string][]byte // what build made, by digest
	top   object            // the descriptor of the top document
}

func honest() *layout {
	tar := archive(file("app.wasm"))
	return &layout{
		layerData: squeeze(tar),
		layer:     object{"mediaType": ispec.MediaTypeImageLayerGzip},
		config: object{
			"os": "wasip1", "architecture": "wasm", "config": object{"Entrypoint": []string{"/app.wasm"}},
			"rootfs": object{"type": "layers", "diff_ids": []string{string(digest.FromBytes(tar))}},
		},
		manifest: object{"schemaVersion": 2, "mediaType": ispec.MediaTypeImageManifest},
		index:    object{"schemaVersion": 2, "mediaType": ispec.MediaTypeImageIndex},
		raw:      map[string]func([]byte) []byte{},
		late:     map[string]func(object){},
		blobs:    map[string][]byte{},
	}
}

// add keeps content under its digest and returns its descriptor.
func (l *layout) add(name, mediaType string, data []byte) object {
	if edit := l.raw[name]; edit != nil {
		data = edit(data)
	}
	d := object{"mediaType": mediaType, "digest": string(digest.FromBytes(data)), "size": len(data)}
	l.blobs[d["digest"].(string)] = data
	if edit := l.late[name]; edit != nil {
		edit(d)
	}
	return d
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// set puts v under key unless the row has put something there.
func set(o object, key string, v any) {
	if _, ok := o[key]; !ok {
		o[key] = v
	}
}

func (l *layout) build() {
	layer := l.add("layer", l.layer["mediaType"].(string), l.layerData)
	maps.Copy(layer, l.layer)
	config := l.add("config", ispec.MediaTypeImageConfig, encode(l.config))
	set(l.manifest, "config", config)
	set(l.manifest, "layers", []any{layer})
	manifest := l.add("manifest", ispec.MediaTypeImageManifest, encode(l.manifest))
	set(manifest, "platform", object{"os": "wasip1", "architecture": "wasm"})
	set(l.index, "manifests", []any{manifest})
	l.top = l.add("index", ispec.MediaTypeImageIndex, encode(l.index))
}

// archive is the layout as a tar, named hostile:1.
func (l *layout) archive() []byte {
	l.build()
	top := maps.Clone(l.top)
	set(top, "annotations", object{"io.containerd.image.name": "docker.io/library/hostile:1"})
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": encode(object{"schemaVersion": 2, "manifests": []any{top}}),
	}
	for d, data := range l.blobs {
		files["blobs/"+strings.Replace(d, ":", "/", 1)] = data
	}
	if l.files != nil {
		l.files(files)
	}
	var entries []entry
	for name, data := range files {
		entries = append(entries, entry{name: name, data: string(data)})
	}
	out := archive(append(entries, l.extra...)...)
	if l.wrap != nil {
		out = l.wrap(out)
	}
	return out
}

// layoutRow is one hostile image.
type layoutRow struct {
	name string
	edit func(l *layout)
	// refused is the error of loading it; nil when it loads. All others fail.
	refused func(error) bool
	// registry tells that it is hostile as an answer of a registry, too, and
	// ends alike; late, that it can be pulled but not opened.
	registry, late bool
	bound          bound
}

// layouts are the rows that are hostile in what their documents say.
func layouts() []layoutRow {
	docOr := func(err error) bool { return document(err) || mismatch(err) }
	sha := func(s string) string { return "sha256:" + s }
	long := strings.Repeat("x", 5<<20)
	both := func(name string, refused func(error) bool, edit func(*layout)) layoutRow {
		return layoutRow{name: name, edit: edit, refused: refused, registry: true}
	}
	digests := func(name, d string) layoutRow {
		return both("layer's digest is "+name, document, func(l *layout) { l.layer["digest"] = d })
	}
	sizes := func(size any) layoutRow {
		return both(fmt.Sprintf("layer's size is %v", size), docOr, func(l *layout) { l.layer["size"] = size })
	}
	nested := func(depth int) func([]byte) []byte {
		return func([]byte) []byte {
			return append(append(bytes.Repeat([]byte(`{"a":`), depth), '1'), bytes.Repeat([]byte("}"), depth)...)
		}
	}
	rows := []layoutRow{
		digests("empty", ""),
		digests("a path", sha("../../../../canary/secret")),
		digests("too short", sha("abc")),
		digests("in capitals", sha(strings.Repeat("A", 64))),
		digests("of an unknown kind", "md5:"+strings.Repeat("a", 32)),
		digests("a URL", "https://example.com/x"),
		digests("a null in hex", sha(strings.Repeat("a", 63)+"\x00")),
		digests("a path behind hex", sha(strings.Repeat("a", 64)+"/../../x")),
		digests("without a kind", strings.Repeat("a", 64)),
		sizes(-1), sizes(0), sizes(1), sizes(1 << 50), sizes(1.5), sizes("12"), sizes(nil),
		sizes(json.Number("1e400")), sizes(json.Number("18446744073709551616")),

		both("manifest of the first schema", document, func(l *layout) { l.manifest["schemaVersion"] = 1 }),
		both("manifest without a schema", document, func(l *layout) { delete(l.manifest, "schemaVersion") }),
		both("manifest that is an index, too", document, func(l *layout) { l.manifest["manifests"] = []any{} }),
		both("manifest with fsLayers", document, func(l *layout) { l.manifest["fsLayers"] = []any{} }),
		both("manifest without a config", document, func(l *layout) { l.manifest["config"] = nil }),
		both("manifest without layers", document, func(l *layout) { l.manifest["layers"] = nil }),
		both("manifest whose layers are an object", document, func(l *layout) { l.manifest["layers"] = object{} }),
		both("manifest of another media type", docOr, func(l *layout) { l.manifest["mediaType"] = ispec.MediaTypeImageIndex }),
		both("manifest of a terminal's media type", docOr, func(l *layout) { l.manifest["mediaType"] = "\x1b[31m" }),
		both("manifest with two names of layers", document, func(l *layout) { l.manifest["Layers"] = []any{} }),
		both("manifest with layers twice", document, func(l *layout) {
			l.raw["manifest"] = func(b []byte) []byte {
				return append(append([]byte(`{"layers":[],`), b[1:len(b)-1]...), '}')
			}
		}),
		both("manifest with noise behind it", document, func(l *layout) {
			l.raw["manifest"] = func(b []byte) []byte { return append(b, "{}"...) }
		}),
		both("manifest cut", document, func(l *layout) {
			l.raw["manifest"] = func(b []byte) []byte { return b[:len(b)/2] }
		}),
		both("manifest that is a list", document, func(l *layout) { l.raw["manifest"] = func([]byte) []byte { return []byte("[]") } }),
		both("manifest that is null", document, func(l *layout) { l.raw["manifest"] = func([]byte) []byte { return []byte("null") } }),
		both("manifest that is not UTF-8", document, func(l *layout) {
			l.raw["manifest"] = func(b []byte) []byte { return bytes.Replace(b, []byte("schema"), []byte("sch\xff\xfea"), 1) }
		}),
		both("manifest nested 100,000 deep", document, func(l *layout) { l.raw["manifest"] = nested(100_000) }),
		both("manifest of 5 MiB", anything, func(l *layout) { l.manifest["annotations"] = object{"x": long} }),
		both("annotations of 1 MiB", document, func(l *layout) { l.manifest["annotations"] = object{"x": long[:1<<20]} }),
		both("annotation without a name", document, func(l *layout) { l.manifest["annotations"] = object{"": "x"} }),
		both("2000 layers", document, func(l *layout) {
			d := object{"mediaType": ispec.MediaTypeImageLayerGzip, "digest": string(digest.FromBytes(l.layerData)), "size": len(l.layerData)}
			l.manifest["layers"] = repeat(d, 2000)
		}),
		both("one digest with two sizes", document, func(l *layout) {
			d := object{"mediaType": ispec.MediaTypeImageLayerGzip, "digest": string(digest.FromBytes(l.layerData)), "size": len(l.layerData)}
			e := maps.Clone(d)
			e["size"] = 7
			l.manifest["layers"] = []any{d, e}
		}),
		both("embedded data of another digest", document, func(l *layout) { l.layer["data"] = "AAAA" }),
		both("subject with a path for a digest", document, func(l *layout) {
			l.manifest["subject"] = object{"mediaType": ispec.MediaTypeImageManifest, "digest": "../x", "size": 1}
		}),
		both("artifact type that is none", document, func(l *layout) { l.manifest["artifactType"] = "no type" }),

		both("config without a platform", document, func(l *layout) { delete(l.config, "os") }),
		both("config of another kind of rootfs", document, func(l *layout) { l.config["rootfs"].(object)["type"] = "snapshots" }),
		both("config with two diff IDs for one layer", document, func(l *layout) {
			ids := l.config["rootfs"].(object)["diff_ids"].([]string)
			l.config["rootfs"].(object)["diff_ids"] = append(ids, ids...)
		}),
		both("config with a path for a diff ID", document, func(l *layout) {
			l.config["rootfs"].(object)["diff_ids"] = []string{"sha256:../../../x"}
		}),
		both("config without diff IDs", document, func(l *layout) { l.config["rootfs"].(object)["diff_ids"] = nil }),
		both("config that is a string", document, func(l *layout) { l.raw["config"] = func([]byte) []byte { return []byte(`"x"`) } }),
		both("config that is empty", anything, func(l *layout) { l.raw["config"] = func([]byte) []byte { return nil } }),
		both("config nested 10,000 deep", document, func(l *layout) { l.raw["config"] = nested(10_000) }),
		both("config with a history of 5000", document, func(l *layout) { l.config["history"] = repeat(object{"empty_layer": true}, 5000) }),
		both("config whose history has more layers", document, func(l *layout) { l.config["history"] = repeat(object{"created_by": "x"}, 3) }),
		both("config with a NUL in a variable", document, func(l *layout) { l.config["config"].(object)["Env"] = []string{"A=\x00"} }),
		both("config of 9 MiB", anything, func(l *layout) { l.config["comment"] = long + long }),
		{name: "config that is called a layer", registry: true, late: true, refused: anything, edit: func(l *layout) {
			l.late["config"] = func(d object) { d["mediaType"] = ispec.MediaTypeImageLayerGzip }
		}},
		both("config of a size that lies", anything, func(l *layout) { l.late["config"] = func(d object) { d["size"] = 5 } }),
		both("config that is its manifest's layer", anything, func(l *layout) {
			l.late["config"] = func(d object) { d["digest"] = string(digest.FromBytes(l.layerData)) }
		}),

		both("index of 1000 manifests", document, func(l *layout) {
			l.index["manifests"] = repeat(object{"mediaType": ispec.MediaTypeImageManifest, "digest": string(digest.FromString("x")), "size": 1}, 1000)
		}),
		both("index whose manifest is absent", anything, func(l *layout) {
			l.late["manifest"] = func(d object) { d["digest"] = string(digest.FromString("absent")) }
		}),
		both("index whose manifest has another size", anything, func(l *layout) { l.late["manifest"] = func(d object) { d["size"] = 3 } }),
		both("index whose manifest is an index", anything, func(l *layout) {
			l.late["manifest"] = func(d object) { d["mediaType"] = ispec.MediaTypeImageIndex }
		}),
		both("index that is a manifest, too", document, func(l *layout) { l.index["layers"] = []any{} }),
		both("index of no list", document, func(l *layout) { l.index["manifests"] = object{} }),
		both("indexes ten deep", anything, func(l *layout) {
			inner := object{"schemaVersion": 2, "mediaType": ispec.MediaTypeImageIndex, "manifests": []any{}}
			for range 10 {
				d := l.add("", ispec.MediaTypeImageIndex, encode(inner))
				d["platform"] = object{"os": "wasip1", "architecture": "wasm"}
				inner = object{"schemaVersion": 2, "mediaType": ispec.MediaTypeImageIndex, "manifests": []any{d}}
			}
			l.index = inner
		}),
		both("config with a name in two cases", document, func(l *layout) { l.config["OS"] = "linux" }),
	}
	return append(rows, archiveRows()...)
}

func repeat(v any, n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// archiveRows are hostile as archives of images.
func archiveRows() []layoutRow {
	load := func(name string, edit func(*layout)) layoutRow {
		return layoutRow{name: name, edit: edit, refused: anything}
	}
	files := func(name string, edit func(map[string][]byte)) layoutRow {
		return load(name, func(l *layout) { l.files = edit })
	}
	wrong := "blobs/sha256/" + digest.FromString("x").Encoded()
	return []layoutRow{
		files("no layout version", func(f map[string][]byte) { delete(f, "oci-layout") }),
		files("layout of version 9", func(f map[string][]byte) { f["oci-layout"] = []byte(`{"imageLayoutVersion":"9.0.0"}`) }),
		files("layout version that is no object", func(f map[string][]byte) { f["oci-layout"] = []byte(`1`) }),
		files("no index", func(f map[string][]byte) { delete(f, "index.json") }),
		files("index of nonsense", func(f map[string][]byte) { f["index.json"] = []byte("{{{") }),
		files("index.json of 5 MiB", func(f map[string][]byte) { f["index.json"] = bytes.Repeat([]byte(" "), 5<<20) }),
		files("blob of another digest", func(f map[string][]byte) { f[wrong] = []byte("y") }),
		{name: "blob with a path for a digest", edit: func(l *layout) { // it is nobody's, and goes
			l.files = func(f map[string][]byte) { f["blobs/sha256/../../../canary/new"] = []byte("y") }
		}},
		files("blob of an unknown digest", func(f map[string][]byte) { f["blobs/md5/"+strings.Repeat("a", 32)] = []byte("y") }),
		load("name of 2 KB", func(l *layout) { l.extra = []entry{longName(strings.Repeat("n/", 1000)), file("x")} }),
		files("no blobs at all", func(f map[string][]byte) {
			for name := range f {
				if strings.HasPrefix(name, "blobs/") {
					delete(f, name)
				}
			}
		}),
		load("name that is none", func(l *layout) {
			l.late["index"] = func(d object) { d["annotations"] = object{"io.containerd.image.name": "../../x"} }
		}),
		load("name of another digest", func(l *layout) {
			l.late["index"] = func(d object) {
				d["annotations"] = object{"io.containerd.image.name": "hostile@" + string(digest.FromString("x"))}
			}
		}),
		load("index.json twice", func(l *layout) {
			l.extra = []entry{{name: "index.json", data: "{}"}, {name: "./index.json", data: "{}"}}
		}),
		load("symlink out of the archive, as index", func(l *layout) {
			l.files = func(f map[string][]byte) { delete(f, "index.json") }
			l.extra = []entry{symlink("index.json", "/etc/passwd")}
		}),
		load("device", func(l *layout) { l.extra = []entry{special('3')} }),
		load("sparse blob of 2^60 bytes", func(l *layout) {
			l.extra = []entry{records("GNU.sparse.map=0,1", "GNU.sparse.numblocks=1", "GNU.sparse.size=1152921504606846976"), file("blob")}
		}),
		load("30,000 entries", func(l *layout) { l.extra = many(30_000, func(k int) entry { return folder("d/") }) }),
		load("cut", func(l *layout) { l.wrap = func(b []byte) []byte { return b[:len(b)/2+100] } }),
		load("gzip cut", func(l *layout) { l.wrap = func(b []byte) []byte { b = squeeze(b); return b[:len(b)/2] } }),
		load("gzip of 4 GiB of zeros", func(l *layout) {
			l.wrap = func([]byte) []byte {
				head := squeeze(headers(entry{name: "zeros", size: "40000000000\x00"}))
				return append(head, bytes.Repeat(squeeze(make([]byte, 16*mib)), 256)...)
			}
		}),
		load("noise", func(l *layout) { l.wrap = func([]byte) []byte { return bytes.Repeat([]byte("noise! "), 10_000) } }),
		load("nothing", func(l *layout) { l.wrap = func([]byte) []byte { return nil } }),
		load("archive of docker save without its layers", func(l *layout) {
			l.files = func(f map[string][]byte) {
				clear(f)
				f["manifest.json"] = []byte(`[{"Config":"c.json","RepoTags":["x:1"],"Layers":["../../../etc/passwd"]}]`)
				f["c.json"] = []byte(`{"os":"wasi","architecture":"wasm","rootfs":{"type":"layers","diff_ids":[]}}`)
			}
		}),
		load("archive of docker save with links in a ring", func(l *layout) {
			l.files = func(f map[string][]byte) {
				clear(f)
				f["manifest.json"] = []byte(`[{"Config":"a","RepoTags":["x:1"],"Layers":[]}]`)
			}
			l.extra = []entry{symlink("a", "b"), symlink("b", "a")}
		}),
	}
}
