package toolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// rustTarget is what Rust calls modules for WASI preview 1.
const rustTarget = "wasm32-wasip1"

// cargoRun is a checked "cargo build" or "cargo fetch".
type cargoRun struct {
	verb     string
	manifest string // in the stage
	choice   []string
	flags    []string
	codegen  []string
}

// cargoFlags are the flags of cargo that may be given, with a test of their values; a
// flag without one takes no value.
var cargoFlags = map[string]*pattern.Pattern{
	"--release": nil, "-r": nil, "--locked": nil, "--offline": nil, "--frozen": nil, "--all-features": nil,
	"--no-default-features": nil, "--workspace": nil, "--lib": nil, "--bins": nil, "-v": nil, "--verbose": nil, "-q": nil, "--quiet": nil,
	"--profile": crateName, "--bin": crateName, "--example": crateName, "-p": crateName, "--package": crateName,
	"--features": features, "-F": features,
	"-j":     pattern.New(`^[0-9]{1,3}$`),
	"--jobs": pattern.New(`^[0-9]{1,3}$`),
}

// choosing are those of them by which crates are chosen, and features: what cargo
// metadata has to know, too.
var choosing = []string{"--locked", "--offline", "--frozen", "--all-features", "--no-default-features", "--features", "-F"}

var (
	crateName = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)
	features  = pattern.New(`^[\w/+?, -]*$`)
	codegen   = pattern.New(`^(target-feature=([+-][a-z0-9-]+,?)+|opt-level=[0-3sz]|panic=abort|lto(=(fat|thin|off))?|codegen-units=[0-9]{1,3}|link-arg=(-zstack-size=[0-9]+|--(initial|max)-memory=[0-9]+|--export=\w+))$`)
)

func (c *checker) cargo(env, argv []string) (command, error) {
	verb := strings.Join(argv[1:min(2, len(argv))], " ")
	if verb == "b" {
		verb = "build"
	}
	if verb != "build" && verb != "fetch" {
		return nil, refuse("rust", "cargo "+verb, "this is not run on the host")
	}
	r := cargoRun{verb: verb, manifest: path.Join(c.dir, "Cargo.toml")}
	words, err := codegenOf(append(slices.Clone(c.job.Env), env...))
	if err != nil {
		return nil, err
	}
	r.codegen = words
	for args := argv[2:]; len(args) > 0; {
		if args, err = r.flag(c, args); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// flag takes the next flag of a line.
func (r *cargoRun) flag(c *checker, args []string) ([]string, error) {
	name, value, joined := strings.Cut(args[0], "=")
	rest := args[1:]
	test, known := cargoFlags[name]
	if known && test == nil && !joined {
		if slices.Contains(choosing, name) {
			r.choice = append(r.choice, name)
		} else {
			r.flags = append(r.flags, name)
		}
		return rest, nil
	}
	own := name == "--target" || name == "--manifest-path"
	if !own && (!known || test == nil) {
		return nil, refuse("rust", "cargo "+r.verb+" "+args[0], "this flag is not possible here")
	}
	if !joined {
		if len(rest) == 0 {
			return nil, refuse("rust", "cargo "+r.verb+" "+name, "the flag needs a value")
		}
		value, rest = rest[0], rest[1:]
	}
	switch {
	case name == "--target" && value != rustTarget && value != "wasm32-wasi":
		return nil, refuse("rust", "cargo --target "+value, "the target is "+rustTarget+", which is set already")
	case name == "--target":
	case name == "--manifest-path":
		at, err := c.inside(value)
		if err != nil || path.Base(at) != "Cargo.toml" {
			return nil, errors.Join(err, refuse("rust", "cargo --manifest-path "+value, "name a Cargo.toml of the stage"))
		}
		r.manifest = at
	case !test.MatchString(value):
		return nil, refuse("rust", "cargo "+r.verb+" "+name+"="+value, "this value is not possible here")
	case slices.Contains(choosing, name):
		r.choice = append(r.choice, name+"="+value)
	default:
		r.flags = append(r.flags, name, value)
	}
	return rest, nil
}

// codegenOf reads the variable RUSTFLAGS of a stage.
func codegenOf(env []string) ([]string, error) {
	text := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "RUSTFLAGS="); ok {
			text = v
		}
	}
	var kept []string
	for words := strings.Fields(text); len(words) > 0; words = words[1:] {
		word := words[0]
		if word == "-C" && len(words) > 1 {
			words = words[1:]
			word += words[0]
		}
		value, ok := strings.CutPrefix(word, "-C")
		if !ok || !codegen.MatchString(value) {
			return nil, refuse("rust", "RUSTFLAGS "+word, "possible are -C target-feature=+simd128, opt-level, panic=abort, lto, codegen-units, link-arg=-zstack-size=N, link-arg=--export=NAME")
		}
		kept = append(kept, "-C"+value)
	}
	return kept, nil
}

func (r cargoRun) run(ctx context.Context, w *workshop) error {
	tool, err := w.host.rust(ctx, w.job.Pinned)
	if err != nil {
		return err
	}
	if !isFile(w.path(r.manifest)) {
		return &Error{What: "cargo " + r.verb, Why: "there is no Cargo.toml in " + path.Dir(r.manifest), Advice: "COPY Cargo.toml too, or WORKDIR to the folder that has it"}
	}
	j := &cargoJob{cargoRun: r, tool: tool, w: w, target: filepath.Join(w.tmp, "target")}
	if err := j.look(ctx); err != nil {
		return err
	}
	if r.verb == "fetch" {
		_, err := j.cargo(ctx, append([]string{"fetch", "--target", tool.target}, j.lock()...)...)
		return err
	}
	return j.build(ctx)
}

// cargoJob is one call of cargo.
type cargoJob struct {
	cargoRun
	tool   *rusttool
	w      *workshop
	target string // where cargo works
	root   string // of the workspace
	vendor string // folder of crates that the stage brings along; "" is none
}

// lock are the flags that say whether crates may be looked for.
func (j *cargoJob) lock() []string {
	return slices.DeleteFunc(slices.Clone(j.choice), func(f string) bool { return f != "--locked" && f != "--offline" && f != "--frozen" })
}

// cargo calls cargo, away from the stage: it would take settings of folders above it.
func (j *cargoJob) cargo(ctx context.Context, args ...string) (string, error) {
	flags := []string{"-Cstrip=symbols", "--remap-path-prefix=" + j.w.stage + "=", "--remap-path-prefix=" + j.w.tmp + "=/tmp",
		"--remap-path-prefix=" + j.tool.home + "=/cargo"}
	env := append(slices.Clone(j.tool.env), "CARGO_TARGET_DIR="+j.target, "CARGO_INCREMENTAL=0", "CARGO_TERM_COLOR=never",
		"CARGO_ENCODED_RUSTFLAGS="+strings.Join(append(flags, j.codegen...), "\x1f"))
	argv := append([]string{j.tool.cargo, args[0], "--manifest-path", j.w.path(j.manifest)}, args[1:]...)
	if j.vendor != "" {
		argv = append(argv, "--config", `source.crates-io.replace-with="stage"`, "--config", fmt.Sprintf("source.stage.directory=%q", filepath.ToSlash(j.vendor)))
	}
	return call(ctx, j.tool.home, j.w.host.environment(j.w.tmp, env...), j.w.job.Stderr, argv...)
}

// build compiles, and takes the modules into the stage where cargo would have put them.
func (j *cargoJob) build(ctx context.Context) error {
	args := append([]string{"build", "--target", j.tool.target, "--message-format=json-render-diagnostics"}, append(j.choice, j.flags...)...)
	out, err := j.cargo(ctx, args...)
	if err != nil {
		return err
	}
	if err := j.checkSources(); err != nil {
		return err
	}
	base := filepath.Join(j.target, j.tool.target)
	made := 0
	for line := range strings.Lines(out) {
		var said struct {
			Reason    string
			Filenames []string
		}
		if json.Unmarshal([]byte(line), &said) != nil || said.Reason != "compiler-artifact" {
			continue
		}
		for _, name := range said.Filenames {
			rel, err := filepath.Rel(base, name)
			if err != nil || !filepath.IsLocal(rel) || filepath.Ext(name) != ".wasm" || strings.Contains(filepath.ToSlash(rel), "/deps/") {
				continue
			}
			if err := j.w.output(path.Join(j.root, "target", rustTarget, filepath.ToSlash(rel)), name); err != nil {
				return err
			}
			made++
		}
	}
	if made == 0 {
		return &Error{What: "cargo build", Why: "it made no module", Advice: `a program has src/main.rs; a library that is called has, in Cargo.toml, [lib] crate-type = ["cdylib"]`}
	}
	return nil
}

// checkSources refuses what was made of files that are neither the stage's nor those of
// crates and of Rust itself: include_str! takes any.
func (j *cargoJob) checkSources() error {
	roots := []string{j.target, j.tool.home, j.tool.sysroot}
	return filepath.WalkDir(j.target, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".d" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for rule := range bytes.SplitSeq(text, []byte("\n")) {
			for _, dep := range makeDeps(string(rule)) {
				if filepath.IsAbs(dep) && !j.w.within(dep, roots) {
					return &Error{What: "cargo build", Why: fmt.Sprintf("%s takes in %s, a file of this machine", strings.TrimSuffix(d.Name(), ".d"), filepath.Base(dep)), Advice: "COPY the file into the stage, and name it relative to the source"}
				}
			}
		}
		return nil
	})
}
