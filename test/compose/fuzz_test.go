package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzSame asks both loaders about anything: two files, one over the other.
func FuzzSame(f *testing.F) {
	for _, s := range [][2]string{
		{"services: {a: {image: x, ports: ['80-82:80-82', {target: 1}], volumes: ['v:/v', '.:/d'], depends_on: [b]}, b: {image: y}}\nvolumes: {v: }", "services: {a: {ports: !override ['1']}}"},
		{"x-a: &a {k: v}\nservices: {a: {<<: *a, image: '${A:-b}', environment: *a, labels: [a=b]}, b: {image: y}}", "services: {a: {environment: {B: 1}, labels: {c: d}}, b: !reset {}}"},
		{"services: {a: {image: x}}\n---\nservices: {a: {image: !reset x, build: .}}", "name: y"},
		{"services: {a: {image: x}}\n---\nservices:", "name: y"},
		{"services: {a: {extends: b}, b: {image: x, healthcheck: {test: a, retries: '3'}, ulimits: {nofile: 1}}}", "services: {b: {ulimits: {nofile: {soft: 1, hard: 2}}}}"},
		{"networks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}\nsecrets: {s: {environment: A}}\nconfigs: {c: {content: a}}", "networks: {n: {ipam: {config: [{gateway: a}]}}}"},
		{"services: {a: {image: x, links: [b], volumes_from: [b], gpus: all, devices: [/dev/a], networks: [n], env_file: []}, b: {image: x}}\nnetworks: {n: }", "services: {a: {networks: {n: {aliases: [x]}}, command: a b}}"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, word := range []string{"include", "file", "FILE", "~"} { // other files of this machine
			if strings.Contains(one+two, word) {
				t.Skip()
			}
		}
		if strings.Count(one+two, "*") > 20 { // the library bounds aliases otherwise
			t.Skip()
		}
		dir := t.TempDir()
		q := question{dir: dir, name: "x", env: []string{"A=a"}, loose: true}
		for i, text := range []string{one, two} {
			name := filepath.Join(dir, string(rune('a'+i))+".yaml")
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			q.files = append(q.files, name)
		}
		// More may be taken here, as a section without a value in a second document: what the
		// library takes is taken, and is the same.
		if diff, _ := differ(q); diff != "" && !strings.Contains(diff, "the library says") {
			t.Errorf("it differs:\n%s", diff)
		}
	})
}
