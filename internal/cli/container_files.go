package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/runtime"
)

// files are a container's as state wants them.
type files struct{ *runtime.Container }

// Layer writes what the container changed of its image.
func (f files) Layer(ctx context.Context, w io.Writer) error { return f.Container.WriteLayer(ctx, w) }

// Diff lists what the container changed of its image.
func (f files) Diff(ctx context.Context) ([]state.Change, error) {
	changes, err := f.Container.Diff(ctx)
	var list []state.Change
	for _, c := range changes {
		list = append(list, state.Change{Kind: string(c.Kind), Path: c.Path})
	}
	return list, err
}

// Kind tells what is called name.
func (f files) Kind(_ context.Context, name string) (state.Kind, error) {
	info, err := f.Container.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state.KindNone, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return state.KindDir, nil
	}
	return state.KindFile, nil
}

// Files are those of the container.
func (k *keptRun) Files(ctx context.Context) (state.Files, error) {
	c, err := k.containerOf(ctx)
	return files{c}, err
}

// filesOf opens the files of a container that does not run.
func (a *app) filesOf(ctx context.Context, job state.Job) (state.Files, func(), error) {
	k := &keptRun{job: job}
	b := *a
	b.kept, k.app = k, &b
	rt, err := b.runtime(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := k.containerOf(ctx)
	if err != nil {
		closeRuntime(ctx, rt)
		return nil, nil, err
	}
	return files{c}, func() { k.aside.close(ctx); closeRuntime(ctx, rt) }, nil
}

// withFiles runs f with the files of a container.
func (a *app) withFiles(ctx context.Context, name string, f func(c *state.Container, files state.Files) error) error {
	s, c, err := a.container(ctx, name)
	if err != nil {
		return err
	}
	open, done, err := s.Files(ctx, c)
	if err != nil {
		return err
	}
	defer done()
	return f(c, open)
}

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff CONTAINER", Short: "List what a container changed of its image: A added, C changed, D deleted", Args: exactly(1, "one container"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withFiles(cmd.Context(), args[0], func(_ *state.Container, files state.Files) error {
				list, err := files.Diff(cmd.Context())
				for _, c := range list {
					ux.Line(a.Out, c.Kind+" "+c.Path)
				}
				return err
			})
		},
	}
}

func (a *app) exportCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "export [OPTIONS] CONTAINER", Short: "Write all files of a container as a tar", Args: exactly(1, "one container"), ValidArgsFunction: a.completeContainers,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" && ux.IsTerminal(a.Out) {
				return &hinted{&ux.UsageError{Text: "a terminal is no place for a tar"}, "write -o FILE, or redirect"}
			}
			return a.withFiles(cmd.Context(), args[0], func(_ *state.Container, files state.Files) error {
				if output == "" {
					return files.Archive(cmd.Context(), a.Out, "/")
				}
				f, err := os.Create(output)
				if err != nil {
					return err
				}
				return errors.Join(files.Archive(cmd.Context(), f, "/"), f.Close())
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to instead of standard output")
	return cmd
}

func (a *app) cpCommand() *cobra.Command {
	var follow, archive, quiet bool
	cmd := &cobra.Command{
		Use: "cp [OPTIONS] CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH", Short: "Copy files between a container and this machine", Args: exactly(2, "where from and where to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, source := splitCopy(args[0])
			to, target := splitCopy(args[1])
			switch {
			case from != "" && to != "":
				return &ux.UsageError{Text: "files are copied between a container and this machine, not between containers"}
			case from != "":
				return a.copyOut(cmd.Context(), from, source, target)
			case to != "":
				return a.copyIn(cmd.Context(), source, to, target, follow)
			}
			return &ux.UsageError{Text: "one of the two is to be CONTAINER:PATH"}
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&archive, "archive", "a", false, "accepted: modes and times are kept, and there is one user")
	f.BoolVarP(&follow, "follow-link", "L", false, "copy what a link on this machine leads to")
	f.BoolVarP(&quiet, "quiet", "q", false, "accepted: nothing is said about the copying")
	return cmd
}

// splitCopy splits CONTAINER:PATH; a path of this machine has no container.
func splitCopy(word string) (container, name string) {
	drive := goruntime.GOOS == "windows" && len(word) > 1 && word[1] == ':'
	if word == "-" || strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/") || drive {
		return "", word
	}
	if c, p, ok := strings.Cut(word, ":"); ok {
		return c, p
	}
	return "", word
}

// copyOut copies from a container: into a folder that is there, else to that name.
func (a *app) copyOut(ctx context.Context, container, source, target string) error {
	return a.withFiles(ctx, container, func(c *state.Container, files state.Files) error {
		kind, err := files.Kind(ctx, source)
		if err == nil && kind == state.KindNone {
			err = fmt.Errorf("no such file in container %s: %s", c.Name, source)
		}
		if err != nil {
			return err
		}
		if target == "-" {
			return files.Archive(ctx, a.Out, source)
		}
		dir, as := filepath.Dir(filepath.Clean(target)), filepath.Base(filepath.Clean(target))
		info, err := os.Stat(target)
		switch {
		case err == nil && info.IsDir():
			dir, as = target, path.Base(path.Clean("/"+source))
			if contents(source) || as == "/" {
				dir, as = filepath.Dir(filepath.Clean(absolute(target))), filepath.Base(absolute(target))
			}
		case err == nil && kind == state.KindDir:
			return fmt.Errorf("%s is a file, and %s a folder", target, source)
		case err != nil && strings.HasSuffix(target, "/") && kind == state.KindFile:
			return fmt.Errorf("copy to %s: %w", target, err)
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(files.Archive(ctx, w, source)) }()
		err = state.UnpackHost(ctx, r, dir, as)
		_ = r.Close()
		return err
	})
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// contents tells a path that means what is in a folder, and not the folder.
func contents(name string) bool {
	return name == "." || strings.HasSuffix(name, "/.") || strings.HasSuffix(name, `\.`)
}

// copyIn copies into a container: into a folder that is there, else to that name.
func (a *app) copyIn(ctx context.Context, source, container, target string, follow bool) error {
	return a.withFiles(ctx, container, func(c *state.Container, files state.Files) error {
		target = path.Clean("/" + target)
		kind, err := files.Kind(ctx, target)
		if err != nil {
			return err
		}
		if source == "-" {
			if kind != state.KindDir {
				return fmt.Errorf("%s is no folder of container %s", target, c.Name)
			}
			return files.Extract(ctx, a.In, target)
		}
		info, err := os.Stat(source)
		if err != nil {
			return err
		}
		dir, as := target, filepath.Base(absolute(source))
		switch {
		case kind == state.KindDir && contents(source):
			as = ""
		case kind == state.KindDir:
		case kind == state.KindFile && info.IsDir():
			return fmt.Errorf("%s is a file of container %s, and %s a folder", target, c.Name, source)
		default:
			dir, as = path.Dir(target), path.Base(target)
			if k, err := files.Kind(ctx, dir); err != nil || k != state.KindDir {
				return errors.Join(err, fmt.Errorf("container %s has no folder %s", c.Name, dir))
			}
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(state.PackHost(ctx, w, source, as, follow)) }()
		err = files.Extract(ctx, r, dir)
		_ = r.Close()
		return err
	})
}
