package spec

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// registry has files of a folder under names that begin with far://.
type registry struct {
	dir    string
	during func()
}

func (registry) Accept(name string) bool { return strings.HasPrefix(name, "far://") }

func (r registry) Load(_ context.Context, name string) (string, error) {
	if r.during != nil {
		r.during()
	}
	return filepath.Join(r.dir, strings.TrimPrefix(name, "far://"), "compose.yaml"), nil
}

// TestForeign: a stack that was fetched reaches no files of this machine, by whatever
// attribute, and runs none of its programs.
func TestForeign(t *testing.T) {
	const rest = "services: {a: {image: x}}\n"
	for _, c := range []struct{ name, text, path string }{
		{"mount", "services: {a: {image: x, volumes: ['/etc:/e']}}", "services.a.volumes[0]"},
		{"mount beside it", "services: {a: {image: x, volumes: ['v:/v', '.:/e']}}\nvolumes: {v: }", "services.a.volumes[1]"},
		{"mount above it", "services: {a: {image: x, volumes: ['../..:/e']}}", "services.a.volumes[0]"},
		{"mount of a home", "services: {a: {image: x, volumes: ['~/.ssh:/e']}}", "services.a.volumes[0]"},
		{"mount by a variable", "services: {a: {image: x, volumes: ['${HOME}:/e']}}", "services.a.volumes[0]"},
		{"long mount", "services: {a: {image: x, volumes: [{type: bind, source: /etc, target: /e}]}}", "services.a.volumes[0]"},
		{"half a mount", "services: {a: {image: x, volumes: [{type: bind, target: /e}]}}", "services.a.volumes[0]"},
		{"mount by a variable of a type", "services: {a: {image: x, volumes: [{type: '${T}', source: /etc, target: /e}]}}", "services.a.volumes[0]"},
		{"mount of a hook", "services: {a: {image: x, pre_start: [{command: c, volumes: ['/etc:/e']}]}}", "services.a.pre_start[0].volumes[0]"},
		{"mount of a job", "services: {a: {image: x}}\njobs: {j: {image: x, volumes: ['/etc:/e']}}", "jobs.j.volumes[0]"},
		{"mount by an alias", "x-v: &v {volumes: ['/etc:/e']}\nservices: {a: {image: x, <<: *v}}", "services.a.volumes[0]"},
		{"mount of a second document", rest + "---\nservices: {a: {volumes: ['/etc:/e']}}", "services.a.volumes[0]"},
		{"variables", "services: {a: {image: x, env_file: /etc/environment}}", "services.a.env_file"},
		{"optional variables", "services: {a: {image: x, env_file: [{path: ../x.env, required: false}]}}", "services.a.env_file"},
		{"labels", "services: {a: {image: x, label_file: x.labels}}", "services.a.label_file"},
		{"secret", rest + "secrets: {s: {file: /etc/shadow}}", "secrets.s.file"},
		{"config", rest + "configs: {s: {file: ./compose.yaml}}", "configs.s.file"},
		{"build", "services: {a: {build: .}}", "services.a.build"},
		{"inline build", "services: {a: {image: x, build: {dockerfile_inline: 'FROM toolchain:node'}}}", "services.a.build"},
		{"watch", "services: {a: {image: x, develop: {watch: [{path: /home, action: sync, target: /h}]}}}", "services.a.develop"},
		{"watch by its old name", "services: {a: {image: x, x-develop: {watch: [{path: /home, action: sync, target: /h}]}}}", "services.a.develop"},
		{"credentials", "services: {a: {image: x, credential_spec: {file: c.json}}}", "services.a.credential_spec.file"},
		{"extension", "services: {a: {extends: {file: /tmp/x.yaml, service: a}}}", "services.a.extends.file"},
		{"extension by a variable", "services: {a: {extends: {file: 'far://$T', service: a}}}", "services.a.extends"},
		{"inclusion by a variable", "include: ['far://$T']\n" + rest, "include[0]"},
		{"inclusion of several by a variable", "include: [{path: [far://b, 'far://$T']}]\n" + rest, "include[0]"},
		{"inclusion", "include: [/tmp/x.yaml]\n" + rest, "include[0]"},
		{"inclusion of several", "include: [{path: [far://b, ../x.yaml]}]\n" + rest, "include[0]"},
		{"inclusion with variables", "include: [{path: far://b, env_file: /etc/environment}]\n" + rest, "include[0].env_file"},
		{"inclusion with a folder", "include: [{path: far://b, project_directory: /home}]\n" + rest, "include[0].project_directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{
				"far/s/compose.yaml": c.text, "far/b/compose.yaml": rest,
				"included/compose.yaml": "include: [far://s]\nservices: {z: {image: x}}\n",
				"extended/compose.yaml": "services: {z: {extends: {file: far://s, service: a}}}\n",
				"over/compose.yaml":     "services: {z: {image: x}}\n",
			})
			o := Options{Name: "x", Env: []string{"HOME=/home/me", "T=bind"}, Remote: []Remote{registry{dir: filepath.Join(dir, "far")}}}
			ways := map[string]Options{"alone": {Files: []string{"far://s"}}, "over another": {Files: []string{filepath.Join(dir, "over", "compose.yaml"), "far://s"}},
				"with a folder": {Files: []string{"far://s"}, Dir: dir}, "included": {Dir: filepath.Join(dir, "included")}}
			if !strings.Contains(c.name, "inclusion") { // what extends takes services only
				ways["extended"] = Options{Dir: filepath.Join(dir, "extended")}
			}
			for how, way := range ways {
				for _, raw := range []bool{false, true} {
					if raw && strings.Contains(c.text, "${") {
						continue
					}
					way.Name, way.Env, way.Remote, way.Raw = o.Name, o.Env, o.Remote, raw
					_, err := Read(t.Context(), way)
					if err == nil || !strings.Contains(err.Error(), c.path+": "+fromElsewhere) {
						t.Errorf("%s, raw %v: %v", how, raw, err)
					}
				}
			}
		})
	}
}

// TestForeignWants: what a stack that was fetched takes of this machine's variables is
// known, but for those that somebody named, and its own.
func TestForeignWants(t *testing.T) {
	dir := write(t, map[string]string{
		"far/s/compose.yaml": "name: s\nservices: {a: {image: 'x:${TAG:-1}', command: '$HOSTED $UNSET $OWN $NAMED', environment: [LISTED, UNSET, A=b]," +
			" pre_start: [{command: c, environment: {MAPPED: }}], post_start: [{command: c, environment: [HOOKED]}]}}\n" +
			"secrets: {s: {environment: SECRET}}\nconfigs: {c: {environment: CONFIG}}\n",
		"far/s/.env":     "OWN=own $NESTED\nTAG=2\n",
		"my.env":         "NAMED=named\n",
		"here/.env":      "CONFIG=of the folder\n",
		"b/compose.yaml": "include: [far://s]\nservices: {z: {image: '$MINE'}}\n",
	})
	env := []string{"MINE=1"}
	for _, name := range []string{"HOSTED", "LISTED", "MAPPED", "HOOKED", "SECRET", "NESTED", "NAMED", "OTHER"} {
		env = append(env, name+"=1")
	}
	o := Options{Env: env, EnvFiles: []string{filepath.Join(dir, "my.env")}, Remote: []Remote{registry{dir: filepath.Join(dir, "far")}}}
	want := []string{"HOOKED", "HOSTED", "LISTED", "MAPPED", "NESTED", "SECRET"}
	for _, way := range []Options{{Files: []string{"far://s"}}, {Dir: filepath.Join(dir, "b")}} {
		way.Env, way.EnvFiles, way.Remote = o.Env, o.EnvFiles, o.Remote
		m, err := Read(t.Context(), way)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Wants, want) {
			t.Errorf("%v: it wants %v, not %v", way.Files, m.Wants, want)
		}
		if a := fmt.Sprint(m.Tree["services"]); !strings.Contains(a, "x:2") || !strings.Contains(a, "own 1") {
			t.Errorf("%v: its own variables are left out: %v", way.Files, a)
		}
	}
	m, err := Read(t.Context(), Options{Files: []string{"far://s"}, Dir: filepath.Join(dir, "here"), Remote: o.Remote})
	if err != nil || !slices.Equal(m.Wants, []string{"CONFIG"}) {
		t.Errorf("of the folder: %+v %v", m, err)
	}
	m, err = Read(t.Context(), Options{Files: []string{filepath.Join(dir, "far", "s", "compose.yaml")}, Env: env})
	if err != nil || len(m.Wants) > 0 {
		t.Errorf("of this machine: %+v %v", m, err)
	}
}

// TestForeignVariables: what a stack brings along counts for itself, and moves nothing of
// files of one's own; a name is a stranger's if a stranger said it, in whatever way.
func TestForeignVariables(t *testing.T) {
	dir := write(t, map[string]string{
		"far/s/compose.yaml":   "services: {a: {image: 'x:${TAG}'}}\n",
		"far/s/.env":           "TAG=2\nDATA=/etc\nCOMPOSE_PROJECT_NAME=other\n",
		"far/n/compose.yaml":   "name: said\nservices: {a: {image: x}}\n",
		"own.yaml":             "services: {a: {volumes: ['${DATA:-/srv}:/d']}, b: {image: 'x:${TAG:-none}'}}\n",
		"named.yaml":           "name: mine\n",
		"around/compose.yaml":  "name: mine\ninclude: [{path: [far://s, ../own.yaml]}]\n",
		"extends/compose.yaml": "name: mine\nservices: {a: {extends: {file: far://n, service: a}}}\n",
	})
	remote := []Remote{registry{dir: filepath.Join(dir, "far")}}
	own, named := filepath.Join(dir, "own.yaml"), filepath.Join(dir, "named.yaml")
	for _, c := range []struct {
		how              string
		o                Options
		name             string
		fetched, strange bool
	}{
		{"below", Options{Files: []string{"far://s", own}}, "other", true, true},
		{"included", Options{Dir: filepath.Join(dir, "around")}, "mine", true, false},
		{"by the folder's variable", Options{Files: []string{"far://s", own}, Env: []string{"COMPOSE_PROJECT_NAME=mine"}}, "mine", true, false},
		{"by a flag", Options{Files: []string{"far://s", own}, Name: "mine"}, "mine", true, false},
		{"said", Options{Files: []string{"far://n"}}, "said", true, true},
		{"said by one's own", Options{Files: []string{"far://n", named}}, "mine", true, false},
		{"extended", Options{Dir: filepath.Join(dir, "extends")}, "mine", true, false},
		{"one's own", Options{Files: []string{own}, Name: "x"}, "x", false, false},
	} {
		c.o.Remote = remote
		m, err := Read(t.Context(), c.o)
		if err != nil {
			t.Fatalf("%s: %v", c.how, err)
		}
		if m.Name != c.name || m.Fetched != c.fetched || m.Named != c.strange {
			t.Errorf("%s: %s, fetched %v, named by a stranger %v", c.how, m.Name, m.Fetched, m.Named)
		}
		all := fmt.Sprint(m.Tree["services"])
		if strings.Contains(all, "/etc") || strings.Contains(all, "/d") && !strings.Contains(all, "/srv") {
			t.Errorf("%s: a stranger moved a mount: %s", c.how, all)
		}
		if strings.Contains(all, "/d") && c.fetched && (!strings.Contains(all, "x:2") || !strings.Contains(all, "x:none")) {
			t.Errorf("%s: %s", c.how, all)
		}
	}
}

// TestWaiting: who waits for a registry keeps nobody from reading, and what is odd is heard
// to the end, and nowhere else.
func TestWaiting(t *testing.T) {
	dir := write(t, map[string]string{"s/compose.yaml": "services: {a: {image: x, attach: 'yes'}}"})
	var out bytes.Buffer
	log := logrus.StandardLogger()
	before := log.Out
	log.SetOutput(&out)
	defer log.SetOutput(before)
	var heard []string
	o := Options{Files: []string{"far://s"}, Name: "x", Warn: func(s string) { heard = append(heard, s) }}
	o.Remote = []Remote{registry{dir, func() {
		if _, err := Read(t.Context(), Options{Dir: filepath.Join(dir, "s")}); err != nil {
			t.Error(err)
		}
	}}}
	m, err := Read(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Project(ProjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 1 || !strings.Contains(heard[0], "write true") || out.Len() > 0 {
		t.Errorf("%q, and elsewhere %q", heard, out.String())
	}
}
