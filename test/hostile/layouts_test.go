package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/registry"
)

// TestLayouts loads every image as an archive, and pulls those that are hostile
// that way, too, from a registry. Nothing of them stays.
func TestLayouts(t *testing.T) {
	s := newStore(t)
	var names []string
	for _, r := range layouts() {
		names = append(names, r.name)
		t.Run(r.name, func(t *testing.T) {
			l := honest()
			r.edit(l)
			data := l.archive()
			var err error
			within(t, r.bound, func() { _, err = images.Load(t.Context(), s.Store, bytes.NewReader(data)) })
			r.check(t, s, "load", err)
			if !r.registry {
				return
			}
			l = honest()
			r.edit(l)
			l.build()
			server := httptest.NewServer(l)
			defer server.Close()
			ref := strings.TrimPrefix(server.URL, "http://") + "/hostile:1"
			within(t, r.bound, func() { err = pull(t, s, ref, patient) })
			if r.late && err == nil {
				_, err = images.Open(t.Context(), s.Store, ref, images.Options{})
				s.forget(t)
			}
			r.check(t, s, "pull", err)
		})
	}
	corpus(t, "layouts", names)
}

func (r layoutRow) check(t *testing.T, s stored, verb string, err error) {
	t.Helper()
	switch {
	case err == nil && r.refused != nil:
		t.Errorf("%s: it succeeds", verb)
	case err != nil && r.refused == nil || err != nil && !r.refused(err):
		t.Errorf("%s: another error: %T %.300v", verb, err, err)
	}
	if err == nil {
		s.forget(t) // not to be charged to the next row
	}
	if err != nil {
		message(t, err)
	}
	s.unharmed(t)
	s.bare(t)
}

// forget takes every image out of the list.
func (s stored) forget(t *testing.T) {
	t.Helper()
	list, err := s.List(t.Context())
	for _, e := range list {
		err = errors.Join(err, s.Forget(t.Context(), e.Descriptor.Digest))
	}
	if err != nil {
		t.Error(err)
	}
}

// patient is how long an honest registry may be silent: machines are loaded.
const patient = 10 * time.Second

// pull pulls an image from a registry on this machine, which may be silent for
// as long as patience.
func pull(t *testing.T, s stored, ref string, patience time.Duration) error {
	t.Helper()
	c := registry.New(
		registry.WithKeychain(authn.NewMultiKeychain()),
		registry.WithPatience(patience, time.Millisecond),
	)
	_, err := images.Pull(t.Context(), s.Store, reference(t, ref), c)
	return err
}

// ServeHTTP makes a layout a registry.
func (l *layout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v2/hostile/")
	kind, name, _ := strings.Cut(rest, "/")
	if !ok {
		w.WriteHeader(http.StatusOK) // the handshake
		return
	}
	mediaType := "application/octet-stream"
	if kind == "manifests" {
		if name == "1" {
			name = fmt.Sprint(l.top["digest"])
		}
		mediaType = "application/vnd.oci.image.manifest.v1+json"
		if name == l.top["digest"] {
			mediaType = "application/vnd.oci.image.index.v1+json"
		}
	}
	data, ok := l.blobs[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Write(data)
}
