package packager

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

var (
	tomlTable  = pattern.New(`^\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}\s*(#.*)?$`)
	tomlString = pattern.New(`^\s*([\w-]+)\s*=\s*"([^"]*)"`)
	tomlCdylib = pattern.New(`^\s*crate[-_]type\s*=.*"cdylib"`)
)

// manifest is what is looked at of a Cargo.toml.
type manifest struct {
	crate, library string
	bins           []string
	cdylib         bool
	workspace      bool
}

// readManifest reads a Cargo.toml as far as people write it by hand: a table, and
// values on lines of their own.
func readManifest(text string) manifest {
	var m manifest
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if t := tomlTable.FindStringSubmatch(line); t != nil {
			table = t[1]
			m.workspace = m.workspace || table == "workspace"
			continue
		}
		if table == "lib" && tomlCdylib.MatchString(line) {
			m.cdylib = true
		}
		v := tomlString.FindStringSubmatch(line)
		if v == nil || v[1] != "name" {
			continue
		}
		switch table {
		case "package":
			m.crate = v[2]
		case "lib":
			m.library = v[2]
		case "bin":
			m.bins = append(m.bins, v[2])
		}
	}
	return m
}

// recogniseRust takes the one program of a crate, or the library that is called.
func recogniseRust(files fs.FS, names map[string]bool) (Guess, error) {
	text, err := readHead(files, "Cargo.toml")
	if err != nil {
		return Guess{}, err
	}
	m := readManifest(text)
	if m.crate == "" {
		why := "Cargo.toml has no [package] with a name"
		if m.workspace {
			why = "Cargo.toml is a workspace without a crate of its own"
		}
		return Guess{}, &NotRecognisedError{why + ": write a Wasmfile with RUN cargo build --release -p NAME"}
	}
	bins := m.bins
	if _, err := fs.Stat(files, "src/main.rs"); err == nil && len(bins) == 0 {
		bins = []string{m.crate}
	}
	if found, err := fs.Glob(files, "src/bin/*"); err == nil && len(m.bins) == 0 {
		for _, f := range found {
			bins = append(bins, strings.TrimSuffix(f[len("src/bin/"):], ".rs"))
		}
	}
	name, module, flag := m.crate, "", ""
	switch {
	case len(bins) == 1:
		name, module = bins[0], bins[0]
		if m.cdylib {
			flag = " --bins"
		}
	case len(bins) > 1:
		return Guess{}, &NotRecognisedError{"the crate has several programs: " + strings.Join(bins, ", ")}
	case m.cdylib && m.library != "":
		module = m.library
	case m.cdylib:
		module = strings.ReplaceAll(m.crate, "-", "_")
	default:
		return Guess{}, &NotRecognisedError{`the crate has no program, src/main.rs, and no library that is called, [lib] crate-type = ["cdylib"]`}
	}
	if !plainName.MatchString(name) || !plainName.MatchString(module) {
		return Guess{}, &NotRecognisedError{fmt.Sprintf("the name %q is no name for a program", name)}
	}
	if names["Cargo.lock"] {
		flag += " --locked"
	}
	return Guess{
		Why: "found a crate of Rust with the program " + name,
		Recipe: fmt.Sprintf(`FROM toolchain:rust AS build
WORKDIR /src
COPY --exclude=target . .
RUN cargo build --release%[3]s

FROM scratch
COPY --from=build /src/target/wasm32-wasip1/release/%[2]s.wasm /usr/bin/%[1]s
ENTRYPOINT ["%[1]s"]
`, name, module, flag),
	}, nil
}
