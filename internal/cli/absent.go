package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/spelling"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// absent adds to an error about an image that is not here what could have been
// meant. An image that is here has another problem.
func (a *app) absent(ctx context.Context, s *store.Store, name string, err error) error {
	ref, perr := oci.ParseReference(name)
	if ctx.Err() != nil || perr != nil || errors.As(err, new(*hinted)) {
		return err
	}
	if _, rerr := s.Resolve(ctx, ref); !errors.Is(rerr, store.ErrNotFound) {
		return err
	}
	if _, serr := os.Stat(name); serr == nil {
		return &hinted{err, "to run the path of that name, write it as ." + string(filepath.Separator) + name}
	}
	hint := "there is no " + ref.Familiar() + " here (wherry images lists what is)"
	if near := a.near(ctx, s, ref); near != "" {
		hint += "; did you mean " + near + "?"
	}
	if !strings.Contains(ref.FamiliarName(), "/") { // nobody else's
		hint += "\nto build it: wherry build -t " + ref.Familiar() + " FOLDER"
	}
	return &hinted{err, hint}
}

// near finds the name of an image that is here and is written nearly the same:
// another tag, the same name in a registry, or a slip of the finger.
func (a *app) near(ctx context.Context, s *store.Store, ref oci.Reference) string {
	list, err := images.List(ctx, s)
	if err != nil {
		return ""
	}
	best, least := "", spelling.MaxSlips+1
	for _, i := range list {
		if i.Ref.IsZero() || i.Ref.Tag == "" || unnamed(i) {
			continue
		}
		have, want := i.Ref.FamiliarName(), ref.FamiliarName()
		slips := spelling.Distance(have, want)
		if have == want || strings.HasSuffix(have, "/"+want) || strings.HasSuffix(want, "/"+have) {
			slips = 0
		}
		if slips < least && slips < len(want) {
			best, least = i.Ref.Familiar(), slips
		}
	}
	return best
}

// noPath says of what was written as a path that there is nothing.
func noPath(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return &exited{127, err.Error()}
	}
	text := fmt.Sprintf("there is no file or folder %s", path)
	hint := "what begins with a dot or a slash is a path"
	if name := strings.TrimLeft(filepath.ToSlash(path), "./"); name != "" && !filepath.IsAbs(path) {
		hint += "; an image is named without: wherry run " + name
	}
	return &hinted{&exited{127, text}, hint}
}
