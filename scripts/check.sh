#!/bin/sh
# Look at the code without running it.
set -eu
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$1"; }

step "Style"
.venv/bin/ruff check --quiet .
.venv/bin/ruff format --quiet --check . || {
    echo "Some files are not formatted: make fmt" >&2
    exit 1
}
step "Types"
.venv/bin/mypy
step "Imports"
.venv/bin/lint-imports --no-logo
