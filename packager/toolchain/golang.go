package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// goBuild is a checked "go build".
type goBuild struct {
	dir      string
	output   string
	flags    []string
	ldflags  []string
	packages []string
}

// goDownload is a checked "go mod download" or "go mod verify".
type goDownload struct {
	dir  string
	verb string
}

// goFlags are the flags of go build that may be given, with a test of their
// values; a flag without one takes no value.
var goFlags = map[string]*pattern.Pattern{
	"-tags":      pattern.New(`^[A-Za-z0-9_.,]*$`),
	"-mod":       pattern.New(`^(readonly|vendor)$`),
	"-buildmode": pattern.New(`^(default|exe|c-shared)$`),
	"-buildvcs":  pattern.New(`^false$`),
	"-p":         pattern.New(`^[0-9]{1,3}$`),
	"-trimpath":  nil,
	"-v":         nil,
}

func (c *checker) golang(argv []string) (command, error) {
	verb := strings.Join(argv[1:min(3, len(argv))], " ")
	switch {
	case (verb == "mod download" || verb == "mod verify") && len(argv) == 3:
		return goDownload{c.dir, argv[2]}, nil
	case len(argv) > 1 && argv[1] == "build":
		return c.goBuild(argv[2:])
	}
	return nil, refuse("go", "go "+verb, "this is not run on the host")
}

func (c *checker) goBuild(args []string) (command, error) {
	g := goBuild{dir: c.dir}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if !strings.HasPrefix(arg, "-") {
			if err := c.goPackage(arg); err != nil {
				return nil, err
			}
			g.packages = append(g.packages, arg)
			continue
		}
		name, value, joined := strings.Cut(arg, "=")
		if strings.HasPrefix(name, "--") {
			name = name[1:]
		}
		test, known := goFlags[name]
		if known && test == nil && !joined {
			g.flags = append(g.flags, name)
			continue
		}
		if !joined {
			if len(args) == 0 {
				return nil, refuse("go", "go build "+arg, "the flag needs a value")
			}
			value, args = args[0], args[1:]
		}
		if err := g.flag(c, name, value, test); err != nil {
			return nil, err
		}
	}
	if g.output == "" {
		return nil, refuse("go", "go build", "write where the module goes: -o /app.wasm")
	}
	if len(g.packages) == 0 {
		g.packages = []string{"."}
	}
	return g, nil
}

// flag takes a flag with its value.
func (g *goBuild) flag(c *checker, name, value string, test *pattern.Pattern) error {
	switch name {
	case "-o":
		at, err := c.inside(value)
		if strings.HasSuffix(value, "/") {
			at += "/"
		}
		g.output = at
		return err
	case "-ldflags":
		words, err := linkFlags(value)
		g.ldflags = words
		return err
	}
	if test == nil || !test.MatchString(value) {
		return refuse("go", "go build "+name+"="+value, "this flag is not possible here")
	}
	g.flags = append(g.flags, name+"="+value)
	return nil
}

var linkVariable = pattern.New(`^[\w./-]+\.[\w]+=[^'"\x00]*$`)

// linkFlags allows -s, -w, -buildid= and -X name=value.
func linkFlags(value string) ([]string, error) {
	var kept []string
	words := strings.Fields(value)
	for i := 0; i < len(words); i++ {
		word := strings.Trim(words[i], `'"`)
		switch {
		case word == "-s" || word == "-w" || word == "-buildid=":
			continue // always set
		case word == "-X" && i+1 < len(words):
			i++
			word = strings.Trim(words[i], `'"`)
		case strings.HasPrefix(word, "-X="):
			word = word[3:]
		default:
			return nil, refuse("go", "-ldflags "+word, "only -s, -w and -X name=value are possible here")
		}
		if !linkVariable.MatchString(word) {
			return nil, refuse("go", "-ldflags -X "+word, "expected package.name=value without spaces")
		}
		kept = append(kept, "-X="+word)
	}
	return kept, nil
}

var importPath = pattern.New(`^[\w][\w./~-]*$`)

// goPackage allows packages of the stage and of its modules.
func (c *checker) goPackage(arg string) error {
	if arg == "." || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "../") || strings.HasSuffix(arg, ".go") {
		_, err := c.inside(strings.TrimSuffix(arg, "..."))
		return err
	}
	if !importPath.MatchString(arg) || strings.Contains(arg, "..") && !strings.HasSuffix(arg, "/...") {
		return refuse("go", arg, "name the package relative to the folder, as in ./cmd/app")
	}
	return nil
}

// gotool is the host's go command.
type gotool struct {
	path    string
	version string
	env     []string
}

// goSettings are what a user may have set for fetching modules; they are taken
// over, all else is pinned.
var goSettings = []string{
	"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE", "GOVCS", "GOAUTH",
	"GOMODCACHE", "GOCACHE", "GOROOT",
}

var proxySettings = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
}

// golang finds the go command, in the release that the stage is pinned to.
func (h *Host) golang(ctx context.Context, pinned string) (*gotool, error) {
	bin, ok := h.find("go")
	if !ok {
		return nil, &Error{
			What:   "toolchain:go",
			Why:    "no go command on this machine",
			Advice: "install Go 1.24 or later (go.dev/dl, apt install golang, brew install go) and see that it is on PATH",
		}
	}
	release := "local"
	if pinned != "" {
		release = pinned
	}
	env := append(slices.Clone(h.Env), "GOTOOLCHAIN="+release, "GOWORK=off", "GOFLAGS=")
	dir := filepath.Dir(bin) // no go.mod there that could ask for another release
	out, err := call(ctx, dir, env, nil, append([]string{bin, "env", "-json", "GOVERSION"}, goSettings...)...)
	if err != nil {
		return nil, fmt.Errorf("ask go for its settings (%s): %w%s", release, err, said(err))
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(out), &values); err != nil {
		return nil, fmt.Errorf("ask go for its settings: %w", err)
	}
	g := &gotool{path: bin, version: values["GOVERSION"], env: []string{
		"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOENV=off", "GOWORK=off", "GOTOOLCHAIN=" + release,
		"GOFLAGS=", "GO111MODULE=on", "GOEXPERIMENT=", "GOTELEMETRY=off",
	}}
	for _, name := range goSettings {
		if v := values[name]; v != "" && !(name == "GOROOT" && pinned != "") {
			g.env = append(g.env, name+"="+v)
		}
	}
	for _, name := range proxySettings {
		if v, ok := h.lookup(name); ok {
			g.env = append(g.env, name+"="+v)
		}
	}
	if home, ok := h.lookup("HOME"); ok {
		g.env = append(g.env, "NETRC="+filepath.Join(home, ".netrc"))
	}
	return g, nil
}

// said is what a failed program printed, on lines of its own.
func said(err error) string {
	var exit *ExitError
	if errors.As(err, &exit) && exit.Stderr != "" {
		return "\n" + strings.TrimSpace(exit.Stderr)
	}
	return ""
}

func (g goDownload) run(ctx context.Context, w *workshop) error {
	tool, err := w.host.golang(ctx, w.job.Pinned)
	if err != nil {
		return err
	}
	if err := checkModule(ctx, w, tool, g.dir); err != nil {
		return err
	}
	_, err = call(ctx, w.path(g.dir), w.host.environment(w.tmp, tool.env...), w.job.Stderr, tool.path, "mod", g.verb)
	return err
}

func (g goBuild) run(ctx context.Context, w *workshop) error {
	tool, err := w.host.golang(ctx, w.job.Pinned)
	if err != nil {
		return err
	}
	if err := checkModule(ctx, w, tool, g.dir); err != nil {
		return err
	}
	if err := g.checkAssembly(ctx, w, tool); err != nil {
		return err
	}
	out, err := w.scratch()
	if err != nil {
		return err
	}
	toDir := strings.HasSuffix(g.output, "/") || w.isDir(g.output)
	at := out + string(filepath.Separator)
	if !toDir {
		at = filepath.Join(out, "module.wasm")
	}
	argv := []string{tool.path, "build", "-trimpath", "-buildvcs=false",
		"-ldflags=" + strings.Join(append([]string{"-s", "-w", "-buildid="}, g.ldflags...), " "), "-o", at}
	for _, f := range g.flags {
		if f != "-trimpath" && f != "-buildvcs=false" {
			argv = append(argv, f)
		}
	}
	if _, err := call(ctx, w.path(g.dir), w.host.environment(w.tmp, tool.env...), w.job.Stderr, append(append(argv, "--"), g.packages...)...); err != nil {
		return err
	}
	if !toDir {
		return w.output(g.output, at)
	}
	made, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	for _, e := range made {
		if err := w.output(path.Join(g.output, e.Name()), filepath.Join(out, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// checkModule wants a go.mod in the stage (go would look above it, on the host)
// whose replacements stay inside.
func checkModule(ctx context.Context, w *workshop, tool *gotool, dir string) error {
	at := path.Join("/", dir)
	for !isFile(filepath.Join(w.path(at), "go.mod")) {
		if at == "/" {
			return &Error{What: "go build", Why: "there is no go.mod in " + dir, Advice: "COPY go.mod too, or make one beside the sources: go mod init NAME"}
		}
		at = path.Dir(at)
	}
	out, err := call(ctx, w.path(at), w.host.environment(w.tmp, tool.env...), w.job.Stderr, tool.path, "mod", "edit", "-json")
	if err != nil {
		return err
	}
	var mod struct {
		Replace []struct {
			New struct{ Path, Version string }
		}
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return fmt.Errorf("read go.mod: %w", err)
	}
	c := &checker{job: w.job, dir: at}
	for _, r := range mod.Replace {
		p := r.New.Path
		if r.New.Version != "" {
			continue
		}
		if path.IsAbs(p) || filepath.IsAbs(p) {
			return &Error{What: "go.mod", Why: "replace => " + p + " names a folder of this machine", Advice: "use a relative path, and COPY that folder too"}
		}
		if _, err := c.inside(p); err != nil {
			return &Error{What: "go.mod", Why: "replace => " + p + " leads out of the stage", Advice: "COPY that folder below the module's, or its parent"}
		}
	}
	return nil
}
