package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// role makes this test program act as another process of the store.
const role = "WHERRY_STORE_TEST_ROLE"

func TestMain(m *testing.M) {
	if r := os.Getenv(role); r != "" {
		if err := act(r, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func act(role, dir string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()
	switch role {
	case "ingest":
		return actIngest(ctx, s)
	case "hold":
		return actHold(ctx, s)
	}
	return actChurn(ctx, s)
}

// slow says on stdout that somebody reads it, and takes its time.
type slow struct {
	r    io.Reader
	once sync.Once
}

func (s *slow) Read(p []byte) (int, error) {
	s.once.Do(func() {
		fmt.Println("read")
		time.Sleep(300 * time.Millisecond)
	})
	return s.r.Read(p)
}

func shared() []byte { return bytes.Repeat([]byte("ballast "), 200_000) }

func actIngest(ctx context.Context, s *store.Store) error {
	_, err := s.Ingest(ctx, describe(shared()), &slow{r: bytes.NewReader(shared())})
	return err
}

// actHold keeps a blob until it is killed.
func actHold(ctx context.Context, s *store.Store) error {
	if _, err := s.Ingest(ctx, describe([]byte("held")), strings.NewReader("held")); err != nil {
		return err
	}
	fmt.Println("holding")
	select {}
}

// actChurn stores, tags and removes images without end.
func actChurn(ctx context.Context, s *store.Store) error {
	fmt.Println("churning")
	for i := 0; ; i++ {
		lease, err := s.Lease(ctx)
		if err != nil {
			return err
		}
		ref, err := oci.ParseReference(fmt.Sprintf("churn:%d", i%4))
		if err != nil {
			return err
		}
		d, err := churnImage(ctx, lease)
		if err == nil {
			err = s.Tag(ctx, ref, d)
		}
		if err == nil && i%3 == 2 {
			err = s.Forget(ctx, d.Digest)
		}
		if err == nil && i%5 == 4 {
			_, err = s.GC(ctx)
		}
		if err != nil {
			return err
		}
		if err := lease.Release(); err != nil {
			return err
		}
	}
}

func churnImage(ctx context.Context, l *store.Lease) (ispec.Descriptor, error) {
	data := make([]byte, 50_000)
	rand.Read(data)
	layer := describe(data)
	layer.MediaType = ispec.MediaTypeImageLayer
	list := []oci.Layer{{Descriptor: layer, DiffID: layer.Digest}}
	config, err := oci.BuildConfig(oci.Image{}, list)
	if err != nil {
		return config.Descriptor, err
	}
	manifest, err := oci.BuildManifest(config, list, nil)
	if err != nil {
		return config.Descriptor, err
	}
	for _, doc := range []oci.Document{{Descriptor: layer, Data: data}, config, manifest} {
		if _, err := l.Ingest(ctx, doc.Descriptor, bytes.NewReader(doc.Data)); err != nil {
			return config.Descriptor, err
		}
	}
	return manifest.Descriptor, nil
}

// start runs this program in a role and returns its output as it comes.
func start(t *testing.T, role2, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, dir)
	cmd.Env = append(os.Environ(), role+"="+role2)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

// TestProcessesDownloadOnce: of many processes that want a blob, one reads it.
func TestProcessesDownloadOnce(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	type proc struct {
		cmd *exec.Cmd
		out *bufio.Reader
	}
	var procs []proc
	for range 6 {
		cmd, out := start(t, "ingest", dir)
		procs = append(procs, proc{cmd, out})
	}
	reads := 0
	for _, p := range procs {
		b, err := io.ReadAll(p.out)
		if err != nil {
			t.Fatal(err)
		}
		reads += strings.Count(string(b), "read")
		if err := p.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if reads != 1 {
		t.Errorf("%d processes read the source", reads)
	}
	if ok, err := open(t, dir).Has(t.Context(), digest.FromBytes(shared())); !ok || err != nil {
		t.Error("the blob is not there", err)
	}
}

// TestLeaseOfAnotherProcess: GC leaves what a living process holds and takes
// what a dead one held.
func TestLeaseOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	cmd, out := start(t, "hold", dir)
	if line, err := out.ReadString('\n'); err != nil || line != "holding\n" {
		t.Fatal(line, err)
	}
	held := digest.FromString("held")
	for _, alive := range []bool{true, false} {
		if !alive {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if _, err := s.GC(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, _ := s.Has(t.Context(), held); ok != alive {
			t.Errorf("process alive %v: blob is there %v", alive, ok)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "leases", "*")); len(left) > 0 {
		t.Errorf("the dead process left %v", left)
	}
}

// TestKill kills a busy process at random points. The store must always be
// whole: every name leads to verified content, nothing is half-written.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for seconds; not with -short")
	}
	dir := t.TempDir()
	s := open(t, dir)
	for range 20 {
		cmd, out := start(t, "churn", dir)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(mrand.IntN(60)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		checkWhole(t, s)
	}
	if _, err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkWhole(t, s)
	for _, pattern := range []string{"leases/*", ".new-*", "locks/blob-*"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func checkWhole(t *testing.T, s *store.Store) {
	t.Helper()
	bad, err := s.Check(t.Context(), false)
	if err != nil || len(bad) > 0 {
		t.Fatalf("damaged: %v %v", bad, err)
	}
	entries, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := s.ReadBlob(e.Descriptor, oci.MaxDocument)
		if err != nil {
			t.Fatalf("%s: %v", e.Ref, err)
		}
		m, err := oci.ParseManifest(b, e.Descriptor.MediaType)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append(m.Layers, m.Config) {
			if ok, err := s.Has(t.Context(), d.Digest); !ok {
				t.Fatalf("%s lacks %s: %v", e.Ref, d.Digest, err)
			}
		}
	}
}

// TestCrowd has goroutines pull, tag, open and sweep one store.
func TestCrowd(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for n := range 6 {
		wg.Go(func() {
			for i := range 8 {
				if err := crowdStep(t.Context(), s, n, i); err != nil {
					errs <- fmt.Errorf("goroutine %d, step %d: %w", n, i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	checkWhole(t, s)
}

func crowdStep(ctx context.Context, s *store.Store, n, i int) error {
	lease, err := s.Lease(ctx)
	if err != nil {
		return err
	}
	defer lease.Release()
	d, err := churnImage(ctx, lease)
	if err != nil {
		return err
	}
	ref, err := oci.ParseReference(fmt.Sprintf("crowd:%d", n))
	if err != nil {
		return err
	}
	if err := s.Tag(ctx, ref, d); err != nil {
		return err
	}
	if n == 0 {
		if _, err := s.GC(ctx); err != nil {
			return err
		}
	}
	got, err := s.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	if got.Digest != d.Digest {
		return errors.New("the name leads elsewhere")
	}
	if _, err = s.ReadBlob(got, oci.MaxDocument); err != nil {
		return fmt.Errorf("step %d: %w", i, err)
	}
	return nil
}
