#!/bin/sh
# How long this program, lnav and wc take for the same log, and how much memory:
#
#     lab/log_speed.sh [MEGABYTES [FOLDER]]
#
# Makes a Postfix log and a W3C log of that size (1000 MB, in /tmp) once, then runs the three in turn, five times each, and prints wall and user
# seconds and the peak of memory of every run. `wc -l` is the floor: it only finds line ends. lnav indexes every line and counts them
# in SQL; this program puts the lines together into sessions, looks for findings and writes its account.
# Takes GNU time, lnav and a release build.
set -eu
cd "$(dirname "$0")/.."
size=$((${1:-1000} * 1000000))
folder=${2:-/tmp}
program=${BOTHENDS:-target/release/bothends}
[ -x "$program" ] || cargo build --release

once() { # NAME COMMAND...
    name=$1
    shift
    /usr/bin/time -f "%e s wall  %U s user  %S s system  %M kB  $name" "$@" 2>&1 >/dev/null | tail -n 1
}

for kind in postfix w3c; do
    log=$folder/bothends-$kind-$size.log
    [ -s "$log" ] || lab/loglines.py "$kind" "$size" "$log"
    echo "$kind: $(wc -l <"$log") lines, $(stat -c %s "$log") octets"
    for _ in 1 2 3 4 5; do
        once 'wc -l' wc -l "$log"
        once lnav lnav -n -q -c ';SELECT count(*) FROM all_logs' -c ':write-csv-to -' "$log"
        once bothends "$program" -q -l "$log" || true
    done
done
