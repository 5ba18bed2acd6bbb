package sock

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// fakeMemory is a guest's memory.
type fakeMemory []byte

func (m fakeMemory) Read(off, n uint32) ([]byte, bool) {
	if uint64(off)+uint64(n) > uint64(len(m)) {
		return nil, false
	}
	return m[off : uint64(off)+uint64(n) : uint64(off)+uint64(n)], true
}

// fakeNet connects to an echo for every address of 10.0.0.0/8, and knows one name.
type fakeNet struct{}

func (fakeNet) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().IsPrivate() {
		return nil, errors.New("refused")
	}
	here, there := net.Pipe()
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, err := there.Read(b)
			if err != nil {
				return
			}
			if _, err := there.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	return here, nil
}

func (fakeNet) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	if name != "db" {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.1")}, nil
}

func listen(_ context.Context, _, _ string) (wasi.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}

// fakeGuest calls the functions as a module would.
type fakeGuest struct {
	testing.TB
	mem     fakeMemory
	sockets *preview1.Sockets
	next    uint32
}

func newGuest(t testing.TB) *fakeGuest {
	t.Helper()
	h, err := preview1.New(preview1.Config{Dial: fakeNet{}, Listen: listen, Limits: preview1.Limits{FDs: 32}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return &fakeGuest{TB: t, mem: make(fakeMemory, 1<<16), sockets: h.Sockets(), next: 16}
}

func (g *fakeGuest) alloc(b ...byte) uint32 {
	at := g.next
	copy(g.mem[at:], b)
	g.next += uint32(len(b)+15) &^ 7
	return at
}

func (g *fakeGuest) words(list ...uint32) uint32 {
	var b []byte
	for _, w := range list {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return g.alloc(b...)
}

func (g *fakeGuest) u32(at uint32) uint32 { return le.Uint32(g.mem[at:]) }

func (g *fakeGuest) call(name string, args ...uint32) preview1.Errno {
	g.Helper()
	all := functions()
	at := slices.IndexFunc(all, func(f function) bool { return f.name == name && f.params == len(args) })
	if at < 0 {
		g.Fatalf("no %s with %d parameters", name, len(args))
	}
	stack := make([]uint64, len(args))
	for i, a := range args {
		stack[i] = uint64(a)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.Context()), 10*time.Second)
	defer cancel()
	return all[at].call(&call{ctx: ctx, mem: g.mem, args: stack, sockets: g.sockets})
}

func (g *fakeGuest) want(e preview1.Errno, name string, args ...uint32) {
	g.Helper()
	if got := g.call(name, args...); got != e {
		g.Errorf("%s%v: errno %d, want %d", name, args, got, e)
	}
}

func (g *fakeGuest) open(kind uint32) uint32 {
	g.Helper()
	out := g.words(0)
	g.want(0, "sock_open", familyInet4, kind, out)
	return g.u32(out)
}

func TestCalls(t *testing.T) {
	g := newGuest(t)
	ten := g.words(g.alloc(10, 0, 0, 1), 4)
	fd := g.open(typeStream)
	out := g.words(0, 0, 0, 0)
	at := g.words(g.alloc(make([]byte, addressSize)...), addressSize)

	g.want(preview1.EAFNOSUPPORT, "sock_open", 0, typeStream, out)
	g.want(preview1.EAFNOSUPPORT, "sock_open", 3, typeStream, out)
	g.want(preview1.EINVAL, "sock_open", familyInet4, 9, out)
	g.want(preview1.EFAULT, "sock_open", familyInet4, typeStream, 1<<31)
	g.want(preview1.EBADF, "sock_connect", 77, ten, 80)
	g.want(preview1.EINVAL, "sock_connect", fd, ten, 1<<16)
	g.want(preview1.EINVAL, "sock_connect", fd, g.words(16, 5), 80)
	g.want(preview1.EFAULT, "sock_connect", fd, g.words(1<<31, 16), 80)

	g.want(0, "sock_connect", fd, ten, 80)
	if e := g.call("sock_connect", fd, ten, 80); e == 0 {
		t.Error("connected twice")
	}
	hello := g.alloc([]byte("hello")...)
	g.want(0, "sock_send_to", fd, g.words(hello, 5), 1, ten, 80, 0, out)
	into := g.alloc(make([]byte, 16)...)
	g.want(0, "sock_recv_from", fd, g.words(into, 2, into+2, 14), 2, at, 0, out, out+4, out+8)
	if got := string(g.mem[into : into+5]); got != "hello" || g.u32(out+4) != 5 {
		t.Errorf("received %q, %d bytes", got, g.u32(out+4))
	}
	g.want(0, "sock_getsockopt", fd, 0, optError, out, 4)
	g.want(0, "sock_getsockopt", fd, 0, optType, out, g.words(4))
	if g.u32(out) != typeStream {
		t.Errorf("type %d", g.u32(out))
	}
	g.want(preview1.ENOPROTOOPT, "sock_getsockopt", fd, 0, 14, out, 4)
	g.want(preview1.ENOPROTOOPT, "sock_setsockopt", fd, 1, 0, out, 4)
	g.want(0, "sock_setsockopt", fd, 0, optReceiveTimeout, g.words(0, 0, 20_000, 0), 16)
	began := time.Now()
	g.want(6, "sock_recv_from", fd, g.words(into, 16), 1, at, 0, out, out+4, out+8) // EAGAIN
	if d := time.Since(began); d < 15*time.Millisecond || d > 5*time.Second {
		t.Errorf("a receive with a timeout took %v", d)
	}

	l := g.open(typeStream)
	g.want(0, "sock_bind", l, g.words(g.alloc(0, 0, 0, 0), 4), 80)
	g.want(preview1.EINVAL, "sock_bind", l, ten, 80)
	g.want(0, "sock_listen", l, 5)
	g.want(0, "sock_getlocaladdr", l, at, out)
	if g.u32(out) == 0 || le.Uint16(g.mem[g.u32(at):]) != familyInet4 {
		t.Errorf("local address: port %d, kind %d", g.u32(out), le.Uint16(g.mem[g.u32(at):]))
	}
	g.want(0, "sock_getlocaladdr", l, g.words(g.alloc(0, 0, 0, 0), 4), out, out+4)
	if g.u32(out) != firstInet4 {
		t.Errorf("kind %d in the first version", g.u32(out))
	}
	if e := g.call("sock_getpeeraddr", l, at, out); e == 0 {
		t.Error("a listener has a peer")
	}
}

func TestAddrInfo(t *testing.T) {
	g := newGuest(t)
	ask := func(name, service string, family byte, room uint32, most uint32) (preview1.Errno, []netip.AddrPort) {
		type answer struct{ info, sockaddr, data uint32 }
		var list []answer
		for range 3 {
			data := g.alloc(make([]byte, 32)...)
			sa := g.words(0, room, data)
			list = append(list, answer{g.words(0, 0, 0, sa, 0, 0, 0), sa, data})
		}
		for i := range list[1:] {
			le.PutUint32(g.mem[list[i].info+infoNext:], list[i+1].info)
		}
		hints := g.words(0, 0, 0, 0, 0, 0, 0)
		g.mem[hints+infoFamily] = family
		count := g.words(0)
		e := g.call("sock_getaddrinfo", g.alloc([]byte(name+"\x00x")...), uint32(len(name)+2), g.alloc([]byte(service)...), uint32(len(service)), hints, g.words(list[0].info), most, count)
		var got []netip.AddrPort
		for _, a := range list[:g.u32(count)] {
			raw := g.mem[a.data : a.data+32]
			ip := netip.AddrFrom4([4]byte(raw[2:6]))
			if g.mem[a.sockaddr] == familyInet6 {
				ip = netip.AddrFrom16([16]byte(raw[6:22]))
			}
			got = append(got, netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw)))
		}
		return e, got
	}
	for _, c := range []struct {
		name, service string
		family        byte
		room, most    uint32
		e             preview1.Errno
		want          string
	}{
		{"db", "80", 0, 26, 3, 0, "10.0.0.1:80 [2001:db8::1]:80"},
		{"db", "postgresql", familyInet4, 26, 3, 0, "10.0.0.1:5432"},
		{"db", "", familyInet6, 26, 3, 0, "[2001:db8::1]:0"},
		{"db", "80", 0, 26, 1, 0, "10.0.0.1:80"},
		{"db", "80", 0, 14, 3, 0, "10.0.0.1:80"}, // no room for the other
		{"db", "80", familyInet6, 14, 3, errNoName, ""},
		{"10.2.3.4", "80", 0, 26, 3, 0, "10.2.3.4:80"},
		{"::ffff:10.2.3.4", "80", 0, 26, 3, 0, "10.2.3.4:80"},
		{"", "80", 0, 26, 3, 0, "127.0.0.1:80 [::1]:80"},
		{"", "", 0, 26, 3, errNoName, ""},
		{"nobody", "80", 0, 26, 3, errNoName, ""},
		{"db", "x", 0, 26, 3, errService, ""},
		{"db", "65536", 0, 26, 3, errService, ""},
		{"db", "80", 9, 26, 3, errFamily, ""},
		{"db", "80", 0, 26, 0, errMemory, ""},
	} {
		e, got := ask(c.name, c.service, c.family, c.room, c.most)
		text := ""
		for i, a := range got {
			if i > 0 {
				text += " "
			}
			text += a.String()
		}
		if e != c.e || text != c.want {
			t.Errorf("%+v: errno %d, %s", c, e, text)
		}
	}
}

func TestVersions(t *testing.T) {
	imports := func(name string, params int) []wasi.Import {
		return []wasi.Import{{Module: ModuleName, Name: "sock_open", Kind: wasi.KindFunc, Params: make([]wasi.ValueType, 3)}, {Module: ModuleName, Name: name, Kind: wasi.KindFunc, Params: make([]wasi.ValueType, params)}}
	}
	h, err := preview1.New(preview1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	base := h.Module()
	for _, c := range []struct {
		name         string
		params, want int
	}{
		{"sock_accept", 2, 2}, {"sock_accept", 3, 3}, {"sock_accept", 9, 3}, {"sock_getlocaladdr", 3, 3}, {"sock_getlocaladdr", 4, 4},
		{"sock_recv_from", 7, 7}, {"sock_recv_from", 8, 8}, {"sock_recv_from", 1, 8}, {"sock_accept_v2", 3, 3},
	} {
		m := Extend(base, imports(c.name, c.params), h.Sockets())
		found := 0
		for _, f := range m.Funcs {
			if f.Name == c.name {
				if found++; len(f.Params) != c.want {
					t.Errorf("%s with %d parameters gets %d", c.name, c.params, len(f.Params))
				}
			}
		}
		if found != 1 {
			t.Errorf("%s is there %d times", c.name, found)
		}
	}
	if m := Extend(base, nil, h.Sockets()); len(m.Funcs) != len(base.Funcs) {
		t.Errorf("%d functions for a module without sockets", len(m.Funcs))
	}
}

// FuzzCalls calls functions with any arguments over any memory.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, []byte{10, 0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 0})
	f.Add([]byte{0, 1, 2, 16, 8, 3, 8, 80}, []byte("\x10\x00\x00\x00\x04\x00\x00\x00\x0a\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, script, memory []byte) {
		g := newGuest(t)
		copy(g.mem, memory)
		all := functions()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Millisecond)
		defer cancel()
		for calls := 0; len(script) > 0 && calls < 32; calls++ {
			fn := all[int(script[0])%len(all)]
			script = script[1:]
			args := make([]uint64, fn.params)
			for i := range args {
				if len(script) > 0 {
					args[i] = uint64(script[0])
					if script[0] > 0xf0 {
						args[i] <<= 24 // beyond the memory, or a number that is far too large
					}
					script = script[1:]
				}
			}
			fn.call(&call{ctx: ctx, mem: g.mem, args: args, sockets: g.sockets})
		}
	})
}
