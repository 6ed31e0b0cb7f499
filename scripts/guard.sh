#!/usr/bin/env bash
# Counts what one event costs on the core path, and fails when it is more than 5 % more than benches/guard.txt says.
#   guard.sh CARGO…    cargo, with what it needs before its command
# UPDATE=1 writes the figures instead. Instructions are counted by callgrind: its processor has no instructions for SHA-1, which the ids of
# derived events are made with. There it takes 1,400 for each of them, on any processor of today about 100. So this part stands in a line of
# its own, and what is aimed at is the event without it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
figures=benches/guard.txt
profiles=${CARGO_TARGET_DIR:-target}/guard
say() { echo "guard: $*" >&2; }

command -v valgrind >/dev/null || { say "valgrind is not installed: sudo apt-get install -y valgrind"; exit 1; }
program=$(env "$@" build --release --bench guard --message-format=json-render-diagnostics |
  sed -n 's/.*"target":{"kind":\["bench"\].*"executable":"\([^"]*\)".*/\1/p')
mkdir -p "$profiles"

count() { # part: instructions and allocations per event
  local part=$1 plain events allocations instructions
  plain=$("$program" "$part")
  valgrind --tool=callgrind --collect-atstart=no --toggle-collect='guard::measured*' \
    --callgrind-out-file="$profiles/$part.out" "$program" "$part" >"$profiles/$part.log" 2>&1 || { cat "$profiles/$part.log" >&2; exit 1; }
  events=$(awk '$1 == "events" { print $2 }' <<<"$plain")
  allocations=$(awk '$1 == "allocations" { print $2 }' <<<"$plain")
  instructions=$(awk '/Collected *:/ { print $NF }' "$profiles/$part.log")
  [ "${instructions:-0}" -gt "$events" ] || { say "callgrind counted nothing: does guard::measured still exist?"; exit 1; }
  awk -v part="$part" -v n="$events" -v i="$instructions" -v a="$allocations" \
    'BEGIN { printf "instructions %s %.0f\nallocations %s %.2f\n", part, i / n, part, a / n }'
}
counted=$({ count source; count aggregate; })
sha1=$(callgrind_annotate --threshold=100 --auto=no "$profiles/aggregate.out" 2>/dev/null |
  awk -v whole="$(awk '$1 " " $2 == "instructions aggregate" { print $3 }' <<<"$counted")" '
    /PROGRAM TOTALS/ { gsub(",", "", $1); total = $1 }
    /sha1::compress/ { gsub(",", "", $1); part += $1 }
    END { printf "%.0f", total ? part / total * whole : 0 }')
[ "$sha1" -gt 0 ] || { say "callgrind saw no sha1::compress: what are ids of derived events made with?"; exit 1; }
now=$(awk -v sha1="$sha1" '
  $1 " " $2 == "instructions aggregate" { $3 -= sha1 }
  { lines[$1] = lines[$1] $0 "\n"; sum[$1] += $3 }
  END {
    printf "%sinstructions event %.0f\ninstructions sha1 %.0f\n", lines["instructions"], sum["instructions"], sha1
    printf "%sallocations event %.2f\n", lines["allocations"], sum["allocations"]
  }' <<<"$counted")

if [ -n "${UPDATE:-}" ]; then
  {
    echo "# What one event of two legs costs on the core path. make guard compares; make guard UPDATE=1 writes this file anew."
    echo "# Without SHA-1, by which ids of derived events are made: callgrind's processor has no instructions for it. It has a line of its own."
    echo "# $(rustc --version)"
    echo "$now"
  } >"$figures"
fi
grep -qxF "# $(rustc --version)" "$figures" || say "the figures are of another compiler: $(sed -n 's/^# rustc/rustc/p' "$figures"); this is $(rustc --version)"
failed=0
awk '
  /^#/ { next }
  FNR == NR { committed[$1 " " $2] = $3; next }
  {
    before = committed[$1 " " $2]
    # Room for a table that grows now and then.
    much = $3 > before * 1.05 + ($1 == "allocations" ? 0.005 : 0)
    change = before > 0 ? sprintf("%+.1f %%", ($3 / before - 1) * 100) : ($3 > 0 ? "new" : "none")
    aim = $2 != "event" ? "" : $1 == "instructions" ? "   at most 15000, goal 6000" : "   goal 0"
    printf "%-14s %-12s %10s %10s %9s%s%s\n", $1, $2, before, $3, change, aim, much ? "   TOO MUCH" : ""
    failed += much
  }
  BEGIN { printf "%-14s %-12s %10s %10s %9s\n", "per event", "part", "committed", "now", "change" }
  END { exit failed != 0 }' "$figures" <(echo "$now") || failed=1
echo "All without SHA-1, by which ids of derived events are made: callgrind runs it in software. Its line says what that takes."
say "where they go: callgrind_annotate --inclusive=yes $profiles/source.out, and aggregate.out"
[ $failed = 0 ] || { say "more than 5 % more than committed. When it is worth it: make guard UPDATE=1, and say why in the commit"; exit 1; }
