#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sees to the packages that xlvirt needs: installs them by apt where it may (root on Debian or a
# derivative), else says what is missing.
#
# usage: tools/setup.sh [build] [demo] [check] [xenlab] [+GROUP]...
# The packages of a +GROUP are wished for: those that are missing are named with the others, and are not an error.
set -eu

# dpkg-dev tells meson where Debian has libraries.
build='gcc libc6-dev dpkg-dev meson ninja-build pkg-config rpcsvc-proto python3
       libglib2.0-dev libxml2-dev libtirpc-dev libvirt-dev libnl-3-dev libxen-dev
       zlib1g-dev liblzma-dev libzstd-dev liblz4-dev libbz2-dev
       libarchive-dev libxxhash-dev'
demo='libvirt-clients bsdutils'
check='git g++ clang clang-format-14 libclang-rt-14-dev shellcheck libxml2-utils python3-libvirt
       python3-jsonschema libyajl-dev iproute2 strace man-db qemu-utils
       libvirt-daemon dnsmasq-base iptables virtinst libsys-virt-perl virt-viewer virt-manager xvfb xdotool
       imagemagick dbus xauth at-spi2-core python3-gi gir1.2-atspi-2.0 gir1.2-gtk-vnc-2.0'
# What tools/xenlab/lab/util.py names, too.
xenlab='mmdebstrap debian-archive-keyring e2fsprogs fakeroot uidmap gcc binutils openssh-client
        qemu-system-x86 qemu-utils libvirt-clients'

packages_of() { # GROUP
    case $1 in
    build) echo "$build" ;;
    demo) echo "$demo" ;;
    check) echo "$check" ;;
    xenlab) echo "$xenlab" ;;
    *)
        echo "usage: $0 [build] [demo] [check] [xenlab] [+GROUP]..." >&2
        return 1
        ;;
    esac
}

wanted=
wished=
for group in "${@:-build}"; do
    packages=$(packages_of "${group#+}")
    case $group in
    +*) wished="$wished $packages" ;;
    *) wanted="$wanted $packages" ;;
    esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
    missing=
    for tool in meson ninja pkg-config rpcgen python3 cc; do
        command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
    done
    for library in glib-2.0 gio-unix-2.0 libxml-2.0 libtirpc libvirt; do
        pkg-config --exists "$library" 2>/dev/null || missing="$missing $library(pkg-config)"
    done
    [ -z "$missing" ] && exit 0
    echo "xlvirt: this is no Debian; please install what is missing:$missing" >&2
    exit 1
fi

without() { # PACKAGE...: those that are not installed, each once
    for package in $(printf '%s\n' "$@" | awk '!seen[$0]++'); do
        # pkg-config is pkgconf's name too; any package that provides it counts.
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] && continue
        [ "$package" = pkg-config ] && command -v pkg-config >/dev/null 2>&1 && continue
        printf ' %s' "$package"
    done
}

# shellcheck disable=SC2086
missing=$(without $wanted)
[ -z "$missing" ] && exit 0

if [ "$(id -u)" != 0 ]; then
    # shellcheck disable=SC2086
    missing=$(without $wanted $wished)
    echo "xlvirt: packages are missing; as root: apt-get update && apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "xlvirt: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    apt-get update -q >/dev/null
    apt-get install -y --no-install-recommends $missing
}
