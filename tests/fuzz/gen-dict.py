# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libFuzzer dictionary of the words in the tables of a parser.

usage: gen-dict.py OUTPUT SOURCE.c..."""
import re
import sys

out, *sources = sys.argv[1:]
words = set()
for source in sources:
    with open(source) as f:
        words.update(re.findall(r'"([A-Za-z_][A-Za-z0-9_./:-]{1,30})"', f.read()))
with open(out, 'w') as f:
    f.writelines(f'"{word}"\n' for word in sorted(words))
