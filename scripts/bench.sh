#!/usr/bin/env bash
# Ottla and Apache Kafka 3.9 side by side on this machine: the same ZooKeeper, settings and load,
# in alternation, with load generators of other projects (Java's performance programs, librdkafka
# through kcat, franz-go). Prints medians with their spread and ratios to Apache's, where the load
# generator was the limit, and which of the bars (scripts/bench/bars.py) are reached.
#
#   scripts/bench.sh [SCENARIO...] [--rounds N] [--scale X] [--only ottla|apache]
#                    [--json FILE] [--markdown FILE] [--plots FOLDER]
#
# Scenarios: produce replicated connections consume latency fsync old-clients start seek failover
# partitions; all of them when none is named. Each is a page in scripts/bench/scenarios. A scenario
# fails if a record of its load is missing afterwards; a bar that is missed is only said. Sets up what
# scripts/test.sh sets up, and builds in release mode. All scenarios take about three quarters of an
# hour; files are written after each.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
"$root/scripts/test.sh" --setup-only
(cd "$root" && cargo build --release --locked -p broker)
clients=${OTTLA_TEST_CLIENTS:-$root/target/clients}
go_build "$root/scripts/bench/load" "$clients/load" "$clients/go-toolchain"
exec python3 "$root/scripts/bench" "$@"
