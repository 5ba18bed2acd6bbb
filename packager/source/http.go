package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/wherry-run/wherry/packager"
)

// Bounds of an HTTP download.
const (
	maxRedirects = 10
	headerWait   = 60 * time.Second
	idleWait     = 60 * time.Second
)

// http downloads a URL. A transfer may last as long as bytes keep coming.
func (c *Client) http(ctx context.Context, r packager.FetchRequest, dir string) (string, error) {
	u, err := url.Parse(r.URL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return "", &Error{r.URL, "it is not a URL", "the form is https://HOST/PATH"}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "wherry")
	// What is fetched has a checksum, so it must come as it lies there.
	req.Header.Set("Accept-Encoding", "identity")
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: headerWait, TLSHandshakeTimeout: headerWait, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: redirect}
	resp, err := client.Do(req)
	if err != nil {
		return "", &Error{u.Redacted(), errors.Unwrap(err).Error(), "check the address, the network and HTTPS_PROXY"}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", &Error{u.Redacted(), "the server answers " + resp.Status, "check the address"}
	}
	name := path.Base(u.Path)
	if name == "." || name == "/" || name == ".." || !filepath.IsLocal(name) {
		name = "download"
	}
	to := filepath.Join(dir, name)
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	watch := time.AfterFunc(idleWait, func() { cancel(errors.New("nothing came for a minute")) })
	defer watch.Stop()
	n, err := io.Copy(f, io.LimitReader(&alive{resp.Body, watch}, maxFile+1))
	if err == nil && n > maxFile {
		err = fmt.Errorf("larger than %d bytes", int64(maxFile))
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", &Error{u.Redacted(), err.Error(), "try again"}
	}
	return to, nil
}

// redirect follows, but never from https to http.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("the server redirects from https to " + req.URL.Scheme)
	}
	return nil
}

// alive pushes the deadline back with every read.
type alive struct {
	r     io.Reader
	watch *time.Timer
}

func (a *alive) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if n > 0 {
		a.watch.Reset(idleWait)
	}
	return n, err
}
