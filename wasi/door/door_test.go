package door

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// fakeGuest is a memory and an allocator.
type fakeGuest struct {
	bytes    []byte
	next     uint32
	allocErr error
}

func (g *fakeGuest) memory(off, n uint32) ([]byte, bool) {
	if uint64(off)+uint64(n) > uint64(len(g.bytes)) {
		return nil, false
	}
	return g.bytes[off : off+n], true
}

func (g *fakeGuest) alloc(_ context.Context, n uint32) (uint32, error) {
	// A real guest may have grown and moved its memory meanwhile.
	g.bytes = append([]byte(nil), g.bytes...)
	return g.next, g.allocErr
}

func TestCall(t *testing.T) {
	echo := func(_ context.Context, m []byte) ([]byte, error) { return append([]byte("re: "), m...), nil }
	refuse := func(context.Context, []byte) ([]byte, error) { return nil, errors.New("secret of the host") }
	empty := func(context.Context, []byte) ([]byte, error) { return nil, nil }
	for name, tc := range map[string]struct {
		handler Handler
		args    []uint64
		next    uint32
		want    int
		answer  string
	}{
		"an answer":            {echo, []uint64{16, 5, 0, 4}, 64, resultOK, "re: hello"},
		"nobody":               {nil, []uint64{16, 5, 0, 4}, 64, resultNoHost, ""},
		"a failure":            {refuse, []uint64{16, 5, 0, 4}, 64, resultFault, ""},
		"an empty answer":      {empty, []uint64{16, 5, 0, 4}, 0, resultOK, ""},
		"no room":              {echo, []uint64{16, 5, 0, 4}, 0, resultFault, ""},
		"room outside":         {echo, []uint64{16, 5, 0, 4}, 1020, resultFault, ""},
		"message outside":      {echo, []uint64{1020, 5, 0, 4}, 64, resultFault, ""},
		"message that wraps":   {echo, []uint64{1<<32 - 1, 5, 0, 4}, 64, resultFault, ""},
		"out pointer outside":  {echo, []uint64{16, 5, 1021, 4}, 64, resultFault, ""},
		"out length outside":   {echo, []uint64{16, 5, 0, 1<<32 - 2}, 64, resultFault, ""},
		"message over a limit": {echo, []uint64{0, MaxMessage + 1, 0, 4}, 64, resultFault, ""},
	} {
		g := &fakeGuest{bytes: make([]byte, 1024), next: tc.next}
		copy(g.bytes[16:], "hello")
		got, err := call(t.Context(), g, tc.handler, tc.args)
		if got != tc.want || err != nil {
			t.Errorf("%s: %d, %v, want %d", name, got, err, tc.want)
			continue
		}
		at, n := binary.LittleEndian.Uint32(g.bytes), binary.LittleEndian.Uint32(g.bytes[4:])
		if s := string(g.bytes[at : at+n]); s != tc.answer {
			t.Errorf("%s: answer %q, want %q", name, s, tc.answer)
		}
	}
}

func TestCallUnwinds(t *testing.T) {
	trap := errors.New("trap in host_alloc")
	echo := func(_ context.Context, m []byte) ([]byte, error) { return m, nil }
	g := &fakeGuest{bytes: make([]byte, 64), allocErr: trap}
	if _, err := call(t.Context(), g, echo, []uint64{16, 5, 0, 4}); err != trap {
		t.Errorf("a trap of the guest: %v", err)
	}
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := func(ctx context.Context, _ []byte) ([]byte, error) {
		cancel(reason)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if _, err := call(ctx, g, wait, []uint64{16, 5, 0, 4}); err != reason {
		t.Errorf("a cancelled call: %v", err)
	}
}
