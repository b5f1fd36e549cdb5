#!/usr/bin/env bash
# Sees to it that the tests can start a Postgres: in a container, or from Debian's package. With that comes the
# JWT library that one test checks our tokens with; without it the test is skipped.
set -u
docker info >/dev/null 2>&1 && exit 0
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need a Postgres: start Docker, or on Debian run 'apt-get install postgresql' as root." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends postgresql python3-jwt python3-cryptography >&2 </dev/null
