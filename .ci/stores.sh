#!/usr/bin/env bash
# Sees to it that the tests can start a Postgres and a Redis: from Debian's packages, or in containers. With the
# packages come the PgBouncer, the proxies and the JWT library that some of them want besides, and the load generators of
# `make bench`.
set -u

missing=()
want() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
want postgresql compgen -G '/usr/lib/postgresql/*/bin/postgres'
want redis-server test -x /usr/bin/redis-server
want redis-sentinel test -x /usr/bin/redis-sentinel
want redis-tools test -x /usr/bin/redis-cli
want pgbouncer test -x /usr/sbin/pgbouncer
want nginx test -x /usr/sbin/nginx
want haproxy test -x /usr/sbin/haproxy
want caddy test -x /usr/bin/caddy
want python3-jwt /usr/bin/python3 -c 'import jwt'
want python3-cryptography /usr/bin/python3 -c 'import cryptography'
want python3-grpcio /usr/bin/python3 -c 'import grpc'
want python3-protobuf /usr/bin/python3 -c 'import google.protobuf'
want protobuf-compiler command -v protoc
want wrk command -v wrk
want nghttp2-client command -v h2load
((${#missing[@]} == 0)) && exit 0

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || return
  # Where one of them cannot be had, the others can.
  local get=(apt-get install -y -qq --no-install-recommends)
  "${get[@]}" "${missing[@]}" </dev/null && return
  for package in "${missing[@]}"; do "${get[@]}" "$package" </dev/null || lacks=1; done
  [ -z "${lacks-}" ]
}
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  # Debian starts the servers that it installs, unless such a policy says no.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
  fi
  install >&2 && exit 0
fi

# Servers have to be there; of the rest, what is missing shows in the tests that want it.
if [[ " ${missing[*]} " =~ \ (postgresql|redis-server|redis-sentinel)\  ]] && ! docker info >/dev/null 2>&1; then
  echo "The tests need Postgres and Redis: start Docker, or on Debian run as root" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "Some tests will fail or be skipped, if they cannot do without ${missing[*]}." >&2
