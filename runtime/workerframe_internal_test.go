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
	}{
		"next":                {[]byte(frameHead + "n"), frameNext, ""},
		"answer":              {whole, frameAnswer, `{"a":1}`},
		"error":               {appendFrame(frameError, []byte(`{}`)), frameError, `{}`},
		"nothing":             {nil, 0, ""},
		"no kind":             {[]byte(frameHead), 0, ""},
		"next with more":      {[]byte(frameHead + "nx"), 0, ""},
		"another version":     {[]byte("\x00wherry\x02n"), 0, ""},
		"what a host sends":   {appendFrame(frameRequest, []byte(`[]`)), 0, ""},
		"another kind":        {appendFrame('x', []byte(`[]`)), 0, ""},
		"cut":                 {whole[:len(whole)-1], 0, ""},
		"longer than it says": {append(bytes.Clone(whole), ' '), 0, ""},
		"no length":           {[]byte(frameHead + "a\x00\x00"), 0, ""},
		"no JSON":             {appendFrame(frameAnswer, []byte(`{`)), 0, ""},
	} {
		kind, text, err := parseFrame(tt.message)
		if kind != tt.kind || string(text) != tt.text || (err == nil) != (tt.kind != 0) {
			t.Errorf("%s: %q, %q, %v", name, kind, text, err)
		}
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
	f.Fuzz(func(t *testing.T, message []byte) {
		kind, text, err := parseFrame(message)
		if err != nil || kind == frameNext {
			return
		}
		if !json.Valid(text) || !bytes.Equal(appendFrame(kind, text), message) {
			t.Errorf("%q, %q of %q", kind, text, message)
		}
		_ = parseException(text).Error()
	})
}
