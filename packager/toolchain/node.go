package toolchain

import (
	"context"
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

// npm is a checked "npm ci" or "npm run SCRIPT".
type npm struct {
	dir    string
	script string // "" is ci
	args   []string
}

// Bounds of what scripts make.
const (
	maxMade      = 100_000
	maxMadeBytes = 1 << 30
)

var (
	scriptName = pattern.New(`^[A-Za-z0-9][\w:.@/-]{0,99}$`)
	ciFlags    = []string{"--ignore-scripts", "--legacy-peer-deps", "--omit=dev", "--omit=optional", "--include=dev", "--no-audit", "--no-fund", "--prefer-offline", "--offline"}
)

func (c *checker) npm(argv []string) (command, error) {
	n := npm{dir: c.dir}
	switch {
	case len(argv) > 1 && (argv[1] == "ci" || argv[1] == "clean-install"):
		for _, arg := range argv[2:] {
			if !slices.Contains(ciFlags, arg) {
				return nil, refuse("node", "npm ci "+arg, "this flag is not possible here")
			}
		}
		n.args = argv[2:]
		return n, nil
	case len(argv) > 2 && (argv[1] == "run" || argv[1] == "run-script"):
		n.script = argv[2]
		if !scriptName.MatchString(n.script) {
			return nil, refuse("node", "npm run "+n.script, "that is no name of a script")
		}
		if n.args = argv[3:]; len(n.args) > 0 && n.args[0] != "--" {
			return nil, refuse("node", "npm run "+n.script+" "+n.args[0], "what the script is told follows --")
		}
		return n, nil
	case len(argv) > 1 && (argv[1] == "install" || argv[1] == "i"):
		return nil, refuse("node", "npm "+argv[1], "it takes other packages tomorrow: npm ci takes those of package-lock.json")
	}
	return nil, refuse("node", strings.Join(argv, " "), "this is not run on the host")
}

// nodeTool are the host's node and npm.
type nodeTool struct {
	npm     string
	version string
	env     []string
}

// node finds npm, and the node that it runs with.
func (h *Host) node(ctx context.Context) (*nodeTool, error) {
	missing := func(what string) error {
		return &Error{What: "toolchain:node", Why: "no " + what + " on this machine", Advice: "install Node.js (nodejs.org, apt install nodejs npm, brew install node) and see that it is on PATH"}
	}
	node, ok := h.find("node")
	if !ok {
		return nil, missing("node")
	}
	tool := &nodeTool{}
	if tool.npm, ok = h.find("npm"); !ok {
		return nil, missing("npm")
	}
	tmp, err := os.MkdirTemp("", "wherry-npm-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	env := h.environment(tmp)
	of, err := call(ctx, tmp, env, nil, node, "--version")
	if err != nil {
		return nil, fmt.Errorf("ask node for its version: %w%s", err, said(err))
	}
	with, err := call(ctx, tmp, env, nil, tool.npm, "--version")
	if err != nil {
		return nil, fmt.Errorf("ask npm for its version: %w%s", err, said(err))
	}
	tool.version = "node " + strings.TrimSpace(of) + " npm " + strings.TrimSpace(with)
	tool.env = []string{"npm_config_audit=false", "npm_config_fund=false", "npm_config_update_notifier=false", "npm_config_progress=false", "CI=true", "NO_COLOR=1"}
	// Which registry, and with which credentials, is the user's own affair; and what was
	// fetched once need not be again.
	for _, home := range []string{"HOME", "USERPROFILE"} {
		dir, ok := h.lookup(home)
		if !ok {
			continue
		}
		if rc := filepath.Join(dir, ".npmrc"); isFile(rc) {
			tool.env = append(tool.env, "npm_config_userconfig="+rc)
		}
		tool.env = append(tool.env, "npm_config_cache="+filepath.Join(dir, ".npm"))
		break
	}
	for _, kv := range h.Env {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(proxySettings, name) || strings.EqualFold(name, "npm_config_registry") || name == "NODE_EXTRA_CA_CERTS" {
			tool.env = append(tool.env, kv)
		}
	}
	return tool, nil
}

func (n npm) run(ctx context.Context, w *workshop) error {
	tool, err := w.host.node(ctx)
	if err != nil {
		return err
	}
	dir := w.path(n.dir)
	if !isFile(filepath.Join(dir, "package.json")) {
		return &Error{What: "npm", Why: "there is no package.json in " + n.dir, Advice: "COPY package.json and package-lock.json there"}
	}
	env := w.host.environment(w.tmp, append(tool.env, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", w.job.Epoch.Unix()))...)
	env = append(env, w.stageVariables()...)
	if n.script == "" {
		return w.install(ctx, tool, env, dir, n.args)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); errors.Is(err, fs.ErrNotExist) && isFile(filepath.Join(dir, "package-lock.json")) {
		// of an npm ci in a RUN before: packages are in no layer
		if err := w.install(ctx, tool, env, dir, []string{"--prefer-offline"}); err != nil {
			return err
		}
	}
	before, err := w.listed(ctx)
	if err != nil {
		return err
	}
	argv := append([]string{tool.npm, "run", n.script}, n.args...)
	if _, err := call(ctx, dir, env, w.job.Stderr, argv...); err != nil {
		return err
	}
	return w.gather(ctx, before)
}

// install fetches the packages of package-lock.json.
func (w *workshop) install(ctx context.Context, tool *nodeTool, env []string, dir string, flags []string) error {
	if !isFile(filepath.Join(dir, "package-lock.json")) && !isFile(filepath.Join(dir, "npm-shrinkwrap.json")) {
		return &Error{What: "npm ci", Why: "there is no package-lock.json beside package.json", Advice: "run npm install once beside the sources, and COPY its package-lock.json"}
	}
	_, err := call(ctx, dir, env, w.job.Stderr, append([]string{tool.npm, "ci"}, flags...)...)
	return err
}

// stageVariables are those that the stage sets and scripts may see: what decides how
// programs of the host run stays the host's.
func (w *workshop) stageVariables() []string {
	var list []string
	for _, kv := range w.job.Env {
		name, _, _ := strings.Cut(kv, "=")
		switch upper := strings.ToUpper(name); {
		case upper == "PATH", upper == "HOME", upper == "NODE_OPTIONS", strings.HasPrefix(upper, "LD_"), strings.HasPrefix(upper, "DYLD_"), strings.HasPrefix(upper, "NPM_CONFIG_"):
		default:
			list = append(list, kv)
		}
	}
	return list
}

// listed are the files of the stage as they are now: size and time by name. Packages
// are left out.
func (w *workshop) listed(ctx context.Context) (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(w.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && d.Name() == "node_modules":
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil // a link would be one of the host
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if len(files) >= maxMade {
			return fmt.Errorf("there are more than %d files", maxMade)
		}
		files[name] = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		return nil
	})
	return files, err
}

// gather takes what a script has made, or changed.
func (w *workshop) gather(ctx context.Context, before map[string]string) error {
	after, err := w.listed(ctx)
	if err != nil {
		return err
	}
	var names []string
	for name, is := range after {
		if before[name] != is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	total := 0
	for _, name := range names {
		data, err := w.root.ReadFile(name)
		if err != nil {
			return err
		}
		if total += len(data); total > maxMadeBytes {
			return fmt.Errorf("the script made more than %d bytes", maxMadeBytes)
		}
		w.outputs = append(w.outputs, Output{Path: path.Clean(name), Data: data, Plain: true})
	}
	return nil
}
