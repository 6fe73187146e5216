#!/bin/sh
# How long this program, lnav and wc take for the same log, and how much memory:
#
#     lab/log_speed.sh [MEGABYTES [FOLDER]]
#
# Makes a Postfix log and a W3C log of that size (1000 MB, in /tmp) once, then has the three take turns, so that what else the machine does
# weighs on all of them: five rounds after one that is not counted. Prints wall, user and system seconds and the peak of memory of every run, and then how
# the medians compare. `wc -l` is the floor: it only finds line ends. lnav indexes every line and counts them in SQL; this program puts
# the lines together into sessions, looks for findings and writes its account. Where hyperfine is installed it has the last word, with its deviations.
# Takes GNU time, lnav and a release build.
set -eu
cd "$(dirname "$0")/.."
size=$((${1:-1000} * 1000000))
folder=${2:-/tmp}
mkdir -p "$folder"
program=${BOTHENDS:-target/release/bothends}
[ -x "$program" ] || cargo build --release
runs=$(mktemp)
trap 'rm -f "$runs"' EXIT
# lnav writes to its home folder, and looks for a terminal.
HOME=$(mktemp -d)
TERM=${TERM:-xterm}
export HOME TERM
COUNT=';SELECT count(*) FROM all_logs'

once() { # NAME COMMAND...
    name=$1
    shift
    /usr/bin/time -f "%e s wall  %U s user  %S s system  %M kB  $name" "$@" 2>&1 >/dev/null | tail -n 1
}

turn() { # LOG
    once wc wc -l "$1"
    once lnav lnav -n -q -c "$COUNT" -c ':write-csv-to -' "$1"
    once bothends "$program" -q -l "$1" || true
}

# The middle one of a tool's runs, by a column: 1 wall, 4 user, 10 memory.
median() { # TOOL COLUMN
    awk -v tool="$1" -v column="$2" '$NF == tool { print $column }' "$runs" | sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

for kind in postfix w3c; do
    log=$folder/bothends-$kind-$size.log
    [ -s "$log" ] || python3 lab/loglines.py "$kind" "$size" "$log"
    lines=$(wc -l <"$log")
    echo "$kind: $lines lines, $(stat -c %s "$log") octets"
    turn "$log" >/dev/null
    : >"$runs"
    for _ in 1 2 3 4 5; do
        turn "$log" | tee -a "$runs"
    done
    for tool in wc lnav bothends; do
        echo "$tool $(median $tool 1) $(median $tool 4) $(median $tool 10)"
    done | awk -v lines="$lines" '
        { wall[$1] = $2; user[$1] = $3; printf "%-9s median %.2f s wall, %.2f s user, %d MB, %.0f lines a second\n", $1, $2, $3, $4 / 1000, lines / ($2 + 0.001) }
        END { printf "bothends takes %.2f of the time of lnav, %.2f of its user time\n", wall["bothends"] / wall["lnav"], user["bothends"] / user["lnav"] }'
    if command -v hyperfine >/dev/null; then
        hyperfine -N -i -w 1 -r 5 "wc -l $log" "lnav -n -q -c '$COUNT' -c ':write-csv-to -' $log" "$program -q -l $log"
    fi
done
