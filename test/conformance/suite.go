package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// test is one module of the suite.
type test struct {
	name   string // language and file, for people
	module string // path of the module
	root   string // path of the folder that is the guest's "/"; "" when it has none
	spec   spec
}

// spec is what the suite says of a test, in its older form: the one that all
// tests of preview 1 use.
type spec struct {
	Args     []string          `json:"args"`
	Env      map[string]string `json:"env"`
	Root     *string           `json:"root"`
	ExitCode uint32            `json:"exit_code"`
	Stdout   *string           `json:"stdout"`
	Stderr   *string           `json:"stderr"`
}

// findTests lists the tests of preview 1 in a checkout of the suite.
func findTests(checkout, only string) ([]test, error) {
	modules, err := filepath.Glob(filepath.Join(checkout, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if err != nil {
		return nil, err
	}
	sort.Strings(modules)
	var tests []test
	for _, module := range modules {
		dir := filepath.Dir(module)
		language := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		name := strings.TrimSuffix(filepath.Base(module), ".wasm")
		t := test{name: language + "/" + name, module: module}
		if !strings.Contains(t.name, only) {
			continue
		}
		if t.spec, err = readSpec(filepath.Join(dir, name+".json")); err != nil {
			return nil, fmt.Errorf("read test %s: %w", t.name, err)
		}
		if t.spec.Root != nil {
			t.root = filepath.Join(dir, *t.spec.Root)
		}
		tests = append(tests, t)
	}
	if len(tests) == 0 {
		return nil, fmt.Errorf("no modules in %s: check out the branch that carries them built", filepath.Join(checkout, "tests"))
	}
	return tests, nil
}

// readSpec reads the file beside a module; without one all defaults hold.
func readSpec(path string) (spec, error) {
	var s spec
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // a form that we do not know must not pass as an empty one
	err = dec.Decode(&s)
	return s, err
}

// environment is the variables as a guest gets them, in a fixed order.
func (s spec) environment() []string {
	var env []string
	for k, v := range s.Env {
		env = append(env, k+"="+v)
	}
	sort.Strings(env)
	return env
}
