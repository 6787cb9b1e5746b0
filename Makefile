# Words of the trade; everything builds its environment from the lock first.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export DO_NOT_TRACK = 1

.DEFAULT_GOAL := help
.PHONY: help demo up down test exhaustive browser fast lint types imports bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: .venv/.installed  ## Both certificate modes, end to end, in the sandbox
	$(BIN)/python -m deployments.local demo

up: .venv/.installed  ## Sandbox, Prefect server with UI, and a worker, left running
	$(BIN)/python -m deployments.local up

down: .venv/.installed  ## Stop what `make up` started
	$(BIN)/python -m deployments.local down

test: .venv/.installed  ## The test suite, two files at a time; LONG=yes: with exhaustive
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder $(if $(LONG),-m 'not browser')

exhaustive: .venv/.installed  ## Further cases with workers, PostgreSQL and real Milvus
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m exhaustive

browser: .venv/.installed  ## The forms and the pages of a run, in a real browser; needs Chromium
	$(BIN)/python -m pytest -m browser

fast: .venv/.installed  ## The tests that need no real Milvus, Envoy or Prefect server
	$(BIN)/python -m pytest -m "not slow and not exhaustive and not browser"

lint: .venv/.installed imports  ## ruff, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: .venv/.installed  ## Import contracts alone
	$(BIN)/lint-imports

types: .venv/.installed  ## mypy --strict
	$(BIN)/mypy

bench: .venv/.installed  ## The table of figures
	$(BIN)/python -m tests.bench

lock: .venv/.installed  ## Resolve the newest versions that pyproject.toml allows, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra sandbox --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade --quiet --output-file requirements.lock

clean:  ## Remove environment and state
	rm -rf .venv .run
