#!/usr/bin/env bash
# Makes two pictures of what mjit-cc really does with the fixtures: demo.svg, a terminal, and timings.svg, the bars of the timings page, which come from the
# trace. Run it after a change of messages:
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

mjit-cc compile units/*.c --header vm.h --out-dir timed -j2 --trace trace.json >/dev/null 2>&1

# One event a line: thread, begin and duration in microseconds, kind, name without its folder. Stages lie inside of other events.
sed 's/{"ph":/\n&/g' trace.json | sed -nE \
    's|^\{"ph":"X","name":"([^"]*/)?([^"]*)","cat":"([a-z]*)","pid":1,"tid":([0-9]+),"ts":([0-9]+),"dur":([0-9]+).*|\4 \5 \6 \3 \2|p' |
    grep -v ' stage ' >events

awk '
    { thread[NR] = $1; start[NR] = $2; took[NR] = $3; kind[NR] = $4; name[NR] = $5; if ($2 + $3 > last) last = $2 + $3; if ($1 > threads) threads = $1 }
    END {
        colour["discovery"] = "#8a8a8a"; colour["header"] = "#b98a2f"; colour["unit"] = "#3f7fbf"; colour["link"] = "#5a9e5a"
        width = 900; left = 80; scale = (width - left - 60) / last; height = 60 + 34 * (threads + 1)
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\"", width, height, width, height
        print " font-family=\"system-ui, sans-serif\" font-size=\"12\">"
        print "<title>What two threads did when: the header first, then 24 units</title>"
        print "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\" stroke=\"#cccccc\"/>"
        for (lane = 0; lane <= threads; lane++)
            printf "<text x=\"12\" y=\"%d\" fill=\"#333333\">thread %d</text>\n", 36 + 34 * lane, lane + 1
        for (i = 1; i <= NR; i++) {
            y = 18 + 34 * thread[i]; x = left + start[i] * scale; wide = took[i] * scale; if (wide < 1) wide = 1
            fill = kind[i] in colour ? colour[kind[i]] : "#9a6fb0"
            printf "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"26\" rx=\"2\" fill=\"%s\" stroke=\"#ffffff\" stroke-width=\"0.5\"><title>%s: %.0f ms</title></rect>\n", x, y, wide, fill, name[i], took[i] / 1000
            label = name[i]; sub(/^unit_/, "", label); sub(/\.c$/, "", label)
            if (wide > 7 * length(label))
                printf "<text x=\"%.1f\" y=\"%d\" fill=\"#ffffff\" font-size=\"10\">%s</text>\n", x + 3, y + 17, label
        }
        step = 1; while (last / 1000 / step > 10) step *= step ~ /^2/ ? 2.5 : 2
        for (ms = 0; ms <= last / 1000; ms += step)
            printf "<text x=\"%.1f\" y=\"%d\" fill=\"#666666\">%d ms</text>\n", left + ms * 1000 * scale, height - 14, ms
        print "</svg>"
    }
' events >"$root/docs/src/images/timings.svg"
cat lines
