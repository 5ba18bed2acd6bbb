package load

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// FuzzAnswer compares with net/http what both take for an answer.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 ",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\n\r\nall of it",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it",
		"HTTP/1.1 200\r\nContent-Length: -1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var body bytes.Buffer
		status, _, err := newReader(bytes.NewReader(data)).answer(&body)
		if _, _, twice := newReader(bytes.NewReader(data)).answer(nil); (err == nil) != (twice == nil) {
			t.Fatalf("with the body kept %v, else %v", err, twice)
		}
		if err != nil {
			return
		}
		theirs, wrong := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
		if wrong != nil || theirs.StatusCode < 200 {
			return // it is stricter, and does not go on after an answer that is none yet
		}
		defer theirs.Body.Close()
		text, wrong := io.ReadAll(theirs.Body)
		if wrong != nil || strings.Count(strings.ToLower(string(data)), "content-length") > 1 || strings.Count(strings.ToLower(string(data)), "transfer-encoding") > 1 {
			return
		}
		if status != theirs.StatusCode || !bytes.Equal(text, body.Bytes()) {
			t.Fatalf("%d with %q, net/http has %d with %q", status, body.Bytes(), theirs.StatusCode, text)
		}
	})
}
