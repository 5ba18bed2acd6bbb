package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/packager/bases"
)

// pullOptions are the flags of wherry pull.
type pullOptions struct {
	quiet  bool
	policy string
	warm   bool
	output string
}

func (a *app) pullCommand() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [OPTIONS] IMAGE...",
		Short: "Fetch images from their registries",
		Long: `Fetch images from their registries.

With --warm everything the images could ever need is compiled, too: what their
first start needs and what no start has needed yet. That is done by a process of
its own, with low priority and in less than a gigabyte. It can be interrupted,
and goes on where it was. With -o the compiled code is also written to a folder,
for machines that shall not, or cannot, write any: see docs/starting.md.`,
		Example: `  wherry pull registry.example/iris:1
  wherry pull --warm registry.example/iris:1
  wherry pull --warm --policy missing -o ./baked iris:1`,
		Args: atLeast(1, "at least one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			a.quiet = o.quiet
			for _, name := range args {
				if err := a.pull(cmd.Context(), name, o); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print the image's name only")
	f.StringVar(&o.policy, "policy", "always", "which images to fetch: always, or missing ones only")
	f.Var(new(platformFlag), "platform", platformUse)
	f.BoolVar(&o.warm, "warm", false, "compile all that the images could need")
	f.StringVarP(&o.output, "output", "o", "", "with --warm: folder to write the compiled code to as well")
	return cmd
}

func (o *pullOptions) check() error {
	switch {
	case o.policy != "always" && o.policy != "missing":
		return &ux.UsageError{Text: "--policy takes always or missing"}
	case o.output != "" && !o.warm:
		return &hinted{&ux.UsageError{Text: "-o is for what --warm compiles"}, "to write images to a file: wherry save -o FILE.tar IMAGE"}
	}
	return nil
}

// pull fetches one image, and warms it when that is wanted.
func (a *app) pull(ctx context.Context, name string, o pullOptions) error {
	full, err := a.fetch(ctx, name, o)
	if err != nil {
		return err
	}
	a.talk().Clear()
	if o.warm {
		if err := a.warmAside(ctx, name, o); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(a.Out, full)
	return err
}

// fetch has an image in the store and returns its full name.
func (a *app) fetch(ctx context.Context, name string, o pullOptions) (string, error) {
	if base, ok := bases.Lookup(name); ok {
		_, done, err := a.openBase(ctx, base)
		if err != nil {
			return "", err
		}
		done()
		return name, nil
	}
	ref, err := parseRef(name)
	if err != nil {
		return "", err
	}
	s, err := a.store(ctx)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if o.policy == "missing" {
		_, err := images.Find(ctx, s, name)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return ref.String(), err
		}
	}
	client, _ := a.client()
	desc, err := images.Pull(ctx, s, ref, client)
	if err != nil {
		return "", a.absent(ctx, s, name, registryError(ref.Registry, err))
	}
	a.talk().Clear()
	a.event("image", "pull", "", ref.Familiar())
	if !o.quiet {
		fmt.Fprintln(a.Err, "Digest:", desc.Digest)
	}
	return ref.String(), nil
}
