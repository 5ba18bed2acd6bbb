package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/wherry-run/wherry/internal/pattern"
	"github.com/wherry-run/wherry/packager"
)

// pypi downloads a wheel with pip. Source archives are refused: pip would run
// their build scripts on this machine.
func (c *Client) pypi(ctx context.Context, r packager.FetchRequest, p packageurl.PackageURL, dir string) (string, error) {
	file := p.Qualifiers.Map()["file"]
	if file == "" {
		file = p.Qualifiers.Map()["file_name"]
	}
	tags, err := wheelTags(file)
	if err != nil {
		return "", &Error{r.URL, err.Error(), "name a wheel: ?file=NAME-VERSION-py3-none-any.whl"}
	}
	pip, err := c.pip(ctx, dir)
	if err != nil {
		return "", &Error{r.URL, err.Error(), "install Python with pip, or uv, and see that it is on PATH"}
	}
	// The hash in a requirements file makes pip choose the right file of several.
	wanted := filepath.Join(dir, "requirements.txt")
	line := fmt.Sprintf("%s==%s --hash=%s\n", p.Name, p.Version, r.Checksum)
	if err := os.WriteFile(wanted, []byte(line), 0o600); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "wheels")
	args := append(pip, "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--ignore-requires-python", "--disable-pip-version-check",
		"--no-input", "--dest", out, "-r", wanted)
	if err := c.run(ctx, r.Stderr, dir, append(args, tags...)...); err != nil {
		return "", &Error{r.URL, err.Error(), "pip's own words stand above; its index is set by pip config or PIP_INDEX_URL"}
	}
	return onlyFile(out)
}

var wheelName = pattern.New(`^[\w.]+-[\w.!+]+(?:-\d[\w.]*)?-([\w.]+)-([\w.]+)-([\w.]+)\.whl$`)

// wheelTags tells pip which of a release's wheels is meant, whatever Python the
// host has. Without a name it is the one for every Python.
func wheelTags(file string) ([]string, error) {
	python, abi, platform := "py3", "none", "any"
	if file != "" {
		m := wheelName.FindStringSubmatch(file)
		if m == nil {
			return nil, fmt.Errorf("%s is not the name of a wheel", file)
		}
		python, abi, platform = m[1], m[2], m[3]
	}
	tags := []string{"--implementation", "py", "--python-version", "3.15"}
	if m := pattern.New(`^cp(\d)(\d+)$`).FindStringSubmatch(python); m != nil {
		tags = []string{"--implementation", "cp", "--python-version", m[1] + "." + m[2]}
	}
	tags = append(tags, "--abi", abi)
	for _, one := range strings.Split(platform, ".") {
		tags = append(tags, "--platform", one)
	}
	return tags, nil
}

// pip finds a command that is pip.
func (c *Client) pip(ctx context.Context, dir string) ([]string, error) {
	for _, python := range [][]string{{"python3"}, {"python"}, {"py", "-3"}} {
		program, ok := c.find(python[0])
		if !ok {
			continue
		}
		argv := append(append([]string{program}, python[1:]...), "-m", "pip")
		if c.run(ctx, io.Discard, dir, append(argv, "--version")...) == nil {
			return argv, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if uv, ok := c.find("uv"); ok {
		return []string{uv, "run", "--quiet", "--no-project", "--isolated", "--with", "pip", "--", "python", "-m", "pip"}, nil
	}
	return nil, errors.New("neither pip nor uv is on this machine")
}

// npm packs a package of the registry; its scripts are not run.
func (c *Client) npm(ctx context.Context, r packager.FetchRequest, p packageurl.PackageURL, dir string) (string, error) {
	npm, ok := c.find("npm")
	if !ok {
		return "", &Error{r.URL, "npm is not on this machine", "install Node.js and see that npm is on PATH"}
	}
	spec := p.Name + "@" + p.Version
	if p.Namespace != "" {
		if !npmScope.MatchString(p.Namespace) {
			return "", &Error{r.URL, "the scope is not a name", "the form is pkg:npm/%40scope/name@1.2.3"}
		}
		spec = p.Namespace + "/" + spec
	}
	out := filepath.Join(dir, "packages")
	if err := os.Mkdir(out, 0o700); err != nil {
		return "", err
	}
	if err := c.run(ctx, r.Stderr, dir, npm, "pack", "--ignore-scripts", "--loglevel=warn", "--pack-destination", out, spec); err != nil {
		return "", &Error{r.URL, err.Error(), "npm's own words stand above; its registry is set in .npmrc"}
	}
	return onlyFile(out)
}

var npmScope = pattern.New(`^@[a-z0-9~-][a-z0-9._~-]*$`)

// golang downloads a module's zip with the go command, which checks it against
// the checksum database as well.
func (c *Client) golang(ctx context.Context, r packager.FetchRequest, p packageurl.PackageURL, dir string) (string, error) {
	tool, ok := c.find("go")
	if !ok {
		return "", &Error{r.URL, "go is not on this machine", "install Go and see that it is on PATH"}
	}
	module := p.Name + "@" + p.Version
	if p.Namespace != "" {
		if !goPath.MatchString(p.Namespace) {
			return "", &Error{r.URL, "the module is not a path", "the form is pkg:golang/example.com/module@v1.2.3"}
		}
		module = p.Namespace + "/" + module
	}
	var out bytes.Buffer
	cmd := c.command(ctx, r.Stderr, append(c.Env[:len(c.Env):len(c.Env)], "GOFLAGS=-mod=mod", "GOWORK=off", "GO111MODULE=on"), tool, "mod", "download", "-json", module)
	cmd.Dir, cmd.Stdout = dir, &out
	if err := cmd.Run(); err != nil {
		return "", &Error{r.URL, goReason(out.Bytes(), err), "the proxy is set by go env GOPROXY"}
	}
	var got struct{ Zip string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Zip == "" {
		return "", fmt.Errorf("fetch %s: go said nothing about the file", r.URL)
	}
	// The module cache is not ours to keep open or to hand on by name.
	to := filepath.Join(dir, p.Name+"@"+p.Version+".zip")
	return to, copyFile(to, got.Zip)
}

var goPath = pattern.New(`^[A-Za-z0-9][\w.~/-]*$`)

func goReason(out []byte, err error) string {
	var said struct{ Error string }
	if json.Unmarshal(out, &said) == nil && said.Error != "" {
		return said.Error
	}
	return err.Error()
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// onlyFile is the one file of a folder.
func onlyFile(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || !entries[0].Type().IsRegular() {
		return "", fmt.Errorf("expected one downloaded file, got %d", len(entries))
	}
	return filepath.Join(dir, entries[0].Name()), nil
}

// find looks a program up on PATH.
func (c *Client) find(name string) (string, bool) {
	for _, kv := range c.Env {
		k, list, _ := strings.Cut(kv, "=")
		if !strings.EqualFold(k, "PATH") {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			if !filepath.IsAbs(dir) {
				continue
			}
			if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return p, true
			}
		}
	}
	return "", false
}

func (c *Client) command(ctx context.Context, stderr io.Writer, env []string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = 2 * time.Second
	cmd.Env, cmd.Stderr, cmd.Stdout = env, stderr, stderr
	return cmd
}

// run runs a client; what it says goes to stderr. It runs in a folder of ours:
// Python takes modules and npm settings from where it is started, which may be
// the folder of a stranger's recipe.
func (c *Client) run(ctx context.Context, stderr io.Writer, dir string, argv ...string) error {
	env := append(c.Env[:len(c.Env):len(c.Env)], "PIP_NO_INPUT=1", "PYTHONUTF8=1", "NO_COLOR=1", "NPM_CONFIG_UPDATE_NOTIFIER=false")
	cmd := c.command(ctx, stderr, env, argv...)
	cmd.Dir = dir
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	}
	return nil
}
