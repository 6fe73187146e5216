#!/bin/sh
# Makes conditions that go wrong in known ways, for real, in network namespaces, and captures each.
#   conditions.sh [--seed=N] [NAME…] OUT
# Leaves OUT/NAME/{wire.pcapng, *.log, expect.json}. All names without NAME. Needs root; see README.md here.
exec python3 "$(dirname "$0")/conditions.py" "$@"
