package recipe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Model is the instruction MODEL [--from=STAGE|IMAGE] [--golden=FILE] SRC [DEST]:
// files that are weights, each in an uncompressed layer of its own.
type Model struct {
	// From is a stage or an image; empty means the build context.
	From string
	// Golden is a file of the build context with golden cases; empty means none.
	Golden string
	// Source is the file, folder or pattern that holds the weights.
	Source string
	// Dest is where they go; "." (the working directory) unless given.
	Dest string
}

// Expand replaces the variables in the model's paths.
func (m *Model) Expand(expand instructions.SingleWordExpander) error {
	var err error
	if m.Source, err = expand(m.Source); err != nil {
		return err
	}
	if m.Dest, err = expand(m.Dest); err != nil {
		return err
	}
	m.Golden, err = expand(m.Golden)
	return err
}

// Snapshot is the instruction SNAPSHOT: keep what the program of the image is in
// memory when it waits for work.
type Snapshot struct{}

// parseModel reads MODEL with the quoting, JSON form and flags of COPY: the
// text goes through buildkit's parser once more under that name.
func parseModel(n *parser.Node, escape rune) (*Model, error) {
	rest := strings.TrimLeft(n.Original, " \t")[len(n.Value):]
	if strings.Contains(rest, "<<") {
		return nil, errors.New("MODEL takes files, not a heredoc")
	}
	text := "COPY" + rest + "\n"
	if escape != parser.DefaultEscapeToken {
		text = "# escape=" + string(escape) + "\n" + text
	}
	res, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	if len(res.AST.Children) != 1 {
		return nil, errors.New("MODEL cannot be read")
	}
	copied := res.AST.Children[0]
	m := &Model{Dest: "."}
	for _, flag := range copied.Flags {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "--from":
			m.From = value
		case "--golden":
			m.Golden = value
		default:
			return nil, fmt.Errorf("MODEL has no flag %s; it has --from and --golden", name)
		}
		if value == "" {
			return nil, fmt.Errorf("MODEL %s needs a value", name)
		}
	}
	var args []string
	for arg := copied.Next; arg != nil; arg = arg.Next {
		args = append(args, arg.Value)
	}
	if len(args) < 1 || len(args) > 2 || args[0] == "" {
		return nil, errors.New("MODEL wants one source and at most one destination: MODEL [--from=STAGE|IMAGE] [--golden=FILE] SRC [DEST]")
	}
	m.Source = args[0]
	if len(args) == 2 {
		m.Dest = args[1]
	}
	return m, nil
}

func parseSnapshot(n *parser.Node) (*Snapshot, error) {
	rest := strings.TrimLeft(n.Original, " \t")[len(n.Value):]
	if strings.TrimSpace(rest) != "" {
		return nil, errors.New("SNAPSHOT takes no arguments")
	}
	return &Snapshot{}, nil
}
