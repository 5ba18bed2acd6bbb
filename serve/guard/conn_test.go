package guard_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
)

// pair is a connection of a limited listener, and its other end.
func pair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = guard.Limit(l, 1)
	defer l.Close()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// read reads, which has to meet its deadline or a byte.
func read(t *testing.T, c net.Conn, late bool) {
	t.Helper()
	n, err := c.Read(make([]byte, 1))
	if late != errors.Is(err, os.ErrDeadlineExceeded) || !late && n != 1 {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// A deadline holds as it was set last, whatever was set before.
func TestDeadlines(t *testing.T) {
	const short, long = 500 * time.Millisecond, 1500 * time.Millisecond
	soon := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for name, c := range map[string]struct {
		set  func(c net.Conn)
		late time.Duration // 0: a byte comes first, after the short time
	}{
		"one":                   {func(c net.Conn) { _ = c.SetReadDeadline(soon(short)) }, short},
		"a later one":           {func(c net.Conn) { _ = c.SetReadDeadline(soon(short)); _ = c.SetReadDeadline(soon(long)) }, long},
		"an earlier one":        {func(c net.Conn) { _ = c.SetReadDeadline(soon(long)); _ = c.SetReadDeadline(soon(short)) }, short},
		"none after one":        {func(c net.Conn) { _ = c.SetReadDeadline(soon(short)); _ = c.SetReadDeadline(time.Time{}) }, 0},
		"none after the past":   {func(c net.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)); _ = c.SetReadDeadline(time.Time{}) }, 0},
		"a later one than past": {func(c net.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)); _ = c.SetDeadline(soon(short)) }, short},
		"while it reads": {func(c net.Conn) {
			_ = c.SetReadDeadline(soon(short))
			time.AfterFunc(short/2, func() { _ = c.SetReadDeadline(soon(long)) })
		}, long + short/2},
		"to the past while it reads": {func(c net.Conn) {
			time.AfterFunc(short, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
		}, short},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := pair(t)
			began := time.Now()
			c.set(ours)
			if c.late == 0 {
				time.AfterFunc(2*short, func() { _, _ = theirs.Write([]byte{1}) })
			}
			read(t, ours, c.late > 0)
			if took := time.Since(began); took < c.late || c.late == 0 && took < 2*short {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// What is written comes whole when the deadline moves meanwhile, and ends when it holds.
func TestWriteDeadline(t *testing.T) {
	ours, theirs := pair(t)
	_ = ours.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	_ = ours.SetWriteDeadline(time.Now().Add(time.Minute))
	const size = 32 << 20
	got := make(chan int64)
	go func() {
		time.Sleep(200 * time.Millisecond)
		n, _ := io.CopyN(io.Discard, theirs, size)
		got <- n
	}()
	if n, err := ours.Write(make([]byte, size)); n != size || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n := <-got; n != size {
		t.Errorf("%d came", n)
	}
	_ = ours.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := ours.Write(make([]byte, size)); n == size || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

// A read of one byte is heard of late, and ends at once with its connection or a
// deadline in the past.
func TestReadAhead(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(ours, theirs net.Conn)
		want error
	}{
		"the other end leaves":       {func(_, theirs net.Conn) { theirs.Close() }, io.EOF},
		"it is closed":               {func(ours, _ net.Conn) { ours.Close() }, net.ErrClosed},
		"a deadline":                 {func(ours, _ net.Conn) { _ = ours.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"a deadline after a while":   {func(ours, _ net.Conn) { time.Sleep(50 * time.Millisecond); _ = ours.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"the time of one is over":    {func(ours, _ net.Conn) { _ = ours.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) }, os.ErrDeadlineExceeded},
		"after others that were not": {func(ours, theirs net.Conn) { _ = ours.SetReadDeadline(time.Now().Add(time.Hour)); theirs.Close() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := pair(t)
			for range 100 { // as net/http does between its requests
				got := make(chan error)
				go func() {
					_, err := ours.Read(make([]byte, 1))
					got <- err
				}()
				_ = ours.SetReadDeadline(time.Unix(1, 0))
				if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal(err)
				}
				_ = ours.SetReadDeadline(time.Time{})
				_ = ours.SetReadDeadline(time.Now().Add(time.Hour))
			}
			_, _ = theirs.Write([]byte("next"))
			next := make([]byte, 8)
			if n, err := ours.Read(next); string(next[:n]) != "next" {
				t.Fatalf("%q, %v", next[:n], err)
			}
			got := make(chan error)
			go func() {
				_, err := ours.Read(make([]byte, 1))
				got <- err
			}()
			c.end(ours, theirs)
			select {
			case err := <-got:
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			case <-time.After(time.Minute):
				t.Error("it goes on")
			}
		})
	}
}
