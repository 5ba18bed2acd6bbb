package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/wherry-run/wherry/runtime"
)

// The flag of all commands that run a program or ask a model.
const (
	noAccelFlag = "no-accel"
	noAccelUse  = "leave linear algebra to the program, so that results are the same on every processor"
)

// kernelsVariable names the set of kernels to use instead of the fastest of this
// processor: for tests, and for results that are the same on several.
const kernelsVariable = "WHERRY_KERNELS"

// writeAccelerated prints what kernels of the host did.
func writeAccelerated(w io.Writer, list []runtime.Accelerated) {
	if len(list) == 0 {
		return
	}
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = fmt.Sprintf("%s %d calls", a.Kernel, a.Calls)
		if a.Declined > 0 {
			words[i] += fmt.Sprintf(" (%d declined)", a.Declined)
		}
	}
	fmt.Fprintf(w, "accelerated by %s: %s\n", list[0].Set, strings.Join(words, ", "))
}
