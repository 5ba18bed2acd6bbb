package cli

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/store"
)

func (a *app) systemCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "system", Short: "Look after the store and the caches"}
	cmd.AddCommand(a.dfCommand(), a.pruneCommand(), a.systemStartCommand(), a.systemAutostartCommand(), a.eventsCommand())
	return cmd
}

// usageRow is a line of wherry system df, by Docker's names of the fields.
// Size is the length of all files, and Disk what they take: memories of snapshots
// are files with holes.
type usageRow struct {
	Type       string
	TotalCount string
	Size       string
	Disk       string
}

func (a *app) dfCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "df",
		Short: "Show how much disk is used",
		Args:  cobra.NoArgs,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, _ []string) error {
			p, err := locate(a.env)
			if err != nil {
				return err
			}
			list, err := s.List(ctx)
			if err != nil {
				return err
			}
			usage, err := s.Usage(ctx)
			if err != nil {
				return err
			}
			modules, err := treeSize(moduleCache(p))
			if err != nil {
				return err
			}
			records, err := treeSize(filepath.Join(p.Cache, "build"))
			if err != nil {
				return err
			}
			rows := []usageRow{
				newUsageRow("Images", len(list), usage.BlobBytes, usage.BlobDisk),
				newUsageRow("Unpacked files", usage.Files, usage.FileBytes, usage.FileDisk),
				newUsageRow("Compiled modules", modules.count, modules.bytes, modules.disk),
				newUsageRow("Build cache", records.count, records.bytes, records.disk),
			}
			return ux.List(a.Out, format, []ux.Column{{Heading: "TYPE", Field: "Type"}, {Heading: "TOTAL", Field: "TotalCount"}, {Heading: "SIZE", Field: "Size"}, {Heading: "ON DISK", Field: "Disk"}}, rows)
		}),
	}
	cmd.Flags().StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	return cmd
}

func newUsageRow(what string, count int, bytes, disk int64) usageRow {
	return usageRow{what, fmt.Sprint(count), units.HumanSize(float64(bytes)), units.HumanSize(float64(disk))}
}

// tree is what the files below a folder are together.
type tree struct {
	count       int
	bytes, disk int64
}

func treeSize(dir string) (t tree, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what goes away meanwhile does not count
		}
		if info, err := d.Info(); err == nil {
			t.count++
			t.bytes += info.Size()
			t.disk += store.OnDisk(info)
		}
		return nil
	})
	return t, err
}

func (a *app) pruneCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove images without a name, and what builds and runs left a month ago",
		Args:  cobra.NoArgs,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, _ []string) error {
			p, err := locate(a.env)
			if err != nil {
				return err
			}
			removed, freed, err := images.Prune(ctx, s, all, images.RemoveOptions{Users: a.users})
			if err != nil {
				return err
			}
			a.tellRemoved(removed)
			old := 30 * 24 * time.Hour
			if all {
				old = 0
			}
			if err := (buildCache{filepath.Join(p.Cache, "build")}).sweep(old); err != nil {
				return err
			}
			rt, err := a.runtime(ctx)
			if err != nil {
				return err
			}
			defer rt.Close(context.WithoutCancel(ctx))
			modules, err := rt.Sweep(old)
			freed += modules
			if err != nil {
				return err
			}
			fmt.Fprintln(a.Out, "Total reclaimed space:", units.HumanSize(float64(freed)))
			return nil
		}),
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "remove every image, and everything that can be made again")
	cmd.Flags().BoolP("force", "f", true, "accepted for Docker's sake")
	return cmd
}
