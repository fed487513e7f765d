#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# bench: builds what is missing and measures homard beside its peers; see bench/bench.py.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
	cat <<USAGE
usage: scripts/bench.sh [options]

  --json             print one JSON object instead of the table
  --quick            each row once, for 2 seconds
  --runs N           measurements a row, the median is shown (default 5)
  --rows NAME,...    only these rows
  --costs            only the functions, each alone; writes docs/functions/costs.md
  --generated N      a generated trace of N packets, whatever else is there
  -h, --help         this text

Reserves hugepages for its time where root may, and gives them back. Writes to build/ only.
USAGE
}

for option in "$@"; do
	case $option in
	-h | --help) usage && exit 0 ;;
	esac
done
"$root/scripts/setup.sh" --group build --group bench >&2
if [ ! -e "$root/build/build.ninja" ]; then
	meson setup "$root/build" -Ddriver_headers="$root/build/dpdk-driver-headers" >&2
fi
ninja -C "$root/build" >&2
exec /usr/bin/python3 "$root/bench/bench.py" "$@"
