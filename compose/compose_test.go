package compose

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/state"
)

// load loads a compose file in a folder of its own, with some files beside it.
func load(t *testing.T, text string, env ...string) (*File, string) {
	t.Helper()
	dir := t.TempDir()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for name, content := range map[string]string{
		"compose.yaml": text, "key.txt": "k", "app/Wasmfile": "FROM scratch\n", "old/Dockerfile": "FROM scratch\n", "both/Wasmfile": "FROM scratch\n", "both/Dockerfile": "FROM scratch\n",
		"some.env": "FROM_FILE=yes\nOVER=file\n", "data/x": "x",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Load(context.Background(), Source{Files: []string{filepath.Join(dir, "compose.yaml")}, Dir: dir, Name: "shop", Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func plan(t *testing.T, text string, env ...string) (*Stack, string) {
	t.Helper()
	f, dir := load(t, text, env...)
	if list := f.Check(true); len(list) > 0 {
		t.Fatal(&ProblemsError{list})
	}
	s, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// TestPlan is what containers a service asks for. DIR is the file's folder.
func TestPlan(t *testing.T) {
	in := []state.NetworkJoin{{Name: "shop_default", Aliases: []string{"a"}}}
	for _, c := range []struct {
		name, service string
		want          string // of Container, as JSON, without its image, networks and name
	}{
		{"nothing", ``, `{}`},
		{"command", `command: serve --port 80`, `{"Args":["serve","--port","80"]}`},
		{"entrypoint", `{entrypoint: [sh, -c], command: ["echo hi"]}`, `{"Entrypoint":"sh","Args":["-c","echo hi"]}`},
		{"variables", `environment: {B: "2", A: "${GIVEN}", C: }`, `{"Env":["A=from env","B=2"]}`},
		{"a file of variables", `{env_file: some.env, environment: {OVER: file2}}`, `{"Env":["FROM_FILE=yes","OVER=file2"]}`},
		{"ports", `ports: ["8080:80", "127.0.0.2:90:91", "70"]`, `{"Publish":["127.0.0.1:0:70","127.0.0.1:8080:80","127.0.0.2:90:91"]}`},
		{"exposed", `expose: ["3000"]`, `{"Expose":["3000"]}`},
		{"volumes", `volumes: ["data:/data:ro", "./data:/bind", "/anonymous"]`,
			`{"Mounts":[{"Type":"volume","Name":"shop_data","Target":"/data","ReadOnly":true},{"Type":"bind","Source":"DIR/data","Target":"/bind"},{"Type":"volume","Target":"/anonymous","Anonymous":true}]}`},
		{"tmpfs", `tmpfs: ["/run", "/tmp:size=1m"]`, `{"Mounts":[{"Type":"tmpfs","Target":"/run"},{"Type":"tmpfs","Target":"/tmp","Size":1048576}]}`},
		{"secret of a file", `secrets: [key]`, `{"Mounts":[{"Type":"bind","Source":"DIR/key.txt","Target":"/run/secrets/key","ReadOnly":true}]}`},
		{"secret of a variable", `secrets: [{source: token, target: t}]`, `{"Texts":[{"Target":"/run/secrets/t","Content":"c2VjcmV0","Mode":292}]}`},
		{"config", `configs: [{source: conf, target: /etc/app.conf, mode: 0440}]`, `{"Texts":[{"Target":"/etc/app.conf","Content":"a=1","Mode":288}]}`},
		{"limits", `{mem_limit: 64m, cpus: 0.5, pids_limit: 3, ulimits: {nofile: {soft: 10, hard: 20}, nproc: 5}}`,
			`{"Memory":67108864,"CPUs":0.5,"Pids":3,"Ulimits":["nofile=10:20","nproc=5"]}`},
		{"limits of deploy", `deploy: {resources: {limits: {cpus: "0.25", memory: 32M, pids: 2}}}`, `{"Memory":33554432,"CPUs":0.25,"Pids":2}`},
		{"restart", `restart: on-failure:3`, `{"Restart":"on-failure:3"}`},
		{"restart of deploy", `deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}`, `{"Restart":"on-failure:2"}`},
		{"health", `healthcheck: {test: curl localhost, interval: 5s, retries: 2}`,
			`{"Health":{"Test":["CMD-SHELL","curl localhost"],"Interval":"5s","Timeout":"0s","StartPeriod":"0s","StartInterval":"0s","Retries":2}}`},
		{"no health", `healthcheck: {disable: true}`, `{"NoHealth":true}`},
		{"end", `{stop_signal: SIGINT, stop_grace_period: 3s}`, `{"StopSignal":"SIGINT","StopTimeout":3000000000}`},
		{"terminal", `{tty: true, stdin_open: true, read_only: true, user: "7", hostname: h, working_dir: /w}`,
			`{"Terminal":true,"OpenStdin":true,"ReadOnly":true,"User":"7","Hostname":"h","WorkingDir":"/w"}`},
		{"labels", `labels: {a: b}`, `{"Labels":{"a":"b"}}`},
		{"egress", `x-wherry-allow-net: ["api.example.org:443"]`, `{"Allow":["api.example.org:443"]}`},
		{"instances", `x-wherry-instances: 3`, `{"Instances":3}`},
		{"hosts", `extra_hosts: ["up:10.0.0.1"]`, `{"Hosts":["up:10.0.0.1"]}`},
		{"log", `logging: {driver: local, options: {max-size: 1m}}`, `{"LogDriver":"local","LogOptions":["max-size=1m"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := c.service
			if !strings.HasPrefix(service, "{") {
				service = "{" + service + "}"
			}
			s, dir := plan(t, "services: {a: "+strings.Replace(service, "{", "{image: app:1, ", 1)+"}\nvolumes: {data: {}}\nsecrets: {key: {file: key.txt}, token: {environment: TOKEN}}\nconfigs: {conf: {content: a=1}}\n",
				"GIVEN=from env", "TOKEN=secret")
			got := s.Services["a"].Container
			if d := cmp.Diff(in, got.Networks); d != "" {
				t.Errorf("networks: %s", d)
			}
			if got.Image != "app:1" || got.Served != "a" {
				t.Errorf("image %q, served as %q", got.Image, got.Served)
			}
			var want Container
			text := strings.ReplaceAll(c.want, "DIR", filepath.ToSlash(dir))
			text = strings.ReplaceAll(text, `"Content":"a=1"`, `"Content":"YT0x"`)
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			got.Image, got.Networks, got.Served = "", nil, ""
			slices.Sort(got.Publish)
			for i := range got.Mounts {
				got.Mounts[i].Source = filepath.ToSlash(got.Mounts[i].Source)
			}
			if d := cmp.Diff(asJSON(t, want), asJSON(t, got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestStack is what is around services.
func TestStack(t *testing.T) {
	s, dir := plan(t, `
services:
  front: {build: ./app, depends_on: {back: {condition: service_healthy, restart: true}}, networks: {edge: {aliases: [www]}, default: {}}}
  back: {build: {context: ./old, args: {V: "1"}}, image: registry.example/back:2, scale: 3, models: {iris: {endpoint_var: WHERE, model_var: WHICH}}, depends_on: [db]}
  both: {build: {context: ./both, dockerfile: Dockerfile}, profiles: [x]}
  plain: {build: ./both, models: [iris]}
  db: {x-wherry-external: "postgres://user@127.0.0.1/shop"}
networks: {edge: {internal: true, ipam: {config: [{subnet: 10.77.0.0/24}]}}}
models: {iris: {model: registry.example/iris:1}}
`)
	if _, on := s.Services["both"]; on {
		t.Error("a service of a profile that is off is there")
	}
	front, back, iris := s.Services["front"], s.Services["back"], s.Services["iris"]
	if d := cmp.Diff(map[string]Need{"back": {Condition: "service_healthy", Required: true, Restart: true}}, front.Needs); d != "" {
		t.Error(d)
	}
	if front.needs() != "back:service_healthy:true" {
		t.Errorf("label %q", front.needs())
	}
	if front.Container.Image != "shop-front" || back.Container.Image != "registry.example/back:2" || back.Scale != 3 {
		t.Errorf("images %s, %s, scale %d", front.Container.Image, back.Container.Image, back.Scale)
	}
	if front.Build.File != "" || back.Build.File != filepath.Join(dir, "old", "Dockerfile") || s.Services["plain"].Build.File != "" {
		t.Errorf("recipes %q, %q", front.Build.File, back.Build.File)
	}
	if d := cmp.Diff([]string{"WHERE=http://iris:8080", "WHICH=iris"}, back.Container.Env); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"IRIS_URL=http://iris:8080", "IRIS_MODEL=iris"}, s.Services["plain"].Container.Env); d != "" {
		t.Error(d)
	}
	if !iris.Model || iris.Container.Image != "registry.example/iris:1" || len(iris.Container.Networks) != 1 || !slices.Equal(iris.Container.Networks[0].Aliases, []string{"iris"}) {
		t.Errorf("model %+v", iris.Container)
	}
	edge := s.Networks["edge"].Options
	if edge.Name != "shop_edge" || !edge.Internal || edge.Subnet.String() != "10.77.0.0/24" || edge.Labels[LabelProject] != "shop" {
		t.Errorf("network %+v", edge)
	}
	if err := s.Resolve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(back.Container.Hosts, []string{"db:host-gateway"}) || !slices.Equal(back.Container.Allow, []string{"db:5432"}) || front.Container.Hosts != nil {
		t.Errorf("back %v %v, front %v", back.Container.Hosts, back.Container.Allow, front.Container.Hosts)
	}
}

// TestRecipe: a Dockerfile that is named is taken, one that is only there is not where a
// Wasmfile is.
func TestRecipe(t *testing.T) {
	f, dir := load(t, "services: {a: {build: {context: both, dockerfile: Dockerfile}}, b: {build: both}}")
	got := map[string]string{}
	for _, b := range f.Builds() {
		got[b.Name] = b.Build.File
	}
	if want := map[string]string{"a": filepath.Join(dir, "both", "Dockerfile"), "b": ""}; !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestHash: what changes a container changes its hash, and nothing else does.
func TestHash(t *testing.T) {
	hash := func(text string) string {
		s, _ := plan(t, "services:\n  b: {image: other}\n  a: "+text, "TOKEN=1")
		h, err := s.Services["a"].Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	base := hash("{image: app, environment: {A: 1, B: 2}}")
	for _, same := range []string{"{image: app, environment: {B: 2, A: 1}}", "{image: app, environment: {A: 1, B: 2}, scale: 4}", "{image: app, environment: {A: 1, B: 2}, depends_on: [b], pull_policy: never}"} {
		if hash(same) != base {
			t.Errorf("%s has another hash", same)
		}
	}
	for _, other := range []string{"{image: app:2, environment: {A: 1, B: 2}}", "{image: app, environment: {A: 1, B: 3}}", "{image: app, environment: {A: 1, B: 2}, command: x}", "{image: app, environment: {A: 1, B: 2}, ports: ['80']}"} {
		if hash(other) == base {
			t.Errorf("%s has the same hash", other)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"services: {a: {imag: x}}", "imag"},
		{"services: {a: {}}", "neither an image nor a build"},
		{"services: {a: {image: x, depends_on: [b]}}", "undefined service"},
		{"services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}", "cycle"},
		{"services: {a: {x-wherry-external: [1]}}", "HOST:PORT"},
		{"services: {a: {x-wherry-external: 'h:1', image: x}}", "lives elsewhere"},
		{"[", "load the compose file"},
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(name, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(context.Background(), Source{Files: []string{name}, Dir: dir, Name: "x"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := Load(context.Background(), Source{Dir: t.TempDir()}); !errors.Is(err, ErrNoFile) {
		t.Errorf("no file: %v", err)
	}
}

// write writes a compose file into a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func contains(text, part string) bool { return strings.Contains(text, part) }
