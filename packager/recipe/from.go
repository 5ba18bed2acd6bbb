package recipe

import (
	"fmt"
	"strings"
)

// Kind says where a FROM gets its files.
type Kind int

// The kinds of FROM.
const (
	// Scratch is an empty rootfs.
	Scratch Kind = iota
	// FromStage is an earlier stage of the same file.
	FromStage
	// Base is one of our own bases, by its short name.
	Base
	// Toolchain is a stage whose RUN calls a compiler of the host.
	Toolchain
	// Image is any image reference.
	Image
)

// From is what a FROM means.
type From struct {
	Kind Kind
	// Name is the base with its tag (python:3.15), the toolchain (go, c), or
	// the image reference as written.
	Name string
	// Version is the release that a toolchain is pinned to; empty means the
	// host's own.
	Version string
	// Stage is the index of the stage, for FromStage.
	Stage int
}

// BaseError says why a FROM cannot work, and which line to write instead.
type BaseError struct {
	Name   string
	Reason string
	Advice string
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("FROM %s: %s\n%s", e.Name, e.Reason, e.Advice)
}

// ourBases maps the short names of our bases to their one tag.
var ourBases = map[string]string{
	"onnx":   "1.18",
	"python": "3.15",
	"static": "1",
}

// plannedBases are short names that are ours, but not in this version.
var plannedBases = map[string]string{
	"postgres": "to use the native one elsewhere, write its full name: FROM docker.io/library/postgres:TAG",
}

// nativeBases are images of native programs that many Dockerfiles start from,
// with the line that does the same here.
var nativeBases = map[string]string{
	"golang":                            "FROM toolchain:go",
	"gcc":                               "FROM toolchain:c",
	"clang":                             "FROM toolchain:c",
	"ubuntu":                            "FROM scratch (or FROM python)",
	"debian":                            "FROM scratch (or FROM python)",
	"alpine":                            "FROM scratch (or FROM python)",
	"busybox":                           "FROM scratch; /bin/sh and the usual commands are always there",
	"fedora":                            "FROM scratch (or FROM python)",
	"centos":                            "FROM scratch (or FROM python)",
	"rockylinux":                        "FROM scratch (or FROM python)",
	"amazonlinux":                       "FROM scratch (or FROM python)",
	"continuumio/miniconda3":            "FROM python",
	"continuumio/anaconda3":             "FROM python",
	"condaforge/miniforge3":             "FROM python",
	"mambaorg/micromamba":               "FROM python",
	"jupyter/scipy-notebook":            "FROM python",
	"jupyter/datascience-notebook":      "FROM python",
	"nvidia/cuda":                       "FROM python (without a GPU)",
	"tensorflow/tensorflow":             "FROM python, with the model exported to ONNX",
	"pytorch/pytorch":                   "FROM python, with the model exported to ONNX",
	"tiangolo/uvicorn-gunicorn-fastapi": "FROM python",
	"node":                              "FROM toolchain:node AS build for npm ci && npm run build, then FROM static and COPY --from=build",
	"rust":                              "FROM toolchain:rust",
	"openjdk":                           "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"eclipse-temurin":                   "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"maven":                             "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"gradle":                            "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"mcr.microsoft.com/dotnet/sdk":      "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"mcr.microsoft.com/dotnet/aspnet":   "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"mcr.microsoft.com/dotnet/runtime":  "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"ruby":                              "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"php":                               "compile to WebAssembly outside, then FROM scratch and COPY app.wasm",
	"r-base":                            "FROM python",
	"rocker/r-ver":                      "FROM python",
	"nginx":                             "FROM static and COPY the files to /srv/http/",
	"httpd":                             "FROM static and COPY the files to /srv/http/",
	"caddy":                             "FROM static and COPY the files to /srv/http/",
	"redis":                             "run it beside the container",
	"mysql":                             "run it beside the container",
	"mongo":                             "run it beside the container",
}

// toolchains are the compilers that a stage can call.
var toolchains = map[string]bool{"go": true, "rust": true, "c": true, "node": true}

// ResolveFrom says what a name after FROM means, given the stages before it.
// Names that can never work give a *BaseError.
func ResolveFrom(name string, earlier []Stage) (From, error) {
	if name == "" {
		return From{}, &BaseError{Name: `""`, Reason: "the name is empty", Advice: "does the ARG in it have a value? pass --build-arg NAME=VALUE"}
	}
	if name == "scratch" {
		return From{Kind: Scratch, Name: name}, nil
	}
	for i, s := range earlier {
		if s.Name != "" && s.Name == strings.ToLower(name) {
			return From{Kind: FromStage, Name: s.Name, Stage: i}, nil
		}
	}
	repo, tag, digest := splitReference(name)
	if repo == "toolchain" {
		return toolchain(name, tag)
	}
	if isOurs, from, err := base(name, repo, tag, digest); isOurs {
		return from, err
	}
	if advice, ok := nativeBases[repo]; ok {
		return From{}, &BaseError{
			Name:   name,
			Reason: "this image holds native programs, which the sandbox cannot run",
			Advice: "write instead: " + advice,
		}
	}
	return From{Kind: Image, Name: name}, nil
}

// base handles the short names that are ours: a name without a folder or host.
func base(name, repo, tag, digest string) (bool, From, error) {
	if advice, ok := plannedBases[repo]; ok {
		return true, From{}, &BaseError{Name: name, Reason: "this version of wherry has no base " + repo, Advice: advice}
	}
	have, ok := ourBases[repo]
	if !ok {
		return false, From{}, nil
	}
	if digest != "" {
		return true, From{}, &BaseError{
			Name:   name,
			Reason: "short names are our own bases, which have no digests of their own here",
			Advice: fmt.Sprintf("write instead: FROM %s:%s (or the full name, docker.io/library/%s)", repo, have, name),
		}
	}
	if !isAlias(tag, have) {
		return true, From{}, &BaseError{
			Name:   name,
			Reason: fmt.Sprintf("there is one %s that runs in the sandbox, %s:%s", repo, repo, have),
			Advice: fmt.Sprintf("write instead: FROM %s:%s", repo, have),
		}
	}
	return true, From{Kind: Base, Name: repo + ":" + have}, nil
}

// isAlias reports whether a tag means the version that we have: 3, 3.15 and
// 3.15.0 are 3.15, and so is no tag at all.
func isAlias(tag, have string) bool {
	major, _, _ := strings.Cut(have, ".")
	switch tag {
	case "", "latest", have, have + ".0", major:
		return true
	}
	return false
}

// toolchain reads the part after "toolchain:": a language, and for go
// optionally the release it is pinned to (go1.26.8).
func toolchain(name, tag string) (From, error) {
	if toolchains[tag] {
		return From{Kind: Toolchain, Name: tag}, nil
	}
	if version, ok := strings.CutPrefix(tag, "go1."); ok && isRelease(version) {
		return From{Kind: Toolchain, Name: "go", Version: tag}, nil
	}
	if version, ok := strings.CutPrefix(tag, "rust1."); ok && isRelease(version) {
		return From{Kind: Toolchain, Name: "rust", Version: tag}, nil
	}
	return From{}, &BaseError{
		Name: name, Reason: "there is no such toolchain",
		Advice: "write instead: FROM toolchain:go (or toolchain:go1.26.8 to pin a release), FROM toolchain:rust, FROM toolchain:c, FROM toolchain:node",
	}
}

// isRelease reports whether s is digits with at most one dot between them.
func isRelease(s string) bool {
	minor, patch, dotted := strings.Cut(s, ".")
	return isNumber(minor) && (!dotted || isNumber(patch))
}

func isNumber(s string) bool {
	if s == "" || len(s) > 4 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// splitReference cuts a reference into repository, tag and digest. A colon
// before the last slash belongs to a port.
func splitReference(ref string) (repo, tag, digest string) {
	repo, digest, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(repo, ':'); i > strings.LastIndexByte(repo, '/') {
		repo, tag = repo[:i], repo[i+1:]
	}
	return repo, tag, digest
}
