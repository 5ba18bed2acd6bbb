package preview1

import "testing"

// spent is a quota that others use up.
type spent struct {
	n, most uint64
	others  bool // take what is given back
}

func (s *spent) Grow(n uint64) bool {
	if s.n+n > s.most {
		return false
	}
	s.n += n
	return true
}

func (s *spent) Release(n uint64) {
	if !s.others {
		s.n -= n
	}
}

// TestDupToQuota: a number that is replaced needs no more of the quota, and one that
// cannot be given leaves what has it where it is.
func TestDupToQuota(t *testing.T) {
	q := &spent{most: 100}
	g := newGuest(t, func(c *Config) { c.Files = q })
	p := g.h.POSIX()
	a, b := g.open("a", oflagCreat, rightsOfFile), g.open("b", oflagCreat, rightsOfFile)
	q.most, q.others = q.n, true // of other programs there are as many as may be
	if e := p.DupTo(a, b+1); e != enfile {
		t.Errorf("a new number: %v", e)
	}
	g.write(a, "in a")
	if e := p.DupTo(a, b); e != esuccess {
		t.Fatalf("over another: %v", e)
	}
	at := g.alloc(8)
	if g.ok("fd_tell", b, at); g.u64(at) != 4 {
		t.Errorf("it is another file: at %d", g.u64(at))
	}
	for _, fd := range []uint32{a, b} {
		g.ok("fd_close", fd)
	}
	g.want(ebadf, "fd_close", b)
}
