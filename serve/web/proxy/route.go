package proxy

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A Route has the paths below Prefix passed on to the server at To.
type Route struct {
	// Prefix begins with a slash. One that ends with a slash stands for what is below
	// it, another for the path itself, too.
	Prefix string
	// To is an http or https URL. Its path, where it has one, takes the place of Prefix.
	To *url.URL
}

// maxWord bounds a prefix and a URL, in bytes.
const maxWord = 2048

// ParseRoute reads a prefix and a URL.
func ParseRoute(prefix, target string) (Route, error) {
	switch {
	case len(prefix) > maxWord || len(target) > maxWord:
		return Route{}, fmt.Errorf("%.40s: longer than %d bytes", prefix, maxWord)
	case !strings.HasPrefix(prefix, "/") || !straight(prefix) || strings.ContainsAny(prefix, "?#% \t\r\n"):
		return Route{}, fmt.Errorf("%.80q is no path to pass on: it begins with /, such as /api/", prefix)
	}
	u, err := url.Parse(target)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", !straight(u.Path):
		return Route{}, fmt.Errorf("%.80q is no server to pass %s on to: write http://NAME:PORT", target, prefix)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Route{}, fmt.Errorf("%s: of a server, a scheme, a name, a port and a path are all that is passed on to", prefix)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return Route{}, fmt.Errorf("%s: %.20q is no port", prefix, port)
		}
	}
	return Route{Prefix: prefix, To: u}, nil
}

// maxRoutes bounds how many there are.
const maxRoutes = 64

// Routes are those that labels and a variable say: a label is its begin and a prefix,
// the variable has PREFIX=URL words, which go before labels.
func Routes(labels map[string]string, begin, variable string) ([]Route, error) {
	targets := map[string]string{}
	for label, target := range labels {
		if prefix, ok := strings.CutPrefix(label, begin); ok {
			targets[prefix] = target
		}
	}
	for word := range strings.FieldsSeq(variable) {
		prefix, target, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%.80q: write PREFIX=URL, such as /api/=http://back:8000", word)
		}
		targets[prefix] = target
	}
	if len(targets) > maxRoutes {
		return nil, fmt.Errorf("%d paths to pass on, more than %d", len(targets), maxRoutes)
	}
	list := make([]Route, 0, len(targets))
	for prefix, target := range targets {
		r, err := ParseRoute(prefix, target)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// matches tells the paths that are passed on.
func (to Route) matches(path string) bool {
	rest, ok := strings.CutPrefix(path, to.Prefix)
	return ok && (strings.HasSuffix(to.Prefix, "/") || rest == "" || rest[0] == '/')
}

// nowhere is a dialer that reaches nothing.
func nowhere(context.Context, string, string) (net.Conn, error) { return nil, errNowhere }
