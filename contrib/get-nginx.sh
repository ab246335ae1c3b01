#!/usr/bin/env bash
# Prints the path of an nginx that runs on this machine, for tests only.
#
# Taken in this order:
#   1. $NGINX_EXE
#   2. nginx on the PATH, or in /usr/sbin
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. on Debian and its relatives, the package nginx, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

cache=${LDK_SERVER_REGTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ldk-server-regtest}
prefix=$cache/nginx

say() {
	echo "get-nginx: $*" >&2
}

runs() {
	"$1" -v >/dev/null 2>&1
}

# Unpacks nginx, and what it needs that this system does not have, into the directory $1.
install_debian_package() {
	local into=$1 apt=$1/apt options libraries deb
	if ! command -v apt-get >/dev/null; then
		say "there is no apt on this machine"
		return 1
	fi
	say "downloading the package nginx"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$into/root" "$into/bin"
	options=(
		-qq -o "Dir::State=$apt/state" -o Dir::State::status=/var/lib/dpkg/status
		-o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=$(id -un)" -o APT::Update::Error-Mode=any
		-o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	)
	apt-get "${options[@]}" update >&2 || return 1
	# Fetches, besides nginx, only what is not installed.
	apt-get "${options[@]}" --yes --download-only --no-install-recommends -o Debug::NoLocking=true \
		install nginx >&2 || return 1
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$into/root" || return 1
	done
	rm -r "$apt"
	libraries="/usr/lib/$(dpkg --print-architecture | sed 's/amd64/x86_64/; s/arm64/aarch64/')-linux-gnu"
	cat >"$into/bin/nginx" <<-WRAPPER
		#!/bin/sh
		root=\$(cd "\$(dirname "\$0")/../root" && pwd)
		LD_LIBRARY_PATH="\$root$libraries" exec "\$root/usr/sbin/nginx" "\$@"
	WRAPPER
	chmod +x "$into/bin/nginx"
}

# Fills the cache. The installation appears by a rename, so an interrupted or concurrent run never
# leaves half of one.
install() {
	mkdir -p "$cache"
	if command -v flock >/dev/null; then
		exec 9>"$cache/nginx.lock"
		flock 9
		if runs "$prefix/bin/nginx"; then return; fi
	fi
	staging=$(mktemp -d "$cache/nginx.XXXXXX")
	trap 'rm -rf "$staging"' EXIT
	mkdir "$staging/prefix"
	if install_debian_package "$staging/prefix" && runs "$staging/prefix/bin/nginx"; then
		rm -rf "$prefix"
		mv "$staging/prefix" "$prefix"
		return
	fi
	say "found no nginx and could not install one; set NGINX_EXE to the path of an nginx"
	exit 1
}

PATH=$PATH:/usr/sbin
if [ -n "${NGINX_EXE:-}" ]; then
	if ! runs "$NGINX_EXE"; then
		say "NGINX_EXE=$NGINX_EXE does not run"
		exit 1
	fi
	echo "$NGINX_EXE"
elif runs nginx; then
	command -v nginx
else
	runs "$prefix/bin/nginx" || install
	echo "$prefix/bin/nginx"
fi
