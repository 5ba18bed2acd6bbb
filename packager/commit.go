package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// CommitOptions say what image to make of files that no recipe made: of a container's
// changes, or of an archive. Only Store, Cache, Epoch, Labels and Progress are used of
// Options.
type CommitOptions struct {
	Options
	// Base is what Layer lies upon; nil is nothing.
	Base *Image
	// Layer is the tar of a layer, plain or packed; whiteouts take away what Base has.
	Layer io.Reader
	// Limits bound what Layer may unpack to; zero is layer.DefaultLimits.
	Limits layer.Limits
	// Configure changes the config before Change does; nil changes nothing.
	Configure func(c *oci.ImageConfig)
	// Change holds lines of a recipe that change the config: CMD, ENV and the like.
	Change []string
	// CreatedBy is the layer's line of history, Comment what its author says of it.
	CreatedBy, Comment, Author string
}

// Commit makes an image of a layer.
func Commit(ctx context.Context, o CommitOptions) (*Result, error) {
	text := "FROM scratch\n" + strings.Join(o.Change, "\n") + "\n"
	file, err := recipe.Parse("--change", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	o.Recipe, o.Recorder = file, nil
	b, err := newBuilder(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	s := newState(o.Base, b.Epoch)
	s.name = "commit"
	if o.Author != "" {
		s.config.Author = o.Author
	}
	plain, err := layer.Decompress(o.Layer, o.Limits)
	if err != nil {
		return nil, fmt.Errorf("read the layer: %w", err)
	}
	defer plain.Close()
	index, err := layer.Unpack(ctx, plain, b.Store, o.Limits)
	if err != nil {
		return nil, fmt.Errorf("read the layer: %w", err)
	}
	if _, err := b.commit(ctx, s, index.Entries, o.CreatedBy); err != nil {
		return nil, err
	}
	if o.Comment != "" {
		s.config.History[len(s.config.History)-1].Comment = o.Comment
	}
	if o.Configure != nil {
		o.Configure(&s.config.Config)
	}
	s.ownCmd = true // ENTRYPOINT leaves the container's arguments alone
	if err := b.change(ctx, s, file); err != nil {
		return nil, err
	}
	return b.export(ctx, s)
}

// change does the instructions of a recipe that change nothing but a config.
func (b *builder) change(ctx context.Context, s *state, file *recipe.File) error {
	if len(file.Stages) > 1 {
		return errors.New("--change FROM: there is one image to change")
	}
	for _, step := range file.Stages[0].Steps {
		cmd, err := step.Fresh()
		if err == nil {
			switch cmd.(type) {
			case *instructions.CmdCommand, *instructions.EntrypointCommand, *instructions.EnvCommand, *instructions.ExposeCommand,
				*instructions.LabelCommand, *instructions.UserCommand, *instructions.VolumeCommand, *instructions.WorkdirCommand,
				*instructions.HealthCheckCommand, *instructions.StopSignalCommand:
				_, err = b.step(ctx, s, step)
			default:
				err = errors.New("only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR change an image without building it")
			}
		}
		if err != nil {
			return fmt.Errorf("--change %q: %w", step.Code, err)
		}
	}
	return nil
}
