#!/usr/bin/env bash
# Asks for preferred leaders through ZooKeeper, as the tool of 2.x; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool preferred-replica-election "$@"
