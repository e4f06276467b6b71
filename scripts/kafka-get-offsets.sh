#!/usr/bin/env bash
# Prints the offsets of partitions; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool get-offsets "$@"
