package hostmath

// TablesAt is a kernel of a set with the tables of its functions at other places.
func TablesAt(s *Set, kernel string, exp, log uint32) Func {
	other := &Set{funcs: map[string]Func{}, tools: s.tools}
	other.addLoops(exp, log)
	return other.funcs[kernel]
}

// Share has the members of a crew do parts.
func Share(env Env, part func(member int)) {
	c := newCrew(env, crewWork)
	defer c.end()
	c.share(part)
}
