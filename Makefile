.DEFAULT_GOAL := help
.PHONY: help setup run test test-full check bench format gen proto-release sql-release clean
.NOTPARALLEL:

SYSTEM_PATH := $(PATH)
# Node 24 comes with the packages.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
STAMP := node_modules/.setup

help: ## Shows this
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' Makefile | expand -t 16

setup: $(STAMP) ## Installs what package-lock.json names, Node 24 included
	@:

# Not `npm ci`: it fails where a registry lacks a package, of another platform, that is only optional.
$(STAMP): package-lock.json
	@command -v npm >/dev/null || { echo 'npm was not found: install Node.js' >&2; exit 1; }
	@PATH="$(SYSTEM_PATH)" npm install --no-save --no-audit --no-fund --loglevel=error >&2
	@.ci/node-version.sh
	@touch $@

run: ## Starts Postern with its embedded database; see its lines on stdout
	@$(MAKE) --no-print-directory setup >&2
	@exec node services/auth/bin/postern.js serve --embedded --follow-parent

test: ## Runs every check and every test; installs Postgres and Redis where there are none and we are root
	@$(MAKE) --no-print-directory setup >&2 || { echo '0 passed, 1 failed'; exit 1; }
	@.ci/test.sh

test-full: export TEST_SCALE = 1
test-full: test ## Runs the same with the full counts of the long and random tests, which takes about three times as long

check: setup ## Runs the static checks only
	@.ci/check.sh

bench: ## Measures what a call costs on this machine, in about ten minutes; BENCH=--help says more
	@$(MAKE) --no-print-directory setup >&2
	@.ci/stores.sh >&2
	@node test/bench/main.ts $(BENCH)

format: setup ## Formats code and contracts
	@biome check --write .
	@buf format -w proto

gen: setup ## Generates gen/src from proto/
	@buf generate

proto-release: setup ## At a release: keeps the contracts for `buf breaking` to compare with
	@buf build --exclude-source-info -o proto/last-release.binpb

sql-release: setup ## At a release: keeps the hashes of the SQL for a test to compare with
	@node test/support/checks/sql-release.ts --write

clean: ## Removes what was installed; .postern, the embedded database, stays
	@rm -rf node_modules
