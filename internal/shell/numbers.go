package shell

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// The interpreter answers $$, $PPID, $RANDOM and $SRANDOM from the host: a
// script would see process numbers of the host, and a build that uses one of
// them would never give the same bytes again. So a parsed script gets others
// in their place: the numbers of a program alone in its container, and
// substitutions of a command that reads the container's /dev/urandom.

// randomNumber is the name of that command.
const randomNumber = "\x01random"

// ownNumbers replaces those variables in a parsed script.
func ownNumbers(node syntax.Node) {
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Word:
			ownParts(n.Parts)
		case *syntax.DblQuoted:
			ownParts(n.Parts)
		case *syntax.ArithmExp:
			ownArithm(n.X)
		case *syntax.ArithmCmd:
			ownArithm(n.X)
		case *syntax.BinaryArithm:
			ownArithm(n.X)
			ownArithm(n.Y)
		case *syntax.UnaryArithm:
			ownArithm(n.X)
		case *syntax.ParenArithm:
			ownArithm(n.X)
		}
		return true
	})
}

func ownParts(parts []syntax.WordPart) {
	for i, part := range parts {
		p, ok := part.(*syntax.ParamExp)
		if !ok || p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || p.Exp != nil || p.Names != 0 {
			continue
		}
		if own := ownNumber(p.Param.Value); own != nil {
			parts[i] = own
		}
	}
}

// ownArithm looks at one operand, where a name needs no dollar sign.
func ownArithm(x syntax.ArithmExpr) {
	if w, ok := x.(*syntax.Word); ok && len(w.Parts) == 1 {
		if lit, ok := w.Parts[0].(*syntax.Lit); ok && lit.Value != "$" {
			if own := ownNumber(lit.Value); own != nil {
				w.Parts[0] = own
			}
		}
	}
}

// ownNumber is what stands for a variable, or nil.
func ownNumber(name string) syntax.WordPart {
	switch name {
	case "$":
		return &syntax.Lit{Value: "1"}
	case "PPID":
		return &syntax.Lit{Value: "0"}
	case "RANDOM", "SRANDOM":
		word := func(s string) *syntax.Word { return &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: s}}} }
		call := &syntax.CallExpr{Args: []*syntax.Word{word(randomNumber), word(name)}}
		return &syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call}}}
	}
	return nil
}

// random prints a number as $RANDOM (15 bits) or $SRANDOM (32 bits) would give.
func (h *handlers) random(ctx context.Context, name string) error {
	out := interp.HandlerCtx(ctx).Stdout
	f, err := h.world.OpenFile("/dev/urandom", os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("%s: open /dev/urandom: %w", name, reason(err))
	}
	defer f.Close()
	var b [4]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		return fmt.Errorf("%s: read /dev/urandom: %w", name, reason(err))
	}
	n := binary.LittleEndian.Uint32(b[:])
	if name == "RANDOM" {
		n &= 1<<15 - 1
	}
	_, err = io.WriteString(out, strconv.FormatUint(uint64(n), 10))
	return err
}
