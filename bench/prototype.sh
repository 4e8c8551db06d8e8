#!/usr/bin/env bash
# The data path against a prototype of it that has nothing else to do, in turns: bench/prototype.sh [TURNS]
#
# PROTOTYPE: the folder of the prototype (its run-dp.sh, and the binary built by `cargo build --release -p net-bench`).
# SERVER and LOAD are as sim/load.sh has them. Root. Prints for D9 (down: super-packets from the TUN, the kernel splits
# what is sent) and U7 (up: no checksums on the wire, so nothing merges on receive) the nanoseconds of a packet of 1400
# octets in AES-128-CBC with HMAC-SHA-1, and how much of the prototype's rate is reached: by the medians of the turns, and
# by the lowest, since a machine that is slow for seconds makes medians waver.
set -euo pipefail
cd "$(dirname "$0")/.."
prototype=${PROTOTYPE:?the folder of the prototype}
turns=${1:-5}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for _ in $(seq "$turns"); do
    MS=40 ROUNDS=5 "$prototype/run-dp.sh" | awk -F, '$2 ~ /^D9 /{ print "prototype down", $3 } $2 ~ /^U7 /{ print "prototype up", $3 }' >>"$results"
    # A turn in which something was lost does not count.
    if told=$(sim/load.sh --clients 1 --bursts "5:${SUPERS:-4}" 2>/dev/null); then
        sed -n 's/.*"bursts": {"down": {"median_ns": \([0-9]*\),.*"up": {"median_ns": \([0-9]*\),.*/sekisho down \1\nsekisho up \2/p' <<<"$told" >>"$results"
    else
        echo "a turn of ours does not count" >&2
    fi
done
for way in down up; do
    for who in prototype sekisho; do
        awk -v who="$who" -v way="$way" '$1 == who && $2 == way { print $3 }' "$results" | sort -n |
            awk -v who="$who" -v way="$way" '{ all[NR] = $1; line = line " " $1 }
                END { print who, way, all[int((NR + 1) / 2)], all[1], "ns of" line }'
    done
done | awk '{ print } $1 == "prototype" { median = $3; lowest = $4 } $1 == "sekisho" {
    printf "%s: %.0f %% of the rate of the prototype, by the lowest %.0f %%\n", $2, 100 * median / $3, 100 * lowest / $4 }'
