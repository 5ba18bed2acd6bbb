package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
)

// world is a resolver and a dialer that make nothing real, and note what they are
// asked.
type world struct {
	mu     sync.Mutex
	answer func(name string, time int) []string // of a name, when it is asked for the time-th time
	asked  map[string]int
	dialed []string
	conn   func(address string) (net.Conn, error)
}

func (w *world) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		w.asked = map[string]int{}
	}
	name = strings.TrimSuffix(name, ".")
	w.asked[name]++
	if w.answer == nil {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var list []netip.Addr
	for _, text := range w.answer(name, w.asked[name]) {
		list = append(list, netip.MustParseAddr(text))
	}
	return list, nil
}

func (w *world) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialed = append(w.dialed, network+" "+address)
	if w.conn != nil {
		return w.conn(address)
	}
	a, b := net.Pipe()
	go b.Close()
	return a, nil
}

// TestRefused is what programs try that want to reach what they may not. The rules
// are generous, and say nothing of the target.
func TestRefused(t *testing.T) {
	own, err := ownAddresses()
	if err != nil || len(own) == 0 {
		t.Fatal(own, err)
	}
	mine := "127.0.0.1"
	for _, a := range own {
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			mine = a.String()
		}
	}
	always := func(list ...string) func(string, int) []string {
		return func(string, int) []string { return list }
	}
	attempts := []struct {
		name, allow, network, address string
		answer                        func(string, int) []string
	}{
		{"loopback", "all", "tcp", "127.0.0.1:80", nil},
		{"loopback by name", "all", "tcp", "localhost:80", nil},
		{"loopback by name, in capitals", "all", "tcp", "LOCALHOST:80", nil},
		{"loopback by name, with a dot", "all", "tcp", "localhost.:80", nil},
		{"below localhost", "all", "tcp", "db.localhost:80", always("127.0.0.1")},
		{"other loopback", "all", "tcp", "127.0.0.53:53", nil},
		{"loopback of IPv6", "all", "tcp", "[::1]:80", nil},
		{"loopback of IPv6, in full", "all", "tcp", "[0:0:0:0:0:0:0:1]:80", nil},
		{"loopback with a dot", "all", "tcp", "127.0.0.1.:80", nil},
		{"loopback, short", "all", "tcp", "127.1:80", nil},
		{"loopback, decimal", "all", "tcp", "2130706433:80", nil},
		{"loopback, hexadecimal", "all", "tcp", "0x7f000001:80", nil},
		{"loopback, hexadecimal in parts", "all", "tcp", "0x7f.0.0.0x1:80", nil},
		{"loopback, octal", "all", "tcp", "0177.0.0.1:80", nil},
		{"loopback, octal as one", "all", "tcp", "017700000001:80", nil},
		{"loopback, wide digits", "all", "tcp", "１２７.0.0.1:80", nil},
		{"any address", "all", "tcp", "0.0.0.0:80", nil},
		{"any address of IPv6", "all", "tcp", "[::]:80", nil},
		{"any address, allowed", "0.0.0.0/8", "tcp", "0.0.0.0:80", nil},
		{"mapped loopback", "all", "tcp", "[::ffff:127.0.0.1]:80", nil},
		{"mapped loopback, hexadecimal", "all", "tcp", "[::ffff:7f00:1]:80", nil},
		{"compatible loopback", "all", "tcp", "[::127.0.0.1]:80", nil},
		{"translated loopback (SIIT)", "all", "tcp", "[::ffff:0:127.0.0.1]:80", nil},
		{"translated loopback (NAT64)", "all", "tcp", "[64:ff9b::7f00:1]:80", nil},
		{"translated private (NAT64, local)", "all", "tcp", "[64:ff9b:1::a00:1]:80", nil},
		{"translated loopback (6to4)", "all", "tcp", "[2002:7f00:1::]:80", nil},
		{"tunnelled (Teredo)", "all", "tcp", "[2001:0:4136:e378:8000:63bf:80ff:fffe]:80", nil},
		{"tunnelled (ISATAP)", "all", "tcp", "[2a00:1450::5efe:7f00:1]:80", nil},
		{"link-local", "all", "tcp", "169.254.1.1:80", nil},
		{"link-local of IPv6", "all", "tcp", "[fe80::1]:80", nil},
		{"zone", "all", "tcp", "[fe80::1%eth0]:80", nil},
		{"zone of loopback", "::1", "tcp", "[::1%lo]:80", nil},
		{"metadata", "all", "tcp", "169.254.169.254:80", nil},
		{"metadata, link-local allowed", "169.254.0.0/16", "tcp", "169.254.169.254:80", nil},
		{"metadata, mapped", "all", "tcp", "[::ffff:169.254.169.254]:80", nil},
		{"metadata of IPv6", "all", "tcp", "[fd00:ec2::254]:80", nil},
		{"metadata by name", "all", "tcp", "metadata.google.internal:80", always("169.254.169.254")},
		{"metadata of Alibaba", "all", "tcp", "100.100.100.200:80", nil},
		{"metadata of Azure", "all", "tcp", "168.63.129.16:80", nil},
		{"metadata of ECS", "all", "tcp", "169.254.170.2:80", nil},
		{"private", "all", "tcp", "10.0.0.1:80", nil},
		{"private, everything allowed", "0.0.0.0/0,::/0", "tcp", "192.168.1.1:80", nil},
		{"private, 172", "all", "tcp", "172.31.255.1:80", nil},
		{"shared", "all", "tcp", "100.64.0.1:80", nil},
		{"private of IPv6", "all", "tcp", "[fd12:3456::1]:80", nil},
		{"group", "all", "udp", "224.0.0.251:5353", nil},
		{"group of IPv6", "all", "tcp", "[ff02::1]:80", nil},
		{"broadcast", "all/udp", "udp", "255.255.255.255:67", nil},
		{"this machine", "all", "tcp", net.JoinHostPort(mine, "22"), nil},
		{"this machine by its name", "all", "tcp", HostName + ":22", nil},
		{"this machine by Docker's name", "all", "tcp", "host.docker.internal:22", nil},
		{"rebinding: a name for the loopback", "*.example.org", "tcp", "a.example.org:80", always("127.0.0.1")},
		{"rebinding: a name for a private address", "a.example.org:80", "tcp", "a.example.org:80", always("10.0.0.1")},
		{"rebinding: a name for a mapped address", "a.example.org:80", "tcp", "a.example.org:80", always("::ffff:10.0.0.1")},
		{"a name for an address with a zone", "a.example.org:80", "tcp", "a.example.org:80", always("fe80::1%eth0", "10.0.0.1")},
		{"not allowed", "example.org:443", "tcp", "example.com:443", nil},
		{"nothing allowed", "", "tcp", "example.org:443", nil},
		{"nothing allowed, by number", "", "tcp", "93.184.215.14:443", nil},
		{"another port", "example.org:443", "tcp", "example.org:80", always("93.184.215.14")},
		{"another protocol", "example.org:443", "udp", "example.org:443", always("93.184.215.14")},
		{"ends alike", "*.example.org", "tcp", "notexample.org:80", nil},
		{"begins alike", "example.org", "tcp", "example.org.evil.com:80", nil},
		{"the name that a star is below", "*.example.org", "tcp", "example.org:80", nil},
		{"looks alike", "example.org", "tcp", "exаmple.org:80", nil},
		{"with a user", "example.org", "tcp", "example.org@127.0.0.1:80", nil},
		{"with a line", "example.org", "tcp", "127.0.0.1\nexample.org:80", nil},
		{"with a zero", "example.org", "tcp", "127.0.0.1\x00.example.org:80", nil},
		{"with a space", "all", "tcp", "127.0.0.1 :80", nil},
		{"no name", "all", "tcp", ":80", nil},
		{"a dot", "all", "tcp", ".:80", nil},
		{"port by name", "all", "tcp", "example.org:http", nil},
		{"port 0", "all", "tcp", "example.org:0", nil},
		{"port, wrapping", "all", "tcp", "example.org:65616", nil},
		{"long", "all", "tcp", strings.Repeat("a.", 200) + "org:80", nil},
		{"container of another network", "all", "tcp", "secret:5432", nil},
		{"container of another network, in full", "all", "tcp", "secret.other:5432", nil},
		{"address in another network", "all", "tcp", "OTHER:5432", nil},
		{"address in another network, mapped", "all", "tcp", "[::ffff:OTHER]:5432", nil},
		{"address in another network, allowed", "OTHER", "tcp", "OTHER:5432", nil},
		{"address that nobody has", "all", "tcp", "198.18.3.77:80", nil},
	}
	if len(attempts) < 40 {
		t.Fatalf("%d attempts", len(attempts))
	}
	s := opened(t, folder(t))
	created(t, s, "app", "other")
	secret := attached(t, s, Config{Name: "secret", Networks: in("other")})
	echo(t, secret, ":5432")
	other := firstAddress(t, s, "other", "secret")
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			var log bytes.Buffer
			w := &world{answer: a.answer}
			c := Config{Name: "c", Networks: in("app"), Resolver: w, Dialer: w, Log: slog.New(slog.NewTextHandler(&log, nil))}
			if a.allow != "" {
				var err error
				if c.Allow, err = ParseRules([]string{strings.ReplaceAll(a.allow, "OTHER", other)}); err != nil {
					t.Fatal(err)
				}
			}
			e := attached(t, s, c)
			defer e.Close()
			address := strings.ReplaceAll(a.address, "OTHER", other)
			conn, err := e.DialContext(t.Context(), a.network, address)
			if err == nil {
				conn.Close()
				t.Fatalf("connected to %s", address)
			}
			if len(w.dialed) > 0 {
				t.Errorf("the host connected to %s", w.dialed)
			}
			if len(w.asked) > 0 && a.answer == nil && a.allow != "all" {
				t.Errorf("the host was asked for %v", w.asked)
			}
			refused := new(RefusedError)
			if lookup := new(lookupError); errors.As(err, &lookup) && len(w.asked) > 0 {
				return // it may ask for every name, and this one does not exist
			}
			if !errors.As(err, &refused) || !errors.Is(err, os.ErrPermission) {
				t.Errorf("%T: %v", err, err)
			}
			if !strings.Contains(log.String(), "refused: connect to") {
				t.Errorf("log %q", log.String())
			}
			t.Log(err)
		})
	}
}

// TestRebinding asks twice: the second answer of the resolver must not matter.
func TestRebinding(t *testing.T) {
	w := &world{answer: func(_ string, time int) []string {
		if time == 1 {
			return []string{"93.184.215.14"}
		}
		return []string{"127.0.0.1"}
	}}
	s := opened(t, folder(t))
	rules, err := ParseRules([]string{"a.example.org:80"})
	if err != nil {
		t.Fatal(err)
	}
	e := attached(t, s, Config{Name: "c", Allow: rules, Resolver: w, Dialer: w})
	c, err := e.DialContext(t.Context(), "tcp", "a.example.org:80")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if w.asked["a.example.org"] != 1 || len(w.dialed) != 1 || w.dialed[0] != "tcp 93.184.215.14:80" {
		t.Errorf("asked %v, connected to %v", w.asked, w.dialed)
	}
	if _, err := e.DialContext(t.Context(), "tcp", "a.example.org:80"); err == nil || len(w.dialed) != 1 {
		t.Errorf("the second answer was believed: %v", w.dialed)
	}
	// A program that looks up by itself is held to what it was told.
	w.asked, w.dialed = nil, nil
	list, err := e.LookupNetIP(t.Context(), "ip", "a.example.org")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if c, err = e.DialContext(t.Context(), "tcp", list[0].String()+":80"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for _, at := range []string{list[0].String() + ":81", "93.184.215.15:80"} {
		if _, err := e.DialContext(t.Context(), "tcp", at); err == nil {
			t.Errorf("connected to %s", at)
		}
	}
	if list, err = e.LookupNetIP(t.Context(), "ip", "a.example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DialContext(t.Context(), "tcp", list[0].String()+":80"); err == nil {
		t.Error("connected to the loopback, which a name had been for")
	}
}

// TestRedirect follows a server that is allowed to one that is not.
func TestRedirect(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret") }))
	defer secret.Close()
	for _, to := range []string{secret.URL, "http://169.254.169.254/latest", "http://[::ffff:7f00:1]/", "http://2130706433/", "http://localhost./"} {
		front := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
		defer front.Close()
		w := &world{
			answer: func(string, int) []string { return []string{"93.184.215.14"} },
			conn:   func(string) (net.Conn, error) { return net.Dial("tcp", front.Listener.Addr().String()) },
		}
		rules, err := ParseRules([]string{"allowed.example.org:80"})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		e := attached(t, opened(t, folder(t)), Config{Name: "c", Allow: rules, Resolver: w, Dialer: w, Log: slog.New(slog.NewTextHandler(&log, nil))})
		client := &http.Client{Transport: &http.Transport{DialContext: e.DialContext, DisableKeepAlives: true}}
		resp, err := client.Get("http://allowed.example.org/")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			t.Errorf("%s answered %q", to, body)
		}
		if len(w.dialed) != 1 || !strings.Contains(log.String(), "refused") {
			t.Errorf("%s: connected to %v; log %s", to, w.dialed, log.String())
		}
	}
}

// TestInternal is a container of networks that reach nothing outside.
func TestInternal(t *testing.T) {
	s := opened(t, folder(t))
	if _, err := s.Create(t.Context(), Options{Name: "inner", Internal: true}); err != nil {
		t.Fatal(err)
	}
	created(t, s, "outer")
	rules, err := ParseRules([]string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	for networks, want := range map[string]bool{"inner": false, "inner outer": true} {
		w := &world{}
		e := attached(t, s, Config{Name: "c", Networks: in(strings.Fields(networks)...), Allow: rules, Resolver: w, Dialer: w})
		c, err := e.DialContext(t.Context(), "tcp", "93.184.215.14:80")
		if (err == nil) != want {
			t.Errorf("%s: %v", networks, err)
		}
		if err == nil {
			c.Close()
		}
		e.Close()
	}
}
