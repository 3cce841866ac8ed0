#!/bin/bash
# One sipp in the chroot of asterisk-up.sh, on loopback: sipp.sh -sf uac.xml -s 100 127.0.0.1:5060 …
. "$(dirname "$0")/common.sh"
exec chroot "$TB/sid" /usr/bin/env -i PATH=/usr/bin:/bin TERM=xterm LC_ALL=C sh -c 'cd /srv/sipp && exec sipp "$@"' sipp "$@" -nostdin -i 127.0.0.1 -mi 127.0.0.1
