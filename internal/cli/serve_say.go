package cli

import (
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"strings"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/openapi"
)

// sayServed tells where the models are, and how to ask the first one.
func (a *app) sayServed(s *serve.Server, models []*servedModel, on *sockets) {
	url := on.url(on.list[0])
	index := s.Repository().Index()
	var names []string
	for _, st := range index {
		name := st.Name
		if st.Version != "1" {
			name += " (version " + st.Version + ")"
		}
		names = append(names, name)
	}
	a.say("%s answers at %s", strings.Join(names, ", "), url)
	for _, l := range on.list[1:] {
		a.say("and at %s", on.url(l))
	}
	for i, st := range index {
		if st.Name != s.Repository().Default() || !st.Default || st.Signature == nil {
			continue
		}
		if line := curlLine(url+"/predict", models[i].sample(st.Signature), goruntime.GOOS); line != "" {
			a.say("%s", "  "+line)
		}
	}
}

// say writes a line for people.
func (a *app) say(format string, args ...any) {
	ux.Line(a.Err, fmt.Sprintf(format, args...))
}

// maxSampled bounds the request that is shown as an example, in bytes.
const maxSampled = 600

// sample is a request for the model as JSON: its first golden case, else made up;
// "" when neither is short enough to be read.
func (m *servedModel) sample(s *model.Signature) string {
	if m.golden != "" && len(m.golden) <= maxSampled {
		return m.golden
	}
	example := openapi.ExampleOf(s)
	if example == nil {
		return ""
	}
	text, err := json.Marshal(example)
	if err != nil || len(text) > maxSampled {
		return ""
	}
	return string(text)
}

// inputsOf is what a golden case asks, as a JSON object; "" when that is too long.
func inputsOf(c *model.Case) string {
	text, err := json.Marshal(c.Inputs)
	if err != nil || len(text) > maxSampled {
		return ""
	}
	return string(text)
}

// curlLine is a command that asks a model, for the shell of an OS.
func curlLine(url, body, os string) string {
	if body == "" {
		return ""
	}
	quoted := "'" + strings.ReplaceAll(body, "'", `'\''`) + "'"
	if os == "windows" { // cmd.exe, which knows no single quotes
		quoted = `"` + strings.ReplaceAll(body, `"`, `\"`) + `"`
	}
	return "curl " + url + " -H Content-Type:application/json -d " + quoted
}
