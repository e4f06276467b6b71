#!/usr/bin/env bash
# Prints the records of a topic; --help lists the options.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool console-consumer "$@"
