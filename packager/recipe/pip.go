package recipe

import (
	"path"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Part is a piece of a RUN script: either shell text, or one pip install.
type Part struct {
	// Shell is text for /bin/sh; empty when the part is a pip install.
	Shell string
	// Pip is what follows "pip install"; nil when the part is shell text.
	// Words with variables are kept as they are written.
	Pip []string
	// Env are the NAME=value words before a pip install.
	Env []string
}

// SplitPip cuts a script at the pip installs among its commands joined by &&,
// ; or newlines. ok is false when a pip install stands where it cannot be cut
// out (in a loop, a condition, a pipe or a redirection).
func SplitPip(script string) (parts []Part, ok bool) {
	if len(script) > maxScript {
		return []Part{{Shell: script}}, true
	}
	prog, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	if err != nil {
		return []Part{{Shell: script}}, true
	}
	total, heredocs := 0, 0
	syntax.Walk(prog, func(n syntax.Node) bool {
		if r, is := n.(*syntax.Redirect); is && (r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc) {
			heredocs++
		}
		if call, is := n.(*syntax.CallExpr); is && isPip(call) {
			total++
		}
		return true
	})
	if total == 0 {
		return []Part{{Shell: script}}, true
	}
	if heredocs > 0 {
		return nil, false
	}
	var flat []*syntax.Stmt
	for _, stmt := range prog.Stmts {
		flat = flatten(stmt, flat)
	}
	changed := false
	for _, stmt := range flat {
		call, is := stmt.Cmd.(*syntax.CallExpr)
		if is && isPip(call) && plain(stmt) {
			part, all := pipPart(call)
			if !all || changed {
				return nil, false
			}
			parts = append(parts, part)
			total--
			continue
		}
		changed = changed || changesShell(stmt)
		text := script[stmt.Pos().Offset():stmt.End().Offset()]
		text = strings.TrimSuffix(strings.TrimSpace(text), ";")
		if n := len(parts); n > 0 && parts[n-1].Pip == nil {
			parts[n-1].Shell += " && " + text
		} else {
			parts = append(parts, Part{Shell: text})
		}
	}
	return parts, total == 0
}

// stateful are commands that leave something behind in the shell, which a pip
// install after them could not see.
var stateful = map[string]bool{
	"cd": true, "pushd": true, "popd": true, "export": true, "unset": true, "source": true, ".": true, "eval": true, "read": true,
}

// changesShell reports whether a statement changes the folder or the variables
// of the shell.
func changesShell(stmt *syntax.Stmt) bool {
	found := false
	syntax.Walk(stmt, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Subshell, *syntax.CmdSubst, *syntax.FuncDecl:
			return false
		case *syntax.DeclClause:
			found = true
		case *syntax.CallExpr:
			words := literals(n)
			found = found || len(n.Args) == 0 || (len(words) > 0 && stateful[words[0]])
		}
		return true
	})
	return found
}

// flatten takes "a && b && c" apart.
func flatten(stmt *syntax.Stmt, into []*syntax.Stmt) []*syntax.Stmt {
	bin, ok := stmt.Cmd.(*syntax.BinaryCmd)
	if !ok || bin.Op != syntax.AndStmt || !plain(stmt) {
		return append(into, stmt)
	}
	into = flatten(bin.X, into)
	return flatten(bin.Y, into)
}

func plain(s *syntax.Stmt) bool {
	return len(s.Redirs) == 0 && !s.Negated && !s.Background && !s.Coprocess
}

// isPip recognises pip install, pip3 install, python -m pip install and uv pip
// install.
func isPip(call *syntax.CallExpr) bool {
	return pipPrefix(literals(call)) > 0
}

// pipPrefix is how many words "pip install" takes, or 0.
func pipPrefix(argv []string) int {
	if len(argv) == 0 {
		return 0
	}
	n := 0
	switch name := path.Base(argv[0]); {
	case name == "pip" || name == "pip3" || name == "pip3.15":
		n = 1
	case (name == "python" || name == "python3" || name == "python3.15") && len(argv) > 2 && argv[1] == "-m" && argv[2] == "pip":
		n = 3
	case name == "uv" && len(argv) > 1 && argv[1] == "pip":
		n = 2
	default:
		return 0
	}
	// Global options may stand before the verb: pip --no-cache-dir install.
	for n < len(argv) && strings.HasPrefix(argv[n], "-") {
		n++
	}
	if n < len(argv) && argv[n] == "install" {
		return n + 1
	}
	return 0
}

// pipPart are the arguments of a pip install and the assignments before it.
// Variables keep their $, for the caller to expand.
func pipPart(call *syntax.CallExpr) (Part, bool) {
	part := Part{Pip: []string{}}
	for _, a := range call.Assigns {
		if a.Value == nil || a.Append || a.Index != nil || a.Array != nil {
			return part, false
		}
		value, ok := printed(a.Value)
		if !ok {
			return part, false
		}
		part.Env = append(part.Env, a.Name.Value+"="+value)
	}
	for _, w := range call.Args[pipPrefix(literals(call)):] {
		text, ok := printed(w)
		if !ok {
			return part, false
		}
		part.Pip = append(part.Pip, text)
	}
	return part, true
}

// printed is a word whose variables are still to be expanded; patterns and
// command substitutions need a shell and are refused.
func printed(w *syntax.Word) (string, bool) {
	if text, ok := literal(w); ok && !strings.ContainsAny(text, "$\"'\\") {
		return text, true
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, w); err != nil || strings.ContainsAny(b.String(), "`(") {
		return "", false
	}
	return b.String(), true
}

// PipArgs is what follows "pip install" in a RUN in exec form.
func PipArgs(argv []string) ([]string, bool) {
	n := pipPrefix(argv)
	if n == 0 {
		return nil, false
	}
	return argv[n:], true
}
