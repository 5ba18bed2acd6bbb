package route

import (
	"net/http"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
)

// Headers of an answer that say who gave it and what that took. They are spelled
// as net/http spells keys, so that they can be set without a search.
const (
	HeaderDigest  = "Wherry-Digest"          // of the image that answered
	HeaderFuel    = "Wherry-Fuel"            // what the guest did
	HeaderMemory  = "Wherry-Memory"          // bytes, the most its memory had
	HeaderQueue   = "Wherry-Queue-Seconds"   // waited for an instance
	HeaderCompute = "Wherry-Compute-Seconds" // in the instance
	HeaderKernels = "Wherry-Kernels"         // set and version of the host's kernels that did some of it
	HeaderBatch   = "Wherry-Batch"           // rows that were computed together, when more than the request's own
)

// SetReceipt puts a receipt into the headers of an answer.
func SetReceipt(h http.Header, r *repository.Receipt) {
	if r.Digest != "" {
		h[HeaderDigest] = []string{r.Digest}
	}
	if r.Fuel > 0 {
		h[HeaderFuel] = []string{strconv.FormatUint(r.Fuel, 10)}
	}
	if r.Memory > 0 {
		h[HeaderMemory] = []string{strconv.FormatUint(r.Memory, 10)}
	}
	if r.Kernels != "" {
		h[HeaderKernels] = []string{r.Kernels}
	}
	if r.Batch > r.Rows {
		h[HeaderBatch] = []string{strconv.Itoa(r.Batch)}
	}
	h[HeaderQueue] = []string{inSeconds(r.Queue)}
	h[HeaderCompute] = []string{inSeconds(r.Compute)}
}

// inSeconds writes a time as a number with microseconds.
func inSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 6, 64)
}
