#!/bin/sh
# Runs Apache, HAProxy and nginx for real in network namespaces, and keeps their logs with captures.
#   web-servers.sh OUT [NAME…]
# Leaves OUT/NAME/{wire.pcapng, *.log}. All without NAME. Needs root, and of Debian 12 apache2-bin, haproxy and nginx, their own services not started.
exec python3 "$(dirname "$0")/web_servers.py" "$@"
