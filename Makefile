# Everything below needs Python 3.11 or newer with its venv module; the rest is installed into .venv from hashed locks.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CLIENTS := .clients
CLIENT_PIP := $(CLIENTS)/python/bin/python -m pip --disable-pip-version-check --quiet
JS := tests/clients/js
RELEASES := requirements/clients/releases.txt
OLDEST := 0.40.0
PEERS := .peers
PEER_PIP := bin/python -m pip --disable-pip-version-check --quiet install --require-hashes
PEER_LOCKS := $(wildcard requirements/peers/*.lock)
GPUENV := .gpuenv
GPU_PYTHON ?= $(if $(wildcard $(GPUENV)/bin/python),$(GPUENV)/bin/python,python3)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
PYTEST = $(BIN)/python -m pytest -q -m "not soak and not gpu"
PROCESSES := tests/unit/sandbox tests/unit/engines tests/unit/datasets
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-clients serve test test-unit part-live part-wire part-processes part-units soak lint bench bench-kept peers lock clean gpu-names gpu-probe \
	gpu-trace gpu-bundle test-gpu bench-gpu

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed-base ## what the server needs, into .venv

install-dev: $(VENV)/.installed-dev $(CLIENTS)/s3/.installed ## that, and what tests and checks need

install-clients: $(CLIENTS)/pygraphistry/$(OLDEST)/.installed $(JS)/node_modules/.installed ## clients that tests drive: an old PyGraphistry, graphistry-js

serve: install ## a server on this machine, in the foreground (GRAPHSIDE_PORT, GRAPHSIDE_HOST, GRAPHSIDE_DATA)
	@exec $(BIN)/python -m deployments.launch

test: install-dev install-clients ## all tests that take minutes, two parts at a time; what CI runs
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target part-live part-wire part-processes part-units

test-unit: install-dev ## the tests that start no server
	$(PYTEST) tests/unit

# Of about the same length, longest first; each has its own temporary folders and ports.
part-live:
	$(PYTEST) tests --ignore tests/unit --ignore tests/wire

part-wire:
	$(PYTEST) tests/wire

part-processes:
	$(PYTEST) $(PROCESSES)

part-units:
	$(PYTEST) tests/unit $(addprefix --ignore ,$(PROCESSES))

soak: install-dev install-clients $(CLIENTS)/.installed-releases ## the tests that take longer, the attacks in every mode
	$(BIN)/python -m pytest -q -m "soak or attack"

lint: install-dev ## style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: install-dev ## what calls cost, beside what, and the targets: some minutes
	$(BIN)/python -m bench

bench-kept: install-dev ## the same for docs/benchmarks.md, which is written anew: an hour of an idle machine
	$(BIN)/python -m bench --long --keep all
	$(BIN)/python -m bench.page

peers: $(patsubst requirements/peers/%.lock,$(PEERS)/%/.installed,$(PEER_LOCKS)) ## what benchmarks compare with, each in an environment of its own (3 GB)
	@command -v bwrap >/dev/null || echo "graphside: no bwrap here, so bubblewrap is not measured; on Debian: apt install bubblewrap" >&2
	@command -v java >/dev/null || echo "graphside: no java here, so Spark is not measured; on Debian: apt install default-jre-headless" >&2

# On a machine without network there is no .gpuenv: what was carried there is on the path of its own python3 (docs/gpu.md).
gpu-names: $(GPUENV)/.installed ## whether all that is used of cuDF is in its pinned wheels; needs no GPU (2 GB of download)
	$(GPUENV)/bin/python tools/gpu/names.py

gpu-probe: ## what a GPU answers to the questions that the engine depends on, as JSON
	$(GPU_PYTHON) tools/gpu/probe.py

gpu-trace: ## device files and system calls of CUDA beyond those that seats may make, as JSON
	$(GPU_PYTHON) tools/gpu/trace.py

gpu-bundle: ## archives for a machine with a GPU and without network, into .gpu1 and .gpu2 (1 GB of download)
	tools/gpu/bundle/bundle.sh
	tools/gpu/bundle/raybundle.sh

test-gpu: ## the tests that need a GPU
	$(GPU_PYTHON) -m pytest -q -m gpu tests/gpu

bench-gpu: ## what the GPU engine costs, beside the pandas engine, as JSON
	$(GPU_PYTHON) -m bench.gpu

# The package index that uv uses is this machine's own business: no host names get into the locks.
lock: ## new locks from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH" >&2; exit 1; }
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/base.lock
	$(COMPILE) -c requirements/base.lock --extra dev --extra postgres pyproject.toml requirements/build.in -o requirements/dev.lock
	$(COMPILE) -c requirements/base.lock --extra gpu pyproject.toml requirements/build.in -o requirements/gpu.lock
	$(COMPILE) requirements/clients/pygraphistry.in -o requirements/clients/pygraphistry.lock
	$(COMPILE) requirements/clients/s3.in -o requirements/clients/s3.lock
	for lock in $(PEER_LOCKS); do $(COMPILE) $${lock%.lock}.in -o $$lock || exit 1; done

clean: ## what was installed or built; data stays
	rm -rf $(VENV) $(CLIENTS) $(PEERS) $(GPUENV) .gpu1 .gpu2 .gpusite $(JS)/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-base: requirements/base.lock pyproject.toml | $(BIN)/python
	@echo "installing the server (some 800 MB on disk, a few minutes) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/base.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.lock $(VENV)/.installed-base
	@echo "installing what tests and checks need ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.lock
	@touch $@

$(GPUENV)/.installed: requirements/gpu.lock requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "installing cuDF and all that it needs (some 4 GB on disk) ..."
	@$(BIN)/python -m venv --clear $(GPUENV)
	@$(GPUENV)/$(PEER_PIP) --only-binary :all: -r requirements/gpu.lock -r requirements/dev.lock
	@$(GPUENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

# A server of tests, in an environment of its own: its libraries and ours want different versions of some others.
$(CLIENTS)/s3/.installed: requirements/clients/s3.lock | $(BIN)/python
	@$(BIN)/python -m venv --clear $(CLIENTS)/s3
	@$(CLIENTS)/s3/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $<
	@touch $@

# Releases of PyGraphistry share one environment with libraries of their day; each lies in a folder of its own beside it.
$(CLIENTS)/python/.installed: requirements/clients/pygraphistry.lock | $(BIN)/python
	@echo "installing what other releases of PyGraphistry run with (some 500 MB on disk) ..."
	@$(BIN)/python -m venv --clear $(CLIENTS)/python
	@$(CLIENT_PIP) install --require-hashes --only-binary :all: -r requirements/clients/pygraphistry.lock
	@touch $@

$(CLIENTS)/pygraphistry/%/.installed: $(RELEASES) | $(CLIENTS)/python/.installed
	@mkdir -p $(@D)
	@grep '^graphistry==$* ' $(RELEASES) > $(@D)/requirements.txt
	@$(CLIENT_PIP) install --require-hashes --only-binary :all: --no-deps --upgrade --target $(@D) -r $(@D)/requirements.txt
	@touch $@

$(CLIENTS)/.installed-releases: $(patsubst %,$(CLIENTS)/pygraphistry/%/.installed,$(shell sed -n 's/^graphistry==\([^ ]*\) .*/\1/p' $(RELEASES)))
	@touch $@

$(JS)/node_modules/.installed: $(JS)/package.json $(JS)/package-lock.json
	@if command -v npm >/dev/null; then \
	  npm ci --prefix $(JS) --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else \
	  echo "graphside: no npm here, so graphistry-js is not installed; on Debian: apt install nodejs npm" >&2; \
	  test "$$CI" != true; \
	fi

# One that cannot be had here keeps no other from being installed: its log says why, and benchmarks leave it out.
$(PEERS)/%/.installed: requirements/peers/%.lock | $(BIN)/python
	@echo "installing $* ..."
	@$(BIN)/python -m venv --clear $(@D)
	@{ $(@D)/$(PEER_PIP) --only-binary :all: -r $< && \
	  if [ -f $(<:.lock=.source.txt) ]; then \
	    $(@D)/$(PEER_PIP) --no-deps --no-build-isolation --no-binary :all: -r $(<:.lock=.source.txt); \
	  fi; } >$(PEERS)/$*.log 2>&1 && touch $@ \
	  || { echo "graphside: $* is not installed:" >&2; tail -n 3 $(PEERS)/$*.log >&2; }

# Debian names its newer interpreters; the default python3 of an older system may not do.
$(BIN)/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || { lacking=$$python; continue; }; \
	  echo "making $(VENV) with $$($$python --version)"; \
	  exec $$python -m venv $(VENV); \
	done; \
	if [ -n "$$lacking" ]; then \
	  echo "graphside: $$lacking has no venv module; on Debian: apt install python3-venv" >&2; \
	else \
	  echo "graphside: Python 3.11 or newer is needed, and none is on the PATH" >&2; \
	fi; exit 1
