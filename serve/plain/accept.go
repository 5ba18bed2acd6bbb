package plain

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// maxAccepted bounds the types of an Accept header that are looked at.
const maxAccepted = 32

// Accepts gives that of the types which the client wants most, the first of those it
// wants alike; the first of all when it wants none of them, or does not say. A type is
// written as image/png, or image/* for any of its kind.
func Accepts(r *http.Request, types ...string) string {
	best, most := types[0], 0.0
	accept := r.Header.Values("Accept")
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == best) {
		return best // what most clients send
	}
	for _, t := range types {
		if q := wanted(accept, t); q > most {
			best, most = t, q
		}
	}
	return best
}

// wanted is how much a type is wanted, from 0 to 1, a little less where only a range
// has it.
func wanted(accept []string, kind string) float64 {
	best, exact, seen := 0.0, -1, 0
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			if seen++; seen > maxAccepted {
				return best
			}
			have, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			level := matches(have, kind)
			if level < 0 || level < exact {
				continue
			}
			q := 1.0
			if v, err := strconv.ParseFloat(params["q"], 64); err == nil && v >= 0 && v <= 1 {
				q = v
			}
			best, exact = q*(1-0.0001*float64(2-level)), level
		}
	}
	return best
}

// matches tells how exactly a range has a type: 2 itself, 1 its kind, 0 any; -1 not.
func matches(have, kind string) int {
	haveMain, _, _ := strings.Cut(have, "/")
	main, sub, _ := strings.Cut(kind, "/")
	switch {
	case have == kind, sub == "*" && haveMain == main:
		return 2
	case have == main+"/*":
		return 1
	case have == "*/*":
		return 0
	}
	return -1
}
