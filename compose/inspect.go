package compose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/compose-spec/compose-go/v2/tree"

	"github.com/wherry-run/wherry/internal/network"
)

// look finds the attributes of a file that are none of ours, and what services say of
// their recipes.
func (f *File) look(model map[string]any) {
	known := tree.NewMatcher(supported()...)
	f.inspect(model, tree.NewPath(), known)
	slices.SortStableFunc(f.Findings, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
}

// mostReaches is how many places a stack of a registry may reach outside of itself: nobody
// reads a longer list.
const mostReaches = 100

// reaches notes what a part of a stack that was fetched reaches outside of its stack: what
// is nothing by default is to be nothing by a stranger's word.
func (f *File) reaches(project, section, name string, part map[string]any) {
	var to []string
	switch section {
	case "networks", "volumes":
		real, _ := part["name"].(string)
		usual := project + "_" + name // as it is when nobody says so
		if external := part["external"]; cmp.Or(real, usual) != usual || external != nil && external != false {
			to = append(to, "the "+strings.TrimSuffix(section, "s")+" "+cmp.Or(real, name)+" of this machine")
		}
		ipam, _ := part["ipam"].(map[string]any)
		for _, pool := range listOf(ipam["config"]) { // who is not in it reaches none of them any more
			if pool, _ := pool.(map[string]any); pool["subnet"] != nil {
				to = append(to, fmt.Sprintf("all addresses of %v", pool["subnet"]))
			}
		}
	default:
		to = connects(part)
	}
	for _, where := range to {
		if len(f.Reaches) > mostReaches {
			return
		}
		if line := shown(name) + " to " + shown(where); !slices.Contains(f.Reaches, line) {
			f.Reaches = append(f.Reaches, line)
		}
	}
}

// connects is what a service says that it connects to outside of its stack.
func connects(service map[string]any) (to []string) {
	if service["network_mode"] == network.Host {
		to = append(to, "whatever this machine reaches (network_mode: host)")
	}
	if where, ok := service[KeyExternal]; ok {
		to = append(to, fmt.Sprint(where))
	}
	if allowed, err := texts(service[KeyAllow]); err != nil { // which Check refuses
		to = append(to, fmt.Sprint(service[KeyAllow]))
	} else {
		to = append(to, allowed...)
	}
	// an address that a name stands for is what a rule about the name is of
	if hosts, ok := service["extra_hosts"].(map[string]any); ok {
		for _, host := range sorted(hosts) {
			for _, at := range listOf(hosts[host]) {
				to = append(to, fmt.Sprintf("%v by the name %s", at, host))
			}
		}
	} else {
		for _, entry := range listOf(service["extra_hosts"]) {
			host, at, _ := strings.Cut(fmt.Sprint(entry), "=")
			if at == "" {
				host, at, _ = strings.Cut(host, ":")
			}
			to = append(to, at+" by the name "+host)
		}
	}
	for _, at := range listOf(service["dns"]) {
		to = append(to, fmt.Sprintf("%v, for names", at))
	}
	for _, p := range listOf(service["ports"]) {
		port, _ := p.(map[string]any)
		at, _ := port["host_ip"].(string)
		if ip, err := netip.ParseAddr(at); at == "" || err == nil && ip.IsLoopback() {
			continue
		}
		to = append(to, fmt.Sprintf("whoever asks %s at port %v", at, cmp.Or(fmt.Sprint(port["published"]), "0")))
	}
	return to
}

// listOf is a list, or one thing as a list.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// shown is text of a stranger's as a terminal may have it.
func shown(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// inspect walks a value whose path is known.
func (f *File) inspect(v any, at tree.Path, known *tree.Matcher) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sorted(v) {
			next := at.Next(key)
			switch parts := next.Parts(); {
			case strings.HasPrefix(key, "x-"): // anybody's
			case len(parts) == 4 && parts[0] == "services" && parts[2] == "build" && key == "dockerfile":
				f.recipes[tree.Path(parts[1]).String()] = true
			case known.Matches(next) || known.MayContain(next):
				f.inspect(v[key], next, known)
			default:
				if p, told := problemOf(next, v[key]); told {
					f.Findings = append(f.Findings, p)
				}
			}
		}
	case []any:
		for _, e := range v {
			f.inspect(e, at.Next(tree.PathMatchList), known)
		}
	}
}
