#!/usr/bin/env bash
# Describes the log directories of brokers; --help lists the options.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
run_tool log-dirs "$@"
