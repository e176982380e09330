#!/usr/bin/env bash
# Makes docs/src/images/demo.svg: a terminal with what mjit-cc really prints about the fixtures. Run it after a change of messages:
#   docs/demo.sh [PATH/TO/mjit-cc]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tool=$(realpath "${1:-$root/target/release/mjit-cc}")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/bin"
ln -s "$tool" "$work/bin/mjit-cc"
cp -r "$root/fixtures/units" "$root/fixtures/vm.h" "$root/fixtures/bad/undeclared.c" "$work/"
cd "$work"
export PATH="$work/bin:$PATH"
unset CC MJIT_CC_CACHE MJIT_CC_LAUNCHER

# Each line of the picture: a command behind "$ ", or what the command printed.
{
    while read -r command; do
        printf '$ %s\n' "$command"
        bash -c "$command" 2>&1 || true
    done <<'COMMANDS'
ls units | wc -l
mjit-cc compile units/*.c --header vm.h --compact
mjit-cc compile units/*.c --header vm.h --compact
nm -D --defined-only out/units.so | head -n 3
mjit-cc compile undeclared.c --header vm.h
COMMANDS
} >lines

awk '
    function escaped(text) {
        gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
        return text
    }
    {
        colour = "#d4d4d4"
        if (/^\$ /) colour = "#8fd18f"
        if (/error:/) colour = "#f0a0a0"
        body = body sprintf("<text x=\"16\" y=\"%d\" fill=\"%s\" xml:space=\"preserve\">%s</text>\n", 44 + 19 * NR, colour, escaped($0))
        if (length($0) > widest) widest = length($0)
    }
    END {
        width = 40 + 8.5 * widest; height = 64 + 19 * NR
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\"", width, height, width, height
        print " font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\">"
        print "<title>mjit-cc compiles 24 units into one library</title>"
        print "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e1e1e\"/>"
        print "<circle cx=\"20\" cy=\"20\" r=\"6\" fill=\"#e06c5f\"/><circle cx=\"40\" cy=\"20\" r=\"6\" fill=\"#e0b85f\"/><circle cx=\"60\" cy=\"20\" r=\"6\" fill=\"#6fbf6f\"/>"
        printf "%s", body
        print "</svg>"
    }
' lines >"$root/docs/src/images/demo.svg"
cat lines
