#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what `make check` ran: each case of a TAP program, each other test, each verdict of the
script itself. Prints what failed and the end of what it said, then "N passed, N failed[, N skipped][, N unstable]";
exits with 1 on a failure. Unstable is what failed, and passed when second-run.py ran its program again: that is told
like a failure, and is none.

usage: summary.py DIR (meson's testlog.json files as STAGE.json, those of second-run.py as STAGE.again, and the lists
passed and failed)"""
import pathlib
import sys

import testlog

folder = pathlib.Path(sys.argv[1])
found = {'passed': [], 'failed': [], 'skipped': [], 'unstable': []}
said = {}  # test: the end of its output, of the one that failed
MOST_LINES, MOST_CHARACTERS = 40, 3000


def lines(name):
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def telling(test):
    """What a person reads first: the reason stands behind the first "not ok", a report on stderr."""
    out, err = test.get('stdout', ''), test.get('stderr', '')
    out = out[max(out.find('not ok'), 0):] if 'not ok' in out else out[-MOST_CHARACTERS:]
    lines_of = [line for text in (out, err) for line in text.splitlines()[:MOST_LINES]]
    return '\n'.join(lines_of)[:MOST_CHARACTERS]


def count_test(name, test):
    if testlog.failed(test):
        said[name] = telling(test)
    for verdict, case in testlog.cases(test):
        found[verdict].append(name + case)


def count_both(name, first, again):
    """The cases of the second run count; what failed in the first one is unstable."""
    said[f'{name} (it passed when it ran again, alone)'] = telling(first)
    bad = [case for verdict, case in testlog.cases(first) if verdict == 'failed']
    found['unstable'] += [name + case for case in bad]
    for verdict, case in testlog.cases(again):
        if case not in bad:
            found[verdict].append(name + case)


for log in sorted(folder.glob('*.json')):
    second = {test['name']: test for test in testlog.read(log.with_suffix('.again'))}
    for record in testlog.read(log):
        title, other = f'{log.stem}: {record["name"]}', second.get(record['name'])
        if other and not testlog.failed(other) and other['result'] != 'SKIP':
            count_both(title, record, other)
            continue
        count_test(title, record)
        if other:
            said[f'{title} (again, alone)'] = telling(other)
found['passed'] += lines('passed')
found['failed'] += lines('failed')

for name, text in said.items():
    print(f'---- {name}\n{text}')
for verdict, word in (('failed', 'FAILED  '), ('skipped', 'skipped '), ('unstable', 'UNSTABLE  ')):
    for name in found[verdict]:
        print(word + name)
print(', '.join(f'{len(names)} {verdict}' for verdict, names in found.items() if names or verdict in ('passed', 'failed')))
sys.exit(1 if found['failed'] or not found['passed'] else 0)
