package wasi

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestConnBuffersAndDelivers(t *testing.T) {
	ours, theirs := net.Pipe()
	c := NewConn(ours)
	n, err, ok := c.TryWrite([]byte(strings.Repeat("x", 3*sendBuffer)))
	if n != sendBuffer || err != nil || !ok {
		t.Fatalf("TryWrite = %d, %v, %v", n, err, ok)
	}
	sent := n
	// One buffer is on its way, one more fits; then there is no room.
	for sent < 2*sendBuffer {
		<-c.Writable()
		if n, err, _ = c.TryWrite(make([]byte, sendBuffer)); err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	select {
	case <-c.Writable():
		t.Error("there is more room")
	case <-time.After(20 * time.Millisecond):
	}
	if n, err, ok = c.TryWrite(make([]byte, sendBuffer)); ok || n != 0 || err != nil {
		t.Fatalf("a peer that reads nothing was sent %d bytes, %v", sent+n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	if n, err := c.Write(ctx, []byte("y")); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Write = %d, %v", n, err)
	}
	c.Close()
	got, err := io.ReadAll(theirs)
	if len(got) != sent || err != nil {
		t.Errorf("the peer got %d of %d bytes, %v", len(got), sent, err)
	}
	<-c.Done()
	if _, err, ok := c.TryWrite([]byte("z")); err == nil || !ok {
		t.Errorf("a closed connection takes bytes: %v, %v", err, ok)
	}
}

func TestConnPeerGone(t *testing.T) {
	ours, theirs := net.Pipe()
	c := NewConn(ours)
	theirs.Close()
	deadline := time.Now().Add(time.Minute)
	for {
		if _, err, _ := c.TryWrite([]byte("x")); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody says that the peer has gone")
		}
		time.Sleep(time.Millisecond)
	}
	if n, err := c.Input().Read(t.Context(), make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read = %d, %v", n, err)
	}
	c.Close()
	c.Close()
	<-c.Done()
}

func TestAcceptor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := NewAcceptor(l)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	if _, err := a.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Accept: %v", err)
	}
	for range 2 {
		peer, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := a.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if b, err := io.ReadAll(peer); len(b) > 0 || err != nil {
			t.Errorf("the peer got %q, %v", b, err)
		}
		peer.Close()
	}
	a.Ready()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
