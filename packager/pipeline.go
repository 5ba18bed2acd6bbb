package packager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
)

// pipelineFiles are the models of a pipeline: what ENTRYPOINT ["predict", FILE, FILE...]
// names, when there are several and all of them are Python files or ONNX models. It is
// nil for any other image.
func pipelineFiles(s *state) []string {
	c := s.config.Config
	if len(c.Entrypoint) < 3 || path.Base(c.Entrypoint[0]) != "predict" {
		return nil
	}
	var files []string
	for _, name := range c.Entrypoint[1:] {
		if !isONNX(name) && path.Ext(name) != ".py" {
			return nil
		}
		if !path.IsAbs(name) {
			name = path.Join("/", c.WorkingDir, name)
		}
		files = append(files, path.Clean(name))
	}
	return files
}

// labelPipeline writes down the steps of a pipeline and what it takes and gives. Steps
// that do not fit together are an error of the build.
func (b *builder) labelPipeline(ctx context.Context, s *state) error {
	files := pipelineFiles(s)
	switch {
	case files == nil:
		return nil
	case len(files) > oci.MaxSteps:
		return fmt.Errorf("ENTRYPOINT: a pipeline of %d models; %d are the most", len(files), oci.MaxSteps)
	}
	steps := make([]oci.ModelStep, len(files))
	names, signatures := make([]string, len(files)), make([]*model.Signature, len(files))
	for i, file := range files {
		var err error
		names[i] = path.Base(file)
		if steps[i], signatures[i], err = b.describeStep(ctx, s, file); err != nil {
			return fmt.Errorf("ENTRYPOINT: %s: %w", names[i], err)
		}
	}
	own := files[max(slices.IndexFunc(files, isONNX), 0)]
	joined, err := model.JoinSignatures(strings.TrimSuffix(path.Base(own), path.Ext(own)), names, signatures)
	if err != nil {
		return fmt.Errorf("ENTRYPOINT: %w", err)
	}
	if err := b.checkPipelineGolden(s, joined); err != nil {
		return err
	}
	for label, v := range map[string]any{LabelSignature: joined, oci.LabelSteps: steps} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if len(text) > MaxSignature {
			return fmt.Errorf("ENTRYPOINT: what its models take and give is %d bytes to describe, and %d is the most", len(text), MaxSignature)
		}
		s.label(label, string(text))
	}
	s.label(LabelModel, oci.ModelPipeline)
	delete(s.config.Config.Labels, LabelModelPath)
	return nil
}

// describeStep finds out what one model of a pipeline takes and gives.
func (b *builder) describeStep(ctx context.Context, s *state, file string) (oci.ModelStep, *model.Signature, error) {
	step := oci.ModelStep{Kind: oci.ModelPython, Path: file}
	n, err := b.fileOf(s, file)
	if err != nil {
		return step, nil, err
	}
	if isONNX(file) {
		step.Kind = oci.ModelONNX
		if _, err := b.fileOf(s, oci.ONNXModule); err != nil {
			return step, nil, fmt.Errorf("the image has no ONNX Runtime; write above it:  COPY --from=onnx %s %[1]s", oci.ONNXModule)
		}
		lowered, err := lowerONNX(n)
		if err != nil {
			return step, nil, err
		}
		lowered.Signature.Name = strings.TrimSuffix(path.Base(file), path.Ext(file))
		step.Signature, err = json.Marshal(lowered.Signature)
		return step, lowered.Signature, err
	}
	if s.config.Config.Labels["run.wherry.python"] == "" {
		return step, nil, errors.New("it is Python, and the image has none; begin with FROM python")
	}
	if b.Describer == nil {
		return step, nil, errors.New("there is no sandbox here to ask it what it takes")
	}
	text, err := b.described(ctx, stepState(s, file, nil))
	if err != nil {
		return step, nil, err
	}
	var compact bytes.Buffer
	if len(text) == 0 || json.Compact(&compact, text) != nil {
		return step, nil, errors.New("it does not say what it takes, and a model of a pipeline must")
	}
	step.Signature = compact.Bytes()
	sig, err := model.ParseSignature(step.Signature)
	return step, sig, err
}

// fileOf finds a file of the stage.
func (b *builder) fileOf(s *state, name string) (node, error) {
	tree := s.tree(b.Store)
	at, err := follow(tree, clean(name), true)
	if err != nil {
		return node{}, err
	}
	n, ok, err := tree.lookup(at)
	switch {
	case err != nil:
		return n, err
	case !ok:
		return n, fmt.Errorf("there is no %s in the image", name)
	case n.kind != layer.File:
		return n, fmt.Errorf("%s is a %s", name, n.kind)
	}
	return n, nil
}

// stepState is the stage as an image of one model of its pipeline. signature is known
// of an ONNX model.
func stepState(s *state, file string, signature json.RawMessage) *state {
	one := *s
	c := cloneConfig(s.config.Config)
	c.Cmd = nil
	if c.Labels = maps.Clone(c.Labels); c.Labels == nil {
		c.Labels = map[string]string{}
	}
	for _, l := range []string{LabelModel, LabelModelPath, LabelSignature, LabelGolden, oci.LabelSteps} {
		delete(c.Labels, l)
	}
	c.Entrypoint = []string{c.Entrypoint[0], file}
	if isONNX(file) {
		c.Entrypoint = []string{oci.ONNXModule, file}
		if c.Labels[LabelONNX] == "" {
			c.Labels[LabelONNX] = "step"
		}
		c.Labels[LabelModel], c.Labels[LabelModelPath], c.Labels[LabelSignature] = modelONNX, file, string(signature)
	} else {
		delete(c.Labels, LabelONNX)
	}
	one.config.Config = c
	return &one
}

// derivedSteps records every model of a pipeline, and gives what is known of all of
// them.
func (b *builder) derivedSteps(ctx context.Context, s *state, base *derivedRecord) (*derivedRecord, error) {
	steps, err := oci.ParseSteps(s.config.Config.Labels[oci.LabelSteps])
	if err != nil {
		return nil, err
	}
	rec := base
	for _, step := range steps {
		one := stepState(s, step.Path, step.Signature)
		config, err := oci.BuildConfig(one.config, nil)
		if err != nil {
			return nil, err
		}
		k := newKey(deriveVersion)
		k.add(one.digest(), string(config.Descriptor.Digest))
		own, err := b.recorded(ctx, one, k.sum())
		if err != nil {
			return nil, err
		}
		if own.Note != "" {
			b.note(s, "no snapshot is taken of %s: %s", path.Base(step.Path), own.Note)
		}
		rec = merge(own, rec)
	}
	return rec, nil
}

// checkPipelineGolden checks that the golden cases are requests of the whole pipeline.
func (b *builder) checkPipelineGolden(s *state, sig *model.Signature) error {
	name := s.config.Config.Labels[LabelGolden]
	if name == "" {
		return nil
	}
	n, err := b.fileOf(s, name)
	if err != nil {
		return err
	}
	r, err := n.open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, model.MaxGolden+1))
	if err != nil {
		return err
	}
	cases, err := model.ParseGolden(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := fits(cases, sig); err != nil {
		return fmt.Errorf("%s: the golden cases of a pipeline are those of all its models together: %w", name, err)
	}
	return nil
}
