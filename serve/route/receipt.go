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
	if r.Kernels != "" {
		h[HeaderKernels] = []string{r.Kernels}
	}
	var room [96]byte
	w := numbers{text: room[:0]}
	if r.Fuel > 0 {
		w.add(HeaderFuel, strconv.AppendUint(w.text, r.Fuel, 10))
	}
	if r.Memory > 0 {
		w.add(HeaderMemory, strconv.AppendUint(w.text, r.Memory, 10))
	}
	if r.Batch > r.Rows {
		w.add(HeaderBatch, strconv.AppendInt(w.text, int64(r.Batch), 10))
	}
	w.add(HeaderQueue, appendSeconds(w.text, r.Queue))
	w.add(HeaderCompute, appendSeconds(w.text, r.Compute))
	w.set(h)
}

// numbers are the values of several headers, in one piece of memory: every answer has
// them.
type numbers struct {
	text  []byte
	count int
	names [5]string
	ends  [5]int
}

// add has a header, whose value is what text has more than before.
func (n *numbers) add(name string, text []byte) {
	n.text, n.names[n.count], n.ends[n.count] = text, name, len(text)
	n.count++
}

func (n *numbers) set(h http.Header) {
	text, from := string(n.text), 0
	list := make([]string, n.count)
	for i := range list {
		list[i] = text[from:n.ends[i]]
		h[n.names[i]] = list[i : i+1 : i+1]
		from = n.ends[i]
	}
}

// appendSeconds writes a time as a number with microseconds.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := max(d, 0).Round(time.Microsecond).Microseconds()
	b = append(strconv.AppendInt(b, us/1e6, 10), '.')
	for unit := int64(1e5); unit > 0; unit /= 10 {
		b = append(b, byte('0'+us/unit%10))
	}
	return b
}
