#!/usr/bin/env bash
# Prints the records of a topic; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool console-consumer "$@"
