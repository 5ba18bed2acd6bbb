package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/spelling"
	"github.com/wherry-run/wherry/model"
)

// inputReader makes requests of what was typed.
type inputReader struct {
	signature *model.Signature
	stdin     io.Reader
	piped     bool // standard input has been read
}

// requests makes one request of words, or those of the one file that has all
// inputs.
func (in *inputReader) requests(words []string, jsonFile string) ([]*model.Request, error) {
	if jsonFile != "" {
		if len(words) > 0 {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--json has all inputs: leave %q away", words[0])}
		}
		text, err := in.read(jsonFile)
		if err != nil {
			return nil, err
		}
		return in.ofJSON(text)
	}
	if len(words) == 1 && isFile(words[0]) {
		return in.ofFile(words[0][1:])
	}
	r := &model.Request{}
	row := model.Record{Table: in.signature.Table()}
	for _, word := range words {
		if name, value, named := strings.Cut(word, "="); named && in.signature.Input(name) == nil {
			if ok, err := row.Add(name, value); err != nil {
				return nil, err
			} else if ok {
				continue
			}
		}
		t, err := in.word(r, word)
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	if !row.Empty() {
		t, err := row.Tensor()
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	return []*model.Request{r}, nil
}

// isFile tells @FILE from a text that begins with @.
func isFile(word string) bool { return strings.HasPrefix(word, "@") && !strings.HasPrefix(word, "@@") }

func (in *inputReader) read(name string) ([]byte, error) {
	if name == "-" {
		if in.piped {
			return nil, &ux.UsageError{Text: "standard input is read once: it cannot be two inputs"}
		}
		in.piped = true
	}
	return readAll(name, in.stdin)
}

// word is the tensor of NAME=VALUE, or of the VALUE of the next input.
func (in *inputReader) word(r *model.Request, word string) (model.Tensor, error) {
	name, value, named := strings.Cut(word, "=")
	f := in.signature.Input(name)
	if !named || f == nil {
		next := in.next(r)
		if named && (next == nil || !next.IsText()) {
			return model.Tensor{}, &model.InputError{Tensor: name, Reason: "the model has no such input" + in.nearest(name)}
		}
		f, value = next, word
	}
	if f == nil {
		return model.Tensor{}, &ux.UsageError{Text: fmt.Sprintf("%q is one value too many: the model takes %d", word, len(in.signature.Inputs))}
	}
	if isFile(value) {
		return in.file(f, value[1:])
	}
	if strings.HasPrefix(value, "@@") {
		value = value[1:]
	}
	return f.ParseText(value)
}

// next is the first input that the request does not have.
func (in *inputReader) next(r *model.Request) *model.Field {
	for i := range in.signature.Inputs {
		f := &in.signature.Inputs[i]
		if !slices.ContainsFunc(r.Inputs, func(t model.Tensor) bool { return t.Name == f.Name }) {
			return f
		}
	}
	return nil
}

// nearest says which input could have been meant.
func (in *inputReader) nearest(name string) string {
	names := make([]string, 0, len(in.signature.Inputs))
	for _, f := range in.signature.Inputs {
		names = append(names, f.Name)
	}
	if table := in.signature.Table(); table != nil {
		for _, c := range table.Parameters.Columns {
			names = append(names, c.Name)
		}
	}
	best := spelling.Nearest(name, names)
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// Formats of files, by what they hold.
const (
	fileNPY  = "npy"
	fileNPZ  = "npz"
	fileJSON = "json"
	fileCSV  = "csv"
	fileRaw  = ""
)

// formatOf knows a file's format by its name, else by how it begins.
func formatOf(name string, content []byte) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".npy":
		return fileNPY
	case ".npz":
		return fileNPZ
	case ".json":
		return fileJSON
	case ".csv", ".tsv":
		return fileCSV
	}
	text := bytes.TrimLeft(content, " \t\r\n")
	switch {
	case bytes.HasPrefix(content, []byte("\x93NUMPY")):
		return fileNPY
	case len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid(text):
		return fileJSON
	}
	return fileRaw
}

// file is the tensor of a file.
func (in *inputReader) file(f *model.Field, name string) (model.Tensor, error) {
	content, err := in.read(name)
	if err != nil {
		return model.Tensor{}, err
	}
	kind := f.Kind()
	if kind == model.KindFile || kind == model.KindImage {
		return f.File(content), nil
	}
	switch format := formatOf(name, content); {
	case format == fileNPY:
		t, err := model.ParseNPY(content)
		if err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
		return f.Fit(t)
	case format == fileNPZ:
		return in.ofArchive(f, name, content)
	case format == fileJSON:
		return f.Parse(content)
	case format == fileCSV, f.Type != model.Bytes, kind == model.KindTable:
		return f.ParseCSV(content)
	}
	if kind == model.KindText { // a line's end is the file's, not the text's
		content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	}
	return f.File(content), nil
}

// ofArchive is the array of one name out of several.
func (in *inputReader) ofArchive(f *model.Field, name string, content []byte) (model.Tensor, error) {
	all, err := model.ParseNPZ(content)
	if err != nil {
		return model.Tensor{}, fmt.Errorf("%s: %w", name, err)
	}
	for _, t := range all {
		if t.Name == f.Name || len(all) == 1 {
			return f.Fit(t)
		}
	}
	return model.Tensor{}, &model.InputError{Tensor: f.Name, Reason: name + " has no array of that name"}
}

// ofFile makes requests of a file that has all inputs.
func (in *inputReader) ofFile(name string) ([]*model.Request, error) {
	// The file of the only input may be in any format; CSV is rows in any case.
	content, err := in.read(name)
	if err != nil {
		return nil, err
	}
	in.stdin, in.piped = bytes.NewReader(content), false // it may be read again
	format := formatOf(name, content)
	switch format {
	case fileNPZ:
		all, err := model.ParseNPZ(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return in.ofArrays(all)
	case fileCSV:
		return in.signature.ParseCSV(content)
	case fileJSON:
		if requests, err := in.ofJSON(content); err == nil || len(in.signature.Inputs) != 1 {
			return requests, err
		}
	}
	f := in.signature.Sole()
	if f == nil {
		if format == fileRaw {
			return in.signature.ParseCSV(content)
		}
		return nil, &ux.UsageError{Text: "the model takes several inputs: say which of them the file is, NAME=@" + name}
	}
	t, err := in.file(f, name)
	return []*model.Request{{Inputs: []model.Tensor{t}}}, err
}

func (in *inputReader) ofArrays(all []model.Tensor) ([]*model.Request, error) {
	r := &model.Request{}
	for _, t := range all {
		f := in.signature.Input(t.Name)
		if f == nil {
			return nil, &model.InputError{Tensor: t.Name, Reason: "the model has no such input" + in.nearest(t.Name)}
		}
		t, err := f.Fit(t)
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	return []*model.Request{r}, nil
}

// maxRequests bounds those of one command.
const maxRequests = 10_000_000

// ofJSON makes requests of {NAME: VALUE}, of a list of such, or of a request of the
// protocol.
func (in *inputReader) ofJSON(text []byte) ([]*model.Request, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '[' {
		var rows []json.RawMessage
		if err := json.Unmarshal(text, &rows); err != nil {
			return nil, fmt.Errorf("the inputs are no JSON: %w", err)
		}
		if len(rows) > maxRequests {
			return nil, fmt.Errorf("the inputs are %d requests, more than %d", len(rows), maxRequests)
		}
		list := make([]*model.Request, 0, len(rows))
		for i, row := range rows {
			r, err := in.object(row)
			if err != nil {
				return nil, fmt.Errorf("request %d: %w", i+1, err)
			}
			list = append(list, r)
		}
		return list, nil
	}
	r, err := in.object(text)
	if err != nil {
		return nil, err
	}
	return []*model.Request{r}, nil
}

// object makes a request of {NAME: VALUE}, or of a request of the protocol.
func (in *inputReader) object(text []byte) (*model.Request, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, &model.InputError{Reason: "the inputs are no JSON object: " + err.Error()}
	}
	if list := bytes.TrimSpace(object["inputs"]); in.signature.Input("inputs") == nil && len(list) > 0 && list[0] == '[' {
		r := &model.Request{}
		err := json.Unmarshal(text, r)
		return r, err
	}
	names := slices.Sorted(maps.Keys(object))
	if !in.signature.IsRecord(names) {
		for _, name := range names {
			if in.signature.Input(name) == nil {
				return nil, &model.InputError{Tensor: name, Reason: "the model has no such input" + in.nearest(name)}
			}
		}
	}
	return in.signature.ParseObject(text)
}
