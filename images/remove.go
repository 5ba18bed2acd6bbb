package images

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// Tag gives the image that src leads to another name.
func Tag(ctx context.Context, s *store.Store, src, dst string) error {
	ref, err := oci.ParseReference(dst)
	if err != nil {
		return err
	}
	if ref.Digest != "" {
		return fmt.Errorf("tag %s: a digest is not a name to give", dst)
	}
	e, err := Find(ctx, s, src)
	if err != nil {
		return err
	}
	return s.Tag(ctx, ref, e.Descriptor)
}

// User is a container that was made of an image.
type User struct {
	Container string // name or short ID
	Running   bool
}

// RemoveOptions say what may stand in the way.
type RemoveOptions struct {
	Force bool // remove an image with several names, or with stopped containers
	// Users returns the containers of the image with this ID; nil means none.
	Users func(ctx context.Context, id digest.Digest) ([]User, error)
	// Want tells which images Prune may remove; nil means all.
	Want func(Summary) bool
}

// Removed is one line of what Remove did; one of the two is set.
type Removed struct {
	Untagged string        `json:",omitempty"`
	Deleted  digest.Digest `json:",omitempty"`
}

// InUseError says why an image was not removed.
type InUseError struct {
	Name, Reason string
	Forceable    bool // -f would do it
}

func (e *InUseError) Error() string {
	hint := "cannot be forced"
	if e.Forceable {
		hint = "must be forced with -f"
	}
	return fmt.Sprintf("remove image %s: %s (%s)", e.Name, e.Reason, hint)
}

// Remove takes a name off an image, and the image away when that was its last
// name; by ID it takes the image away. Content that nothing else uses goes.
func Remove(ctx context.Context, s *store.Store, name string, o RemoveOptions) ([]Removed, error) {
	e, err := Find(ctx, s, name)
	if err != nil {
		return nil, err
	}
	names, err := namesOf(ctx, s, e.Descriptor.Digest)
	if err != nil {
		return nil, err
	}
	// A digest is a name only where an image was pulled by it.
	byName := slices.Contains(names, e.Ref)
	if byName && len(names) > 1 {
		return []Removed{{Untagged: e.Ref.Familiar()}}, s.Untag(ctx, e.Ref)
	}
	id := idOf(s, e)
	if !byName && !o.Force && len(names) > 1 {
		return nil, &InUseError{Name: name, Reason: fmt.Sprintf("it has %d names", len(names)), Forceable: true}
	}
	if err := checkUsers(ctx, name, id, o); err != nil {
		return nil, err
	}
	return removeImage(ctx, s, e.Descriptor.Digest, id, names)
}

func removeImage(ctx context.Context, s *store.Store, target, id digest.Digest, names []oci.Reference) ([]Removed, error) {
	if err := s.Forget(ctx, target); err != nil {
		return nil, err
	}
	var out []Removed
	for _, r := range names {
		out = append(out, Removed{Untagged: r.Familiar()})
	}
	swept, err := s.GC(ctx)
	if err != nil {
		return out, err
	}
	out = append(out, Removed{Deleted: id})
	for _, d := range swept.Blobs {
		if d != id {
			out = append(out, Removed{Deleted: d})
		}
	}
	return out, nil
}

// idOf is the image ID, or the digest of an image that cannot be read: that
// one, too, must be removable.
func idOf(s *store.Store, e store.Entry) digest.Digest {
	if r, _ := resolve(s, e.Descriptor); r.manifest != nil {
		return r.manifest.Config.Digest
	}
	return e.Descriptor.Digest
}

func namesOf(ctx context.Context, s *store.Store, d digest.Digest) ([]oci.Reference, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []oci.Reference
	for _, e := range entries {
		if e.Descriptor.Digest == d && !e.Ref.IsZero() {
			names = append(names, e.Ref)
		}
	}
	return names, nil
}

func checkUsers(ctx context.Context, name string, id digest.Digest, o RemoveOptions) error {
	if o.Users == nil {
		return nil
	}
	users, err := o.Users(ctx, id)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Running {
			return &InUseError{Name: name, Reason: fmt.Sprintf("the running container %s uses it", u.Container)}
		}
	}
	if len(users) > 0 && !o.Force {
		return &InUseError{Name: name, Reason: fmt.Sprintf("the container %s uses it", users[0].Container), Forceable: true}
	}
	return nil
}

// Prune removes images without a name, or with all also those that no
// container uses, and returns what it removed and the space given back.
func Prune(ctx context.Context, s *store.Store, all bool, o RemoveOptions) ([]Removed, int64, error) {
	list, err := List(ctx, s)
	if err != nil {
		return nil, 0, err
	}
	var out []Removed
	for _, img := range list {
		if !all && !img.Ref.IsZero() || o.Want != nil && !o.Want(img) {
			continue
		}
		var inUse *InUseError
		err := checkUsers(ctx, oci.ShortID(img.ID), img.ID, RemoveOptions{Users: o.Users})
		if errors.As(err, &inUse) {
			continue
		}
		if err == nil {
			err = s.Forget(ctx, img.Digest)
		}
		if err != nil {
			return out, 0, err
		}
		if !img.Ref.IsZero() {
			out = append(out, Removed{Untagged: img.Ref.Familiar()})
		}
	}
	swept, err := s.GC(ctx)
	for _, d := range swept.Blobs {
		out = append(out, Removed{Deleted: d})
	}
	return out, swept.Bytes, err
}
