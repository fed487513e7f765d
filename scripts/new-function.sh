#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# new-function: makes the five files of a new packet function from scripts/template, or those of a library out of
# the tree from examples/function; both compile and are tested, and from there on they are edited until they do what
# they should.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
template=$root/scripts/template

usage() {
	cat <<USAGE
usage: scripts/new-function.sh [--root DIR] NAME
       scripts/new-function.sh --out-of-tree NAME

Makes, for the packet function NAME (letters, digits, underscores; e.g. DEDUP):
  src/functions/NAME.c          the function, registered in its last line
  src/functions/meson.build     one line
  tests/unit/test_NAME.c        its unit test
  tests/golden/NAME/            a flow, its traffic, the results it must have
  docs/functions/NAME.md        its page

  --root DIR     in another copy of the tree
  --out-of-tree  makes a library of functions in the folder NAME below the present one instead: NAME.c, meson.build
                 and test_NAME.py (docs/write-a-function.md)
  -h, --help     this text
USAGE
}

die() { printf 'new-function: %s\n' "$*" >&2; exit 1; }

# $1 from, $2 to, $3 the name in it: a copy with the function's name in place of that one
copy() {
	mkdir -p "$(dirname "$2")"
	sed -e "s/${3^^}/$upper/g" -e "s/$3/$lower/g" "$1" >"$2"
	[ ! -x "$1" ] || chmod +x "$2"
	printf 'made   %s\n' "${2#"$root"/}"
}

make_library() {
	local example=$root/examples/function file
	[ ! -e "$lower" ] || die "$lower is there already"
	for file in low_ttl.c meson.build test_low_ttl.py; do
		copy "$example/$file" "$lower/${file/low_ttl/$lower}" low_ttl
	done
	printf 'now    cd %s && meson setup build && ninja -C build && meson test -C build\n' "$lower"
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
out_of_tree=
while [ $# -gt 0 ]; do
	case $1 in
	--root)
		root=$(cd "${2-}" 2>/dev/null && pwd) || die "--root needs a folder, not '${2-}'"
		shift
		;;
	--out-of-tree) out_of_tree=yes ;;
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
if [ -n "$out_of_tree" ]; then
	make_library
	exit 0
fi
[ "$lower" != template ] || die "that is the template's own name"
for there in "src/functions/$lower.c" "tests/unit/test_$lower.c" "tests/golden/$lower" \
	"docs/functions/$lower.md"; do
	[ ! -e "$root/$there" ] || die "$there is there already"
done
taken=$(grep -liE "\.name = \"$upper\"" "$root"/src/functions/*.c | head -n 1) || true
[ -z "$taken" ] || die "${taken#"$root"/} registers that name already"

add_build_line
copy "$template/template.c" "$root/src/functions/$lower.c" template
copy "$template/test_template.c" "$root/tests/unit/test_$lower.c" template
for file in why generator.json flow.json expected.json; do
	copy "$template/golden/$file" "$root/tests/golden/$lower/$file" template
done
copy "$template/template.md" "$root/docs/functions/$lower.md" template
printf 'now    ninja -C build && meson test -C build %s golden\n' "$lower"
