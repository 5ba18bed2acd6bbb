package guard

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/wherry-run/wherry/serve/route"
)

// all stands for every host and every origin.
const all = "*"

// Loopback tells addresses and names that only this machine reaches.
func Loopback(host string) bool {
	if host = strings.TrimSuffix(strings.ToLower(host), "."); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// hostOf is the name in a Host header or of an address, without its port.
func hostOf(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

// hosts turns requests away that were meant for another server: a page may have
// had the name it came from changed to this machine's address, and would then be of
// the same origin as the server.
func (c *Config) hosts(next http.Handler) http.Handler {
	local := Loopback(hostOf(c.Bound))
	if slices.Contains(c.Hosts, all) || !local && len(c.Hosts) == 0 {
		return next
	}
	names := map[string]bool{}
	for _, h := range append(slices.Clone(c.Hosts), c.Bound) {
		if h = hostOf(h); h != "" {
			names[h] = true
		}
	}
	var last atomic.Pointer[string] // a Host that is right: nearly all requests have the same
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if known := last.Load(); known != nil && *known == r.Host {
			next.ServeHTTP(w, r)
			return
		}
		if host := hostOf(r.Host); !names[host] && !Loopback(host) {
			c.Refuse(w, r, http.StatusMisdirectedRequest, "this server does not answer to the name in the request's Host; whoever runs it can allow it with --allow-host")
			return
		}
		right := strings.Clone(r.Host)
		last.Store(&right)
		next.ServeHTTP(w, r)
	})
}

// exposed are the headers of answers that pages of other sites may read.
const exposed = HeaderID + ", Retry-After, Inference-Header-Content-Length, " + route.HeaderReceipt

// sites answers for the pages of other sites: allowed ones are told so (CORS), and
// others are turned away where the server is on loopback, or strict. There a page
// somewhere in the net would otherwise reach what only this machine's user, or those
// of a network, are to.
func (c *Config) sites(next http.Handler) http.Handler {
	local := Loopback(hostOf(c.Bound))
	origins := make(map[string]bool, len(c.Origins))
	for _, o := range c.Origins {
		origins[normalOrigin(o)] = true
	}
	away := func(*http.Request, string) bool { return false }
	switch {
	case c.AnyPage && len(origins) == 0:
		return next
	case c.AnyPage:
	case local:
		away = foreign
	case c.Strict:
		away = foreignThere
	case len(origins) == 0:
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := route.First(r.Header, "Origin")
		if len(origins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		if origin != "" && (origins[all] || origins[normalOrigin(origin)]) {
			if c.share(w, r, origin, origins[all]) {
				return
			}
		} else if away(r, origin) {
			c.Refuse(w, r, http.StatusForbidden, "this server does not answer to pages of other sites; whoever runs it can allow one with --allow-origin")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// share says that a page may read the answer. It tells whether the request was the
// question for just that (a preflight), and is answered.
func (c *Config) share(w http.ResponseWriter, r *http.Request, origin string, any bool) bool {
	h := w.Header()
	if any {
		origin = all
	}
	h.Set("Access-Control-Allow-Origin", origin)
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		h.Set("Access-Control-Expose-Headers", exposed)
		return false
	}
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); headerNames(wanted) {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// headerNames tells a list of names of headers that may be said back.
func headerNames(s string) bool {
	if s == "" || len(s) > 1024 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == ',', c == ' ':
		default:
			return false
		}
	}
	return true
}

// foreign tells requests that a page of another site has made. Programs send
// neither header; browsers always one of them, or are older than 2023 and read no
// answer without CORS. Who follows a link to the server is let in.
func foreign(r *http.Request, origin string) bool {
	switch route.First(r.Header, "Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		return origin != "" && !sameOrigin(r, origin)
	}
	visit := r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	return !visit
}

// foreignThere is foreign for a server that others reach: its site may have more than
// one name, and browsers say where a page is from only to servers with TLS. Without
// that only what changes something has an Origin.
func foreignThere(r *http.Request, origin string) bool {
	switch route.First(r.Header, "Sec-Fetch-Site") {
	case "same-site":
		return false
	case "":
		return r.Method != http.MethodGet && r.Method != http.MethodHead && foreign(r, origin)
	}
	return foreign(r, origin)
}

// sameOrigin tells whether a page is the server's own. Behind a proxy that ends TLS
// the scheme differs; host and port say enough.
func sameOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// normalOrigin is an origin as browsers write it: small letters, no slash at the
// end, no port that goes without saying.
func normalOrigin(s string) string {
	if s == all {
		return s
	}
	s = strings.TrimSuffix(strings.ToLower(s), "/")
	if rest, ok := strings.CutSuffix(s, ":443"); ok && strings.HasPrefix(s, "https://") {
		return rest
	}
	if rest, ok := strings.CutSuffix(s, ":80"); ok && strings.HasPrefix(s, "http://") {
		return rest
	}
	return s
}
