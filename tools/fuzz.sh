#!/bin/bash
# fuzz.sh SECONDS [NAME...]: builds the libFuzzer targets and runs each for SECONDS. With SEED in
# the environment the inputs come in the same order each time: a change is judged by itself.
#
# New inputs collect in build/fuzz-corpus/NAME, beginning with the committed seeds of
# native/fuzz/corpus/NAME where there are some. A finding stops the run with its own exit code, and
# the input that showed it stays in build/fuzz-corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
(cd native && cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j "$(nproc)")

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in native/fuzz/*/*_fuzz.c; do
        names+=("$(basename "$source" .c)")
    done
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}
for name in "${names[@]}"; do
    corpus=build/fuzz-corpus/$name
    mkdir -p "$corpus"
    seeds=()
    [ ! -d "native/fuzz/corpus/$name" ] || seeds=("native/fuzz/corpus/$name")
    log=build/fuzz-corpus/$name.log
    if ! "native/build/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        ${SEED:+-seed="$SEED"} \
        -artifact_prefix="$corpus-finding-" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz: $name found something; see $log" >&2
        exit 1
    fi
    echo "fuzz: $name $(grep -o 'Done [0-9]* runs.*' "$log")"
done
