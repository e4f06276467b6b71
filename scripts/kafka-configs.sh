#!/usr/bin/env bash
# Describes and changes the configuration of topics and brokers; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool configs "$@"
