# SPDX-License-Identifier: LGPL-2.1-or-later
"""What meson writes about a run: STAGE.json has one record a line, one a program."""
import json
import re

# Suites whose programs drive other people's: there, what fails may be a matter of chance. What is in one of STRICT
# as well is ours, whatever else it drives.
OTHERS, STRICT = {'client', 'xen'}, {'unit', 'golden', 'threads'}


def read(path):
    """Its records; none where there is no file."""
    if not path.exists():
        return []
    with path.open() as records:
        return [json.loads(record) for record in records]


def failed(record):
    return record['result'] not in ('OK', 'EXPECTEDFAIL', 'SKIP')


def program(record):
    """Its name in meson.build; that of the record is "PROJECT:SUITE+SUITE / NAME"."""
    return record['name'].rpartition(' / ')[2]


def may_run_again(record):
    suites = set(re.split(r'[:+]', record['name'].rpartition(' / ')[0]))
    return bool(suites & OTHERS) and not suites & STRICT


def cases(record):
    """[(verdict, name of the case)], of what is no TAP, or failed behind its last case, one without a name.
    A verdict is 'passed', 'failed' or 'skipped'."""
    if record['result'] == 'SKIP':
        return [('skipped', '')]
    found = []
    for line in record.get('stdout', '').splitlines():
        match = re.match(r'^(not )?ok \d+ ?-? ?(.*)$', line)
        if match and re.search(r'# (SKIP|TODO)', line, re.I):
            found.append(('skipped', ' ' + match[2]))
        elif match:
            found.append(('failed' if match[1] else 'passed', ' ' + match[2]))
    if failed(record) and 'failed' not in dict(found):
        found.append(('failed', f' ({record["result"]})'))
    elif not failed(record) and not found:
        found.append(('passed', ''))
    return found
