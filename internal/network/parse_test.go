package network

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParsePublish(t *testing.T) {
	for text, want := range map[string][]string{
		"80":                       {"127.0.0.1:0->80/tcp"},
		"8080:80":                  {"127.0.0.1:8080->80/tcp"},
		"8080:80/tcp":              {"127.0.0.1:8080->80/tcp"},
		"0:80":                     {"127.0.0.1:0->80/tcp"},
		":80":                      {"127.0.0.1:0->80/tcp"},
		"0.0.0.0:8080:80":          {"0.0.0.0:8080->80/tcp"},
		"localhost:8080:80":        {"127.0.0.1:8080->80/tcp"},
		"10.0.0.1::80":             {"10.0.0.1:0->80/tcp"},
		"[::1]:8080:80":            {"[::1]:8080->80/tcp"},
		"[::]::80":                 {"[::]:0->80/tcp"},
		"8000-8001:80-81":          {"127.0.0.1:8000->80/tcp", "127.0.0.1:8001->81/tcp"},
		"80-81":                    {"127.0.0.1:0->80/tcp", "127.0.0.1:0->81/tcp"},
		"65535:65535":              {"127.0.0.1:65535->65535/tcp"},
		"":                         nil,
		"0":                        nil,
		"a":                        nil,
		"80:":                      nil,
		"-1:80":                    nil,
		"+80":                      nil,
		"65536:80":                 nil,
		"8080:0":                   nil,
		"8000-8002:80-81":          nil,
		"81-80":                    nil,
		"1-65535":                  nil,
		"80/udp":                   nil,
		"80/x":                     nil,
		"1.2.3:80:80":              nil,
		"host:80:80":               nil,
		"::1:80:80":                nil,
		"[::1]:80":                 nil,
		"[::1%lo]:80:80":           nil,
		"[127.0.0.1]:80:80":        nil,
		"[::1:80:80":               nil,
		strings.Repeat("1:", 1000): nil,
	} {
		ports, err := ParsePublish(text)
		var got []string
		for _, p := range ports {
			got = append(got, p.String())
		}
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("-p %.40s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestRules(t *testing.T) {
	// What each rule allows, and what it does not: HOST PORT, or ADDRESS PORT.
	for rule, cases := range map[string]struct{ yes, no []string }{
		"example.org:443":      {[]string{"example.org 443"}, []string{"example.org 80", "a.example.org 443", "example.org 443/udp"}},
		"EXAMPLE.org.":         {[]string{"example.org 1", "example.org 65535"}, []string{"org 80"}},
		"*.example.org:80-81":  {[]string{"a.example.org 80", "a.b.example.org 81"}, []string{"example.org 80", "a.example.org 82", "xexample.org 80"}},
		"93.184.215.14":        {[]string{"93.184.215.14 80"}, []string{"93.184.215.15 80"}},
		"93.184.0.0/16:80":     {[]string{"93.184.1.1 80"}, []string{"93.185.1.1 80"}},
		"10.1.0.0/16:5432":     {[]string{"10.1.2.3 5432"}, []string{"10.2.2.3 5432", "10.1.2.3 80"}},
		"0.0.0.0/0":            {[]string{"93.184.215.14 80"}, []string{"10.0.0.1 80", "127.0.0.1 80", "2a00::1 80"}},
		"::/0":                 {[]string{"2a00::1 80"}, []string{"93.184.215.14 80", "fd00::1 80", "::1 80"}},
		"::1":                  {[]string{"::1 80"}, nil},
		"[::1]:80":             {[]string{"::1 80"}, []string{"::1 81"}},
		"[2a00::/16]:80":       {[]string{"2a00::1 80"}, []string{"2a00::1 81"}},
		"[2a00::]/16:80":       {[]string{"2a00::1 80"}, []string{"2a00::1 81"}},
		"2a00::/16":            {[]string{"2a00::1 80"}, nil},
		"::ffff:93.184.215.14": {[]string{"93.184.215.14 80"}, nil},
		"all":                  {[]string{"93.184.215.14 80", "2a00::1 80"}, []string{"10.0.0.1 80", "64:ff9b::5db8:d70e 80"}},
		"all:443":              {[]string{"93.184.215.14 443"}, []string{"93.184.215.14 80"}},
		"all:*":                {[]string{"93.184.215.14 80"}, nil},
		"1.1.1.1:53/udp":       {[]string{"1.1.1.1 53/udp"}, []string{"1.1.1.1 53"}},
		"1.1.1.1:53/tcp":       {[]string{"1.1.1.1 53"}, []string{"1.1.1.1 53/udp"}},
		"64:ff9b::/96":         {[]string{"64:ff9b::5db8:d70e 80"}, []string{"64:ff9b:1::1 80"}},
		"169.254.169.254":      {[]string{"169.254.169.254 80"}, nil},
		"169.254.0.0/16":       {[]string{"169.254.1.1 80"}, []string{"169.254.169.254 80"}},
		"8.8.8.8":              {[]string{"8.8.8.8 53"}, nil}, // this machine's, see below: named
		"8.0.0.0/8":            {[]string{"8.1.1.1 53"}, []string{"8.8.8.8 53"}},
		"224.0.0.0/4":          {nil, []string{"224.0.0.1 80"}},
	} {
		r, err := ParseRule(rule)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		p := &policy{rules: Rules{r}, specials: specials(), own: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}}
		for want, list := range map[bool][]string{true: cases.yes, false: cases.no} {
			for _, c := range list {
				name, port, _ := strings.Cut(c, " ")
				port, udp := strings.CutSuffix(port, "/udp")
				n, err := parsePort(port)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				a, err := netip.ParseAddr(name)
				if err != nil {
					names, a = []string{name}, netip.MustParseAddr("93.184.215.14")
				}
				if refused := p.check(names, a, n, udp); (refused == nil) != want {
					t.Errorf("--allow-net %s: %s: %v", rule, c, refused)
				}
			}
		}
	}
	for _, rule := range []string{
		"", ":80", "example.org:", "example.org:x", "example.org:0", "example.org:1-", "example.org:9-8", "example.org:70000", "http://example.org", "*",
		"*.", "*.10.0.0.1", "a.*.org", "10.0.0.0/33", "10.0.0.0/x", "::1:80:", "[::1", "[::1]80", "[::1]:", "fe80::1%eth0", "fe80::%eth0/10", "2130706433", "0x7f.1",
		"::ffff:10.0.0.0/104", "ex ample.org", "example.org/path", strings.Repeat("a", 400), "-a.org", "a..b",
	} {
		if r, err := ParseRule(rule); err == nil {
			t.Errorf("--allow-net %q is taken: %+v", rule, r)
		}
	}
	if _, err := ParseRules([]string{strings.Repeat("a.org,", maxRules+1)}); err == nil {
		t.Error("any number of rules is taken")
	}
}

// TestFlags holds that the flag in a refusal allows what was refused.
func TestFlags(t *testing.T) {
	p := &policy{specials: specials(), own: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil }}
	for _, text := range []string{"93.184.215.14", "10.0.0.1", "127.0.0.1", "::1", "8.8.8.8", "169.254.169.254", "64:ff9b::1", "2001:db8::1", "fd00::1"} {
		for _, udp := range []bool{false, true} {
			a := netip.MustParseAddr(text)
			refused := p.check(nil, a, 80, udp)
			if refused == nil || refused.Flag == "" {
				t.Fatalf("%s: %v", text, refused)
			}
			rules, err := ParseRules([]string{strings.TrimPrefix(refused.Flag, "--allow-net ")})
			if err != nil {
				t.Fatal(err)
			}
			allowed := *p
			allowed.rules = rules
			if still := allowed.check(nil, a, 80, udp); still != nil {
				t.Errorf("with %s: %v", refused.Flag, still)
			}
		}
	}
}

func FuzzParsePublish(f *testing.F) {
	for _, s := range []string{"80", "127.0.0.1:8080:80/tcp", "[::1]:1-2:3-4", ":::", "[", "]:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ports, err := ParsePublish(text)
		if err == nil && (len(ports) == 0 || len(ports) > maxPublished) {
			t.Fatalf("%q: %d ports", text, len(ports))
		}
		for _, p := range ports {
			if p.Guest == 0 || !p.Host.IsValid() || p.Host.Zone() != "" {
				t.Fatalf("%q: %v", text, p)
			}
		}
	})
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{"example.org:443", "*.a:1-2/udp", "10.0.0.0/8", "[::1/128]:80", "all", "[::]/0:1", "*.[::1]"} {
		f.Add(s, "127.0.0.1", uint16(80))
	}
	f.Fuzz(func(t *testing.T, text, address string, port uint16) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		if r.first == 0 || r.last < r.first {
			t.Fatalf("%q: ports %d-%d", text, r.first, r.last)
		}
		a, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		p := &policy{rules: Rules{r}, specials: specials(), own: func() ([]netip.Addr, error) { return nil, nil }}
		a = a.WithZone("").Unmap()
		s, special := p.classify(a)
		if p.check(nil, a, port, r.udp) == nil && special && (s.never || r.prefix.Bits() < s.prefix.Bits()) {
			t.Fatalf("%q allows %s, which is %s", text, a, s.what)
		}
	})
}

func FuzzSplitTarget(f *testing.F) {
	for _, s := range []string{"example.org:80", "[::1]:80", "127.1:80", "0x7f.1:1", "a.:65535", "[::1%lo]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, port, err := splitTarget(text)
		if err != nil {
			return
		}
		if port == 0 || h.addr.IsValid() == (h.name != "") || h.addr.Is4In6() || h.addr.Zone() != "" || h.name != strings.ToLower(h.name) {
			t.Fatalf("%q: %+v, port %d", text, h, port)
		}
		if _, err := netip.ParseAddr(h.name); err == nil {
			t.Fatalf("%q: a name that is an address", text)
		}
		if again, p, err := splitTarget(target(h, port, false)); err != nil || again != h || p != port {
			t.Fatalf("%q is written %q, and read as %v %d, %v", text, target(h, port, false), again, p, err)
		}
	})
}

func FuzzFiles(f *testing.F) {
	n := Network{ID: idOf("n"), Name: "n", Subnet: netip.MustParsePrefix("198.18.0.0/22")}
	f.Add([]byte(`{"Id":"` + n.ID + `","Name":"n","Subnet":"198.18.0.0/22"}`))
	f.Add([]byte(`{"Id":"` + idOf("m") + `","Address":"198.18.0.2","Socket":"unix:/x","Aliases":["a"]}`))
	f.Add([]byte(`{}{}`))
	f.Add([]byte(`{"Subnet":"::/0","Address":"%"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var read Network
		if decode(strings.NewReader(string(data)), &read) == nil && read.check(n.ID) == nil {
			if _, err := chooseSubnet(netip.Prefix{}, []Network{read}); err != nil {
				t.Fatal(err)
			}
		}
		var m Member
		if decode(strings.NewReader(string(data)), &m) == nil && m.check(n, m.ID) == nil {
			m.answers("name")
		}
	})
}

func FuzzHello(f *testing.F) {
	b, err := hello{network: idOf("n"), from: idOf("a"), source: 1, port: 2}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err != nil {
			return
		}
		if again, err := h.encode(); err != nil || string(again) != string(b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
