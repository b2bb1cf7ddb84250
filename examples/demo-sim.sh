#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The main job from end to end: the domains of an old Xen host, converted, imported into xlvirtd on
# a simulated Xen host, running, and seen by stock virsh. Everything lives in a temporary folder.
#
# usage: examples/demo-sim.sh [BUILDDIR]
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath "${1:-build}")
old_host=examples/old-host
root=$(mktemp -d /tmp/xlvirt-demo.XXXXXX)
uri="xen+unix:///system?socket=$root/run/libvirt/virtxend-sock"
export LIBVIRT_DEFAULT_URI=$uri XLVIRT_SIMHOST="$build/src/hv/xlvirt-simhost"
PATH="$build/tools/convert:$build/src/libvirt-driver:$PATH"
daemon=

clean_up() {
    status=$?
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
    "$XLVIRT_SIMHOST" --root "$root" --stop >/dev/null 2>&1 || true
    [ "$status" = 0 ] || { echo "demo: failed; the daemon said:"; tail -n 20 "$root.log"; } >&2
    rm -rf "$root" "$root.log"
    exit "$status"
}
trap clean_up EXIT

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
show() { # prints a command as a user would type it, then runs it
    printf '%s$ %s%s\n' "$bold" "${*//$root/\$ROOT}" "$plain"
    "$@"
}
wait_for() { # SECONDS COMMAND...: until the command succeeds
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "demo: gave up waiting for: $*" >&2; return 1; }
        sleep 0.1
    done
}
console() { # DOMAIN: what its console shows, and what it answers to a typed line
    printf '%s$ virsh console %s%s\n' "$bold" "$1" "$plain"
    { sleep 1; printf 'hello from the demo\r'; sleep 1; printf '\035'; sleep 0.3; } |
        TERM=dumb timeout 20 script -qec "virsh console $1" /dev/null | tr -d '\r' |
        grep -v '^Authorization not available' || true # virsh looks for polkit on every terminal
}
is_state() { [ "$(virsh domstate "$1" | head -n 1)" = "$2" ]; }

say "xlvirtd, on a simulated Xen host, below a root of its own"
printf '%s$ xlvirtd --engine sim --root $%s &%s\n' "$bold" ROOT "$plain"
xlvirtd --engine sim --root "$root" 2>"$root.log" &
daemon=$!
wait_for 60 virsh uri
show virsh version

say "The old host: xend's sxp trees, xm files with Python, xl files. First a look, as a page to read, too"
show xen2libvirt --host "$old_host" --dry-run --report "$root/old-host.html"

say "Then all of it or nothing. What does not carry over is named"
show xen2libvirt --host "$old_host" --atomic

say "Every client of libvirt sees them now"
show virsh list --all --title
guest=${DEMO_DOMAIN:-shop-db} # a PV guest with pygrub, out of xend's own store
show virsh start "$guest"
show virsh list
show virsh dominfo "$guest"
show virsh dumpxml "$guest"

say "Its console"
console "$guest"

say "And down again"
show virsh shutdown "$guest"
wait_for 60 is_state "$guest" 'shut off'
show virsh domstate --reason "$guest"
show virsh list --all
