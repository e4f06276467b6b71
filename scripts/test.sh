#!/usr/bin/env bash
# Installs what the tests need and runs them all: formatting, lints, unit and property tests, and
# the end-to-end tests with real clients, a real ZooKeeper and Apache Kafka beside ours.
#
#   scripts/test.sh                 everything
#   scripts/test.sh --setup-only    only collect clients and Apache's programs
#   scripts/test.sh ARGUMENTS...    set up, then `cargo test --workspace ARGUMENTS...`
#
# Needs Rust and, for what is missing, apt-get (as root or through sudo) and the package registries
# of Debian, npm, PyPI, Go and Maven. Clients are kept below target/clients and made only once.
set -euo pipefail

# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"
clients=${OTTLA_TEST_CLIENTS:-$root/target/clients}
sources=$root/tests/clients
cd "$root"

install_packages() {
  local missing=()
  # A command that is there is good enough, wherever it came from.
  need() { command -v "$1" >/dev/null || missing+=("$2"); }
  need java default-jdk-headless
  need javac default-jdk-headless
  need mvn maven
  need node nodejs
  need npm npm
  need go golang-go
  need python3 python3
  need kcat kcat
  need cc gcc
  need ip iproute2
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  [ -e /usr/share/java/zookeeper.jar ] || missing+=(zookeeper)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

# Runs a step again only when one of its inputs has changed.
once() { # stamp, inputs..., --, command...
  local stamp=$clients/$1.made inputs=() digest
  shift
  while [ "$1" != -- ]; do inputs+=("$1"); shift; done
  shift
  digest=$(cat "${inputs[@]}" | sha256sum)
  if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$digest" ]; then
    "$@"
    printf '%s\n' "$digest" >"$stamp"
  fi
}

make_java() { # release
  say "collecting Apache Kafka $1 from Maven"
  rm -rf "$clients/java/$1"
  mvn -q -B -f "$sources/java/pom-$1.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$clients/java/$1"
}

make_java_client() {
  say "compiling the Java client"
  javac -cp "$clients/java/3.9/*" -d "$clients/java/classes" "$sources/java/Client.java"
}

make_node() {
  say "installing kafka-node and kafkajs from npm"
  mkdir -p "$clients/node"
  cp "$sources/node/package.json" "$sources/node/client.js" "$clients/node/"
  (cd "$clients/node" && npm install --no-audit --no-fund --omit=optional --loglevel=error)
}

make_go() {
  say "building sarama and franz-go"
  mkdir -p "$clients/go"
  go_build "$sources/go" "$clients/go/clients" "$clients/go-toolchain"
}

make_python() {
  say "installing kafka-python from PyPI"
  python3 -m venv "$clients/python"
  "$clients/python/bin/pip" install -q -r "$sources/python/requirements.txt"
}

install_packages
mkdir -p "$clients"
once java-3.9 "$sources/java/pom-3.9.xml" -- make_java 3.9
once java-2.0 "$sources/java/pom-2.0.xml" -- make_java 2.0
once java-1.1 "$sources/java/pom-1.1.xml" -- make_java 1.1
once java-client "$sources/java/Client.java" "$sources/java/pom-3.9.xml" -- make_java_client
once node "$sources/node/package.json" "$sources/node/client.js" -- make_node
once go "$sources"/go/*.go "$sources"/go/go.* -- make_go
once python "$sources/python/requirements.txt" -- make_python
[ "${1:-}" != --setup-only ] || exit 0

if [ $# -eq 0 ]; then
  say "formatting and lints"
  cargo fmt --all --check
  cargo clippy --workspace --all-targets --locked -- -D warnings
fi
say "building"
cargo build --workspace --locked
say "testing"
# Neither benches, which measure, nor doc tests, which are built one program each.
exec cargo test --workspace --locked --lib --bins --tests "$@"
