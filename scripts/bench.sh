#!/usr/bin/env bash
# Ottla and Apache Kafka 3.9 side by side on this machine: the same ZooKeeper, settings and load,
# in alternation, with load generators of other projects (Java's ProducerPerformance, kcat).
#
#   scripts/bench.sh [--rounds N] [--records-100 N] [--records-1k N] [--json FILE]
#
# Sets up what scripts/test.sh sets up, and builds in release mode. Takes about a minute a round.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
"$root/scripts/test.sh" --setup-only
(cd "$root" && cargo build --release --locked -p broker)
exec python3 "$root/scripts/bench.py" "$@"
