#!/bin/bash
# Dovecot on loopback: IMAP 127.0.0.1:10143, LMTP 127.0.0.1:10024; any user name, password "dovecot-password".  mail-up.sh [up|env|restart|down]
# `env` prints PATCHBAY_IMAP and PATCHBAY_LMTP as the tests read them. Ports: IMAP_PORT, LMTP_PORT.
set -e
. "$(dirname "$0")/common.sh"
M=$TB/mail; IMAP=${IMAP_PORT:-10143}; LMTP=${LMTP_PORT:-10024}
case "${1:-up}" in
  down) down dovecot; exit ;;
  env) [ -s "$M/ports" ] || die "no Dovecot here yet: run $0"
    read -r imap lmtp <"$M/ports"; echo "export PATCHBAY_IMAP=127.0.0.1:$imap PATCHBAY_LMTP=127.0.0.1:$lmtp"; exit ;;
  restart) [ -s "$M/ports" ] || die "no Dovecot here yet: run $0"; read -r IMAP LMTP <"$M/ports"; down dovecot ;;
  up) ;;
  *) die "usage: $0 [up|env|restart|down]" ;;
esac
root
need dovecot:dovecot-core /usr/lib/dovecot/imap:dovecot-imapd /usr/lib/dovecot/lmtp:dovecot-lmtpd
mkdir -p "$M/run" "$M/state" "$M/home"; chown mail:mail "$M/home"
common="base_dir = $M/run
state_dir = $M/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
first_valid_uid = 1
first_valid_gid = 1
service imap-login {
  inet_listener imap {
    port = $IMAP
  }
  inet_listener imaps {
    port = 0
  }
}"
alive dovecot || case "$(dovecot --version)" in
  2.[0-3].*) cat >"$M/dovecot.conf" <<X
$common
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
passdb {
  driver = static
  args = password=dovecot-password
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$M/home/%u allow_all_users=yes
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $LMTP
  }
}
service stats {
  client_limit = 1000
}
X
  ;;
  *) cat >"$M/dovecot.conf" <<X
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
$common
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
passdb static {
  password = dovecot-password
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = $M/home/%{user}
  }
}
service lmtp {
  inet_listener lmtp {
    listen = 127.0.0.1
    port = $LMTP
  }
}
service stats {
  client_limit = 1000
}
X
  ;;
esac
free dovecot "$IMAP" "$LMTP"
alive dovecot || echo "$IMAP $LMTP" >"$M/ports"
bg dovecot dovecot -F -c "$M/dovecot.conf"
wait_port dovecot "$IMAP" 60; wait_port dovecot "$LMTP" 60
stamp "Dovecot answers at 127.0.0.1:$IMAP (IMAP) and 127.0.0.1:$LMTP (LMTP)"
