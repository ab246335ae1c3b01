#!/usr/bin/env bash
# Fetches Swagger UI, which the page /docs is made of, from npm and puts it where the daemon embeds it
# from. With --check it only tells whether what is there is what npm has.
set -euo pipefail

version=5.35.0
assets=$(cd "$(dirname "$0")/../ldk-server/src/openapi/assets" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

(cd "$dir" && npm pack --silent "swagger-ui-dist@$version" >/dev/null && tar xzf ./*.tgz)
new=$dir/new
mkdir "$new"
for file in swagger-ui-bundle.js swagger-ui.css; do
	gzip -9 --no-name --stdout "$dir/package/$file" >"$new/$file.gz"
done
cp "$dir"/package/{LICENSE,NOTICE,swagger-ui-bundle.js.LICENSE.txt} "$new"

if [ "${1:-}" != --check ]; then
	cp "$new"/* "$assets"
	exit
fi
# Another gzip may compress differently.
for file in "$new"/*; do
	read=cat
	case $file in *.gz) read=zcat ;; esac
	cmp <("$read" "$file") <("$read" "$assets/${file##*/}")
done
echo "Swagger UI $version is as npm has it"
