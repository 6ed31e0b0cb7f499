#!/usr/bin/env bash
# Fuzzes each target of fuzz/ FUZZ_RUNS times, beginning with the classes of tests/bad_input. Needs a nightly Rust and a C++ compiler.
#   FUZZ_TARGETS="record http"   these alone
# The flags are those of `cargo fuzz`, without a sanitizer: there is no unsafe code on these ways. fuzz/corpus keeps what led further,
# fuzz/artifacts what was found: target/fuzz/<host>/release/<target> <file> shows it once more. Arguments are passed on to cargo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=${FUZZ_RUNS:-1000000}
targets=${FUZZ_TARGETS:-record topology expression codec http}
export ROCKSDB_LIB_DIR=${ROCKSDB_LIB_DIR:-$PWD/target/lib}
[ -e "$ROCKSDB_LIB_DIR/librocksdb.so" ] || export ROCKSDB_COMPILE=1
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-${CARGO_TARGET_DIR:-$PWD/target}/fuzz}
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Clink-arg=-Wl,-rpath,$ROCKSDB_LIB_DIR"

host=$(rustc +nightly -vV | sed -n 's/^host: //p') || { echo "fuzz: a nightly Rust is missing: rustup toolchain install nightly" >&2; exit 1; }
(cd fuzz && cargo +nightly build --release --target "$host" "$@")
for target in $targets; do
  seeds=$CARGO_TARGET_DIR/seeds/$target
  mkdir -p "$seeds" "fuzz/corpus/$target" fuzz/artifacts
  echo "fuzz: $target, $runs executions" >&2
  FUZZ_SEEDS=$seeds "$CARGO_TARGET_DIR/$host/release/$target" "fuzz/corpus/$target" "$seeds" -runs="$runs" -max_len=4096 -timeout=20 \
    -rss_limit_mb=4096 -artifact_prefix="fuzz/artifacts/$target-" -print_final_stats=1 >"$CARGO_TARGET_DIR/$target.log" 2>&1 ||
    { tail -n 40 "$CARGO_TARGET_DIR/$target.log" >&2; echo "fuzz: $target failed: see $CARGO_TARGET_DIR/$target.log" >&2; exit 1; }
  grep -a 'stat::number_of_executed_units\|stat::average_exec_per_sec' "$CARGO_TARGET_DIR/$target.log" | sed "s/^/fuzz: $target: /"
done
