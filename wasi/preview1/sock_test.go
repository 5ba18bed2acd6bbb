package preview1

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// connected is the guest's end of a connection whose peer says and takes
// nothing, and a listener to which nobody connects.
func connected(t *testing.T) (*wasi.Conn, net.Listener) {
	t.Helper()
	ours, theirs := net.Pipe()
	l := listen(t)
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return wasi.NewConn(ours), l
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestSocketServer(t *testing.T) {
	l := listen(t)
	g := newGuest(t, func(c *Config) { c.Listeners = []wasi.Listener{l} })
	if kind, _, base, _ := g.fdstat(3); kind != typeSocketStream || !base.has(rightSockAccept) {
		t.Errorf("listener: type %d, rights %x", kind, base)
	}
	out := g.alloc(4)
	g.ok("fd_fdstat_set_flags", 3, flagNonblock)
	g.want(eagain, "sock_accept", 3, 0, out)

	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	readable := func(fd uint32) {
		t.Helper()
		if e := g.poll(1, func(_ int, b []byte) { fdSub(b, 1, eventFDRead, fd) }); len(e) != 1 || e[0].err != esuccess || e[0].bytes == 0 {
			t.Fatalf("poll of %d: %+v", fd, e)
		}
	}
	readable(3)
	g.ok("sock_accept", 3, flagNonblock, out)
	fd := g.u32(out)
	if kind, flags, _, _ := g.fdstat(fd); kind != typeSocketStream || flags != flagNonblock {
		t.Errorf("connection: type %d, flags %d", kind, flags)
	}
	g.want(eagain, "fd_read", fd, g.iovec(g.alloc(4), 4), 1, out)
	if _, err := io.WriteString(peer, "hello"); err != nil {
		t.Fatal(err)
	}
	readable(fd)
	buf, flags := g.alloc(16), g.alloc(2)
	for _, peek := range []int{recvPeek, 0} {
		g.ok("sock_recv", fd, g.iovec(buf, 16), 1, peek, out, flags)
		if got := string(g.mem[buf : buf+g.u32(out)]); got != "hello" {
			t.Errorf("received %q", got)
		}
	}
	g.ok("sock_send", fd, g.iovec(g.put("answer"), 6), 1, 0, out)
	g.write(fd, " and more")
	g.ok("sock_shutdown", fd, shutdownWR)
	if got, err := io.ReadAll(peer); string(got) != "answer and more" || err != nil {
		t.Errorf("the peer got %q, %v", got, err)
	}
	g.want(epipe, "fd_write", fd, g.iovec(buf, 1), 1, out)
	g.ok("sock_shutdown", fd, shutdownRD)
	if got := g.read(fd, 4); got != "" {
		t.Errorf("read %q after shutdown", got)
	}
	g.ok("fd_close", fd)
}

func TestRecvWaitall(t *testing.T) {
	ours, theirs := net.Pipe()
	g := newGuest(t, nil)
	fd, _ := g.h.fds.insert(&descriptor{base: rightsOfConnection, object: &connection{Conn: wasi.NewConn(ours)}})
	go func() {
		for _, s := range []string{"ab", "cd", "ef"} {
			_, _ = io.WriteString(theirs, s)
			time.Sleep(time.Millisecond)
		}
		_ = theirs.Close()
	}()
	buf, out := g.alloc(8), g.alloc(4)
	g.ok("sock_recv", fd, g.iovec(buf, 5), 1, recvWaitall, out, g.alloc(2))
	if got := string(g.mem[buf : buf+g.u32(out)]); got != "abcde" {
		t.Errorf("received %q", got)
	}
	g.ok("sock_recv", fd, g.iovec(buf, 5), 1, recvWaitall, out, g.alloc(2))
	if got := string(g.mem[buf : buf+g.u32(out)]); got != "f" {
		t.Errorf("received %q before the end", got)
	}
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	l := listen(t)
	g := newGuest(t, func(c *Config) { c.Listeners = []wasi.Listener{l} })
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	out := g.alloc(4)
	g.ok("sock_accept", 3, 0, out)
	fd := g.u32(out)
	g.write(fd, strings.Repeat("x", 100_000))
	g.ok("fd_close", fd)
	if got, err := io.ReadAll(peer); len(got) != 100_000 || err != nil {
		t.Errorf("the peer got %d bytes, %v", len(got), err)
	}
}

func TestOnlySocketsAreSockets(t *testing.T) {
	conn, l := connected(t)
	g := newGuest(t, func(c *Config) { c.Listeners = []wasi.Listener{l} })
	cfd, _ := g.h.fds.insert(&descriptor{base: rightsOfConnection, object: &connection{Conn: conn}})
	file := g.open("f", oflagCreat, rightsOfFile)
	iov, out := g.iovec(g.alloc(4), 4), g.alloc(4)
	for _, fd := range []uint32{0, 1, 4, file} {
		g.want(enotsock, "sock_accept", fd, 0, out)
		g.want(enotsock, "sock_recv", fd, iov, 1, 0, out, out)
		g.want(enotsock, "sock_send", fd, iov, 1, 0, out)
		g.want(enotsock, "sock_shutdown", fd, shutdownRD)
	}
	g.want(ebadf, "sock_shutdown", 99, shutdownRD)
	g.want(ebadf, "sock_accept", 99, 0, out)
	g.want(enotconn, "sock_shutdown", 3, shutdownRD)
	g.want(enotconn, "sock_recv", 3, iov, 1, 0, out, out)
	g.want(enotconn, "fd_read", 3, iov, 1, out)
	g.want(enotconn, "fd_write", 3, iov, 1, out)
	g.want(einval, "sock_accept", cfd, 0, out)
	g.want(einval, "sock_shutdown", cfd, 0)
	g.want(einval, "sock_shutdown", cfd, 4)
	g.want(enotsup, "sock_send", cfd, iov, 1, 1, out)
	g.want(espipe, "fd_seek", cfd, 0, 0, g.alloc(8))
}
