package packager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/model/reactor"
	"github.com/wherry-run/wherry/oci"
)

// mostReactor bounds the modules that are looked at for whether they are models, in
// bytes; those with a language in them are larger.
const mostReactor = 256 << 20

// labelReactor writes the labels of an image whose program is a reactor that answers
// requests: those that the recipe gives stay.
func (b *builder) labelReactor(ctx context.Context, s *state) error {
	labels := s.config.Config.Labels
	if s.said(LabelModel) || labels["run.wherry.python"] != "" || onONNX(s) {
		return nil
	}
	file, n, err := b.program(s)
	if err != nil || file == "" {
		return err
	}
	is, err := answersRequests(n)
	if err != nil || !is {
		return err
	}
	s.label(LabelModel, oci.ModelWasm)
	s.label(LabelModelPath, file)
	if s.said(LabelSignature) || b.Describer == nil {
		return nil
	}
	text, err := b.described(ctx, s)
	if err != nil {
		return err
	}
	delete(s.config.Config.Labels, LabelSignature)
	var compact bytes.Buffer
	switch {
	case len(text) == 0:
		return fmt.Errorf("%s exports %s, and does not say what it takes: see its %s", file, reactor.PredictExport, "wherry_signature")
	case json.Compact(&compact, text) != nil || compact.Len() > MaxSignature:
		return fmt.Errorf("the signature of %s is no JSON of at most %d bytes", file, MaxSignature)
	}
	s.label(LabelSignature, compact.String())
	return nil
}

// program finds the file that the image runs; "" is none.
func (b *builder) program(s *state) (string, node, error) {
	c := s.config.Config
	words := slices.Concat(c.Entrypoint, c.Cmd)
	if len(words) == 0 || words[0] == "" {
		return "", node{}, nil
	}
	var names []string
	if strings.Contains(words[0], "/") {
		names = []string{path.Join("/", c.WorkingDir, words[0])}
		if path.IsAbs(words[0]) {
			names = []string{path.Clean(words[0])}
		}
	} else {
		search := defaultPath
		for _, kv := range c.Env {
			if v, ok := strings.CutPrefix(kv, "PATH="); ok {
				search = v
			}
		}
		for dir := range strings.SplitSeq(search, ":") {
			names = append(names, path.Join("/", dir, words[0]))
		}
	}
	tree := s.tree(b.Store)
	for _, name := range names {
		at, err := follow(tree, clean(name), true)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return "", node{}, nil // whoever runs it is told
		}
		n, ok, err := tree.lookup(at)
		if err != nil {
			return "", node{}, err
		}
		if ok && n.kind == layer.File {
			return name, n, nil
		}
	}
	return "", node{}, nil
}

// answersRequests tells whether a file is a module that exports what a model does.
func answersRequests(n node) (bool, error) { return exports(n, reactor.PredictExport) }

// exports tells whether a file is a module that exports a function of a name. What cannot
// be read is not.
func exports(n node, function string) (bool, error) {
	const magic = "\x00asm"
	if n.size < int64(len(magic)) || n.size > mostReactor {
		return false, nil
	}
	r, err := n.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	begin := make([]byte, len(magic))
	if _, err := io.ReadFull(r, begin); err != nil {
		return false, err
	}
	if string(begin) != magic {
		return false, nil
	}
	rest, err := io.ReadAll(io.LimitReader(r, mostReactor))
	if err != nil {
		return false, err
	}
	if !bytes.Contains(rest, []byte(function)) { // most programs: they are not decoded
		return false, nil
	}
	m, err := wasm.Decode(append(begin, rest...), wasm.DefaultLimits())
	if err != nil {
		return false, nil
	}
	return slices.ContainsFunc(m.Exports, func(e wasm.Export) bool {
		return e.Kind == wasm.ExternFunc && e.Name == function
	}), nil
}
