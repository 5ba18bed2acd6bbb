package cgi

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// variables are the meta-variables of a request (RFC 3875, 4.1).
func variables(r *http.Request) []string {
	host, port := server(r)
	remote, remotePort, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	env := []string{
		"GATEWAY_INTERFACE=CGI/1.1",
		"SERVER_SOFTWARE=wherry",
		"SERVER_PROTOCOL=" + r.Proto,
		"SERVER_NAME=" + host,
		"SERVER_PORT=" + port,
		"REQUEST_METHOD=" + r.Method,
		"REQUEST_URI=" + uri,
		"SCRIPT_NAME=",
		"PATH_INFO=" + clean(r.URL.Path),
		"QUERY_STRING=" + r.URL.RawQuery,
		"REMOTE_ADDR=" + remote,
		"REMOTE_HOST=" + remote,
		"REMOTE_PORT=" + remotePort,
		"REQUEST_SCHEME=http",
		"HTTP_HOST=" + clean(r.Host),
	}
	if r.TLS != nil {
		env[13] = "REQUEST_SCHEME=https"
		env = append(env, "HTTPS=on")
	}
	if r.ContentLength > 0 {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(r.ContentLength, 10))
	}
	if kind := r.Header.Get("Content-Type"); kind != "" {
		env = append(env, "CONTENT_TYPE="+clean(kind))
	}
	return append(env, headers(r.Header)...)
}

// headers are the variables of a request's headers. Left out are those that have
// variables of their own, Proxy, which programs take for the address of theirs
// (httpoxy), those of the connection, and names with an underscore: they could pass for
// others that whoever is in front has checked.
func headers(h http.Header) []string {
	var list []string
	for name, values := range h {
		switch name {
		case "Content-Type", "Content-Length", "Host", "Proxy", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
			"Proxy-Authorization", "Proxy-Connection":
			continue
		}
		if strings.Contains(name, "_") {
			continue
		}
		between := ", "
		if name == "Cookie" {
			between = "; "
		}
		list = append(list, "HTTP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+clean(strings.Join(values, between)))
	}
	slices.Sort(list)
	return list
}

// clean takes bytes out of a value that no variable can have.
func clean(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// server is the name and the port that the client asked.
func server(r *http.Request) (host, port string) {
	host, port = r.Host, "80"
	if r.TLS != nil {
		port = "443"
	}
	if h, p, err := net.SplitHostPort(r.Host); err == nil {
		host, port = h, p
	} else if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, p, err := net.SplitHostPort(local.String()); err == nil && r.Host == "" {
			port = p
		}
	}
	return strings.Trim(clean(host), "[]"), port
}
