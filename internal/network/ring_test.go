package network

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

func TestPipeCarries(t *testing.T) {
	a, b := pipe(nil, nil)
	var wg sync.WaitGroup
	for _, c := range [][2]net.Conn{{a, b}, {b, a}} { // both ways at once
		r := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, 1<<20+17)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		wg.Go(func() {
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(100_000))
				if m, err := c[0].Write(rest[:n]); m != n || err != nil {
					t.Errorf("wrote %d of %d, %v", m, n, err)
					return
				}
				rest = rest[n:]
			}
			if err := c[0].(*pipeConn).CloseWrite(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			got, err := io.ReadAll(c[1])
			if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
				t.Errorf("read %d of %d bytes, %v", len(got), len(data), err)
			}
		})
	}
	wg.Wait()
}

func TestPipeIsBounded(t *testing.T) {
	a, b := pipe(nil, nil)
	if err := a.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := a.Write(make([]byte, 1<<20))
	if n != ringSize || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if err := a.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadFull(b, make([]byte, ringSize)); got != ringSize || err != nil {
		t.Errorf("read %d, %v", got, err)
	}
	if err := b.SetReadDeadline(time.Now().Add(-1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestPipeEnds(t *testing.T) {
	t.Run("what was written is read after the end", func(t *testing.T) {
		a, b := pipe(nil, nil)
		a.Write([]byte("last words"))
		a.Close()
		if got, err := io.ReadAll(b); string(got) != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write to nobody: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after the end: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after the end: %v", err)
		}
	})
	t.Run("waits end", func(t *testing.T) {
		a, b := pipe(nil, nil)
		done := make(chan error, 2)
		go func() { _, err := a.Read(make([]byte, 1)); done <- err }()
		go func() { _, err := b.Write(make([]byte, 2*ringSize)); done <- err }()
		time.Sleep(5 * time.Millisecond)
		b.Close()
		a.Close()
		for range 2 {
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Fatal("a wait does not end")
			}
		}
	})
	t.Run("by half", func(t *testing.T) {
		a, b := pipe(nil, nil)
		if err := a.(*pipeConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); len(got) != 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		b.Write([]byte("answer"))
		b.Close()
		if got, err := io.ReadAll(a); !bytes.Equal(got, []byte("answer")) || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
