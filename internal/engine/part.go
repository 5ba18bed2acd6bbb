package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// GroupKey is the key of one group of parts that LoadParts got with this key of all groups.
func GroupKey(groups string, parts Parts, n uint32) string {
	key := groupKey(groups, n)
	if s, ok := parts.(Shaped); ok {
		if shape := s.Shape(n); shape != "" {
			return shapedKey(key, shape)
		}
	}
	return key
}

// groupKey is the key of a group that nothing else shapes.
func groupKey(groups string, n uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\ngroup %d", groups, n))
	return hex.EncodeToString(sum[:])
}

// shapedKey is the key of one that more shapes.
func shapedKey(key, shape string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", key, shape))
	return hex.EncodeToString(sum[:])
}

// Hits lists, by their index in the whole module, the functions that were called since the instance was made, if its
// parts record that. It is for use between calls.
func (i *Instance) Hits() []uint32 {
	if i.code.part == nil {
		return nil
	}
	list := appendHits(nil, i.mod, i.code.part)
	for _, p := range i.parts {
		list = appendHits(list, p.mod, p.part)
	}
	return list
}

// ForgetHits has Hits begin anew. It is for use between calls.
func (i *Instance) ForgetHits() {
	if i.code.part == nil {
		return
	}
	forgetHits(i.mod)
	for _, p := range i.parts {
		forgetHits(p.mod)
	}
}

func forgetHits(mod api.Module) {
	for n := 0; ; n++ {
		g, ok := mod.ExportedGlobal(fmt.Sprint(hitsExport, n)).(api.MutableGlobal)
		if !ok {
			return
		}
		g.Set(0)
	}
}

// appendHits adds those of one part.
func appendHits(list []uint32, mod api.Module, part *Part) []uint32 {
	for n := 0; ; n++ {
		g := mod.ExportedGlobal(fmt.Sprint(hitsExport, n))
		if g == nil {
			return list
		}
		bits := g.Get()
		for b := range 64 {
			if at := n*64 + b; bits&(1<<b) != 0 && at < len(part.Origins) {
				list = append(list, part.Origins[at])
			}
		}
	}
}

// Groups is how many groups the instance has loaded.
func (i *Instance) Groups() int { return len(i.parts) }

// Loading is how long calls have waited for groups.
func (i *Instance) Loading() time.Duration { return i.loading }

// partNamed finds the part that a trace names: "p" is the primary, "g" and its number a group. It is nil for a host's module.
func (i *Instance) partNamed(module string) *Part {
	if module == "p" {
		return i.code.part
	}
	digits, ok := strings.CutPrefix(module, "g")
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil {
		return nil
	}
	return i.parts[uint32(n)].part
}

// origin finds what a function of a part is in the whole module.
func (p *Part) origin(index uint32) uint32 {
	if p == nil || index < p.First || int64(index-p.First) >= int64(len(p.Origins)) {
		return math.MaxUint32
	}
	return p.Origins[index-p.First]
}

// encodePart writes what is known of a part: numbers as unsigned LEB128, origins and slots as differences.
func encodePart(p *Part) []byte {
	b := []byte(partMagic)
	b = binary.AppendUvarint(b, uint64(p.First))
	b = binary.AppendUvarint(b, uint64(len(p.Origins)))
	last := uint32(0)
	for _, o := range p.Origins {
		b = binary.AppendUvarint(b, uint64(o-last)) // wraps for what was added
		last = o
	}
	b = binary.AppendUvarint(b, uint64(len(p.Fills)))
	last = 0
	for _, f := range p.Fills {
		b = binary.AppendUvarint(b, uint64(f.Slot-last))
		b = binary.AppendUvarint(b, uint64(f.Stub))
		b = binary.AppendUvarint(b, uint64(f.Count))
		last = f.Slot
	}
	return b
}

const partMagic = "WPRT\x01"

// decodePart reads what encodePart wrote.
func decodePart(b []byte) (*Part, error) {
	rest, ok := strings.CutPrefix(string(b[:min(len(b), len(partMagic))]), partMagic)
	if !ok || rest != "" {
		return nil, fmt.Errorf("%w: it is no part", errUnusable)
	}
	b = b[len(partMagic):]
	bad := false
	next := func() uint32 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[n:]
		return uint32(v)
	}
	p := &Part{First: next()}
	if n := next(); int64(n) <= int64(len(b)) {
		p.Origins = make([]uint32, n)
	} else {
		bad = true
	}
	last := uint32(0)
	for i := range p.Origins {
		last += next()
		p.Origins[i] = last
	}
	if n := next(); int64(n) <= int64(len(b)) {
		p.Fills = make([]Fill, n)
	} else {
		bad = true
	}
	last = 0
	for i := range p.Fills {
		last += next()
		p.Fills[i] = Fill{last, next(), next()}
	}
	if bad || len(b) > 0 {
		return nil, fmt.Errorf("%w: what is known of a part is damaged", errUnusable)
	}
	return p, nil
}
