package shell

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// The interpreter expands a word into memory without asking anybody, and
// `x=$x$x` sixty times is more than any machine has. So in front of what can
// grow a parsed script gets one substitution more, of a command that prints
// nothing and knows how large the result can be at most: it is told in reverse
// Polish notation, computed from the variables as they are just then, and what
// is too large is refused before it is made. See sizer for the notation.

// sizeCheck is that command.
const sizeCheck = "\x01size"

const (
	// maxText bounds what one expansion makes.
	maxText = 16 << 20
	// maxVariables bounds what the variables of a shell hold.
	maxVariables = 64 << 20
	// maxAllVariables bounds what the variables of a shell and those of its subshells
	// hold together, as far as one of them sees it.
	maxAllVariables = 256 << 20
	// maxSubstituted bounds what one command substitution prints.
	maxSubstituted = 16 << 20
	// maxSubstitutions bounds the command substitutions in one command.
	maxSubstitutions = 64
	// maxPattern bounds a pattern, which is compiled before it is matched.
	maxPattern = 64 << 10
	// maxReplaced bounds the text in which a pattern is replaced: all places
	// where it matches are held at once.
	maxReplaced = 2 << 20
	// maxBraces is how many words the interpreter makes of one with braces.
	maxBraces = 16 << 10
	// perElement is what an element of a list takes beside its text.
	perElement = 16
)

// errTooLarge is a script that would hold too much.
var errTooLarge = fmt.Errorf("the shell refuses an expansion of more than %d bytes to hold at once", maxText)

var (
	errPattern       = fmt.Errorf("the shell refuses a pattern of more than %d bytes", maxPattern)
	errReplaced      = fmt.Errorf("the shell refuses to replace in a text of more than %d bytes", maxReplaced)
	errSubstitutions = fmt.Errorf("more than %d command substitutions in one command", maxSubstitutions)
	errNotation      = errors.New("no size")
)

// sizer says in reverse Polish notation how large some words can become.
//
//	cN   N               vX   the size of variable X    pN   of parameter N
//	ps   of all parameters                  all  of all variables and parameters
//	+    the sum of two  xN   N times the top           =X   X is now the top, too
//	q    the top is the size of a pattern, and no part of the result
//	rX.H the top replaces, in X, what is H (in hex; empty: anything)
type sizer struct {
	words  []string
	params bool // the notation needs the parameters
	refs   int  // expansions that can be large
	substs int
}

func (z *sizer) emit(format string, args ...any) {
	z.words = append(z.words, fmt.Sprintf(format, args...))
}
func (z *sizer) constant(n int) { z.emit("c%d", n) }

// list adds up the sizes of words.
func (z *sizer) list(words []*syntax.Word) {
	z.constant(0)
	for _, w := range words {
		z.word(w)
		z.emit("+")
	}
}

// word is the size of a word, with all that its braces make of it.
func (z *sizer) word(w *syntax.Word) {
	if w == nil {
		z.constant(0)
		return
	}
	substs, refs := z.substs, z.refs
	z.parts(w.Parts)
	if n := braces(w); n > 1 {
		z.emit("x%d", n)
		z.substs = substs + n*(z.substs-substs)
		z.refs = refs + 2*(z.refs-refs)
	}
	z.constant(perElement)
	z.emit("+")
}

// braces is how many words become of one.
func braces(w *syntax.Word) int {
	copied := *w
	if !syntax.SplitBraces(&copied) {
		return 1
	}
	n := 0
	for _, err := range expand.BracesSeq(nil, &copied) {
		if err != nil {
			return maxBraces
		}
		n++
	}
	return max(n, 1)
}

func (z *sizer) parts(parts []syntax.WordPart) {
	literal := 0
	z.constant(0)
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			literal += len(p.Value)
			continue
		case *syntax.SglQuoted:
			literal += len(p.Value)
			continue
		case *syntax.ExtGlob:
			literal += len(p.Pattern.Value) + 3
			continue
		case *syntax.DblQuoted:
			z.parts(p.Parts)
		case *syntax.ParamExp:
			z.param(p)
		case *syntax.ArithmExp:
			z.arithmetic(p.X)
		case *syntax.CmdSubst:
			z.substs++
			continue
		default:
			continue
		}
		z.emit("+")
	}
	z.constant(literal)
	z.emit("+")
}

// arithmetic is a number, of whatever size the words in it are meanwhile.
func (z *sizer) arithmetic(x syntax.ArithmExpr) {
	z.constant(24)
	for _, w := range wordsIn(x) {
		if len(w.Parts) > 1 || nested(w) {
			z.word(w)
			z.emit("+")
		}
	}
}

// nested reports whether a word holds expansions within expansions.
func nested(w *syntax.Word) bool {
	for _, p := range w.Parts {
		if pe, ok := p.(*syntax.ParamExp); !ok || pe.Exp != nil || pe.Repl != nil || pe.Index != nil {
			if _, literal := p.(*syntax.Lit); !literal {
				return true
			}
		}
	}
	return false
}

// base is the size of what a parameter expansion begins with.
func (z *sizer) base(name string) {
	z.refs++
	switch n, err := strconv.Atoi(name); {
	case err == nil && n > 0:
		z.params = true
		z.emit("p%d", n)
	case name == "@" || name == "*":
		z.params = true
		z.emit("ps")
	case name == "DIRSTACK":
		z.constant(maxPushed)
	case syntax.ValidName(name):
		z.emit("v%s", name)
	default: // $? and its like
		z.refs--
		z.constant(4096)
	}
}

func (z *sizer) param(p *syntax.ParamExp) {
	if p.Param == nil {
		z.constant(0)
		return
	}
	name := p.Param.Value
	if p.Index != nil {
		z.refs++
		z.arithmetic(p.Index)
		z.emit("q")
	}
	switch {
	case p.Length || p.Width || p.IsSet:
		z.constant(24)
		return
	case p.Excl: // what is named, or the names
		z.refs += 2
		z.params = true
		z.emit("all")
		return
	case p.Slice != nil:
		for _, x := range []syntax.ArithmExpr{p.Slice.Offset, p.Slice.Length} {
			if x != nil {
				z.arithmetic(x)
				z.emit("q")
			}
		}
	case p.Repl != nil:
		z.replace(name, p.Repl)
		return
	case p.Exp != nil:
		z.operator(name, p.Exp)
		return
	}
	z.base(name)
}

func (z *sizer) replace(name string, r *syntax.Replace) {
	z.refs += 2
	z.params = true
	z.word(r.Orig)
	z.emit("q")
	z.word(r.With)
	what := ""
	if r.Orig != nil && !strings.ContainsAny(r.Orig.Lit(), `*?[\`) {
		what = hex.EncodeToString([]byte(r.Orig.Lit()))
	}
	z.emit("r%s.%s", name, what)
}

func (z *sizer) operator(name string, e *syntax.Expansion) {
	switch e.Op {
	case syntax.RemSmallPrefix, syntax.RemLargePrefix, syntax.RemSmallSuffix, syntax.RemLargeSuffix:
		z.word(e.Word)
		z.emit("q")
		z.base(name)
	case syntax.UpperFirst, syntax.UpperAll, syntax.LowerFirst, syntax.LowerAll:
		z.word(e.Word)
		z.emit("q")
		z.base(name)
		z.emit("x3") // letters whose other case is longer
	case syntax.OtherParamOps:
		z.refs++
		z.base(name)
		z.emit("x8") // quotes and escapes
		z.constant(256)
		z.emit("+")
	default: // another word in its place
		z.base(name)
		z.word(e.Word)
		if e.Op == syntax.AssignUnset || e.Op == syntax.AssignUnsetOrNull {
			z.refs++
			z.emit("=%s", name)
		}
		z.emit("+")
	}
}

// check is the substitution of the size check.
func (z *sizer) check() *syntax.CmdSubst {
	call := &syntax.CallExpr{Args: []*syntax.Word{literal(sizeCheck)}}
	for _, w := range z.words {
		call.Args = append(call.Args, literal(w))
	}
	if z.params {
		all := &syntax.ParamExp{Short: true, Param: &syntax.Lit{Value: "@"}}
		call.Args = append(call.Args, literal("--"), &syntax.Word{Parts: []syntax.WordPart{&syntax.DblQuoted{Parts: []syntax.WordPart{all}}}})
	}
	return &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call}}}
}

func literal(s string) *syntax.Word {
	return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: s}}}
}

// sizes computes what a sizer wrote down.
type sizes struct {
	env    expand.Environ
	params []string
	set    map[string]uint64 // by this very expansion
	stack  []uint64
}
