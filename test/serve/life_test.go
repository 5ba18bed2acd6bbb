package serve

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
)

// wherry runs a command of the program under test.
func wherry(t testing.TB, args ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "WHERRY_HOME="+dock.Home(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("wherry %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// times makes an image of a model that multiplies, and gives its name.
func times(t testing.TB, factor float32) string {
	t.Helper()
	g := ort.NewGraph()
	g.Input("x", ort.Float, -1, 4)
	g.NodeAs("Mul", "", []string{"x", g.Scalar(factor)}, []string{"y"})
	g.Output("y", ort.Float, -1, 4)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"model.onnx": g.Model(), "Wasmfile": []byte("FROM onnx\nMODEL model.onnx /\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	image := fmt.Sprintf("localhost/test-serve:times%g", factor)
	wherry(t, "build", "-q", "-t", image, dir)
	return image
}

// multiply asks for y of x = 1.
func multiply(c *http.Client, url string) (int, string, error) {
	r, err := c.Post(url, "application/json", strings.NewReader(`{"x":[[1,1,1,1]]}`))
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(bytes.TrimSpace(b)), err
}

// TestFollow: a tag that is moved while a server is asked without a pause is followed,
// there and back, and no request fails.
func TestFollow(t *testing.T) {
	two, three := times(t, 2), times(t, 3)
	const tag = "localhost/test-serve-follow:1"
	wherry(t, "tag", two, tag)
	s := Start(t, tag)
	stop := make(chan struct{})
	var asked, failed atomic.Int64
	var last atomic.Value
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, answer, err := multiply(c, s.URL+"/predict")
				if asked.Add(1); err != nil || status != http.StatusOK {
					failed.Add(1)
					t.Logf("%d, %s, %v", status, answer, err)
					return
				}
				last.Store(answer)
			}
		})
	}
	lasts, began := loadTime(t, 0, time.Minute), time.Now()
	for i := 0; i < 4 || time.Since(began) < lasts; i++ {
		image, want := three, `{"y":[[3,3,3,3]]}`
		if i%2 == 1 {
			image, want = two, `{"y":[[2,2,2,2]]}`
		}
		wherry(t, "tag", image, tag)
		deadline := time.Now().Add(time.Minute)
		for last.Load() != want {
			if time.Now().After(deadline) {
				t.Fatalf("after a minute it is still %v\n%s", last.Load(), s.said)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	close(stop)
	clients.Wait()
	t.Logf("%d requests in %v, %d failed", asked.Load(), time.Since(began).Round(time.Second), failed.Load())
	if failed.Load() > 0 || asked.Load() == 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
}

// TestSleep: of two models, of which one has room, each is there when it is asked.
func TestSleep(t *testing.T) {
	two, three := times(t, 2), times(t, 3)
	s := Start(t, "two="+two, "three="+three, "--max-loaded", "1m", "--instances", "1")
	for i := range 3 {
		for name, want := range map[string]string{"two": `{"y":[[2,2,2,2]]}`, "three": `{"y":[[3,3,3,3]]}`} {
			if status, answer, err := multiply(http.DefaultClient, s.URL+"/m/"+name+"/predict"); err != nil || status != http.StatusOK || answer != want {
				t.Errorf("round %d, %s: %d, %s, %v", i, name, status, answer, err)
			}
		}
	}
}
