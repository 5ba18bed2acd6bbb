package python

import (
	"fmt"
	"strings"
)

// arguments is what follows "pip install", sorted out.
type arguments struct {
	requirements []string // as written on the command line
	files        []string // of -r
	constraints  []string // of -c
	links        []string // of --find-links
	pass         []string // for pip itself

	useBaseVersions   bool
	allowImportErrors bool
	requireHashes     bool
}

// UsageError is an argument of pip install that has no meaning here.
type UsageError struct {
	Arg    string
	Advice string
}

func (e *UsageError) Error() string {
	return fmt.Sprintf("pip install %s: %s", e.Arg, e.Advice)
}

// Arguments of pip by what is done with them.
var (
	passSwitches = set("--pre", "--no-deps", "--no-index", "--no-cache-dir", "--isolated")
	passValues   = set("-i", "--index-url", "--extra-index-url", "--trusted-host", "--proxy", "--timeout", "--retries", "--exists-action", "--use-feature", "--use-deprecated", "--keyring-provider")
	addresses    = set("-i", "--index-url", "--extra-index-url")
	dropSwitches = set("-q", "-qq", "-qqq", "-v", "-vv", "-vvv", "--quiet", "--verbose", "-U", "--upgrade", "--user",
		"--no-warn-script-location", "--no-warn-conflicts", "--disable-pip-version-check", "--no-input", "--no-compile",
		"--compile", "--prefer-binary", "--break-system-packages", "--force-reinstall", "-I", "--ignore-installed",
		"--no-color", "--no-python-version-warning", "--no-build-isolation", "--use-pep517", "--check-build-dependencies",
		"--system", "--no-cache", "-n", "--compile-bytecode")
	dropValues = set("--root-user-action", "--progress-bar", "--upgrade-strategy", "--cache-dir", "--only-binary",
		"--log", "--link-mode")
	refused = map[string]string{
		"-e":               "an editable install has no meaning in an image; COPY the package and add its folder to PYTHONPATH",
		"--editable":       "an editable install has no meaning in an image; COPY the package and add its folder to PYTHONPATH",
		"-t":               "packages go to site-packages of the image; leave --target out",
		"--target":         "packages go to site-packages of the image; leave --target out",
		"--prefix":         "packages go to site-packages of the image; leave --prefix out",
		"--root":           "packages go to site-packages of the image; leave --root out",
		"--no-binary":      "nothing can be compiled for the guest; wheels are the only form: leave --no-binary out",
		"--platform":       "the platform is the guest's (wasi, wasm32); leave --platform out",
		"--python-version": "the version is the base's (3.15); leave --python-version out",
		"--implementation": "the implementation is the base's; leave --implementation out",
		"--abi":            "only pure wheels work; leave --abi out",
		"--cert":           "certificates are this machine's: set PIP_CERT where you build",
		"--client-cert":    "certificates are this machine's: set PIP_CLIENT_CERT where you build",
		"--dry-run":        "a RUN must do what it says; try the line with pip on the host",
		"--group":          "dependency groups are not read; export them: pip lock, or uv export > requirements.txt",
	}
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// parseArgs sorts the arguments of pip install.
func parseArgs(args []string) (*arguments, error) {
	a := &arguments{}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			a.requirements = append(a.requirements, arg)
			continue
		}
		name, value, has := splitOption(arg)
		if advice, ok := refused[name]; ok {
			return nil, &UsageError{Arg: name, Advice: advice}
		}
		if a.ours(name) || dropSwitches[name] {
			continue
		}
		if passSwitches[name] {
			a.pass = append(a.pass, name)
			continue
		}
		if !takesValue(name) {
			return nil, &UsageError{Arg: arg, Advice: "this option is not known here; leave it out"}
		}
		if !has {
			i++
			if i >= len(args) {
				return nil, &UsageError{Arg: arg, Advice: "a value is missing"}
			}
			value = args[i]
		}
		if addresses[name] && !onTheNet(value) {
			return nil, &UsageError{Arg: name + " " + value, Advice: "an address begins with https://; for wheels in the image write --find-links FOLDER"}
		}
		a.option(name, value)
	}
	return a, nil
}

// ours takes the switches that pip does not have.
func (a *arguments) ours(name string) bool {
	switch name {
	case "--use-base-versions":
		a.useBaseVersions = true
	case "--allow-import-errors":
		a.allowImportErrors = true
	case "--require-hashes":
		a.requireHashes = true
	default:
		return false
	}
	return true
}

// takesValue reports whether an option is followed by a value.
func takesValue(name string) bool {
	switch name {
	case "-r", "--requirement", "--requirements", "-c", "--constraint", "--constraints", "-f", "--find-links":
		return true
	}
	return passValues[name] || dropValues[name]
}

// option takes one option with its value.
func (a *arguments) option(name, value string) {
	switch name {
	case "-r", "--requirement", "--requirements":
		a.files = append(a.files, value)
	case "-c", "--constraint", "--constraints":
		a.constraints = append(a.constraints, value)
	case "-f", "--find-links":
		a.links = append(a.links, value)
	default:
		if passValues[name] {
			a.pass = append(a.pass, name, value)
		}
	}
}

// splitOption takes --name=value and -rfile apart.
func splitOption(arg string) (name, value string, has bool) {
	if strings.HasPrefix(arg, "--") {
		return strings.Cut(arg, "=")
	}
	if len(arg) > 2 && !dropSwitches[arg] && strings.ContainsRune("rcifet", rune(arg[1])) {
		return arg[:2], strings.TrimPrefix(arg[2:], "="), true
	}
	return arg, "", false
}
