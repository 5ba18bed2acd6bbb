package python

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/wherry-run/wherry/internal/pattern"
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
	// passValues are options with what their values must look like.
	passValues = map[string]func(string) bool{
		"--index-url": oneAddress, "--extra-index-url": oneAddress, "--trusted-host": hostName.MatchString,
		"--timeout": number.MatchString, "--retries": number.MatchString,
	}
	dropSwitches = set("-q", "-qq", "-qqq", "-v", "-vv", "-vvv", "--quiet", "--verbose", "-U", "--upgrade", "--user",
		"--no-warn-script-location", "--no-warn-conflicts", "--disable-pip-version-check", "--no-input", "--no-compile",
		"--compile", "--prefer-binary", "--break-system-packages", "--force-reinstall", "-I", "--ignore-installed",
		"--no-color", "--no-python-version-warning", "--no-build-isolation", "--use-pep517", "--check-build-dependencies",
		"--system", "--no-cache", "-n", "--compile-bytecode")
	dropValues = set("--root-user-action", "--progress-bar", "--upgrade-strategy", "--cache-dir", "--only-binary",
		"--log", "--link-mode", "--exists-action", "--use-feature", "--use-deprecated")
	refused = map[string]string{
		"-e":                 "an editable install has no meaning in an image; COPY the package and add its folder to PYTHONPATH",
		"--editable":         "an editable install has no meaning in an image; COPY the package and add its folder to PYTHONPATH",
		"-t":                 "packages go to site-packages of the image; leave --target out",
		"--target":           "packages go to site-packages of the image; leave --target out",
		"--prefix":           "packages go to site-packages of the image; leave --prefix out",
		"--root":             "packages go to site-packages of the image; leave --root out",
		"--no-binary":        "nothing can be compiled for the guest; wheels are the only form: leave --no-binary out",
		"--platform":         "the platform is the guest's (wasi, wasm32); leave --platform out",
		"--python-version":   "the version is the base's (3.15); leave --python-version out",
		"--implementation":   "the implementation is the base's; leave --implementation out",
		"--abi":              "only pure wheels work; leave --abi out",
		"--cert":             "certificates are this machine's: set PIP_CERT where you build",
		"--client-cert":      "certificates are this machine's: set PIP_CLIENT_CERT where you build",
		"--proxy":            "the way to the net is this machine's: set HTTPS_PROXY where you build",
		"--keyring-provider": "passwords are this machine's: set PIP_KEYRING_PROVIDER where you build",
		"--dry-run":          "a RUN must do what it says; try the line with pip on the host",
		"--group":            "dependency groups are not read; export them: pip lock, or uv export > requirements.txt",
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
		if strings.ContainsFunc(arg, breaksLines) {
			return nil, &UsageError{Arg: fmt.Sprintf("%q", arg), Advice: "control characters have no meaning here"}
		}
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
		if fits := passValues[name]; fits != nil && !fits(value) {
			return nil, &UsageError{Arg: name, Advice: badValue[name]}
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
	return passValues[name] != nil || dropValues[name]
}

var (
	hostName = pattern.New(`^[A-Za-z0-9*][A-Za-z0-9.*_-]*(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$`)
	number   = pattern.New(`^\d{1,5}(\.\d{1,3})?$`)
)

// badValue says what a value that does not fit should be. The value is not
// shown: it may hold a password.
var badValue = map[string]string{
	"--index-url":       notAnAddress,
	"--extra-index-url": notAnAddress,
	"--trusted-host":    "the name of a host is wanted, HOST or HOST:PORT",
	"--timeout":         "a number is wanted",
	"--retries":         "a number is wanted",
}

const notAnAddress = "an address of the web is wanted, https://...; for wheels in the image write --find-links FOLDER"

// oneAddress reports whether a value is one address of the web.
func oneAddress(value string) bool { return onTheNet(value) && !strings.ContainsAny(value, " \t") }

// breaksLines reports whether pip might take a character for the end of a line
// or for none at all. A tab is a space.
func breaksLines(r rune) bool {
	return r != '\t' && unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
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
		if passValues[name] != nil {
			a.pass = append(a.pass, name+"="+value)
		}
	}
}

// splitOption takes --name=value and -rfile apart.
func splitOption(arg string) (name, value string, has bool) {
	if arg == "-i" {
		return "--index-url", "", false
	}
	if strings.HasPrefix(arg, "--") {
		return strings.Cut(arg, "=")
	}
	if len(arg) > 2 && !dropSwitches[arg] && strings.ContainsRune("rcifet", rune(arg[1])) {
		name, _, _ = splitOption(arg[:2])
		return name, strings.TrimPrefix(arg[2:], "="), true
	}
	return arg, "", false
}
