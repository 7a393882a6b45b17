# Podflame. "make" lists the targets. Each installs what it needs and this
# machine lacks, pinned by version and checksum, below $(PODFLAME_CACHE).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PODFLAME_CACHE ?= $(HOME)/.cache/podflame
export PODFLAME_CACHE
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD := build
GO_BUILD := CGO_ENABLED=0 go build -ldflags "-s -w -X main.version=$(VERSION)"
DEMO_LISTEN ?= 127.0.0.1:8080
DEMO_PID ?= 0
BENCH ?= .

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup build ## Run Podflame on this host with a Java service to look at (DEMO_PID=… for a JVM of yours).
	@exec $(BUILD)/demo --build $(BUILD) --listen $(DEMO_LISTEN) --pid $(DEMO_PID)

.PHONY: test
test: setup setup-compiler setup-cluster build ## Run all tests: unit, property, golden, end to end, cluster, browser.
	cd frontend && npm test
	go test -race -timeout 20m $$(go list ./... | grep -v /tests/)
	CGO_ENABLED=0 go test -p 1 -timeout 30m ./tests/...

.PHONY: build
build: frontend-build ## Build the programs into build/.
	$(GO_BUILD) -o $(BUILD)/ ./webhook ./sidecar ./backend ./tests/demo

.PHONY: frontend-build
frontend-build: setup-frontend
	cd frontend && npm run --silent build
	rm -rf backend/internal/web/dist/assets
	cp -r frontend/dist/. backend/internal/web/dist/

.PHONY: lint
lint: setup-lint setup-frontend frontend-build ## Check formatting, style and the arrows between packages.
	@test -z "$$(gofmt -l backend certs sidecar tests webhook)" || { gofmt -l backend certs sidecar tests webhook; echo "lint: run gofmt -w on these files"; exit 1; }
	$(PODFLAME_CACHE)/bin/golangci-lint run
	cd frontend && npm run --silent lint

.PHONY: bench
bench: setup build ## Measure ratios against peers and limits; states the machine. BENCH=regexp chooses.
	@echo "machine: $$(uname -srm), $$(nproc) cores, $$(awk '/MemTotal/ {printf "%.0f GiB", $$2/1048576}' /proc/meminfo), $$(awk -F': ' '/model name/ {print $$2; exit}' /proc/cpuinfo), $$(go version | cut -d' ' -f3)"
	CGO_ENABLED=0 go test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./backend/... ./sidecar/... ./webhook/...
	cd frontend && npm run --silent bench

.PHONY: bench-cluster
bench-cluster: setup-cluster build ## Measure admission through a real API server.
	CGO_ENABLED=0 go test -run '^$$' -bench '$(BENCH)' -timeout 60m ./tests/cluster/...

.PHONY: generate
generate: setup-frontend ## Generate what is generated: the front end's types from the HTTP contract.
	cd frontend && npm run --silent generate

.PHONY: golden
golden: ## Write the golden files anew; look at the difference before you commit it.
	go test ./backend/... ./sidecar/... ./webhook/... ./tests/contract/... -update

.PHONY: images
images: build ## Build the root filesystems of the three images without Docker into build/images.
	manifests/images/rootfs.sh $(BUILD)/images

.PHONY: setup setup-frontend setup-compiler setup-lint setup-cluster
setup: ## Fetch what this machine lacks: JDK, profiler library, ClickHouse, browser, front-end packages.
	@tests/setup/setup.sh java profiler clickhouse browser frontend
setup-frontend:
	@tests/setup/setup.sh frontend
setup-compiler:
	@tests/setup/setup.sh compiler
setup-lint:
	@tests/setup/setup.sh lint
setup-cluster: ## Build a Kubernetes control plane for the cluster tests (minutes, once).
	@tests/cluster/setup.sh

.PHONY: clean
clean: ## Remove what was built; the cache stays.
	rm -rf $(BUILD) frontend/dist frontend/node_modules
	git clean -qfdX backend/internal/web/dist
