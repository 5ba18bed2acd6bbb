package model_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// teller is an instance that answers in three parts. wrap: it cannot end in between.
type teller struct {
	*fake
	wrap, nonsense bool
}

func (i *teller) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	for n := range 3 {
		t := model.Scalar("seen", int64(n))
		if i.nonsense {
			t.Data = t.Data[:3]
		}
		if err := emit(&model.Response{Outputs: []model.Tensor{t}}); err != nil {
			if i.wrap {
				err = fmt.Errorf("in the middle: %w", err)
			}
			return model.Usage{}, err
		}
	}
	return model.Usage{Fuel: 9}, nil
}

func TestPoolStream(t *testing.T) {
	gone := errors.New("the client is gone")
	request := &model.Request{Inputs: []model.Tensor{model.Of("what", []string{"ok"})}}
	for _, c := range []struct {
		name   string
		of     func(*fake) model.Instance
		stop   int // the part that is refused; 0: none
		parts  int
		fuel   uint64
		err    error
		broken int
	}{
		{"parts", func(f *fake) model.Instance { return &teller{fake: f} }, 0, 3, 9, nil, 0},
		{"whole", func(f *fake) model.Instance { return f }, 0, 1, 7, nil, 0},
		{"stopped", func(f *fake) model.Instance { return &teller{fake: f} }, 2, 2, 0, gone, 0},
		{"stopped and broken", func(f *fake) model.Instance { return &teller{fake: f, wrap: true} }, 2, 2, 0, gone, 1},
		{"whole and stopped", func(f *fake) model.Instance { return f }, 1, 1, 7, gone, 0},
		{"nonsense", func(f *fake) model.Instance { return &teller{fake: f, nonsense: true} }, 0, 0, 0, errAny, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &factory{}
			p, err := model.NewPool(t.Context(), model.PoolConfig{Signature: fakeSignature, New: func(ctx context.Context) (model.Instance, error) {
				i, err := f.New(ctx)
				if err != nil {
					return nil, err
				}
				return c.of(i.(*fake)), nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(t.Context())
			parts := 0
			usage, err := p.Stream(t.Context(), request, func(r *model.Response) error {
				if parts++; parts == c.stop {
					return gone
				}
				return nil
			})
			if parts != c.parts || usage.Fuel != c.fuel || (c.err != nil) != (err != nil) || c.err == gone && err != gone {
				t.Errorf("%d parts, %+v, %v", parts, usage, err)
			}
			if s := p.Stats(); s.Broken != c.broken {
				t.Errorf("%d instances broken, want %d", s.Broken, c.broken)
			}
		})
	}
}

// errAny stands for an error of any kind.
var errAny = errors.New("any")
