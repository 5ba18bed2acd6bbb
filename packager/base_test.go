package packager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/packager/bases"
)

func demoBase(version string) bases.Base {
	return bases.Base{
		Name: "demo", Ref: "demo:1",
		Recipe:  []byte("FROM scratch\nCOPY f /f\nLABEL v=1\n"),
		Context: fstest.MapFS{"f": {Data: []byte(version)}},
	}
}

// A base comes from the store, else from the mirror, else it is built.
func TestResolveBase(t *testing.T) {
	b := newBench(t, nil)
	notes := &collect{}
	b.Progress = notes
	first, err := ResolveBase(t.Context(), b.Options, demoBase("one"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Ref != "demo:1" || !strings.Contains(notes.String(), "building base demo:1") {
		t.Errorf("base %s, notes %s", first.Ref, notes)
	}
	notes.Reset()
	again, err := ResolveBase(t.Context(), b.Options, demoBase("one"))
	if err != nil || again.Digest != first.Digest || notes.Len() != 0 {
		t.Errorf("second time: %v, notes %s", err, notes)
	}
	other, err := ResolveBase(t.Context(), b.Options, demoBase("two"))
	if err != nil || other.Digest == first.Digest {
		t.Errorf("a base with another file is taken for the same: %v", err)
	}
	if len(b.images.pulls) != 0 {
		t.Errorf("a registry was asked without being named: %v", b.images.pulls)
	}
}

// mirrorImages has the base ready in a registry.
type mirrorImages struct {
	*memImages
	index ispec.Descriptor
}

func (m *mirrorImages) Pull(ctx context.Context, ref string) (*Image, error) {
	m.pulls = append(m.pulls, ref)
	if m.index.Digest == "" {
		return nil, errors.New("connection refused")
	}
	return m.open(ctx, ref, m.index)
}

func TestMirror(t *testing.T) {
	b := newBench(t, nil)
	built, err := ResolveBase(t.Context(), b.Options, demoBase("one"))
	if err != nil {
		t.Fatal(err)
	}
	m := &mirrorImages{b.images, ispec.Descriptor{MediaType: ispec.MediaTypeImageIndex, Digest: built.Digest}}
	m.refs = map[string]ispec.Descriptor{}
	o := b.Options
	o.Images, o.Mirror = m, "registry.example.com/wherry/"
	img, err := ResolveBase(t.Context(), o, demoBase("one"))
	if err != nil || img.Ref != "demo:1" || img.Digest != built.Digest {
		t.Fatalf("image %+v, error %v", img, err)
	}
	if len(m.pulls) != 1 || !strings.HasPrefix(m.pulls[0], "registry.example.com/wherry/demo:1-") {
		t.Errorf("pulled %v", m.pulls)
	}
	// With the mirror away the base is built; with that impossible too the
	// error says both, and what to do.
	m.index = ispec.Descriptor{}
	if _, err := ResolveBase(t.Context(), o, demoBase("one")); err != nil {
		t.Errorf("without the mirror: %v", err)
	}
	broken := demoBase("one")
	broken.Recipe = []byte("FROM scratch\nADD --checksum=" + string(digest.FromString("x")) + " pkg:pypi/x@1 /\n")
	_, err = ResolveBase(t.Context(), o, broken)
	var bad *BaseError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "may not fetch") {
		t.Errorf("error %v", err)
	}
}

// stubFetcher gives files by URL.
type stubFetcher struct {
	files map[string]string
	calls int
}

func (f *stubFetcher) Fetch(_ context.Context, r FetchRequest) (*Fetched, error) {
	f.calls++
	data, ok := f.files[r.URL]
	if !ok || digest.FromString(data) != r.Checksum {
		return nil, fmt.Errorf("%s: not there", r.URL)
	}
	return &Fetched{Name: r.URL[strings.LastIndex(r.URL, "/")+1:], Data: nopCloser{strings.NewReader(data)}}, nil
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

func TestAddRemote(t *testing.T) {
	zip := archives(t, map[string]string{"in/f": "F"})["x.zip"]
	f := &stubFetcher{files: map[string]string{"https://h/data.bin": "DATA", "pkg:pypi/x@1?file=x.whl": zip}}
	b := newBench(t, nil)
	b.Fetcher = f
	sum := func(s string) string { return string(digest.FromString(s)) }
	text := "FROM scratch\nADD --checksum=" + sum("DATA") + " https://h/data.bin /d/\nADD --chmod=755 --checksum=" + sum("DATA") + " https://h/data.bin /bin/tool\n" +
		"ADD --unpack=in/ --checksum=" + sum(zip) + " pkg:pypi/x@1?file=x.whl /w/\n"
	img := b.build(text)
	if want := "bin/ 755\nbin/tool 755 \"DATA\"\nd/ 755\nd/data.bin 644 \"DATA\"\nw/ 755\nw/f 644 \"F\""; img.list() != want {
		t.Errorf("files:\n%s", img.list())
	}
	if b.build(text); f.calls != 3 {
		t.Errorf("fetched %d times, expected each once", f.calls)
	}
	for recipe, want := range map[string]string{
		"ADD --checksum=" + sum("x") + " https://h/data.bin /":                     "not there",
		"ADD --checksum=sha256:abc https://h/data.bin /":                           "--checksum=sha256:abc",
		"ADD --checksum=" + sum("x") + " https://h/a https://h/b /":                "one ADD",
		"ADD --unpack=no/ --checksum=" + sum(zip) + " pkg:pypi/x@1?file=x.whl /w/": "named no/",
	} {
		if _, err := b.tryBuild("FROM scratch\n" + recipe + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected ...%s...", recipe, err, want)
		}
	}
}
