package runtime

// Pause stops all programs of the Runtime: each at the next place where it is
// measured, which is a millisecond or so of computing away. They hold no processor
// until Resume; what they wait for in the host, such as a sleep, goes on, and so does
// the time of Limits.Timeout. A program that is ended meanwhile ends.
func (rt *Runtime) Pause() {
	opened := make(chan struct{})
	rt.crew.paused.CompareAndSwap(nil, &opened)
}

// Resume lets the programs go on that Pause stopped.
func (rt *Runtime) Resume() {
	if opened := rt.crew.paused.Swap(nil); opened != nil {
		close(*opened)
	}
}
