package packager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Guess is a Wasmfile for a folder that has none, and why it is this one.
type Guess struct {
	// Recipe is the text of the Wasmfile.
	Recipe string
	// Why says in one line what was found.
	Why string
}

// NotRecognisedError says that a folder holds nothing to build.
type NotRecognisedError struct{ Reason string }

func (e *NotRecognisedError) Error() string {
	return e.Reason + "\nlooked for: go.mod with a main package, Cargo.toml, one .wasm, an ONNX model, C sources, a Python file with requirements.txt, index.html\nwrite a Wasmfile; the shortest is: FROM scratch, COPY app.wasm /, ENTRYPOINT [\"/app.wasm\"]"
}

// Recognise says what a folder without a Wasmfile holds: a Go module, a crate of
// Rust, a .wasm, an ONNX model, C sources, or Python with its requirements.
func Recognise(files fs.FS) (Guess, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return Guess{}, fmt.Errorf("read the folder: %w", err)
	}
	byExt := map[string][]string{}
	names := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		names[e.Name()] = true
		byExt[strings.ToLower(path.Ext(e.Name()))] = append(byExt[strings.ToLower(path.Ext(e.Name()))], e.Name())
	}
	switch {
	case names["go.mod"]:
		return recogniseGo(files)
	case names["Cargo.toml"]:
		return recogniseRust(files, names)
	case len(byExt[".wasm"]) == 1:
		return recogniseWasm(byExt[".wasm"][0])
	case len(byExt[".wasm"]) > 1:
		return Guess{}, &NotRecognisedError{"there are several .wasm files: " + strings.Join(byExt[".wasm"], ", ")}
	case len(byExt[".onnx"]) > 0 && !answers(files, byExt[".py"]):
		return recogniseONNX(byExt[".onnx"], names)
	case names["package.json"] && names["package-lock.json"] && hasBuild(files):
		return recogniseNode(files), nil
	case names["manage.py"]:
		return recogniseDjango(names["requirements.txt"]), nil
	case len(byExt[".py"]) > 0:
		return recognisePython(files, byExt[".py"], names["requirements.txt"])
	case len(byExt[".c"]) > 0:
		return recogniseC(files, byExt[".c"])
	}
	if names["index.html"] {
		return Guess{Why: "found a site of files with index.html", Recipe: "FROM static\nCOPY . /srv/http/\n"}, nil
	}
	if found, err := fs.Glob(files, "onnx/*.onnx"); err == nil && len(found) > 0 { // as on model hubs
		return recogniseONNX(found, names)
	}
	return Guess{}, &NotRecognisedError{"nothing in the folder looks like a program"}
}

// recogniseONNX takes the one model, or that which is called model.onnx.
func recogniseONNX(found []string, names map[string]bool) (Guess, error) {
	file := found[0]
	if len(found) > 1 {
		i := slices.IndexFunc(found, func(name string) bool { return path.Base(name) == "model.onnx" })
		if i < 0 {
			return Guess{}, &NotRecognisedError{fmt.Sprintf("there are several ONNX models: %s; an image answers with one of them: FROM onnx, MODEL %s /", strings.Join(found, ", "), found[0])}
		}
		file = found[i]
	}
	if !plainName.MatchString(path.Base(file)) {
		return Guess{}, &NotRecognisedError{fmt.Sprintf("the name %q is no name for a model", file)}
	}
	golden := ""
	if names["cases.json"] {
		golden = "--golden=cases.json "
	}
	return Guess{
		Why:    "found the ONNX model " + file,
		Recipe: fmt.Sprintf("FROM onnx\nMODEL %s%s /models/\n", golden, file),
	}, nil
}

// answers tells whether one of the Python files is a model or a program: what it
// does around an ONNX model belongs to it. Others trained it, or exported it.
func answers(files fs.FS, sources []string) bool {
	return slices.ContainsFunc(sources, func(name string) bool {
		if slices.Contains(programs, name) {
			return true
		}
		text, err := readHead(files, name)
		return err == nil && pythonPredict.MatchString(text)
	})
}

var mainPackage = pattern.New(`(?m)^package main\b`)

func recogniseGo(files fs.FS) (Guess, error) {
	found, err := goMains(files)
	if err != nil {
		return Guess{}, err
	}
	switch len(found) {
	case 0:
		return Guess{}, &NotRecognisedError{"there is a go.mod, but no package main in the folder or under cmd/"}
	case 1:
	default:
		return Guess{}, &NotRecognisedError{"the Go module has several programs: " + strings.Join(found, ", ")}
	}
	dir := found[0]
	name := path.Base(dir)
	if dir == "." {
		name = moduleName(files)
	}
	return Guess{
		Why: fmt.Sprintf("found a Go module with the program %s", name),
		Recipe: fmt.Sprintf(`FROM toolchain:go AS build
WORKDIR /src
COPY . .
RUN go build -o /%[1]s %[2]s

FROM scratch
COPY --from=build /%[1]s /usr/bin/%[1]s
ENTRYPOINT ["%[1]s"]
`, name, dir),
	}, nil
}

// goMains finds package main in the root and one level under cmd.
func goMains(files fs.FS) ([]string, error) {
	dirs := []string{"."}
	under, err := fs.ReadDir(files, "cmd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range under {
		if e.IsDir() && plainName.MatchString(e.Name()) {
			dirs = append(dirs, "cmd/"+e.Name())
		}
	}
	var found []string
	for _, dir := range dirs {
		entries, err := fs.ReadDir(files, dir)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isGoMain(files, dir, e) }) {
			if dir != "." {
				dir = "./" + dir
			}
			found = append(found, dir)
		}
	}
	return found, nil
}

func isGoMain(files fs.FS, dir string, e fs.DirEntry) bool {
	if e.IsDir() || path.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
		return false
	}
	text, err := readHead(files, path.Join(dir, e.Name()))
	return err == nil && mainPackage.MatchString(text) && !strings.Contains(text, "//go:build ignore")
}

// plainName is a name that needs no quotes in a Wasmfile.
var plainName = pattern.New(`^[A-Za-z0-9][\w.+-]*$`)

var moduleLine = pattern.New(`(?m)^module\s+"?([^\s"]+)"?`)

// moduleName is the last element of the module path, as go build names programs.
func moduleName(files fs.FS) string {
	text, err := readHead(files, "go.mod")
	if m := moduleLine.FindStringSubmatch(text); err == nil && m != nil {
		name := path.Base(m[1])
		if majorVersion.MatchString(name) {
			name = path.Base(path.Dir(m[1]))
		}
		if plainName.MatchString(name) {
			return name
		}
	}
	return "app"
}

var majorVersion = pattern.New(`^v[0-9]+$`)

func recogniseWasm(name string) (Guess, error) {
	program := strings.TrimSuffix(name, path.Ext(name))
	if !plainName.MatchString(name) {
		return Guess{}, &NotRecognisedError{fmt.Sprintf("the name %q is no name for a program", name)}
	}
	return Guess{
		Why:    "found the module " + name,
		Recipe: fmt.Sprintf("FROM scratch\nCOPY %s /usr/bin/%s\nENTRYPOINT [\"%s\"]\n", name, program, program),
	}, nil
}

var cMain = pattern.New(`(?m)^\s*(int|void)\s+main\s*\(`)

func recogniseC(files fs.FS, sources []string) (Guess, error) {
	var program string
	flags := "-O2"
	for _, name := range sources {
		if !plainName.MatchString(name) {
			return Guess{}, &NotRecognisedError{fmt.Sprintf("the name %q is no name for a source file", name)}
		}
		text, err := readHead(files, name)
		if err != nil {
			return Guess{}, err
		}
		if strings.Contains(text, "wasm_simd128.h") {
			flags = "-O3 -msimd128"
		}
		if cMain.MatchString(text) {
			if program != "" {
				return Guess{}, &NotRecognisedError{"several C files have a main: " + program + ".c, " + name}
			}
			program = strings.TrimSuffix(name, path.Ext(name))
		}
	}
	if program == "" {
		return Guess{}, &NotRecognisedError{"there are C files, but none has a main"}
	}
	return Guess{
		Why: "found C sources with the program " + program,
		Recipe: fmt.Sprintf(`FROM toolchain:c AS build
WORKDIR /src
COPY . .
RUN clang %[1]s -o /%[2]s %[3]s

FROM scratch
COPY --from=build /%[2]s /usr/bin/%[2]s
ENTRYPOINT ["%[2]s"]
`, flags, program, strings.Join(sources, " ")),
	}, nil
}

// programs are the names that Python programs usually have, the likeliest first.
var programs = []string{"predict.py", "main.py", "app.py", "__main__.py", "run.py"}

var pythonPredict = pattern.New(`(?m)^(async\s+)?def\s+predict\s*\(`)

// pythonONNX finds programs that need ONNX Runtime beside them.
var pythonONNX = pattern.New(`(?m)^\s*(import|from)\s+onnxruntime\b`)

func recognisePython(files fs.FS, sources []string, requirements bool) (Guess, error) {
	program := ""
	for _, name := range programs {
		if slices.Contains(sources, name) {
			program = name
			break
		}
	}
	if program == "" && len(sources) == 1 {
		program = sources[0]
	}
	if program == "" || !plainName.MatchString(strings.TrimPrefix(program, "__")) {
		return Guess{}, &NotRecognisedError{"there are several Python files, and none is called " + strings.Join(programs, ", ")}
	}
	text, err := readHead(files, program)
	if err != nil {
		return Guess{}, err
	}
	start := fmt.Sprintf(`["python", "%s"]`, program)
	if pythonPredict.MatchString(text) {
		start = fmt.Sprintf(`["predict", "%s"]`, program)
	}
	var b strings.Builder
	b.WriteString("FROM python\nWORKDIR /app\n")
	why := "found the Python program " + program
	if requirements {
		why += " with requirements.txt"
		b.WriteString("COPY requirements.txt .\nRUN pip install -r requirements.txt\n")
	}
	for _, name := range sources {
		if text, err := readHead(files, name); err == nil && pythonONNX.MatchString(text) {
			why += ", which runs ONNX models"
			b.WriteString("COPY --from=onnx /usr/local/bin/onnxruntime.wasm /usr/local/bin/onnxruntime.wasm\n")
			break
		}
	}
	if command := webCommand(program, text); command != "" {
		fmt.Fprintf(&b, "COPY . .\nCMD %s\n", command)
		return Guess{Why: strings.Replace(why, "the Python program", "the web application", 1), Recipe: b.String()}, nil
	}
	fmt.Fprintf(&b, "COPY . .\nENTRYPOINT %s\n", start)
	return Guess{Why: why, Recipe: b.String()}, nil
}

// pythonWeb finds the application that a file makes.
var pythonWeb = pattern.New(`(?m)^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)?(Flask|Bottle|Quart|Starlette|FastAPI|Litestar)\(`)

// pythonFactory finds a function that makes an application of Flask.
var pythonFactory = pattern.New(`(?m)^def\s+(create_app|make_app)\s*\(`)

// webCommand is what serves the application of a Python file; "" when it has none.
func webCommand(program, text string) string {
	module := strings.TrimSuffix(program, ".py")
	if m := pythonWeb.FindStringSubmatch(text); m != nil {
		server := "uvicorn"
		if m[2] == "Flask" || m[2] == "Bottle" {
			server = "gunicorn"
		}
		return fmt.Sprintf(`["%s", "%s:%s"]`, server, module, m[1])
	}
	if pythonFactory.MatchString(text) && strings.Contains(text, "Flask(") {
		return fmt.Sprintf(`["flask", "--app", "%s", "run"]`, module)
	}
	return ""
}

// packageJSON is what is read of a front end's package.json.
type packageJSON struct {
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
}

func readPackage(files fs.FS) (p packageJSON) {
	text, err := readHead(files, "package.json")
	if err != nil || json.Unmarshal([]byte(text), &p) != nil {
		return packageJSON{}
	}
	return p
}

func hasBuild(files fs.FS) bool { return readPackage(files).Scripts["build"] != "" }

// recogniseNode builds a front end by its script build, and serves what that writes.
func recogniseNode(files fs.FS) Guess {
	p := readPackage(files)
	has := func(name string) bool { return p.Dependencies[name] != "" || p.DevDependencies[name] != "" }
	out, routes := "dist", has("vite") && !has("astro") || has("@vue/cli-service")
	if has("react-scripts") {
		out, routes = "build", true
	}
	label := ""
	if routes {
		label = "LABEL run.wherry.web.fallback=/index.html\n"
	}
	return Guess{
		Why:    "found a front end with the script build, which is to write " + out + "/",
		Recipe: "FROM toolchain:node AS build\nWORKDIR /src\nCOPY . .\nRUN npm ci && npm run build\n\nFROM static\nCOPY --from=build /src/" + out + "/ /srv/http/\n" + label,
	}
}

func recogniseDjango(requirements bool) Guess {
	recipe := "FROM python\nWORKDIR /app\n"
	if requirements {
		recipe += "COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
	}
	return Guess{Why: "found a Django project with manage.py", Recipe: recipe + "COPY . .\nCMD [\"python\", \"manage.py\", \"runserver\"]\n"}
}

// readHead reads the first part of a text file.
func readHead(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256<<10))
	return string(text), err
}
