#!/usr/bin/env bash
# Prints the directory of PostgreSQL's programs (initdb, postgres, pg_ctl), for tests only.
#
# It takes the first of these:
#   1. $POSTGRES_BIN
#   2. that of the postgres on the PATH
#   3. Debian's, of the newest version that is installed
#   4. one that an earlier run has unpacked into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   5. the package of the Debian of this machine, checked against the archive's signature by apt and
#      unpacked there; nothing is installed into the system
set -euo pipefail

cache=${LDK_SERVER_REGTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ldk-server-regtest}

say() {
	echo "get-postgres: $*" >&2
}

has_all() {
	[ -x "$1/initdb" ] && [ -x "$1/pg_ctl" ] && "$1/postgres" --version >/dev/null 2>&1
}

newest_below() {
	find "$1/usr/lib/postgresql" -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1
}

unpack() {
	local into=$cache/postgres staging deb package
	mkdir -p "$cache"
	staging=$(mktemp -d "$cache/postgres.XXXXXX")
	trap 'rm -rf "$staging"' EXIT
	package=$(apt-cache depends postgresql | sed -n 's/.*Depends: \(postgresql-[0-9]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || return 1
	say "downloading $package"
	(cd "$staging" && apt-get download "$package" >&2) || return 1
	for deb in "$staging"/*.deb; do
		dpkg-deb -x "$deb" "$staging/root" || return 1
	done
	rm -rf "$into"
	mv "$staging/root" "$into"
}

if [ -n "${POSTGRES_BIN:-}" ]; then
	found=$POSTGRES_BIN
elif command -v postgres >/dev/null; then
	found=$(dirname "$(readlink -f "$(command -v postgres)")")
else
	found=$(newest_below "")
	[ -n "$found" ] || found=$(newest_below "$cache/postgres")
	if [ -z "$found" ]; then
		unpack || true
		found=$(newest_below "$cache/postgres")
	fi
fi
if ! has_all "$found"; then
	say "found no PostgreSQL that runs; install it, or set POSTGRES_BIN to the directory of its programs"
	exit 1
fi
echo "$found"
