#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make check`: every test plainly, on real Xen in QEMU, under AddressSanitizer and UBSan, what has
# threads under ThreadSanitizer, a build by clang with warnings as errors, the seeds of the fuzz
# targets, the layout of the code. What failed in a suite that drives other people's programs (client,
# xen) runs once more at the end, alone; if it passes then it is UNSTABLE. Ends in the line
# "N passed, N failed[, N skipped][, N unstable]".
#
# XLVIRT_CHECK="plain asan" runs only these stages (plain, xen, asan, tsan, clang, fuzz, style).
# XLVIRT_FUZZ_SECONDS is the time of each fuzz target (default 0: its seeds only), or of those that
# XLVIRT_FUZZ_TARGETS names ("xl xm"); the others then run their seeds.
set -u
cd "$(dirname "$0")/.." || exit 1

stages=${XLVIRT_CHECK:-plain xen asan tsan clang fuzz style}
seconds=${XLVIRT_FUZZ_SECONDS:-0}
fuzz_targets=${XLVIRT_FUZZ_TARGETS:-}
began=$(date +%s)
most=1740 # seconds, behind which nothing runs again
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Results of what is not a meson test: one file a verdict.
passed() { echo "ok      $1"; echo "$1" >>"$results/passed"; }
failed() { echo "FAILED  $1"; echo "$1" >>"$results/failed"; }
verdict() { # NAME COMMAND...: its output only where it fails
    name=$1
    log=$(mktemp "$results/log.XXXXXX")
    shift
    if "$@" >"$log" 2>&1; then
        passed "$name"
    else
        tail -n 60 "$log"
        failed "$name"
    fi
}

configure() { # DIR MESON-OPTION...
    dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" || return 1
    ninja -C "$dir" --quiet
}

run_tests() { # STAGE DIR MESON-TEST-OPTION...
    stage=$1 dir=$2
    shift 2
    rm -f "$dir"/meson-logs/testlog*.json
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" || true
    # With a wrapper the log's name has the wrapper's in it.
    cp "$dir"/meson-logs/testlog*.json "$results/$stage.json" || failed "$stage: no test log"
    echo "$dir" >"$results/$stage.dir"
}

stage_plain() {
    verdict 'plain: builds' configure build && run_tests plain build --no-suite xen
}

# A lab takes a processor: one after the other while other stages run beside it.
stage_xen() {
    labs=1
    [ "$stages" != xen ] || labs=$(nproc)
    verdict 'xen: builds' configure build && run_tests xen build --suite xen --num-processes "$labs"
}

stage_asan() {
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    verdict 'asan: builds' configure build-asan -Db_sanitize=address,undefined -Db_lundef=false
    run_tests asan build-asan --timeout-multiplier 4 --no-suite xen
    unset ASAN_OPTIONS UBSAN_OPTIONS
    # The engine for real Xen, in a dom0.
    run_tests asan-xen build-asan --suite sanitized
}

stage_tsan() {
    export TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/tests/tsan.supp"
    verdict 'tsan: builds' configure build-tsan -Db_sanitize=thread -Db_lundef=false
    # Only the tests see it: wrapped around meson itself it would be in every compiler too.
    run_tests tsan build-tsan --timeout-multiplier 4 --suite threads \
        --wrapper "env LD_PRELOAD=$PWD/build-tsan/tests/libtsan-glib.so"
    unset TSAN_OPTIONS
}

stage_clang() {
    CC=clang
    export CC
    verdict 'clang: builds without a warning' configure build-clang -Dwerror=true -Dfuzz=true \
        -Db_lundef=false -Db_sanitize=address,undefined
    unset CC
}

# Folders of seeds beside the target's own: what the golden tests convert.
golden_seeds() { # NAME
    case $1 in
    domxml) echo tests/golden/domxml tests/golden/old-host ;;
    sxp | xl | xm) echo "tests/golden/$1" ;;
    native) echo tests/golden/domxml tests/golden/sxp tests/golden/xl tests/golden/xm ;;
    xl-json) echo tests/golden/libxl ;;
    config) echo data ;;
    esac
}

fuzz_seconds() { # NAME
    case " $fuzz_targets " in
    '  ' | *" $1 "*) echo "$seconds" ;;
    *) echo 0 ;;
    esac
}

# Who finds something wants to have it, and to run it again: the machine may be gone tomorrow.
show_findings() { # TARGET
    for found in "$1"-found-*; do
        [ -f "$found" ] || continue
        echo "found: $(basename "$found"), $(wc -c <"$found") bytes, as base64:"
        base64 "$found"
        echo "again: base64 -d >input, then $1 input; keep it in tests/fuzz/corpus"
    done
}

fuzz_one() { # TARGET
    target=$1
    name=$(basename "$target")
    time=$(fuzz_seconds "${name#fuzz-}")
    corpus=$results/corpus-$name
    mkdir -p "$corpus"
    set --
    [ -f "$target.dict" ] && set -- "-dict=$target.dict"
    # What it finds by itself goes into the first folder; the others are seeds.
    set -- "$@" "$corpus"
    [ -d "tests/fuzz/corpus/${name#fuzz-}" ] && set -- "$@" "tests/fuzz/corpus/${name#fuzz-}"
    # shellcheck disable=SC2046 # a list of folders
    set -- "$@" $(golden_seeds "${name#fuzz-}")
    # The outer limit is for a target that hangs where libFuzzer's own alarm cannot end it.
    # Without a time: the seeds only. Chance must not decide whether a change passes.
    limit=-max_total_time=$time
    [ "$time" = 0 ] && limit=-runs=0
    if timeout $((time + 90)) "$target" "$limit" -rss_limit_mb=2048 -timeout=20 -max_len=8192 \
        -artifact_prefix="$target-found-" "$@" >"$results/$name.log" 2>&1; then
        : >"$results/$name.ok"
    fi
}

# Every N-th of the targets, beginning with one of them.
fuzz_worker() { # FIRST N TARGET...
    turn=$1 every=$2
    shift 2
    for target; do
        [ "$turn" = 0 ] && fuzz_one "$target"
        turn=$(((turn + every - 1) % every))
    done
}

stage_fuzz() {
    [ -f build-clang/build.ninja ] || stage_clang
    export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    export G_DEBUG=fatal-criticals G_SLICE=always-malloc
    set --
    for target in build-clang/tests/fuzz/fuzz-*; do
        # A folder of objects, a dictionary, what an earlier run found: no target.
        case $target in *-found-*) rm -f "$target" && continue ;; esac
        [ -f "$target" ] && [ -x "$target" ] && set -- "$@" "$target"
    done
    workers=$(nproc)
    pids=
    for first in $(seq 0 $((workers - 1))); do
        fuzz_worker "$first" "$workers" "$@" &
        pids="$pids $!"
    done
    # shellcheck disable=SC2086 # a list
    wait $pids
    for target; do
        name=$(basename "$target")
        if [ -f "$results/$name.ok" ]; then
            passed "$name: $(fuzz_seconds "${name#fuzz-}")s"
        else
            tail -n 60 "$results/$name.log"
            show_findings "$target"
            failed "$name: $(fuzz_seconds "${name#fuzz-}")s"
        fi
    done
    unset ASAN_OPTIONS UBSAN_OPTIONS G_DEBUG G_SLICE
}

stage_style() {
    verdict 'style: clang-format' sh -c "git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror"
    verdict 'style: layers' tests/check-layers.py
    if command -v shellcheck >/dev/null 2>&1; then
        verdict 'style: shell' sh -c "git ls-files '*.sh' .ci/run | xargs shellcheck"
    fi
}

# Real Xen takes as long as all the rest, and of two processors one: it runs beside what comes after it.
beside=
for stage in $stages; do
    echo "== $stage"
    if [ "$stage" = xen ]; then
        stage_xen >"$results/xen.log" 2>&1 &
        beside=$!
        trap 'trap - TERM; kill 0' INT TERM
    else
        "stage_$stage"
    fi
done
if [ -n "$beside" ]; then
    echo "== xen, to its end"
    wait "$beside"
    cat "$results/xen.log"
fi
tests/second-run.py "$results" $((began + most - $(date +%s)))
echo
tests/summary.py "$results"
