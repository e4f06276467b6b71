#!/usr/bin/env bash
# Prints the content of log segments, indexes and snapshots; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool dump-log "$@"
