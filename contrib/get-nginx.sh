#!/usr/bin/env bash
# Prints the path of an nginx that runs on this machine, for tests only.
#
# It takes the first of these:
#   1. $NGINX_EXE
#   2. nginx on the PATH, or in /usr/sbin
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. on Debian and its relatives, the package nginx, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

program=nginx
version_flag=-v
override_name=NGINX_EXE
override=${NGINX_EXE:-}
# shellcheck source=contrib/debian-package.sh
source "$(dirname "$0")/debian-package.sh"

# Fetches nginx, and those of its dependencies that are not installed.
fetch_packages() {
	apt-get "$@" --yes --download-only --no-install-recommends -o Debug::NoLocking=true install nginx
}

write_wrapper() {
	local libraries
	libraries="/usr/lib/$(dpkg --print-architecture | sed 's/amd64/x86_64/; s/arm64/aarch64/')-linux-gnu"
	cat >"$1/bin/nginx" <<-WRAPPER
		#!/bin/sh
		root=\$(cd "\$(dirname "\$0")/../root" && pwd)
		LD_LIBRARY_PATH="\$root$libraries" exec "\$root/usr/sbin/nginx" "\$@"
	WRAPPER
}

PATH=$PATH:/usr/sbin
print_path
