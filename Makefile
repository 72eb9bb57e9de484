# The few commands. `make help` lists them; CI calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VENDOR := lab/web/static/vendor/manifest.json
SOURCES := lab devices bookings telemetry simulators tests benchmarks migrations hatch_build.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup dev demo up test faults check bench screenshots looks messages openapi lock format
.DEFAULT_GOAL := help

help:            ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## / — /' | sed 's/^/  make /'

setup: $(VENV)/.runtime $(VENDOR)  ## install what the product needs into .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Pilot Lab needs Python 3.11 or newer; this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV); }

# `--python` lets any pip (22.3+) fill a .venv that was made without one (Debian splits ensurepip off).
define install
	@if [ -x $(BIN)/pip ]; then $(BIN)/pip $(1); else $(PYTHON) -m pip --python $(BIN)/python $(1); fi
endef

# pip compiles with one core, and everything; this takes all cores and leaves out what is never imported.
define compile
	@$(BIN)/python -m compileall -q -j 0 -x '/(tests?|testing|pip|setuptools)/' $(VENV)/lib >/dev/null 2>&1 || true
endef

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(call install,install --quiet --no-compile --require-hashes --no-deps -r requirements/runtime.txt)
	$(call install,install --quiet --no-compile --no-deps --no-build-isolation --editable .)
	$(call compile)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(call install,install --quiet --no-compile --require-hashes --no-deps -r requirements/dev.txt)
	$(call compile)
	@touch $@

# The editable install has fetched it; this is for a checkout that lost it, or whose lock file has changed.
$(VENDOR): hatch_build.py lab/web/package-lock.json | $(VENV)/.runtime
	@$(BIN)/python hatch_build.py && touch $@

dev: $(VENV)/.dev $(VENDOR)

demo: setup      ## run a whole pilot on simulated machines, then serve its pages until Ctrl-C
	@$(BIN)/pilotlab demo

up: setup        ## start Pilot Lab for real use, data in ./data
	@$(BIN)/pilotlab up

test: dev        ## run the tests (what needs a server that is not installed is skipped, with the reason)
	@$(BIN)/python -m pytest -q -n 3 --dist worksteal

faults: dev      ## race, kill, cut off and damage in full numbers (hours), and print what was counted
	@$(BIN)/python -m pytest -q -s -m "faults or faults_long" --timeout 3600 -o faulthandler_timeout=3700

check: dev       ## format, lint, types, import contracts
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: dev
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES); $(BIN)/ruff format $(SOURCES)

bench: dev       ## measure, beside the limits, and write docs/performance.md
	@$(BIN)/python -m benchmarks

screenshots: dev ## write pictures of every page into out/screenshots, both sizes, themes and languages
	@$(BIN)/python -m tests.pages.screenshots out/screenshots

looks: dev       ## read every page by axe-core in all eight looks: sizes, themes, languages (minutes)
	@$(BIN)/python -m tests.pages.looks

messages: dev    ## collect what the pages say into lab/web/locales/*.po; what is new or changed is then to be translated
	@$(BIN)/pybabel -q extract -F babel.cfg -k N_ -k _ -k ngettext:1,2 --no-location --sort-output --omit-header -o $(VENV)/pages.pot .
	@$(BIN)/pybabel -q update -i $(VENV)/pages.pot -l pl -o lab/web/locales/pl.po --no-fuzzy-matching --ignore-obsolete --omit-header --no-wrap

openapi: setup   ## write docs/openapi.json from the code
	@$(BIN)/pilotlab openapi > docs/openapi.json

lock: dev
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group build -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt
