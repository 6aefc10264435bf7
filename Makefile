# Everything below needs Python 3.11 or newer with its venv module; the rest is installed into .venv from hashed locks.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev serve test test-unit soak lint bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed-base ## what the server needs, into .venv

install-dev: $(VENV)/.installed-dev ## that, and what tests and checks need

serve: install ## a server on this machine, in the foreground (GRAPHSIDE_PORT, GRAPHSIDE_HOST, GRAPHSIDE_DATA)
	@exec $(BIN)/python -m deployments.launch

test: install-dev ## all tests that take minutes; what CI runs
	$(BIN)/python -m pytest -q -m "not soak and not gpu"

test-unit: install-dev ## the tests that start no server
	$(BIN)/python -m pytest -q tests/unit

soak: install-dev ## the tests that take longer, the attacks in every mode
	$(BIN)/python -m pytest -q -m "soak or attack"

lint: install-dev ## style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: install-dev ## latency of a warm call beside a no-op app
	$(BIN)/python -m bench

# The package index that uv uses is this machine's own business: no host names get into the locks.
lock: ## new locks from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH" >&2; exit 1; }
	$(COMPILE) pyproject.toml requirements/build.in -o requirements/base.lock
	$(COMPILE) -c requirements/base.lock --extra dev --extra postgres pyproject.toml requirements/build.in -o requirements/dev.lock
	$(COMPILE) -c requirements/base.lock --extra gpu pyproject.toml requirements/build.in -o requirements/gpu.lock

clean: ## what was installed or built; data stays
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
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
