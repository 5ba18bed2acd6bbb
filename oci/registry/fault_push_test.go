package registry_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/oci/registry"
)

func isBlobPut(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/uploads/")
}

// sip takes a byte now and then. It ends by itself: a server that does not read does not
// see the client go.
func sip(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	b := make([]byte, 1)
	for range 100 {
		if _, err := r.Body.Read(b); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	panic(http.ErrAbortHandler)
}

func TestPushThroughFaults(t *testing.T) {
	isPatch := func(r *http.Request) bool { return r.Method == http.MethodPatch }
	abort := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.CopyN(io.Discard, r.Body, 1000)
		panic(http.ErrAbortHandler)
	}
	cases := []struct {
		name  string
		fault fault
		want  string
	}{
		{"upload reset once", fault{match: isPatch, times: 1, do: abort}, ""},
		{"upload 503 once", fault{match: isPatch, times: 1, do: status(503)}, ""},
		{"upload 500 once", fault{match: isPatch, times: 1, do: status(500)}, ""},
		{"upload 401 once", fault{match: isPatch, times: 1, do: status(401)}, ""},
		{"upload 401 always", fault{match: isPatch, do: status(401)}, "wherry login"},
		{"upload 429 once", fault{match: isPatch, times: 1, do: status(429, "Retry-After", "1")}, ""},
		{"upload 413 always", fault{match: isPatch, do: status(413)}, "413"},
		{"upload forgotten once", fault{match: isPatch, times: 1, do: status(416)}, ""},
		{"upload refused", fault{match: isPatch, do: status(400)}, "400"},
		{"upload ends nowhere", fault{match: isPatch, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
		}}, "where to upload"},
		{"upload leads elsewhere in a circle", fault{match: isPatch, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		}}, "redirected 10 times"},
		{"upload led elsewhere", fault{match: func(r *http.Request) bool { return isPatch(r) && r.URL.Query().Get("there") == "" }, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.Path+"?there=1", http.StatusTemporaryRedirect)
		}}, ""},
		{"upload led to plain HTTP", fault{match: isPatch, do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "http://192.0.2.1/x", http.StatusTemporaryRedirect)
		}}, "refuse plain HTTP"},
		{"upload to a file", fault{match: func(r *http.Request) bool { return r.Method == http.MethodPost }, do: status(202, "Location", "file:///etc/passwd")}, "refuse"},
		{"upload drips", fault{match: isPatch, do: sip}, "stalled"},
		{"last word 503 once", fault{match: isBlobPut, times: 1, do: status(503)}, ""},
		{"last word lost", fault{match: isBlobPut, times: 1, do: func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
			record(r, next)
			panic(http.ErrAbortHandler)
		}}, ""},
		{"last word no", fault{match: isBlobPut, do: status(400)}, "400"},
		{"upload 507", fault{match: isPatch, do: status(507)}, "507"},
		{"upload stalls once", fault{match: isPatch, times: 1, do: func(http.ResponseWriter, *http.Request, http.Handler) {
			// A server that does not read the body does not see the client go.
			time.Sleep(2 * time.Second)
			panic(http.ErrAbortHandler)
		}}, ""},
		{"manifest 500 once", fault{match: func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
		}, times: 1, do: status(500)}, ""},
		{"no location", fault{match: func(r *http.Request) bool { return r.Method == http.MethodPost }, do: status(202)}, "where to upload"},
		{"denied", fault{match: func(r *http.Request) bool { return r.Method == http.MethodPost }, do: status(403)}, "wherry login"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			host := serve(t, c.fault.wrap)
			src := newMemory()
			index := build(t, src, random(1, 400_000), random(2, 3_000_000))
			ref := reference(t, host+"/iris:1")
			began := time.Now()
			err := client(impatient(c.name)...).Push(t.Context(), ref, index, src, registry.PushOptions{})
			if took := time.Since(began); took > time.Minute {
				t.Errorf("took %v", took)
			}
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want an error with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client().Fetch(t.Context(), ref, newMemory()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
