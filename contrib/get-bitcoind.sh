#!/usr/bin/env bash
# Prints the path of a bitcoind that runs on this machine, for regtest use only.
#
# It takes the first of these:
#   1. $BITCOIND_EXE
#   2. bitcoind on the PATH
#   3. one installed by an earlier run into the cache directory,
#      $LDK_SERVER_REGTEST_CACHE (default: ${XDG_CACHE_HOME:-~/.cache}/ldk-server-regtest)
#   4. the release of Bitcoin Core below, checked against the SHA-256 sums below
#   5. on Debian, the package bitcoin-knots, checked against the archive's signature by apt
# The last two are unpacked into the cache directory; nothing is installed into the system.
set -euo pipefail

core_version=29.0
core_url=https://bitcoincore.org/bin/bitcoin-core-$core_version
debian_release=trixie
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

cache=${LDK_SERVER_REGTEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ldk-server-regtest}
prefix=$cache/bitcoind-$core_version

say() {
	echo "get-bitcoind: $*" >&2
}

runs() {
	"$1" -version >/dev/null 2>&1
}

# The end of the file name of the Core release for this machine, and its SHA-256 sum.
core_release() {
	case "$(uname -s) $(uname -m)" in
	"Linux x86_64") echo x86_64-linux-gnu a681e4f6ce524c338a105f214613605bac6c33d58c31dc5135bbc02bc458bb6c ;;
	"Linux aarch64") echo aarch64-linux-gnu 7922ac99363dd28f79e57ef7098581fd48ebd1119b412b07e73b1fd19fd0443f ;;
	"Darwin x86_64") echo x86_64-apple-darwin 5bb824fc86a15318d6a83a1b821ff4cd4b3d3d0e1ec3d162b805ccf7cae6fca8 ;;
	"Darwin arm64") echo arm64-apple-darwin 34431c582a0399dd42e1276d87d25306cbdde0217f6744bd55a2945986645dda ;;
	*) return 1 ;;
	esac
}

download() {
	local url=$1 file=$2
	if command -v curl >/dev/null; then
		curl --fail --silent --show-error --location --connect-timeout 5 --max-time 600 \
			--output "$file" "$url"
	else
		wget --no-verbose --connect-timeout=5 --read-timeout=60 --tries=1 --output-document="$file" "$url"
	fi
}

sha256() {
	if command -v sha256sum >/dev/null; then
		sha256sum "$1"
	else
		shasum -a 256 "$1"
	fi | cut -d ' ' -f 1
}

# Unpacks the Core release into the directory $1.
install_core() {
	local into=$1 release platform sum tarball
	release=$(core_release) || {
		say "there is no Bitcoin Core release for $(uname -s) $(uname -m)"
		return 1
	}
	read -r platform sum <<<"$release"
	tarball=bitcoin-$core_version-$platform.tar.gz
	say "downloading Bitcoin Core $core_version"
	download "$core_url/$tarball" "$into/$tarball" || return 1
	if [ "$(sha256 "$into/$tarball")" != "$sum" ]; then
		say "$tarball does not have the SHA-256 sum $sum"
		return 1
	fi
	tar -xzf "$into/$tarball" -C "$into" --strip-components=1 "bitcoin-$core_version/bin/bitcoind" || return 1
	rm "$into/$tarball"
}

# The mirror that apt of this machine is configured with.
debian_mirror() {
	grep -rhoE '^[^#]*https?://[^ ]+/debian/?( |$)' \
		/etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/mirrors 2>/dev/null |
		grep -oE 'https?://[^ ]+' | head -n 1
}

# Unpacks bitcoin-knots and all its libraries, including the C library, into $1/root: the package may be
# built for a newer Debian than this one. The wrapper starts it with its own loader.
install_debian_package() {
	local into=$1 apt=$1/apt mirror options loader libraries suite deb
	mirror=$(debian_mirror) || true
	if [ -z "$mirror" ] || [ ! -r "$debian_keyring" ]; then
		say "apt of this machine knows no Debian mirror"
		return 1
	fi
	say "downloading bitcoin-knots of Debian $debian_release-backports"
	mkdir -p "$apt/etc/preferences.d" "$apt/state/lists/partial" "$apt/cache/archives/partial" "$into/root" "$into/bin"
	for suite in "$debian_release" "$debian_release-backports"; do
		echo "deb [signed-by=$debian_keyring] $mirror $suite main"
	done >"$apt/etc/sources.list"
	touch "$apt/state/status"
	options=(
		-qq -o "Dir::Etc=$apt/etc" -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/state/status"
		-o "Dir::Cache=$apt/cache" -o "APT::Sandbox::User=$(id -un)" -o APT::Update::Error-Mode=any
		-o Acquire::http::Timeout=20 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
	)
	apt-get "${options[@]}" update >&2 || return 1
	# The small systemd-standalone-sysusers stands in for systemd, which the package depends on.
	apt-get "${options[@]}" --yes --download-only --no-install-recommends \
		--target-release "$debian_release-backports" \
		install bitcoin-knots systemd-standalone-sysusers >&2 || return 1
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$into/root" || return 1
	done
	rm -r "$apt"
	loader=$(cd "$into/root" && find usr/lib -name 'ld-linux-*.so.*' -path '*-linux-gnu*/*' | head -n 1)
	libraries=$(dirname "$loader")
	cat >"$into/bin/bitcoind" <<-WRAPPER
		#!/bin/sh
		root=\$(dirname "\$0")/../root
		exec "\$root/$loader" --library-path "\$root/$libraries" "\$root/usr/bin/bitcoind" "\$@"
	WRAPPER
	chmod +x "$into/bin/bitcoind"
}

# Fills the cache by the first method that works. The installation appears by a rename, so an
# interrupted or concurrent run leaves no partial one.
install() {
	local way
	mkdir -p "$cache"
	if command -v flock >/dev/null; then
		exec 9>"$cache/lock"
		flock 9
		rm -rf "$cache"/staging.*
		if runs "$prefix/bin/bitcoind"; then return; fi
	fi
	staging=$(mktemp -d "$cache/staging.XXXXXX")
	trap 'rm -rf "$staging"' EXIT
	for way in install_core install_debian_package; do
		mkdir "$staging/prefix"
		if "$way" "$staging/prefix" && runs "$staging/prefix/bin/bitcoind"; then
			rm -rf "$prefix"
			mv "$staging/prefix" "$prefix"
			return
		fi
		rm -rf "$staging/prefix"
	done
	say "found no bitcoind and could not install one; set BITCOIND_EXE to the path of a bitcoind"
	exit 1
}

if [ -n "${BITCOIND_EXE:-}" ]; then
	if ! runs "$BITCOIND_EXE"; then
		say "BITCOIND_EXE=$BITCOIND_EXE does not run"
		exit 1
	fi
	echo "$BITCOIND_EXE"
elif runs bitcoind; then
	command -v bitcoind
else
	runs "$prefix/bin/bitcoind" || install
	echo "$prefix/bin/bitcoind"
fi
