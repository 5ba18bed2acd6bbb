package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
)

// Where a server listens that is not told where.
const (
	servedHost = "127.0.0.1"
	servedPort = 8080
)

// parsePublish reads -p: [HOST:]PORT, or with the port that it would be in a
// container, as Docker has it.
func parsePublish(list []string) ([]string, error) {
	if len(list) == 0 {
		return []string{net.JoinHostPort(servedHost, strconv.Itoa(servedPort))}, nil
	}
	var out []string
	for _, text := range list {
		if _, protocol, _ := strings.Cut(text, "/"); protocol == "udp" || protocol == "sctp" {
			return nil, &ux.UsageError{Text: fmt.Sprintf("-p %s: a server answers HTTP, by TCP alone", text)}
		}
		address, ok := parseAddress(text)
		if !ok {
			return nil, &hinted{&ux.UsageError{Text: fmt.Sprintf("-p %s: that is no address to listen on", text)}, "write -p 8080, -p 8080:8080 or -p 0.0.0.0:8080:8080"}
		}
		out = append(out, address)
	}
	return out, nil
}

func parseAddress(text string) (string, bool) {
	host, port, _, ok := splitAddress(text)
	return net.JoinHostPort(host, port), ok
}

// splitAddress splits [HOST:]PORT[:INSIDE][/tcp]; inside is "" where there is none.
func splitAddress(text string) (host, port, inside string, ok bool) {
	text, protocol, _ := strings.Cut(text, "/")
	if protocol != "" && protocol != "tcp" {
		return "", "", "", false
	}
	host = servedHost
	rest := text
	if strings.HasPrefix(text, "[") { // an address of IPv6
		end := strings.Index(text, "]:")
		if end < 0 {
			return "", "", "", false
		}
		host, rest = text[1:end], text[end+2:]
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", "", false
		}
	} else if first, more, ok := strings.Cut(text, ":"); ok && !isPort(first) {
		host, rest = first, more
		if host == "" || strings.ContainsAny(host, " /@%") {
			return "", "", "", false
		}
	}
	port, inside, two := strings.Cut(rest, ":")
	return host, port, inside, isPort(port) && (!two || isPort(inside))
}

func isPort(text string) bool {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return false
	}
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// addresses are those of this machine that a server listens on. One whose container is
// in a network is reached there; it is published when -p says so.
func (o serveOptions) addresses() ([]string, error) {
	if _, in, err := o.network.mode(); err == nil && len(in) > 0 && len(o.publish) == 0 {
		return nil, nil
	}
	return parsePublish(o.publish)
}

// sockets are listeners of a server: first those of this machine, then those inside of
// its container's networks.
type sockets struct {
	list     []net.Listener
	machine  int    // how many are of this machine
	within   string // where others of its networks find it; "": nowhere
	tls      bool
	keyed    bool              // who asks needs a key
	endpoint *network.Endpoint // what the server's container has of the network; nil: nothing
}

func (s *sockets) close() {
	for _, l := range s.list {
		_ = l.Close() // the server may have closed it
	}
}

// listen listens on all addresses.
func listen(ctx context.Context, addresses []string) (*sockets, error) {
	s := &sockets{}
	for _, address := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			s.close()
			return nil, notListening(ctx, address, err)
		}
		s.list = append(s.list, l)
	}
	s.machine = len(s.list)
	return s, nil
}

// ofMachine are the listeners that this machine reaches.
func (s *sockets) ofMachine() []net.Listener { return s.list[:s.machine] }

// urls are where a server answers: on this machine, or else in its networks.
func (s *sockets) urls() []string {
	var list []string
	for _, l := range s.ofMachine() {
		list = append(list, s.url(l))
	}
	if len(list) == 0 {
		list = append(list, s.scheme()+s.within)
	}
	return list
}

func (s *sockets) scheme() string {
	if s.tls {
		return "https://"
	}
	return "http://"
}

// notListening says of an address that cannot be had what to type instead.
func notListening(ctx context.Context, address string, err error) error {
	host, port, _ := net.SplitHostPort(address)
	switch {
	case inUse(err):
		hint := "another program listens there"
		if next := nextFree(ctx, host, port); next != "" {
			hint = "this one is free: -p " + publishWord(host, next)
		}
		return &hinted{fmt.Errorf("port %s of %s is in use", port, host), hint}
	case errors.Is(err, syscall.EACCES):
		return &hinted{fmt.Errorf("port %s of %s is not for everybody to listen on", port, host), "take one from 1024 on: -p " + publishWord(host, strconv.Itoa(servedPort))}
	}
	return fmt.Errorf("listen: %w", err)
}

// winInUse is what Windows says of an address that is in use (WSAEADDRINUSE).
const winInUse = syscall.Errno(10048)

func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, winInUse)
}

// publishWord is the value of -p for an address.
func publishWord(host, port string) string {
	if host == servedHost {
		return port
	}
	return net.JoinHostPort(host, port)
}

// nextFree is the next port after one that can be listened on; "" when none of a
// few is.
func nextFree(ctx context.Context, host, port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	for next := n + 1; next <= min(n+100, 65535); next++ {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if err == nil {
			_ = l.Close()
			return strconv.Itoa(next)
		}
	}
	return ""
}

// url is where a browser on this machine finds a listener.
func (s *sockets) url(l net.Listener) string {
	scheme := s.scheme()
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return scheme + l.Addr().String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}
