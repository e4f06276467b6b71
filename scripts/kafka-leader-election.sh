#!/usr/bin/env bash
# Elects preferred or unclean leaders; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool leader-election "$@"
