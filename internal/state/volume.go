package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/places"
)

// Volume is a folder that outlives containers.
type Volume struct {
	Name      string
	Created   time.Time
	Labels    map[string]string `json:",omitempty"`
	Anonymous bool              `json:",omitempty"`
	// Path is where it is on the host.
	Path string `json:"-"`
}

const (
	volumeFile = "volume.json"
	volumeData = "_data"
)

// A VolumeInUseError says which containers have a volume.
type VolumeInUseError struct {
	Name       string
	Containers []string
}

func (e *VolumeInUseError) Error() string {
	return fmt.Sprintf("volume %s is in use by container %s", e.Name, e.Containers[0])
}

// CreateVolume makes a volume. One that is there already is given as it is; without
// a name it is an anonymous one.
func (s *Store) CreateVolume(name string, labels map[string]string) (v Volume, made bool, err error) {
	v = Volume{Name: name, Labels: labels, Created: s.options.Now()}
	if name == "" {
		b := make([]byte, 32)
		rand.Read(b)
		v.Name, v.Anonymous = hex.EncodeToString(b), true
	}
	if !validName.MatchString(v.Name) {
		return v, false, fmt.Errorf("volume name %q: a name is of letters, digits, _ . and -, and begins with one of the first two", name)
	}
	l, err := s.volumesLock()
	if err != nil {
		return v, false, err
	}
	defer l()
	if old, err := s.Volume(v.Name); err == nil {
		return old, false, os.MkdirAll(old.Path, 0o700)
	}
	v.Path = s.path(volumesDir, v.Name, volumeData)
	if err := os.MkdirAll(v.Path, 0o700); err != nil {
		return v, false, fmt.Errorf("create volume: %w", err)
	}
	if err := writeJSON(s.path(volumesDir, v.Name, volumeFile), v); err != nil {
		return v, false, fmt.Errorf("create volume: %w", err)
	}
	s.Event(Event{Type: "volume", Action: "create", Actor: Actor{ID: v.Name, Attributes: map[string]string{"driver": "local"}}})
	return v, true, nil
}

func (s *Store) volumesLock() (unlock func(), err error) {
	l, err := waitLock(s.path(volumesDir, ".lock"), lockPatience)
	if err != nil {
		return nil, fmt.Errorf("lock volumes: %w", err)
	}
	return func() { _ = l.Close() }, nil
}

// fillPatience is how long one container waits while another fills a volume.
const fillPatience = 10 * time.Minute

// volumeFilling is there while a volume is filled.
const volumeFilling = "filling"

// FillVolume has fill put files into a volume that has none. One in which that was
// broken off is filled again.
func (s *Store) FillVolume(name string, fill func(dir string) error) error {
	v, err := s.Volume(name)
	if err != nil {
		return err
	}
	broken := s.path(volumesDir, name, volumeFilling)
	if empty, err := isEmpty(v.Path, broken); err != nil || !empty {
		return err
	}
	l, err := waitLock(s.path(volumesDir, name, lockFile), fillPatience)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if empty, err := isEmpty(v.Path, broken); err != nil || !empty {
		return err
	}
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		return err
	}
	if err := fill(v.Path); err != nil {
		return err
	}
	return os.Remove(broken)
}

// isEmpty tells whether a folder has nothing in it, or not yet all that it is to have.
func isEmpty(dir, broken string) (bool, error) {
	if _, err := os.Lstat(broken); err == nil {
		return true, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.ReadDir(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// Volume finds a volume.
func (s *Store) Volume(name string) (Volume, error) {
	var v Volume
	if !validName.MatchString(name) {
		return v, &NotFoundError{"volume", name}
	}
	err := readJSON(s.path(volumesDir, name, volumeFile), &v)
	if errors.Is(err, fs.ErrNotExist) {
		return v, &NotFoundError{"volume", name}
	}
	v.Name, v.Path = name, s.path(volumesDir, name, volumeData)
	return v, err
}

// Volumes lists the volumes by name.
func (s *Store) Volumes() ([]Volume, error) {
	entries, err := os.ReadDir(s.path(volumesDir))
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var list []Volume
	for _, e := range entries {
		if v, err := s.Volume(e.Name()); err == nil {
			list = append(list, v)
		}
	}
	return list, nil
}

// VolumeUsers lists the names of the containers that have each volume.
func (s *Store) VolumeUsers(ctx context.Context) (map[string][]string, error) {
	ids, err := s.ids()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		var c Config
		if readJSON(s.container(id, configFile), &c) != nil {
			continue
		}
		for _, m := range c.Mounts {
			if m.Name != "" {
				users[m.Name] = append(users[m.Name], c.Name)
			}
		}
	}
	return users, nil
}

// RemoveUnusedVolume removes a volume that no container has.
func (s *Store) RemoveUnusedVolume(ctx context.Context, name string) error {
	unlock, err := s.names() // no container is made meanwhile
	if err != nil {
		return err
	}
	defer unlock()
	return s.removeUnused(ctx, name, "")
}

// removeUnused removes a volume that no container has but the one that goes with it.
// The caller has the lock of names, or keeps what else it knows for itself.
func (s *Store) removeUnused(ctx context.Context, name, except string) error {
	users, err := s.VolumeUsers(ctx)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(users[name], func(user string) bool { return user == except })
	if len(list) > 0 {
		return &VolumeInUseError{name, list}
	}
	return s.RemoveVolume(name)
}

// RemoveVolume removes a volume and what is in it, whoever has it.
func (s *Store) RemoveVolume(name string) error {
	if _, err := s.Volume(name); err != nil {
		return err
	}
	unlock, err := s.volumesLock()
	if err != nil {
		return err
	}
	defer unlock()
	// The document last: what could not be removed whole is still listed.
	dir := s.path(volumesDir, name)
	if err := places.RemoveAll(filepath.Join(dir, volumeData)); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	if err := places.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	s.Event(Event{Type: "volume", Action: "destroy", Actor: Actor{ID: name, Attributes: map[string]string{"driver": "local"}}})
	return nil
}
