#!/bin/bash
# Asterisk 22 of Debian sid in a chroot, on loopback.  asterisk-up.sh [up|env|down]
# SIP 127.0.0.1:5060/udp, ARI http://127.0.0.1:8088 and AMI 127.0.0.1:5038, both as hub with the password patchbay-hub.
# `env` prints PATCHBAY_ASTERISK_ARI, _AMI, _PASSWORD and _SIPP (a command that runs sipp) as the tests read them.
# Dialplan: 100 → agent 101 (sipp on 5081 answers), recorded; 102 → agent 102 (sipp on 5082 rings only); 103 → agent 103 (sipp on 5083 is
# busy); 104 → 102, then 101; 105 → agent 199, who is not there; 200 → queue "support" with 101; 201 → queue "empty" with 102;
# 301 → an announcement; a number with + from an agent → the trunk (sipp on 5070). Calls from 127.0.0.1 come by the trunk.
set -e
. "$(dirname "$0")/common.sh"
R=$TB/sid; A=$R/srv/asterisk; PASSWORD=patchbay-hub
case "${1:-up}" in
  down) down asterisk; exit ;;
  env) [ -e "$A/etc/asterisk.conf" ] || die "no Asterisk here yet: run $0"
    echo "export PATCHBAY_ASTERISK_ARI=http://127.0.0.1:8088 PATCHBAY_ASTERISK_AMI=tcp://127.0.0.1:5038 PATCHBAY_ASTERISK_PASSWORD=$PASSWORD PATCHBAY_ASTERISK_SIPP=$BIN/sipp.sh"; exit ;;
  up) ;;
  *) die "usage: $0 [up|env|down]" ;;
esac
root
need curl:curl setpriv:util-linux debootstrap:debootstrap
if [ ! -e "$R/.ready" ]; then
  stamp "a chroot of Debian sid"
  [ -x "$R/usr/bin/apt-get" ] || debootstrap --variant=minbase --include=ca-certificates sid "$R" "$(mirror)" >"$LOG/debootstrap.log" 2>&1 ||
    die "the chroot could not be made: see $LOG/debootstrap.log"
  printf '#!/bin/sh\nexit 101\n' >"$R/usr/sbin/policy-rc.d"; chmod 755 "$R/usr/sbin/policy-rc.d"
  cat >"$R/etc/apt/apt.conf.d/90patchbay" <<X
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
X
  printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n' >"$R/etc/dpkg/dpkg.cfg.d/90patchbay"
  touch "$R/.ready"
fi
mountpoint -q "$R/proc" || mount -t proc proc "$R/proc"
[ -c "$R/dev/null" ] || mount --rbind /dev "$R/dev"
mountpoint -q "$R/dev/shm" || { mkdir -p "$R/dev/shm"; mount -t tmpfs tmpfs "$R/dev/shm"; }
cp -f /etc/hosts "$R/etc/hosts"
inside() { chroot "$R" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
if [ ! -x "$R/usr/sbin/asterisk" ] || [ ! -x "$R/usr/bin/sipp" ]; then
  stamp "asterisk and sipp"
  cp -f /etc/resolv.conf "$R/etc/resolv.conf"
  inside bash -c 'apt-get update -qq && apt-get install -y -qq asterisk asterisk-core-sounds-en-gsm asterisk-moh-opsound-wav sip-tester' >"$LOG/asterisk-install.log" 2>&1 ||
    die "asterisk could not be installed: see $LOG/asterisk-install.log"
fi
# With a name server, PJSIP opens client sockets on every address.
: >"$R/etc/resolv.conf"
if [ ! -e "$A/etc/asterisk.conf" ]; then
  mkdir -p "$A"/{etc,run,log,spool,db} "$A"/spool/{recording,monitor}
  cat >"$A/etc/asterisk.conf" <<X
[directories]
astetcdir => /srv/asterisk/etc
astmoddir => /usr/lib/x86_64-linux-gnu/asterisk/modules
astvarlibdir => /var/lib/asterisk
astdbdir => /srv/asterisk/db
astkeydir => /srv/asterisk/db
astdatadir => /usr/share/asterisk
astagidir => /usr/share/asterisk/agi-bin
astspooldir => /srv/asterisk/spool
astrundir => /srv/asterisk/run
astlogdir => /srv/asterisk/log
astsbindir => /usr/sbin
[options]
transmit_silence = yes
documentation_language = en_US
X
  { printf '[modules]\nautoload = yes\n'
    for m in chan_iax2 chan_unistim chan_skinny chan_mgcp chan_dahdi pbx_dundi res_snmp cdr_pgsql cel_pgsql cdr_radius cel_radius \
      res_config_ldap res_config_pgsql res_phoneprov res_resolver_unbound chan_ooh323 chan_console res_hep res_hep_pjsip res_hep_rtcp; do
      echo "noload = $m.so"; done; } >"$A/etc/modules.conf"
  printf '[general]\ndateformat=%%F %%T\n[logfiles]\nmessages.log => notice,warning,error,verbose(3)\n' >"$A/etc/logger.conf"
  printf '[general]\nenabled=yes\nbindaddr=127.0.0.1\nbindport=8088\n' >"$A/etc/http.conf"
  printf '[general]\nenabled=yes\npretty=no\n[hub]\ntype=user\nread_only=no\npassword=%s\n' "$PASSWORD" >"$A/etc/ari.conf"
  printf '[general]\nenabled=yes\nport=5038\nbindaddr=127.0.0.1\ntimestampevents=yes\n[hub]\nsecret=%s\ndeny=0.0.0.0/0.0.0.0\npermit=127.0.0.1/255.255.255.255\nread=system,call,agent,dialplan,dtmf,cdr,reporting\nwrite=call,originate,reporting,system\nwritetimeout=5000\n' "$PASSWORD" >"$A/etc/manager.conf"
  printf '[general]\nenable=yes\nunanswered=yes\n' >"$A/etc/cdr.conf"
  printf '[general]\nenabled=yes\n' >"$A/etc/cdr_manager.conf"
  printf '[general]\nrtpstart=20000\nrtpend=20100\n' >"$A/etc/rtp.conf"
  printf '[general]\npersistentmembers=no\n[support]\nstrategy=ringall\ntimeout=15\nringinuse=yes\nmember => PJSIP/101\n[empty]\nstrategy=ringall\ntimeout=15\nringinuse=yes\nmember => PJSIP/102\n' >"$A/etc/queues.conf"
  for f in features udptl ccss acl stasis indications; do : >"$A/etc/$f.conf"; done
  printf '[default]\nmode=files\ndirectory=/usr/share/asterisk/moh\n' >"$A/etc/musiconhold.conf"
  { cat <<X
[transport-udp]
type=transport
protocol=udp
bind=127.0.0.1:5060
[trunk]
type=endpoint
context=from-trunk
disallow=all
allow=ulaw,alaw
aors=trunk
direct_media=no
[trunk]
type=aor
contact=sip:127.0.0.1:5070
[trunk]
type=identify
endpoint=trunk
match=127.0.0.1
X
    for a in 101:5081:One 102:5082:Two 103:5083:Three; do IFS=: read -r n p name <<<"$a"
      printf '[%s]\ntype=endpoint\ncontext=from-agents\ndisallow=all\nallow=ulaw,alaw\naors=%s\ndirect_media=no\ncallerid="Agent %s" <%s>\n[%s]\ntype=aor\ncontact=sip:%s@127.0.0.1:%s\n' \
        "$n" "$n" "$name" "$n" "$n" "$n" "$p"; done; } >"$A/etc/pjsip.conf"
  cat >"$A/etc/extensions.conf" <<'X'
[from-trunk]
exten => 100,1,MixMonitor(${UNIQUEID}.wav)
 same => n,Dial(PJSIP/101,20)
 same => n,Hangup()
exten => 102,1,Dial(PJSIP/102,3)
 same => n,Hangup(19)
exten => 103,1,Dial(PJSIP/103,20)
 same => n,Hangup(17)
exten => 104,1,Dial(PJSIP/102,1)
 same => n,Dial(PJSIP/101,20)
 same => n,Hangup()
exten => 105,1,Dial(PJSIP/199,20)
 same => n,Hangup(20)
exten => 200,1,Answer()
 same => n,Queue(support,,,,20)
 same => n,Hangup()
exten => 201,1,Answer()
 same => n,Queue(empty,,,,20)
 same => n,Hangup()
exten => 301,1,Answer()
 same => n,Wait(1)
 same => n,Hangup()
[from-agents]
include => from-trunk
exten => _+X.,1,Dial(PJSIP/${EXTEN}@trunk,20)
exten => _XXXXXX.,1,Dial(PJSIP/${EXTEN}@trunk,20)
X
  inside chown -R asterisk: /srv/asterisk
fi
mkdir -p "$R/srv/sipp"; cp "$BIN"/sipp/*.xml "$R/srv/sipp/"
free asterisk 8088 5038
bg asterisk chroot "$R" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  setpriv --reuid=asterisk --regid=asterisk --init-groups --reset-env /usr/sbin/asterisk -f -C /srv/asterisk/etc/asterisk.conf
wait_port asterisk 8088 120; wait_port asterisk 5038 120
answer=""
for _ in $(seq 1 120); do answer=$(curl -fs -u "hub:$PASSWORD" http://127.0.0.1:8088/ari/asterisk/ping) && break; sleep 0.25; done
[ -n "$answer" ] || die "Asterisk does not answer after 30 s: see $LOG/asterisk.log"
stamp "Asterisk answers at http://127.0.0.1:8088"
