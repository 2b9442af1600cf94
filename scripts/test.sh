#!/bin/sh
# Everything that must hold before a change goes in. The arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=.
step() { printf '\n== %s\n' "$1"; }

scripts/check.sh
step "Migrations: from empty to the models, on SQLite and PostgreSQL"
.venv/bin/python scripts/check_migrations.py
step "Tests on SQLite"
.venv/bin/pytest -q -n 2 --dist loadfile "$@"
step "Tests on PostgreSQL"
TEST_DATABASE_URL=postgresql .venv/bin/pytest -q -n 2 --dist loadfile \
    --ignore=tests/process --ignore=tests/browser "$@"
