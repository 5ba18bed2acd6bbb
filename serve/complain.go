package serve

import (
	"context"
	"errors"
	"log/slog"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// complain has what is the server's own mistake written down: clients are told no more
// than that the log says why.
func (s *Server) complain(c *Config) {
	log := s.log
	c.Repository.Observe = both(func(ctx context.Context, e repository.Event) {
		if e.Err != nil && route.ProblemOf(e.Err).Reason == route.ReasonInternal {
			id := ""
			if r := guard.Of(ctx); r != nil {
				id = r.ID
			}
			log.ErrorContext(ctx, "a request failed", append(why(e.Err), "id", id, "model", e.Receipt.Model)...)
		}
	}, c.Repository.Observe)
	failed := c.Repository.Failed
	c.Repository.Failed = func(err error) {
		log.Error("what was done beside requests failed", why(err)...)
		if failed != nil {
			failed(err)
		}
	}
	bug := func(p *repository.PanicError) { log.Error("panic", why(p)...) }
	s.background.Panicked, s.calls.Panicked = bug, bug
}

// why is what the log has of an error: where a bug was met, too.
func why(err error) []any {
	var bug *repository.PanicError
	if errors.As(err, &bug) {
		return []any{"error", err.Error(), "stack", string(bug.Stack)}
	}
	return []any{"error", err.Error()}
}

// controlled are models that clients may load and unload. What fails then is in the
// log.
type controlled struct {
	*repository.Repository
	log *slog.Logger
}

var _ inference.Repository = (*controlled)(nil)

// Load loads a model anew.
func (c *controlled) Load(ctx context.Context, name string) error {
	err := c.Repository.Load(ctx, name)
	c.note(name, err)
	return err
}

// Unload ends a model.
func (c *controlled) Unload(ctx context.Context, name string) error {
	err := c.Repository.Unload(ctx, name)
	c.note(name, err)
	return err
}

func (c *controlled) note(name string, err error) {
	if err != nil && route.ProblemOf(err).Reason == route.ReasonInternal {
		c.log.Error("a model could not be changed", append(why(err), "model", name)...)
	}
}
