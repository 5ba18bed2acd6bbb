// Package sock is the socket extension of WASI preview 1 that WasmEdge brought
// about, and that programs are linked with which connect and listen by themselves:
// Go's by github.com/stealthrocket/net, Rust's by wasmedge_wasi_socket, C's by the
// imports as they are. What the sockets reach is the business of the Config of the
// preview1.Host that they belong to.
//
// The extension has two versions under the same names: in the first sock_accept has
// no flags and an address says its kind by a parameter of its own, in the second an
// address of 128 bytes begins with it. A module gets the version that its imports
// have the signature of. Its sockets are descriptors of preview 1: fd_read, fd_write,
// poll_oneoff and fd_close work on them.
//
// A guest that is linked without the extension, as Python's interpreter, asks for the
// same by messages: see Door. So it gets TLS, too, which ends in the host.
package sock

import (
	"context"
	"slices"

	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// ModuleName is the name under which modules import the functions: preview 1's own.
const ModuleName = "wasi_snapshot_preview1"

// function is one function of the extension, in one of its versions.
type function struct {
	name   string
	params int // of 32 bits each
	call   func(*call) preview1.Errno
}

// functions lists them; the versions of one stand beside each other.
func functions() []function {
	return []function{
		{"sock_open", 3, (*call).open},
		{"sock_open_v2", 3, (*call).open},
		{"sock_bind", 3, (*call).bind},
		{"sock_bind_v2", 3, (*call).bind},
		{"sock_listen", 2, (*call).listen},
		{"sock_listen_v2", 2, (*call).listen},
		{"sock_accept", 2, (*call).accept},
		{"sock_accept_v2", 3, (*call).acceptFlags},
		{"sock_connect", 3, (*call).connect},
		{"sock_connect_v2", 3, (*call).connect},
		{"sock_recv_v2", 6, (*call).recv},
		{"sock_recv_from", 8, (*call).recvFrom},
		{"sock_recv_from", 7, (*call).recvFromFirst},
		{"sock_recv_from_v2", 8, (*call).recvFrom},
		{"sock_send_v2", 5, (*call).send},
		{"sock_send_to", 7, (*call).sendTo},
		{"sock_send_to_v2", 7, (*call).sendTo},
		{"sock_getsockopt", 5, (*call).getOption},
		{"sock_setsockopt", 5, (*call).setOption},
		{"sock_getlocaladdr", 3, (*call).local},
		{"sock_getlocaladdr", 4, (*call).localFirst},
		{"sock_getlocaladdr_v2", 3, (*call).local},
		{"sock_getpeeraddr", 3, (*call).remote},
		{"sock_getpeeraddr", 4, (*call).remoteFirst},
		{"sock_getpeeraddr_v2", 3, (*call).remote},
		{"sock_getaddrinfo", 8, (*call).addrInfo},
	}
}

// Extend gives preview 1's functions for one instance those of the extension that
// its module imports, in the version that it wants. Where that is another than
// preview 1's, as of sock_accept, it takes the place of preview 1's.
func Extend(base wasi.HostModule, imports []wasi.Import, s *preview1.Sockets) wasi.HostModule {
	var funcs []wasi.HostFunc
	seen := map[string]bool{}
	for _, i := range imports {
		if i.Module != ModuleName || i.Kind != wasi.KindFunc || len(i.Name) < 5 || i.Name[:5] != "sock_" {
			continue
		}
		f, ok := find(i)
		if !ok || seen[i.Name] {
			continue
		}
		seen[i.Name] = true
		if funcs == nil {
			funcs = slices.Clone(base.Funcs)
		}
		funcs = slices.DeleteFunc(funcs, func(h wasi.HostFunc) bool { return h.Name == i.Name })
		funcs = append(funcs, f.hosted(s))
	}
	if funcs != nil {
		base.Funcs = funcs
	}
	return base
}

// Listens tells whether a module listens by itself, so that it needs no listeners
// that are open when it begins: by the extension, or by messages through the door.
func Listens(imports []wasi.Import) bool {
	return imported(imports, "sock_listen", "sock_listen_v2") || slices.ContainsFunc(imports, func(i wasi.Import) bool {
		return i.Module == door.ModuleName && i.Name == door.Call
	})
}

// Accepts tells whether a module takes connections of preview 1's listeners.
func Accepts(imports []wasi.Import) bool { return imported(imports, "sock_accept") }

func imported(imports []wasi.Import, names ...string) bool {
	return slices.ContainsFunc(imports, func(i wasi.Import) bool {
		return i.Module == ModuleName && slices.Contains(names, i.Name)
	})
}

// find is the function for an import: in the version of its signature, else in the
// first, whose signature the refusal of the module names.
func find(i wasi.Import) (function, bool) {
	all := functions()
	at := slices.IndexFunc(all, func(f function) bool { return f.name == i.Name && f.params == len(i.Params) })
	if at < 0 && i.Name != "sock_accept" { // preview 1 has one
		at = slices.IndexFunc(all, func(f function) bool { return f.name == i.Name })
	}
	if at < 0 {
		return function{}, false
	}
	return all[at], true
}

// hosted is the function for one instance.
func (f function) hosted(s *preview1.Sockets) wasi.HostFunc {
	return wasi.HostFunc{
		Name: f.name, Params: slices.Repeat([]wasi.ValueType{wasi.I32}, f.params), Results: []wasi.ValueType{wasi.I32},
		Call: func(ctx context.Context, g *wasi.Guest, stack []uint64) {
			c := call{ctx: ctx, mem: g.Memory(), args: stack, sockets: s}
			e := f.call(&c)
			if ctx.Err() != nil {
				g.Fail(context.Cause(ctx)) // nothing outlives its context by trying again
				return
			}
			stack[0] = uint64(e)
		},
	}
}
