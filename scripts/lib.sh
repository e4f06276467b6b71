# Shared by the scripts beside it; sourced, never run. Sets `root`, the checkout.
# shellcheck shell=bash

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)

die() {
  echo "$*" >&2
  exit 1
}

say() { printf '\n==> %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() { # Debian packages...
  say "installing Debian packages: $*"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Prints the comment at the top of the script and ends, if one of its arguments asks for help.
explain_if_asked() { # arguments...
  local argument
  for argument in "$@"; do
    case $argument in
      -h | --help)
        sed -n '2,/^[^#]/{s/^# shellcheck.*//;s/^#$//p;s/^# //p}' "$(readlink -f "$0")"
        exit 0
        ;;
    esac
  done
}

# The path of a program of ours: in $OTTLA_BIN if that is set, else where a release build puts it.
program() { # name, package
  local dir=${OTTLA_BIN:-${CARGO_TARGET_DIR:-$root/target}/release}
  [ -x "$dir/$1" ] || die "$dir/$1 is missing. Build it with 'cargo build --release -p $2' in $root, or set OTTLA_BIN to the directory that has it."
  echo "$dir/$1"
}

# Runs a tool of the multi-call program in this process's place.
run_tool() { # tool, arguments...
  local ottla
  ottla=$(program ottla ottla-tools) || exit 1
  exec "$ottla" "$@"
}

# The Java to run ZooKeeper with.
java_program() {
  echo "${JAVA_HOME:+$JAVA_HOME/bin/}java"
}

# The Go that go.mod asks for, which Debian's may be too old for. Since 1.21 Go fetches a newer one
# by itself if it is allowed to; an older one is given that same module by hand.
go_program() { # module, where to keep a newer Go
  local minor dir home=$2 wanted
  minor=$(go env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
  if [ "$minor" -ge 21 ]; then
    echo go
    return
  fi
  wanted=$(awk '$1 == "go" { print $2 }' "$1/go.mod")
  if [ ! -x "$home/bin/go" ]; then
    dir=$(cd / && go mod download -json "golang.org/toolchain@v0.0.1-go$wanted.$(go env GOOS)-$(go env GOARCH)" |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
    rm -rf "$home"
    cp -r "$dir" "$home"
    chmod -R u+w "$home"
    chmod +x "$home"/bin/* "$home"/pkg/tool/*/*
  fi
  echo "$home/bin/go"
}

# Builds the Go program of a module.
go_build() { # module, result, where to keep a newer Go
  local go
  go=$(go_program "$1" "$3") || exit 1
  (cd "$1" && GOTOOLCHAIN=auto "$go" build -o "$2" .)
}

# Where daemons write what they print: outside the source tree unless told otherwise.
log_dir() {
  local dir=${LOG_DIR:-${TMPDIR:-/tmp}/ottla-logs}
  mkdir -p "$dir" || die "the log directory $dir cannot be created; set LOG_DIR to another one"
  echo "$dir"
}

# Starts a command that outlives the terminal, says where its output goes, and fails if the command
# ends at once.
start_daemon() { # name, command...
  local name=$1 log pid
  shift
  log=$(log_dir)/$name.out || exit 1
  nohup "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  echo "$name started with process id $pid; its log is $log"
  sleep 0.3
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "$name has ended already; the end of its log:" >&2
    tail -n 20 "$log" >&2
    exit 1
  fi
}

# All processes: id and command line.
process_list() {
  if command -v ps >/dev/null; then
    ps -A -o pid= -o args=
    return
  fi
  # Small systems have no ps, but Linux shows the same below /proc.
  local dir
  for dir in /proc/[0-9]*; do
    echo "${dir#/proc/} $(tr '\0' ' ' 2>/dev/null <"$dir/cmdline")"
  done
}

# Sends a signal to every process whose command line begins with the first text and contains the
# second one; fails if there is none.
stop_processes() { # what, beginning, content
  local pids
  pids=$(process_list | BEGINNING=$2 CONTENT=$3 awk '{
    pid = $1
    sub(/^ *[0-9]+ /, "")
    if (index($0, ENVIRON["BEGINNING"]) == 1 && index($0, ENVIRON["CONTENT"])) print pid
  }')
  if [ -z "$pids" ]; then
    echo "No $1 to stop"
    exit 1
  fi
  # One process id a word.
  # shellcheck disable=SC2086
  kill -s "${SIGNAL:-TERM}" $pids
}
