# The project's commands. Each sets up what it needs; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/endpoints-operator
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

# The image is empty, so the binary is static: glibc linked in, built for a named target (proc
# macros are built for the host, which cannot be static).
TARGET := x86_64-unknown-linux-gnu
PROFILE ?= release
VERSION := $(shell sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= endpoints-operator:$(VERSION)
IMAGE_TAR := target/image/$(PROFILE).tar

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: test
test: ## All tests that need no root: unit, data path, API server
	@assets=$$(tests/cluster/tools api) && \
	ENDPOINTS_API_TOOLS="$$assets" cargo test --locked

.PHONY: chart
chart: ## The chart and deploy/ without a cluster: Helm 3 and 4, helm-unittest, kubeconform, kube-score
	tests/chart/run

.PHONY: test-oldest
test-oldest: ## The API server tier on the oldest Kubernetes that is supported
	tests/cluster/versions/run 1.30

.PHONY: test-versions
test-versions: ## The same on each version but the newest (building one takes some minutes, once)
	tests/cluster/versions/run

.PHONY: e2e
e2e: ## Real pods: whole clusters in fresh namespaces (root), or the one of E2E_KUBECONFIG; upgrade, too
	tests/node/run

.PHONY: browser
browser: ## What scripts can read through the proxy, by a real Chromium
	tests/interop/browser/run

.PHONY: oidc
oidc: ## Tokens and keys of a real OpenID provider, found by discovery
	tests/interop/oidc/run

.PHONY: h2spec
h2spec: ## The conformance suite of HTTP/2, against the listener
	tests/interop/h2spec/run

.PHONY: grpc
grpc: ## Google's gRPC client and server for Python, with the proxy between them
	tests/interop/grpc/run

.PHONY: websocket
websocket: ## Autobahn's WebSocket suite through the proxy (Python 2.7)
	tests/interop/autobahn/run

.PHONY: full
full: websocket test-versions fuzz ## What takes long: WebSocket, all Kubernetes versions, fuzz targets for TIME=600 seconds

.PHONY: lint
lint: $(CARGO_DENY) ## Format, clippy, licences and bans
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --test node --test soak -- -D warnings
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml > /dev/null
	$(CARGO_DENY) check --hide-inclusion-graph bans licenses sources

$(CARGO_DENY):
	cargo install --locked --quiet --no-default-features --version $(CARGO_DENY_VERSION) \
	  --root $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny

.PHONY: generate
generate: ## Write what is generated: crds/, the chart's copy of it, deploy/, the chart's README
	UPDATE_GENERATED=1 cargo test --locked --test generated
	UPDATE_GENERATED=1 tests/chart/run

.PHONY: binary
binary: ## A static binary: target/x86_64-unknown-linux-gnu/$(PROFILE)/endpoints
	RUSTFLAGS="-C target-feature=+crt-static" AWS_LC_SYS_NO_JITTER_ENTROPY=1 \
	  cargo build --locked --profile $(PROFILE) --target $(TARGET) --bin endpoints

.PHONY: image
image: ## The Dockerfile's image as a tar that containerd and docker load: target/image/$(PROFILE).tar
	tests/image/build $(PROFILE) $(IMAGE) $(IMAGE_TAR)

.PHONY: soak
soak: ## Mixed load over the real sidecar for TIME=600 seconds: nothing wrong, nothing grows
	SOAK_SECONDS=$(TIME) cargo test --locked --release --test soak -- --nocapture

.PHONY: instructions
instructions: ## Instructions a request, by callgrind, against the committed ones
	benches/instructions/run

.PHONY: bench
bench: instructions ## Envoy, nginx and ours in turn, into docs/performance.md; instructions, lookups, compiling
	cargo bench --locked --profile quick-release --bench route --bench compile --bench admission
	benches/compare/run

.PHONY: bench-push
bench-push: ## What pushing policies costs, with 1,000 and 5,000 sidecars, into docs/performance.md
	benches/push/run

# libFuzzer, with the pinned compiler: LLVM's coverage is switched on by stable options, and the
# package of fuzz/ is of the form that `cargo fuzz` knows, for those who have it and a nightly.
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
FUZZ_FLAGS := --cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
  -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
  -C llvm-args=-sanitizer-coverage-trace-compares
TIME ?= 600

.PHONY: fuzz
fuzz: ## Each fuzz target for TIME=600 seconds, or only those of FUZZ="path token" (docs/contributing.md)
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --locked --release --manifest-path fuzz/Cargo.toml \
	  --target $(TARGET)
	fuzz/run $(TIME) $(or $(FUZZ),$(FUZZ_TARGETS))
