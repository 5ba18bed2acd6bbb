package packager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"

	"github.com/wherry-run/wherry/oci"
)

// The labels by which an image says what model it is; see package oci.
const (
	LabelModel     = oci.LabelModel
	LabelModelPath = oci.LabelModelPath
	LabelSignature = oci.LabelSignature
	LabelGolden    = oci.LabelGolden

	modelPython = oci.ModelPython
)

// MaxSignature bounds LabelSignature, in bytes.
const MaxSignature = oci.MaxSignature

// A Describer asks the program of an image, which answers requests, what they are:
// JSON. It is asked when there is no recording that says so.
type Describer interface {
	Describe(ctx context.Context, spec RecordSpec) ([]byte, error)
}

// labelPython writes the labels of a Python model: those that the recipe gives
// stay. A model that does not say what it takes has no signature, and is asked
// every time that it is started.
func (b *builder) labelPython(ctx context.Context, s *state, rec *derivedRecord) error {
	if !isPythonModel(s) {
		return nil
	}
	file := s.config.Config.Entrypoint[1]
	if !path.IsAbs(file) {
		file = path.Join("/", s.config.Config.WorkingDir, file)
	}
	s.label(LabelModel, modelPython)
	s.label(LabelModelPath, file)
	if s.said(LabelSignature) {
		return nil
	}
	var text []byte
	if rec != nil {
		text = rec.Signature
	}
	if len(text) == 0 && b.Describer != nil {
		var err error
		if text, err = b.described(ctx, s); err != nil {
			return err
		}
	}
	var compact bytes.Buffer
	delete(s.config.Config.Labels, LabelSignature)
	switch {
	case len(text) == 0:
		return nil
	case json.Compact(&compact, text) != nil:
		return fmt.Errorf("the signature of %s is no JSON", file)
	case compact.Len() > MaxSignature:
		b.note(s, "the signature of %s is left out: it has more than %d bytes", file, MaxSignature)
		return nil
	}
	s.label(LabelSignature, compact.String())
	return nil
}

// said tells whether the recipe has a label, or the command line: the base's is of
// what the base runs.
func (s *state) said(label string) bool {
	have := s.config.Config.Labels[label]
	return have != "" && (s.base == nil || s.base.Config.Config.Labels[label] != have)
}

// described asks the program, once.
func (b *builder) described(ctx context.Context, s *state) ([]byte, error) {
	config, err := oci.BuildConfig(s.config, nil)
	if err != nil {
		return nil, err
	}
	k := newKey("describe/1")
	k.add(s.digest(), string(config.Descriptor.Digest))
	var known struct{ Signature json.RawMessage }
	ok, err := b.remembered(ctx, k.sum(), &known)
	if err != nil {
		return nil, err
	}
	if ok && !b.NoCache {
		return known.Signature, nil
	}
	known.Signature, err = b.Describer.Describe(ctx, RecordSpec{
		Layers: s.layers(b.Store), Config: s.config.Config, Epoch: b.Epoch, Seed: seed(k.sum()), Stdout: b.Stdout, Stderr: b.Stderr,
	})
	if err != nil {
		b.note(s, "the model does not say what it takes: %v", err)
		return nil, nil
	}
	return known.Signature, b.remember(ctx, k.sum(), known)
}
