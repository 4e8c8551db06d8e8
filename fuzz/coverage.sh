#!/usr/bin/env bash
# Replays what fuzz targets keep and prints how much of our code that covers: fuzz/coverage.sh [TARGET...]
#
# Without TARGET: all of them. With ALSO=FOLDER inputs below FOLDER/TARGET are replayed, too. For each folder and file of
# `engine`, `wire` and `command`: lines on which a block of instructions begins, and blocks (by file, line and column), of
# which one target at least came to one or to it, and how many there are, also where no target could come. LIST=FILE writes
# the blocks that nobody came to. Needs llvm-symbolizer.
set -euo pipefail
cd "$(dirname "$0")"

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
host=$(rustc -vV | sed -n 's/^host: //p')
out=$(realpath -m "${CARGO_TARGET_DIR:-target}")/coverage
mkdir -p "$out"
cc -O1 -c coverage.c -o "$out/coverage.o"
# The flags of run.sh, but a counter for each block, and what nobody calls stays. Nothing is inlined in the three crates,
# lest a copy that nobody calls count, and there are no blocks for overflow and unwinding, where nothing ever comes.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-prune-blocks=0"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Ccodegen-units=1 -Clink-dead-code -Cpanic=abort -Clink-arg=$out/coverage.o --cfg fuzzing"
settings=(--config profile.release.overflow-checks=false --config profile.release.debug-assertions=false)
for crate in engine wire command; do
    settings+=(--config "profile.release.package.$crate.opt-level=0")
done
bins=()
for target in "${targets[@]}"; do
    bins+=(--bin "$target")
done
CARGO_TARGET_DIR=$out RUSTFLAGS=$flags cargo build --quiet --release "${settings[@]}" --target "$host" "${bins[@]}"

for target in "${targets[@]}"; do
    mkdir "$work/$target"
    [ ! -d "seeds/$target" ] || cp -r "seeds/$target/." "$work/$target"
    [ ! -e "corpora/$target.tar.gz" ] || tar -xzf "corpora/$target.tar.gz" -C "$work/$target"
    folders=("$work/$target")
    [ ! -d "${ALSO:-/nowhere}/$target" ] || folders+=("$ALSO/$target/")
    bin=$out/$host/release/$target
    find "${folders[@]}" -type f >"$work/inputs"
    # File by file, so that what is done once, before the first, counts as well.
    if ! xargs -n 1000 "$bin" -print_full_coverage=1 -rss_limit_mb=2048 -timeout=900 <"$work/inputs" >"$work/log" 2>&1; then
        tail -n 40 "$work/log" >&2
        exit 1
    fi
    # Lines of addresses behind C (came to) and U (did not); each gets its place.
    awk '($1 == "C" || $1 == "U") && $2 ~ /^0x/ { for (i = 2; i <= NF; i++) print $1, $i }' "$work/log" | sort -u >"$work/pcs"
    cut -d' ' -f2 "$work/pcs" | llvm-symbolizer --obj="$bin" --no-inlines --functions=none --no-demangle | grep -v '^$' >"$work/places"
    paste -d' ' <(cut -d' ' -f1 "$work/pcs") "$work/places" >>"$work/all"
    echo "$target: $(wc -l <"$work/inputs") inputs"
done

root=$(realpath ..)
awk -v root="$root/" -v list="${LIST:-/dev/null}" '
    index($2, root) == 1 && $2 !~ /:0:/ {
        block = substr($2, length(root) + 1)
        if (block !~ /^(engine|wire|command)\/src\//) next
        line = block
        sub(/:[0-9]+$/, "", line)
        blocks[block] = lines[line] = 1
        if ($1 == "C") came[block] = came[line] = 1
    }
    function add(name, kind, place, part) {
        split(name, part, /[:\/]/)
        sum[part[1], kind]++; sum[part[1] "/" part[3], kind]++; names[part[1]]; names[part[1] "/" part[3]]
        if (name in came) { hit[part[1], kind]++; hit[part[1] "/" part[3], kind]++ }
    }
    END {
        for (line in lines) add(line, "line")
        for (block in blocks) { add(block, "block"); if (!(block in came)) print block >list }
        for (name in names)
            printf "%-24s lines %6d of %6d %6.1f %%   blocks %6d of %6d %6.1f %%\n", name,
                hit[name, "line"], sum[name, "line"], 100 * hit[name, "line"] / sum[name, "line"],
                hit[name, "block"], sum[name, "block"], 100 * hit[name, "block"] / sum[name, "block"]
    }' "$work/all" | sort
