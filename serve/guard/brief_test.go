package guard_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
)

// plain is a listener whose connections are as the system has them.
func plain(l net.Listener) net.Listener { return l }

func limited(l net.Listener) net.Listener { return guard.Limit(l, 1) }

// ends are the two of a connection: ours is of a listener that wrap has made.
func ends(t *testing.T, network, address string, wrap func(net.Listener) net.Listener) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err)
	}
	l = wrap(l)
	defer l.Close()
	if theirs, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// What a connection of a limited listener ends with is what one of the system does.
func TestErrors(t *testing.T) {
	buffer := make([]byte, 100)
	read := func(c net.Conn) (int, error) { return c.Read(buffer) }
	write := func(c net.Conn) (int, error) { return c.Write(buffer) }
	for name, what := range map[string]func(ours, theirs net.Conn) (int, error){
		"the end": func(ours, theirs net.Conn) (int, error) {
			theirs.Close()
			return read(ours)
		},
		"some, and the end": func(ours, theirs net.Conn) (int, error) {
			_, _ = theirs.Write(make([]byte, 30))
			theirs.Close()
			n, err := io.ReadAll(ours)
			return len(n), err
		},
		"nothing is read": func(ours, _ net.Conn) (int, error) { return ours.Read(nil) },
		"read after close": func(ours, _ net.Conn) (int, error) {
			ours.Close()
			return read(ours)
		},
		"write after close": func(ours, _ net.Conn) (int, error) {
			ours.Close()
			return write(ours)
		},
		"closed while it reads": func(ours, _ net.Conn) (int, error) {
			time.AfterFunc(50*time.Millisecond, func() { ours.Close() })
			return read(ours)
		},
		"read, reset": func(ours, theirs net.Conn) (int, error) {
			_ = theirs.(*net.TCPConn).SetLinger(0)
			theirs.Close()
			return read(ours)
		},
		"written, reset": func(ours, theirs net.Conn) (int, error) {
			_ = theirs.(*net.TCPConn).SetLinger(0)
			theirs.Close()
			_, _ = read(ours)
			return write(ours)
		},
		"read, late": func(ours, _ net.Conn) (int, error) {
			_ = ours.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			return read(ours)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := ends(t, "tcp", "127.0.0.1:0", plain)
			wantN, want := what(a, b)
			a, b = ends(t, "tcp", "127.0.0.1:0", limited)
			gotN, got := what(a, b)
			if gotN != wantN || said(got) != said(want) || errors.Is(got, net.ErrClosed) != errors.Is(want, net.ErrClosed) {
				t.Errorf("%d, %v; the system: %d, %v", gotN, got, wantN, want)
			}
		})
	}
}

// said is an error without addresses.
func said(err error) string {
	var of *net.OpError
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &of):
		return err.Error()
	case of.Source == nil || of.Addr == nil:
		return "no address"
	}
	return of.Op + " " + of.Net + ": " + of.Err.Error()
}

// pattern fills p with what stands at a place of a stream.
func pattern(p []byte, at int) {
	for i := range p {
		p[i] = byte((at + i) * 7 / 3)
	}
}

// What finds no room is counted as far as it went, and comes as it was written.
func TestNoRoom(t *testing.T) {
	for _, size := range []int{1, 700, 16 << 10, 100 << 10} {
		ours, theirs := ends(t, "tcp", "127.0.0.1:0", limited)
		_ = ours.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		written, p := 0, make([]byte, size)
		for {
			pattern(p, written)
			n, err := ours.Write(p)
			written += n
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil || n != size {
				t.Fatalf("pieces of %d: %d, %v", size, n, err)
			}
		}
		ours.Close()
		got, err := io.ReadAll(theirs)
		want := make([]byte, written)
		if pattern(want, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d: %d of %d bytes came, %v", size, len(got), written, err)
		}
	}
}

// Several may write, and several read, at once: each piece stays one.
func TestTogether(t *testing.T) {
	const writers, pieces, size = 4, 200, 1000
	dir, err := os.MkdirTemp("", "s") // its name must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(dir, "s")} {
		ours, theirs := ends(t, network, address, limited)
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for range pieces {
					if _, err := ours.Write(bytes.Repeat([]byte{byte(w)}, size)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		go func() { _, _ = io.Copy(theirs, theirs) }() // what is written comes back
		var mu sync.Mutex
		got := map[byte]int{}
		left := writers * pieces * size
		for range writers {
			all.Go(func() {
				for p := make([]byte, 64<<10); ; {
					mu.Lock()
					most := min(left, len(p))
					left -= most
					mu.Unlock()
					if most == 0 {
						return
					}
					n, err := ours.Read(p[:most])
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, b := range p[:n] {
						got[b]++
					}
					left += most - n
					mu.Unlock()
				}
			})
		}
		all.Wait()
		for w := range writers {
			if got[byte(w)] != pieces*size {
				t.Errorf("%s: %d bytes of %d came back", network, got[byte(w)], w)
			}
		}
	}
}
