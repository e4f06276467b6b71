#!/usr/bin/env bash
# Stops the ZooKeeper servers that zookeeper-server-start.sh of this checkout started (SIGTERM, or
# the signal named by $SIGNAL).
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"

java=$(java_program)
stop_processes "zookeeper server" "$java " "-Dottla.root=$root -cp"
