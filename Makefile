# Every chore of the repository. Each target does the set-up that it needs; `make` lists them.
#
# Needed beforehand: a Rust toolchain with a C linker, Python 3.11 and Node. Everything else comes
# from the package registries into ./.venv, ./.cache and ./target.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
CARGO ?= cargo
BINARY := target/debug/lambdalab
RUNTIME := python3.11

# One folder of installed runtime interface clients for tests, demo and bench.
export LAMBDALAB_RUNTIMES := $(CURDIR)/.cache/runtimes
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := 1

# On a CI machine nothing is incremental, and the lock file is the truth.
ifdef CI
export CARGO_INCREMENTAL := 0
LOCKED := --locked
endif

.PHONY: help setup test demo bench fmt lint drift unit build runtimes every-runtime e2e toolchain

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: toolchain $(VENV)/.ready every-runtime ## Prepare everything that the other targets need

test: lint drift unit e2e ## Formatting, clippy, generated code, unit tests, end-to-end tests

demo: runtimes ## The main job: 180 parallel invocations, and are their answers equal?
	@$(BINARY) demo

bench: $(VENV)/.ready .cache/ministack/.ready runtimes ## Measure, side by side with ministack
	@$(CARGO) build $(LOCKED) --release -p lambdalab -p lambdalab-bench-load -p lambdalab-test-function
	@$(PY) bench/run.py
	@$(CARGO) bench $(LOCKED) -p lambdalab-store --bench group_commit
	@$(CARGO) bench $(LOCKED) -p lambdalab-sandbox --bench start
	@$(CARGO) bench $(LOCKED) -p lambdalab-asl --bench data
	@$(CARGO) bench $(LOCKED) -p lambdalab-asl --bench machine

fmt: toolchain ## Format the Rust code
	@$(CARGO) fmt --all

lint: toolchain
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings

# Licences are also held by a test of xtask, so that they are checked where cargo-deny is not.
drift: toolchain $(VENV)/.ready
	$(CARGO) xtask codegen --check --botocore "$$($(PY) -c 'import botocore, os; print(os.path.dirname(botocore.__file__))')"
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  $(CARGO) deny check licenses bans sources; \
	else \
	  echo "cargo-deny is not installed: licences are checked by xtask's test alone"; \
	fi

unit: toolchain
	$(CARGO) test $(LOCKED) --workspace

build: toolchain
	@$(CARGO) build $(LOCKED) -p lambdalab -p lambdalab-test-extension -p lambdalab-test-function

runtimes: build
	@$(BINARY) runtime install $(RUNTIME)

# Tests run under every Python and Node of this machine, those of version managers among them.
every-runtime: runtimes
	@$(BINARY) runtime install

e2e: every-runtime $(VENV)/.ready
	$(PY) -m pytest -c tests/pytest.ini --rootdir tests tests $(PYTEST)

toolchain:
	@for component in clippy rustfmt; do \
	  $(CARGO) $${component/rustfmt/fmt} --version >/dev/null 2>&1 || rustup component add $$component; \
	done

# Debian keeps venv's pip in a package of its own.
define make_venv
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 is needed: set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(1) 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: installing python3-venv"; \
	  $$([ "$$(id -u)" = 0 ] || echo sudo) apt-get install -qy python3-venv; \
	  $(PYTHON) -m venv --clear $(1); \
	}
endef

$(VENV)/.ready: tests/requirements.txt
	$(call make_venv,$(VENV))
	@$(PY) -m pip install --quiet -r $<
	@touch $@

.cache/ministack/.ready: bench/requirements.txt
	$(call make_venv,.cache/ministack)
	@.cache/ministack/bin/python -m pip install --quiet -r $<
	@touch $@
