# SPDX-License-Identifier: LGPL-2.1-or-later
"""rpcgen -c writes the path of its input into an #include; this keeps only the name.

usage: rpcgen-c.py RPCGEN INPUT.x OUTPUT.c"""
import re
import subprocess
import sys

rpcgen, source, target = sys.argv[1:]
text = subprocess.run([rpcgen, '-C', '-c', source], check=True, capture_output=True, text=True).stdout
text = re.sub(r'#include "(?:.*/)?([^/"]+\.h)"', r'#include "\1"', text)
with open(target, 'w') as out:
    out.write(text)
