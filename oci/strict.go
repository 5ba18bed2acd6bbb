package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds on documents. They are generous for honest images and small enough
// that a hostile one cannot cost more than a few megabytes or milliseconds.
const (
	MaxDocument   = 4 << 20   // bytes of an index or manifest; registries stop there too
	MaxConfig     = 8 << 20   // bytes of a config
	MaxManifests  = 256       // entries of an index
	MaxLayers     = 1024      // layers of a manifest
	MaxHistory    = 4096      // history entries of a config
	MaxDepth      = 4         // indexes inside indexes
	MaxBlob       = 1 << 42   // bytes of one layer
	maxAnnotation = 512 << 10 // bytes of one, with its name
	maxJSONDepth  = 32
	maxJSONTokens = 400_000
)

// DocumentError says which document was refused and where.
type DocumentError struct {
	Doc  string // "index", "manifest", "config"
	Path string // "layers[3].digest"; "" for the whole document
	Err  error
}

func (e *DocumentError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("read %s: %v", e.Doc, e.Err)
	}
	return fmt.Sprintf("read %s: %s: %v", e.Doc, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *DocumentError) Unwrap() error { return e.Err }

func refuse(doc, path, format string, args ...any) error {
	return &DocumentError{Doc: doc, Path: path, Err: fmt.Errorf(format, args...)}
}

// Go's JSON decoder takes "Layers" for "layers" where other readers do not, so
// one of these names in another case makes a document that is two things.
const (
	documentNames = `schemaVersion mediaType artifactType config layers manifests fsLayers subject
		annotations digest size urls data platform architecture os variant`
	configNames  = `architecture os config rootfs diff_ids history descriptor modelfs diffIds layerDigests`
	derivedNames = `version modules snapshots content facts hot program protocol memory pages globals reads
		realtime monotonic args env allEnv dirs`
)

// byFolded maps the lower-case form of each name to the name.
func byFolded(names string) map[string]string {
	m := map[string]string{}
	for _, n := range strings.Fields(names) {
		m[strings.ToLower(n)] = n
	}
	return m
}

// freeForm are the objects whose keys are data: any key may stand there.
var freeForm = map[string]bool{"annotations": true, "Labels": true, "ExposedPorts": true, "Volumes": true, "env": true}

// decodeStrict decodes one JSON document into v after checking that every
// reader would see the same thing in it.
func decodeStrict(doc string, data []byte, limit int, v any) error {
	if len(data) > limit {
		return refuse(doc, "", "it has %d bytes, more than %d", len(data), limit)
	}
	if !utf8.Valid(data) {
		return refuse(doc, "", "it is not UTF-8")
	}
	names := documentNames
	switch doc {
	case "config":
		names = configNames
	case derivedDoc:
		names = derivedNames
	}
	if err := checkShape(data, byFolded(names)); err != nil {
		return &DocumentError{Doc: doc, Err: err}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &DocumentError{Doc: doc, Err: plainJSON(data, err)}
	}
	return nil
}

// plainJSON turns the decoder's errors into words for people.
func plainJSON(data []byte, err error) error {
	if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '<' {
		return fmt.Errorf("it is HTML or XML, not JSON")
	}
	return fmt.Errorf("it is not the JSON expected: %w", err)
}

// frame is one open object or array.
type frame struct {
	object bool
	free   bool
	keys   map[string]bool // folded keys seen; exact ones when free
	expect bool            // the next string is a key
	last   string          // the key whose value comes next
}

// checkShape walks the tokens: bounded depth and count, no key twice, no key
// that is a known name in another case, nothing after the document.
func checkShape(data []byte, names map[string]string) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var stack []frame
	for n := 0; ; n++ {
		tok, err := dec.Token()
		if err == io.EOF && len(stack) == 0 && n > 0 {
			return nil
		}
		if err != nil {
			return plainJSON(data, err)
		}
		if n > maxJSONTokens {
			return fmt.Errorf("it has more than %d values", maxJSONTokens)
		}
		if stack, err = step(stack, tok, names); err != nil {
			return err
		}
		if len(stack) == 0 {
			return onlySpace(data[dec.InputOffset():])
		}
	}
}

func onlySpace(rest []byte) error {
	if len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("there is something after the end of the document")
	}
	return nil
}

func step(stack []frame, tok json.Token, names map[string]string) ([]frame, error) {
	top := len(stack) - 1
	switch t := tok.(type) {
	case json.Delim:
		if t == '}' || t == ']' {
			return valueDone(stack[:top]), nil
		}
		if len(stack) >= maxJSONDepth {
			return nil, fmt.Errorf("it is nested deeper than %d", maxJSONDepth)
		}
		f := frame{object: t == '{', expect: t == '{'}
		if f.object {
			f.keys = map[string]bool{}
			f.free = top >= 0 && stack[top].object && freeForm[stack[top].last]
		}
		return append(stack, f), nil
	case string:
		if top >= 0 && stack[top].expect {
			return stack, stack[top].key(t, names)
		}
	}
	return valueDone(stack), nil
}

func valueDone(stack []frame) []frame {
	if top := len(stack) - 1; top >= 0 && stack[top].object {
		stack[top].expect = true
	}
	return stack
}

func (f *frame) key(k string, names map[string]string) error {
	f.expect, f.last = false, k
	seen := k
	if !f.free {
		seen = strings.ToLower(k)
		if want, ok := names[seen]; ok && want != k {
			return fmt.Errorf("the name %s is %q in the wrong case", quote(k), want)
		}
	}
	if f.keys[seen] {
		return fmt.Errorf("the name %s stands twice in one object", quote(k))
	}
	f.keys[seen] = true
	return nil
}
