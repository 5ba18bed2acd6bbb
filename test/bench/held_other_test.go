//go:build !linux

package bench

import (
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// memory is what a process holds, in bytes; it is not known here.
type memory struct{ rss, pss, own int64 }

type held struct{}

func hold(*testing.B, dock.Program, string, ...string) held { return held{} }

func (held) memory() *memory { return nil }
func (held) release()        {}
