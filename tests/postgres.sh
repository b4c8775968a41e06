#!/usr/bin/env bash
# A PostgreSQL server of its own for tests: in a temporary folder, on a socket in that folder and on no
# port, run by an unprivileged user. It ends, and its folder goes, when standard input does.
#
#   tests/postgres.sh [--durable] [NAME=VALUE...]
#
# The first line that it prints is the URL of the database `postgres`. Then it takes commands, one in a
# line, and answers each with `ok` or with what went wrong:
#
#   stop       freeze every process of the server (SIGSTOP)
#   continue   let them go on
#   kill       end every process of the server at once (SIGKILL)
#   start      start the server again, on the same data, after `kill`
#   restart    end the server in order (SIGINT, its "fast shutdown") and start it again
#
# Without --durable it does not wait for the disk (`fsync`), which a crash of the machine alone would
# show: what was committed outlives `kill` all the same. NAME=VALUE are settings of the server.
set -uo pipefail

fail() {
    printf 'tests/postgres.sh: %s\n' "$*" >&2
    exit 1
}

# Debian has the server's programs outside of the path, in a folder for each version.
programs=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[ -x "$programs/initdb" ] || programs=$(dirname "$(command -v initdb 2>/dev/null)" 2>/dev/null)
[ -x "$programs/initdb" ] && [ -x "$programs/postgres" ] ||
    fail "there is no PostgreSQL server (Debian: postgresql)"

settings=(-c listen_addresses= -c max_connections=500 -c shared_buffers=64MB -c log_min_messages=fatal)
durable=no
for argument in "$@"; do
    case "$argument" in
        --durable) durable=yes ;;
        *=*) settings+=(-c "$argument") ;;
        *) fail "unknown argument $argument" ;;
    esac
done
[ "$durable" = yes ] || settings+=(-c fsync=off -c full_page_writes=off)

# Short, since the path of a socket has a hundred characters at most.
folder=$(mktemp -d "${TMPDIR:-/tmp}/tower-pat-pg.XXXXXX") || exit 1
data="$folder/data"
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    # The server refuses to run as root.
    user=nobody
    id postgres >/dev/null 2>&1 && user=postgres
    as_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --)
    chown "$user" "$folder"
fi

server=
everything() {
    printf '%s\n' "$server"
    pgrep -P "$server"
}

signal() {
    local processes
    mapfile -t processes < <(everything)
    kill "-$1" "${processes[@]}" 2>/dev/null
    return 0
}

# Waits until the server is gone, for half a minute at most.
gone() {
    for _ in $(seq 600); do
        pgrep -f -- "$data( |$)" >/dev/null || return 0
        sleep 0.05
    done
    return 1
}

clean_up() {
    trap '' INT TERM HUP
    if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
        signal CONT
        kill -INT "$server"
        for _ in $(seq 100); do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        signal KILL
    fi
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

start() {
    # In a session of its own, so that Ctrl-C ends it by way of this script alone.
    setsid "${as_user[@]}" "$programs/postgres" -D "$data" -k "$folder" "${settings[@]}" \
        >>"$folder/log" 2>&1 </dev/null &
    server=$!
    for _ in $(seq 300); do
        "$programs/pg_isready" -q -h "$folder" -U tower_pat -d postgres && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder/log" >&2
    return 1
}

(cd "$folder" && "${as_user[@]}" "$programs/initdb" -D "$data" -U tower_pat --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync) >"$folder.log" 2>&1 ||
    { cat "$folder.log" >&2; rm -f "$folder.log"; fail "initdb failed"; }
rm -f "$folder.log"
start || fail "the server did not start"
printf 'postgres://tower_pat@localhost/postgres?host=%s\n' "$folder"

while read -r command; do
    case "$command" in
        stop) signal STOP && echo ok ;;
        continue) signal CONT && echo ok ;;
        kill)
            # Its children first: they would end in order when they miss it.
            signal STOP
            signal KILL
            wait "$server" 2>/dev/null
            # What those held is free only when they are gone.
            gone && echo ok || echo "processes of the server are still there"
            ;;
        start) start 2>/dev/null && echo ok || echo "the server did not start" ;;
        restart)
            kill -INT "$server"
            gone && start 2>/dev/null && echo ok || echo "the server did not start again"
            ;;
        *) printf 'unknown command %s\n' "$command" ;;
    esac
done
