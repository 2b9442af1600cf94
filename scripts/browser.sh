#!/bin/sh
# See that there is a Chromium for the browser tests.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --no-install-recommends chromium >/dev/null
    exit 0
fi
echo "No Chromium here: the browser tests are skipped (as root: apt-get install chromium)" >&2
[ "${CI:-}" != true ]
