#!/usr/bin/env bash
# From a fresh Debian machine with Rust to records going through a broker.
#
#   scripts/quickstart.sh
#
# Installs what is missing (a Java runtime and ZooKeeper for coordination, kcat to show an
# independent client, a C linker for the build), builds in release mode, starts ZooKeeper and the
# broker of config/server-0.properties, creates a topic, sends records and reads them back.
# May be run again: what already runs is left running.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
bootstrap=localhost:9092
zookeeper=localhost:2181
topic=quickstart
began=$SECONDS

say() { printf '\n==> [%3ds] %s\n' $((SECONDS - began)) "$*"; }
show() { printf '    $ %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  local missing=()
  need() { command -v "$1" >/dev/null || missing+=("$2"); }
  need java default-jre-headless
  need kcat kcat
  need cc gcc
  [ -e /usr/share/java/zookeeper.jar ] || missing+=(zookeeper)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

listens() { # port
  (exec 3<>"/dev/tcp/localhost/$1") 2>/dev/null
}

start() { # name, port, command...
  local name=$1 port=$2 deadline=$((SECONDS + 30))
  shift 2
  if listens "$port"; then
    say "$name: port $port is already served; left as it is"
    return
  fi
  say "starting $name"
  show "${*#"$root"/}"
  "$@"
  until listens "$port"; do
    if [ $SECONDS -ge $deadline ]; then
      echo "$name does not listen on port $port after 30 s; its log (see above) tells why" >&2
      exit 1
    fi
    sleep 0.1
  done
}

command -v cargo >/dev/null || {
  echo "cargo is not on the PATH: install Rust first (https://rustup.rs or Debian's rustup package)" >&2
  exit 1
}
install_packages

say "building the broker and the tools in release mode"
show "cargo build --release --locked -p broker -p ottla-tools"
(cd "$root" && cargo build --release --locked -p broker -p ottla-tools)

start ZooKeeper 2181 "$root/scripts/zookeeper-server-start.sh" -daemon "$root/config/zookeeper.properties"
start "broker 0" 9092 "$root/scripts/kafka-server-start.sh" -daemon "$root/config/server-0.properties"

say "creating topic $topic"
show "scripts/kafka-topics.sh --bootstrap-server $bootstrap --create --if-not-exists --topic $topic --partitions 3"
"$root/scripts/kafka-topics.sh" --bootstrap-server $bootstrap --create --if-not-exists --topic $topic --partitions 3
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

say "done in $((SECONDS - began)) seconds; the broker runs on $bootstrap, ZooKeeper on $zookeeper"
cat <<NEXT

Go on:
    scripts/kafka-topics.sh --bootstrap-server $bootstrap --list
    scripts/kafka-console-producer.sh --bootstrap-server $bootstrap --topic $topic
    scripts/kafka-console-consumer.sh --bootstrap-server $bootstrap --topic $topic --from-beginning
Stop:
    scripts/kafka-server-stop.sh
    scripts/zookeeper-server-stop.sh
NEXT
