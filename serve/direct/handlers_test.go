package direct

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// handlers answer in all ways that there are.
var handlers = map[string]http.HandlerFunc{
	"/echo": func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q %v %v %s", r.Method, r.URL, r.Host, b, err, r.Header, r.RequestURI)
	},
	"/unread":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
	"/nothing": func(http.ResponseWriter, *http.Request) {},
	"/none":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"/none/written": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotModified)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"/none/flushed": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		w.(http.Flusher).Flush()
	},
	"/none/typed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x")
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(http.StatusNotModified)
	},
	"/none/typed/204": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(http.StatusNoContent)
	},
	"/status/99":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(99) },
	"/status/0":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(0) },
	"/status/999": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) },
	"/status/1000": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(1000)
	},
	"/status/late": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(99)
	},
	"/interim": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.Header().Set("Content-Length", "3")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Add("Link", "</b>")
		w.WriteHeader(http.StatusProcessing)
		_, _ = io.WriteString(w, "abc")
		w.WriteHeader(http.StatusEarlyHints)
	},
	"/trailers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "x-a,X-None, Content-Type")
		w.Header().Add("Trailer", "X-B")
		_, _ = io.WriteString(w, "abc")
		w.Header().Set("X-A", "a\r\nb")
		w.Header()["X-B"] = []string{"b", "c"}
		w.Header().Set(http.TrailerPrefix+"X-C", "d")
	},
	"/trailers/length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-A")
		w.Header().Set("Content-Length", "3")
		_, _ = io.WriteString(w, "abc")
		w.Header().Set("X-A", "a")
	},
	"/trailers/none": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-A")
		w.WriteHeader(http.StatusNoContent)
		w.Header().Set("X-A", "a")
	},
	"/trailers/marked": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-A", "a")
	},
	"/trailers/late": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "abc")
		w.Header().Set(http.TrailerPrefix+"X-A", "a")
	},
	"/trailers/late/flushed": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "abc")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-A", "a")
	},
	"/large": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 20 {
			_, _ = w.Write(bytes.Repeat([]byte{'a' + byte(i)}, 20_000))
		}
	},
	"/huge": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("huge"), 100_000)) },
	"/parts": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintln(w, i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
		}
	},
	"/headers": func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Two"], h["Odd"], h["Content-Type"], h["Bad name"] = []string{"a", "b"}, []string{" x\r\nSet-Cookie: y "}, []string{"text/x"}, []string{"z"}
		h.Set("Date", "never")
		w.WriteHeader(http.StatusTeapot)
		h.Set("Late", "x")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "<html>")
	},
	"/page": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
	"/packed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "x")
		_, _ = io.WriteString(w, "<html>")
	},
	"/last": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	},
	"/abort": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	},
	"/length": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		_, _ = io.WriteString(w, "abc")
	},
	"/length/long": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "400000")
		for i := range 20 {
			_, _ = w.Write(bytes.Repeat([]byte{'a' + byte(i)}, 20_000))
		}
	},
	"/length/huge": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "400001")
		_, _ = io.WriteString(w, "<")
		_, _ = w.Write(bytes.Repeat([]byte("huge"), 100_000))
	},
	"/length/large": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "400000")
		_, _ = w.Write(bytes.Repeat([]byte("huge"), 100_000))
	},
	"/length/page": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "400006")
		_, _ = io.WriteString(w, "<h")
		_, _ = w.Write(append([]byte("tml>"), bytes.Repeat([]byte("huge"), 100_000)...))
	},
	"/length/flushed": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		_, _ = io.WriteString(w, "abc")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "def")
	},
	"/length/less": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		_, _ = io.WriteString(w, "abc")
	},
	"/length/more": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4")
		_, _ = io.WriteString(w, "abc")
		if _, err := io.WriteString(w, "def"); err != http.ErrContentLength {
			panic(err)
		}
	},
	"/length/wrong": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "-4")
		_, _ = io.WriteString(w, "abc")
	},
}

func handler(w http.ResponseWriter, r *http.Request) {
	if h := handlers[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	http.NotFound(w, r)
}
