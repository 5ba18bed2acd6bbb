package compose

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/compose/spec"
)

// FuzzExternal: what is read as an address has a host and a port.
func FuzzExternal(f *testing.F) {
	for _, s := range []string{"db:5432", "http://a", "https://[::1]:8443/x", "postgres://u:p@h/d", ":1", "[::1]:2", "h:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host, port, err := external(s)
		if err == nil && (host == "" || port == "") {
			t.Fatalf("%q: host %q, port %q", s, host, port)
		}
	})
}

// FuzzNeeds: labels are anybody's.
func FuzzNeeds(f *testing.F) {
	f.Add("a:service_started:false,b:service_healthy:true")
	f.Add(",,:::")
	f.Fuzz(func(t *testing.T, s string) {
		for name := range parseNeeds(s) {
			if name == "" || strings.Contains(name, ",") {
				t.Fatalf("%q: %q", s, name)
			}
		}
	})
}

// FuzzArtifact: a manifest is a registry's.
func FuzzArtifact(f *testing.F) {
	a, err := artifact([]byte("services: {}"), "1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Documents[2].Data)
	f.Fuzz(func(t *testing.T, b []byte) {
		files, _, err := ArtifactLayers(b, ispec.MediaTypeImageManifest)
		if err == nil && len(files) == 0 {
			t.Fatalf("%s: no files, and no error", b)
		}
		for _, d := range files {
			if d.Size > spec.MaxFile {
				t.Fatalf("%s: %d bytes", b, d.Size)
			}
		}
	})
}

// FuzzFile: a file that the loader takes is checked and planned without a panic, and the
// plan can be written down.
func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"services: {a: {image: x, ports: ['80:80'], volumes: ['v:/v', '.:/d']}}\nvolumes: {v: }",
		"services: {a: {build: ., depends_on: {b: {condition: service_healthy}}}, b: {x-wherry-external: 'h:1'}}",
		"services: {a: {image: x, models: [m], deploy: {resources: {limits: {memory: 1g}}}}}\nmodels: {m: {model: y}}",
		"services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: A}}",
		"services: {a: {image: x, networks: {n: }}}\nnetworks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "include") || strings.Contains(s, "extends") || strings.Contains(s, "file") { // other files of this machine
			t.Skip()
		}
		dir := t.TempDir()
		name := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := Load(context.Background(), Source{Files: []string{name}, Dir: dir, Name: "x"})
		if err != nil {
			return
		}
		if len(file.Check(true)) > 0 {
			return
		}
		stack, err := file.Plan()
		if err != nil {
			return
		}
		for _, service := range stack.Services {
			if _, err := json.Marshal(service.Container); err != nil {
				t.Fatal(err)
			}
		}
	})
}
