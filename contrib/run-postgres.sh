#!/usr/bin/env bash
# Runs a PostgreSQL for tests in a temporary directory, on the port $1 of 127.0.0.1, until its standard
# input is closed; then nothing of it is left. Prints "ready" when it accepts connections of the user
# postgres, who needs no password.
#
# A line of its standard input is a command: "restart" and "stop" do it as after a crash, "start" starts
# it again; each is answered with "ready" or "stopped". Its commits are not safe from a loss of power,
# unless FSYNC=on.
#
# PostgreSQL refuses to run as root; then this runs it as postgres or nobody.
set -euo pipefail

port=$1
bin=$("$(dirname "$0")/get-postgres.sh")
dir=$(mktemp -d "${TMPDIR:-/tmp}/ldk-server-postgres.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
	user=postgres
	id "$user" >/dev/null 2>&1 || user=nobody
	chown "$user" "$dir"
	as=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
fi

run() {
	(cd "$dir" && "${as[@]}" env HOME="$dir" LC_ALL=C.UTF-8 "$@" </dev/null >>"$dir/log" 2>&1)
}

start() {
	run "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/server.log" start && echo ready
}

stop() {
	run "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop || true
}

trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
touch "$dir/log" && chmod 666 "$dir/log"
if ! run "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync --no-instructions; then
	cat "$dir/log" >&2
	exit 1
fi
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = ${FSYNC:-off}
full_page_writes = ${FSYNC:-off}
max_connections = 200
shared_buffers = 32MB
CONF
if ! start; then
	cat "$dir/log" "$dir/data/server.log" >&2
	exit 1
fi
while read -r command; do
	case $command in
	restart) stop && start ;;
	start) start ;;
	stop) stop && echo stopped ;;
	esac
done
