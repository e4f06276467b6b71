#!/usr/bin/env bash
# Creates, lists, describes, changes and deletes topics; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool topics "$@"
