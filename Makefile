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
UI := backend/internal/web/dist
GO_BUILD := CGO_ENABLED=0 go build -ldflags "-s -w -X main.version=$(VERSION)"
DEMO_LISTEN ?= 127.0.0.1:8080
DEMO_PID ?= 0
BENCH ?= .
LOAD ?= .
LOAD_FLAGS ?=
IMAGE_PREFIX ?= ghcr.io/podflame/
TORTURE ?= 10m
SEED ?= 0
IMAGE_TAG ?= 0.1.0
ACCEPTANCE ?= all
ACCEPTANCE_CLAIMS ?=
ACCEPTANCE_FLAGS ?=
# The report of a whole run on a node of ours is the repository's.
ACCEPTANCE_REPORT ?= $(if $(KUBECONFIG)$(ACCEPTANCE_CLAIMS),,$(if $(filter all,$(ACCEPTANCE)),$(CURDIR)/tests/cluster/report))

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup build ## Run Podflame on this host with a Java service to look at (DEMO_PID=… for a JVM of yours).
	@exec $(BUILD)/demo --build $(BUILD) --listen $(DEMO_LISTEN) --pid $(DEMO_PID)

.PHONY: test
test: setup setup-tests setup-cluster build ## Run all tests: unit, property, golden, end to end, cluster, browser.
	cd frontend && npm test
	go test -race -timeout 20m $$(go list ./... | grep -v /tests/)
	CGO_ENABLED=0 go test -p 1 -timeout 30m ./tests/...

.PHONY: torture
torture: setup setup-tests ## Do to JVM and sidecar what a cluster does, on each JDK; TORTURE=10m for each stress, SEED=… to repeat.
	go test -count=1 -timeout 3h -v ./sidecar/internal/torture -torture.duration=$(TORTURE) -torture.seed=$(SEED)

.PHONY: build
build: frontend-build ## Build the programs into build/.
	$(GO_BUILD) -o $(BUILD)/ ./webhook ./sidecar ./backend ./backend/cmd/podflame ./tests/demo

.PHONY: frontend-build
frontend-build: setup-frontend $(UI)/index.html

# Built anew when a file of it has changed.
$(UI)/index.html: $(shell find frontend/src frontend/public -type f) $(wildcard frontend/*.html frontend/*.json frontend/*.ts)
	cd frontend && npm run --silent build
	rm -rf $(UI)/assets
	cp -r frontend/dist/. $(UI)/

.PHONY: lint
lint: setup-lint setup-frontend frontend-build ## Check formatting, style and the arrows between packages.
	@test -z "$$(gofmt -l backend certs manifests reason sidecar tests webhook)" || { gofmt -l backend certs manifests reason sidecar tests webhook; echo "lint: run gofmt -w on these files"; exit 1; }
	"$(PODFLAME_CACHE)/bin/golangci-lint" run
	"$(PODFLAME_CACHE)/bin/actionlint" -shellcheck= -pyflakes=
	cd frontend && npm run --silent lint
	tests/setup/vulnerabilities.sh

.PHONY: bench
bench: setup setup-tests build ## Measure ratios against peers and limits; states the machine. BENCH=regexp chooses.
	@echo "machine: $$(uname -srm), $$(nproc) cores, $$(awk '/MemTotal/ {printf "%.0f GiB", $$2/1048576}' /proc/meminfo), $$(awk -F': ' '/model name/ {print $$2; exit}' /proc/cpuinfo), $$(go version | cut -d' ' -f3)"
	CGO_ENABLED=0 go test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./backend/... ./sidecar/... ./webhook/...
	cd frontend && npm run --silent bench

.PHONY: load
load: setup build ## Measure what a backend bears: throughput, bursts, thousands of pods, an outage, a freeze, idle connections, hostile uploads, a soak. LOAD=regexp chooses, LOAD_FLAGS=-load.steady=… sizes.
	go test -count=1 -timeout 3h -v -run '$(LOAD)' ./sidecar/internal/load -load.backend="$(CURDIR)/$(BUILD)/backend" $(LOAD_FLAGS)

.PHONY: bench-cluster
bench-cluster: setup-cluster build ## Measure admission through a real API server.
	CGO_ENABLED=0 go test -run '^$$' -bench '$(BENCH)' -timeout 60m ./tests/cluster/...

.PHONY: generate
generate: setup-frontend ## Generate what is generated: the front end's types from the HTTP contract.
	cd frontend && npm run --silent generate

.PHONY: golden
golden: ## Write the golden files anew; look at the difference before you commit it.
	go test ./backend/... ./sidecar/... ./webhook/... ./tests ./tests/contract/... ./tests/chart/... -update

.PHONY: images
images: setup sbom ## Make the three container images, without Docker, as one archive: build/images.tar.
	@. tests/setup/pins.sh; go run ./manifests/images --programs $(BUILD) --notices $(BUILD)/sbom --tag $(IMAGE_TAG) --output $(BUILD)/images.tar \
		--asprof $$ASPROF_VERSION --clickhouse $$CHDB_VERSION

.PHONY: push-images
push-images: setup sbom ## Push the images of both architectures to IMAGE_PREFIX, on BASE_STATIC and BASE_LIBC (a release does it).
	@. tests/setup/pins.sh; for arch in amd64 arm64; do \
		GOARCH=$$arch $(GO_BUILD) -trimpath -o $(BUILD)/linux-$$arch/ ./webhook ./sidecar ./backend; \
		go run ./manifests/sbom --programs $(BUILD)/linux-$$arch --output $(BUILD)/linux-$$arch/sbom --version $(VERSION) \
			--asprof $$ASPROF_VERSION --clickhouse $$CHDB_VERSION && \
		go run ./manifests/images --push --prefix $(IMAGE_PREFIX) --tag $(IMAGE_TAG) --arch $$arch --programs $(BUILD)/linux-$$arch --notices $(BUILD)/linux-$$arch/sbom \
			--asprof $$ASPROF_VERSION --clickhouse $$CHDB_VERSION --base-static "$$BASE_STATIC" --base-libc "$$BASE_LIBC"; \
	done
	go run ./manifests/images --index --prefix $(IMAGE_PREFIX) --tag $(IMAGE_TAG) >$(BUILD)/digests.txt

.PHONY: acceptance
acceptance: setup setup-tests setup-cluster images ## Install, run and injure Podflame on a real node (root), or with KUBECONFIG=… what is harmless there.
	ACCEPTANCE=$(ACCEPTANCE) ACCEPTANCE_CLAIMS='$(ACCEPTANCE_CLAIMS)' ACCEPTANCE_REPORT="$(ACCEPTANCE_REPORT)" CGO_ENABLED=0 \
		go test -count=1 -timeout 120m -run '^TestAcceptance$$' -v ./tests/cluster/acceptance $(ACCEPTANCE_FLAGS) | grep --line-buffered -v '^=== '

.PHONY: workload-images
workload-images: setup setup-tests setup-cluster ## Write the images of acceptance's workloads to build/workload-images, for a cluster of yours.
	@go run ./tests/cluster/images/write --output $(BUILD)/workload-images

.PHONY: sbom
sbom: build ## Write a bill of materials and the licences for each image into build/sbom.
	@mkdir -p $(BUILD)/sbom; $(BUILD)/backend --log-level=warn licences >$(BUILD)/sbom/clickhouse.txt
	@. tests/setup/pins.sh; go run ./manifests/sbom --programs $(BUILD) --output $(BUILD)/sbom --version $(VERSION) \
		--asprof $$ASPROF_VERSION --clickhouse $$CHDB_VERSION

.PHONY: cluster
cluster: setup setup-tests setup-cluster images ## Run a one-node Kubernetes on this host with the images in it, until Ctrl-C (root).
	@go run ./tests/cluster/up --build $(BUILD)

.PHONY: setup setup-frontend setup-tests setup-lint setup-cluster
setup: ## Fetch what this machine lacks: JDK, profiler library, ClickHouse, front-end packages.
	@tests/setup/setup.sh java profiler clickhouse frontend
setup-frontend:
	@tests/setup/setup.sh frontend
setup-tests: ## Fetch what only tests need: C compiler, Java runtimes, a browser.
	@tests/setup/setup.sh compiler runtimes uwsgi browser
setup-lint:
	@tests/setup/setup.sh lint
setup-cluster: ## Build Kubernetes for the cluster tests (minutes, once); as root, install what runs containers.
	@tests/cluster/setup.sh

.PHONY: clean
clean: ## Remove what was built; the cache stays.
	rm -rf $(BUILD) frontend/dist frontend/node_modules
	git clean -qfdX $(UI)
