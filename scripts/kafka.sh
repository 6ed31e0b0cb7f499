#!/usr/bin/env bash
# A real Apache Kafka, one node on the loopback address, for development and tests.
#   kafka.sh start           fetch it by Maven (once), start it, wait until it serves; prints its address
#   kafka.sh stop | kill     end it in order | the broker at once (kill -9); a controller apart goes on
#   kafka.sh status          its address and process id, exit code 1 when it is down
#   kafka.sh clean           stop it and delete its data
#   kafka.sh fetch           only fetch it
#   kafka.sh run COMMAND…    run COMMAND with KAFKA_BOOTSTRAP_SERVERS of a fresh broker on a free port, then stop and delete
#                            that broker, however COMMAND ended. With KAFKA_BOOTSTRAP_SERVERS set: run COMMAND with that.
#   kafka.sh tool CLASS…     a command line tool of Kafka, such as org.apache.kafka.tools.TopicCommand
# Settings by environment: KAFKA_PORT (9092; 0 is any free one), KAFKA_DATA (directory, under TMPDIR), KAFKA_HEAP (512m),
#   KAFKA_EXTRA (more lines for the properties), KAFKA_LOG_LEVEL (INFO), JAVA_HOME,
#   KAFKA_CONTROLLER (within; apart: a process of its own, which notices when the broker is killed, as in a cluster).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/kafka/pom.xml")
jars=${XDG_CACHE_HOME:-$HOME/.cache}/goyt/kafka-$version
data=${KAFKA_DATA:-${TMPDIR:-/tmp}/goyt-kafka-$(id -u)}
heap=${KAFKA_HEAP:-512m}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
start_seconds_max=90
stop_seconds_max=30
controller_heap=192m
export KAFKA_LOG_LEVEL=${KAFKA_LOG_LEVEL:-INFO}

say() { echo "kafka: $*" >&2; }

fetch() {
  [ -f "$jars/complete" ] && return
  command -v mvn >/dev/null || { say "Maven is needed to fetch the broker: run 'make setup', or set KAFKA_BOOTSTRAP_SERVERS"; return 1; }
  say "fetching Apache Kafka $version by Maven"
  mkdir -p "$jars"
  (
    flock 9 # two checkouts may fetch at once
    [ -f "$jars/complete" ] && exit
    mvn -B -q -ntp -Dstyle.color=never -f "$here/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars" >&2
    touch "$jars/complete"
  ) 9>"$jars/lock"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() { # below the ports that the system gives to clients
  local port
  while :; do
    port=$((10240 + RANDOM % 20000))
    answers "$port" || { echo "$port"; return; }
  done
}
process() { # the id of the broker, or of the controller, if it is ours and runs
  local id
  id=$(cat "$data/$1.pid" 2>/dev/null) && grep -qaF "$data/$1.properties" "/proc/$id/cmdline" 2>/dev/null && echo "$id"
}
address() { cat "$data/address"; }

write_properties() { # of a process with these roles, with this id, where clients and where controllers connect
  local listeners=CONTROLLER://127.0.0.1:$5
  case $2 in
    broker) listeners=CLIENTS://127.0.0.1:$4 ;;
    broker,controller) listeners=CLIENTS://127.0.0.1:$4,$listeners ;;
  esac
  cat >"$data/$1.properties" <<END
process.roles=$2
node.id=$3
controller.quorum.voters=$(if [ "$2" = broker,controller ]; then echo 1; else echo 2; fi)@127.0.0.1:$5
listeners=$listeners
$(case $2 in broker*) echo "advertised.listeners=CLIENTS://127.0.0.1:$4" ;; esac)
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENTS
log.dirs=$data/$(if [ "$1" = broker ]; then echo log; else echo metadata; fi)
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.retention.ms=-1
log.segment.bytes=134217728
${KAFKA_EXTRA:-}
END
}

format() { # what a process of a new cluster finds at its first start
  [ -f "$data/cluster" ] || head -c 16 /dev/urandom | base64 | tr -d '=' | tr '+/' '-_' | sed 's/^-/a/' >"$data/cluster"
  "$java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$jars/*" \
    kafka.tools.StorageTool format --ignore-formatted -t "$(cat "$data/cluster")" -c "$data/$1.properties" >"$data/format.log" 2>&1 ||
    { cat "$data/format.log" >&2; return 1; }
}

launch() { # the process of this name, with this heap, and wait until it serves at this port
  local until from
  from=$(($(stat -c %s "$data/$1.log" 2>/dev/null || echo 0) + 1))
  setsid nohup "$java" -Xms"$2" -Xmx"$2" -XX:+UseG1GC -Djava.awt.headless=true \
    -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$jars/*" \
    kafka.Kafka "$data/$1.properties" >>"$data/$1.log" 2>&1 </dev/null &
  echo $! >"$data/$1.pid"
  until=$((SECONDS + start_seconds_max))
  until tail -c "+$from" "$data/$1.log" | grep 'Kafka Server started' >/dev/null && answers "$3"; do
    if ! kill -0 "$(cat "$data/$1.pid")" 2>/dev/null || [ $SECONDS -ge $until ]; then
      say "the $1 did not start; its log ends:"
      tail -n 20 "$data/$1.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

start() {
  local port controller
  if process broker >/dev/null; then say "runs already"; address; return; fi
  fetch
  mkdir -p "$data"
  port=${KAFKA_PORT:-9092}
  if [ "$port" = 0 ]; then port=$(free_port); fi
  if answers "$port"; then say "port $port is in use: choose another by KAFKA_PORT"; return 1; fi
  ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
  echo "127.0.0.1:$port" >"$data/address"
  controller=$(free_port)
  if [ "${KAFKA_CONTROLLER:-within}" = within ]; then
    write_properties broker broker,controller 1 "$port" "$controller"
  else
    if process controller >/dev/null; then
      controller=$(cat "$data/controller.port")
    else
      echo "$controller" >"$data/controller.port"
      write_properties controller controller 2 "" "$controller"
      [ -f "$data/metadata/meta.properties" ] || format controller
      launch controller "$controller_heap" "$controller"
    fi
    write_properties broker broker 1 "$port" "$controller"
  fi
  [ -f "$data/log/meta.properties" ] || format broker
  launch broker "$heap" "$port"
  address
}

stop() { # the process of this name, with TERM or KILL
  local id until
  if id=$(process "$1"); then
    kill -"$2" "$id"
    until=$((SECONDS + stop_seconds_max))
    while kill -0 "$id" 2>/dev/null; do
      if [ $SECONDS -ge $until ]; then kill -KILL "$id"; fi
      sleep 0.1
    done
  fi
  rm -f "$data/$1.pid"
}

kill_broker() { # and wait until a controller apart has noticed: it goes on without the broker then, until that is back
  local noticed until
  noticed=$(times_fenced)
  stop broker KILL
  process controller >/dev/null || return 0
  until=$((SECONDS + stop_seconds_max))
  while [ "$(times_fenced)" = "$noticed" ] && [ $SECONDS -lt $until ]; do sleep 0.1; done
}
times_fenced() { grep -c 'Fencing broker' "$data/controller.log" 2>/dev/null || true; }

clean() {
  stop broker KILL
  stop controller KILL
  # Only what this script made is deleted.
  if [ -f "$data/broker.properties" ]; then rm -rf "$data"; fi
}

run() {
  if [ -n "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
    say "using the broker at $KAFKA_BOOTSTRAP_SERVERS"
    exec "$@"
  fi
  data=$(mktemp -d "${TMPDIR:-/tmp}/goyt-kafka-XXXXXX")
  trap clean EXIT
  trap 'exit 130' INT TERM
  say "starting Apache Kafka $version on a free port"
  KAFKA_BOOTSTRAP_SERVERS=$(KAFKA_PORT=0 start)
  say "serves at $KAFKA_BOOTSTRAP_SERVERS"
  export KAFKA_BOOTSTRAP_SERVERS
  "$@"
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
  fetch) fetch ;;
  start) start ;;
  stop)
    stop broker TERM
    stop controller TERM
    ;;
  kill) kill_broker ;;
  status) if id=$(process broker); then echo "$(address) $id"; else echo down; exit 1; fi ;;
  clean) clean ;;
  run) run "$@" ;;
  tool) fetch; KAFKA_LOG_LEVEL=ERROR exec "$java" -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$jars/*" "$@" ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
