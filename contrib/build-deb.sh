#!/usr/bin/env bash
# Builds the Debian package of daemon and client, and prints its path. Needs cargo-deb, which gets the
# arguments.
set -euo pipefail
cd "$(dirname "$0")/.."

contrib/build-release.sh

built=${CARGO_TARGET_DIR:-target}/dist
daemon=$built/stripped/ldk-server
client=$built/stripped/ldk-server-cli
package=$built/package
rm -rf "$package"
mkdir -p "$package"/{man,completions}

"$daemon" --print-man-page >"$package/man/ldk-server.1"
"$client" man-pages "$package/man"
gzip --best --no-name "$package"/man/*
for shell in bash fish zsh; do
	"$daemon" --print-completions "$shell" >"$package/completions/ldk-server.$shell"
	"$client" completions "$shell" >"$package/completions/ldk-server-cli.$shell"
done
version=$("$daemon" --version | cut -d ' ' -f 2)
gzip --best --no-name >"$package/changelog.Debian.gz" <<-EOF
	ldk-server ($version-1) unstable; urgency=medium

	  * Version $version; see changelog.gz.

	 -- The ldk-server developers <ldk-server@localhost>  $(date --rfc-email)
EOF

cargo deb --package ldk-server --profile dist --no-build --no-strip --locked "$@"
