# Everything a person does with this project. `make help` lists it.
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run test check full chaos bench prove lock clean static lint format types contracts migrations unit _run _dev

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: _dev ## make the virtual environment .venv with everything to run and test
	@echo "The environment .venv is ready."

run: _run ## run the platform: database, web, worker, beat, relay (Ctrl-C stops all)
	@exec $(PY) -m config.run

test: _dev ## the static checks and every test, with a database of its own
	@$(MAKE) --no-print-directory static || failed=yes; \
	$(PYTEST) -n $(TEST_WORKERS) && [ -z "$$failed" ] || \
	{ [ -z "$$failed" ] || echo "The static checks, at the beginning, failed."; exit 1; }

check: _dev ## the quick part: lint, types, contracts, migrations, unit tests
	@$(MAKE) --no-print-directory -k -j 2 -O types unit lint contracts migrations

full: static ## everything `make test` runs, and what is too heavy for it (not `make bench`)
	@$(PYTEST) -n $(TEST_WORKERS) -m "not bench" --timeout 1800

chaos: _dev ## kill processes and pull plugs, and see that the books still balance
	@$(PYTEST) -m "chaos or scenario" --timeout 3600

bench: _dev ## measure speed (nothing else should run meanwhile)
	@$(PYTEST) -m bench --timeout 1800 -s

prove: ## check the books and every payment of the platform that runs here
	@$(PY) manage.py check_ledger && $(PY) manage.py rebuild_payments --verify

lock: _dev ## compile the requirement files, with hashes, from pyproject.toml
	@set -e; compile() { $(PY) -m uv pip compile pyproject.toml --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --quiet --custom-compile-command "make lock" "$$@"; }; \
	compile -o requirements.txt; \
	compile --extra dev -c requirements.txt -o requirements-dev.txt; \
	compile --extra postgres -c requirements.txt -o requirements-postgres.txt

clean: ## stop what runs here and remove var/ with its data
	@if [ -x $(PY) ]; then $(PY) -m config.clean; else python3 -m config.clean; fi

# What `make check` and `make test` share, side by side on two processors.
static: _dev
	@$(MAKE) --no-print-directory -k -j 2 -O types lint contracts migrations

lint:
	@$(PY) -m ruff check --quiet . && $(PY) -m ruff format --check --quiet . && echo "ruff: clean"

types:
	@$(PY) -m mypy

contracts:
	@$(PY) -m importlinter.cli lint >var/contracts.log 2>&1 || { cat var/contracts.log; exit 1; }
	@tail -n 2 var/contracts.log | head -n 1

migrations:
	@DATABASE_URL=postgresql://nobody@127.0.0.1:1/none $(PY) -W ignore manage.py makemigrations --check --dry-run

unit:
	@$(PYTEST) -n $(TEST_WORKERS) $(wildcard tests/unit tests/architecture tests/properties) --durations=3 -q

_run:
	@config/setup.sh requirements.txt

_dev:
	@config/setup.sh requirements.txt requirements-dev.txt
	@mkdir -p var
