#!/usr/bin/env bash
# Moves partitions between brokers and log directories; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool reassign-partitions "$@"
