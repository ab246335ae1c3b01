#!/usr/bin/env bash
# Prints the path of an strace that runs on this machine, for tests only.
#
# Taken in this order:
#   1. $STRACE_EXE
#   2. strace on the PATH
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. on Debian and its relatives, the package strace, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

cache=${LDK_SERVER_REGTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ldk-server-regtest}
prefix=$cache/strace

say() {
	echo "get-strace: $*" >&2
}

runs() {
	"$1" -V >/dev/null 2>&1
}

# Unpacks strace, and the one library it needs that not every system has, into the directory $1. The
# wrapper starts it with the system's loader, so that what it traces does not get its libraries.
install_debian_package() {
	local into=$1 apt=$1/apt options loader libraries deb
	if ! command -v apt-get >/dev/null; then
		say "there is no apt on this machine"
		return 1
	fi
	say "downloading the package strace"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$into/root" "$into/bin"
	options=(
		-qq -o "Dir::State=$apt/state" -o Dir::State::status=/var/lib/dpkg/status
		-o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=$(id -un)" -o APT::Update::Error-Mode=any
		-o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	)
	apt-get "${options[@]}" update >&2 || return 1
	(cd "$apt" && apt-get "${options[@]}" download strace libunwind8 >&2) || return 1
	for deb in "$apt"/*.deb; do
		dpkg-deb -x "$deb" "$into/root" || return 1
	done
	rm -r "$apt"
	# With the slash, because they are links to directories on some systems.
	loader=$(find /lib/ /lib64/ -maxdepth 2 -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
	libraries=$(cd "$into/root" && dirname "$(find usr/lib -name 'libunwind.so.*' | head -n 1)")
	cat >"$into/bin/strace" <<-WRAPPER
		#!/bin/sh
		root=\$(dirname "\$0")/../root
		exec "$loader" --library-path "\$root/$libraries" "\$root/usr/bin/strace" "\$@"
	WRAPPER
	chmod +x "$into/bin/strace"
}

# Fills the cache. The installation appears by a rename, so an interrupted or concurrent run never
# leaves half of one.
install() {
	mkdir -p "$cache"
	if command -v flock >/dev/null; then
		exec 9>"$cache/strace.lock"
		flock 9
		if runs "$prefix/bin/strace"; then return; fi
	fi
	staging=$(mktemp -d "$cache/strace.XXXXXX")
	trap 'rm -rf "$staging"' EXIT
	mkdir "$staging/prefix"
	if install_debian_package "$staging/prefix" && runs "$staging/prefix/bin/strace"; then
		rm -rf "$prefix"
		mv "$staging/prefix" "$prefix"
		return
	fi
	say "found no strace and could not install one; set STRACE_EXE to the path of an strace"
	exit 1
}

if [ -n "${STRACE_EXE:-}" ]; then
	if ! runs "$STRACE_EXE"; then
		say "STRACE_EXE=$STRACE_EXE does not run"
		exit 1
	fi
	echo "$STRACE_EXE"
elif runs strace; then
	command -v strace
else
	runs "$prefix/bin/strace" || install
	echo "$prefix/bin/strace"
fi
