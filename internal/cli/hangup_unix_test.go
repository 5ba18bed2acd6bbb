//go:build unix

package cli

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// TestHangup: SIGHUP has a server read its files again, once for each, until it ends.
func TestHangup(t *testing.T) {
	var said bytes.Buffer
	read := make(chan struct{}, 9)
	a := &app{Streams: ux.Streams{Err: &said}, env: func(string) string { return "" }, again: []func(){func() { read <- struct{}{} }}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := a.attend(ctx, nil, nil, false)
	for range 2 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-read:
		case <-time.After(time.Minute):
			t.Fatal("nothing was read")
		}
	}
	end()
	if !strings.Contains(said.String(), "asked by a signal") {
		t.Errorf("said %q", said.String())
	}
}
