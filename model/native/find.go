package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ProgramName is that of the companion program.
const ProgramName = "wherry-native"

// EnvLibrary is the variable that names ONNX Runtime's shared library.
const EnvLibrary = "WHERRY_ORT_LIBRARY"

// FindProgram looks for wherry-native beside the program that runs, then in PATH.
func FindProgram() (string, error) {
	name := ProgramName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the program %s is neither beside wherry nor in PATH", ProgramName)
	}
	return filepath.Abs(found)
}

// A NoLibraryError says that no native ONNX Runtime was found.
type NoLibraryError struct{}

func (*NoLibraryError) Error() string {
	return "there is no native ONNX Runtime on this machine\n" +
		"install it with Python (pip install onnxruntime) or with npm (npm install -g onnxruntime-node),\n" +
		"or name its shared library: --ort-library PATH, or " + EnvLibrary
}

// FindLibrary is the library that is named, or that of the variable, else the one
// that this machine's Python or Node.js has as a package.
func FindLibrary(ctx context.Context, named string, env func(string) string) (string, error) {
	if named == "" {
		named = env(EnvLibrary)
	}
	if named != "" {
		full, err := filepath.Abs(named)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(full)
		if err != nil {
			return "", fmt.Errorf("the library of ONNX Runtime: %w", err)
		}
		if info.IsDir() {
			if file, ok := libraryIn(full); ok {
				return file, nil
			}
			return "", fmt.Errorf("the folder %s has no library of ONNX Runtime", named)
		}
		return full, nil
	}
	for _, dir := range append(pythonFolders(ctx), nodeFolders()...) {
		if file, ok := libraryIn(dir); ok {
			return file, nil
		}
	}
	return "", &NoLibraryError{}
}

// checkWait bounds how long the companion may take to load a library.
const checkWait = time.Minute

// Check has the companion load a library, and gives the version of ONNX Runtime.
func Check(ctx context.Context, program, library string) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	said := &tail{}
	cmd := exec.CommandContext(ctx, program, "--check", "--ort-library", library)
	cmd.Stderr, cmd.WaitDelay = said, time.Second
	out, err := cmd.Output()
	version, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "ONNX Runtime ")
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil && said.line() != "":
		return "", errors.New(said.line())
	case err != nil:
		return "", fmt.Errorf("%s: %w", program, err)
	case !ok || len(version) > 64:
		return "", fmt.Errorf("%s does not say which ONNX Runtime %s is", program, library)
	}
	return version, nil
}

// libraryIn finds ONNX Runtime's library in a folder.
func libraryIn(dir string) (string, bool) {
	for _, pattern := range libraryNames() {
		files, err := filepath.Glob(filepath.Join(escape(dir), pattern))
		if err == nil && len(files) > 0 {
			return files[len(files)-1], true
		}
	}
	return "", false
}

// escape makes a pattern that is a folder and no other.
func escape(dir string) string {
	if runtime.GOOS == "windows" {
		return dir // has no escapes, nor such names
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

func libraryNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.*"}
}

// pythonWait bounds how long Python may take to say where a package is.
const pythonWait = 10 * time.Second

// pythonFolders asks this machine's Python for its package onnxruntime, without
// running any of it.
func pythonFolders(ctx context.Context) []string {
	const ask = "import importlib.util as u; s = u.find_spec('onnxruntime'); print(*(s.submodule_search_locations if s else []), sep='\\n')"
	for _, name := range []string{"python3", "python"} {
		path, err := exec.LookPath(name)
		if errors.Is(err, exec.ErrDot) || err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, pythonWait)
		cmd := exec.CommandContext(ctx, path, "-c", ask)
		cmd.Dir = filepath.Dir(path) // it takes modules from where it is run: what lies beside a model is not to be
		cmd.WaitDelay = time.Second
		out, err := cmd.Output()
		cancel()
		if err != nil {
			continue
		}
		var list []string
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); filepath.IsAbs(line) {
				list = append(list, filepath.Join(line, "capi"))
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// globalNode are the folders that npm install -g writes to.
func globalNode() []string {
	if runtime.GOOS == "windows" {
		return []string{filepath.Join(os.Getenv("APPDATA"), "npm", "node_modules")}
	}
	return []string{"/usr/local/lib/node_modules", "/usr/lib/node_modules", "/opt/homebrew/lib/node_modules"}
}

// nodeFolders are where npm puts onnxruntime-node, below the folders of NODE_PATH and
// its own.
// What is below the working directory may be anybody's, as a model that somebody has
// fetched to try it, and a library is code.
func nodeFolders() []string {
	roots := append(filepath.SplitList(os.Getenv("NODE_PATH")), globalNode()...)
	system, arch := nodeNames()
	var list []string
	for _, root := range roots {
		if !filepath.IsAbs(root) {
			continue
		}
		found, err := filepath.Glob(filepath.Join(escape(root), "onnxruntime-node", "bin", "napi-v*", system, arch))
		if err == nil {
			list = append(list, found...)
		}
	}
	return list
}

// nodeNames are what Node.js calls this OS and processor.
func nodeNames() (system, arch string) {
	system, arch = runtime.GOOS, runtime.GOARCH
	if system == "windows" {
		system = "win32"
	}
	if arch == "amd64" {
		arch = "x64"
	}
	return system, arch
}
