#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# new-function: makes the five files of a new packet function from scripts/template, which compiles
# and is tested; from there on it is edited until it does what it should.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
template=$root/scripts/template

usage() {
	cat <<USAGE
usage: scripts/new-function.sh [--root DIR] NAME

Makes, for the packet function NAME (letters, digits, underscores; e.g. DEDUP):
  src/functions/NAME.c          the function, registered in its last line
  src/functions/meson.build     one line
  tests/unit/test_NAME.c        its unit test
  tests/golden/NAME/            a flow, its traffic, the results it must have
  docs/functions/NAME.md        its page

  --root DIR   in another copy of the tree
  -h, --help   this text
USAGE
}

die() { printf 'new-function: %s\n' "$*" >&2; exit 1; }

# $1 from, $2 to: a copy with the function's name in place of the template's
copy() {
	mkdir -p "$(dirname "$2")"
	sed -e "s/TEMPLATE/$upper/g" -e "s/template/$lower/g" "$1" >"$2"
	printf 'made   %s\n' "${2#"$root"/}"
}

# Puts the source into the sorted list between the brackets of function_names.
add_build_line() {
	local file=$root/src/functions/meson.build
	grep -q '^function_names = \[$' "$file" || die "$file has no list 'function_names = ['"
	awk -v line="  '$lower'," '
		/^function_names = \[$/ { inside = 1; print; next }
		inside && (/^\]/ || $0 > line) { print line; inside = 0 }
		{ print }' "$file" >"$file.new"
	mv "$file.new" "$file"
	printf 'edited %s\n' "${file#"$root"/}"
}

name=
while [ $# -gt 0 ]; do
	case $1 in
	--root)
		root=$(cd "${2-}" 2>/dev/null && pwd) || die "--root needs a folder, not '${2-}'"
		shift
		;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && die "unknown option '$1'" ;;
	*)
		[ -z "$name" ] || die "one name, please, not '$name' and '$1'"
		name=$1
		;;
	esac
	shift
done
[[ $name =~ ^[A-Za-z][A-Za-z0-9_]{0,39}$ ]] ||
	die "the name is a letter, then up to 39 letters, digits and underscores, not '$name'"
lower=${name,,}
upper=${name^^}
[ "$lower" != template ] || die "that is the template's own name"
for there in "src/functions/$lower.c" "tests/unit/test_$lower.c" "tests/golden/$lower" \
	"docs/functions/$lower.md"; do
	[ ! -e "$root/$there" ] || die "$there is there already"
done
taken=$(grep -liE "\.name = \"$upper\"" "$root"/src/functions/*.c | head -n 1) || true
[ -z "$taken" ] || die "${taken#"$root"/} registers that name already"

add_build_line
copy "$template/template.c" "$root/src/functions/$lower.c"
copy "$template/test_template.c" "$root/tests/unit/test_$lower.c"
for file in why generator.json flow.json expected.json; do
	copy "$template/golden/$file" "$root/tests/golden/$lower/$file"
done
copy "$template/template.md" "$root/docs/functions/$lower.md"
printf 'now    ninja -C build && meson test -C build %s golden\n' "$lower"
