package runtime

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
	"github.com/wherry-run/wherry/wasi/sock"
)

// A Listener is a port on which a program is listening when it begins.
type Listener struct {
	// Name says which it is: LISTEN_FDNAMES has the names, with colons between.
	Name string
	// Open opens it for one program, which closes it.
	Open func(ctx context.Context) (wasi.Listener, error)
}

// listening is what one program is given of the container's Listeners.
type listening struct {
	names []string
	open  []wasi.Listener
}

// variables announce listeners as systemd does: they are the descriptors from 3 on.
func (l *listening) variables() []string {
	if l == nil || len(l.open) == 0 {
		return nil
	}
	return []string{"LISTEN_FDS=" + strconv.Itoa(len(l.open)), "LISTEN_FDNAMES=" + strings.Join(l.names, ":")}
}

func (l *listening) close() {
	for _, o := range l.open {
		_ = o.Close()
	}
}

// listen opens the container's Listeners for a program that takes connections and
// cannot listen by itself; others get none.
func (s *session) listen(ctx context.Context, m *engine.Module) (*listening, error) {
	list := s.container.spec.Listeners
	if len(list) == 0 || !sock.Accepts(m.Imports()) || sock.Listens(m.Imports()) {
		return nil, nil
	}
	l := &listening{}
	for _, k := range list {
		if k.Name == "" || strings.ContainsAny(k.Name, ":\x00") {
			l.close()
			return nil, fmt.Errorf("listener %q: a name has neither colons nor zeros", k.Name)
		}
		o, err := k.Open(ctx)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("listener %s: %w", k.Name, err)
		}
		l.names, l.open = append(l.names, k.Name), append(l.open, o)
	}
	return l, nil
}

// wasi is preview 1 for a program, with sockets if its module asks for them.
func wasiOf(host *preview1.Host, imports []wasi.Import) wasi.HostModule {
	return sock.Extend(host.Module(), imports, host.Sockets())
}

// importsOf are the functions that a module imports, as it says itself.
func importsOf(m *wasm.Module) []wasi.Import {
	var list []wasi.Import
	for _, i := range m.Imports {
		if i.Kind == wasm.ExternFunc && int64(i.Type) < int64(len(m.Types)) {
			t := m.Types[i.Type]
			list = append(list, wasi.Import{Module: i.Module, Name: i.Name, Kind: wasi.KindFunc, Params: t.Params, Results: t.Results})
		}
	}
	return slices.Clip(list)
}
