package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// pullVariable makes the test's own program one that pulls: a folder and an image.
const pullVariable = "WHERRY_TEST_PULL"

func TestMain(m *testing.M) {
	if dir := os.Getenv(pullVariable); dir != "" {
		if err := pullInto(context.Background(), dir, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func pullInto(ctx context.Context, dir, name string) error {
	ref, err := oci.ParseReference(name)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = client().Fetch(ctx, ref, s)
	return err
}

// TestPullKilled kills a program that pulls, at points that nobody chose: the next one
// goes on, sweeps in between take nothing, and in the end all is there.
func TestPullKilled(t *testing.T) {
	const size = 80 << 20
	layer := noise(1, size)
	var sent, limit atomic.Int64
	reached := make(chan struct{}, 1)
	ref := pushed(t, layer, func(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
		if !isBlobGet(r) {
			return w
		}
		return &telling{w, &sent, &limit, reached}
	})
	dir := t.TempDir()
	for range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], ref.String())
		cmd.Env = append(os.Environ(), pullVariable+"="+dir)
		limit.Store(sent.Load() + 1 + rand.Int64N(size/4))
		select {
		case <-reached:
		default:
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-reached:
			_ = cmd.Process.Kill() // it may have ended
			<-done
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Minute):
			_ = cmd.Process.Kill()
			t.Fatal("the pull does not end")
		}
		if _, err := emptyStore(t, dir).GC(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	limit.Store(1 << 60)
	s := emptyStore(t, dir)
	if _, err := client().Fetch(t.Context(), ref, s); err != nil {
		t.Fatal(err)
	}
	whole(t, s, layer)
	// Each death costs what was on its way: the buffers of four connections, at most.
	if n := sent.Load(); n > 5*size {
		t.Errorf("%d bytes were sent for %d", n, size)
	}
}

// telling tells when so much was sent.
type telling struct {
	http.ResponseWriter
	n, limit *atomic.Int64
	reached  chan struct{}
}

func (w *telling) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if w.n.Add(int64(n)) >= w.limit.Load() {
		select {
		case w.reached <- struct{}{}:
		default:
		}
	}
	return n, err
}
