package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// far is a registry with one stack, whose text may change.
type far struct{ file string }

func (far) Accept(name string) bool                            { return strings.HasPrefix(name, "oci://") }
func (r far) Load(_ context.Context, _ string) (string, error) { return r.file, nil }

// fetch has a stack of a registry as verbs have it that do not ask: bound.
func fetch(t *testing.T, text string, env ...string) (*File, *Stack) {
	t.Helper()
	f, err := Load(t.Context(), Source{Files: []string{"oci://r.example/team/shop:1"}, Dir: t.TempDir(), Env: env, Remote: []Loader{far{write(t, text)}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	s.Bind()
	return f, s
}

// engine has nothing in it.
func engine(t *testing.T) (e *Engine, told *[]string) {
	t.Helper()
	c, err := state.Open(t.TempDir(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := network.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	told = new([]string)
	return &Engine{Containers: c, Networks: n, Tell: func(s Step) { *told = append(*told, s.Kind+" "+s.Name+" "+s.Done) }}, told
}

// TestBoundHooks: what runs in a container of a stack that was fetched is what it was made
// with, whatever the registry has now and this machine's variables say.
func TestBoundHooks(t *testing.T) {
	const text = "name: shop\nservices: {a: {image: x, post_start: [{command: [echo, '${WHAT}']}], pre_stop: [{command: bye}]}}\n"
	_, made := fetch(t, text, "WHAT=one")
	hash, err := made.Services["a"].Hash()
	if err != nil {
		t.Fatal(err)
	}
	e, told := engine(t)
	c, err := e.Containers.Create(t.Context(), state.Config{Name: "shop-a-1", Labels: made.labels(made.Services["a"], hash, 1, false)})
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range []struct {
		how, text, what string
		runs            bool
	}{
		{"the same", text, "one", true},
		{"another variable", text, "two", false},
		{"another program", strings.Replace(text, "echo", "send", 1), "one", false},
		{"another at the end", strings.Replace(text, "bye", "send", 1), "one", false},
		{"environment besides", strings.Replace(text, "command: bye", "command: bye, environment: [WHAT=1]", 1), "one", false},
	} {
		_, s := fetch(t, now.text, "WHAT="+now.what)
		a := s.Services["a"]
		*told = nil
		err := e.hooks(t.Context(), a, c, "post_start", a.Began) // nothing runs there, which it says if asked
		if ran := err != nil; ran != now.runs || ran == (len(*told) > 0) {
			t.Errorf("%s: %v, told %v", now.how, err, *told)
		}
		again, err := a.Hash()
		if err != nil || (again == hash) != now.runs {
			t.Errorf("%s: up replaces it: %v, %v", now.how, again != hash, err)
		}
	}
	f, err := Load(t.Context(), Source{Files: []string{write(t, text)}, Env: []string{"WHAT=two"}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	own.Bind()
	if err := e.hooks(t.Context(), own.Services["a"], c, "post_start", own.Services["a"].Began); err == nil {
		t.Error("those of one's own file do not run as it says now")
	}
}

// TestOthers: what has a stack's name, or that of something of its own, and comes from
// elsewhere is told.
func TestOthers(t *testing.T) {
	f, s := fetch(t, "name: shop\nservices: {a: {image: x, volumes: ['data:/d', 'more:/m'], networks: [n]}}\nvolumes: {data: , more: }\nnetworks: {n: }\n")
	if !f.Named || f.Origin != "r.example/team/shop" || len(f.Reaches) > 0 {
		t.Errorf("%v %q %v", f.Named, f.Origin, f.Reaches)
	}
	e, _ := engine(t)
	others := func() string {
		t.Helper()
		list, err := e.Others(t.Context(), s.Name, s.Origin, s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(list, ", ")
	}
	if err := e.volume(s.Volumes["data"]); err != nil {
		t.Fatal(err)
	}
	if err := e.network(t.Context(), s.Networks["n"]); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Containers.Create(t.Context(), state.Config{Name: "shop-a-1", Labels: s.labels(s.Services["a"], "", 1, false)}); err != nil {
		t.Fatal(err)
	}
	if got := others(); got != "" {
		t.Errorf("its own are another's: %s", got)
	}
	mine := map[string]string{LabelProject: "shop"}
	if _, err := e.Containers.Create(t.Context(), state.Config{Name: "shop-b-1", Labels: mine}); err != nil {
		t.Fatal(err)
	}
	for name, labels := range map[string]map[string]string{"shop_more": nil, "shop_old": mine, "else_data": {LabelProject: "else"}} {
		if _, _, err := e.Containers.CreateVolume(name, labels); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := others(), "container shop-b-1, volume shop_more, volume shop_old"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	s.Origin = "r.example/another"
	if got := others(); !strings.Contains(got, "container shop-a-1") || !strings.Contains(got, "network shop_n") || !strings.Contains(got, "volume shop_data") {
		t.Errorf("of another registry's stack: %s", got)
	}
}

// TestFetchedReaches: a name of another stack is no stack's own, whatever it is a key of.
func TestFetchedReaches(t *testing.T) {
	f, _ := fetch(t, "name: evil\nservices: {a: {image: x, volumes: ['data:/d', 'own:/o'], networks: [n], extra_hosts: ['api.example:host-gateway'], dns: 192.0.2.1, ports: ['80', '0.0.0.0:81:80']}}\n"+
		"volumes: {data: {name: shop_data}, own: {name: evil_own}}\nnetworks: {n: {name: shop_n, ipam: {config: [{subnet: 192.168.1.0/24}]}}}\n")
	slices.Sort(f.Reaches)
	want := []string{
		"a to 192.0.2.1, for names", "a to host-gateway by the name api.example", "a to whoever asks 0.0.0.0 at port 81",
		"data to the volume shop_data of this machine", "n to all addresses of 192.168.1.0/24", "n to the network shop_n of this machine",
	}
	if !slices.Equal(f.Reaches, want) {
		t.Errorf("%q", f.Reaches)
	}
}

// TestPublishedNames: what is named by its stack alone is so under another name, too.
func TestPublishedNames(t *testing.T) {
	const text = "name: shop\nservices: {a: {image: 'r.example/a:1', volumes: ['data:/d', 'x:/x']}}\nvolumes: {data: , x: {name: shop_y}}\n"
	f, err := Load(t.Context(), Source{Files: []string{write(t, text)}, NoVariable: true})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Publish(map[string]string{"a": "r.example/a@sha256:1"}, nil, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, a.Documents[0].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "other"} {
		f, err := Load(t.Context(), Source{Files: []string{"oci://r.example/shop"}, Name: name, Remote: []Loader{far{file}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.Reaches); got != "[x to the volume shop_y of this machine]" {
			t.Errorf("as %q it reaches %s in\n%s", name, got, a.Documents[0].Data)
		}
	}
}

// TestPatient: who says how long an end may take says it of what runs before, too.
func TestPatient(t *testing.T) {
	none := time.Duration(0)
	ctx, cancel := patient(t.Context(), state.StopOptions{Timeout: &none})
	defer cancel()
	if ctx.Err() == nil {
		t.Error("no time is some")
	}
	ctx, cancel = patient(t.Context(), state.StopOptions{})
	defer cancel()
	if _, bounded := ctx.Deadline(); bounded {
		t.Error("nobody said a time")
	}
}
