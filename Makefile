# Every target works on a fresh machine with Go, git, make and, for `test`,
# Debian's package client: what is missing is installed by test/setup.
SHELL := /bin/bash
export CGO_ENABLED ?= 0
GO ?= go
TARGETS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
FUZZTIME ?= 5s

.PHONY: build test setup vet unit race fuzz cross scripts interop portability conformance onnx bench dist clean

build: ## the binary and its companion for native ONNX Runtime, in bin/
	$(GO) build -trimpath -ldflags '-s -w' -o bin/ ./cmd/wherry ./cmd/wherry-native

test: setup ## everything CI checks
	@test/run

setup:
	@test/setup

vet: ## static checks for every OS
	@test/vet

unit:
	$(GO) test -ldflags "$$(test/stamp)" ./...

race: ## packages that start goroutines
	@test/race

fuzz: ## every fuzz target for FUZZTIME
	@test/fuzz $(FUZZTIME)

cross: ## all six targets build
	@test/cross $(TARGETS)

scripts: ## what users type; WHERRY_TEST_PYTHON=1 for Python's, too
	$(GO) test ./test/scripts

interop: ## other people's clients and registries
	$(GO) test ./test/interop

portability: ## the Windows binary under Wine, the arm64 one under qemu
	$(GO) test -tags portability -count=1 -timeout 40m -v ./test/portability

conformance: ## public suites from outside the repository: WASI_TESTSUITE=checkout DISTRIBUTION_SPEC=checkout
	$(if $(WASI_TESTSUITE)$(if $(DISTRIBUTION_SPEC),,x),$(GO) run ./test/conformance $(WASI_TESTSUITE))
	$(if $(DISTRIBUTION_SPEC),@test/distribution $(DISTRIBUTION_SPEC))

onnx: ## the whole ONNX backend suite, any order, exports of today's tools, beside native ONNX Runtime
	WHERRY_TEST_ONNX=long $(GO) test -count=1 -timeout 60m -v ./test/onnx/... ./model/onnx -run 'TestSuite|TestNative|TestNewer|TestExports|TestOperators|TestOrder'

bench: ## side by side with peers, as ratios
	$(GO) test -run '^$$' -bench . ./test/bench/...

dist: ## archives for six targets and a wheel, in dist/
	$(GO) run ./test/dist -o dist

clean:
	rm -rf bin dist
