package recipe

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"mvdan.cc/sh/v3/syntax"
)

// maxScript bounds the shell text that is parsed, and with it the parser's
// depth of recursion.
const maxScript = 64 << 10

// advice for groups of commands that cannot work in a RUN.
const (
	nativeAdvice = "Python packages: RUN pip install NAME; other programs: compile them in a stage FROM toolchain:c or toolchain:go and COPY --from it"
	fetchAdvice  = "a RUN has no network: ADD --checksum=sha256:... URL DEST"
	cloneAdvice  = "a RUN has no network: clone beside the Wasmfile and COPY, or ADD an archive with --checksum"
	buildAdvice  = "compile in a stage of its own, FROM toolchain:go or FROM toolchain:c, and COPY --from it"
	userAdvice   = "leave it out: a guest has no rights on the host; USER takes a number"
	pipAdvice    = "use RUN pip install -r requirements.txt"
	nodeAdvice   = "build a front end in a stage of its own, FROM toolchain:node, with npm ci && npm run build; JavaScript itself does not run in the sandbox"
	serveAdvice  = "leave it out: one program per container, started by ENTRYPOINT or CMD"
)

// impossible maps commands that a RUN cannot call to what to do instead.
var impossible = map[string]string{
	"apt-get": nativeAdvice, "apt": nativeAdvice, "aptitude": nativeAdvice, "dpkg": nativeAdvice,
	"apk": nativeAdvice, "yum": nativeAdvice, "dnf": nativeAdvice, "microdnf": nativeAdvice,
	"zypper": nativeAdvice, "pacman": nativeAdvice, "brew": nativeAdvice, "rpm": nativeAdvice,
	"snap": nativeAdvice, "add-apt-repository": nativeAdvice, "apt-key": nativeAdvice, "ldconfig": nativeAdvice,
	"curl": fetchAdvice, "wget": fetchAdvice, "aria2c": fetchAdvice, "scp": fetchAdvice,
	"rsync": fetchAdvice, "ssh": fetchAdvice, "ssh-keyscan": fetchAdvice,
	"git": cloneAdvice, "svn": cloneAdvice, "hg": cloneAdvice,
	"gcc": buildAdvice, "g++": buildAdvice, "cc": buildAdvice, "c++": buildAdvice, "clang": buildAdvice,
	"clang++": buildAdvice, "make": buildAdvice, "cmake": buildAdvice, "ninja": buildAdvice, "go": buildAdvice,
	"cargo": buildAdvice, "rustc": buildAdvice, "rustup": buildAdvice, "javac": buildAdvice, "mvn": buildAdvice,
	"gradle": buildAdvice, "dotnet": buildAdvice,
	"useradd": userAdvice, "adduser": userAdvice, "groupadd": userAdvice, "addgroup": userAdvice,
	"usermod": userAdvice, "sudo": userAdvice, "su": userAdvice, "gosu": userAdvice, "chown": userAdvice,
	"chgrp": userAdvice, "setcap": userAdvice,
	"conda": pipAdvice, "mamba": pipAdvice, "micromamba": pipAdvice, "poetry": pipAdvice, "pipenv": pipAdvice,
	"pipx": pipAdvice, "pdm": pipAdvice, "easy_install": pipAdvice, "virtualenv": pipAdvice,
	"npm": nodeAdvice, "npx": nodeAdvice, "yarn": nodeAdvice, "pnpm": nodeAdvice, "node": nodeAdvice, "bun": nodeAdvice, "deno": nodeAdvice,
	"systemctl": serveAdvice, "service": serveAdvice, "supervisord": serveAdvice, "crond": serveAdvice,
	"docker": serveAdvice, "podman": serveAdvice, "mount": serveAdvice, "chroot": serveAdvice, "sysctl": serveAdvice,
	"update-ca-certificates": "leave it out: a RUN has no network",
	"locale-gen":             "leave it out: guests use UTF-8",
	"nvidia-smi":             "there is no GPU in the sandbox",
}

func (c *checker) run(step Step, cmd *instructions.RunCommand, inToolchain bool) {
	c.runFlags(step, cmd)
	if inToolchain {
		return // the toolchain checks its few commands itself
	}
	if !cmd.PrependShell {
		if len(cmd.CmdLine) > 0 {
			c.command(step, cmd.CmdLine)
		}
		return
	}
	script, interpreted := Script(cmd)
	if interpreted {
		return
	}
	if len(script) > maxScript {
		c.add(step.Line, "put the script in a file, COPY it and RUN sh FILE", "RUN: the script is longer than %d bytes", maxScript)
		return
	}
	prog, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	if err != nil {
		c.add(step.Line, "check the quotes and brackets of the command", "RUN: the shell cannot read it: %v", err)
		return
	}
	seen := map[string]bool{}
	syntax.Walk(prog, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			if argv := literals(call); len(argv) > 0 && !seen[argv[0]] {
				seen[argv[0]] = true
				c.command(step, argv)
			}
		}
		return true
	})
}

// healthcheck says when a health check calls a program that cannot be there.
func (c *checker) healthcheck(step Step, test []string) {
	if len(test) < 2 {
		return
	}
	words := test[1:]
	if test[0] == "CMD-SHELL" {
		words = strings.Fields(test[1])
	}
	if len(words) == 0 {
		return
	}
	if _, ok := impossible[path.Base(words[0])]; ok {
		c.add(step.Line, "call a program of the image, or leave the line out", "HEALTHCHECK %s: the sandbox cannot run this", words[0])
	}
}

// command says when a program cannot be called. Prefixes such as env, time and
// exec are looked through.
func (c *checker) command(step Step, argv []string) {
	for len(argv) > 1 {
		switch argv[0] {
		case "env", "exec", "time", "nice", "nohup", "command":
			argv = argv[1:]
			for len(argv) > 1 && strings.ContainsAny(argv[0], "=-") {
				argv = argv[1:]
			}
			continue
		}
		break
	}
	name := path.Base(argv[0])
	if advice, ok := impossible[name]; ok {
		c.add(step.Line, advice, "RUN %s: the sandbox cannot do this", name)
	}
	if (name == "python" || name == "python3") && len(argv) > 2 && argv[1] == "-m" && argv[2] == "venv" {
		c.add(step.Line, "leave it out: an image is its own environment", "RUN python -m venv: the sandbox cannot do this")
	}
}

func (c *checker) runFlags(step Step, cmd *instructions.RunCommand) {
	// Mounts are only typed once they are expanded; here the text is enough.
	for _, flag := range runFlags(step.Code) {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "--mount":
			if strings.Contains(value, "type=ssh") {
				c.add(step.Line, "fetch beside the Wasmfile and COPY, or ADD with --checksum", "RUN --mount=type=ssh: there is no network in a RUN")
			}
		case "--network":
			if value == "host" {
				c.add(step.Line, "leave it out; fetch with ADD --checksum", "RUN --network=host: there is no network in a RUN")
			}
		case "--security":
			if value != "sandbox" {
				c.add(step.Line, "leave it out", "RUN --security=%s: every RUN is sandboxed", value)
			}
		case "--device":
			c.add(step.Line, "leave it out", "RUN --device=%s: there are no devices in the sandbox", value)
		}
	}
}

// runFlags are the words that start with -- between RUN and its command.
func runFlags(code string) []string {
	words := strings.Fields(code)
	var flags []string
	for _, w := range words[min(1, len(words)):] {
		if !strings.HasPrefix(w, "--") {
			break
		}
		flags = append(flags, w)
	}
	return flags
}

// Script is the shell text of a RUN in shell form, heredocs put back in.
// interpreted says that it is the content of one heredoc that starts with #!
// and so is to run as a program of its own.
func Script(cmd *instructions.RunCommand) (script string, interpreted bool) {
	if len(cmd.CmdLine) == 0 {
		return "", false
	}
	line := cmd.CmdLine[0]
	if len(cmd.Files) == 0 {
		return line, false
	}
	if parser.MustParseHeredoc(line) != nil {
		data := cmd.Files[0].Data
		if cmd.Files[0].Chomp {
			data = parser.ChompHeredocContent(data)
		}
		return data, strings.HasPrefix(data, "#!")
	}
	var b strings.Builder
	b.WriteString(line)
	for _, f := range cmd.Files {
		b.WriteString("\n" + f.Data + f.Name)
	}
	return b.String(), false
}

// literals are the leading words of a call that need no expansion.
func literals(call *syntax.CallExpr) []string {
	var argv []string
	for _, w := range call.Args {
		text, ok := literal(w)
		if !ok {
			break
		}
		argv = append(argv, text)
	}
	return argv
}

func literal(w *syntax.Word) (string, bool) {
	var b strings.Builder
	for _, part := range w.Parts {
		switch p := part.(type) {
		case *syntax.Lit:
			b.WriteString(p.Value)
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			for _, inner := range p.Parts {
				lit, ok := inner.(*syntax.Lit)
				if !ok {
					return "", false
				}
				b.WriteString(lit.Value)
			}
		default:
			return "", false
		}
	}
	return b.String(), true
}
