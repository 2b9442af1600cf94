#!/bin/sh
# Everything that must hold before a change goes in. The arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=.
step() { printf '\n== %s\n' "$1"; }

scripts/check.sh
step "Migrations: from empty to the models, on SQLite and PostgreSQL"
.venv/bin/python scripts/check_migrations.py

# Tests that start whole desks come first and apart: they kill and wait, and what they need of both
# databases they start themselves. They wait more than they work: three at once on two cores.
alone="tests/backup tests/browser tests/faults tests/process tests/accounts/test_races.py
    tests/automation/test_sweepers.py tests/channels/test_mail_workers.py
    tests/channels/test_undo_race.py tests/integrations/test_workers.py
    tests/requirements/test_at_once.py tests/routing/test_concurrency.py
    tests/tickets/test_merge_race.py"
rest=
if [ $# = 0 ]; then
    rm -rf .pytest_cache/v/requirements # what earlier runs have shown
    step "Tests of whole desks and of many processes"
    .venv/bin/pytest -q -n 3 --dist loadfile $alone
    # The longest files first, or one of two workers ends with one alone.
    rest="--no-loadscope-reorder tests/bad_input tests $(printf -- '--ignore=%s ' $alone)"
fi
step "Tests on SQLite"
.venv/bin/pytest -q -n 2 --dist loadfile $rest "$@"
step "Tests on PostgreSQL"
TEST_DATABASE_URL=postgresql .venv/bin/pytest -q -n 2 --dist loadfile $rest "$@"
if [ $# = 0 ]; then
    step "Requirements: each line shown by a test"
    .venv/bin/python -m tests.requirements.proof
fi
