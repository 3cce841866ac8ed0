#!/bin/bash
# Odoo 19 CRM on 127.0.0.1:8069, database "test", login admin/admin.  odoo-up.sh [up|env|down|kill]
# `env` prints PATCHBAY_ODOO_URL, PATCHBAY_ODOO_DATABASE and PATCHBAY_ODOO_KEY as the tests read them.
# Code: the unmodified Debian sid package odoo-19, unpacked (not installed), run with this machine's /usr/bin/python3
# and PyPI libraries (sid's own Python is too new for 19.0.0: safe_eval refuses its opcodes).
# Database: this machine's PostgreSQL with a data directory of its own. Ports: ODOO_PORT, ODOO_PG_PORT. Modules: ODOO_MODULES.
set -e
. "$(dirname "$0")/common.sh"
O=$TB/odoo19; PORT=${ODOO_PORT:-8069}; PGPORT=${ODOO_PG_PORT:-25842}; MODULES=${ODOO_MODULES:-crm,base_automation}
URL=http://127.0.0.1:$PORT
case "${1:-up}" in
  down) down odoo; down odoo-pg INT; exit ;;
  kill) down odoo KILL; down odoo-pg INT; exit ;; # at once, whatever it is doing
  env) [ -s "$O/apikey" ] || die "no Odoo here yet: run $0"
    echo "export PATCHBAY_ODOO_URL=$(cat "$O/url") PATCHBAY_ODOO_DATABASE=test PATCHBAY_ODOO_KEY=$(cat "$O/apikey")"; exit ;;
  up) ;;
  *) die "usage: $0 [up|env|down|kill]" ;;
esac
root
need curl:curl /usr/bin/python3:python3 setpriv:util-linux
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || need /nonexistent/ensurepip:python3-venv
need_pg; PGB=$(pg_bin)
mkdir -p "$O"; cd "$O"
if [ ! -d usr/lib/python3/dist-packages/odoo ]; then
  stamp "fetch odoo-19 from sid"
  mkdir -p aptroot/lists/partial aptroot/cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) sid main" >aptroot/sid.list
  apt=(apt-get -qq -o "Dir::Etc::sourcelist=$O/aptroot/sid.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$O/aptroot/lists"
    -o "Dir::Cache=$O/aptroot/cache" -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o APT::Sandbox::User=root)
  "${apt[@]}" update; "${apt[@]}" download odoo-19
  dpkg-deb --fsys-tarfile odoo-19_*.deb | tar -x --exclude=./usr/share/doc
  rm -f odoo-19_*.deb; rm -rf aptroot
fi
if [ ! -e venv/.ready ]; then
  stamp "Python libraries" # the system Python: one under a private home is unreadable to nobody
  cp "$BIN/odoo-requirements.txt" requirements.txt
  /usr/bin/python3 -m venv venv; venv/bin/pip install -q --disable-pip-version-check -r requirements.txt; touch venv/.ready
fi
PG=(setpriv --reuid=postgres --regid=postgres --init-groups --reset-env)
OX=(setpriv --reuid=nobody --regid=nogroup --clear-groups env "PYTHONPATH=$O/usr/lib/python3/dist-packages" "HOME=$O/data" LC_ALL=C.UTF-8 "$O/venv/bin/python" "$O/usr/bin/odoo")
OC=(-c "$O/odoo.conf" -d test)
psq() { "${PG[@]}" "$PGB/psql" -h 127.0.0.1 -p "$PGPORT" -U postgres -qAt "$@"; }
if [ ! -s pg/PG_VERSION ]; then
  stamp initdb
  mkdir -p pg data; chown postgres: pg; chown nobody: data
  "${PG[@]}" "$PGB/initdb" -D "$O/pg" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$LOG/odoo-initdb.log" 2>&1
  printf "listen_addresses='127.0.0.1'\nunix_socket_directories=''\nfsync=off\n" >>pg/postgresql.conf
fi
alive odoo || cat >odoo.conf <<C
[options]
db_host = 127.0.0.1
db_port = $PGPORT
db_user = odoo
db_password = odoo
http_interface = 127.0.0.1
http_port = $PORT
data_dir = $O/data
list_db = False
workers = 0
max_cron_threads = 1
C
free odoo-pg "$PGPORT"
bg odoo-pg "${PG[@]}" "$PGB/postgres" -D "$O/pg" -p "$PGPORT"; wait_port odoo-pg "$PGPORT" 60
[ "$(psq -c "select 1 from pg_roles where rolname='odoo'")" = 1 ] || psq -c "create role odoo login createdb password 'odoo'"
if [ "$(psq -d test -c "select count(*) from ir_module_module where state='installed' and name = any(string_to_array('$MODULES', ','))" 2>/dev/null)" != "$(tr ',' '\n' <<<"$MODULES" | wc -l)" ]; then
  stamp "create database with $MODULES"
  down odoo; psq -c 'drop database if exists test' 2>/dev/null; rm -f apikey
  "${OX[@]}" "${OC[@]}" -i "$MODULES" --without-demo --stop-after-init >"$LOG/odoo-init.log" 2>&1 || die "Odoo could not make its database: see $LOG/odoo-init.log"
fi
if [ ! -s apikey ]; then
  stamp "API key of the user admin"
  echo "from datetime import datetime, timedelta
k = env['res.users.apikeys'].with_user(2)._generate('rpc', 'patchbay tests', datetime.now() + timedelta(days=80))
env.cr.commit(); print('KEY=' + k)" | "${OX[@]}" shell "${OC[@]}" --no-http 2>>"$LOG/odoo-init.log" | sed -n 's/.*KEY=//p' >apikey
  [ -s apikey ] || die "Odoo made no API key: see $LOG/odoo-init.log"
fi
free odoo "$PORT"
alive odoo || echo "$URL" >url
bg odoo "${OX[@]}" "${OC[@]}"
for _ in $(seq 1 240); do answer=$(curl -fs "$URL/web/version") && break; sleep 0.5; done
[ -n "$answer" ] || die "Odoo does not answer at $URL after two minutes: see $LOG/odoo.log"
stamp "Odoo answers at $(cat url): $answer"
