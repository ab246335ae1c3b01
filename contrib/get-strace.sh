#!/usr/bin/env bash
# Prints the path of an strace that runs on this machine, for tests only.
#
# It takes the first of these:
#   1. $STRACE_EXE
#   2. strace on the PATH
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. on Debian and its relatives, the package strace, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

program=strace
version_flag=-V
override_name=STRACE_EXE
override=${STRACE_EXE:-}
# shellcheck source=contrib/debian-package.sh
source "$(dirname "$0")/debian-package.sh"

# Fetches strace with the one library that not every system has.
fetch_packages() {
	apt-get "$@" download strace libunwind8
}

# The wrapper starts strace with the loader of the system, so that traced programs do not get its
# libraries.
write_wrapper() {
	local loader libraries
	# With the slash, because they are links to directories on some systems.
	loader=$(find /lib/ /lib64/ -maxdepth 2 -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
	libraries=$(cd "$1/root" && dirname "$(find usr/lib -name 'libunwind.so.*' | head -n 1)")
	cat >"$1/bin/strace" <<-WRAPPER
		#!/bin/sh
		root=\$(dirname "\$0")/../root
		exec "$loader" --library-path "\$root/$libraries" "\$root/usr/bin/strace" "\$@"
	WRAPPER
}

print_path
