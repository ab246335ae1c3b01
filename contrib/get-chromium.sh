#!/usr/bin/env bash
# Prints the path of a Chromium that runs on this machine, for tests only.
#
# It takes the first of these:
#   1. $CHROMIUM_EXE
#   2. chromium on the PATH
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. on Debian and its relatives, the package chromium, checked against the archive's signature by
#      apt. It is unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

program=chromium
version_flag=--version
override_name=CHROMIUM_EXE
override=${CHROMIUM_EXE:-}
# shellcheck source=contrib/debian-package.sh
source "$(dirname "$0")/debian-package.sh"

# Fetches chromium, and those of its dependencies that are not installed.
fetch_packages() {
	apt-get "$@" --yes --download-only --no-install-recommends -o Debug::NoLocking=true install \
		chromium fonts-dejavu-core
}

# The script that Debian starts it with looks for files below /etc and is not needed.
write_wrapper() {
	local libraries
	libraries="/usr/lib/$(dpkg --print-architecture | sed 's/amd64/x86_64/; s/arm64/aarch64/')-linux-gnu"
	cat >"$1/bin/chromium" <<-WRAPPER
		#!/bin/sh
		root=\$(cd "\$(dirname "\$0")/../root" && pwd)
		export LD_LIBRARY_PATH="\$root$libraries:\$root$libraries/pulseaudio"
		export XDG_DATA_DIRS="\$root/usr/share:/usr/share"
		exec "\$root/usr/lib/chromium/chromium" "\$@"
	WRAPPER
}

print_path
