package packager

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

func TestConfig(t *testing.T) {
	b := newBench(t, nil)
	b.BuildArgs = map[string]string{"NAME": "given"}
	b.Labels = map[string]string{"from": "flag"}
	img := b.build(`ARG TAG=unused
FROM scratch
ARG NAME=default
ENV A=1 B="two words" C=${NAME}
ENV A=3
LABEL org.opencontainers.image.title="A title" x=y
MAINTAINER somebody
WORKDIR /w
USER 1000:1000
EXPOSE 80 53/udp 8000-8002
VOLUME /data cache
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD ["/check"]
ENTRYPOINT ["/app"]
CMD run $A
`)
	c := img.img.Config
	want := oci.ImageConfig{
		ImageConfig: ispec.ImageConfig{
			Env: []string{"A=3", "B=two words", "C=given"}, WorkingDir: "/w", User: "1000:1000",
			Entrypoint: []string{"/app"}, Cmd: []string{"/bin/sh", "-c", "run $A"}, StopSignal: "SIGINT",
			Labels:       map[string]string{"org.opencontainers.image.title": "A title", "x": "y", "from": "flag"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {}},
			Volumes:      map[string]struct{}{"/data": {}, "/w/cache": {}},
		},
		Healthcheck: &oci.Healthcheck{Test: []string{"CMD", "/check"}, Interval: 5 * time.Second},
	}
	if diff := cmp.Diff(want, c.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if c.Author != "somebody" || c.OS != "wasip1" || c.Architecture != "wasm" || !c.Created.Equal(DefaultEpoch) {
		t.Errorf("author %q, platform %s/%s, created %v", c.Author, c.OS, c.Architecture, c.Created)
	}
	if got := img.manifest.Annotations["org.opencontainers.image.title"]; got != "A title" {
		t.Errorf("title of the manifest is %q", got)
	}
	layers := 0
	for _, h := range c.History {
		if !h.Created.Equal(DefaultEpoch) {
			t.Errorf("history %q has its own time %v", h.CreatedBy, h.Created)
		}
		if strings.Contains(h.CreatedBy, "given") {
			t.Errorf("the value of a build argument stands in the history: %q", h.CreatedBy)
		}
		if !h.EmptyLayer {
			layers++
		}
	}
	if layers != len(img.manifest.Layers) {
		t.Errorf("history tells of %d layers, the manifest lists %d", layers, len(img.manifest.Layers))
	}
}

func TestEntrypointForgetsCmd(t *testing.T) {
	b := newBench(t, nil)
	base := b.build("FROM scratch\nENTRYPOINT [\"/old\"]\nCMD [\"x\"]\nENV K=V\nLABEL l=1\n")
	b.images.refs["base:1"] = base.Index
	img := b.build("FROM base:1\nENTRYPOINT [\"/new\"]\n").img.Config.Config
	if img.Cmd != nil || img.Entrypoint[0] != "/new" || img.Env[0] != "K=V" || img.Labels["l"] != "1" {
		t.Errorf("config %+v", img)
	}
	if img := b.build("FROM base:1\nCMD [\"y\"]\nENTRYPOINT [\"/new\"]\n").img.Config.Config; len(img.Cmd) != 1 {
		t.Errorf("CMD of this stage is gone: %+v", img)
	}
}

func TestBaseIsRecorded(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A"})
	base := b.build("FROM scratch\nCOPY a /base/\n")
	b.images.refs["base:1"] = base.Index
	img := b.build("FROM base:1 AS one\nFROM one\nCOPY a /top/\n")
	for _, a := range []map[string]string{img.manifest.Annotations} {
		if a[ispec.AnnotationBaseImageName] != "base:1" || a[ispec.AnnotationBaseImageDigest] != string(base.Index.Digest) {
			t.Errorf("annotations %v", a)
		}
	}
	if img.BaseDigest != base.Index.Digest {
		t.Errorf("base digest %s", img.BaseDigest)
	}
	if img.manifest.Layers[0].Digest != base.manifest.Layers[0].Digest {
		t.Error("the base's layer was written anew")
	}
	if want := "base/ 755\nbase/a 644 \"A\"\ntop/ 755\ntop/a 644 \"A\""; img.list() != want {
		t.Errorf("files:\n%s", img.list())
	}
}

func TestTargetAndArgs(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A", "b": "B"})
	text := "ARG BASE=scratch\nFROM ${BASE} AS one\nCOPY a /\nFROM never/there AS two\nFROM one AS three\nARG F=a\nCOPY $F /copied\n"
	b.Target = "three"
	if got := b.build(text).list(); got != "a 644 \"A\"\ncopied 644 \"A\"" {
		t.Errorf("files:\n%s", got)
	}
	b.BuildArgs = map[string]string{"F": "b", "TYPO": "x"}
	notes := &collect{}
	b.Progress = notes
	if got := b.build(text).read("copied"); got != "B" {
		t.Errorf("copied %q", got)
	}
	if !strings.Contains(notes.String(), "--build-arg TYPO") || strings.Contains(notes.String(), "--build-arg F") {
		t.Errorf("notes %q", notes)
	}
	b.Target = "four"
	if _, err := b.tryBuild(text); err == nil || !strings.Contains(err.Error(), "it has: one, two, three") {
		t.Errorf("error %v", err)
	}
	b.Target, b.BuildArgs = "0", map[string]string{"BASE": "python:3.11"}
	if _, err := b.tryBuild(text); err == nil || !strings.Contains(err.Error(), "FROM python:3.15") {
		t.Errorf("error %v", err)
	}
}

// collect is a Progress that writes down what it hears.
type collect struct {
	strings.Builder
	events []Event
}

func (c *collect) Report(e Event) {
	c.events = append(c.events, e)
	text, _ := json.Marshal(struct{ Stage, Text, Note string }{e.Stage, e.Text, e.Note})
	c.WriteString(string(text) + "\n")
}

func TestProgress(t *testing.T) {
	b := newBench(t, map[string]string{"a": "A"})
	run := func() (done, cached int) {
		c := &collect{}
		b.Progress = c
		b.build("FROM scratch AS s\nCOPY a /\nENV X=1\nFROM s\nCOPY --from=s a /b\n")
		for _, e := range c.events {
			if e.Step < 1 || e.Step > e.Total || e.Text == "" {
				t.Errorf("event %+v", e)
			}
			if e.Done {
				done++
			}
			if e.Cached {
				cached++
			}
		}
		return done, cached
	}
	if done, cached := run(); done != 5 || cached != 0 {
		t.Errorf("first build: %d steps, %d cached", done, cached)
	}
	if done, cached := run(); done != 5 || cached != 2 {
		t.Errorf("second build: %d steps, %d cached", done, cached)
	}
}

func TestRefusedBuilds(t *testing.T) {
	tests := []struct{ recipe, want string }{
		{"FROM python:3.11-slim", "\tFROM python:3.15"},
		{"FROM ubuntu:22.04", "native programs"},
		{"FROM scratch\nRUN apt-get install x", "RUN apt-get"},
		{"FROM scratch\nUSER $U", "no user names"},
		{"FROM scratch\nEXPOSE 70000", "port"},
		{"FROM scratch\nEXPOSE 80/sctp", "tcp or udp"},
		{"FROM scratch\nSTOPSIGNAL kill it", "no such signal"},
		{"FROM scratch\nRUN echo hi", "no sandbox"},
		{"FROM scratch\nADD https://example.com/x /", "--checksum"},
		{"FROM toolchain:go\nRUN go build -o /x .", "compilers of this machine"},
		{"FROM scratch\nSNAPSHOT", "names no program"},
		{"FROM scratch\nCMD [\"/x\"]\nSNAPSHOT", "no sandbox here"},
	}
	for _, tt := range tests {
		b := newBench(t, nil)
		b.BuildArgs = map[string]string{"U": "bob"}
		text := strings.Replace(tt.recipe, "\n", "\nARG U\n", 1)
		_, err := b.tryBuild(text + "\n")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, expected ...%s...", tt.recipe, err, tt.want)
		}
	}
}
