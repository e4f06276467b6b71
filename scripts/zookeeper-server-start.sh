#!/usr/bin/env bash
# Starts Apache ZooKeeper, as Debian's package `zookeeper` installs it:
#
#   zookeeper-server-start.sh [-daemon] [-name NAME] [zookeeper.properties]
#
# Without a file it takes config/zookeeper.properties. $ZOOKEEPER_CLASSPATH names other jars,
# $KAFKA_HEAP_OPTS another size of the heap. With -daemon it logs as kafka-server-start.sh does.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
explain_if_asked "$@"

daemon=false
name=zookeeper
while [ $# -gt 0 ]; do
  case $1 in
    -daemon) daemon=true ;;
    -loggc) ;;
    -name)
      [ $# -gt 1 ] || die "-name needs a name"
      name=$2
      shift
      ;;
    -*) die "USAGE: $0 [-daemon] [zookeeper.properties]" ;;
    *) break ;;
  esac
  shift
done
properties=${1:-$root/config/zookeeper.properties}
[ -f "$properties" ] || die "the configuration file $properties does not exist"
# ZooKeeper takes a bare name for a mistake.
properties=$(readlink -f "$properties")

java=$(java_program)
command -v "$java" >/dev/null || die "ZooKeeper needs Java, and $java is not there: 'apt-get install default-jre-headless', or set JAVA_HOME"
classpath=${ZOOKEEPER_CLASSPATH:-/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar}
if [ -z "${ZOOKEEPER_CLASSPATH:-}" ] && [ ! -e /usr/share/java/zookeeper.jar ]; then
  die "ZooKeeper is not installed: 'apt-get install zookeeper', or set ZOOKEEPER_CLASSPATH to its jars"
fi

# The heap options are words.
# shellcheck disable=SC2206
heap=(${KAFKA_HEAP_OPTS:--Xmx256m})
command=("$java" "${heap[@]}" -XX:+UseSerialGC -Djava.awt.headless=true
  -Dzookeeper.jmx.log4j.disable=true
  -Dorg.slf4j.simpleLogger.logFile=System.out -Dorg.slf4j.simpleLogger.showDateTime=true
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS"
  "-Dottla.root=$root" -cp "$classpath"
  org.apache.zookeeper.server.quorum.QuorumPeerMain "$properties")
if $daemon; then
  start_daemon "$name" "${command[@]}"
else
  exec "${command[@]}"
fi
