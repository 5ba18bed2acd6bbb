package python

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSortSecrets(t *testing.T) {
	conf := Secret{Path: "/etc/pip.conf", Data: []byte("[global]\n")}
	tests := []struct {
		name    string
		secrets []Secret
		env     []string
		want    map[string]string // variable -> path
		reason  string            // in the error
	}{
		{"none", nil, nil, map[string]string{}, ""},
		{"by name", []Secret{conf, {Path: "/root/.netrc"}}, nil, map[string]string{"PIP_CONFIG_FILE": "/etc/pip.conf", "NETRC": "/root/.netrc"}, ""},
		{"by variable", []Secret{{Path: "/run/secrets/corp"}}, []string{"PIP_CONFIG_FILE=/run/secrets/corp"}, map[string]string{"PIP_CONFIG_FILE": "/run/secrets/corp"}, ""},
		{"by relative variable", []Secret{{Path: "/app/corp"}}, []string{"NETRC=./corp"}, map[string]string{"NETRC": "/app/corp"}, ""},
		{"no configuration", nil, []string{"PIP_CONFIG_FILE=/dev/null"}, map[string]string{}, ""},
		{"of no use", []Secret{{Path: "/run/secrets/token"}}, nil, nil, "neither a pip.conf nor a netrc"},
		{"two", []Secret{conf, {Path: "/root/pip.ini"}}, nil, nil, "second"},
		{"too large", []Secret{{Path: "/pip.conf", Data: make([]byte, maxSecret+1)}}, nil, nil, "larger"},
		{"a file of the stage", nil, []string{"PIP_CONFIG_FILE=/etc/shadow"}, nil, "no secret is mounted there"},
		{"a file of the stage beside a secret", []Secret{conf}, []string{"PIP_CONFIG_FILE=/etc/other"}, nil, "no secret is mounted there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sortSecrets(test.secrets, "/app", test.env)
			if test.reason != "" {
				var bad *SecretError
				if !errors.As(err, &bad) || !strings.Contains(err.Error(), test.reason) {
					t.Fatalf("got %v, want %q", err, test.reason)
				}
				return
			}
			if err != nil || len(got) != len(test.want) {
				t.Fatalf("got %v, %v", got, err)
			}
			for variable, path := range test.want {
				if got[variable].Path != path {
					t.Errorf("%s is %q, want %q", variable, got[variable].Path, path)
				}
			}
		})
	}
}

// TestSecrets installs from an index that wants a password, which comes once
// in a pip.conf and once in a netrc, and looks for what is left of it.
func TestSecrets(t *testing.T) {
	wheels := index(t)
	files := http.StripPrefix("/simple/", http.FileServer(http.Dir(wheels)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "hunter2" {
			w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	offline(t)
	host := strings.TrimPrefix(server.URL, "http://")
	name, _, _ := strings.Cut(host, ":")
	conf := Secret{Path: "/etc/pip.conf", Data: []byte("[global]\nno-index = true\nfind-links = http://me:hunter2@" + host + "/simple/\n")}
	netrc := Secret{Path: "/root/.netrc", Data: []byte("machine " + name + " login me password hunter2\n")}
	for python, command := range pythons(t) {
		for _, test := range []struct {
			name    string
			args    []string
			secrets []Secret
			ok      bool
		}{
			{"pip.conf", []string{"gamma"}, []Secret{conf}, true},
			{"netrc", []string{"gamma", "--no-index", "--find-links", server.URL + "/simple/"}, []Secret{netrc}, true},
			{"nothing", []string{"gamma", "--no-index", "--find-links", server.URL + "/simple/"}, nil, false},
		} {
			t.Run(filepath.Base(python)+" "+test.name, func(t *testing.T) {
				temp := t.TempDir()
				in := &Installer{Python: command, Temp: temp}
				r, err := in.Install(context.Background(), Request{Args: test.args, FS: stage(t, nil), Dir: "/app",
					Secrets: test.secrets, Progress: testWriter{t}})
				if test.ok != (err == nil) {
					t.Fatalf("got %v", err)
				}
				// Before Close already nothing may be left.
				err = filepath.WalkDir(temp, func(path string, d os.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					text, err := os.ReadFile(path)
					if strings.Contains(string(text), "hunter2") {
						t.Errorf("%s holds the password", d.Name())
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if r != nil {
					if strings.Contains(string(r.Lock), "hunter2") {
						t.Error("the lock holds the password")
					}
					r.Close()
				}
			})
		}
	}
}

// offline keeps pip away from every index and setting but the test's.
func offline(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "USERPROFILE": home, "APPDATA": home, "XDG_CONFIG_HOME": home, "XDG_CONFIG_DIRS": home,
		"NO_PROXY": "127.0.0.1,localhost", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0", "NETRC": ""} {
		t.Setenv(name, value)
	}
	os.Unsetenv("NETRC")
	os.Unsetenv("PIP_FIND_LINKS")
	os.Unsetenv("PIP_EXTRA_INDEX_URL")
}
