#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# setup: installs what homard needs on Debian 12, and fetches the four DPDK driver headers that
# libdpdk-dev leaves out. Does only what is missing, says what it does, changes nothing in /etc/apt.
set -euo pipefail

build_packages=(build-essential meson ninja-build pkg-config dpkg-dev dpdk dpdk-dev libdpdk-dev
	libpcap-dev libhyperscan-dev libjansson-dev libnuma-dev libuv1-dev libssl-dev libpcre2-dev
	liburing-dev libsystemd-dev zlib1g-dev libzstd-dev libndpi-dev libcmocka-dev python3)
test_packages=(clang libclang-rt-14-dev llvm clang-format clang-tidy tshark nfdump pmacct
	libfixbuf-dev libfixbuf-tools openssl tcpdump libtrace-tools zstd python3-scapy python3-jsonschema iproute2 procps)
bench_packages=(softflowd nfdump python3)

# The headers, where DPDK's source has them, and their SHA-256 in the version that we know.
known_version=22.11.11-0+deb12u1
headers=(
	"lib/ethdev/ethdev_driver.h 829ee5a8a9bc0487b7537afc8ec1b952d6d408c139ef773c73706bb8e241a976"
	"lib/ethdev/ethdev_vdev.h d93e3ce8998b5f8cb37f21e886dbf76a0acd27fe8e3ca886444c13ba04a1df9b"
	"drivers/bus/vdev/bus_vdev_driver.h 9095499d853bb125a96413c01aec131c778b962a340ba679a5e77a250dbdedea"
	"lib/eal/include/dev_driver.h c7d6d3ea9e5af7b35e0c4837e598f7d6bc37c3fdd407de1ea49bc46096141afc"
)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
headers_dir=$root/build/dpdk-driver-headers
groups=()
install=true
any_version=false
work=

usage() {
	cat <<USAGE
usage: scripts/setup.sh [options]

Installs the missing packages (as root) and puts DPDK's driver headers into the build folder.
Run again at any time: what is there already is left alone.

  --group NAME       build, test or bench; may be repeated. Default: all three
  --headers-dir DIR  where the driver headers go. Default: build/dpdk-driver-headers
  --no-packages      only fetch the headers, which needs no root
  --any-version      take the headers of a DPDK version whose hashes are not known here:
                     only apt's signature on the source package then vouches for them
  -h, --help         this text
USAGE
}

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
cleanup() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap cleanup EXIT

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--group)
			case ${2-} in
			build | test | bench) groups+=("$2") ;;
			*) die "--group takes build, test or bench, not '${2-}'" ;;
			esac
			shift
			;;
		--headers-dir)
			[ -n "${2-}" ] || die "--headers-dir needs a folder"
			headers_dir=$2
			shift
			;;
		--no-packages) install=false ;;
		--any-version) any_version=true ;;
		-h | --help) usage && exit 0 ;;
		*) usage >&2 && die "unknown option '$1'" ;;
		esac
		shift
	done
	[ ${#groups[@]} -gt 0 ] || groups=(build test bench)
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
	local group package missing=()
	for group in "${groups[@]}"; do
		local -n list=${group}_packages
		for package in "${list[@]}"; do
			is_installed "$package" || missing+=("$package")
		done
	done
	if [ ${#missing[@]} -eq 0 ]; then
		say "all packages of ${groups[*]} are installed"
		return
	fi
	say "missing packages: ${missing[*]}"
	[ "$(id -u)" -eq 0 ] ||
		die "installing packages needs root: run 'sudo scripts/setup.sh', or have an" \
			"administrator run 'apt-get install ${missing[*]}'"
	apt-get update -q </dev/null || die "apt-get update failed: mend the package sources first"
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
		"${missing[@]}" </dev/null ||
		die "apt-get could not install ${missing[*]}: is this Debian 12?"
}

hash_is() { [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

# $1 folder, $2 version: whether all four headers are there, of that version and unchanged.
headers_are_there() {
	local line path hash
	[ "$(cat "$1/VERSION" 2>/dev/null)" = "$2" ] || return 1
	for line in "${headers[@]}"; do
		read -r path hash <<<"$line"
		[ -s "$1/${path##*/}" ] || return 1
		[ "$2" != "$known_version" ] || hash_is "$1/${path##*/}" "$hash" || return 1
	done
}

# The machine's own package sources, copied to folder $1 as sources of source packages.
derive_source_list() {
	local from n=0
	for from in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$from" ] || continue
		n=$((n + 1))
		sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]/deb-src /p' "$from" | sort -u >"$1/$n.list"
	done
	for from in /etc/apt/sources.list.d/*.sources; do
		[ -f "$from" ] || continue
		n=$((n + 1))
		sed -E 's/^[Tt]ypes:.*/Types: deb-src/' "$from" >"$1/$n.sources"
	done
	[ "$n" -gt 0 ] || die "no package source in /etc/apt: add Debian 12's, then run this again"
}

private_apt() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
		-o Dir::State::lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Sandbox::User=root -o APT::Get::List-Cleanup=false "$@" </dev/null
}

# Leaves DPDK's original source archive of version $1 in $work/source.
fetch_source() {
	mkdir -p "$work/sources" "$work/lists/partial" "$work/source"
	derive_source_list "$work/sources"
	say "asking the package archive for the source of dpdk $1 (private list, nothing in /etc/apt changes)"
	private_apt update >"$work/log" 2>&1 || {
		tail -n 5 "$work/log" >&2
		die "the package archive did not answer: check the network and /etc/apt, then run this again"
	}
	(cd "$work/source" && private_apt source --download-only "dpdk=$1") >"$work/log" 2>&1 || {
		tail -n 5 "$work/log" >&2
		die "the archive has no source of dpdk $1 (any more?): run 'apt-get update && apt-get" \
			"install --only-upgrade dpdk dpdk-dev libdpdk-dev' to get its present version, then" \
			"run this again; or build with -Ddriver_headers=DIR of a DPDK with its driver SDK"
	}
}

extract_headers() {
	local line path hash archive top new=$work/headers
	archive=$(find "$work/source" -name 'dpdk_*.orig.tar.*' ! -name '*.asc' | head -n 1)
	[ -n "$archive" ] || die "the source package of dpdk $1 has no original archive: tell the authors"
	mkdir -p "$new"
	# the archive's only top folder; sed reads to the end, so that tar sees no closed pipe
	top=$(tar -tf "$archive" | sed -n '1s,/.*,,p')
	for line in "${headers[@]}"; do
		read -r path hash <<<"$line"
		tar -xOf "$archive" "$top/$path" >"$new/${path##*/}" ||
			die "dpdk $1 has no $path: its layout has changed, this homard is too old for it"
		[ "$1" != "$known_version" ] || hash_is "$new/${path##*/}" "$hash" ||
			die "$path of dpdk $1 is not what it should be (SHA-256 differs): not used"
	done
	echo "$1" >"$new/VERSION"
}

fetch_headers() {
	local version
	is_installed libdpdk-dev || die "libdpdk-dev is not installed: run scripts/setup.sh without --no-packages"
	version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev)
	if headers_are_there "$headers_dir" "$version"; then
		say "driver headers of dpdk $version are in $headers_dir"
		return
	fi
	[ "$version" = "$known_version" ] || "$any_version" ||
		die "dpdk is $version, and hashes are known for $known_version only: run again with" \
			"--any-version to trust the package archive's signature alone"
	work=$(mktemp -d)
	fetch_source "$version"
	extract_headers "$version"
	mkdir -p "$headers_dir"
	cp "$work"/headers/* "$headers_dir/"
	say "driver headers of dpdk $version are now in $headers_dir"
}

parse_options "$@"
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
	die "this is not Debian: install the packages named at the top of this script, and build with" \
		"-Ddriver_headers=DIR of a DPDK with its driver SDK"
if "$install"; then
	install_packages
fi
fetch_headers
