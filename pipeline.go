package wherry

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// pipeline is a model whose image has several, each with instances of its own.
type pipeline struct {
	*model.Pipeline
	steps []*Model
}

// pipeline makes a Model of the steps that the image names.
func (l *loader) pipeline(ctx context.Context) (_ *Model, err error) {
	if l.settings.native != nil {
		return nil, errors.New("native ONNX Runtime runs ONNX models alone, and this is a pipeline")
	}
	list, err := oci.ParseSteps(l.image.Config().Labels[oci.LabelSteps])
	if err != nil {
		return nil, &NotModelError{err.Error()}
	}
	p := &pipeline{}
	defer func() {
		if err != nil {
			p.closeSteps(context.WithoutCancel(ctx))
		}
	}()
	var steps []model.Step
	for _, s := range list {
		own := &loader{runtime: l.runtime, image: l.image, kind: s.Kind, path: s.Path, settings: l.settings, log: l.log}
		if own.signature, err = model.ParseSignature(s.Signature); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Path, err)
		}
		m, err := own.load(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Path, err)
		}
		p.steps = append(p.steps, m)
		steps = append(steps, model.Step{Name: path.Base(s.Path), Predictor: m})
	}
	name := "pipeline"
	if l.signature != nil {
		name = l.signature.Name
	}
	if p.Pipeline, err = model.NewPipeline(name, steps...); err != nil {
		return nil, err
	}
	return &Model{pool: p, loader: l}, nil
}

// closeSteps closes those that were opened.
func (p *pipeline) closeSteps(ctx context.Context) {
	for _, m := range p.steps {
		_ = m.Close(ctx) // nobody has used it
	}
}

// Warm makes instances of every step.
func (p *pipeline) Warm(ctx context.Context, n int) error {
	for _, m := range p.steps {
		if err := m.Warm(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Stats adds up those of the steps; of requests it has those that were begun.
func (p *pipeline) Stats() model.PoolStats {
	var sum model.PoolStats
	for i, m := range p.steps {
		s := m.Stats()
		sum.Instances += s.Instances
		sum.Idle += s.Idle
		sum.Waiting += s.Waiting
		sum.Made += s.Made
		sum.Broken += s.Broken
		if i == 0 {
			sum.Requests = s.Requests
		}
	}
	return sum
}

func (p *pipeline) memory() int64 {
	total := int64(0)
	for _, m := range p.steps {
		total += m.Memory()
	}
	return total
}

// command is what a Python model is run by; nil is the container's own.
func (l *loader) command(c *runtime.Container) []string {
	if l.path == "" || len(c.Command()) == 0 {
		return nil
	}
	return []string{c.Command()[0], l.path}
}
