#!/bin/sh
# Generates stubs/ from the protobuf files. It uses buf because protoc of Debian 12 lacks some of their options.
set -eu
cd "$(dirname "$0")"
out=${1:-stubs}
mkdir -p "$out"
npx --no-install buf build ../.. -o "$out/contracts.binpb"
protoc --descriptor_set_in="$out/contracts.binpb" --python_out="$out" buf/validate/validate.proto \
  postern/auth/v1/auth_service.proto postern/auth/v1/revocation.proto postern/auth/v1/session.proto
