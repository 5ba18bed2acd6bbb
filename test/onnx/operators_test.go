package onnx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/dock"
)

// operatorVersions is a line of what testdata/operators.py writes.
type operatorVersions struct {
	Domain, Name string
	Versions     []struct {
		Since  int
		Signs  string
		Old    bool
		Models [][]byte // nil: not asked
	}
}

// TestOperators asks the engine for every operator, in every version, with every
// type, and makes the list of operators that models are lowered by anew: it is the
// one that is there. WHERRY_TEST_ONNX_REPORT gets it when it is another.
func TestOperators(t *testing.T) {
	if !long() {
		t.Skip("NOT TESTED: which operators the engine has: set WHERRY_TEST_ONNX=long")
	}
	e := newEngine(t)
	var made bytes.Buffer
	asked := 0
	for line := range strings.Lines(packages(t).Must(t, "", script(t, "operators.py"))) {
		var o operatorVersions
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		text := o.Domain + " " + o.Name
		for _, v := range o.Versions {
			text += fmt.Sprintf(" %d", v.Since)
			switch {
			case v.Old:
				text += "x"
			case v.Models != nil:
				asked += len(v.Models)
				has, known := e.has(t, v.Models, v.Since < 7 && o.Domain == "ai.onnx")
				if !known && o.Domain == "com.microsoft" {
					text = ""
				} else if !has {
					text += "-"
				}
			}
			if text == "" {
				break
			}
			text += v.Signs
		}
		if text != "" {
			made.WriteString(text + "\n")
		}
	}
	t.Logf("%d models asked", asked)
	file := filepath.Join(dock.Root(t), "model", "onnx", "graph", "operators.txt")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(have, made.Bytes()) {
		return
	}
	was := map[string]bool{}
	for line := range strings.Lines(string(have)) {
		was[line] = true
	}
	for line := range strings.Lines(made.String()) {
		if !was[line] {
			t.Errorf("%s has not: %s", file, line)
		}
	}
	if out := os.Getenv("WHERRY_TEST_ONNX_REPORT"); out != "" {
		if err := os.WriteFile(out+".operators", made.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("%s is not what was made", file)
}

// has asks for an operator with each type. Where nothing says that there is none,
// one that refused its made-up attributes is there, too, unless it is so old that
// no operators are.
func (e *engine) has(t *testing.T, models [][]byte, old bool) (has, known bool) {
	known = true
	refused, none := false, false
	for _, data := range models {
		i, done, err := e.open(t, data, nil)
		var said *model.ModelError
		switch {
		case err == nil:
			_ = i
			done()
			return true, true
		case !errors.As(err, &said):
			refused = true // the module trapped
		case strings.Contains(said.Message, "is not a registered function/op"):
			known = false
		case strings.Contains(said.Message, "Could not find an implementation"), strings.Contains(said.Message, "Failed to find kernel"):
			none = true
		case said.Type == "EXCEPTION":
			refused = true
		default:
			return true, true // something else is wrong with what was made up
		}
	}
	return refused && known && !(none && old), known
}
