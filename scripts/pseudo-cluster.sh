#!/usr/bin/env bash
# Several brokers on this machine, as config/cluster.toml says (--config names another file):
#
#   pseudo-cluster.sh up          starts what does not run: ZooKeeper and the brokers
#   pseudo-cluster.sh status      shows brokers, controller, leaders and in-sync replicas
#   pseudo-cluster.sh kill N      kills broker N with SIGKILL, as a crash would
#   pseudo-cluster.sh restart N   stops broker N cleanly if it runs, and starts it
#   pseudo-cluster.sh down        stops all brokers, and ZooKeeper if "up" has started it
#
# Brokers write what they print to broker-N.out in $LOG_DIR, or $TMPDIR/ottla-logs if that is not set.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"

broker=$(program broker broker) || exit 1
logs=$(log_dir) || exit 1
run_tool pseudo-cluster --broker "$broker" --scripts "$root/scripts" --logs "$logs" \
  --config "$root/config/cluster.toml" "$@"
