package shell

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The commands that a rewritten script is given, beside sizeCheck, randomNumber
// and heldOutput. A script that writes one of them itself gains nothing by it.
const (
	// forkCommand runs its operand, a text that was rewritten, in a subshell that
	// is counted.
	forkCommand = "\x01fork"
	// tickCommand does nothing; it stands in loops that might go on without a
	// command, and keeps the status.
	tickCommand = "\x01tick"
	// statusCommand ends with the status it is told.
	statusCommand = "\x01status"
	// copyCommand prints its input: $(<file).
	copyCommand = "\x01copy"
	// echoCommand is the builtin echo, which a closed pipe ends.
	echoCommand = "\x01echo"
	// mapfileCommand is the builtin mapfile, over an input that was bounded.
	mapfileCommand = "\x01mapfile"
	// failCommand prints its operand as an error.
	failCommand = "\x01fail"
)

// rewriter makes a parsed script one that is run here: what would show the
// host is refused or replaced, what grows or forks is counted, and in order its
// commands run one by one.
type rewriter struct {
	ordered  bool
	declared func(name string) // is told of every function
	err      error
}

func (w *rewriter) rewrite(node syntax.Node) error {
	ownNumbers(node)
	w.refuse(node)
	if w.err == nil {
		w.measure(node)
	}
	if w.err == nil && w.ordered {
		w.err = inOrder(node)
	}
	if w.err == nil {
		w.count(node)
	}
	return w.err
}

func (w *rewriter) fail(p syntax.Pos, format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("line %d: %s", p.Line(), fmt.Sprintf(format, args...))
	}
}

// refuse looks for what the interpreter would do on the host, or without bound:
// process substitution makes named pipes in the host's file system.
func (w *rewriter) refuse(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ProcSubst:
			w.fail(n.Pos(), "process substitution is not supported; use a pipe or a file")
		case *syntax.ForClause:
			if n.Select {
				w.fail(n.Pos(), "select is not supported; use read and case")
			}
		case *syntax.CoprocClause:
			if !w.ordered { // else it is refused for another reason
				w.fail(n.Pos(), "coproc is not supported; use a pipe or a file")
			}
		case *syntax.FuncDecl:
			if n.Name != nil && w.declared != nil {
				w.declared(n.Name.Value)
			}
		}
		return w.err == nil
	})
}

// measure puts size checks in front of what can grow, and a tick in loops.
func (w *rewriter) measure(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			w.words(n.Pos(), n.Args, 2)
			w.assigns(n.Assigns)
		case *syntax.DeclClause:
			w.assigns(n.Args)
		case *syntax.WordIter:
			w.words(n.Pos(), n.Items, 2)
		case *syntax.CaseClause:
			w.words(n.Pos(), []*syntax.Word{n.Word}, 2)
			for _, item := range n.Items {
				w.patterns(item.Patterns)
			}
		case *syntax.BinaryTest:
			w.test(n)
		case *syntax.UnaryTest:
			if word, ok := n.X.(*syntax.Word); ok {
				w.words(n.Pos(), []*syntax.Word{word}, 2)
			}
		case *syntax.Redirect:
			w.words(n.Pos(), []*syntax.Word{n.Word}, 2)
			if n.Hdoc != nil {
				w.words(n.Pos(), []*syntax.Word{n.Hdoc}, 2)
			}
		case *syntax.ArithmCmd, *syntax.LetClause, *syntax.CStyleLoop:
			for _, word := range wordsIn(n) {
				w.words(n.Pos(), []*syntax.Word{word}, 2)
			}
		case *syntax.WhileClause:
			n.Do = w.ticking(n.Do)
		case *syntax.CmdSubst:
			w.substitution(n)
			return !ours(n)
		}
		if loop, ok := n.(*syntax.ForClause); ok {
			loop.Do = w.ticking(loop.Do)
		}
		return w.err == nil
	})
}

// ours reports whether a substitution is one that rewriting has put there.
func ours(s *syntax.CmdSubst) bool {
	if len(s.Stmts) != 1 {
		return false
	}
	call, ok := s.Stmts[0].Cmd.(*syntax.CallExpr)
	return ok && len(call.Args) > 0 && strings.HasPrefix(call.Args[0].Lit(), "\x01")
}

// substitution makes $(<file) a command, whose output is bounded.
func (w *rewriter) substitution(s *syntax.CmdSubst) {
	if len(s.Stmts) == 1 && s.Stmts[0].Cmd == nil && len(s.Stmts[0].Redirs) == 1 && s.Stmts[0].Redirs[0].Op == syntax.RdrIn {
		s.Stmts[0].Cmd = &syntax.CallExpr{Args: []*syntax.Word{literal(copyCommand)}}
	}
}

// words puts a check before the first of some words that are expanded together,
// if so many of their expansions can be large.
func (w *rewriter) words(p syntax.Pos, words []*syntax.Word, refs int) {
	z := &sizer{}
	z.list(words)
	w.guard(p, z, words, refs)
}

// patterns are checked with less patience, one by one.
func (w *rewriter) patterns(words []*syntax.Word) {
	for _, word := range words {
		z := &sizer{}
		z.word(word)
		z.emit("q")
		z.constant(0)
		w.guard(word.Pos(), z, []*syntax.Word{word}, 1)
	}
}

func (w *rewriter) guard(p syntax.Pos, z *sizer, words []*syntax.Word, refs int) {
	if z.substs > maxSubstitutions {
		w.fail(p, "%v", errSubstitutions)
	}
	if z.refs < refs {
		return
	}
	for _, word := range words {
		for i, part := range word.Parts {
			if _, ok := part.(*syntax.Lit); !ok {
				rest := append([]syntax.WordPart{z.check()}, word.Parts[i:]...)
				word.Parts = append(word.Parts[:i:i], rest...)
				return
			}
		}
	}
}

// assigns checks what is given to variables: there even a little adds up.
func (w *rewriter) assigns(list []*syntax.Assign) {
	for _, a := range list {
		z := &sizer{}
		var words []*syntax.Word
		switch {
		case a.Value != nil:
			words = []*syntax.Word{a.Value}
		case a.Array != nil:
			for _, e := range a.Array.Elems {
				if e.Value != nil {
					words = append(words, e.Value)
				}
				if x, ok := e.Index.(*syntax.Word); ok {
					w.words(x.Pos(), []*syntax.Word{x}, 2)
				}
			}
		}
		if len(words) == 0 {
			continue
		}
		z.list(words)
		grows := a.Append || a.Index != nil
		if grows && a.Name != nil {
			z.emit("v%s", a.Name.Value)
			z.emit("+")
		}
		if z.refs == 1 && !grows && a.Value != nil && sameText(a.Value) {
			continue
		}
		before := len(words[0].Parts)
		w.guard(a.Pos(), z, words, 1)
		if grows && z.refs == 0 && before > 0 { // nothing but literals
			words[0].Parts = append(words[0].Parts, z.check())
		}
	}
}

// sameText reports whether a word is the very text of one variable, which is
// not copied.
func sameText(word *syntax.Word) bool {
	parts := word.Parts
	if q, ok := parts[0].(*syntax.DblQuoted); ok && len(parts) == 1 {
		parts = q.Parts
	}
	return len(parts) == 1 && !nested(&syntax.Word{Parts: parts})
}

// test checks the two sides of a test that compares.
func (w *rewriter) test(t *syntax.BinaryTest) {
	right, ok := t.Y.(*syntax.Word)
	if !ok {
		return
	}
	switch t.Op {
	case syntax.TsMatchShort, syntax.TsMatch, syntax.TsNoMatch, syntax.TsReMatch:
		w.patterns([]*syntax.Word{right})
	default:
		w.words(t.Pos(), []*syntax.Word{right}, 2)
	}
	if left, ok := t.X.(*syntax.Word); ok {
		w.words(t.Pos(), []*syntax.Word{left}, 2)
	}
}

// ticking is the body of a loop in which the shell looks about at each turn.
func (w *rewriter) ticking(body []*syntax.Stmt) []*syntax.Stmt {
	tick := &syntax.Stmt{Cmd: &syntax.CallExpr{Args: []*syntax.Word{literal(tickCommand)}}}
	nothing := &syntax.Stmt{Cmd: &syntax.CallExpr{Args: []*syntax.Word{literal(":")}}}
	// As the left side of && a status that is kept ends no script under -e.
	both := &syntax.Stmt{Cmd: &syntax.BinaryCmd{Op: syntax.AndStmt, X: tick, Y: nothing}}
	for _, s := range body {
		if call, ok := s.Cmd.(*syntax.CallExpr); ok && len(call.Args) > 0 && call.Args[0].Lit() != "" {
			return body // a command at each turn
		}
	}
	return append([]*syntax.Stmt{both}, body...)
}

// count makes what would run beside the script a command of its own.
func (w *rewriter) count(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		if n == nil { // on the way back
			return true
		}
		switch n := n.(type) {
		case *syntax.Stmt:
			if n.Background || n.Disown {
				inner := *n
				inner.Background, inner.Disown, inner.Comments = false, false, nil
				n.Negated, n.Redirs = false, nil
				n.Cmd = w.fork(&inner)
				return false
			}
		case *syntax.BinaryCmd:
			if n.Op == syntax.Pipe || n.Op == syntax.PipeAll {
				w.pipeline(n)
				return false
			}
		}
		return w.err == nil
	})
}

// pipeline counts all but the last command of a pipeline. It is parsed as
// ((a | b) | c) and becomes (a | (b | c)), else a fork would hold a fork for
// each of its commands.
func (w *rewriter) pipeline(n *syntax.BinaryCmd) {
	for {
		left, ok := n.X.Cmd.(*syntax.BinaryCmd)
		if !ok || left.Op != syntax.Pipe && left.Op != syntax.PipeAll || n.X.Negated || n.X.Background || len(n.X.Redirs) > 0 {
			break
		}
		rest := &syntax.BinaryCmd{OpPos: n.OpPos, Op: n.Op, X: left.Y, Y: n.Y}
		n.OpPos, n.Op, n.X, n.Y = left.OpPos, left.Op, left.X, &syntax.Stmt{Position: left.Y.Position, Cmd: rest}
	}
	n.X = &syntax.Stmt{Position: n.X.Position, Cmd: w.fork(n.X)}
	w.count(n.Y)
}

// fork is the call of forkCommand that runs s.
func (w *rewriter) fork(s *syntax.Stmt) *syntax.CallExpr {
	w.count(s)
	if w.err != nil {
		return &syntax.CallExpr{Args: []*syntax.Word{literal(forkCommand)}}
	}
	var text strings.Builder
	if err := syntax.NewPrinter(syntax.Minify(true)).Print(&text, s); err != nil && w.err == nil {
		w.err = err
	}
	if text.Len() > maxScript {
		w.err = errTooLong
		text.Reset()
	}
	return &syntax.CallExpr{Args: []*syntax.Word{literal(forkCommand), literal(base64.StdEncoding.EncodeToString([]byte(text.String())))}}
}

// wordsIn are the outermost words below a node.
func wordsIn(node syntax.Node) []*syntax.Word {
	var words []*syntax.Word
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Word:
			words = append(words, n)
			return false
		case *syntax.Stmt:
			return false
		}
		return true
	})
	return words
}

// rewriteText rewrites a text that the shell is about to parse by itself: the
// operand of eval or trap, a script to source. One that does not parse is left
// for the shell to report.
func (h *handlers) rewriteText(text string) (string, error) {
	if err := tooDeep([]byte(text)); err != nil {
		return "", err
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return text, nil
	}
	if err := h.own(file); err != nil {
		return "", err
	}
	if functions(file) {
		if err := h.keep(parsedSize * len(text)); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	if err := syntax.NewPrinter().Print(&b, file); err != nil {
		return "", err
	}
	return b.String(), nil
}

// parsedSize is how much more a text counts that is kept as a tree.
const parsedSize = 8

// functions reports whether a script declares any.
func functions(node syntax.Node) bool {
	found := false
	syntax.Walk(node, func(n syntax.Node) bool {
		_, ok := n.(*syntax.FuncDecl)
		found = found || ok
		return !found
	})
	return found
}

// own makes a parsed script one that is run here.
func (h *handlers) own(node syntax.Node) error {
	return (&rewriter{ordered: h.inOrder, declared: h.declare}).rewrite(node)
}

var errFork = errors.New("no text to run")

// forked is the text of a call of forkCommand.
func forked(args []string) (string, error) {
	if len(args) != 2 {
		return "", errFork
	}
	text, err := base64.StdEncoding.DecodeString(args[1])
	if err != nil {
		return "", errFork
	}
	return string(text), nil
}
