package prepare

// near is how many bytes there may be between two functions that are read in one go: less than a disk reads in the time
// in which it finds the second.
const near = 16 << 10

// TellAhead has need told, before a part is made, which bytes of the module it is made from: offset and length, ascending.
// A module that is mapped from a disk can be read in a few pieces then. It is to be called before the Split is used.
func (s *Split) TellAhead(need func(offset, length int)) { s.need = need }

// tellAhead is told of defined functions, ascending.
func (s *Split) tellAhead(functions []uint32) {
	if s.need == nil || len(functions) == 0 {
		return
	}
	first := s.m.Code[functions[0]]
	from, to := int(first.Start), int(first.End)
	for _, f := range functions[1:] {
		code := s.m.Code[f]
		if int(code.Start)-to >= near {
			s.need(from, to-from)
			from = int(code.Start)
		}
		to = int(code.End)
	}
	s.need(from, to-from)
}
