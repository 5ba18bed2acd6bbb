package cli

import "github.com/wherry-run/wherry/internal/places"

// cacheVariable names a folder for what can be made again, instead of the one
// that belongs to the home.
const cacheVariable = places.CacheVariable

// locate finds the folders of this user.
func locate(env func(string) string) (places.Places, error) { return places.Locate(env) }
