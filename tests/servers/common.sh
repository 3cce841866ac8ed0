# Shared by the *-up.sh scripts (source it).
# Ports lie below those that the kernel gives to outgoing connections (32768 on), which hold a port that nobody can be seen listening on.
# Everything lives under one folder that `nobody` and `postgres` can reach; a checkout under a private home is not such a place.
BIN=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd); TB=${PATCHBAY_SERVERS:-/var/tmp/patchbay-servers}; RUN=$TB/run; LOG=$TB/log
stamp() { echo "[$(date +%T) +${SECONDS}s] $*" >&2; }
die() { echo "$*" >&2; exit 1; }
mkdir -p "$RUN" "$LOG" || die "cannot write to $TB: run as root or set PATCHBAY_SERVERS"
root() { [ "$(id -u)" = 0 ] || die "$(basename "$0") starts servers as users of their own: run it as root"; }
need() { # command:package...   installs Debian packages whose commands are missing
  local it missing=()
  for it in "$@"; do [ -x "${it%%:*}" ] || command -v "${it%%:*}" >/dev/null || missing+=("${it#*:}"); done
  [ ${#missing[@]} = 0 ] && return 0
  stamp "apt-get install ${missing[*]}"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >"$LOG/apt.log" 2>&1 ||
    die "these Debian packages are missing and could not be installed (see $LOG/apt.log): ${missing[*]}"; }
mirror() { # the Debian mirror that this machine already uses
  local it; it=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null)
  [ -n "$it" ] || it=$(awk '/^deb /{for(i=2;i<=NF;i++) if ($i ~ /:\/\//) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null)
  echo "${it:-http://deb.debian.org/debian}"; }
pg_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }
need_pg() { # Debian's package makes and starts a cluster of its own unless told not to
  [ -n "$(pg_bin)" ] && return 0
  [ -e /etc/postgresql-common/createcluster.conf ] || { mkdir -p /etc/postgresql-common; echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }
  need /nonexistent/initdb:postgresql; [ -n "$(pg_bin)" ] || die "PostgreSQL is missing: apt-get install postgresql"; }
since() { awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$1/stat" 2>/dev/null; } # pid   when it began; numbers of processes come again, also after a restart
alive() { local p t; [ -s "$RUN/$1.pid" ] && read -r p t <"$RUN/$1.pid" && [ -n "$t" ] && [ "$(since "$p")" = "$t" ]; }
wait_port() { # name port seconds   until the server that `bg` started listens; one that ended says its last words
  for _ in $(seq 1 $(( $3 * 4 ))); do (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0; alive "$1" || break; sleep 0.25; done
  tail -n 5 "$LOG/$1.log" >&2
  if alive "$1"; then die "$1 does not listen on port $2 after $3 s: see $LOG/$1.log"; else die "$1 ended before it listened on port $2: see $LOG/$1.log"; fi; }
free() { # name port...   refuses to go on when somebody else holds a port of a server that is not ours and up
  local n=$1 q; shift; alive "$n" && return 0
  for q in "$@"; do (exec 3<>"/dev/tcp/127.0.0.1/$q") 2>/dev/null && die "port $q is taken by another process: $n not started"; done; return 0; }
bg() { # name command...   detached, log in $LOG/name.log, pid and when it began in $RUN/name.pid
  local n=$1; shift; alive "$n" && { stamp "$n already runs"; return 0; }
  setsid "$@" >>"$LOG/$n.log" 2>&1 </dev/null & echo "$! $(since $!)" >"$RUN/$n.pid"; }
down() { # name [signal]   ends one server by the pid that `bg` wrote
  local n=$1 s=${2:-TERM} p; alive "$n" || { rm -f "$RUN/$n.pid"; return 0; }
  read -r p _ <"$RUN/$n.pid"; kill "-$s" "$p"
  for _ in $(seq 1 240); do kill -0 "$p" 2>/dev/null || { rm -f "$RUN/$n.pid"; stamp "$n down"; return 0; }; sleep 0.25; done
  die "$n ($p) still alive"; }
