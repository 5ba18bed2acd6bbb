package toolchain

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// startSource makes C programs start in the container's working directory: WASI
// has none, so it comes as the variable PWD.
//
//go:embed start.c.txt
var startSource []byte

// ccBuild is a checked call of clang.
type ccBuild struct {
	dir    string
	output string
	// args are the flags in order; paths of the stage are marked.
	args    []ccArg
	sources []string
	// inputs counts sources, objects and archives.
	inputs int
	// link is false with -c; start says that the program has a main.
	link, start bool
}

// ccArg is a word for clang: flag, then a path of the stage if there is one.
type ccArg struct{ flag, path string }

// ccFlags are the flags that stand alone.
var ccFlags = []*pattern.Pattern{
	pattern.New(`^-O([0123sz]|fast)?$`),
	pattern.New(`^-g[0-3]?$`),
	pattern.New(`^-std=(c|gnu)[0-9a-z]{1,3}$`),
	pattern.New(`^-W[a-z0-9=+-]*$|^-pedantic(-errors)?$|^-w$|^-v$`),
	pattern.New(`^-m(no-)?(simd128|bulk-memory|sign-ext|nontrapping-fptoint|mutable-globals|multivalue)$`),
	pattern.New(`^-mexec-model=(command|reactor)$`),
	pattern.New(`^-f(no-)?(fast-math|math-errno|builtin|strict-aliasing|wrapv|unroll-loops|vectorize|slp-vectorize|tree-vectorize|` +
		`inline|inline-functions|omit-frame-pointer|function-sections|data-sections|PIC|trapping-math|associative-math|reciprocal-math|` +
		`finite-math-only|signed-zeros|common|short-enums|signed-char|unsigned-char|lto|color-diagnostics|exceptions)$`),
	pattern.New(`^-ffp-contract=(on|off|fast)$|^-fvisibility=(default|hidden|protected)$|^-flto=(thin|full)$`),
	pattern.New(`^-[DU][A-Za-z_]\w*(=.*)?$`),
	pattern.New(`^-l[\w-]+$`),
	pattern.New(`^-nostartfiles$|^-nostdlib$|^-nodefaultlibs$`),
	pattern.New(`^-Wl,(--(no-entry|stack-first|strip-all|strip-debug|gc-sections|allow-undefined|export-dynamic|export-all|` +
		`export(-if-defined)?=\w+|(initial|max)-memory=\d+)|-z,stack-size=\d+|,)+$`),
}

// ccPathFlags take a path of the stage.
var ccPathFlags = []string{"-I", "-isystem", "-iquote", "-include", "-L"}

func (c *checker) clang(argv []string) (command, error) {
	b := ccBuild{dir: c.dir, link: true, start: true}
	for i := 1; i < len(argv); i++ {
		arg := argv[i]
		next := func() (string, error) {
			if i++; i >= len(argv) {
				return "", refuse("c", "clang "+arg, "the flag needs a value")
			}
			return argv[i], nil
		}
		if err := b.add(c, arg, next); err != nil {
			return nil, err
		}
	}
	if b.output == "" {
		return nil, refuse("c", "clang", "write where the module goes: -o /app.wasm")
	}
	if b.inputs == 0 {
		return nil, refuse("c", "clang", "it has no source file")
	}
	return b, nil
}

// add takes one word of the command line.
func (b *ccBuild) add(c *checker, arg string, next func() (string, error)) (err error) {
	switch {
	case arg == "-c":
		b.link = false
		b.args = append(b.args, ccArg{flag: arg})
		return nil
	case arg == "-o" || (strings.HasPrefix(arg, "-o") && len(arg) > 2):
		value := arg[2:]
		if value == "" {
			if value, err = next(); err != nil {
				return err
			}
		}
		b.output, err = c.inside(value)
		return err
	case arg == "-D" || arg == "-U" || arg == "-l":
		value, err := next()
		if err != nil {
			return err
		}
		return b.add(c, arg+value, next)
	case strings.HasPrefix(arg, "--target="):
		if !strings.HasPrefix(arg, "--target=wasm32-") || strings.Contains(arg, "threads") {
			return refuse("c", "clang "+arg, "the target is wasm32-wasi, which is set already")
		}
		return nil
	}
	for _, flag := range ccPathFlags {
		if !strings.HasPrefix(arg, flag) || (len(flag) > 2 && arg != flag) {
			continue
		}
		value := strings.TrimPrefix(arg, flag)
		if value == "" {
			if value, err = next(); err != nil {
				return err
			}
		}
		at, err := c.inside(value)
		b.args = append(b.args, ccArg{flag, at})
		return err
	}
	if strings.HasPrefix(arg, "-") || strings.HasPrefix(arg, "@") {
		return b.plain(arg)
	}
	at, err := c.inside(arg)
	if err != nil {
		return err
	}
	switch strings.ToLower(filepath.Ext(arg)) {
	case ".c":
		b.sources = append(b.sources, at)
	case ".o", ".a":
	default:
		return refuse("c", arg, "expected .c sources, .o objects or .a archives")
	}
	b.inputs++
	b.args = append(b.args, ccArg{path: at})
	return nil
}

func (b *ccBuild) plain(arg string) error {
	for _, re := range ccFlags {
		if !re.MatchString(arg) {
			continue
		}
		if arg == "-nostartfiles" || arg == "-nostdlib" || arg == "-nodefaultlibs" || arg == "-Wl,--no-entry" {
			b.start = false
		}
		b.args = append(b.args, ccArg{flag: arg})
		return nil
	}
	return refuse("c", "clang "+arg, "this flag is not possible here")
}

// cctool is the host's clang with what it needs for WebAssembly.
type cctool struct {
	path    string
	sysroot string // a flag, or empty when clang knows it
	roots   []string
	version string
}

// sysroots are where distributions put wasi-libc, besides where clang looks.
var sysroots = []string{"/usr/share/wasi-sysroot", "/opt/wasi-sdk/share/wasi-sysroot", "/usr/local/share/wasi-sysroot", "/opt/homebrew/share/wasi-sysroot"}

// clang finds a compiler and a libc: WASI_SDK_PATH, else clang on PATH with the
// wasi-libc of the distribution.
func (h *Host) clang(ctx context.Context) (*cctool, error) {
	t := &cctool{}
	libc := "/usr/lib/wasm32-wasi/libc.a"
	if sdk, ok := h.lookup("WASI_SDK_PATH"); ok && sdk != "" {
		t.path = filepath.Join(sdk, "bin", "clang"+exeSuffix)
		t.sysroot = filepath.Join(sdk, "share", "wasi-sysroot")
		if !isFile(t.path) {
			return nil, missingC("WASI_SDK_PATH is " + sdk + ", which has no bin/clang")
		}
	} else {
		var ok bool
		if t.path, ok = h.find("clang" + exeSuffix); !ok {
			return nil, missingC("no clang on this machine")
		}
		if !isFile(libc) {
			for _, dir := range sysroots {
				if isFile(filepath.Join(dir, "lib", "wasm32-wasi", "libc.a")) {
					t.sysroot = dir
					break
				}
			}
			if t.sysroot == "" {
				return nil, missingC("clang is here, the C library for WebAssembly is not")
			}
		}
	}
	if t.sysroot != "" {
		libc = filepath.Join(t.sysroot, "lib", "wasm32-wasi", "libc.a")
	} else {
		t.roots = append(t.roots, "/usr/include/wasm32-wasi")
	}
	return t, h.askClang(ctx, t, libc)
}

// askClang asks for the version, checks that clang can do WebAssembly, and adds
// the digest of the C library that ends up in programs.
func (h *Host) askClang(ctx context.Context, t *cctool, libc string) error {
	env := h.environment(os.TempDir())
	out, err := call(ctx, "", env, nil, t.path, "--version")
	if err != nil {
		return missingC(err.Error())
	}
	first, _, _ := strings.Cut(out, "\n")
	builtins, err := call(ctx, "", env, nil, t.path, "--target=wasm32-wasi", "-print-resource-dir")
	if err != nil {
		return missingC("this clang cannot make WebAssembly")
	}
	t.roots = append(t.roots, strings.TrimSpace(builtins))
	if t.sysroot != "" {
		t.roots = append(t.roots, t.sysroot)
	}
	data, err := os.ReadFile(libc)
	if err != nil {
		return missingC("the C library for WebAssembly is not complete")
	}
	sum := sha256.Sum256(append(data, startSource...))
	t.version = strings.TrimSpace(first) + " libc " + hex.EncodeToString(sum[:8])
	return nil
}

func missingC(why string) error {
	return &Error{
		What:   "toolchain:c",
		Why:    why,
		Advice: "install clang lld wasi-libc libclang-rt-dev-wasm32 (Debian: apt install clang lld wasi-libc libclang-rt-14-dev-wasm32), or unpack wasi-sdk and set WASI_SDK_PATH",
	}
}

func (b ccBuild) run(ctx context.Context, w *workshop) error {
	t, err := w.host.clang(ctx)
	if err != nil {
		return err
	}
	env := w.host.environment(w.tmp, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", w.job.Epoch.Unix()))
	base := append([]string{t.path}, b.pinned(w, t)...)
	args := append(base, b.words(w)...)
	if err := b.checkObjects(w); err != nil {
		return err
	}
	if err := b.checkHeaders(ctx, w, t, env, base); err != nil {
		return err
	}
	out, err := w.scratch()
	if err != nil {
		return err
	}
	at := filepath.Join(out, "module")
	args = append(args, "-o", at)
	if b.link {
		args = append(args, "-Wl,--strip-debug")
		if b.start {
			start := filepath.Join(out, "start.c")
			if err := os.WriteFile(start, startSource, 0o600); err != nil {
				return err
			}
			args = append(args, "-x", "c", start)
		}
	}
	if _, err := call(ctx, w.path(b.dir), env, w.job.Stderr, args...); err != nil {
		return err
	}
	return w.output(b.output, at)
}

// pinned are the flags of every call: the target, no trace of this machine or
// this moment in what is written, and no text for the assembler, whose .incbin
// would read any file of the host. (An empty text, a compiler's barrier, stays.)
func (b ccBuild) pinned(w *workshop, t *cctool) []string {
	at := w.job.Epoch.UTC()
	flags := []string{
		"--target=wasm32-wasi", "-fno-gnu-inline-asm", "-fno-ident", "-Wno-builtin-macro-redefined", "-Wno-unused-command-line-argument",
		`-D__DATE__="` + at.Format("Jan _2 2006") + `"`, `-D__TIME__="` + at.Format("15:04:05") + `"`,
		`-D__TIMESTAMP__="` + at.Format("Mon Jan _2 15:04:05 2006") + `"`,
	}
	if t.sysroot != "" {
		flags = append(flags, "--sysroot="+t.sysroot)
	}
	return append(flags, w.prefixMaps("-ffile-prefix-map=")...)
}

// words are the recipe's own arguments with paths of the host in place.
func (b ccBuild) words(w *workshop) []string {
	var words []string
	for _, a := range b.args {
		switch {
		case a.path == "":
			words = append(words, a.flag)
		case a.flag == "":
			words = append(words, w.path(a.path))
		default:
			words = append(words, a.flag, w.path(a.path))
		}
	}
	return words
}

// checkHeaders asks the preprocessor which files the sources take in, and
// refuses those of the host: they would make the image depend on this machine.
func (b ccBuild) checkHeaders(ctx context.Context, w *workshop, t *cctool, env, base []string) error {
	for _, src := range b.sources {
		argv := append(append([]string{}, base...), "-M", "-MG")
		for _, a := range b.args {
			switch {
			// All flags: -O, -f... and others define macros, by which a source
			// could show one #include here and another to the compiler.
			case a.path == "" && a.flag != "-c" && a.flag != "-v" && !strings.HasPrefix(a.flag, "-l") && !strings.HasPrefix(a.flag, "-Wl,"):
				argv = append(argv, a.flag)
			case a.flag != "" && a.path != "" && a.flag != "-L":
				argv = append(argv, a.flag, w.path(a.path))
			}
		}
		out, err := call(ctx, w.path(b.dir), env, w.job.Stderr, append(argv, w.path(src))...)
		if err != nil {
			return err
		}
		for _, name := range makeDeps(out) {
			if !filepath.IsAbs(name) {
				name = filepath.Join(w.path(b.dir), name)
			}
			if name = filepath.Clean(name); !w.knows(t, name) {
				return &Error{
					What: "clang", Why: fmt.Sprintf("%s includes %s, a file of this machine", src, filepath.Base(name)),
					Advice: "COPY the header into the stage and name it by -I",
				}
			}
		}
	}
	return nil
}

// knows reports whether a header is the stage's or the compiler's own. A header
// that is missing is left to the compiler to report.
func (w *workshop) knows(t *cctool, name string) bool { return w.within(name, t.roots) }

// within reports whether a file is the stage's, or below one of some folders of the
// host. One that is missing is left to the compiler to report.
func (w *workshop) within(name string, roots []string) bool {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	for _, root := range append([]string{w.stage}, roots...) {
		if real, err := filepath.EvalSymlinks(root); err == nil {
			root = real
		}
		if rel, err := filepath.Rel(root, name); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// makeDeps reads the files from a make rule.
func makeDeps(rule string) []string {
	_, deps, _ := strings.Cut(strings.ReplaceAll(rule, "\\\n", " "), ": ")
	var names []string
	for _, word := range strings.Fields(strings.ReplaceAll(deps, `\ `, "\x00")) {
		names = append(names, strings.ReplaceAll(word, "\x00", " "))
	}
	return names
}
