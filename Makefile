# make help lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# Where demo, up and down take their programs from: release (bin/) or debug.
CONFIG ?= release
ifeq ($(CONFIG),release)
PROGRAMS := build
BIN := bin
else ifeq ($(CONFIG),debug)
PROGRAMS := build-debug
BIN := .build/debug
else
$(error CONFIG is '$(CONFIG)'; allowed: release, debug)
endif

NAMES := wvs-api wvs-worker wvs-executor wvs-migrate wvs-sidecar wvsctl demo-agent clone-bench queue-bench
FORMATTED := Package.swift Sources Tests sidecar

.PHONY: images images-juicefs smoke-test screenshots help bootstrap build build-debug model test lint fmt generate demo up down fuzz-api chaos bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

bootstrap: ## Install the Debian packages that are missing
	@scripts/bootstrap.sh

build: bootstrap ## Build the release programs into bin/
	swift build -c release --static-swift-stdlib
	@mkdir -p bin
	@bin_path=$$(swift build -c release --static-swift-stdlib --show-bin-path) && \
		for name in $(NAMES); do strip -o "bin/.$$name" "$$bin_path/$$name" && mv "bin/.$$name" "bin/$$name"; done

build-debug: bootstrap
	swift build

test: ## Build and run all tests
	@scripts/bootstrap.sh --tests
	scripts/test.sh

model: bootstrap ## Prove the models of the quiesce protocol, and that each broken rule is missed
	scripts/model.sh

lint: bootstrap ## Check the format, the scripts and that generated code is current
	swift format lint --strict --recursive $(FORMATTED)
	shellcheck -x scripts/*.sh .ci/run
	scripts/generate.sh --check

fmt: ## Format the Swift code
	swift format --in-place --recursive $(FORMATTED)

generate: bootstrap ## Make anew what is generated: C of executor.proto, embedded openapi.yaml, docs/configuration.md, docs/metrics.md
	scripts/generate.sh
	swift build
	scripts/reference.sh docs

screenshots: $(PROGRAMS) ## Take the pictures of the documents anew: make demo and wvsctl top, as a terminal shows them
	@scripts/bootstrap.sh --screenshots
	@WVS_BIN=$(BIN) scripts/screenshots.sh docs/images

demo: $(PROGRAMS) ## Show one snapshot and one rollback, end to end (CONFIG=debug for debug programs)
	@WVS_BIN=$(BIN) scripts/demo.sh

up: $(PROGRAMS) ## Start a stack that keeps running, and print its addresses
	@WVS_BIN=$(BIN) scripts/stack.sh up

down: ## Stop what `make up` started
	@scripts/stack.sh down

fuzz-api: $(PROGRAMS) ## Fuzz the HTTP API with schemathesis from PyPI (CONFIG=debug for debug programs)
	@WVS_BIN=$(BIN) scripts/fuzz-api.sh

chaos: $(PROGRAMS) ## Strike a whole stack at random, then check every invariant (CHAOS_SECONDS, CHAOS_SEED, CONFIG)
	@WVS_BIN=$(BIN) scripts/chaos.sh

bench: build ## Measure what the project promises, side by side with what it is compared to
	@WVS_BIN=bin scripts/bench.sh

images: build ## Build an image for each program; without a Docker daemon into .build/images
	@scripts/bootstrap.sh --containers
	@scripts/images.sh

images-juicefs: build ## Also those that mount JuiceFS, with the juicefs program that WVS_JUICEFS names
	@scripts/bootstrap.sh --containers
	@scripts/images.sh juicefs

smoke-test: build ## Bring the local compose stack up, try it, kill parts of it, take it down
	@scripts/bootstrap.sh --containers
	@scripts/compose.sh smoke

clean: ## Remove everything that was built
	rm -rf .build bin
