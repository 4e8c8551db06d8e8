#!/usr/bin/env bash
# Says how much of the engine the seeds and corpora reach: fuzz/coverage.sh [TARGET...]
#
# Runs each input once, in targets built for that, and prints what llvm-cov counts for engine/src: regions, functions and
# lines, a file a line and in all. llvm-profdata and llvm-cov have to be of the version that rustc uses (rustc -vV).
set -euo pipefail
cd "$(dirname "$0")"

targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(engine world)
host=$(rustc -vV | sed -n 's/^host: //p')
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/coverage
export CARGO_TARGET_DIR
bins=()
objects=()
for target in "${targets[@]}"; do
    bins+=(--bin "$target")
    objects+=(--object "$CARGO_TARGET_DIR/$host/release/$target")
done
RUSTFLAGS="-Cinstrument-coverage --cfg fuzzing" cargo build --quiet --release --target "$host" "${bins[@]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in "${targets[@]}"; do
    cp -r "seeds/$target" "$work/$target"
    [ ! -e "corpora/$target.tar.gz" ] || tar -xzf "corpora/$target.tar.gz" -C "$work/$target"
    find "$work/$target" -type f -print0 | LLVM_PROFILE_FILE="$work/%p.profraw" \
        xargs -0 -n 256 "$CARGO_TARGET_DIR/$host/release/$target" >"$work/$target.log" 2>&1
    echo "$target: $(find "$work/$target" -type f | wc -l) inputs"
done
llvm-profdata merge -sparse "$work"/*.profraw -o "$work/all.profdata"
llvm-cov report "${objects[@]:1}" -instr-profile="$work/all.profdata" ../engine/src |
    awk '/^-/ || /^Filename/ || /^TOTAL/ || /\.rs/ { print $1, $2, $4, $5, $7, $8, $10 }' | column -t
