package hub

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
)

// page is the first n of what comes after last, in order, and whether there is more.
func page[T comparable](all iter.Seq[T], last T, n int, compare func(a, b T) int) (list []T, more bool) {
	for v := range all {
		if compare(v, last) > 0 {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, compare)
	if len(list) <= n {
		return list, false
	}
	return list[:n], true
}

// nextPage tells where the entries after last are.
func nextPage(w http.ResponseWriter, r *http.Request, n int, last string) {
	q := r.URL.Query()
	q.Set("n", fmt.Sprint(n))
	q.Set("last", last)
	u := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
	w.Header().Set("Link", fmt.Sprintf("<%s>; rel=\"next\"", u.String()))
}
