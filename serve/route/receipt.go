package route

import (
	"net/http"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
)

// HeaderReceipt is the header of an answer that says who gave it and what that took: a
// dictionary of RFC 9651. It is one header, for each of them costs a small answer as much
// as a part of the model's own work. It is spelled as net/http spells keys, so that it can
// be set without a search.
//
//	digest   of the image that answered
//	fuel     what the guest did
//	memory   bytes, the most its memory had
//	queue    microseconds before an instance took it
//	compute  microseconds in the instance
//	kernels  set and version of the host's kernels that did some of it
//	batch    rows that were computed together, when more than the request's own
const HeaderReceipt = "Wherry-Receipt"

// SetReceipt puts a receipt into the headers of an answer.
func SetReceipt(h http.Header, r *repository.Receipt) {
	var room [224]byte
	h[HeaderReceipt] = []string{string(appendReceipt(room[:0], r))}
}

func appendReceipt(b []byte, r *repository.Receipt) []byte {
	if r.Digest != "" {
		b = append(append(append(b, "digest="...), r.Digest...), ", "...)
	}
	if r.Fuel > 0 {
		b = append(strconv.AppendUint(append(b, "fuel="...), r.Fuel, 10), ", "...)
	}
	if r.Memory > 0 {
		b = append(strconv.AppendUint(append(b, "memory="...), r.Memory, 10), ", "...)
	}
	b = appendMicroseconds(append(b, "queue="...), r.Queue)
	b = appendMicroseconds(append(b, ", compute="...), r.Compute)
	if r.Kernels != "" {
		b = append(append(b, ", kernels="...), r.Kernels...)
	}
	if r.Batch > r.Rows {
		b = strconv.AppendInt(append(b, ", batch="...), int64(r.Batch), 10)
	}
	return b
}

func appendMicroseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendInt(b, max(d, 0).Round(time.Microsecond).Microseconds(), 10)
}
