#!/usr/bin/env bash
# Runs a PostgreSQL for tests in a temporary directory, on the port $1 of 127.0.0.1, until its standard
# input is closed; then nothing of it is left. Prints "ready" when it accepts connections of the user
# postgres, who needs no password.
#
# With a second port $2, a replica follows it there, which is asynchronous as long as
# synchronous_standby_names is empty.
#
# A line of its standard input is a command: "restart" and "stop" do it as after a crash, "start" starts
# it again; each is answered with "ready" or "stopped". The replica is left alone. Its commits are not safe
# from a loss of power, unless FSYNC=on.
#
# With ROOM (80m), it has a disk of that size, for which a tmpfs stands that no other process sees. "fill"
# fills it and "clear" makes room again; they are answered with "full" and "cleared". Needs root.
#
# With TLS_DIR it has the certificate server.crt and its key server.key of that directory, and refuses
# connections without TLS. With PASSWORD the user postgres needs it.
#
# PostgreSQL refuses to run as root; then this runs it as postgres or nobody.
set -euo pipefail

port=$1
replica_port=${2:-}
room=${ROOM:-}
if [ -n "$room" ] && [ -z "${IN_ROOM:-}" ]; then
	IN_ROOM=1 exec unshare --mount "$0" "$@"
fi
bin=$("$(dirname "$0")/get-postgres.sh")
dir=$(mktemp -d "${TMPDIR:-/tmp}/ldk-server-postgres.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
	user=postgres
	id "$user" >/dev/null 2>&1 || user=nobody
	[ -z "$room" ] || mount -t tmpfs -o "size=$room" tmpfs "$dir"
	chown "$user" "$dir"
	as=(setpriv "--reuid=$(id -u "$user")" "--regid=$(id -g "$user")" --clear-groups)
	# Those in the cache of root may be out of its reach.
	if ! "${as[@]}" test -x "$bin/postgres"; then
		cp -a "$(dirname "$bin")" "$dir/programs"
		bin=$dir/programs/bin
	fi
fi

run() {
	(cd "$dir" && "${as[@]}" env HOME="$dir" LC_ALL=C.UTF-8 "$@" </dev/null >>"$dir/log" 2>&1)
}

run_server() {
	run "$bin/pg_ctl" -D "$dir/$1" -w -t 60 -l "$dir/$1/server.log" start
}

stop_server() {
	run "$bin/pg_ctl" -D "$dir/$1" -m immediate -w stop || true
}

start() {
	run_server data && echo ready
}

stop() {
	stop_server data
}

start_replica() {
	run "$bin/pg_basebackup" -D "$dir/replica" -h 127.0.0.1 -p "$port" -U postgres -R -X stream \
		--checkpoint=fast --no-sync || return 1
	echo "port = $replica_port" >>"$dir/replica/postgresql.conf"
	run_server replica
}

end() {
	stop
	[ -z "$replica_port" ] || stop_server replica
	[ -z "$room" ] || umount --lazy "$dir" || true
	rm -rf "$dir"
}

trap end EXIT
trap 'exit 1' HUP INT TERM
touch "$dir/log" && chmod 666 "$dir/log"
access=(-A trust)
if [ -n "${PASSWORD:-}" ]; then
	(umask 022 && echo "$PASSWORD" >"$dir/password")
	access=(-A scram-sha-256 "--pwfile=$dir/password")
fi
wal=()
[ -z "$room" ] || wal=(--wal-segsize=1)
if ! run "$bin/initdb" -D "$dir/data" -U postgres "${access[@]}" "${wal[@]}" -E UTF8 --no-sync \
	--no-instructions; then
	cat "$dir/log" >&2
	exit 1
fi
[ -z "$room" ] || printf 'min_wal_size = 2MB\nmax_wal_size = 8MB\n' >>"$dir/data/postgresql.conf"
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = ${FSYNC:-off}
full_page_writes = ${FSYNC:-off}
max_connections = 200
shared_buffers = 32MB
CONF
if [ -n "${TLS_DIR:-}" ]; then
	cp "$TLS_DIR/server.crt" "$TLS_DIR/server.key" "$dir/data/"
	chmod 600 "$dir/data/server.key"
	if [ "$(id -u)" = 0 ]; then chown "$user" "$dir/data/server.crt" "$dir/data/server.key"; fi
	echo "ssl = on" >>"$dir/data/postgresql.conf"
	sed -i -E 's/^host( +(all|replication) )/hostssl\1/' "$dir/data/pg_hba.conf"
fi
if ! run_server data || { [ -n "$replica_port" ] && ! start_replica; }; then
	cat "$dir/log" "$dir"/*/server.log >&2
	exit 1
fi
echo ready
while read -r command; do
	case $command in
	restart) stop && start ;;
	start) start ;;
	stop) stop && echo stopped ;;
	fill) { cat /dev/zero >"$dir/filler" || true; } 2>/dev/null && echo full ;;
	clear) rm "$dir/filler" && echo cleared ;;
	esac
done
