# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/COVERAGE.md from lvd-procs.tsv and what tests call, or checks that it is what would be written.

usage: gen-coverage.py [--check] lvd-procs.tsv TESTS-FOLDER COVERAGE.md"""
import csv
import glob
import os
import sys

STATUS = {
    'done': 'yes',
    'relay': 'relayed',
    'relay-local': 'relayed, or looked up',
    'planned': 'no',
    'event': 'event',
}
COLUMNS = (('yes', ('done',)), ('relayed', ('relay', 'relay-local')), ('no', ('planned',)), ('events', ('event',)))
SHOWN = 3  # tests of one procedure
HEAD = '''# What of libvirt's protocol xlvirtd answers

Made from `src/libvirt-driver/lvd-procs.tsv` and what the tests call by `ninja coverage-md`; a test keeps it current.

- **yes**: answered. Which flags of a call are taken stands in one table in
  `src/libvirt-driver/lvd-do.c`; another flag is refused with "unsupported flags".
- **relayed**: goes to the stock daemon of its family ([RELAY.md](RELAY.md)); where there is none, the client gets error 3,
  "this function is not supported by the connection driver".
- **relayed, or looked up**: where there is none, we look for files and devices of the host ourselves.
- **no**: error 3, as above. The reason stands beside it.
- **event**: a message that the daemon sends, if anything here or behind the relay causes it.
- **read-only** tells whether a client on the read-only socket may call it.
- **tests**: of `tests/client`, those that are answered well, or reach the daemon behind the relay, each time they run: they check
  that themselves. The more special ones come first. `xen/...` runs on real Xen. Beside these, `hostile` calls every
  procedure with arguments that are well-formed, cut off, as long as may be, too long, and noise, on both sockets.

Beside the flags, these answers differ from stock on purpose:

- `define`, `create` with `--validate`: the document is checked against the RelaxNG schema that
  libvirt's client library installs; where it is missing, the call says so.
- `undefine` takes `--checkpoints-metadata`: no domain has any.
- `save`, `restore`, `managedsave` take `--running` and `--paused`, `save` and `restore` take `--xml`.
- `domxml-from-native`, `domxml-to-native` know `xen-xl`, `xen-xm`, `xen-sxpr` and `xen-sxp`. What was
  not carried over is in the daemon's log.
'''


def read_tsv(path):
    with open(path, encoding='utf-8') as f:
        return list(csv.DictReader((line for line in f if not line.startswith('#')), delimiter='\t'))


def read_tests(folder):
    """procedure -> names of the tests that call it, the more special ones first"""
    calls = {}
    for path in sorted(glob.glob(os.path.join(folder, 'client/called/*.txt'))):
        with open(path, encoding='utf-8') as f:
            calls[os.path.basename(path).removesuffix('.txt')] = f.read().split()
    tests = {}
    for name in sorted(calls, key=lambda name: (len(calls[name]), name)):
        for procedure in calls[name]:
            tests.setdefault(procedure, []).append(name)
    for row in read_tsv(os.path.join(folder, 'xen/functions.tsv')):
        real = row['real'].split(':')[0]
        if real != '-':
            tests.setdefault(row['procedure'], []).append('xen/' + real)
    return tests


def show_tests(names):
    real = [name for name in names if name.startswith('xen/')][:1]
    return ', '.join([name for name in names if name not in real][:SHOWN - len(real)] + real)


def show_answer(row):
    note = row.get('note')
    return f'{STATUS[row["status"]]}: {note}' if note else STATUS[row['status']]


def page(rows, tests):
    families = {}
    for row in rows:
        families.setdefault(row['family'], []).append(row)
    yield HEAD
    yield '\n| family | ' + ' | '.join(name for name, _ in COLUMNS) + ' |\n| ---' + ' | ---:' * len(COLUMNS) + ' |\n'
    for family, members in sorted(families.items()) + [('all', rows)]:
        counts = [sum(row['status'] in statuses for row in members) for _, statuses in COLUMNS]
        yield f'| {family} | ' + ' | '.join(map(str, counts)) + ' |\n'
    for family, members in sorted(families.items()):
        yield f'\n## {family}\n\n| number | procedure | public function | answered | read-only | tests |\n'
        yield '| ---: | --- | --- | --- | --- | --- |\n'
        for row in members:
            readonly = row['readonly']
            if readonly not in ('yes', 'no', '-'):
                readonly = 'not with `' + readonly.replace('|', '\\|') + '`'
            yield (f'| {row["number"]} | {row["name"]} | {row["api"]} | {show_answer(row)} | {readonly} '
                   f'| {show_tests(tests.get(row["name"], []))} |\n')


check = sys.argv[1] == '--check'
tsv, tests_folder, out = sys.argv[2 if check else 1:]
text = ''.join(page(read_tsv(tsv), read_tests(tests_folder)))
if check:
    with open(out, encoding='utf-8') as f:
        if f.read() != text:
            sys.exit(f'{out} is not what lvd-procs.tsv and the tests say: run "ninja coverage-md" and commit it')
else:
    with open(out, 'w', encoding='utf-8') as f:
        f.write(text)
