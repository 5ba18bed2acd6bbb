package plain

import (
	"net/http"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Headers by which any request may say how it is to be scheduled.
const (
	HeaderTimeout  = "Wherry-Timeout"  // how long the answer may take: 500ms, or 2, in seconds
	HeaderPriority = "Wherry-Priority" // 1 goes first
)

// maxPriority is the last that there is.
const maxPriority = 1 << 20

// Call begins a call of a protocol with what the headers of its request say.
func Call(r *http.Request, protocol string) (repository.Call, error) {
	c := repository.Call{Protocol: protocol}
	if word := route.First(r.Header, HeaderTimeout); word != "" {
		d, err := time.ParseDuration(word)
		if s, serr := strconv.ParseFloat(word, 64); serr == nil && s < 1e9 {
			d, err = time.Duration(s*float64(time.Second)), nil
		}
		if err != nil || d <= 0 {
			return c, &route.RequestError{Message: HeaderTimeout + " is a time, such as 500ms or 2"}
		}
		c.Timeout = d
	}
	if word := route.First(r.Header, HeaderPriority); word != "" {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n > maxPriority {
			return c, &route.RequestError{Message: HeaderPriority + " is a number from 1 on, which goes first"}
		}
		c.Priority = n
	}
	return c, nil
}
