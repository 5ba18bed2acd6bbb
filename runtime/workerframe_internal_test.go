package runtime

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestFrames checks which frames of a guest are taken, and how.
func TestFrames(t *testing.T) {
	whole := appendFrame(frameAnswer, []byte(`{"a":1}`))
	for name, tt := range map[string]struct {
		message []byte
		kind    byte
		text    string
		data    string
	}{
		"next":                {[]byte(frameHead + "n"), frameNext, "", ""},
		"answer":              {whole, frameAnswer, `{"a":1}`, ""},
		"error":               {appendFrame(frameError, []byte(`{}`)), frameError, `{}`, ""},
		"message":             {append(appendFrame(frameMessage, []byte(`{}`)), "data"...), frameMessage, `{}`, "data"},
		"message, cut":        {appendFrame(frameMessage, []byte(`{}`))[:frameRoom+1], 0, "", ""},
		"message of no JSON":  {appendFrame(frameMessage, nil), 0, "", ""},
		"nothing":             {nil, 0, "", ""},
		"no kind":             {[]byte(frameHead), 0, "", ""},
		"next with more":      {[]byte(frameHead + "nx"), 0, "", ""},
		"another version":     {[]byte("\x00wherry\x02n"), 0, "", ""},
		"what a host sends":   {appendFrame(frameRequest, []byte(`[]`)), 0, "", ""},
		"another kind":        {appendFrame('x', []byte(`[]`)), 0, "", ""},
		"cut":                 {whole[:len(whole)-1], 0, "", ""},
		"longer than it says": {append(bytes.Clone(whole), ' '), 0, "", ""},
		"no length":           {[]byte(frameHead + "a\x00\x00"), 0, "", ""},
		"no JSON":             {appendFrame(frameAnswer, []byte(`{`)), 0, "", ""},
	} {
		got, err := parseFrame(tt.message)
		if got.kind != tt.kind || string(got.text) != tt.text || string(got.data) != tt.data || (err == nil) != (tt.kind != 0) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestMessage checks where the pieces of a message are.
func TestMessage(t *testing.T) {
	got := appendMessage([]byte(`{"a":1}`), [][]byte{[]byte("some"), nil, []byte("0123456789abcdef"), []byte("more")})
	f, err := parseFrame(got)
	if err != nil || string(bytes.TrimSpace(f.text)) != `{"a":1}` {
		t.Fatalf("%q, %v", f, err)
	}
	if at := len(got) - len(f.data); at%pieceAlign != 0 || len(got) != cap(got) {
		t.Errorf("pieces begin at %d; %d bytes in room for %d", at, len(got), cap(got))
	}
	if want := "some" + strings.Repeat("\x00", 12) + "0123456789abcdef" + "more" + strings.Repeat("\x00", 12); string(f.data) != want {
		t.Errorf("pieces: %q", f.data)
	}
}

// TestExceptions checks what becomes of an exception's JSON.
func TestExceptions(t *testing.T) {
	long, _ := json.Marshal(map[string]string{"type": "E", "message": strings.Repeat("x", 2*maxException)})
	for name, tt := range map[string]struct{ text, want string }{
		"one":          {`{"type":"ValueError","message":"no"}`, "ValueError: no"},
		"no message":   {`{"type":"KeyError"}`, "KeyError"},
		"misuse":       {`{"type":"_wherry.predict.Misuse","message":"missing x","misuse":true}`, "missing x"},
		"another JSON": {`[1]`, "exception: the guest does not say which"},
		"too long":     {`{"type":"` + strings.Repeat("x", 5*maxException) + `"}`, "exception: the guest does not say which"},
	} {
		if got := parseException([]byte(tt.text)).Error(); got != tt.want {
			t.Errorf("%s: %.100q", name, got)
		}
	}
	if e := parseException(long); len(e.Message) != maxException {
		t.Errorf("%d bytes of message", len(e.Message))
	}
}

// FuzzFrame checks that no frame breaks the host, and that what is taken is JSON.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(frameAnswer, []byte(`{"a":1}`)))
	f.Add(appendFrame(frameError, []byte(`{"type":"E","message":"m","traceback":"t","misuse":true}`)))
	f.Add([]byte(frameHead + "n"))
	f.Add(appendMessage([]byte(`{"a":[]}`), [][]byte{[]byte("some"), []byte("more")}))
	f.Fuzz(func(t *testing.T, message []byte) {
		got, err := parseFrame(message)
		if err != nil || got.kind == frameNext {
			return
		}
		if !json.Valid(got.text) || !bytes.Equal(append(appendFrame(got.kind, got.text), got.data...), message) {
			t.Errorf("%q of %q", got, message)
		}
		_ = parseException(got.text).Error()
	})
}
