#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test: builds homard every way that counts and runs every suite. CI runs this same command.
# Each step's output goes to build/test-logs/STEP.log; a step that fails shows the end of it.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
logs=build/test-logs
jobs=$(nproc)
all_steps=(format gcc tests clang sanitizers threads fuzz tidy)
wanted=()
suite=
fuzz_seconds=${FUZZ_SECONDS-15}

usage() {
	cat <<USAGE
usage: scripts/test.sh [options]

Installs what is missing (scripts/setup.sh), then runs these steps, in this order:
  format      clang-format's check
  gcc         build, warnings are errors
  tests       every suite on that build
  clang       build, warnings are errors
  sanitizers  every suite, built with gcc's address and undefined-behaviour sanitizers
  threads     the tests of rings and of the control socket, with the thread sanitizer
  fuzz        each fuzz target for FUZZ_SECONDS (default 15) with libFuzzer
  tidy        clang-tidy

  --quick        fuzz each target for 5 seconds only
  --step NAME    only this step (and the build it needs); may be repeated
  --suite NAME   only gcc and tests, and of these only suite NAME: unit, property, golden,
                 interop, e2e, mapi, bench or fuzz
  -h, --help     this text

The last line is 'N passed, N failed, N skipped'; the exit code is 0 only if nothing failed.
USAGE
}

die() { printf 'test: %s\n' "$*" >&2; exit 2; }

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--quick) fuzz_seconds=5 ;;
		--step)
			case " ${all_steps[*]} " in
			*" ${2-} "*) wanted+=("$2") ;;
			*) die "--step takes one of: ${all_steps[*]}" ;;
			esac
			shift
			;;
		--suite)
			case ${2-} in
			unit | property | golden | interop | e2e | mapi | bench | fuzz) suite=$2 ;;
			*) die "--suite takes unit, property, golden, interop, e2e, mapi, bench or fuzz" ;;
			esac
			shift
			;;
		-h | --help) usage && exit 0 ;;
		*) usage >&2 && die "unknown option '$1'" ;;
		esac
		shift
	done
	[[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]] || die "FUZZ_SECONDS is '$fuzz_seconds', not a number of seconds"
	if [ -n "$suite" ]; then
		wanted=(gcc tests)
	elif [ ${#wanted[@]} -eq 0 ]; then
		wanted=("${all_steps[@]}")
	fi
}

# note passed|failed|skipped NAME [WHY]: one outcome for the closing line
note() { printf '%s\t%s\t%s\n' "$1" "$2" "${3-}" >>"$logs/outcomes"; }

# step NAME COMMAND...: runs it with its output in a log, tells how long it took
step() {
	local name=$1 started=$SECONDS
	shift
	printf '\n== %s\n' "$name"
	if "$@" >"$logs/$name.log" 2>&1; then
		printf '   ok, %d s\n' $((SECONDS - started))
		return 0
	fi
	printf '   FAILED after %d s; the end of %s:\n' $((SECONDS - started)) "$logs/$name.log"
	tail -n 80 "$logs/$name.log" | sed 's/^/   | /'
	return 1
}

# check NAME COMMAND...: a step that is one outcome
check() {
	if step "$@"; then note passed "$1"; else note failed "$1" "see $logs/$1.log" && return 1; fi
}

# configure FOLDER OPTION...: for the first time or again; the compiler comes from CC
configure() {
	local folder=$1 again=()
	shift
	[ ! -e "$folder/build.ninja" ] || again=(--reconfigure)
	meson setup "${again[@]}" "$folder" -Ddriver_headers="$root/build/dpdk-driver-headers" "$@"
}

# build FOLDER OPTION...: configures and compiles everything
build() { configure "$@" && ninja -C "$1" -j "$jobs"; }

# suites NAME FOLDER OPTION...: runs meson's tests; each test is one outcome
suites() {
	local name=$1 folder=$2 failed=0
	shift 2
	rm -f "$folder/meson-logs/testlog.json"
	step "$name" meson test -C "$folder" --no-rebuild --print-errorlogs --num-processes "$jobs" "$@" || failed=1
	python3 tests/outcomes.py "$name" "$folder/meson-logs/testlog.json" "$failed" >>"$logs/outcomes" ||
		note failed "$name" "its results cannot be read"
	grep -P "^skipped\t$name/" "$logs/outcomes" | awk -F '\t' '{ printf "   skipped %s: %s\n", $2, $3 }'
}

check_format() { git ls-files -z '*.c' '*.h' | xargs -0 -r clang-format --dry-run --Werror; }

build_sanitizers() {
	CC=gcc build build-asan -Dwerror=true -Db_sanitize=address,undefined -Doptimization=1
}

# Only code whose every access is compiled here: DPDK's libraries know nothing of the sanitizer, and the
# sanitizer knows no fences, about which gcc warns: warnings are no errors here.
threads='pktring|control|rpc|client|search|transport|order|routes|outbox'
build_threads() {
	# shellcheck disable=SC2046
	CC=gcc configure build-tsan -Dwerror=false -Db_sanitize=thread -Doptimization=1 &&
		ninja -C build-tsan -j "$jobs" $(python3 tests/needs.py build-tsan "$threads" targets)
}

run_threads() {
	step threads-build build_threads || { note failed threads-build && return; }
	# shellcheck disable=SC2046
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
		suites threads build-tsan --suite unit --timeout-multiplier 5 $(python3 tests/needs.py build-tsan "$threads" names)
}

# One target on a copy of its seeds; what libFuzzer finds stays in build-fuzz/findings.
fuzz_one() {
	local target=$1 name=${1##*/} seeds
	seeds=build-fuzz/tests/fuzz/corpus_${name#fuzz_}
	mkdir -p "build-fuzz/corpus/$name" "build-fuzz/findings"
	[ -d "$seeds" ] || seeds=
	"$target" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="build-fuzz/findings/$name-" "build-fuzz/corpus/$name" ${seeds:+"$seeds"} \
		>"$logs/$name.log" 2>&1
}
export -f fuzz_one

build_fuzz() {
	# shellcheck disable=SC2046
	CC=clang configure build-fuzz -Dwerror=true -Dfuzz=true -Doptimization=1 &&
		ninja -C build-fuzz -j "$jobs" $(ninja -C build-fuzz -t targets all |
			sed -nE 's,^(tests/fuzz/(fuzz|corpus)_[a-z0-9_]+): .*,\1,p')
}

run_fuzz() {
	local targets target name
	step fuzz-build build_fuzz || { note failed fuzz-build && return; }
	mapfile -t targets < <(find build-fuzz/tests/fuzz -maxdepth 1 -type f -executable -name 'fuzz_*' | sort)
	if [ ${#targets[@]} -eq 0 ]; then
		note failed fuzz "no fuzz target was built"
		return
	fi
	printf '\n== fuzz: %d targets, %d s each, %d at a time\n' ${#targets[@]} "$fuzz_seconds" "$jobs"
	export root logs fuzz_seconds
	printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} \
		bash -c 'fuzz_one {} && : >"$logs/$(basename {}).passed"'
	for target in "${targets[@]}"; do
		name=${target##*/}
		if [ -e "$logs/$name.passed" ]; then
			note passed "fuzz/$name"
			awk -v n="$name" '/number_of_executed_units/ { printf "   %s: %s runs\n", n, $2 }' "$logs/$name.log"
		else
			note failed "fuzz/$name" "see $logs/$name.log"
			printf '   %s FAILED:\n' "$name"
			tail -n 40 "$logs/$name.log" | sed 's/^/   | /'
		fi
	done
}

# Findings only, each once: headers are seen again and again.
check_tidy() {
	local code=0
	git ls-files 'src/*.c' | xargs -r run-clang-tidy -quiet -p build-clang -j "$jobs" >"$logs/tidy.raw" 2>&1 ||
		code=1
	sed 's/\x1b\[[0-9;]*m//g' "$logs/tidy.raw" | grep -E '(error|warning): ' | sort -u
	return "${code}"
}

is_wanted() { case " ${wanted[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# Steps that use a build make it themselves when it was not asked for.
run_steps() {
	if is_wanted format; then check format check_format; fi
	if is_wanted gcc || is_wanted tests; then
		CC=gcc check gcc build build -Dwerror=true &&
			if is_wanted tests; then suites tests build ${suite:+--suite "$suite"}; fi
	fi
	if is_wanted clang || is_wanted tidy; then CC=clang check clang build build-clang -Dwerror=true -Doptimization=1; fi
	if is_wanted sanitizers; then
		check sanitizers-build build_sanitizers &&
			ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
				LSAN_OPTIONS=suppressions=$root/tests/lsan.txt:print_suppressions=0 \
				suites sanitizers build-asan --timeout-multiplier 5
	fi
	if is_wanted threads; then run_threads; fi
	if is_wanted fuzz; then run_fuzz; fi
	if is_wanted tidy; then check tidy check_tidy; fi
}

# The closing line, and before it what failed and what was skipped, and why.
report() {
	printf '\n== result after %d s\n' "$SECONDS"
	awk -F '\t' '$1 != "passed" { printf "%s %s%s%s\n", $1, $2, $3 == "" ? "" : ": ", $3 }' "$logs/outcomes"
	awk -F '\t' '{ n[$1]++ } END {
		printf "%d passed, %d failed, %d skipped\n", n["passed"], n["failed"], n["skipped"]
		exit n["failed"] > 0 || n["passed"] == 0 }' "$logs/outcomes"
}

parse_options "$@"
mkdir -p "$logs"
rm -f "$logs"/*.log "$logs"/*.passed
: >"$logs/outcomes"
printf '== setup\n'
if ! scripts/setup.sh --group build --group test; then
	printf '0 passed, 1 failed, 0 skipped\n'
	exit 1
fi
run_steps
report
