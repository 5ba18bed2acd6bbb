package cli

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci/store"
)

func (a *app) systemCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "system", Short: "Look after the store and the caches"}
	cmd.AddCommand(a.dfCommand(), a.pruneCommand(), a.infoCommand(), a.systemStartCommand(), a.systemAutostartCommand(), a.eventsCommand())
	return cmd
}

// usageRow is a line of wherry system df, by Docker's names of the fields.
// Size is the length of all files, and Disk what they take: memories of snapshots
// are files with holes. Reclaimable is what prune -a would give back of Size.
type usageRow struct {
	Type        string
	TotalCount  string
	Active      string
	Size        string
	Reclaimable string
	Disk        string
}

func (a *app) dfCommand() *cobra.Command {
	var format string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "df [OPTIONS]",
		Short: "Show how much disk is used",
		Args:  cobra.NoArgs,
		RunE: a.onStore(func(ctx context.Context, s *store.Store, _ []string) error {
			d, err := a.diskUse(ctx, s)
			if err != nil {
				return err
			}
			if verbose {
				return d.write(a.Out, format)
			}
			rows, err := d.rows(ctx, s)
			if err != nil {
				return err
			}
			return ux.List(a.Out, format, []ux.Column{{Heading: "TYPE", Field: "Type"}, {Heading: "TOTAL", Field: "TotalCount"}, {Heading: "ACTIVE", Field: "Active"},
				{Heading: "SIZE", Field: "Size"}, {Heading: "RECLAIMABLE", Field: "Reclaimable"}, {Heading: "ON DISK", Field: "Disk"}}, rows)
		}),
	}
	cmd.Flags().StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "list images, containers and volumes one by one")
	return cmd
}

// diskUse is what takes disk.
type diskUse struct {
	places     places.Places
	images     []images.Summary
	containers []*state.Container
	volumes    []state.Volume
	uppers     map[string]int64    // bytes that containers wrote, by ID
	filled     map[string]int64    // bytes in volumes, by name
	users      map[string][]string // containers of volumes
	used       map[string]int      // containers of images, by the image's ID
}

func (a *app) diskUse(ctx context.Context, s *store.Store) (*diskUse, error) {
	d := &diskUse{uppers: map[string]int64{}, filled: map[string]int64{}, used: map[string]int{}}
	var err error
	if d.places, err = locate(a.env); err != nil {
		return nil, err
	}
	if d.images, err = images.List(ctx, s); err != nil {
		return nil, err
	}
	kept, err := a.containers(ctx)
	if err != nil {
		return nil, err
	}
	if d.containers, err = kept.List(ctx, nil); err != nil {
		return nil, err
	}
	for _, c := range d.containers {
		d.uppers[c.ID] = diskOf(kept.Upper(c.ID))
		d.used[c.Image.ID]++
	}
	if d.volumes, err = kept.Volumes(); err != nil {
		return nil, err
	}
	for _, v := range d.volumes {
		d.filled[v.Name] = diskOf(v.Path)
	}
	d.users, err = kept.VolumeUsers(ctx)
	return d, err
}

// portion counts things of one type.
type portion struct {
	count, active     int
	bytes, idle, disk int64
}

func (p *portion) add(active bool, bytes int64) {
	p.count++
	p.bytes += bytes
	if active {
		p.active++
	} else {
		p.idle += bytes
	}
}

func (p portion) row(what string) usageRow {
	free := units.HumanSize(float64(p.idle))
	if p.bytes > 0 {
		free += fmt.Sprintf(" (%d%%)", 100*p.idle/p.bytes)
	}
	return usageRow{what, fmt.Sprint(p.count), fmt.Sprint(p.active), units.HumanSize(float64(p.bytes)), free, units.HumanSize(float64(p.disk))}
}

func (d *diskUse) rows(ctx context.Context, s *store.Store) ([]usageRow, error) {
	usage, err := s.Usage(ctx)
	if err != nil {
		return nil, err
	}
	var image, container, volume portion
	for _, i := range d.images {
		image.add(d.used[string(i.ID)] > 0, i.Size)
	}
	image.bytes, image.disk = usage.BlobBytes, usage.BlobDisk
	image.idle = min(image.idle, image.bytes) // images share layers
	for _, c := range d.containers {
		container.add(c.State.Status.Alive(), d.uppers[c.ID])
	}
	for _, v := range d.volumes {
		volume.add(len(d.users[v.Name]) > 0, d.filled[v.Name])
	}
	container.disk, volume.disk = container.bytes, volume.bytes
	modules, err := treeSize(moduleCache(d.places))
	if err != nil {
		return nil, err
	}
	records, err := treeSize(filepath.Join(d.places.Cache, "build"))
	if err != nil {
		return nil, err
	}
	unpacked := portion{count: usage.Files, active: usage.Files, bytes: usage.FileBytes, disk: usage.FileDisk}
	return []usageRow{
		image.row("Images"), container.row("Containers"), volume.row("Local Volumes"), unpacked.row("Unpacked files"),
		modules.row("Compiled modules"), records.row("Build cache"),
	}, nil
}

// write lists everything one by one.
func (d *diskUse) write(w io.Writer, format string) error {
	type imageRow struct{ Repository, Tag, ID, CreatedSince, Size, Containers string }
	var pictures []imageRow
	for _, i := range d.images {
		pictures = append(pictures, imageRow{i.Repository(), i.Tag(), shortID(string(i.ID)), since(i.Created), fileSize(i.Size), fmt.Sprint(d.used[string(i.ID)])})
	}
	var kept []containerRow
	for _, c := range d.containers {
		row := newContainerRow(c, false)
		row.Size = fileSize(d.uppers[c.ID])
		kept = append(kept, row)
	}
	var volumes []volumeRow
	for _, v := range d.volumes {
		volumes = append(volumes, volumeRow{Name: v.Name, Links: fmt.Sprint(len(d.users[v.Name])), Size: fileSize(d.filled[v.Name])})
	}
	if format != "" {
		return ux.Object(w, format, struct {
			Images     []imageRow
			Containers []containerRow
			Volumes    []volumeRow
		}{pictures, kept, volumes})
	}
	fmt.Fprint(w, "Images space usage:\n\n")
	if err := ux.List(w, "", []ux.Column{{Heading: "REPOSITORY", Field: "Repository"}, {Heading: "TAG", Field: "Tag"}, {Heading: "IMAGE ID", Field: "ID"},
		{Heading: "CREATED", Field: "CreatedSince"}, {Heading: "SIZE", Field: "Size"}, {Heading: "CONTAINERS", Field: "Containers"}}, pictures); err != nil {
		return err
	}
	fmt.Fprint(w, "\nContainers space usage:\n\n")
	if err := ux.List(w, "", []ux.Column{{Heading: "CONTAINER ID", Field: "ID"}, {Heading: "IMAGE", Field: "Image"}, {Heading: "COMMAND", Field: "Command"},
		{Heading: "LOCAL VOLUMES", Field: "LocalVolumes"}, {Heading: "SIZE", Field: "Size"}, {Heading: "CREATED", Field: "RunningFor"}, {Heading: "STATUS", Field: "Status"}, {Heading: "NAMES", Field: "Names"}}, kept); err != nil {
		return err
	}
	fmt.Fprint(w, "\nLocal Volumes space usage:\n\n")
	return ux.List(w, "", []ux.Column{{Heading: "VOLUME NAME", Field: "Name"}, {Heading: "LINKS", Field: "Links"}, {Heading: "SIZE", Field: "Size"}}, volumes)
}

func fileSize(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

// treeSize is what the files below a folder are together: all can be made again.
func treeSize(dir string) (p portion, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what goes away meanwhile does not count
		}
		if info, err := d.Info(); err == nil {
			p.add(false, info.Size())
			p.disk += store.OnDisk(info)
		}
		return nil
	})
	return p, err
}
