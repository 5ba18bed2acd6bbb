package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answerRow is a registry with an honest image that answers some requests in a
// hostile way.
type answerRow struct {
	name  string
	where string // "manifests", "blobs" or "" for every path
	do    http.HandlerFunc
	pulls bool // the image comes all the same
	bound bound
}

// endlessly writes until the client has had enough.
func endlessly(piece []byte, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(piece); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
	}
}

func answers() []answerRow {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, "{\"errors\":[{\"code\":\"\x1b[31m\",\"message\":\""+strings.Repeat("long ", 10_000)+"\"}]}")
		}
	}
	body := func(b []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.Write(b)
		}
	}
	bearer := func(realm string) http.HandlerFunc {
		return status(http.StatusUnauthorized, "WWW-Authenticate", `Bearer realm="`+realm+`",service="x",scope="x"`)
	}
	piece := bytes.Repeat([]byte("x"), 64<<10)
	slow := bound{time: 2 * time.Second}
	index := "application/vnd.oci.image.index.v1+json"
	zeros := func() []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(make([]byte, 32*mib))
		w.Close()
		return b.Bytes()
	}()
	var rows []answerRow
	for _, where := range []string{"manifests", "blobs"} {
		on := func(name string, do http.HandlerFunc) {
			rows = append(rows, answerRow{name: where + ": " + name, where: where, do: do, bound: slow})
		}
		for _, code := range []int{201, 204, 206, 304, 400, 403, 404, 416, 429, 500, 507} {
			on(fmt.Sprint("status ", code), status(code))
		}
		on("redirected in a ring", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
		on("redirected to a file", status(http.StatusFound, "Location", "file:///etc/passwd"))
		on("redirected to nowhere", status(http.StatusFound, "Location", "http://127.0.0.1:1/x"))
		on("redirected to nonsense", status(http.StatusFound, "Location", "http://[::1"))
		on("redirected without a place", status(http.StatusFound))
		on("tokens from a file", bearer("file:///etc/passwd"))
		on("tokens from nonsense", bearer("http://[::1"))
		on("a web page", body([]byte("<html>hello</html>"), "Content-Type", "text/html"))
		on("nothing", body(nil))
		on("null", body([]byte("null"), "Content-Type", index))
		on("endless", endlessly(piece, 0))
		on("a drip", endlessly([]byte("x"), 5*time.Millisecond))
		on("silence", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		on("cut", body([]byte("x"), "Content-Length", "1000000"))
		on("hung up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		on("packed zeros", body(zeros, "Content-Encoding", "gzip", "Content-Type", index))
		on("a header of 20 MiB", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 20*mib))
			io.WriteString(w, "{}")
		})
	}
	on := func(name, where string, do http.HandlerFunc) {
		rows = append(rows, answerRow{name: name, where: where, do: do, bound: slow})
	}
	on("manifests: digest that is none", "manifests", body([]byte("{}"), "Content-Type", index, "Docker-Content-Digest", "../../x"))
	on("manifests: digest of something else", "manifests", body([]byte("{}"), "Content-Type", index, "Docker-Content-Digest", "sha256:"+strings.Repeat("a", 64)))
	on("handshake: tokens from a file", "", bearer("file:///etc/passwd"))
	on("handshake: tokens from a loop", "", func(w http.ResponseWriter, r *http.Request) {
		bearer("http://"+r.Host+"/v2/token")(w, r)
	})
	on("handshake: a header that never ends", "", status(http.StatusUnauthorized, "WWW-Authenticate", strings.Repeat("Bearer ", 1000)))
	on("handshake: silence", "", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	on("handshake: status 500", "", status(500))
	rows = append(rows, answerRow{name: "no fault", where: "nowhere", pulls: true})
	return rows
}

// TestAnswers pulls an honest image from registries that answer in a hostile
// way: the pull ends soon, with an error, and leaves nothing.
func TestAnswers(t *testing.T) {
	s := newStore(t)
	var names []string
	for _, r := range answers() {
		names = append(names, r.name)
		t.Run(r.name, func(t *testing.T) {
			l := honest()
			l.build()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if r.where == "" || strings.Contains(req.URL.Path, "/"+r.where+"/") {
					r.do(w, req)
					return
				}
				l.ServeHTTP(w, req)
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			defer server.Close()
			wait := 150 * time.Millisecond
			if r.pulls {
				wait = patient
			}
			var err error
			within(t, r.bound, func() { err = pull(t, s, strings.TrimPrefix(server.URL, "http://")+"/hostile:1", wait) })
			if (err == nil) != r.pulls {
				t.Errorf("ended with %v", err)
			}
			if err != nil {
				message(t, err)
			} else {
				s.forget(t)
			}
			s.unharmed(t)
			s.bare(t)
		})
	}
	corpus(t, "answers", names)
}
