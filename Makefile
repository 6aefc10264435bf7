# Needs Python 3.11 or newer with its venv module. Everything else is installed into .venv from locks with hashes.
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
NO_PACKAGES := { echo "graphside: pip did not install the packages. If it found 'No matching distribution', the package index cannot be \
reached from here, or has no wheel for this Python and machine. Set PIP_INDEX_URL to an index that can be reached (and PIP_CERT or HTTPS_PROXY, if \
this network needs them), then run the same command again." >&2; exit 1; }
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
PYTEST = $(BIN)/python -m pytest -q -m "not soak and not gpu"
PARTS := part-live part-wire part-processes part-units
PARTS_FOLDER := .test-parts
run_part = @echo $@; mkdir -p $(PARTS_FOLDER)/$@; $(PYTEST) -o cache_dir=$(PARTS_FOLDER)/$@ $(1); status=$$?; \
  echo $$status >$(PARTS_FOLDER)/$@/status; exit $$status
PROCESSES := tests/unit/sandbox tests/unit/engines tests/unit/datasets
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-clients serve test test-unit $(PARTS) \
	soak lint bench bench-kept peers test-peers lock clean gpu-names gpu-probe gpu-trace gpu-bundle test-gpu bench-gpu

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed-base ## install what the server needs into .venv

install-dev: $(VENV)/.installed-dev $(CLIENTS)/s3/.installed ## install what tests and checks need, too

install-clients: $(CLIENTS)/pygraphistry/$(OLDEST)/.installed $(JS)/node_modules/.installed ## install the clients that tests drive: an old PyGraphistry, graphistry-js

serve: install ## run a server on this machine, in the foreground (GRAPHSIDE_PORT, GRAPHSIDE_HOST, GRAPHSIDE_DATA)
	@exec $(BIN)/python -m deployments.launch

test: install-dev install-clients ## run the tests that CI runs, two of four parts at a time; what failed is tried once more, alone
	@rm -rf $(PARTS_FOLDER)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 --output-sync=target $(PARTS) || \
	  $(BIN)/python -m tools.second_try $(PARTS_FOLDER) $(PARTS)

test-unit: install-dev ## run the tests that start no server
	$(PYTEST) tests/unit

# The longest come first. Tests of one server are in one part.
part-live:
	$(call run_part,tests --ignore tests/unit --ignore tests/wire --ignore tests/clients)

part-wire:
	$(call run_part,tests/wire tests/clients)

part-processes:
	$(call run_part,$(PROCESSES))

part-units:
	$(call run_part,tests/unit $(addprefix --ignore ,$(PROCESSES)))

soak: install-dev install-clients $(CLIENTS)/.installed-releases ## run the tests that take longer, and the attacks in every mode
	$(BIN)/python -m pytest -q -m "soak or attack"

lint: install-dev ## check style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: install-dev ## measure what calls cost beside other ways, and compare with the targets (some minutes)
	$(BIN)/python -m bench

bench-kept: install-dev ## measure at length and write docs/benchmarks.md (an hour of an idle machine)
	$(BIN)/python -m bench --long --keep all
	$(BIN)/python -m bench.page

peers: $(patsubst requirements/peers/%.lock,$(PEERS)/%/.installed,$(PEER_LOCKS)) ## install what the benchmarks compare with, each in its own environment (3 GB)
	@command -v bwrap >/dev/null || echo "graphside: bwrap is not installed, so bubblewrap is not measured; on Debian: apt install bubblewrap" >&2
	@command -v java >/dev/null || echo "graphside: java is not installed, so Spark is not measured; on Debian: apt install default-jre-headless" >&2

test-peers: install-dev ## run the tests of that comparison, which `make test` leaves out
	$(BIN)/python -m pytest -q bench/peers/tests

# A machine without network has no .gpuenv. There python3 finds the packages that were carried to it (docs/gpu.md).
gpu-names: $(GPUENV)/.installed ## check that the pinned cuDF has every name that we use; needs no GPU (downloads 2 GB)
	$(GPUENV)/bin/python tools/gpu/names.py

gpu-probe: ## ask a GPU the questions that the engine depends on; prints JSON
	$(GPU_PYTHON) tools/gpu/probe.py

gpu-trace: ## list the device files and system calls that CUDA needs beyond the allowed ones; prints JSON
	$(GPU_PYTHON) tools/gpu/trace.py

gpu-bundle: ## pack archives for a GPU machine without network into .gpu1 and .gpu2 (downloads 1 GB)
	tools/gpu/bundle/bundle.sh
	tools/gpu/bundle/raybundle.sh

test-gpu: ## run the tests that need a GPU
	$(GPU_PYTHON) -m pytest -q -m gpu tests/gpu

bench-gpu: ## measure the GPU engine beside the pandas engine; prints JSON
	$(GPU_PYTHON) -m bench.gpu

# The locks name no package index, so that uv may use whichever one this machine has.
lock: ## write new locks from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH" >&2; exit 1; }
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/base.lock
	$(COMPILE) -c requirements/base.lock --extra dev --extra postgres pyproject.toml requirements/build.in -o requirements/dev.lock
	$(COMPILE) -c requirements/base.lock --extra gpu pyproject.toml requirements/build.in -o requirements/gpu.lock
	$(COMPILE) requirements/clients/pygraphistry.in -o requirements/clients/pygraphistry.lock
	$(COMPILE) requirements/clients/s3.in -o requirements/clients/s3.lock
	for lock in $(PEER_LOCKS); do $(COMPILE) $${lock%.lock}.in -o $$lock || exit 1; done

clean: ## delete what was installed or built; keep data
	rm -rf $(VENV) $(CLIENTS) $(PEERS) $(GPUENV) .gpu1 .gpu2 .gpusite $(JS)/node_modules build *.egg-info .mypy_cache .ruff_cache .pytest_cache $(PARTS_FOLDER)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-base: requirements/base.lock pyproject.toml | $(BIN)/python
	@echo "installing the server (about 800 MB on disk, a few minutes) ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/base.lock || $(NO_PACKAGES)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements/dev.lock $(VENV)/.installed-base
	@echo "installing what tests and checks need ..."
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.lock || $(NO_PACKAGES)
	@touch $@

$(GPUENV)/.installed: requirements/gpu.lock requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "installing cuDF and what it needs (about 4 GB on disk) ..."
	@$(BIN)/python -m venv --clear $(GPUENV)
	@$(GPUENV)/$(PEER_PIP) --only-binary :all: -r requirements/gpu.lock -r requirements/dev.lock
	@$(GPUENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

# The S3 server of the tests has its own environment, because its libraries and ours need different versions.
$(CLIENTS)/s3/.installed: requirements/clients/s3.lock | $(BIN)/python
	@$(BIN)/python -m venv --clear $(CLIENTS)/s3
	@$(CLIENTS)/s3/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $< || $(NO_PACKAGES)
	@touch $@

# All releases of PyGraphistry share one environment of older libraries; each lies in a folder of its own.
$(CLIENTS)/python/.installed: requirements/clients/pygraphistry.lock | $(BIN)/python
	@echo "installing the libraries of other PyGraphistry releases (about 500 MB on disk) ..."
	@$(BIN)/python -m venv --clear $(CLIENTS)/python
	@$(CLIENT_PIP) install --require-hashes --only-binary :all: -r requirements/clients/pygraphistry.lock || $(NO_PACKAGES)
	@touch $@

$(CLIENTS)/pygraphistry/%/.installed: $(RELEASES) | $(CLIENTS)/python/.installed
	@mkdir -p $(@D)
	@grep '^graphistry==$* ' $(RELEASES) > $(@D)/requirements.txt
	@$(CLIENT_PIP) install --require-hashes --only-binary :all: --no-deps --upgrade --target $(@D) -r $(@D)/requirements.txt || $(NO_PACKAGES)
	@touch $@

$(CLIENTS)/.installed-releases: $(patsubst %,$(CLIENTS)/pygraphistry/%/.installed,$(shell sed -n 's/^graphistry==\([^ ]*\) .*/\1/p' $(RELEASES)))
	@touch $@

$(JS)/node_modules/.installed: $(JS)/package.json $(JS)/package-lock.json
	@if command -v npm >/dev/null; then \
	  npm ci --prefix $(JS) --ignore-scripts --no-audit --no-fund --silent && touch $@; \
	else \
	  echo "graphside: npm is not installed, so graphistry-js is not either; on Debian: apt install nodejs npm" >&2; \
	  test "$$CI" != true; \
	fi

# If one cannot be installed here, the others still are. Its log says why, and the benchmarks leave it out.
$(PEERS)/%/.installed: requirements/peers/%.lock | $(BIN)/python
	@echo "installing $* ..."
	@$(BIN)/python -m venv --clear $(@D)
	@{ $(@D)/$(PEER_PIP) --only-binary :all: -r $< && \
	  if [ -f $(<:.lock=.source.txt) ]; then \
	    $(@D)/$(PEER_PIP) --no-deps --no-build-isolation --no-binary :all: -r $(<:.lock=.source.txt); \
	  fi; } >$(PEERS)/$*.log 2>&1 && touch $@ \
	  || { echo "graphside: $* is not installed:" >&2; tail -n 3 $(PEERS)/$*.log >&2; }

# The default python3 may be too old, so also try the names that Debian gives to newer interpreters.
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
	  echo "graphside: Python 3.11 or newer is needed, but none is on the PATH" >&2; \
	fi; exit 1
