#!/usr/bin/env bash
# Sends the lines of standard input to a topic; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool console-producer "$@"
