#!/usr/bin/env bash
# Faults on three brokers under load, for as long as you like: processes are killed and frozen,
# ZooKeeper dies and sessions expire, the network is cut. At the end a checker compares all that
# clients saw with what the brokers hold: nothing acknowledged may be missing.
#
#   scripts/soak.sh                          ten minutes, seed drawn by lot
#   scripts/soak.sh --seed 7 --minutes 60    the schedule of seed 7, for an hour
#   scripts/soak.sh --faults 12              ends after so many faults
#   scripts/soak.sh --clients                clients of other projects write besides (scripts/test.sh
#                                            --setup-only collects them)
#   scripts/soak.sh --brokers 4              with more than three brokers: partitions move between them
#                                            and their disks, and topics come and go besides
#   scripts/soak.sh --no-network             without namespaces, which need root and iproute2
#
# OTTLA_TEST_IBP=2.6 sets inter.broker.protocol.version, OTTLA_TEST_TARGET=apache or mixed the brokers.
# The same seed draws the same faults in the same order. When something is found, the violations are
# listed and the brokers' folders kept. Needs ZooKeeper and Java, as scripts/test.sh installs them.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"

seed=$((RANDOM * 32768 + RANDOM)) minutes=10 faults='' network=yes clients=no brokers=3
while [ $# -gt 0 ]; do
  case $1 in
    --seed) seed=${2:?--seed needs a number}; shift 2 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    --faults) faults=${2:?--faults needs a number}; shift 2 ;;
    --brokers) brokers=${2:?--brokers needs a number}; shift 2 ;;
    --clients) clients=yes; shift ;;
    --no-network) network=no; shift ;;
    *) echo "soak.sh: unknown argument $1; see --help" >&2; exit 2 ;;
  esac
done

cd "$root"
cargo build -q -p broker --locked
export OTTLA_SOAK_SEED=$seed OTTLA_SOAK_MINUTES=$minutes OTTLA_SOAK_FAULTS=$faults OTTLA_SOAK_NETWORK=$network OTTLA_SOAK_CLIENTS=$clients OTTLA_SOAK_BROKERS=$brokers
exec cargo test -q -p ottla-tests --locked --test soak -- --ignored --nocapture
