package packager

import (
	"strings"
	"testing"
)

// TestSite tells of files that nobody would find.
func TestSite(t *testing.T) {
	for text, want := range map[string]string{
		"COPY index.html /\n":                                        "write COPY . /srv/http/, or LABEL run.wherry.web.root=/",
		"COPY index.html /site/\n":                                   "but in /site: write COPY . /srv/http/, or LABEL run.wherry.web.root=/site",
		"COPY index.html /srv/http/\n":                               "",
		"COPY index.html /srv/http/docs/\nCOPY index.html /other/\n": "",
		"COPY index.html /site/\nLABEL run.wherry.web.root=/site\n":  "",
		"COPY index.html /\nLABEL run.wherry.web.root=/\n":           "",
		"COPY index.html /x/\nLABEL run.wherry.web.root=/y\n":        "write COPY . /y/, or LABEL run.wherry.web.root=/x",
		"LABEL a=b\n": "", // it may have a mount there
		"COPY index.html /usr/bin/x.wasm\nENTRYPOINT [\"/x.wasm\"]\n":    "",
		"COPY index.html /x/\nCOPY index.html /\nLABEL a=b\n":            "but in /: ",
		"COPY index.html /srv/http\nLABEL run.wherry.web.root=/srv/\n":   "",
		"COPY index.html /srv/httpd/\nLABEL run.wherry.web.fallback=/\n": "but in /srv/httpd: ",
	} {
		b := newBench(t, map[string]string{"index.html": "hello"})
		notes := &collect{}
		b.Progress = notes
		b.build("FROM scratch\nLABEL run.wherry.web=static\n" + text)
		if said := notes.String(); want == "" && strings.Contains(said, "nothing is in") || !strings.Contains(said, want) {
			t.Errorf("%s:\n%s", text, said)
		}
	}
}
