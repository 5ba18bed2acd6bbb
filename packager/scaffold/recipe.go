package scaffold

import (
	"fmt"
	"strings"
)

// recipeOf is what a Wasmfile of a Python model is about.
type recipeOf struct {
	models  []string // files and folders, beside each other
	modules []string // Python files besides predict.py
	golden  bool
	onnx    bool // it asks ONNX Runtime
}

// engine is where images have ONNX Runtime.
const engine = "/usr/local/bin/onnxruntime.wasm"

// pythonRecipe is the Wasmfile of a model with a predict.py.
func pythonRecipe(r recipeOf) string {
	var b strings.Builder
	b.WriteString("# Written by wherry init.\nFROM python\n")
	if r.onnx {
		b.WriteString("COPY --from=onnx " + engine + " " + engine + "\n")
	}
	b.WriteString("WORKDIR " + Work + "\n")
	for i, m := range r.models {
		flag := ""
		if i == 0 && r.golden {
			flag = "--golden=cases.json "
		}
		dest := "."
		if at := strings.LastIndexByte(m, '/'); at >= 0 {
			dest = m[:at+1]
		}
		fmt.Fprintf(&b, "MODEL %s%s\n", flag, words(m, dest))
	}
	fmt.Fprintf(&b, "COPY %s\n", words(append([]string{"predict.py"}, append(r.modules, "./")...)...))
	b.WriteString("ENTRYPOINT [\"predict\", \"" + Work + "/predict.py\"]\n")
	return b.String()
}

// words are arguments of an instruction, as a JSON list when one needs quotes.
func words(list ...string) string {
	plain := true
	for _, w := range list {
		plain = plain && shellWord(w) == w
	}
	if plain {
		return strings.Join(list, " ")
	}
	quotedWords := make([]string, len(list))
	for i, w := range list {
		quotedWords[i] = quoted(w)
	}
	return "[" + strings.Join(quotedWords, ", ") + "]"
}
