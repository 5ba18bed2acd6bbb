package cli

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// places are the folders of this user that Wherry keeps things in.
type places struct {
	Data   string // images and their unpacked files
	Cache  string // compiled modules: may be deleted at any time
	Config string // settings
}

// cacheVariable names a folder for what can be made again, instead of the one
// that belongs to the home.
const cacheVariable = "WHERRY_CACHE"

// locate finds the places: below WHERRY_HOME when it is set, else where the OS
// wants such things; the cache where WHERRY_CACHE says.
func locate(env func(string) string) (places, error) {
	p, err := home(env)
	if cache := env(cacheVariable); err == nil && cache != "" {
		p.Cache, err = filepath.Abs(cache)
	}
	return p, err
}

// home finds the places that belong together.
func home(env func(string) string) (places, error) {
	if home := env("WHERRY_HOME"); home != "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return places{}, err
		}
		return places{
			Data:   filepath.Join(abs, "data"),
			Cache:  filepath.Join(abs, "cache"),
			Config: filepath.Join(abs, "config"),
		}, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return places{}, errors.New("no home folder; set WHERRY_HOME to a folder that Wherry may use")
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
		return places{
			Data:   filepath.Join(local, "wherry", "data"),
			Cache:  filepath.Join(local, "wherry", "cache"),
			Config: filepath.Join(or("APPDATA", filepath.Join(home, "AppData", "Roaming")), "wherry"),
		}, nil
	case "darwin":
		library := filepath.Join(home, "Library")
		return places{
			Data:   filepath.Join(library, "Application Support", "wherry"),
			Cache:  filepath.Join(library, "Caches", "wherry"),
			Config: filepath.Join(library, "Preferences", "wherry"),
		}, nil
	}
	return places{
		Data:   filepath.Join(or("XDG_DATA_HOME", filepath.Join(home, ".local", "share")), "wherry"),
		Cache:  filepath.Join(or("XDG_CACHE_HOME", filepath.Join(home, ".cache")), "wherry"),
		Config: filepath.Join(or("XDG_CONFIG_HOME", filepath.Join(home, ".config")), "wherry"),
	}, nil
}
