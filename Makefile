# Perennial. `make` alone prints what it can do.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8000
# How many test processes: most wait for servers of their own, so that three keep two processors busy.
TESTERS ?= 3
VENV := .venv
# What the tests have from npm.
NODE := tests/peers/node tests/browser/node
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
OURS := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable

.PHONY: help node run test lint format docs bench client-rig status-bench proof mutation soak lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed; try make PYTHON=python3.11 …' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements/run.txt
	$(OURS) .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt clients/python/pyproject.toml $(VENV)/run.stamp
	$(PIP) -r requirements/dev.txt
	$(OURS) clients/python
	@touch $@

# Without npm, or without its registry, the tests that need Node do not run, and say so.
$(VENV)/node.stamp: $(NODE:%=%/package-lock.json) | $(VENV)/dev.stamp
	@if command -v npm >/dev/null; then for place in $(NODE); do \
		npm ci --prefix $$place --no-audit --no-fund --loglevel=error || echo "npm could not install $$place" >&2; \
	done; fi
	@touch $@

node: $(VENV)/node.stamp

run: export PERENNIAL_ENV := development
run: export PERENNIAL_ISSUER := http://127.0.0.1:$(PORT)
run: $(VENV)/run.stamp ## start a development server on 127.0.0.1:8000 (PORT=9000 for another port)
	@$(BIN)/perennial demo
	@exec $(BIN)/perennial serve --bind 127.0.0.1:$(PORT)

test: $(VENV)/dev.stamp $(VENV)/node.stamp ## run every test, on SQLite and on a real PostgreSQL and Redis
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest --numprocesses=$(TESTERS) --dist=worksteal --cov --cov-report=
	@$(BIN)/python -m coverage report --include='app/core/*' --fail-under=100
	@$(BIN)/python -m coverage report --fail-under=90

lint: $(VENV)/dev.stamp ## style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## write the generated pages again: settings, clauses by tests
	$(BIN)/python -m docs.generate

bench: $(VENV)/dev.stamp ## measure what a refresh costs, in RSA signatures of the same run, and what the client costs
	$(BIN)/python bench/refresh.py
	$(BIN)/python bench/client.py

client-rig: $(VENV)/dev.stamp ## count who is signed out: six processes, lost answers, kills, other clients (5 to 10 minutes)
	$(BIN)/python -m bench.rig
	$(BIN)/python -m bench.rig.crowd

status-bench: $(VENV)/dev.stamp ## measure what status lists cost, and write it into docs/performance.md
	$(BIN)/python -m bench.status

proof: $(VENV)/dev.stamp ## run every proof at full scale and write docs/proof.md (about an hour)
	$(BIN)/python -m bench.proof

$(VENV)/mutation.stamp: requirements/mutation.txt $(VENV)/dev.stamp
	$(PIP) -r requirements/mutation.txt
	@touch $@

mutation: $(VENV)/mutation.stamp ## kill every mutant of the rules, and miss every row of the table
	$(BIN)/python -m bench.mutation

soak: $(VENV)/dev.stamp ## refresh a million times and weigh the database
	$(BIN)/python -m bench.soak

lock: ## write requirements/*.txt again from pyproject.toml (needs uv on PATH)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-annotate --no-header --quiet --group build --output-file requirements/run.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-annotate --no-header --quiet --group build --group test --group lint --constraint requirements/run.txt --output-file requirements/dev.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-annotate --no-header --quiet --group mutation --constraint requirements/dev.txt --output-file requirements/mutation.txt

clean: ## remove the environment and every cache; data and keys stay
	rm -rf $(VENV) $(NODE:%=%/node_modules) .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage*
