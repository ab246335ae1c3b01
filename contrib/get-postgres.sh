#!/usr/bin/env bash
# Prints the directory of PostgreSQL's programs (initdb, postgres, pg_ctl), for tests only.
#
# It takes the first of these:
#   1. $POSTGRES_BIN
#   2. that of the postgres on the PATH
#   3. Debian's, of the newest version that is installed
#   4. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   5. on Debian and its relatives, the package postgresql, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

program=postgres
version_flag=--version
override_name=POSTGRES_BIN
override=${POSTGRES_BIN:+$POSTGRES_BIN/postgres}
# shellcheck source=contrib/debian-package.sh
source "$(dirname "$0")/debian-package.sh"

# The newest directory of programs below the root $1.
newest_below() {
	find "$1/usr/lib/postgresql" -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1 || true
}

# Fetches PostgreSQL, and those of its dependencies that are not installed.
fetch_packages() {
	apt-get "$@" --yes --download-only --no-install-recommends -o Debug::NoLocking=true install \
		postgresql
}

# The programs find each other, and their libraries by the variable.
write_wrapper() {
	local libraries programs name
	libraries="/usr/lib/$(dpkg --print-architecture | sed 's/amd64/x86_64/; s/arm64/aarch64/')-linux-gnu"
	programs=$(newest_below "$1/root")
	for name in initdb pg_ctl postgres; do
		cat >"$1/bin/$name" <<-WRAPPER
			#!/bin/sh
			root=\$(cd "\$(dirname "\$0")/../root" && pwd)
			export LD_LIBRARY_PATH="\$root$libraries"
			exec "\$root${programs#"$1/root"}/$name" "\$@"
		WRAPPER
		chmod +x "$1/bin/$name"
	done
}

PATH=$PATH:$(newest_below "")
found=$(print_path)
dirname "$(readlink -f "$found")"
