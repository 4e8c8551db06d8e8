#!/usr/bin/env bash
# Shows that the swarm sees: each of six faults is planted in a throw-away copy of the tree, and must be found.
#
#   sim/planted.sh [FAULT...]    replay, lent-twice, ns-skipped, sa-leaked, plaintext, spoofed; all of them by default
#
# SIM_SEEDS says within how many seeds (1000). Prints one line a fault: the seed that found it, how many seeds that took,
# and what the swarm said; fails if one is not found, or if the text that it replaces stands in the tree no more. The
# faults share what is built, in PLANTED_TARGET if that is set (to be kept), else in the copy.
set -euo pipefail
cd "$(dirname "$0")/.."

seeds=${SIM_SEEDS:-1000}
faults=("$@")
[ ${#faults[@]} -gt 0 ] || faults=(replay lent-twice ns-skipped sa-leaked plaintext spoofed)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
for part in Cargo.toml Cargo.lock clippy.toml rustfmt.toml wire crypto command engine server sim bench fixtures examples docs; do
    cp -a "$part" "$work/tree/$part"
done
export CARGO_TARGET_DIR=${PLANTED_TARGET:-$work/target}

# plant FILE OLD NEW: replaces a text that must stand there exactly once.
plant() {
    python3 - "$work/tree/$1" "$2" "$3" <<'PYTHON'
import pathlib
import sys

path, old, new = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
text = path.read_text()
if text.count(old) != 1:
    sys.exit(f"{path.name} has {text.count(old)} times, not once: {old!r}; mend sim/planted.sh")
path.write_text(text.replace(old, new))
PYTHON
    planted=$1
}

# The fault in one place, as somebody might make it.
plant_fault() {
    case $1 in
    replay) # A sequence number counts as often as it comes.
        plant engine/src/path/replay.rs ' < Self::WINDOW && self.bits[word] & bit == 0' \
            ' < Self::WINDOW && self.bits[word] | bit != 0' ;;
    lent-twice) # Who looks for a free address does not ask who has it.
        plant engine/src/pool.rs 'let is_taken = self.lent.contains_key(&address) || self.returned' \
            'let is_taken = self.returned' ;;
    ns-skipped) # Messages that are given up unsent keep their numbers.
        plant engine/src/l2tp/reliable.rs '            self.next_ns = item.ns;
            self.queue.pop_back();' '            let _ = item.ns;
            self.queue.pop_back();' ;;
    sa-leaked) # Who goes leaves the SAs behind on which it was sent to.
        plant engine/src/path/table.rs '            self.outbound.remove(sa);
        }
        for numbers' '            let _ = sa;
        }
        for numbers' ;;
    plaintext) # Large packets of the server'\''s own making are not encrypted.
        plant engine/src/path/outbound.rs \
            '            jobs.push(Seal { key: &sa.key, packet: &mut packet.bytes, payload_len, next_header: UDP });' \
            '            if payload_len < 1000 {
                jobs.push(Seal { key: &sa.key, packet: &mut packet.bytes, payload_len, next_header: UDP });
            }' ;;
    spoofed) # A client may say that its packets come from anywhere.
        plant engine/src/path/inbound.rs 'if ip.source() != session.address {' 'if ip.source().is_broadcast() {' ;;
    *)
        echo "no such fault: $1" >&2
        exit 2
        ;;
    esac
}

# swarm TEST: builds what is planted and runs one kind of world until a seed fails.
swarm() {
    (cd "$work/tree" && SIM_SEEDS=$seeds SIM_FIRST=1 cargo test --quiet -p sim --test swarm -- --exact "$1") \
        >"$work/log" 2>&1
}

missed=0
for fault in "${faults[@]}"; do
    plant_fault "$fault"
    # What does not build finds nothing.
    if ! (cd "$work/tree" && cargo test --quiet -p sim --test swarm --no-run) >"$work/log" 2>&1; then
        cat "$work/log" >&2
        exit 1
    fi
    found=
    for kind in random_worlds_hold_together_and_return_to_quiet \
        random_worlds_of_real_clients_hold_together_and_return_to_quiet \
        random_worlds_with_clients_of_bad_will_hold_together_and_return_to_quiet; do
        if ! swarm "$kind"; then
            found=$(sed -n 's/^the swarm of seed \([0-9]*\) failed$/\1/p' "$work/log" | head -n 1)
            break
        fi
    done
    if [ -n "$found" ]; then
        said=$(grep -A 1 -m 1 'panicked at' "$work/log" | tail -n 1)
        echo "$fault: found by seed $found of ${kind%%_hold*}, after $((found + 1)) seeds: ${said:0:100}"
    else
        missed=1
        echo "$fault: NOT FOUND in $seeds seeds of any kind"
        tail -n 5 "$work/log" >&2
    fi
    cp "$planted" "$work/tree/$planted"
    touch "$work/tree/$planted"
done
exit "$missed"
