#!/usr/bin/env bash
# Stops all brokers of this build cleanly (SIGTERM, or the signal named by $SIGNAL): they finish
# their requests, flush and leave ZooKeeper.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"

broker=$(program broker broker) || exit 1
stop_processes "kafka server" "$broker " ""
