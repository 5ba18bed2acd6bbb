package runtime

import (
	"context"
	"fmt"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi/preview1"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// protocolOf is how a program with these exports is taken to the point where it
// waits for work, and goes on from there; "" when it has no such point.
func protocolOf(has func(name string) bool) string {
	switch {
	case has("turn") && has("host_alloc"):
		return oci.ProtocolTurn
	case has("wizer.initialize"):
		return oci.ProtocolWizer
	case ruby.Is(has):
		return oci.ProtocolRuby
	}
	return ""
}

// noPoint says of a program why it cannot be kept as a snapshot.
func noPoint(x *executable) string {
	return fmt.Sprintf("%s is a command that runs from its beginning to its end: a snapshot needs an export wizer.initialize, "+
		"which loads, and an export wizer.resume, which does the work; "+
		"without these, have it recorded what it runs: wherry run --record-hot-set FILE, and then wherry build --hot-set FILE", x.path)
}

// startReactor has a reactor's language begin.
func startReactor(ctx context.Context, i *engine.Instance) error {
	if !i.HasFunc("_initialize") {
		return nil
	}
	_, err := i.Call(ctx, "_initialize")
	return err
}

// work has a program do its work that has loaded.
func work(ctx context.Context, i *engine.Instance, x *executable) error {
	for _, name := range []string{"wizer.resume", "_start"} {
		if i.HasFunc(name) {
			_, err := i.Call(ctx, name)
			return err
		}
	}
	return callRun(ctx, i, x)
}

// given is what a program looked at of what it was given.
type given struct{ args, env bool }

// since is what was looked at since the last since.
func since(o *preview1.Observed) given {
	g := given{o.Args, o.Env}
	o.Args, o.Env, o.Random = false, false, false
	return g
}

// settle decides what a snapshot is bound to of a program that does not say so
// itself. What it looked at while it loaded it may have kept. What alone its
// language read before that, to have it ready, is bound as well, unless the
// program reads it again after a restore.
func (r *recorder) settle(s *oci.Snapshot, early, late, after given) {
	if s.Reads.Args = late.args || early.args && !after.args; !s.Reads.Args && s.Protocol != oci.ProtocolDriver {
		s.Program = s.Program[:1]
	}
	if late.env || early.env && !after.env {
		s.Reads.AllEnv, s.Reads.Env = true, allOf(r.p)
	}
}
