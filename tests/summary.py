#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what `make check` ran: each case of a TAP program, each other test, each verdict of the
script itself. Prints what failed and the end of what it said, then "N passed, N failed[, N skipped]";
exits with 1 on a failure.

usage: summary.py DIR (meson's testlog.json files as STAGE.json, and the lists passed and failed)"""
import json
import pathlib
import re
import sys

folder = pathlib.Path(sys.argv[1])
passed, failed, skipped = [], [], []
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


def count_test(stage, test):
    name = f'{stage}: {test["name"]}'
    result = test['result']
    if result == 'SKIP':
        skipped.append(name)
        return
    bad = 0
    if result not in ('OK', 'EXPECTEDFAIL'):
        said[name] = telling(test)
    for line in test.get('stdout', '').splitlines():
        match = re.match(r'^(not )?ok \d+ ?-? ?(.*)$', line)
        if not match:
            continue
        if re.search(r'# (SKIP|TODO)', line, re.I):
            skipped.append(f'{name} {match[2]}')
        elif match[1]:
            bad += 1
            failed.append(f'{name} {match[2]}')
        else:
            passed.append(f'{name} {match[2]}')
    if result not in ('OK', 'EXPECTEDFAIL') and not bad:
        failed.append(f'{name} ({result})')
    elif result == 'OK' and 'ok 1' not in test.get('stdout', ''):
        passed.append(name)


for log in sorted(folder.glob('*.json')):
    with log.open() as records:
        for record in records:
            count_test(log.stem, json.loads(record))
passed += lines('passed')
failed += lines('failed')

for name, text in said.items():
    print(f'---- {name}\n{text}')
for name in failed:
    print(f'FAILED  {name}')
for name in skipped:
    print(f'skipped {name}')
end = f', {len(skipped)} skipped' if skipped else ''
print(f'{len(passed)} passed, {len(failed)} failed{end}')
sys.exit(1 if failed or not passed else 0)
