package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// A hot set is a text file that lists functions which programs of an image run:
// run --record-hot-set writes one, inspect --hot-set writes what was missed, and
// build --hot-set takes it in.

// hotSetHead begins the files that this program writes.
const hotSetHead = "# Functions that programs run, for: wherry build --hot-set FILE FOLDER\n"

// readHotSet reads the file of --hot-set.
func readHotSet(name string) (prepare.HotSet, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read hot set: %w", err)
	}
	defer f.Close()
	set, err := prepare.ParseHotSet(f)
	if err != nil {
		return nil, &hinted{fmt.Errorf("hot set %s: %w", name, err), "make it with: wherry run --record-hot-set " + name + " IMAGE [ARG...]"}
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("hot set %s: it lists no function", name)
	}
	return set, nil
}

// hotSetFile is where a run's functions are to be written. It is made before the
// program runs, and put in its place when that has ended.
type hotSetFile struct {
	name string
	file *os.File
}

// createHotSet makes the file of --record-hot-set; nil for none.
func createHotSet(name string) (*hotSetFile, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".hot-set-*")
	if err != nil {
		return nil, fmt.Errorf("write hot set: %w", err)
	}
	return &hotSetFile{name, f}, nil
}

// discard removes the file unless it was kept.
func (h *hotSetFile) discard() {
	if h != nil {
		_ = h.file.Close()
		_ = os.Remove(h.file.Name())
	}
}

// keep writes what the programs of a container have run.
func (h *hotSetFile) keep(c *runtime.Container) error {
	if h == nil {
		return nil
	}
	var text strings.Builder
	if err := c.WriteFunctions(&text); err != nil {
		return fmt.Errorf("write hot set: %w", err)
	}
	if text.Len() == 0 {
		err := errors.New("write hot set: no function was recorded")
		if notes := c.Stats().Notes; len(notes) > 0 {
			err = fmt.Errorf("%w: %s", err, notes[len(notes)-1])
		}
		return err
	}
	_, err := h.file.WriteString(hotSetHead + text.String())
	if err = errors.Join(err, h.file.Chmod(0o644), h.file.Close()); err == nil {
		err = os.Rename(h.file.Name(), h.name)
	}
	if err != nil {
		return fmt.Errorf("write hot set: %w", err)
	}
	return nil
}

// printMissed prints what programs of an image have run here that was not
// foreseen when it was built.
func (a *app) printMissed(ctx context.Context, s *store.Store, name string) error {
	p, err := locate(a.env)
	if err != nil {
		return err
	}
	img, err := images.Open(ctx, s, name, images.Options{Pull: images.PullNever})
	if err != nil {
		return err
	}
	defer img.Close()
	if img.Derived() == nil {
		return &hinted{fmt.Errorf("%s has no hot set that something could be missing in", name), "record one: wherry run --record-hot-set FILE " + name}
	}
	var text strings.Builder
	n, err := runtime.Missed(moduleCache(p), img.Derived(), &text)
	if err != nil {
		return err
	}
	if n == 0 {
		a.talk().Line("nothing that %s ran here was missing in its hot set", name)
		return nil
	}
	_, err = fmt.Fprint(a.Out, hotSetHead, text.String())
	return err
}

// missedUsage refuses --hot-set with anything but one image.
func missedUsage(args []string, format string) error {
	if len(args) != 1 || format != "" {
		return &ux.UsageError{Text: "--hot-set is of one image, and has no other format"}
	}
	return nil
}
