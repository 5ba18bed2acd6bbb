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
	urls := on.urls()
	index := s.Repository().Index()
	var names []string
	for _, st := range index {
		name := st.Name
		if st.Version != "1" {
			name += " (version " + st.Version + ")"
		}
		names = append(names, name)
	}
	a.sayWhere(strings.Join(names, ", "), urls)
	for i, st := range index {
		if st.Name != s.Repository().Default() || !st.Default || st.Signature == nil {
			continue
		}
		line := models[i].askLine(urls[0], st.Signature)
		if on.keyed {
			line = strings.Replace(line, "curl ", "curl -H x-api-key:KEY ", 1)
		}
		a.say("%s", "  "+line)
	}
}

// sayWhere tells where somebody answers.
func (a *app) sayWhere(who string, urls []string) {
	a.say("%s answers at %s", who, urls[0])
	for _, url := range urls[1:] {
		a.say("and at %s", url)
	}
}

// askLine is a command that asks the model: with its first golden case or what fits
// it, with a file of the reader's where it takes one, and else for what it takes.
func (m *servedModel) askLine(url string, s *model.Signature) string {
	m.mu.Lock()
	golden := m.golden
	m.mu.Unlock()
	if form := formLine(url+"/predict", s); golden == "" && form != "" {
		return form
	}
	if line := curlLine(url+"/predict", sample(s, golden), goruntime.GOOS); line != "" {
		return line
	}
	return "curl " + url + "/v2/models/" + m.name
}

// formLine is a command that sends a file for each input that must be there; "" when
// not all of them are files.
func formLine(url string, s *model.Signature) string {
	line := "curl " + url
	for i := range s.Inputs {
		f := &s.Inputs[i]
		p := f.Parameters
		switch {
		case p != nil && p.Optional:
		case p != nil && isModelName(f.Name) && (p.Kind == model.KindImage || p.Kind == model.KindFile):
			line += " -F " + f.Name + "=@" + strings.ToUpper(p.Kind)
		default:
			return ""
		}
	}
	if line == "curl "+url {
		return ""
	}
	return line
}

// say writes a line for people.
func (a *app) say(format string, args ...any) {
	ux.Line(a.Err, fmt.Sprintf(format, args...))
}

// maxSampled bounds the request that is shown as an example, in bytes.
const maxSampled = 600

// sample is a request for a model as JSON: its first golden case, else made up; ""
// when neither is short enough to be read.
func sample(s *model.Signature, golden string) string {
	if golden != "" {
		return golden
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
