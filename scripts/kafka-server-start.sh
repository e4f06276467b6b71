#!/usr/bin/env bash
# Starts a broker:
#
#   kafka-server-start.sh [-daemon] [-name NAME] server.properties [--override property=value]*
#
# With -daemon it runs in the background and logs to NAME.out (else to the name of the properties
# file) in $LOG_DIR, or $TMPDIR/ottla-logs if that is not set.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

daemon=false
name=
while [ $# -gt 0 ]; do
  case $1 in
    -daemon) daemon=true ;;
    -loggc) ;; # there is no garbage collection to log
    -name)
      [ $# -gt 1 ] || die "-name needs a name"
      name=$2
      shift
      ;;
    *) break ;;
  esac
  shift
done
[ $# -ge 1 ] || die "USAGE: $0 [-daemon] server.properties [--override property=value]*"
case $1 in
  -*) ;; # such as --help: the broker knows
  *) [ -f "$1" ] || die "the configuration file $1 does not exist" ;;
esac

broker=$(program broker broker) || exit 1
if $daemon; then
  if [ -z "$name" ]; then
    name=$(basename "$1")
    name=${name%.*}
  fi
  start_daemon "$name" "$broker" "$@"
else
  exec "$broker" "$@"
fi
