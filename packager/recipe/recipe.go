// Package recipe knows the Wasmfile: Dockerfile syntax with two instructions of
// our own (MODEL and SNAPSHOT). It turns text into stages and names what in a
// text cannot work, and does no I/O.
package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const (
	maxSize   = 1 << 20 // bytes of one Wasmfile
	maxStages = 256
	maxSteps  = 4096
)

// File is a parsed Wasmfile.
type File struct {
	// Name is how messages call the file.
	Name string
	// Args are the ARG instructions before the first FROM.
	Args []instructions.ArgCommand
	// Stages are the build stages, in the order of the text.
	Stages []Stage
	// Escape is the escape character, a backslash unless a directive says otherwise.
	Escape rune
}

// Stage is one FROM and the steps under it.
type Stage struct {
	// Name is what follows AS, in lower case; empty when unnamed.
	Name string
	// Base is what follows FROM, before variables are expanded.
	Base string
	// Platform is the value of --platform, before variables are expanded.
	Platform string
	// Line is the line of the FROM instruction, counted from 1.
	Line int
	// Code is the text of the FROM instruction.
	Code string
	// Steps are the instructions of the stage.
	Steps []Step
}

// Step is one instruction of a stage.
type Step struct {
	// Line is the first line of the instruction, counted from 1.
	Line int
	// Code is the text of the instruction, continuation lines joined.
	Code string
	// Command is a pointer to one of buildkit's instructions (CopyCommand,
	// RunCommand, ...), or *Model or *Snapshot. It is shared: expand the
	// variables of a Fresh one.
	Command any
	// Unpack is set by --unpack[=PREFIX] of an ADD or COPY.
	Unpack *Unpack

	node   *parser.Node
	escape rune
}

// Unpack makes an ADD or COPY write the members of an archive.
type Unpack struct {
	// Prefix is the folder (ending with /) or the member that is wanted; empty
	// means all. The folder's own name is left away.
	Prefix string
}

// Fresh parses the instruction again, for a caller that changes it.
func (s Step) Fresh() (any, error) {
	cmd, _, err := command(s.node, s.escape)
	return cmd, err
}

// Keyword is the instruction's first word in capitals.
func (s Step) Keyword() string {
	word, _, _ := strings.Cut(s.Code, " ")
	return strings.ToUpper(strings.TrimSpace(word))
}

// SyntaxError says where a Wasmfile cannot be read.
type SyntaxError struct {
	File string
	Line int
	Msg  string
}

func (e *SyntaxError) Error() string {
	if e.Line <= 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Parse reads a Wasmfile. Errors are *SyntaxError, except those of r.
func Parse(name string, r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxSize {
		return nil, &SyntaxError{File: name, Msg: fmt.Sprintf("larger than %d bytes", maxSize)}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, &SyntaxError{File: name, Line: 1 + bytes.Count(text[:i], []byte("\n")), Msg: "holds a NUL byte; is this a text file?"}
	}
	// Line endings never change what is built: a checkout on Windows must
	// give the digest that one on Linux gives, heredocs included.
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	res, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, syntaxError(name, 0, err)
	}
	f := &File{Name: name, Escape: res.EscapeToken}
	if len(res.AST.Children) > maxSteps {
		return nil, &SyntaxError{File: name, Msg: fmt.Sprintf("more than %d instructions", maxSteps)}
	}
	for _, n := range res.AST.Children {
		if err := f.add(n); err != nil {
			return nil, syntaxError(name, n.StartLine, err)
		}
	}
	if len(f.Stages) == 0 {
		return nil, &SyntaxError{File: name, Line: 1, Msg: "no FROM instruction; start with a line such as: FROM python"}
	}
	return f, nil
}

// add appends what one node of the syntax tree says.
func (f *File) add(n *parser.Node) error {
	cmd, unpack, err := command(n, f.Escape)
	if err != nil {
		return err
	}
	if arg, ok := cmd.(*instructions.ArgCommand); ok && len(f.Stages) == 0 {
		f.Args = append(f.Args, *arg)
		return nil
	}
	if s, ok := cmd.(*instructions.Stage); ok {
		return f.addStage(s, n)
	}
	if len(f.Stages) == 0 {
		return fmt.Errorf("%s stands before the first FROM; only ARG may", strings.ToUpper(n.Value))
	}
	last := &f.Stages[len(f.Stages)-1]
	last.Steps = append(last.Steps, Step{
		Line: n.StartLine, Code: strings.TrimSpace(n.Original), Command: cmd, Unpack: unpack,
		node: n, escape: f.Escape,
	})
	return nil
}

func (f *File) addStage(s *instructions.Stage, n *parser.Node) error {
	if len(f.Stages) >= maxStages {
		return fmt.Errorf("more than %d stages", maxStages)
	}
	if s.Name != "" {
		for _, other := range f.Stages {
			if other.Name == s.Name {
				return fmt.Errorf("stage %q is already named on line %d", s.Name, other.Line)
			}
		}
	}
	f.Stages = append(f.Stages, Stage{
		Name: s.Name, Base: s.BaseName, Platform: s.Platform,
		Line: n.StartLine, Code: s.SourceCode,
	})
	return nil
}

// command turns a node into one of buildkit's instructions or one of ours.
func command(n *parser.Node, escape rune) (any, *Unpack, error) {
	switch strings.ToLower(n.Value) {
	case "model":
		m, err := parseModel(n, escape)
		return m, nil, err
	case "snapshot":
		s, err := parseSnapshot(n)
		return s, nil, err
	case "add", "copy":
		rest, unpack := cutUnpack(n)
		cmd, err := instructions.ParseInstruction(rest)
		return cmd, unpack, err
	}
	cmd, err := instructions.ParseInstruction(n)
	var unknown *instructions.UnknownInstructionError
	if errors.As(err, &unknown) {
		return nil, nil, fmt.Errorf("unknown instruction %s", strings.ToUpper(n.Value))
	}
	return cmd, nil, err
}

// cutUnpack takes --unpack[=PREFIX] off an ADD or COPY: buildkit's ADD knows
// only true and false, its COPY not the flag at all.
func cutUnpack(n *parser.Node) (*parser.Node, *Unpack) {
	var unpack *Unpack
	var flags []string
	for _, flag := range n.Flags {
		name, value, _ := strings.Cut(flag, "=")
		switch {
		case name != "--unpack" || value == "false":
			flags = append(flags, flag)
		case value == "true":
			unpack = &Unpack{}
		default:
			unpack = &Unpack{Prefix: value}
		}
	}
	if unpack == nil {
		return n, nil
	}
	rest := *n
	rest.Flags = flags
	return &rest, unpack
}

// syntaxError gives err its place in the file.
func syntaxError(name string, line int, err error) error {
	var at *parser.LocationError
	if errors.As(err, &at) && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		if l := at.Locations[0][0].Start.Line; l > 0 {
			line = l
		}
	}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	return &SyntaxError{File: name, Line: line, Msg: msg}
}

// Stage finds a stage by name (in any case) or, as Docker does, by number.
func (f *File) Stage(name string) (int, bool) {
	return findStage(f.Stages, name)
}

func findStage(stages []Stage, name string) (int, bool) {
	name = strings.ToLower(name)
	if name == "" {
		return 0, false
	}
	for i, s := range stages {
		if s.Name == name {
			return i, true
		}
	}
	n := 0
	for _, c := range name {
		if c < '0' || c > '9' || n > maxStages {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n < len(stages)
}
