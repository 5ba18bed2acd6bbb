// Package places knows the folders of a user in which Wherry keeps things, so that
// the command line and a Go service find the same images.
package places

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Places are the folders of this user that Wherry keeps things in.
type Places struct {
	Data   string // images and their unpacked files
	Cache  string // compiled modules: may be deleted at any time
	Config string // settings
}

// CacheVariable names a folder for what can be made again, instead of the one
// that belongs to the home.
const CacheVariable = "WHERRY_CACHE"

// Locate finds the places: below WHERRY_HOME when it is set, else where the OS
// wants such things; the cache where WHERRY_CACHE says.
func Locate(env func(string) string) (Places, error) {
	p, err := home(env)
	if cache := env(CacheVariable); err == nil && cache != "" {
		p.Cache, err = filepath.Abs(cache)
	}
	return p, err
}

// home finds the places that belong together.
func home(env func(string) string) (Places, error) {
	if home := env("WHERRY_HOME"); home != "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return Places{}, err
		}
		return In(abs), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return Places{}, errors.New("no home folder; set WHERRY_HOME to a folder that Wherry may use")
	}
	or := func(name, fallback string) string {
		if v := env(name); filepath.IsAbs(v) {
			return v
		}
		return fallback
	}
	switch runtime.GOOS {
	case "windows":
		local := or("LOCALAPPDATA", filepath.Join(home, "AppData", "Local"))
		return Places{
			Data:   filepath.Join(local, "wherry", "data"),
			Cache:  filepath.Join(local, "wherry", "cache"),
			Config: filepath.Join(or("APPDATA", filepath.Join(home, "AppData", "Roaming")), "wherry"),
		}, nil
	case "darwin":
		library := filepath.Join(home, "Library")
		return Places{
			Data:   filepath.Join(library, "Application Support", "wherry"),
			Cache:  filepath.Join(library, "Caches", "wherry"),
			Config: filepath.Join(library, "Preferences", "wherry"),
		}, nil
	}
	return Places{
		Data:   filepath.Join(or("XDG_DATA_HOME", filepath.Join(home, ".local", "share")), "wherry"),
		Cache:  filepath.Join(or("XDG_CACHE_HOME", filepath.Join(home, ".cache")), "wherry"),
		Config: filepath.Join(or("XDG_CONFIG_HOME", filepath.Join(home, ".config")), "wherry"),
	}, nil
}

// In is the places below one folder.
func In(folder string) Places {
	return Places{
		Data:   filepath.Join(folder, "data"),
		Cache:  filepath.Join(folder, "cache"),
		Config: filepath.Join(folder, "config"),
	}
}

// Modules is where compiled modules are.
func (p Places) Modules() string { return filepath.Join(p.Cache, "modules") }
