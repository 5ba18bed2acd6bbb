package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/packager"
)

// imageRow is a line of wherry images, by Docker's names of the fields.
type imageRow struct {
	Repository   string
	Tag          string
	Digest       string
	ID           string
	CreatedSince string
	CreatedAt    string
	Size         string
}

func (a *app) imagesCommand() *cobra.Command {
	var o struct {
		quiet, noTrunc, digests, all bool
		format                       string
		filters                      []string
	}
	cmd := &cobra.Command{
		Use:     "images [REPOSITORY[:TAG]]",
		Aliases: []string{"ls", "list"},
		Short:   "List the images on this machine",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.onStore(func(ctx context.Context, s *store.Store, args []string) error {
			list, err := images.List(ctx, s)
			if err != nil {
				return err
			}
			keep, err := imageFilter(args, o.filters)
			if err != nil {
				return err
			}
			rows := []imageRow{}
			for _, i := range list {
				if !keep(i) || !o.all && len(args) == 0 && unnamed(i) {
					continue
				}
				row := newImageRow(i, o.noTrunc)
				if o.quiet {
					fmt.Fprintln(a.Out, row.ID)
					continue
				}
				rows = append(rows, row)
			}
			if o.quiet {
				return nil
			}
			columns := []ux.Column{{Heading: "REPOSITORY", Field: "Repository"}, {Heading: "TAG", Field: "Tag"}, {Heading: "IMAGE ID", Field: "ID"}, {Heading: "CREATED", Field: "CreatedSince"}, {Heading: "SIZE", Field: "Size"}}
			if o.digests {
				columns = append(columns[:2:2], append([]ux.Column{{Heading: "DIGEST", Field: "Digest"}}, columns[2:]...)...)
			}
			return ux.List(a.Out, o.format, columns, rows)
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show image IDs only")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "do not shorten IDs")
	f.BoolVar(&o.digests, "digests", false, "show digests")
	f.BoolVarP(&o.all, "all", "a", false, "show the bases and the images of run FOLDER too")
	f.StringVar(&o.format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "reference=PATTERN, dangling=true|false, or label=NAME[=VALUE]")
	return cmd
}

// unnamed tells images that nobody named: bases built here, and what run made of
// a folder.
func unnamed(i images.Summary) bool {
	return i.Ref.Registry == packager.BaseRepository || strings.HasPrefix(i.Ref.FamiliarName(), folderPrefix)
}

func newImageRow(i images.Summary, full bool) imageRow {
	row := imageRow{
		Repository: i.Repository(), Tag: i.Tag(), Digest: i.Digest.String(), ID: i.ID.String(),
		CreatedSince: since(i.Created), Size: units.HumanSizeWithPrecision(float64(i.Size), 3),
	}
	if !i.Created.IsZero() {
		row.CreatedAt = i.Created.Format("2006-01-02 15:04:05 -0700 MST")
	}
	if !full {
		row.ID = short(i.ID)
	}
	return row
}

// since says how old a time is, in Docker's words. Our images have one fixed
// time, which says nothing.
func since(t time.Time) string {
	if t.IsZero() || t.Year() < 1990 {
		return "N/A"
	}
	return units.HumanDuration(time.Since(t)) + " ago"
}

func imageFilter(args, filters []string) (func(images.Summary) bool, error) {
	var tests []func(images.Summary) bool
	if len(args) == 1 {
		tests = append(tests, matchReference(args[0]))
	}
	for _, f := range filters {
		name, value, ok := strings.Cut(f, "=")
		switch {
		case !ok:
			return nil, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + f}
		case name == "reference":
			tests = append(tests, matchReference(value))
		case name == "dangling":
			tests = append(tests, func(i images.Summary) bool { return i.Ref.IsZero() == (value == "true" || value == "1") })
		case name == "label":
			key, want, exact := strings.Cut(value, "=")
			tests = append(tests, func(i images.Summary) bool {
				v, has := i.Labels[key]
				return has && (!exact || v == want)
			})
		default:
			return nil, &ux.UsageError{Text: "unknown filter " + name}
		}
	}
	return func(i images.Summary) bool {
		for _, t := range tests {
			if !t(i) {
				return false
			}
		}
		return true
	}, nil
}
