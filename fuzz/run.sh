#!/usr/bin/env bash
# Builds all fuzz targets and runs each for SECONDS: fuzz/run.sh SECONDS [TARGET...]
#
# Prints one line a target and fails if one of them found something; the input is then in fuzz/artifacts/TARGET. Each
# run works on a copy of the seeds and corpora, so that nothing in the tree changes; with KEEP=yes what reaches further
# goes into fuzz/corpora/TARGET.tar.gz, up to 256 KiB.
#
# FAST=yes leaves out what guides by compared values: nearly twice as many runs of the engine's door and of worlds.
# SANITIZE=address looks at memory, too (nightly). Both are built apart.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

# The flags of cargo-fuzz, so that it need not be there. With --target, build scripts are not instrumented.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Ccodegen-units=1 --cfg fuzzing"
cargo=(cargo)
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")
if [ "${FAST:-}" = yes ]; then
    out+=/fast
else
    flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares"
fi
if [ "${SANITIZE:-}" = address ]; then
    cargo=(rustup run nightly cargo)
    flags+=" -Zsanitizer=address"
    out+=/sanitized
fi
export CARGO_TARGET_DIR=$out
bins=()
for target in "${targets[@]}"; do
    bins+=(--bin "$target")
done
RUSTFLAGS=$flags "${cargo[@]}" build --quiet --release --target "$host" "${bins[@]}"

# pack FOLDER TARGET: the smallest inputs become the corpus; who replays it has little time.
pack() {
    local most=1500
    [ "$2" != world ] || most=1000
    (cd "$1" && find . -type f -printf '%s %P\n' | sort -n | awk -v most=$most '$1 > 0 && ++k <= most && (n += $1) < 262144 { print $2 }' | sort |
        tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - -T -) | gzip -9n >"corpora/$2.tar.gz"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for target in "${targets[@]}"; do
    mkdir -p "$work/$target" "artifacts/$target"
    # Seeds made of the fixtures, and inputs that earlier runs have found to reach further.
    [ ! -d "seeds/$target" ] || cp -r "seeds/$target/." "$work/$target"
    [ ! -e "corpora/$target.tar.gz" ] || tar -xzf "corpora/$target.tar.gz" -C "$work/$target"
    status=0
    "$out/$host/release/$target" "$work/$target" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=5 -max_len=4096 \
        -artifact_prefix="artifacts/$target/" >"$work/$target.log" 2>&1 || status=$?
    if [ "${KEEP:-}" = yes ] && [ "$status" -eq 0 ]; then
        mkdir -p "$work/kept" corpora
        "$out/$host/release/$target" -merge=1 "$work/kept" "$work/$target" >"$work/merge.log" 2>&1
        pack "$work/kept" "$target"
        rm -r "$work/kept"
    fi
    runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$work/$target.log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/$target.log" | tail -n 1)
    if [ "$status" -eq 0 ]; then
        echo "$target: ok, ${runs:-?} runs, coverage ${coverage:-?}, $(find "$work/$target" -type f | wc -l) inputs"
    else
        failed=1
        echo "$target: FAILED, $(grep -m 1 -E 'panicked|ERROR|ALARM' "$work/$target.log" || echo "status $status"), see fuzz/artifacts/$target"
        tail -n 40 "$work/$target.log" >&2
    fi
done
exit "$failed"
