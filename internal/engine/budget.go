package engine

import (
	"fmt"
	"time"
)

// BudgetError says that the compiler was given up because it took too long.
type BudgetError struct {
	Budget time.Duration
	Code   int64 // bytes of code
}

func (e *BudgetError) Error() string { return "compile module: more than " + e.Limit() }

// Limit says what the limit is, and what to do.
func (e *BudgetError) Limit() string {
	return fmt.Sprintf("%v for %d KiB of code; run it again when the machine is less busy, or build it smaller or with optimization (-O2)",
		e.Budget, e.Code>>10)
}

// budget is how long compiling so much code may take. A module that the structural limits let pass needs a tenth of it
// on a machine that does nothing else: it is the second line of defence, against what they do not foresee. The compiler
// looks at it between functions; it cannot be interrupted within one, which the limits bound.
func (c Config) budget(code int64) time.Duration {
	if c.CompileTime > 0 {
		return c.CompileTime
	}
	const least, perByte = time.Minute, 40 * time.Microsecond
	return (least + time.Duration(code)*perByte).Round(time.Second)
}

// lanes are the turns in which modules are compiled, so that the memory of all compilers together is bounded whatever
// is asked for at once: small modules, which take one goroutine each, one for each worker; others two at a time; and
// of large ones, which take gigabytes, one.
type lanes struct{ little, middle, large chan struct{} }

func newLanes(workers int) lanes {
	return lanes{make(chan struct{}, workers), make(chan struct{}, 2), make(chan struct{}, 1)}
}

// of gives the lane for so much code.
func (l *lanes) of(code int64) chan struct{} {
	switch {
	case code > muchCode:
		return l.large
	case code > littleCode:
		return l.middle
	}
	return l.little
}
