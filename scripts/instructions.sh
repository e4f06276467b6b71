#!/usr/bin/env bash
# Counts the instructions of each micro-benchmark: figures that a busy machine does not change, to
# hold a change against what was before.
#
#   scripts/instructions.sh                                  the benchmarks of all crates
#   scripts/instructions.sh records log                      those of these crates
#   scripts/instructions.sh records -- validate_batch        those whose name has this in it
#
# Each runs twice under callgrind, with few calls and with more; the difference is what the calls
# cost. Inputs that are made anew for every call are counted with it. Times are what `cargo bench -p
# ottla-records` prints. Needs valgrind, which is installed with apt-get (as root or through sudo)
# when it is missing. Valgrind shows programs a processor without AVX-512.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
cd "$root"

crates=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  crates+=(-p "ottla-$1")
  shift
done
[ $# -eq 0 ] || shift
[ ${#crates[@]} -gt 0 ] || crates=(--workspace)

command -v valgrind >/dev/null || apt_install valgrind

# The programs of the benchmarks, built.
programs() {
  cargo bench --locked --no-run --benches --message-format=json "${crates[@]}" |
    python3 -c '
import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["target"]["kind"] == ["bench"]:
        print(built["executable"])'
}

# The full names of a program's benchmarks, from the tree that it prints.
names() { # program, filters...
  "$@" --test | python3 -c '
import re, sys
path, lines = [], sys.stdin.read().splitlines()
depths = [len(re.match("[│├╰─ ]*", line)[0]) // 3 for line in lines] + [0]
for line, depth, following in zip(lines, depths, depths[1:]):
    path[depth:] = [re.sub("^[│├╰─ ]*", "", line).strip()]
    if depth and following <= depth:
        print("::".join(path))'
}

# Instructions of a run with so many calls.
instructions() { # program, benchmark, calls
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" --bench --exact "$2" --timer os \
    --sample-count 1 --sample-size "$3" 2>&1 >/dev/null | awk '/Collected/ { print $4 }'
}

count() { # program, benchmark
  local calls=11 one more
  one=$(instructions "$1" "$2" 1)
  more=$(instructions "$1" "$2" "$calls")
  # What is cheap is counted more often: the two runs differ a little in other things too.
  if [ $((more - one)) -lt 1000000 ]; then
    calls=2001
    more=$(instructions "$1" "$2" "$calls")
  fi
  printf '%14d  %s\n' $(((more - one) / (calls - 1))) "$2"
}

found=$(programs)
for program in $found; do
  for benchmark in $(names "$program" "$@"); do
    count "$program" "$benchmark"
  done
done
