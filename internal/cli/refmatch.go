package cli

import (
	"path"
	"strings"

	"github.com/wherry-run/wherry/images"
)

// matchReference tests a listed image against NAME, NAME:TAG or a pattern with
// * and ?, as Docker does.
func matchReference(pattern string) func(images.Summary) bool {
	name, tag := pattern, ""
	if i := strings.LastIndexByte(pattern, ':'); i > strings.LastIndexByte(pattern, '/') {
		name, tag = pattern[:i], pattern[i+1:]
	}
	return func(i images.Summary) bool {
		if i.Ref.IsZero() {
			return false
		}
		nameOK, _ := path.Match(name, i.Ref.FamiliarName())
		full, _ := path.Match(name, i.Ref.Name())
		tagOK := tag == ""
		if !tagOK {
			tagOK, _ = path.Match(tag, i.Ref.Tag)
		}
		return (nameOK || full) && tagOK
	}
}
