#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs a configuration file. One that is there already, of this or of libvirt's own daemon, is
# the administrator's: ours is then put beside it.
#
# usage: install-conf.sh FILE DIR    (DESTDIR is taken from the environment)
set -eu
dir=${DESTDIR:-}$2
file=$dir/$(basename "$1")
install -d "$dir"
if [ -e "$file" ] && ! cmp -s "$1" "$file"; then
    echo "Keeping $file; the one of this version is $file.new"
    file=$file.new
fi
install -m 644 "$1" "$file"
