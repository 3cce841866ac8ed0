#!/bin/bash
# PostgreSQL on 127.0.0.1:25433 with a data directory of its own, superuser postgres, trust.  pg-up.sh [up|env|down]
# `env` prints PATCHBAY_POSTGRES_URL as the tests read it. Port: PG_PORT. fsync is off; PG_FSYNC=on to measure.
set -e
. "$(dirname "$0")/common.sh"
P=$TB/pg; PORT=${PG_PORT:-25433}
case "${1:-up}" in
  down) down pg INT; exit ;;
  env) [ -s "$TB/pg.url" ] || die "no PostgreSQL here yet: run $0"
    echo "export PATCHBAY_POSTGRES_URL=$(cat "$TB/pg.url")"; exit ;;
  up) ;;
  *) die "usage: $0 [up|env|down]" ;;
esac
root; need_pg; need setpriv:util-linux; PGB=$(pg_bin); PG=(setpriv --reuid=postgres --regid=postgres --init-groups --reset-env)
cd /
if [ ! -s "$P/PG_VERSION" ]; then
  stamp initdb
  mkdir -p "$P"; chown postgres: "$P"
  "${PG[@]}" "$PGB/initdb" -D "$P" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$LOG/pg-initdb.log" 2>&1
  printf "listen_addresses='127.0.0.1'\nunix_socket_directories=''\nmax_connections=200\n" >>"$P/postgresql.conf"
fi
free pg "$PORT"
alive pg || echo "postgres://postgres@127.0.0.1:$PORT/postgres" >"$TB/pg.url"
bg pg "${PG[@]}" "$PGB/postgres" -D "$P" -p "$PORT" -c "fsync=${PG_FSYNC:-off}"; wait_port pg "$PORT" 60
# It listens before it has recovered from a crash.
for _ in $(seq 1 240); do "$PGB/pg_isready" -q -h 127.0.0.1 -p "$PORT" && break; sleep 0.25; done
stamp "PostgreSQL answers: $("$PGB/psql" -h 127.0.0.1 -p "$(sed 's/.*:\([0-9]*\)\/.*/\1/' "$TB/pg.url")" -U postgres -Atc 'show server_version')"
