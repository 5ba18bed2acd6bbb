package generate

// Shrink leaves out as many units as it can of a module for which fails holds, and returns the Options of what is
// left. units is what the whole Module says of them; fails is asked at most most times.
func Shrink(o Options, units, most int, fails func(Options) bool) Options {
	skip := map[int]bool{}
	for size := max(units/2, 1); size > 0; size /= 2 {
		for from := 0; from < units; from += size {
			var more []int
			for i := from; i < min(from+size, units); i++ {
				if !skip[i] {
					more = append(more, i)
				}
			}
			if len(more) == 0 || most == 0 {
				continue
			}
			most--
			for _, i := range more {
				skip[i] = true
			}
			trial := o
			trial.Skip = skip
			if !fails(trial) {
				for _, i := range more {
					delete(skip, i)
				}
			}
		}
	}
	o.Skip = skip
	return o
}
