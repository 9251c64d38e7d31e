# The two commands are `make demo` and `make test`; the others are their parts.

VENV := .venv
PY := $(VENV)/bin/python
# The newest Python that is new enough; if there is none, config/install.py says so.
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; exit; }; \
	done; command -v python3 || command -v python)
# PORT= for another port, TORCH_INDEX= for another build of torch (docs/operations.md).
export PORT ?= 8000
export TORCH_INDEX REQUIRE_ALL POSTGRES_BIN
# As many test processes as there are cores; PYTEST_ARGS= for one.
PYTEST_ARGS ?= -n logical
SOURCES := config registry inference catalog manage.py

.DEFAULT_GOAL := help
.PHONY: help setup demo up stop test test-oldest-postgres check format bench clean

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 28

demo: $(VENV)/installed-runtime ## Set up, fill the catalog from demo/, and serve it
	@$(PY) -m config.demo

up: $(VENV)/installed-runtime ## Serve what is there
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) -m config.serve

stop: ## End everything that `demo`, `up` or a command started
	@if [ -x $(PY) ]; then $(PY) -m config.serve stop; fi

test: $(VENV)/installed-dev check ## Every check and every test
	@$(PY) -m pytest $(PYTEST_ARGS)

test-oldest-postgres: $(VENV)/installed-dev ## The database tests on the PostgreSQL in POSTGRES_BIN
	@$(PY) -m pytest -m "database and not browser and not slow" $(PYTEST_ARGS)

check: $(VENV)/installed-dev ## Lint, format, types, and which part may import which
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy $(SOURCES)
	@$(VENV)/bin/lint-imports

format: $(VENV)/installed-dev ## Lay the code out
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(VENV)/installed-dev ## Measure; NAME=... for one table
	@$(PY) -m benchmarks $(NAME)

setup: $(VENV)/installed-runtime ## Only install

clean: stop ## Delete what was installed and built; DATA=1 deletes the catalog too
	@if [ -n "$(DATA)" ] && [ -x $(PY) ]; then $(PY) -m config.postgres destroy; fi
	@if [ -n "$(DATA)" ]; then rm -rf var; fi
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed-runtime: requirements.txt requirements-web.txt constraints.txt
	@test -n "$(PYTHON)" || { echo "python_missing: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) config/install.py runtime
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed-runtime requirements-dev.txt requirements-detector.txt
	@$(PYTHON) config/install.py dev
	@touch $@
