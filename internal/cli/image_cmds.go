package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/store"
)

func (a *app) tagCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "tag SOURCE[:TAG] TARGET[:TAG]",
		Short:             "Give an image another name",
		Args:              exactly(2, "an image and its new name"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			err := images.Tag(ctx, s, args[0], args[1])
			if err == nil {
				a.event("image", "tag", "", args[1])
			}
			return err
		}),
	}
}

func (a *app) rmiCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:               "rmi IMAGE...",
		Short:             "Remove images",
		Args:              atLeast(1, "at least one image"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			failed := false
			for _, name := range args {
				removed, err := images.Remove(ctx, s, name, images.RemoveOptions{Force: force, Users: a.users})
				a.tellRemoved(removed)
				var missing *images.NotFoundError
				if force && errors.As(err, &missing) {
					err = nil // gone is what was asked for
				}
				if err != nil {
					_, m := judge(ctx, err)
					ux.PrintError(a.Err, m)
					failed = true
				}
			}
			if failed {
				return errSilent
			}
			return nil
		}),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "remove an image that has several names; do not complain about one that is not there")
	cmd.Flags().Bool("no-prune", false, "accepted for Docker's sake")
	cmd.Flags().Var(new(platformFlag), "platform", platformUse)
	return cmd
}

// historyRow is a line of wherry history, by Docker's names of the fields.
type historyRow struct {
	ID           string
	CreatedSince string
	CreatedAt    string
	CreatedBy    string
	Size         string
	Comment      string
}

func (a *app) historyCommand() *cobra.Command {
	var o struct {
		quiet, noTrunc, human bool
		format                string
	}
	cmd := &cobra.Command{
		Use:               "history IMAGE",
		Short:             "Show the steps an image was built in",
		Args:              exactly(1, "one image"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			items, err := images.History(ctx, s, args[0])
			if err != nil {
				return err
			}
			var rows []historyRow
			for _, i := range items {
				row := historyRow{ID: i.ID, CreatedSince: since(i.Created), CreatedBy: i.CreatedBy, Comment: i.Comment, Size: fmt.Sprint(i.Size)}
				if !i.Created.IsZero() {
					row.CreatedAt = i.Created.Format(time.RFC3339)
				}
				if o.human {
					row.Size = units.HumanSizeWithPrecision(float64(i.Size), 3)
				}
				if !o.noTrunc {
					row.ID = shortID(row.ID)
					if len(row.CreatedBy) > 60 {
						row.CreatedBy = row.CreatedBy[:57] + "..."
					}
				}
				if o.quiet {
					fmt.Fprintln(a.Out, row.ID)
				}
				rows = append(rows, row)
			}
			if o.quiet {
				return nil
			}
			return ux.List(a.Out, o.format, []ux.Column{{Heading: "IMAGE", Field: "ID"}, {Heading: "CREATED", Field: "CreatedSince"}, {Heading: "CREATED BY", Field: "CreatedBy"}, {Heading: "SIZE", Field: "Size"}, {Heading: "COMMENT", Field: "Comment"}}, rows)
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show image IDs only")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "do not shorten")
	f.BoolVarP(&o.human, "human", "H", true, "sizes with units")
	f.Var(new(platformFlag), "platform", platformUse)
	f.StringVar(&o.format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}

// tellRemoved says what was removed, as Docker does.
func (a *app) tellRemoved(list []images.Removed) {
	a.removedEvents(list)
	for _, r := range list {
		if r.Untagged != "" {
			fmt.Fprintln(a.Out, "Untagged:", r.Untagged)
		} else {
			fmt.Fprintln(a.Out, "Deleted:", r.Deleted)
		}
	}
}

func shortID(id string) string {
	const prefix = "sha256:"
	if len(id) > len(prefix)+12 && id[:len(prefix)] == prefix {
		return id[len(prefix) : len(prefix)+12]
	}
	return id
}

func (a *app) saveCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:               "save IMAGE...",
		Short:             "Write images to a tar archive (an OCI image layout)",
		Args:              atLeast(1, "at least one image"),
		ValidArgsFunction: a.complete,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			if output == "" {
				if ux.IsTerminal(a.Out) {
					return &hinted{&ux.UsageError{Text: "an archive is not for a terminal"}, "write it to a file: wherry save -o FILE.tar IMAGE"}
				}
				return images.Save(ctx, s, a.Out, args...)
			}
			return writeFile(output, func(w io.Writer) error { return images.Save(ctx, s, w, args...) })
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write instead of standard output")
	cmd.Flags().Var(new(platformFlag), "platform", platformUse)
	return cmd
}

// platformFlag is --platform of verbs on images that are for one platform always.
type platformFlag string

const platformUse = "wasi/wasm or wasip1/wasm, which images are for always"

func (p *platformFlag) String() string { return string(*p) }

// Type is how help shows the value.
func (p *platformFlag) Type() string { return "string" }

// Set takes what images are for.
func (p *platformFlag) Set(v string) error {
	*p = platformFlag(v)
	return checkPlatform(v)
}

// writeFile writes a file whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".wherry-*")
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		f.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}

func (a *app) loadCommand() *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Read images from a tar archive (an OCI image layout, or docker save's)",
		Args:  cobra.NoArgs,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, _ []string) error {
			in := a.In
			if input != "" {
				f, err := os.Open(input)
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			} else if ux.IsTerminal(a.In) {
				return &hinted{&ux.UsageError{Text: "an archive is not typed at a terminal"}, "read it from a file: wherry load -i FILE.tar"}
			}
			loaded, err := images.Load(ctx, s, in)
			for _, l := range loaded {
				a.imageEvent("load", l.ID, l.Ref)
				if l.Ref.IsZero() {
					fmt.Fprintln(a.Out, "Loaded image ID:", l.ID)
				} else {
					fmt.Fprintln(a.Out, "Loaded image:", l.Ref.Familiar())
				}
			}
			return err
		}),
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "file to read instead of standard input")
	cmd.Flags().BoolP("quiet", "q", false, "accepted for Docker's sake")
	cmd.Flags().Var(new(platformFlag), "platform", platformUse)
	return cmd
}

// imageCommand groups the verbs of images under Docker's other way of writing them.
func (a *app) imageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "image", Short: "The verbs of images, one by one"}
	list, remove := a.imagesCommand(), a.rmiCommand()
	list.Use, list.Aliases = "ls [REPOSITORY[:TAG]]", []string{"list"}
	remove.Use, remove.Aliases = "rm IMAGE...", []string{"remove"}
	prune := a.pruneVerb("Remove images without a name", "", "every image that no container has", a.pruneImages)
	cmd.AddCommand(a.buildCommand(), a.historyCommand(), a.importCommand(), a.inspectCommand(), a.loadCommand(), list, prune,
		a.pullCommand(), a.pushCommand(), remove, a.saveCommand(), a.tagCommand())
	return cmd
}
