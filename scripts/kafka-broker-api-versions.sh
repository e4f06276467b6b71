#!/usr/bin/env bash
# Prints the request versions that brokers support; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool broker-api-versions "$@"
