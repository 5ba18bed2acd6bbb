package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
)

// golden checks the golden cases of a MODEL and puts them beside the model, unless
// they are among its files.
func (b *builder) golden(ctx context.Context, s *state, file string, weights []weight, onnx *onnxModel) error {
	p := newPlan(b, s)
	cp := &copier{plan: p, src: b.context}
	text, err := cp.smallFile(file)
	if err != nil {
		return err
	}
	cases, err := model.ParseGolden(text)
	if err != nil {
		return err
	}
	if onnx != nil {
		if err := fits(cases, onnx.lowered.Signature); err != nil {
			return err
		}
	}
	at := under(path.Dir(weights[0].path), path.Base(clean(file)))
	if onnx != nil {
		at = under(path.Dir(onnx.path), path.Base(clean(file)))
	}
	at = clean(at)
	s.label(LabelGolden, "/"+at)
	if slices.ContainsFunc(weights, func(w weight) bool { return w.path == at }) {
		return nil
	}
	if err := cp.copyOne(ctx, file, at, false); err != nil {
		return err
	}
	_, err = b.commit(ctx, s, p.entries(), "MODEL --golden="+file)
	return err
}

// smallFile reads a file of golden cases.
func (c *copier) smallFile(name string) ([]byte, error) {
	at, err := follow(c.src, name, true)
	if err != nil {
		return nil, err
	}
	n, ok, err := c.src.lookup(at)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, c.missing(name)
	}
	if n.kind != layer.File {
		return nil, errors.New("it is no file")
	}
	r, err := n.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, model.MaxGolden+1))
}

// fits checks that the cases are requests of the model, and answers of it.
func fits(g *model.Golden, s *model.Signature) error {
	for i := range g.Cases {
		c := &g.Cases[i]
		_, err := c.Request(s)
		for _, name := range sortedKeys(c.Outputs) {
			if f := s.Output(name); err == nil && f != nil {
				_, err = f.Parse(c.Outputs[name])
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", g.Name(i), err)
		}
	}
	return nil
}
