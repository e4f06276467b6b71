#!/usr/bin/env bash
# Deletes the records before given offsets; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool delete-records "$@"
