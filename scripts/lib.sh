# shellcheck shell=bash
# Sourced by the scripts: tools, the jars and clients of a real Pravega, and starting and stopping one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/target/pravega
java_sources=("$root"/tests/foreign/*.java "$root"/tests/foreign/acceptance/*.java)
readonly root cache java_sources
readonly cargo_deny_version=0.20.2
readonly python_wheel=pravega==0.3.8
# They include the schemas of Kubernetes and a parser of PromQL.
readonly check_wheels=(kubernetes-validate==1.37.0 promql-parser==0.11.0)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
step() { printf '\n== %s\n' "$*"; }

# --- Tools -----------------------------------------------------------------------------------------------------------

# Makes sure that the named tools exist (java, javac, mvn, python, curl, openssl, setpriv); installs missing ones when run as root.
ensure_tools() {
  local missing
  install_missing "$@"
  missing=$(missing_tools "$@")
  [[ -z $missing ]] || die "missing, please install: $(describe_tools "$missing")"
}

missing_tools() {
  local tool
  for tool in "$@"; do
    "has_$tool" || printf '%s ' "$tool"
  done
}

# Installs what is missing, if possible.
install_missing() {
  local missing tools='' tool
  missing=$(missing_tools "$@")
  for tool in $missing; do
    case $tool in
      cargo_deny) say "installing: cargo-deny"; install_cargo_deny || true ;;
      *) tools+="$tool " ;;
    esac
  done
  if [[ -n $tools && $EUID == 0 ]] && command -v apt-get >/dev/null; then
    install_tools "$tools"
  fi
}

# Barely optimized: it runs for a second, and is built on every new machine.
install_cargo_deny() {
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 \
    cargo install --quiet --locked --debug --version "$cargo_deny_version" cargo-deny
}

has_java() { at_least_17 java -version; }
has_javac() { at_least_17 javac -version; }
has_mvn() { command -v mvn >/dev/null; }
has_curl() { command -v curl >/dev/null; }
has_openssl() { command -v openssl >/dev/null; }
has_shellcheck() { command -v shellcheck >/dev/null; }
has_setpriv() { command -v setpriv >/dev/null; }
has_cxx() { command -v c++ >/dev/null; }
has_cargo_deny() { cargo deny --version >/dev/null 2>&1; }
has_python() { find_python >/dev/null; }

at_least_17() {
  local version
  version=$("$@" 2>&1 | grep -oE -m1 '[0-9]+(\.[0-9]+)+' | head -n1) || return 1
  (( ${version%%.*} >= 17 ))
}

# The wheel is built for CPython up to 3.11 only, and venv needs ensurepip, which Debian packages separately.
find_python() {
  local python
  for python in python3.11 python3.10 python3.9 python3.8 python3 /usr/bin/python3; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 8) <= sys.version_info < (3, 12))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# One package at a time, so that one missing from this distribution does not prevent the others.
install_tools() {
  local tool package
  say "installing: $1"
  apt-get update -qq || return 0
  for tool in $1; do
    for package in $(packages_of "$tool"); do
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
      ! "has_$tool" || break
    done
  done
}

# Alternatives, preferred one first.
packages_of() {
  case $1 in
    java | javac) echo openjdk-17-jdk-headless default-jdk-headless ;;
    python) echo python3-venv python3.11-venv ;;
    mvn) echo maven ;;
    cxx) echo g++ ;;
    setpriv) echo util-linux ;;
    *) echo "$1" ;;
  esac
}

describe_tools() {
  local tool
  for tool in $1; do
    case $tool in
      java | javac) printf '\n  a JDK, 17 or newer (%s)' "$tool" ;;
      mvn) printf '\n  Maven (mvn)' ;;
      cxx) printf '\n  a C++ compiler (c++)' ;;
      cargo_deny) printf '\n  cargo-deny %s' "$cargo_deny_version" ;;
      python) printf '\n  CPython 3.8 to 3.11 with venv (there is no %s wheel for newer ones)' "$python_wheel" ;;
      *) printf '\n  %s' "$tool" ;;
    esac
  done
}

# Makes sure that cargo and the named components of its toolchain exist.
ensure_cargo() {
  local component
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  command -v cargo >/dev/null || die "missing, please install: Rust (https://rustup.rs)"
  for component in "$@"; do
    has_component "$component" || rustup component add "$component" >&2 || die "missing, please install: $component"
  done
}

has_component() {
  case $1 in
    rustfmt) cargo fmt --version ;;
    *) cargo "$1" --version ;;
  esac >/dev/null 2>&1
}

# --- Fetched or compiled once, under target/pravega -----------------------------------------------------------------

fetch_jars() { locked build_once lib "$(checksum "$root/tests/foreign/pom.xml")" copy_jars; }

fetch_python() { locked build_once python "$python_wheel $(find_python)" make_venv "$python_wheel"; }

fetch_checks() { locked build_once checks "${check_wheels[*]} $(find_python)" make_venv "${check_wheels[@]}"; }

fetch_all() {
  fetch_jars
  fetch_python
  fetch_checks
  compile_foreign_clients
}

# Needs the jars.
compile_foreign_clients() {
  locked build_once classes "$(checksum "${java_sources[@]}" "$cache/lib/.made-from")" compile_java
}

checksum() { cat "$@" | sha256sum | cut -d' ' -f1; }

# Several scripts may fetch at the same time.
locked() {
  mkdir -p "$cache"
  ( flock 9; "$@" ) 9>"$cache/.lock"
}

# Fills the folder NAME of the cache with `"$@" FOLDER`, unless it was already made from the same KEY. The folder is
# renamed into place together with its key, so an interrupted run leaves nothing that looks complete.
build_once() {
  local folder=$cache/$1 key=$2
  shift 2
  if [[ -f $folder/.made-from && $(<"$folder/.made-from") == "$key" ]]; then
    return
  fi
  say "making target/pravega/${folder##*/} (once)"
  rm -rf "$folder.new"
  mkdir "$folder.new"
  "$@" "$folder.new"
  echo "$key" >"$folder.new/.made-from"
  rm -rf "$folder"
  mv "$folder.new" "$folder"
}

copy_jars() {
  thrice mvn -q -B -Dstyle.color=never -f "$root/tests/foreign/pom.xml" \
    dependency:copy-dependencies -DoutputDirectory="$1" >&2
}

# Its last argument is the folder, those before it are wheels. The environment is moved afterwards, which bin/python
# tolerates but bin/pip does not.
make_venv() {
  local folder=${!#}
  "$(find_python)" -m venv "$folder"
  thrice "$folder/bin/python" -m pip install -q --disable-pip-version-check --only-binary :all: "${@:1:$#-1}" >&2
}

compile_java() { javac -cp "$cache/lib/*" -d "$1" "${java_sources[@]}"; }

# Package registries fail occasionally.
thrice() { "$@" || "$@" || "$@"; }

# --- A standalone Pravega -----------------------------------------------------------------------------------------------

# Starts one, all in memory, and exports PRAVEGA_CONTROLLER and PRAVEGA_STORE (host:port), PRAVEGA_REST (URL), PRAVEGA_PID.
# Arguments: gRPC, REST and segment store port; empty means a free one. Needs the jars.
# PRAVEGA_HEAP sizes the JVM's heap (4g); PRAVEGA_ADMIN_GATEWAY=1 adds the admin gateway and exports PRAVEGA_ADMIN.
start_pravega() {
  local attempt
  for attempt in 1 2 3; do
    launch_pravega "${1:-}" "${2:-}" "${3:-}"
    if await_pravega; then
      return
    fi
    # Another process may take a port after it was chosen and before it is bound.
    if (( attempt == 3 )) || ! port_was_taken || [[ -n ${1:-}${2:-}${3:-} ]]; then
      break
    fi
    stop_pravega
  done
  ! port_was_taken || say "error: another process listens on one of the ports ${pravega_ports[*]}"
  say "error: Pravega did not start; the end of its log:"
  tail -n 40 "$pravega_dir/log" >&2
  stop_pravega
  return 1
}

launch_pravega() {
  local free grpc rest store zookeeper admin
  read -ra free <<<"$(free_ports 5)"
  grpc=${1:-${free[0]}} rest=${2:-${free[1]}} store=${3:-${free[2]}} zookeeper=${free[3]} admin=${free[4]}
  pravega_ports=("$grpc" "$rest" "$store" "$zookeeper")
  export PRAVEGA_CONTROLLER=127.0.0.1:$grpc PRAVEGA_REST=http://127.0.0.1:$rest PRAVEGA_STORE=127.0.0.1:$store
  if [[ -n ${PRAVEGA_ADMIN_GATEWAY:-} ]]; then
    export PRAVEGA_ADMIN=127.0.0.1:$admin
    pravega_ports+=("$admin")
  fi
  pravega_dir=$(mktemp -d "${TMPDIR:-/tmp}/pravega.XXXXXX")
  mkdir "$pravega_dir/tmp"
  write_pravega_config
  run_pravega >"$pravega_dir/log" 2>&1 </dev/null &
  export PRAVEGA_PID=$!
}

write_pravega_config() {
  cat >"$pravega_dir/standalone.properties" <<CONFIG
singlenode.zk.port=$zookeeper
singlenode.segmentStore.port=$store
singlenode.controller.rpc.port=$grpc
singlenode.controller.rest.port=$rest
singlenode.security.auth.enable=false
singlenode.security.tls.enable=false
singlenode.admin.gateway.enable=$([[ -n ${PRAVEGA_ADMIN:-} ]] && echo true || echo false)
singlenode.admin.gateway.port=$admin
CONFIG
  cat >"$pravega_dir/logback.xml" <<'CONFIG'
<configuration>
  <appender name="log" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level %logger{30} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="log"/></root>
</configuration>
CONFIG
}

# The default cache of 128 MiB breaks the store permanently under load. Direct memory also holds the network buffers.
# setpriv, if available, stops the JVM even if this script is killed without a chance to clean up.
run_pravega() {
  local guard=()
  if command -v setpriv >/dev/null; then
    guard=(setpriv --pdeathsig TERM)
  fi
  exec ${guard[@]+"${guard[@]}"} java -Xmx"${PRAVEGA_HEAP:-4g}" -XX:MaxDirectMemorySize=2g \
    -Djava.io.tmpdir="$pravega_dir/tmp" \
    -Dlogback.configurationFile="$pravega_dir/logback.xml" \
    -Dpravegaservice.cache.size.max=$((1 << 30)) \
    -Dpravegaservice.rest.listener.enable=false \
    -Dsinglenode.configurationFile="$pravega_dir/standalone.properties" \
    -cp "$cache/lib/*" io.pravega.local.LocalPravegaEmulator
}

await_pravega() {
  local deadline=$((SECONDS + 90))
  until pravega_is_ready; do
    if ! kill -0 "$PRAVEGA_PID" 2>/dev/null || port_was_taken || (( SECONDS >= deadline )); then
      return 1
    fi
    sleep 0.2
  done
}

pravega_is_ready() {
  local port
  for port in "${pravega_ports[@]}"; do
    [[ $(listener_on "$port") == pravega ]] || return 1
  done
  answers "$PRAVEGA_REST/ping"
}

# Its log does not show this: the segment store starts without its port and reports nothing.
port_was_taken() {
  local port
  for port in "${pravega_ports[@]}"; do
    if [[ $(listener_on "$port") == other ]]; then
      return 0
    fi
  done
  return 1
}

# Prints pravega (the one started here), other or none.
listener_on() {
  local sockets socket open
  sockets=$(sockets_listening_on "$1")
  if [[ -z $sockets ]]; then
    echo none
    return
  fi
  # Listed after the sockets, so that one that was just opened is not attributed to another process.
  # shellcheck disable=SC2012
  open=$(ls -l "/proc/${PRAVEGA_PID:-none}/fd" 2>/dev/null) || true
  for socket in $sockets; do
    if [[ $open == *"socket:[$socket]"* ]]; then
      echo pravega
      return
    fi
  done
  echo other
}

# Inode numbers, on any address; 0A is the state LISTEN.
sockets_listening_on() {
  awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && $2 ~ port "$" { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null || true
}

# A proxy in the environment does not apply to this machine.
answers() { curl --noproxy '*' -fs -o /dev/null --max-time 2 "$@"; }

# Prints N distinct unused ports, below the range that the system uses for outgoing connections.
free_ports() {
  local port
  local -A chosen=()
  while (( ${#chosen[@]} < $1 )); do
    port=$((10000 + RANDOM % 22000))
    [[ $(listener_on "$port") != none ]] || chosen[$port]=1
  done
  echo "${!chosen[@]}"
}

stop_pravega() {
  if [[ -n ${PRAVEGA_PID:-} ]]; then
    end_process "$PRAVEGA_PID" TERM 5
    unset PRAVEGA_PID
  fi
  if [[ -n ${pravega_dir:-} ]]; then
    rm -rf "$pravega_dir"
    unset pravega_dir
  fi
}

# --- An embedded Pravega, alone -------------------------------------------------------------------------------------------

# Starts the given program's on free ports, with these arguments; sets EMBEDDED_CONTROLLER and EMBEDDED_STORE (host:port)
# and EMBEDDED_REST (URL).
start_embedded() {
  local addresses
  embedded_log=$(mktemp "${TMPDIR:-/tmp}/embedded.XXXXXX")
  "$1" embedded --segment-store-port 0 --controller-port 0 --rest-port 0 --set log.format=json "${@:2}" \
    2>"$embedded_log" </dev/null &
  embedded_pid=$!
  until addresses=$(grep -m1 '"segment_store"' "$embedded_log"); do
    kill -0 "$embedded_pid" 2>/dev/null || { cat "$embedded_log" >&2; return 1; }
    sleep 0.1
  done
  EMBEDDED_CONTROLLER=$(json_field controller "$addresses")
  EMBEDDED_REST=http://$(json_field rest "$addresses")
  EMBEDDED_STORE=$(json_field segment_store "$addresses")
  export EMBEDDED_CONTROLLER EMBEDDED_REST EMBEDDED_STORE
}

json_field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$2"; }

stop_embedded() {
  if [[ -n ${embedded_pid:-} ]]; then
    end_process "$embedded_pid" TERM 5
    unset embedded_pid
  fi
  rm -f "${embedded_log:-}"
}

# --- Processes ------------------------------------------------------------------------------------------------------------

# Signals a child (or, with a minus, a process group that it leads) and kills it after this many seconds.
end_process() {
  local pid=$1 signal=$2 deadline=$((SECONDS + $3))
  kill -s "$signal" -- "$pid" 2>/dev/null || true
  while kill -0 -- "$pid" 2>/dev/null && (( SECONDS <= deadline )); do
    sleep 0.1
  done
  kill -s KILL -- "$pid" 2>/dev/null || true
  wait "${pid#-}" 2>/dev/null || true
}

# --- Signals ------------------------------------------------------------------------------------------------------------

# Runs the function however the script exits; until then, signals make it exit.
on_exit() {
  # shellcheck disable=SC2064
  trap "trap '' INT TERM HUP; $1" EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Starts a command in its own process group (its id is in $group), so that a trap can end all of it: bash runs traps
# while it waits, but not while a foreground command runs.
start_group() {
  set -m
  "$@" &
  group=$!
  set +m
}

# Runs a command to completion; signals can interrupt it.
run_group() {
  local status=0
  start_group "$@"
  wait "$group" || status=$?
  group=
  return "$status"
}

end_group() {
  if [[ -n ${group:-} ]]; then
    end_process "-$group" "$1" "$2"
    group=
  fi
}
