#!/usr/bin/env bash
# Builds the Debian package of daemon and client into target/debian. Needs cargo-deb.
set -euo pipefail
cd "$(dirname "$0")/.."

contrib/build-release.sh

built=${CARGO_TARGET_DIR:-target}/dist
man=$built/package/man
completions=$built/package/completions
rm -rf "$built/package"
mkdir -p "$man" "$completions"

daemon=$built/stripped/ldk-server
client=$built/stripped/ldk-server-cli
"$daemon" --print-man-page >"$man/ldk-server.1"
"$client" man-pages "$man"
for shell in bash fish zsh; do
	"$daemon" --print-completions "$shell" >"$completions/ldk-server.$shell"
	"$client" completions "$shell" >"$completions/ldk-server-cli.$shell"
done

cargo deb --package ldk-server --profile dist --no-build --no-strip --locked
