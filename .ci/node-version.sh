#!/usr/bin/env bash
# Fails, and says what to do, unless the Node that everything here runs on is new enough.
if ! node -e '
  const [major, minor, patch] = process.versions.node.split(".").map(Number);
  process.exit(major > 24 || (major === 24 && (minor > 18 || (minor === 18 && patch >= 1))) ? 0 : 1);
'; then
  echo "Postern needs Node 24.18.1 or newer, and found $(node --version 2>&1)." >&2
  echo "npm has no Node for this platform ($(uname -sm)): install one and put it first in PATH." >&2
  exit 1
fi
