#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# demo: homard's main job in one go: traffic of its own making on a simulated DAG card, flows with
# filters and a string search, IPFIX to nfcapd, counters over the control socket. Installs and builds
# what is missing, shows what was counted and what the collector received, and stops by itself.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
packets=500000
loops=4
plant=lobster-thermidor

usage() {
	cat <<USAGE
usage: scripts/demo.sh [options]

  --packets N   packets of the generated trace (default $packets)
  --loops N     how often the card plays it (default $loops)
  -h, --help    this text

Needs root only if packages are missing. Exit code 0 only if all figures agree.
USAGE
}

say() { printf '\n== %s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
	case $1 in
	--packets | --loops)
		[[ ${2-} =~ ^[1-9][0-9]{0,7}$ ]] || die "$1 takes a number from 1 to 99999999, not '${2-}'"
		declare "${1#--}=$2"
		shift
		;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && die "unknown option '$1'" ;;
	esac
	shift
done

work=$(mktemp -d)
homardd= nfcapd=

# Ends what was started here, whatever happened; nfcapd writes its file when it is told to end.
cleanup() {
	local pid
	for pid in $homardd $nfcapd; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT

# field PATH: one value of the JSON on standard input, e.g. "0.packets"
field() {
	/usr/bin/python3 -c '
import functools, json, sys
step = lambda v, key: v[int(key)] if isinstance(v, list) else v[key]
print(functools.reduce(step, sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

ctl() { "$build/src/client/homardctl" --socket "$work/control.sock" --json "$@"; }
read_counter() { ctl call flow.read "{\"flow\": \"$1\", \"function\": $2}" | field value; }
now_ms() { date +%s%3N; }

# until_true SECONDS WHAT COMMAND...
until_true() {
	local end=$(($(now_ms) + $1 * 1000)) what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$end" ] || die "waited in vain for $what"
		sleep 0.02
	done
}

build_all() {
	"$root/scripts/setup.sh" --group build
	"$root/scripts/setup.sh" --group test | sed '/driver headers/d'
	if [ ! -e "$build/build.ninja" ]; then
		meson setup "$build" -Ddriver_headers="$build/dpdk-driver-headers" >"$work/build.log" ||
			{ cat "$work/build.log" && die "meson failed"; }
	fi
	ninja -C "$build" >"$work/build.log" || { tail -n 40 "$work/build.log" && die "the build failed"; }
	echo "built in $build"
}

make_traffic() {
	"$build/src/homard-traffic" --packets "$packets" --flows 2000 --seed 7 --vlan 0 --mpls 0 \
		--plant "$plant" --plant-every 10 --json --out "$work/card.erf" >"$work/truth.json"
	echo "$packets packets, $(field bytes <"$work/truth.json") bytes," \
		"'$plant' planted in $(field planted <"$work/truth.json") of them"
}

start_collector() {
	# a port that was free a moment ago
	port=$(/usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir "$work/nfcapd"
	nfcapd -b 127.0.0.1 -p "$port" -w "$work/nfcapd" -B 4000000 -t 3600 >"$work/nfcapd.log" 2>&1 &
	nfcapd=$!
	sleep 0.3
	kill -0 "$nfcapd" 2>/dev/null || { cat "$work/nfcapd.log" && die "nfcapd did not start"; }
	echo "nfcapd listens on 127.0.0.1 port $port"
}

start_appliance() {
	local cores
	mapfile -t cores < <(/usr/bin/python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep="\n")')
	cat >"$work/config.json" <<CONFIG
{ "eal":     { "lcores": "0@${cores[0]},1@${cores[1]-${cores[0]}}", "memory_mb": 512 },
  "control": { "socket": "$work/control.sock", "mode": "0600" },
  "devices": [ { "name": "dag0", "vdev": "net_dag0,lib=libdag_sim.so,card=dag0" } ],
  "flows":   [ { "name": "all", "device": "dag0", "functions": [ ["PKT_COUNTER"], ["BYTE_COUNTER"] ] },
               { "name": "tcp", "device": "dag0",
                 "functions": [ ["BPF_FILTER", "tcp"], ["PKT_COUNTER"] ] },
               { "name": "lobster", "device": "dag0",
                 "functions": [ ["STR_SEARCH", "$plant", 0, 0], ["PKT_COUNTER"] ] } ],
  "netflow": [ { "device": "dag0", "exporters": [
                 { "protocol": "ipfix", "transport": "udp", "host": "127.0.0.1", "port": $port } ] } ] }
CONFIG
	# three times its own time, 300,000 packets a second: as many flow records as nfcapd takes on a busy
	# machine. A card cannot wait; homardd starts it when all flows of the configuration are connected
	echo "{\"dag0\": {\"trace\": \"$work/card.erf\", \"pace\": \"x3\", \"loop\": $loops, \"streams\": 1}}" \
		>"$work/cards.json"
	started=$(now_ms)
	DAG_SIM_CARDS=$work/cards.json "$build/src/homardd" --config "$work/config.json" \
		>"$work/homardd.out" 2>"$work/homardd.log" &
	homardd=$!
	until_true 30 "homardd to start" appliance_answers_or_ended
	sed 's/^/   /' "$work/homardd.log"
	kill -0 "$homardd" 2>/dev/null || die "homardd did not start"
}

appliance_answers_or_ended() { ctl version || ! kill -0 "$homardd"; }

all_counted() { [ "$(read_counter all 1)" -ge "$((packets * loops))" ]; }

# Asks for everything, ends the appliance (which exports what it still holds), then the collector.
collect() {
	until_true 120 "$((packets * loops)) packets" all_counted
	took=$(($(now_ms) - started))
	all=$(read_counter all 1) bytes=$(read_counter all 2)
	tcp=$(read_counter tcp 2) hits=$(read_counter lobster 2)
	kill -TERM "$homardd"
	wait "$homardd" || { cat "$work/homardd.log" && die "homardd did not end well"; }
	homardd=
	tail -n 1 "$work/homardd.out" >"$work/ledger.json"
	sleep 0.5
	kill -TERM "$nfcapd"
	wait "$nfcapd" || true
	nfcapd=
	sent=$(field netflow.0.exported <"$work/ledger.json")
	lost=$(field netflow.0.made <"$work/ledger.json")
	lost=$((lost - sent))
	received=$(nfdump -q -R "$work/nfcapd" -o csv 2>/dev/null | grep -c '^[0-9]' || true)
	balanced=$(field balanced <"$work/ledger.json")
}

failed=0
# row WHAT VALUE WANTED
row() {
	local verdict=ok
	if [ "$2" != "$3" ]; then
		verdict="WRONG, should be $3"
		failed=1
	fi
	printf '%-34s %14s   %s\n' "$1" "$2" "$verdict"
}

show() {
	truth() { echo $(($(field "$1" <"$work/truth.json") * loops)); }
	row "packets" "$all" "$(truth packets)"
	row "bytes" "$bytes" "$(truth bytes)"
	row "packets of filter 'tcp'" "$tcp" "$(truth tcp)"
	row "packets with '$plant'" "$hits" "$(truth planted)"
	row "flow records sent" "$sent" "$((sent + lost))"
	row "flow records received by nfcapd" "$received" "$sent"
	row "ledger balanced" "$balanced" True
	printf '%-34s %14s   %s\n' "packets a second" "$((all * 1000 / took))" \
		"the card's pace; scripts/bench.sh finds the limit"
}

say "install and build"
build_all
say "traffic"
make_traffic
say "collector"
start_collector
say "appliance"
start_appliance
collect
say "what was counted"
show
[ "$failed" -eq 0 ] || { tail -n 5 "$work/homardd.log" && die "the figures do not agree"; }
