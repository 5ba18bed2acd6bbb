package runtime

// Computing is how many guests of the Runtime compute now.
func (rt *Runtime) Computing() int { return int(rt.crew.computing.Load()) }
