#!/bin/sh
# Write the lock files from pyproject.toml: for every platform and for Python 3.11 and newer, with
# hashes and without the address of any registry. Keeps what is locked; -U takes the newest.
set -eu
cd "$(dirname "$0")/.."
lock() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --no-header "$@"
}
lock "$@" pyproject.toml --extra bundled-redis --group build -o requirements.lock
lock "$@" pyproject.toml --extra bundled-redis --group build --extra dev \
    -c requirements.lock -o requirements-dev.lock
lock "$@" --group pyproject.toml:npm -o requirements-npm.lock
