package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// StatusError is an answer of a registry that means no.
type StatusError struct {
	Method     string
	URL        string // without query: it may hold a signature
	Code       int
	Message    string // what the registry said, shortened and made printable
	RetryAfter time.Duration
	host       string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: the registry answered %d %s", e.Method, e.URL, e.Code, http.StatusText(e.Code))
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden {
		s += ": try `wherry login " + e.host + "`"
	}
	return s
}

// Is makes 404 fs.ErrNotExist and 401 and 403 fs.ErrPermission.
func (e *StatusError) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Code == http.StatusNotFound
	case fs.ErrPermission:
		return e.Code == http.StatusUnauthorized || e.Code == http.StatusForbidden
	}
	return false
}

// checkStatus turns an answer that is none of ok into a StatusError and closes
// its body.
func checkStatus(resp *http.Response, ok ...int) error {
	for _, code := range ok {
		if resp.StatusCode == code {
			return nil
		}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
	return &StatusError{
		Method: resp.Request.Method, URL: plainURL(resp.Request.URL), host: resp.Request.URL.Host,
		Code: resp.StatusCode, Message: describe(body), RetryAfter: retryAfter(resp.Header, time.Now()),
	}
}

// fromHandshake turns a refusal that go-containerregistry met while it shook
// hands into a StatusError.
func fromHandshake(host string, err error) error {
	var t *transport.Error
	if !errors.As(err, &t) || t.Request == nil {
		return err
	}
	s := &StatusError{Method: t.Request.Method, URL: plainURL(t.Request.URL), Code: t.StatusCode, host: host}
	if len(t.Errors) > 0 {
		s.Message = printable(string(t.Errors[0].Code) + " " + t.Errors[0].Message)
	}
	return s
}

func plainURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// describe reads the distribution spec's error document; other text is
// shortened, markup left out.
func describe(body []byte) string {
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(body, &doc) == nil && len(doc.Errors) > 0 {
		e := doc.Errors[0]
		return printable(strings.TrimSpace(e.Code + " " + e.Message))
	}
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") {
		return ""
	}
	return printable(text)
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}

// isNetwork tells a broken connection from a mistake of ours.
func isNetwork(err error) bool {
	var netErr net.Error
	var urlErr *url.Error
	return errors.Is(err, errStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &netErr) || errors.As(err, &urlErr) || strings.Contains(err.Error(), "http2:")
}

// IncompleteError says that a push needs content that neither the source nor
// the registry has.
type IncompleteError struct{ What string }

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%s is not on this machine: it belongs to a platform that was not pulled", e.What)
}
