# `make demo` and `make test` set up everything they need: Python 3.11 or newer and make suffice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install demo test test-slow test-loop test-laws test-system lint types audit walls format docs schemas lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY) ## environment with pinned, hashed dependencies

$(READY): requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "expected Python 3.11 or newer, found $$($(PYTHON) --version); name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## train, serve and replay on a simulated market, under 3 minutes
	$(BIN)/bands demo

test: $(READY) ## every test but the slow ones, under 10 minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" -q

test-slow: $(READY) ## the ones that take minutes
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow -q

test-loop: $(READY) ## with real processes: break, alert, retraining, shadow, promotion, rollback; swaps under fire
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow -q tests/behaviour

test-laws: $(READY) ## property tests with examples nobody has tried; `make test` repeats the same ones
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m hypothesis -q --hypothesis-profile=fresh tests

test-system: $(READY) ## the whole system: cluster, TLS, browser, Prometheus, deployment; skips what is not installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m slow -q tests/system

lint: $(READY) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## strict types
	$(BIN)/mypy

audit: $(READY) ## secrets among the files, advisories about the locked dependencies
	$(BIN)/python .ci/secret_scan.py
	$(BIN)/python -m ops.security.audit requirements/lock.txt

walls: $(READY) ## who may import whom
	$(BIN)/lint-imports

format: $(READY) ## rewrite to style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## write the generated pages anew
	$(BIN)/python -m ops.docs

schemas: $(READY) ## write contracts/schemas anew from the messages
	$(BIN)/python -m contracts.schemas

lock: $(READY) ## pin dependencies anew; needs uv
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --python-version 3.11 pyproject.toml --group dev --all-extras -o requirements/lock.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --python-version 3.11 offline/leaderboard/peers.in -o offline/leaderboard/peers.txt

clean: ## remove the environment, caches and everything runs have made
	rm -rf $(VENV) var dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
