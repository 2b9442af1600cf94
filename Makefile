# Deskhand's tasks. ARGS reaches the command: make run ARGS="--port 8123 --demo"

BIN := .venv/bin
PIP := $(BIN)/pip install -qq --disable-pip-version-check --no-input
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */\1	/p' $(MAKEFILE_LIST) | expand -t 14

run: setup ## Run everything; the first start prints the link that makes the admin
	@$(BIN)/deskhand run $(ARGS)

dev: setup ## Run everything, and load the pages' code again when it changes
	@$(BIN)/deskhand run --dev $(ARGS)

demo: setup ## Fill an empty desk with demo data (ARGS="--tickets 1000")
	@$(BIN)/deskhand demo $(ARGS)

migrate: setup ## Bring the database up to date
	@$(BIN)/deskhand db upgrade $(ARGS)

test: setup-dev ## Check and test everything, on SQLite and PostgreSQL (ARGS for pytest)
	@scripts/browser.sh && scripts/dovecot.sh && scripts/test.sh $(ARGS)

soak: setup-dev ## The long tests: mail for many minutes while everything is killed, damaged mails, API
	@$(BIN)/pytest -m soak -s tests $(ARGS)

requirements: setup-dev ## Write docs/requirements.md: which tests show which requirement
	@$(BIN)/python -m tests.requirements.proof

check: setup-dev ## Check style, types and the direction of imports
	@scripts/check.sh

fmt: setup-dev ## Format the code and mend what can be mended by itself
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format --quiet .

setup: .venv/installed static/vendor/icons.svg ## Install what running needs, nothing else

setup-dev: .venv/installed-dev static/vendor/icons.svg ## Install what development and tests need

lock: setup-dev ## Write the lock files from pyproject.toml and package.json (ARGS=-U: newest)
	@scripts/lock.sh $(ARGS) && scripts/npm.sh $(if $(ARGS),update,install) --silent

.PHONY: help run dev demo migrate test soak requirements check fmt setup setup-dev lock

# --- What set-up makes; each is made again only when what it was made from has changed.

.venv/bin/pip:
	@test -n "$(PYTHON)" || { echo "Deskhand needs Python 3.11 or newer" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)" && $(PYTHON) -m venv .venv

.venv/installed: .venv/bin/pip requirements.lock pyproject.toml
	@echo "Installing the packages of requirements.lock"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q app worker migrations && touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock package-lock.json
	@echo "Installing the packages of requirements-dev.lock"
	@$(PIP) --no-compile --require-hashes -r requirements-dev.lock
	@scripts/npm.sh ci --silent && touch .venv/installed-npm $@

.venv/installed-npm: .venv/bin/pip package-lock.json
	@echo "Installing the packages of package-lock.json"
	@scripts/npm.sh ci --silent --omit=dev && touch $@

static/vendor/icons.svg: .venv/installed-npm static/icons.txt scripts/vendor.py
	@$(BIN)/python scripts/vendor.py
