package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// bare is a context without values: wazero asks for three in every call, and would search all parents for them.
type bare struct{ context.Context }

// Value implements context.Context.
func (bare) Value(any) any { return nil }

// fillSlots puts the stubs in their slots. It calls nothing that would ask the context who it is. Where the memory is
// about to be overwritten by an image, lists of slots are handed over in it.
func (i *Instance) fillSlots(image *Image) error {
	if i.code.part == nil || len(i.code.part.Fills) == 0 {
		return nil
	}
	plain, list := bare{i.code.engine.life}, i.code.part.Fills
	if many := i.mod.ExportedFunction(fillsExport); many != nil && image != nil && i.mem != nil && len(i.mem.buf) >= pageSize {
		return i.fillMany(plain, many, list)
	}
	f := i.mod.ExportedFunction(fillExport)
	if f == nil {
		return errors.New("the primary cannot fill its table")
	}
	var stack [3]uint64
	for _, x := range list {
		stack = [3]uint64{uint64(x.Slot), uint64(x.Stub), uint64(x.Count)}
		if err := f.CallWithStack(plain, stack[:]); err != nil {
			return fmt.Errorf("fill table: %w", err)
		}
	}
	return nil
}

// fillMany fills slots by lists in the first page of the memory.
func (i *Instance) fillMany(ctx context.Context, many api.Function, list []Fill) error {
	const most = 4096 / 12
	for len(list) > 0 {
		n := min(len(list), most)
		at := i.mem.buf[:0]
		for _, x := range list[:n] {
			at = binary.LittleEndian.AppendUint32(at, x.Slot)
			at = binary.LittleEndian.AppendUint32(at, x.Stub)
			at = binary.LittleEndian.AppendUint32(at, x.Count)
		}
		stack := [2]uint64{0, uint64(n)}
		if err := many.CallWithStack(ctx, stack[:]); err != nil {
			return fmt.Errorf("fill table: %w", err)
		}
		list = list[n:]
	}
	return nil
}
