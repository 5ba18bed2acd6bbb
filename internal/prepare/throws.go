package prepare

// throwing is what the exception pass knows of the whole module: out of which functions an exception can come.
type throwing struct {
	funcs []bool // by index of the defined function
	types []bool // by type index: some function of such a type that can be called indirectly may throw
	far   []bool // the same of calls between parts, in a part
}

// findThrowing works back from every throw that is not caught in its own function to all callers. Functions of other
// modules never throw: the host has no exceptions to give.
func (p *plan) findThrowing() (throwing, error) {
	n := len(p.facts)
	t := throwing{funcs: make([]bool, n), types: make([]bool, len(p.mod.Types))}
	taken, err := p.addressTaken()
	if err != nil {
		return throwing{}, err
	}
	direct := newReverse(n)
	indirect := newReverse(len(p.mod.Types))
	var work []uint32
	p.eachSite(func(f uint32, s site) {
		switch {
		case s.kind() == siteTailCall || s.kind() == siteCall && !s.shielded():
			if s.target >= p.imported {
				direct.count(s.target - p.imported)
			}
		case s.kind() == siteTailIndirect || s.kind() == siteIndirect && !s.shielded():
			indirect.count(p.mod.CanonicalType(s.target))
		case s.kind() == siteThrow && !s.shielded() && !t.funcs[f]:
			t.funcs[f] = true
			work = append(work, f)
		}
	})
	direct.alloc()
	indirect.alloc()
	p.eachSite(func(f uint32, s site) {
		switch {
		case s.kind() == siteTailCall || s.kind() == siteCall && !s.shielded():
			if s.target >= p.imported {
				direct.add(s.target-p.imported, f)
			}
		case s.kind() == siteTailIndirect || s.kind() == siteIndirect && !s.shielded():
			indirect.add(p.mod.CanonicalType(s.target), f)
		}
	})
	mark := func(callers []uint32) {
		for _, c := range callers {
			if !t.funcs[c] {
				t.funcs[c] = true
				work = append(work, c)
			}
		}
	}
	for len(work) > 0 {
		f := work[len(work)-1]
		work = work[:len(work)-1]
		mark(direct.of(f))
		if c := p.mod.CanonicalType(p.mod.Funcs[f]); taken[f] && !t.types[c] {
			t.types[c] = true
			mark(indirect.of(c))
		}
	}
	for i := range t.types {
		t.types[i] = t.types[p.mod.CanonicalType(uint32(i))]
	}
	return t, nil
}

// partThrowing is what the facts of the whole module say of a part. It is held against the part: a function that lets an
// exception through must be said to throw. Of what can run, all is in parts that were checked, so a lie is found before
// an exception could be missed.
func (p *plan) partThrowing() (throwing, error) {
	part := p.part
	t := throwing{funcs: make([]bool, len(p.facts)), types: make([]bool, len(p.mod.Types)), far: make([]bool, len(p.mod.Types))}
	for n, i := range part.members {
		t.funcs[n] = part.throws.funcs[i]
	}
	for i := range min(len(t.types), len(part.throws.types)) {
		t.types[i], t.far[i] = part.throws.types[i], part.throws.far[i]
	}
	lies := false
	p.eachSite(func(f uint32, s site) {
		if int(f) >= len(part.members) || t.funcs[f] { // a stub hands on what it gets
			return
		}
		open, through := !s.shielded(), false
		switch s.kind() {
		case siteThrow:
			through = open
		case siteCall, siteTailCall:
			through = (open || s.kind() == siteTailCall) && s.target >= p.imported && t.funcs[s.target-p.imported]
		case siteIndirect, siteTailIndirect:
			through = (open || s.kind() == siteTailIndirect) && t.types[s.target]
		case siteFar, siteTailFar:
			through = (open || s.kind() == siteTailFar) && (int(s.target) >= len(part.ranked) || part.throws.funcs[part.ranked[s.target]])
		}
		lies = lies || through
	})
	if lies {
		return throwing{}, errFacts
	}
	return t, nil
}

// addressTaken returns the defined functions that an indirect call can reach.
func (p *plan) addressTaken() ([]bool, error) {
	taken := make([]bool, len(p.facts))
	mark := func(f uint32) {
		if f >= p.imported {
			taken[f-p.imported] = true
		}
	}
	if err := p.eachConstFunc(mark); err != nil {
		return nil, err
	}
	p.eachSite(func(_ uint32, s site) {
		if s.kind() == siteRef {
			mark(s.target)
		}
	})
	return taken, nil
}

// eachSite calls fn with every site and the function it is in.
func (p *plan) eachSite(fn func(f uint32, s site)) {
	for i := range p.chunks {
		c := &p.chunks[i]
		for f := c.first; f < c.end; f++ {
			for _, s := range c.sites[p.facts[f].sites.from:p.facts[f].sites.to] {
				fn(uint32(f), s)
			}
		}
	}
}

// reverse holds, for every callee, its callers: counted first, so that all of them lie in one array.
type reverse struct {
	at      []uint32
	callers []uint32
}

func newReverse(n int) *reverse { return &reverse{at: make([]uint32, n+1)} }

func (r *reverse) count(callee uint32) { r.at[callee]++ }

func (r *reverse) alloc() {
	sum := uint32(0)
	for i, n := range r.at {
		sum += n
		r.at[i] = sum
	}
	r.callers = make([]uint32, sum)
}

// add fills a callee's run from its end, so that at holds the beginnings when all are in.
func (r *reverse) add(callee, caller uint32) {
	r.at[callee]--
	r.callers[r.at[callee]] = caller
}

func (r *reverse) of(callee uint32) []uint32 { return r.callers[r.at[callee]:r.at[callee+1]] }
