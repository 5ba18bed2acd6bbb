package route

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Handler is a handler that may give an error in place of an answer, which fail then
// writes in the words of its protocol.
func Handler(answer func(w http.ResponseWriter, r *http.Request) error, fail func(w http.ResponseWriter, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			fail(w, err)
		}
	})
}

// Fail answers with what a client may know of an error, in the words of the Open
// Inference Protocol: it is for Handler.
func Fail(w http.ResponseWriter, err error) {
	p := ProblemOf(err)
	p.SetRetryAfter(w.Header())
	Refuse(w, p.Status, p.Message)
}

// Refuse answers with a sentence in the place of what was asked for, in the words of
// the Open Inference Protocol.
func Refuse(w http.ResponseWriter, status int, message string) {
	WriteJSON(w, status, ErrorJSON(message))
}

// ErrorJSON is a sentence in the words of the Open Inference Protocol: {"error": it}.
func ErrorJSON(message string) []byte {
	document, _ := json.Marshal(map[string]string{"error": message}) // of words: it cannot fail
	return document
}

// Answer answers with a document as JSON. What has no JSON is an error.
func Answer(w http.ResponseWriter, status int, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	WriteJSON(w, status, text)
	return nil
}

var typeJSON = []string{"application/json"} // net/http only reads it

// WriteJSON answers with a JSON document.
func WriteJSON(w http.ResponseWriter, status int, document []byte) {
	w.Header()["Content-Type"] = typeJSON
	w.WriteHeader(status)
	_, _ = w.Write(append(document, '\n')) // who does not read it has left
}
