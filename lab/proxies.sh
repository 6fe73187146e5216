#!/bin/sh
# Runs HAProxy before Postfix, Dovecot and nginx, which all log the clients that it names, and keeps their logs with a capture made behind it.
#   proxies.sh OUT
# Leaves OUT/{wire.pcapng, *.log}. Needs root, and of Debian 12 what conditions.sh needs, and haproxy.
exec python3 "$(dirname "$0")/proxies.py" "$@"
