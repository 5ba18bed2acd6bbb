package scaffold

import (
	"fmt"
	"maps"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// report is what guest/report.py says of a pickle. It comes from where the
// pickle's own code ran, so it may hold anything.
type report struct {
	Format      string            `json:"format"`
	Class       string            `json:"class"`
	Kind        string            `json:"kind"`
	Input       string            `json:"input"`
	Features    []string          `json:"features"`
	Count       int               `json:"n_features"`
	Classes     []any             `json:"classes"`
	Outputs     int               `json:"outputs"`
	Steps       [][2]string       `json:"steps"`
	Methods     []string          `json:"methods"`
	Versions    map[string]string `json:"versions"`
	Base        map[string]string `json:"base"`
	Modules     []string          `json:"modules"`
	Problem     *problem          `json:"problem"`
	Part        *part             `json:"part"`
	Columns     []column          `json:"columns"`
	Rows        [][]any           `json:"rows"`
	RowsFrom    string            `json:"rows_from"`
	Prepare     *prepare          `json:"prepare"`
	Definitions []definition      `json:"definitions"`
	MLflow      *mlflow           `json:"mlflow"`
	Source      *struct {
		Name    string   `json:"name"`
		Table   string   `json:"table"`
		Skipped []string `json:"skipped"`
	} `json:"source"`
}

// mlflow is what an MLmodel says.
type mlflow struct {
	Flavor string `json:"flavor"`
	File   string `json:"file"`
	Code   string `json:"code"`
}

// problem is why a pickle could not be read.
type problem struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Kind   string `json:"kind"`
	Module string `json:"module"`
	Trace  string `json:"trace"`
}

// part says where in a dictionary or list the model is.
type part struct {
	How    string   `json:"how"`
	Key    any      `json:"key"`
	Others [][2]any `json:"others"`
}

// column is one value of a request.
type column struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Choices []any  `json:"choices"`
	Example any    `json:"example"`
}

// prepare is what the notebook does to a table before the model sees it.
type prepare struct {
	Top   [][2]string       `json:"top"`
	Lines [][2]string       `json:"lines"`
	Notes []string          `json:"notes"`
	Raw   []string          `json:"raw"`
	Frame string            `json:"frame"`
	Loads map[string]string `json:"loads"`
}

type definition struct {
	Text  string   `json:"text"`
	Place string   `json:"place"`
	Names []string `json:"names"`
}

// maxColumns bounds the columns of a request that are parameters of their own.
const maxColumns = 5000

var (
	identifier = pattern.New(`^[A-Za-z_]\w{0,99}$`)
	release    = pattern.New(`^\d[\w.+!-]{0,40}$`)
)

// check refuses a report that contradicts itself, and leaves out versions that are
// none: they become part of commands that people copy.
func (r *report) check() error {
	for _, versions := range []map[string]string{r.Versions, r.Base} {
		maps.DeleteFunc(versions, func(_, v string) bool { return !release.MatchString(v) })
	}
	if r.Problem != nil {
		return nil
	}
	wrong := func(what string) error { return fmt.Errorf("the report of the sandbox is wrong: %s", what) }
	switch {
	case len(r.Columns) > maxColumns || len(r.Features) > 1<<20 || len(r.Classes) > 1<<20:
		return wrong("too many columns")
	case r.Outputs < 0 || r.Count < 0:
		return wrong("negative counts")
	}
	for _, row := range r.Rows {
		if r.Input != "text" && len(row) != len(r.Columns) {
			return wrong("a row has other columns")
		}
	}
	for i := range r.Columns {
		c := &r.Columns[i]
		switch c.Type {
		case "float", "int", "str", "bool":
		default:
			return wrong("a column is of type " + c.Type)
		}
	}
	if p := r.Prepare; p != nil {
		if !identifier.MatchString(p.Frame) {
			return wrong("the frame has no name")
		}
		for name := range p.Loads {
			if !identifier.MatchString(name) {
				return wrong("a loaded file has no name")
			}
		}
	}
	return nil
}

// can tells whether the model has a method.
func (r *report) can(method string) bool {
	for _, m := range r.Methods {
		if m == method {
			return true
		}
	}
	return false
}

// said is the model in a few words.
func (r *report) said() string {
	class := r.Class[strings.LastIndexByte(r.Class, '.')+1:]
	if len(r.Steps) > 0 {
		var steps []string
		for _, s := range r.Steps {
			steps = append(steps, s[1][strings.LastIndexByte(s[1], '.')+1:])
		}
		class += " of " + strings.Join(steps, ", ")
	}
	if v := r.Versions["scikit-learn"]; v != "" && strings.HasPrefix(r.Class, "sklearn.") {
		class += " (scikit-learn " + v + ")"
	}
	return comment(class)
}
