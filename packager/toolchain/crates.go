package toolchain

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Crates may bring programs along that the compiler runs on the host: build scripts and
// macros. So cargo is asked first which crates there are.

// crates is what cargo metadata says.
type crates struct {
	Packages []struct {
		ID, Name, Version string
		Source            *string
		Manifest          string `json:"manifest_path"`
		Targets           []struct {
			Kind []string
			Src  string `json:"src_path"`
		}
	}
	Members []string `json:"workspace_members"`
	Root    string   `json:"workspace_root"`
	Resolve struct {
		Nodes []struct {
			ID   string
			Deps []struct {
				Pkg   string
				Kinds []struct{ Kind *string } `json:"dep_kinds"`
			}
		}
	}
}

// maxNamed is how many crates an error names.
const maxNamed = 5

// look asks for the crates, and refuses those that lie outside of the stage, or would
// have programs of their own run.
func (j *cargoJob) look(ctx context.Context) error {
	j.findVendored()
	args := append([]string{"metadata", "--format-version", "1", "--filter-platform", j.tool.target}, j.choice...)
	out, err := j.cargo(ctx, args...)
	if err != nil {
		return err
	}
	var all crates
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return fmt.Errorf("read what cargo says of the crates: %w", err)
	}
	root, ok := j.w.relative(all.Root)
	if !ok {
		return &Error{What: "Cargo.toml", Why: "its workspace is outside of the stage", Advice: "COPY the folder of the workspace"}
	}
	j.root = root
	used := all.used()
	var programs []string
	for _, p := range all.Packages {
		if !used[p.ID] {
			continue
		}
		if p.Source == nil {
			if _, ok := j.w.relative(p.Manifest); !ok {
				return &Error{What: "Cargo.toml", Why: p.Name + " is a path that leads out of the stage", Advice: "COPY that folder below the workspace's, or its parent"}
			}
		} else if !fetched(*p.Source) {
			return &Error{What: "Cargo.toml", Why: p.Name + " comes from " + *p.Source, Advice: "take it from a registry, from git over https or ssh, or by a relative path"}
		}
		for _, t := range p.Targets {
			for _, kind := range t.Kind {
				if what := runs[kind]; what != "" {
					programs = append(programs, fmt.Sprintf("%s %s (%s)", p.Name, p.Version, what))
				}
			}
		}
	}
	if len(programs) == 0 || j.w.host.AllowScripts {
		return nil
	}
	slices.Sort(programs)
	if more := len(programs) - maxNamed; more > 0 {
		programs = append(programs[:maxNamed], fmt.Sprintf("%d more", more))
	}
	return &Error{
		What: "cargo", Why: "these crates bring programs that would run on this machine while it compiles: " + strings.Join(programs, ", "),
		Advice: "allow it, where you trust them: wherry build --allow-build-scripts; or do without: another crate, default-features = false",
	}
}

// runs are the kinds of targets that run on the host.
var runs = map[string]string{"custom-build": "build script", "proc-macro": "macro"}

// fetched tells sources that are fetched from those that are files of the host.
func fetched(source string) bool {
	return slices.ContainsFunc([]string{"registry+", "sparse+", "git+https://", "git+ssh://"}, func(p string) bool { return strings.HasPrefix(source, p) })
}

// used are the crates that a build takes, those that only tests need left out.
func (c *crates) used() map[string]bool {
	after := map[string][]string{}
	for _, n := range c.Resolve.Nodes {
		for _, d := range n.Deps {
			for _, k := range d.Kinds {
				if k.Kind == nil || *k.Kind != "dev" {
					after[n.ID] = append(after[n.ID], d.Pkg)
				}
			}
		}
	}
	used := map[string]bool{}
	for todo := slices.Clone(c.Members); len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !used[id] {
			used[id] = true
			todo = append(todo, after[id]...)
		}
	}
	return used
}

// findVendored looks for what cargo vendor makes, beside the manifest or above it, and
// for settings that are not read.
func (j *cargoJob) findVendored() {
	for dir := path.Dir(j.manifest); ; dir = path.Dir(dir) {
		if found, _ := filepath.Glob(filepath.Join(j.w.path(path.Join(dir, "vendor")), "*", ".cargo-checksum.json")); len(found) > 0 && j.vendor == "" {
			j.vendor = j.w.path(path.Join(dir, "vendor"))
		}
		for _, name := range []string{".cargo/config.toml", ".cargo/config"} {
			if isFile(j.w.path(path.Join(dir, name))) && j.w.job.Stderr != nil {
				fmt.Fprintf(j.w.job.Stderr, "note: %s is not read: the target is set, crates in vendor/ are found, flags are ENV RUSTFLAGS\n", name)
			}
		}
		if dir == "/" {
			return
		}
	}
}
