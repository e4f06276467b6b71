#!/usr/bin/env bash
# From a fresh Debian machine with Rust to records going through a cluster.
#
#   scripts/quickstart.sh
#
# Installs what is missing (a Java runtime and ZooKeeper for coordination, kcat to show an
# independent client, a C linker for the build), builds in release mode, starts the three brokers and
# the ZooKeeper of config/cluster.toml, creates a topic, sends records, reads them back, and reads
# them again after the broker that leads the topic was killed with SIGKILL.
# May be run again: what already runs is left running.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
bootstrap=localhost:9092,localhost:9093,localhost:9094
topic=quickstart
began=$SECONDS

say() { printf '\n==> [%3ds] %s\n' $((SECONDS - began)) "$*"; }
show() { printf '    $ %s\n' "$*"; }

install_packages() {
  local missing=()
  need() { command -v "$1" >/dev/null || missing+=("$2"); }
  need java default-jre-headless
  need kcat kcat
  need cc gcc
  [ -e /usr/share/java/zookeeper.jar ] || missing+=(zookeeper)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

command -v cargo >/dev/null || {
  echo "cargo is not on the PATH: install Rust first (https://rustup.rs or Debian's rustup package)" >&2
  exit 1
}
install_packages

say "building the broker and the tools in release mode"
show "cargo build --release --locked -p broker -p ottla-tools"
(cd "$root" && cargo build --release --locked -p broker -p ottla-tools)

say "starting ZooKeeper and three brokers"
show "scripts/pseudo-cluster.sh up"
"$root/scripts/pseudo-cluster.sh" up

say "creating topic $topic"
show "scripts/kafka-topics.sh --bootstrap-server $bootstrap --create --if-not-exists --topic $topic --partitions 3 --replication-factor 3"
"$root/scripts/kafka-topics.sh" --bootstrap-server $bootstrap --create --if-not-exists --topic $topic --partitions 3 \
  --replication-factor 3
"$root/scripts/kafka-topics.sh" --bootstrap-server $bootstrap --describe --topic $topic

say "sending 1000 records with our producer and one with kcat (librdkafka)"
show "seq 1000 | scripts/kafka-console-producer.sh --bootstrap-server $bootstrap --topic $topic"
run=$(date +%s)
seq -f "record %g of run $run" 1000 | "$root/scripts/kafka-console-producer.sh" --bootstrap-server $bootstrap --topic $topic >/dev/null
echo "hello from kcat in run $run" | kcat -P -b $bootstrap -t $topic -k greeting -H from=kcat

say "reading them back with kcat and with our consumer"
show "kcat -C -e -q -b $bootstrap -t $topic -o beginning"
by_kcat=$(kcat -C -e -q -b $bootstrap -t $topic -o beginning | grep -c "run $run$" || true)
show "scripts/kafka-console-consumer.sh --bootstrap-server $bootstrap --topic $topic --from-beginning --timeout-ms 2000"
by_us=$("$root/scripts/kafka-console-consumer.sh" --bootstrap-server $bootstrap --topic $topic --from-beginning \
  --timeout-ms 2000 2>/dev/null | grep -c "run $run$" || true)
echo "    kcat read $by_kcat of 1001 records, our consumer $by_us"
if [ "$by_kcat" != 1001 ] || [ "$by_us" != 1001 ]; then
  echo "records are missing" >&2
  exit 1
fi

leader=$("$root/scripts/kafka-topics.sh" --bootstrap-server $bootstrap --describe --topic $topic |
  sed -n 's/.*Partition: 0.*Leader: \([0-9]*\).*/\1/p')
# librdkafka complains of the dead broker on standard error, and goes on with the others.
say "killing broker $leader, which leads partition 0, and reading again"
show "scripts/pseudo-cluster.sh kill $leader"
"$root/scripts/pseudo-cluster.sh" kill "$leader"
echo "one more in run $run" | kcat -P -b $bootstrap -t $topic 2>/dev/null
left=$(kcat -C -e -q -b $bootstrap -t $topic -o beginning 2>/dev/null | grep -c "run $run$" || true)
echo "    kcat read $left of 1002 records from the other two"
if [ "$left" != 1002 ]; then
  echo "records are missing" >&2
  exit 1
fi
"$root/scripts/pseudo-cluster.sh" restart "$leader"

say "done in $((SECONDS - began)) seconds; three brokers run on $bootstrap, ZooKeeper on localhost:2181"
cat <<NEXT

Go on:
    scripts/pseudo-cluster.sh status
    scripts/kafka-topics.sh --bootstrap-server localhost:9092 --list
    scripts/kafka-console-producer.sh --bootstrap-server localhost:9092 --topic $topic
    scripts/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic $topic --from-beginning
Stop:
    scripts/pseudo-cluster.sh down
NEXT
