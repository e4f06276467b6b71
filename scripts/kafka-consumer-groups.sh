#!/usr/bin/env bash
# Lists, describes and deletes consumer groups, and changes their offsets; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool consumer-groups "$@"
