package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"syscall"

	"github.com/wherry-run/wherry/oci"
)

// The codes of the distribution specification.
const (
	codeBlobUnknown         = "BLOB_UNKNOWN"
	codeUploadInvalid       = "BLOB_UPLOAD_INVALID"
	codeUploadUnknown       = "BLOB_UPLOAD_UNKNOWN"
	codeDigestInvalid       = "DIGEST_INVALID"
	codeManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
	codeManifestInvalid     = "MANIFEST_INVALID"
	codeManifestUnknown     = "MANIFEST_UNKNOWN"
	codeNameInvalid         = "NAME_INVALID"
	codeNameUnknown         = "NAME_UNKNOWN"
	codeSizeInvalid         = "SIZE_INVALID"
	codeUnauthorized        = "UNAUTHORIZED"
	codeDenied              = "DENIED"
	codeUnsupported         = "UNSUPPORTED"
	codeTooMany             = "TOOMANYREQUESTS"
	codeUnknown             = "UNKNOWN" // of docker's registry, for what is our fault
)

// refusal is an answer that means no.
type refusal struct {
	status  int
	code    string
	message string
	header  http.Header // more than every answer has; may be nil
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// with adds a header to an answer.
func (e *refusal) with(key, value string) *refusal {
	if e.header == nil {
		e.header = http.Header{}
	}
	e.header.Set(key, value)
	return e
}

// later is an answer for who asks too much at once.
func later(seconds int, format string, args ...any) *refusal {
	return refuse(http.StatusTooManyRequests, codeTooMany, format, args...).with("Retry-After", strconv.Itoa(seconds))
}

// asRefusal says what a client may know of an error: of one of ours that it is one.
func asRefusal(err error) *refusal {
	var r *refusal
	var mismatch *oci.MismatchError
	var document *oci.DocumentError
	switch {
	case errors.As(err, &r):
		return r
	case errors.As(err, &document):
		return refuse(http.StatusBadRequest, codeManifestInvalid, "%v", document)
	case errors.As(err, &mismatch):
		return refuse(http.StatusBadRequest, codeDigestInvalid, "%v", mismatch)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, winDiskFull):
		return refuse(http.StatusInsufficientStorage, codeDenied, "the registry's disk is full")
	}
	return refuse(http.StatusInternalServerError, codeUnknown, "the registry failed; its log says why")
}

// winDiskFull is Windows' ENOSPC (ERROR_DISK_FULL).
const winDiskFull = syscall.Errno(112)

// fail answers with an error. The log gets what is not the client's to know.
func (h *Hub) fail(w http.ResponseWriter, r *http.Request, err error) {
	no := asRefusal(err)
	if no.status >= http.StatusInternalServerError {
		h.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	for k, v := range no.header {
		w.Header()[k] = v
	}
	body, err := json.Marshal(errorDocument{Errors: []errorEntry{{Code: no.code, Message: no.message}}})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(no.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who is gone needs no answer
	}
}

type errorDocument struct {
	Errors []errorEntry `json:"errors"`
}

type errorEntry struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
