package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// lentContent counts what is open of a layer, and can be taken away.
type lentContent struct {
	layer.Content
	gone   atomic.Bool
	opened atomic.Int64
	open   *atomic.Int64
}

func (c *lentContent) OpenContent(digest string) (layer.Blob, error) {
	if c.gone.Load() {
		return nil, fs.ErrClosed
	}
	b, err := c.Content.OpenContent(digest)
	if err != nil {
		return nil, err
	}
	c.opened.Add(1)
	c.open.Add(1)
	return &lentBlob{Blob: b, open: c.open}, nil
}

type lentBlob struct {
	layer.Blob
	open   *atomic.Int64
	closed atomic.Bool
}

func (b *lentBlob) Close() error {
	if b.closed.Swap(true) {
		return errors.New("closed twice")
	}
	b.open.Add(-1)
	return b.Blob.Close()
}

// lend is a derived image with layers of its own.
func lend(d *derivedImage, open *atomic.Int64) (*derivedImage, *lentContent) {
	c := &lentContent{Content: d.layers[0].Content, open: open}
	other := *d
	other.layers = []layer.Layer{{Index: d.layers[0].Index, Content: c}}
	return &other, c
}

// TestPartsOfAnother checks that a program finds its groups when the container that loaded it first, which did not need
// any, has gone with its layers.
func TestPartsOfAnother(t *testing.T) {
	dir := t.TempDir()
	warm := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, warm, waitingImage(t))
	if _, _, err := start(t, warm, d, runtime.Spec{}); err != nil {
		t.Fatal(err)
	}
	var open atomic.Int64
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	first, lent := lend(d, &open)
	if _, stats, err := start(t, rt, first, runtime.Spec{}); err != nil || stats.Restored != 1 || stats.Groups != 0 {
		t.Fatalf("%v, %+v", err, stats)
	}
	lent.gone.Store(true)
	second, other := lend(d, &open)
	if _, stats, err := start(t, rt, second, runtime.Spec{Args: []string{"rare"}}); err != nil || stats.Groups == 0 || len(stats.Notes) > 0 {
		t.Fatalf("%v, %+v", err, stats)
	}
	if other.opened.Load() == 0 {
		t.Error("nothing was opened: the test has lost its teeth")
	}
}

// TestPartsAreGivenBack checks that the files of modules that nobody runs are closed, with those that are evicted and
// with the runtime, and that nothing stays of what was lent to the engine.
func TestPartsAreGivenBack(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, rt, waitingImage(t))
	var open atomic.Int64
	img, content := lend(d, &open)
	for n := range uint32(20) {
		img.doc.Snapshots = []oci.Snapshot{d.doc.Snapshots[0]}
		img.doc.Snapshots[0].Hot = oci.Functions{n}
		if _, stats, err := start(t, rt, img, runtime.Spec{Args: []string{"rare"}}); err != nil || stats.Restored != 1 {
			t.Fatalf("%v, %+v", err, stats)
		}
		if n := open.Load(); n > 9 {
			t.Fatalf("%d files are open", n)
		}
	}
	if content.opened.Load() < 20 {
		t.Errorf("%d files were opened: the test has lost its teeth", content.opened.Load())
	}
	// Facts that fail open the module, and have to close it again.
	lies, _ := lend(d, &open)
	lies.facts = append([]byte(nil), d.facts...)
	lies.facts[len(lies.facts)-1]++
	if _, stats, err := start(t, rt, lies, runtime.Spec{}); err != nil || stats.Restored != 0 || len(stats.Notes) == 0 {
		t.Fatalf("%v, %+v", err, stats)
	}
	if err := rt.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d files are left open", n)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "sessions")); err != nil || len(left) > 0 {
		t.Error(fmt.Sprint("sessions are left: ", left), err)
	}
}
