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

// read is how long a read took, which has to meet its deadline or a byte.
func read(t *testing.T, c net.Conn, late bool) time.Duration {
	t.Helper()
	began := time.Now()
	n, err := c.Read(make([]byte, 1))
	if late != errors.Is(err, os.ErrDeadlineExceeded) || !late && n != 1 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	return time.Since(began)
}

// A deadline holds as it was set last, whatever was set before.
func TestDeadlines(t *testing.T) {
	const short, long = 50 * time.Millisecond, 150 * time.Millisecond
	soon := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for name, c := range map[string]struct {
		set  func(c net.Conn)
		late time.Duration // 0: a byte comes first, after 250 ms
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
			c.set(ours)
			if c.late == 0 {
				time.AfterFunc(250*time.Millisecond, func() { _, _ = theirs.Write([]byte{1}) })
			}
			took := read(t, ours, c.late > 0)
			if took < c.late-short/10 || c.late == 0 && took < 200*time.Millisecond {
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
