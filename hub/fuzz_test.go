package hub

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
)

func FuzzPath(f *testing.F) {
	d := string(oci.EmptyDigest)
	for _, s := range []string{
		"/v2", "/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/b/manifests/1", "/v2/a/manifests/" + d, "/v2/a/blobs/" + d,
		"/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/0123456789abcdef0123456789abcdef", "/v2/a/referrers/" + d, "/v2/blobs/uploads/blobs/" + d, "/v2/../x/tags/list",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		rt, no := parsePath(path)
		if no != nil {
			return
		}
		if rt.kind > kindCatalog && !oci.IsRepository(rt.repo) {
			t.Errorf("%q: repository %q", path, rt.repo)
		}
		if rt.tag != "" && !oci.IsTag(rt.tag) {
			t.Errorf("%q: tag %q", path, rt.tag)
		}
		if _, err := oci.ParseDigest(string(rt.digest)); rt.digest != "" && err != nil {
			t.Errorf("%q: digest %q", path, rt.digest)
		}
		if strings.ContainsAny(rt.upload, "./\\") {
			t.Errorf("%q: upload %q", path, rt.upload)
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"0-1", "bytes 0-1/2", "bytes 5-9/*", "1-0", "-1", "99999999999999999999-1", "+1-2", "0x1-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if first, last, ok := parseContentRange(s); ok && (first < 0 || last < first || last > oci.MaxBlob) {
			t.Errorf("%q: %d to %d", s, first, last)
		}
	})
}

func FuzzJournal(f *testing.F) {
	line, err := encodeRecord(record{Op: opTag, Name: "x", Digest: oci.EmptyDigest})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line, "tag", "x")
	f.Fuzz(func(t *testing.T, line []byte, op, name string) {
		if r, err := decodeRecord(line); err == nil && r.check() != nil {
			t.Error("a record that is none came through")
		}
		r := record{Op: op, Name: name, Digest: digest.Digest(name), Refs: []digest.Digest{oci.EmptyDigest}}
		line, err := encodeRecord(r)
		if err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("%q: %v", line, err)
		}
		back, err := decodeRecord(bytes.TrimSuffix(line, []byte("\n")))
		if (err == nil) != (back.check() == nil && back.Op == op) {
			t.Errorf("%q: %v", line, err)
		}
		newRepository("a", "", nil).apply(back)
	})
}

func FuzzPasswords(f *testing.F) {
	f.Add([]byte("a:$2a$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n# x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		users, err := parsePasswords(data)
		if err != nil {
			return
		}
		for user, hash := range users {
			if user == "" || strings.Contains(user, ":") || len(hash) < 50 {
				t.Errorf("user %q, hash %q", user, hash)
			}
		}
	})
}

// only is the one user there is.
type only struct{ user, password string }

func (o only) Check(_ context.Context, user, password string) (bool, error) {
	return user == o.user && password == o.password, nil
}

func FuzzAuthorization(f *testing.F) {
	f.Add("Basic YW5uOnNlY3JldA==")
	f.Add("Bearer YW5uOnNlY3JldA==")
	f.Add("basic  YW5uOnNlY3JldA")
	h := &Hub{users: only{"ann", "secret"}}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/", nil)
		r.Header["Authorization"] = []string{header}
		user, password, ok := r.BasicAuth()
		if err := h.authenticate(r); (err == nil) != (ok && user == "ann" && password == "secret") {
			t.Errorf("%q: %v", header, err)
		}
	})
}

func FuzzIncoming(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), "application/vnd.oci.image.index.v1+json")
	f.Add([]byte(`{"schemaVersion":2,"config":{"mediaType":"a/b","size":2,"digest":"`+string(oci.EmptyDigest)+`"},"layers":[]}`), "")
	f.Fuzz(func(t *testing.T, data []byte, contentType string) {
		in, err := readIncoming(data, contentType, "")
		if err != nil {
			return
		}
		if err := in.record.check(); err != nil {
			t.Errorf("a record that is none: %v", err)
		}
		if k := oci.KindOf(in.MediaType); k != oci.KindIndex && k != oci.KindManifest {
			t.Errorf("media type %q", in.MediaType)
		}
	})
}
