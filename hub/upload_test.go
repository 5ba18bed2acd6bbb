package hub_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/hub"
)

// begin opens an upload and returns where it goes.
func (s *served) begin(repo string) string {
	s.t.Helper()
	return s.want(202, "", "POST", "/v2/"+repo+"/blobs/uploads/", nil).Header.Get("Location")
}

// half sends a PATCH that announces all of data and breaks off after n bytes.
func (s *served) half(where string, data []byte, n int) {
	s.t.Helper()
	conn := s.dial()
	defer conn.Close()
	s.write(conn, where, len(data), data[:n])
}

func (s *served) dial() net.Conn {
	s.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", s.host())
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s *served) write(conn net.Conn, where string, length int, body []byte) {
	s.t.Helper()
	if _, err := fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", where, s.host(), length); err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.Write(body); err != nil {
		s.t.Fatal(err)
	}
}

// reached waits until an upload has n bytes. It asks the disk: asking the registry ends
// the request that brings them.
func (s *served) reached(n int64) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(s.dir, "hub", "uploads", "*"))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, f := range files {
			if st, err := os.Stat(f); err == nil && st.Size() == n {
				return
			}
		}
	}
	s.t.Fatalf("no upload has %d bytes", n)
}

// TestResume: an upload goes on where its connection broke off, and where the registry
// itself was ended.
func TestResume(t *testing.T) {
	s := serve(t, hub.Config{})
	data := noise(1, 900_000)
	where := s.begin("a")
	s.half(where, data, 300_000)
	s.reached(300_000)
	if got := s.want(204, "", "GET", where, nil).Header.Get("Range"); got != "0-299999" {
		t.Fatalf("it goes on after %s", got)
	}
	if got := s.want(416, "BLOB_UPLOAD_INVALID", "PATCH", where, data[:10], "Content-Range", "0-9").Header.Get("Range"); got != "0-299999" {
		t.Errorf("a chunk in the wrong place: it goes on after %s", got)
	}
	s.want(202, "", "PATCH", where, data[300_000:500_000], "Content-Range", "300000-499999")
	s.stop()
	s.start()
	if got := s.want(204, "", "GET", where, nil).Header.Get("Range"); got != "0-499999" {
		t.Fatalf("after a new start it goes on after %s", got)
	}
	s.want(202, "", "PATCH", where, data[500_000:700_000], "Content-Range", "bytes 500000-699999/*")
	d := digest.FromBytes(data)
	s.want(201, "", "PUT", where+"?digest="+string(d), data[700_000:], "Content-Range", "700000-899999")
	if got := s.want(200, "", "GET", "/v2/a/blobs/"+string(d), nil); !bytes.Equal(got.body, data) {
		t.Error("the blob is not what was sent")
	}
	s.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", where, nil)
}

// TestNextRequestEndsTheLast: a registry does not know that a connection is dead; a
// client that comes again does.
func TestNextRequestEndsTheLast(t *testing.T) {
	s := serve(t, hub.Config{})
	data := noise(1, 600_000)
	where := s.begin("a")
	conn := s.dial()
	defer conn.Close()
	s.write(conn, where, len(data), data[:200_000]) // and then nothing
	s.reached(200_000)
	if got := s.want(204, "", "GET", where, nil).Header.Get("Range"); got != "0-199999" {
		t.Fatalf("it goes on after %s", got)
	}
	s.want(202, "", "PATCH", where, data[200_000:], "Content-Range", "200000-599999")
	d := digest.SHA512.FromBytes(data) // other than was announced
	s.want(201, "", "PUT", where+"?digest="+string(d), nil)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode < 400 {
			t.Errorf("the request that was cut off was answered %d", resp.StatusCode)
		}
	}
}

// TestSilentClient: who sends nothing, or a byte now and then, is not waited for.
func TestSilentClient(t *testing.T) {
	for _, drip := range []bool{false, true} {
		s := serve(t, hub.Config{Patience: 200 * time.Millisecond})
		where := s.begin("a")
		conn := s.dial()
		defer conn.Close()
		s.write(conn, where, 1_000_000, []byte("x"))
		ctx, stop := context.WithCancel(t.Context())
		if drip {
			go func() {
				for ctx.Err() == nil {
					if _, err := conn.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil) // it ends: the test's own limit is minutes
		stop()
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode < 400 {
				t.Errorf("drip %v: answered %d", drip, resp.StatusCode)
			}
		}
		s.want(204, "", "DELETE", where, nil)
	}
}

func TestWrongContent(t *testing.T) {
	s := serve(t, hub.Config{MaxBytes: 10_000})
	other := string(digest.FromString("other"))
	for range 5 { // what was refused takes no room
		where := s.begin("a")
		s.want(202, "", "PATCH", where, noise(1, 8000))
		s.want(400, "DIGEST_INVALID", "PUT", where+"?digest="+other, nil)
		s.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", where, nil)
		s.want(400, "DIGEST_INVALID", "POST", "/v2/a/blobs/uploads/?digest="+other, noise(1, 8000))
	}
	where := s.begin("a")
	s.want(400, "SIZE_INVALID", "PATCH", where, noise(1, 10), "Content-Range", "0-4")
	s.want(400, "BLOB_UPLOAD_INVALID", "PATCH", where, noise(1, 10), "Content-Range", "9-0")
	s.want(400, "DIGEST_INVALID", "PUT", where, nil)
	s.want(400, "DIGEST_INVALID", "PUT", where+"?digest=md5:00", nil)
	s.want(400, "DIGEST_INVALID", "POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", nil)
	s.want(204, "", "DELETE", where, nil)
	s.want(404, "NAME_INVALID", "POST", "/v2/A/blobs/uploads/", nil)
	s.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", []byte("<html>"), "Content-Type", "text/html")
	s.want(400, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", []byte(`{"schemaVersion":1}`))
	s.want(400, "DIGEST_INVALID", "PUT", "/v2/a/manifests/"+other, []byte(`{"schemaVersion":2}`))
	s.want(413, "MANIFEST_INVALID", "PUT", "/v2/a/manifests/x", make([]byte, 5<<20))
}

// TestQuota: the bound holds for uploads under way, too, and what is deleted makes room.
func TestQuota(t *testing.T) {
	s := serve(t, hub.Config{MaxBytes: 100_000, Loose: time.Nanosecond})
	_, d := s.image("a", "1", noise(1, 60_000), nil)
	s.want(403, "DENIED", "POST", "/v2/a/blobs/uploads/?digest="+string(digest.FromBytes(noise(2, 60_000))), noise(2, 60_000))
	where := s.begin("b")
	s.want(202, "", "PATCH", where, noise(2, 30_000))
	s.want(403, "DENIED", "PATCH", where, noise(3, 30_000))
	// A body that does not say how long it is is cut where the room ends.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, s.srv.URL+where, io.MultiReader(bytes.NewReader(noise(3, 30_000))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("answered %d", resp.StatusCode)
	}
	s.want(204, "", "DELETE", where, nil)
	// The registry has it: it takes no more room.
	s.want(201, "", "POST", "/v2/b/blobs/uploads/?from=a&mount="+string(digest.FromBytes(noise(1, 60_000))), nil)
	s.want(202, "", "DELETE", "/v2/a/manifests/"+string(d), nil)
	s.stop()
	s.start()
	for deadline := time.Now().Add(time.Minute); s.inStore(d) || s.inStore(digest.FromBytes(noise(1, 60_000))); time.Sleep(50 * time.Millisecond) {
		if err := s.hub.Sweep(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatal("nothing was swept", err)
		}
	}
	s.push("a", noise(4, 90_000))
}
