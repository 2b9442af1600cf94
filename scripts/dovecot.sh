#!/bin/sh
# See that there is a Dovecot for the tests of fetching by IMAP.
set -eu
PATH=$PATH:/usr/sbin
if command -v dovecot >/dev/null; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Dovecot for the tests of fetching by IMAP"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq --no-install-recommends dovecot-imapd >/dev/null
    exit 0
fi
echo "No Dovecot here: tests are skipped (as root: apt-get install dovecot-imapd)" >&2
[ "${CI:-}" != true ]
