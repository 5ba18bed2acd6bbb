package compose

import (
	"fmt"
	"strings"
	"testing"
)

// TestCheck: each row is an attribute that cannot work, with its place, and part of what
// is said and advised.
func TestCheck(t *testing.T) {
	for _, c := range []struct{ text, path, want, advice string }{
		{"services: {a: {image: x, privileged: true}}", "services.a.privileged", "kernel", "leave it out"},
		{"services: {a: {image: x, cap_add: [NET_ADMIN]}}", "services.a.cap_add", "capabilities", "leave it out"},
		{"services: {a: {image: x, devices: ['/dev/kvm']}}", "services.a.devices", "devices", "x-wherry-external"},
		{"services: {a: {image: x, gpus: all}}", "services.a.gpus", "devices", "processor"},
		{"services: {a: {image: x, deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}}}", "services.a.deploy.resources.reservations.devices", "devices", "processor"},
		{"services: {a: {image: x, deploy: {placement: {constraints: [a]}}}}", "services.a.deploy.placement", "one machine", ""},
		{"services: {a: {image: x, deploy: {mode: global}}}", "services.a.deploy.mode", "one machine", "replicas"},
		{"services: {a: {image: 'postgres:16'}}", "services.a.image", "native programs", "x-wherry-external: HOST:PORT"},
		{"services: {a: {image: 'docker.io/library/redis:7'}}", "services.a.image", "native programs", "x-wherry-external"},
		{"services: {a: {image: nginx}}", "services.a.image", "native programs", "FROM static"},
		{"services: {a: {image: 'node:22'}}", "services.a.image", "native programs", "toolchain"},
		{"services: {a: {image: 'python:3.11-slim'}}", "services.a.image", "native programs", "image: python"},
		{"services: {a: {image: 'alpine:3'}}", "services.a.image", "native programs", "image: python"},
		{"services: {a: {image: x, network_mode: 'service:b'}, b: {image: x}}", "services.a.network_mode", "do not share", "b by its name"},
		{"services: {a: {image: x, network_mode: 'container:c'}}", "services.a.network_mode", "do not share", "networks"},
		{"services: {a: {image: x, ports: ['53:53/udp']}}", "services.a.ports", "TCP", ""},
		{"services: {a: {image: x, ports: ['3000-3005:80']}}", "services.a.ports", "which of them", "80"},
		{"services: {a: {image: x, volumes: ['/var/run/docker.sock:/var/run/docker.sock']}}", "services.a.volumes[0]", "no daemon", "dashboard"},
		{"services: {a: {image: x, volumes: ['/dev/shm:/dev/shm']}}", "services.a.volumes[0]", "kernel", ""},
		{"services: {a: {image: x, volumes: ['/etc/localtime:/etc/localtime:ro']}}", "services.a.volumes[0]", "kernel", "TZ"},
		{"services: {a: {image: x, volumes: ['.:/']}}", "services.a.volumes[0]", "root", "/data"},
		{"services: {a: {image: x, volumes_from: [b]}, b: {image: x}}", "services.a.volumes_from", "volumes", "volumes:"},
		{"services: {a: {image: x, ipc: host}}", "services.a.ipc", "no memory", "volume"},
		{"services: {a: {image: x, pid: host}}", "services.a.pid", "processes", ""},
		{"services: {a: {image: x, sysctls: {a: 1}}}", "services.a.sysctls", "kernel", ""},
		{"services: {a: {image: x, ulimits: {memlock: -1}}}", "services.a.ulimits.memlock", "sandbox", "nofile"},
		{"services: {a: {image: x, platform: linux/amd64}}", "services.a.platform", "wasi/wasm", "leave it out"},
		{"services: {a: {image: x, restart: sometimes}}", "services.a.restart", "policy", "unless-stopped"},
		{"services: {a: {image: x, logging: {driver: syslog}}}", "services.a.logging", "syslog", "local"},
		{"services: {a: {image: x, networks: {n: {ipv4_address: 10.0.0.1}}}}\nnetworks: {n: {}}", "services.a.networks.n.ipv4_address", "given by the network", "aliases"},
		{"services: {a: {image: x, x-wherry-allow: [y]}}", "services.a.x-wherry-allow", "no such key", "x-wherry-allow-net"},
		{"services: {a: {image: x, x-wherry-allow-net: ['a:b:c']}}", "services.a.x-wherry-allow-net", "", "443"},
		{"services: {a: {x-wherry-external: nowhere}}", "services.a.x-wherry-external", "neither HOST:PORT nor a URL", ""},
		{"services: {a: {build: {context: 'https://example.org/x.git'}}}", "services.a.build.context", "not a folder", "clone"},
		{"services: {a: {build: {context: ./nowhere}}}", "services.a.build.context", "no folder", "./a"},
		{"services: {a: {build: {context: app, network: host}}}", "services.a.build.network", "no network", ""},
		{"services: {a: {build: {context: app, platforms: [linux/arm64]}}}", "services.a.build.platforms", "wasi/wasm", ""},
		{"services: {a: {image: x, develop: {watch: [{path: ., action: rebuild}]}}}", "services.a.develop.watch", "with build", "sync"},
		{"services: {a: {image: x}}\nnetworks: {n: {driver: overlay}}", "networks.n.driver", "inside this machine", ""},
		{"services: {a: {image: x}}\nnetworks: {n: {enable_ipv6: true}}", "networks.n.enable_ipv6", "IPv4", ""},
		{"services: {a: {image: x}}\nvolumes: {v: {driver_opts: {type: nfs}}}", "volumes.v.driver_opts", "folder", "./FOLDER"},
		{"services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {external: true}}", "secrets.s.external", "no store", "file"},
		{"services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: ./nothing}}", "secrets.s.file", "no file", ""},
		{"services: {a: {image: x, models: [m]}}\nmodels: {m: {model: 'ai/smollm2', runtime_flags: [a]}}", "models.m.runtime_flags", "container", ""},
		{"services: {a: {image: x, provider: {type: model}}}", "services.a.provider", "programs of this machine", "x-wherry-external"},
	} {
		t.Run(c.path, func(t *testing.T) {
			f, _ := load(t, c.text)
			list := f.Check(true)
			for _, p := range list {
				if p.Path == c.path && strings.Contains(p.Text, c.want) && strings.Contains(p.Advice, c.advice) {
					return
				}
			}
			t.Errorf("%s: found %v", c.text, &ProblemsError{list})
		})
	}
}

// TestNothingSilent: every attribute that the specification has for a service is either
// understood or told of.
func TestNothingSilent(t *testing.T) {
	known := map[string]bool{}
	for _, p := range supported() {
		known[string(p)] = true
	}
	for path := range refused {
		first, _, nested := strings.Cut(path, ".")
		if !nested && known["services.*."+first] {
			t.Errorf("%s is refused, and supported", path)
		}
	}
	f, _ := load(t, "services: {a: {image: x, x-anything: {b: c}, labels: {x.y/z: w}, annotations: {k: v}}}\nx-top: 1")
	if list := f.Check(true); len(list) > 0 {
		t.Error(&ProblemsError{list})
	}
}

// TestCheckMany: a stack starts no more than a machine may have, whoever wrote it.
func TestCheckMany(t *testing.T) {
	for text, want := range map[string]string{
		"services: {a: {image: x, scale: 600}, b: {image: x, deploy: {replicas: 600}}}":                    "at most 1000 containers",
		"services: {a: {image: x, scale: 9223372036854775807}, b: {image: x, scale: 9223372036854775807}}": "at most 1000 containers",
		"services: {a: {image: x, scale: 600}, b: {image: x, scale: 400}, c: {image: x, scale: 0}}":        "",
	} {
		f, err := Load(t.Context(), Source{Files: []string{write(t, text)}, Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(f.Check(false))
		if want == "" && got != "[]" || want != "" && !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
	f, err := Load(t.Context(), Source{Files: []string{write(t, "services: {a: {image: x, x-wherry-instances: 1000000000}}")}, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Plan(); err == nil || !strings.Contains(err.Error(), "from 1 to 1000") {
		t.Error(err)
	}
}
