package wire_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve/web/wire"
)

// frame makes an answer.
func frame(status uint32, texts []string, body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, status)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(texts)))
	for _, s := range texts {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return append(b, body...)
}

func TestHead(t *testing.T) {
	var h wire.Head
	for _, c := range []struct {
		b    []byte
		good bool
	}{
		{frame(200, nil, "hi"), true},
		{frame(404, []string{"content-type", "text/plain", "Connection", "close"}, "hi"), true},
		{frame(99, nil, "hi"), false},
		{frame(600, nil, "hi"), false},
		{frame(200, []string{"odd"}, "hi"), false},
		{frame(200, []string{"a b", "c"}, "hi"), false},
		{frame(200, []string{"a", "b\r\nc: d"}, "hi"), false},
		{frame(200, []string{"Content-Length", "-1"}, "hi"), false},
		{frame(200, []string{"Content-Length", "+2"}, "hi"), false},
		{frame(200, []string{"Content-Length", "0x2"}, "hi"), false},
		{frame(200, []string{"Content-Length", "9223372036854775808"}, "hi"), false},
		{frame(200, []string{"Content-Length", "002"}, "hi"), true},
		{frame(200, []string{"a", strings.Repeat("x", 1<<16)}, "hi"), false},
		{frame(200, make([]string, 1000), "hi"), false},
		{frame(200, []string{"a", "b"}, "")[:10], false},
		{nil, false},
	} {
		err := h.Parse(c.b)
		header, body := http.Header{}, h.Body
		h.Put(header)
		if (err == nil) != c.good {
			t.Errorf("%.80q: %v", c.b, err)
		} else if c.good && (string(body) != "hi" || header["Connection"] != nil || len(header.Get("Content-Length")) > 1) {
			t.Errorf("%.80q: %q, %v", c.b, body, header)
		}
	}
}

func TestBody(t *testing.T) {
	for _, c := range []struct {
		size    int
		chunked bool
		more    bool
	}{{0, false, false}, {1, false, false}, {wire.AtOnce - 1, false, false}, {wire.AtOnce, false, true}, {wire.AtOnce + 1, false, true}, {5, true, false}, {wire.AtOnce + 1, true, true}} {
		data := bytes.Repeat([]byte("x"), c.size)
		r := httptest.NewRequest("POST", "/", bytes.NewReader(data))
		if c.chunked {
			r.ContentLength = -1
		}
		got, more, err := wire.Body([]byte("before"), r)
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(r.Body)
		if string(got[:6]) != "before" || len(got)-6+len(rest) != c.size || len(got)-6 > wire.AtOnce || len(rest) > 0 && !more || more != c.more && !c.chunked {
			t.Errorf("%+v: %d at once, %d more, %v", c, len(got)-6, len(rest), more)
		}
	}
}

func TestAnswer(t *testing.T) {
	long := strings.Repeat("x", 5000)
	w := httptest.NewRecorder()
	a := wire.NewAnswer(w, httptest.NewRequest("GET", "/", nil))
	if err := a.Whole(200, http.Header{"X-A": {"b"}}, []byte(long)); err != nil || w.Body.String() != long || w.Header().Get("Content-Length") != "5000" {
		t.Error(err, w.Body.Len(), w.Header())
	}
	if a.Begin(200, nil, -1) == nil {
		t.Error("an answer begins twice")
	}
	a.End()
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("an answer goes on after its end")
	}
	head := httptest.NewRecorder()
	a = wire.NewAnswer(head, httptest.NewRequest("HEAD", "/", nil))
	if err := a.Whole(200, nil, []byte("hi")); err != nil || head.Body.Len() != 0 {
		t.Error(err, head.Body)
	}
}

func FuzzHead(f *testing.F) {
	f.Add(frame(200, []string{"a", "b"}, "hi"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h wire.Head
		if h.Parse(b) != nil {
			return
		}
		status, header, body := h.Status, http.Header{}, h.Body
		h.Put(header)
		if status < 200 || status > 599 || len(body) > len(b) {
			t.Errorf("%d, %d bytes", status, len(body))
		}
		for name, values := range header {
			if !wire.Token(name) || wire.HopByHop(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: %q", name, values)
			}
		}
	})
}

// Of what is named twice, in frames as in a header, both are sent, in place of what the
// header had.
func TestPut(t *testing.T) {
	var h wire.Head
	if err := h.Parse(frame(200, []string{"set-cookie", "a", "X-B", "c", "Set-Cookie", "b", "Set-Cookie", "c"}, "")); err != nil {
		t.Fatal(err)
	}
	have := http.Header{"Set-Cookie": {"before"}, "X-A": {"a"}}
	h.Put(have)
	if want := (http.Header{"Set-Cookie": {"a", "b", "c"}, "X-A": {"a"}, "X-B": {"c"}}); !reflect.DeepEqual(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
	if h.Parse(frame(200, []string{"Content-Length", "1", "Content-Length", "1"}, "")) == nil {
		t.Error("there are two lengths")
	}
}
