#!/usr/bin/env bash
# Builds the release binaries into target/dist/stripped, without symbols. The line tables of each are
# beside it in <name>.debug, where debuggers and symbolizers find them.
set -euo pipefail
cd "$(dirname "$0")/.."

binaries=(ldk-server ldk-server-cli)

cargo build --profile dist --locked "${binaries[@]/#/--package=}"

built=${CARGO_TARGET_DIR:-target}/dist
dist=$built/stripped
mkdir -p "$dist"
for binary in "${binaries[@]}"; do
	objcopy --only-keep-debug --compress-debug-sections "$built/$binary" "$dist/$binary.debug"
	objcopy --strip-all "$built/$binary" "$dist/$binary"
	(cd "$dist" && objcopy --add-gnu-debuglink="$binary.debug" "$binary")
	ls -l "$dist/$binary" "$dist/$binary.debug"
done
