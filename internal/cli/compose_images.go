package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci"
)

func (o *composeOptions) imageCommands() []*cobra.Command {
	return []*cobra.Command{o.buildCommand(), o.pullCommand(), o.pushCommand(), o.imagesCommand()}
}

func (o *composeOptions) buildCommand() *cobra.Command {
	var args []string
	var noCache, pull, push, quiet, needs, check, printed bool
	var builder, memory string
	var attested attestations
	cmd := &cobra.Command{
		Use: "build [OPTIONS] [SERVICE...]", Short: "Build the images of services",
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := attested.validate(); err != nil {
				return err
			}
			change := func(b *compose.Build) {
				b.Args = slices.Concat(b.Args, args)
				b.NoCache, b.Pull = b.NoCache || noCache, b.Pull || pull
			}
			t := transferOptions{names: names, needs: needs, quiet: quiet}
			if printed {
				return o.printBuild(cmd.Context(), t, change)
			}
			return o.transfer(cmd.Context(), t, func(ctx context.Context, e *compose.Engine, s *compose.Service) error {
				switch {
				case s.Build == nil:
					return nil
				case check:
					return o.checkBuild(*s.Build)
				}
				b := *s.Build
				change(&b)
				if o.dry {
					o.tell(compose.Step{Kind: "Image", Name: s.Container.Image, Done: "Built"})
				} else if err := e.Images.Build(ctx, b); err != nil {
					return err
				}
				if !push {
					return nil
				}
				return o.pushTags(ctx, b.Tags)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&args, "build-arg", nil, "value for an ARG, NAME=VALUE")
	f.BoolVar(&noCache, "no-cache", false, "build every step anew")
	f.BoolVar(&pull, "pull", false, "fetch the images that FROM names anew")
	f.BoolVar(&push, "push", false, "send the images to their registries")
	f.BoolVarP(&quiet, "quiet", "q", false, "show nothing of the steps")
	f.BoolVar(&needs, "with-dependencies", false, "those of services that are needed, too")
	f.BoolVar(&check, "check", false, "list what cannot work in the recipes, and build nothing")
	f.StringVar(&builder, "builder", "", "accepted: there is one builder, in this program")
	f.StringVarP(&memory, "memory", "m", "", "accepted: a RUN takes memory when it uses it")
	attested.flags(f)
	f.BoolVar(&printed, "print", false, "print what would be built, as a file of docker buildx bake, and build nothing")
	return cmd
}

// transferOptions say of which services something is done with the images.
type transferOptions struct {
	names              []string
	needs, quiet, goOn bool // with those that are needed; show nothing; go on after a failure
}

// transfer does something with the image of each service that is chosen.
func (o *composeOptions) transfer(ctx context.Context, t transferOptions, do func(ctx context.Context, e *compose.Engine, s *compose.Service) error) error {
	o.app.quiet = t.quiet
	s, e, err := o.ready(ctx, t.names)
	if err != nil {
		return err
	}
	list, err := s.Selected(t.names, !t.needs)
	if err != nil {
		return notUp(s, err)
	}
	var errs []error
	for _, name := range list {
		if err := do(ctx, e, s.Services[name]); err != nil {
			err = &compose.ServiceError{Service: name, Err: err}
			if !t.goOn {
				return err
			}
			errs = append(errs, err)
		}
	}
	o.app.talk().Clear()
	return joined(errs)
}

func (o *composeOptions) pushTags(ctx context.Context, tags []string) error {
	if o.dry {
		for _, name := range tags {
			o.tell(compose.Step{Kind: "Image", Name: name, Done: "Pushed"})
		}
		return nil
	}
	s, err := o.app.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, name := range tags {
		ref, _, err := o.app.push(ctx, s, name)
		if err != nil {
			return err
		}
		o.app.talk().Line(" Image     %s  Pushed", ref.Familiar())
	}
	return nil
}

func (o *composeOptions) pullCommand() *cobra.Command {
	var t transferOptions
	var noBuild bool
	var policy string
	cmd := &cobra.Command{
		Use: "pull [OPTIONS] [SERVICE...]", Short: "Fetch the images of services from their registries",
		RunE: func(cmd *cobra.Command, names []string) error {
			if policy != "always" && policy != "missing" {
				return &ux.UsageError{Text: "--policy takes always or missing"}
			}
			t.names = names
			return o.transfer(cmd.Context(), t, func(ctx context.Context, e *compose.Engine, s *compose.Service) error {
				if s.External != "" || s.Build != nil { // what is built here need not be anywhere
					return nil
				}
				if !o.dry {
					if err := e.Images.Pull(ctx, s.Container.Image, policy); err != nil {
						return err
					}
				}
				o.tell(compose.Step{Kind: "Image", Name: s.Container.Image, Done: "Pulled"})
				return nil
			})
		},
	}
	f := cmd.Flags()
	t.flags(f, "pull")
	f.BoolVar(&noBuild, "ignore-buildable", false, "accepted: images that are built here are left out always")
	f.StringVar(&policy, "policy", "always", "which images to fetch: always, or missing ones only")
	return cmd
}

func (o *composeOptions) pushCommand() *cobra.Command {
	var t transferOptions
	cmd := &cobra.Command{
		Use: "push [OPTIONS] [SERVICE...]", Short: "Send the images of services that are built here to their registries",
		RunE: func(cmd *cobra.Command, names []string) error {
			t.names = names
			return o.transfer(cmd.Context(), t, func(ctx context.Context, _ *compose.Engine, s *compose.Service) error {
				if s.Build == nil {
					return nil
				}
				return o.pushTags(ctx, s.Build.Tags)
			})
		},
	}
	t.flags(cmd.Flags(), "push")
	return cmd
}

// flags are those that pull and push have in common.
func (t *transferOptions) flags(f *pflag.FlagSet, verb string) {
	f.BoolVarP(&t.quiet, "quiet", "q", false, "show nothing of the transfers")
	f.BoolVar(&t.needs, "include-deps", false, "those of services that are needed, too")
	f.BoolVar(&t.goOn, "ignore-"+verb+"-failures", false, "go on after a failure")
}

// composeImageRow is a line of compose images.
type composeImageRow struct {
	ContainerName, Repository, Tag, Platform, ID, Size string
}

func (o *composeOptions) imagesCommand() *cobra.Command {
	var quiet bool
	var format string
	cmd := &cobra.Command{
		Use: "images [OPTIONS] [SERVICE...]", Short: "List the images of the containers of a stack",
		RunE: func(cmd *cobra.Command, names []string) error {
			ctx := cmd.Context()
			_, _, _, list, err := o.members(ctx, names)
			if err != nil {
				return err
			}
			s, err := o.app.store(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			known, err := images.List(ctx, s)
			if err != nil {
				return err
			}
			rows := []composeImageRow{}
			for _, m := range list {
				r := composeImageRow{ContainerName: m.Name, Repository: m.Image.Name, Tag: "latest", Platform: "wasi/wasm", ID: shortID(m.Image.ID), Size: "N/A"}
				if ref, err := oci.ParseReference(m.Image.Name); err == nil {
					r.Repository = ref.FamiliarName()
					if ref.Tag != "" {
						r.Tag = ref.Tag
					}
				}
				for _, k := range known {
					if string(k.ID) == m.Image.ID || string(k.Digest) == m.Image.Digest {
						r.Size = units.HumanSizeWithPrecision(float64(k.Size), 3)
					}
				}
				if quiet {
					fmt.Fprintln(o.app.Out, r.ID)
				}
				rows = append(rows, r)
			}
			if quiet {
				return nil
			}
			return ux.List(o.app.Out, format, []ux.Column{{Heading: "CONTAINER", Field: "ContainerName"}, {Heading: "REPOSITORY", Field: "Repository"}, {Heading: "TAG", Field: "Tag"},
				{Heading: "PLATFORM", Field: "Platform"}, {Heading: "IMAGE ID", Field: "ID"}, {Heading: "SIZE", Field: "Size"}}, rows)
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show IDs only")
	cmd.Flags().StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}

// removeImages removes the images of a stack: all, or those that were built here.
func (o *composeOptions) removeImages(ctx context.Context, stack *compose.Stack, list []compose.Member, all bool) error {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if stack != nil {
		for _, s := range stack.Services {
			if s.External == "" && (all || s.Build != nil) {
				add(s.Container.Image)
			}
		}
	}
	if all {
		for _, m := range list {
			add(m.Image.Name)
		}
	}
	slices.Sort(names)
	s, err := o.app.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var errs []error
	for _, name := range names {
		if o.dry {
			if id, err := (composeMachine{app: o.app}).ID(ctx, name); err == nil && id != "" {
				o.tell(compose.Step{Kind: "Image", Name: name, Done: "Removed"})
			}
			continue
		}
		removed, err := images.Remove(ctx, s, name, images.RemoveOptions{Users: o.app.users})
		switch {
		case errors.As(err, new(*images.NotFoundError)):
		case err != nil:
			errs = append(errs, err)
		case len(removed) > 0:
			o.tell(compose.Step{Kind: "Image", Name: name, Done: "Removed"})
		}
	}
	return joined(errs)
}
