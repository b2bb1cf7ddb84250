# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/COVERAGE.md from lvd-procs.tsv, or checks that it is what would be written.

usage: gen-coverage.py [--check] lvd-procs.tsv COVERAGE.md"""
import csv
import sys

STATUS = {
    'done': 'yes',
    'planned': 'no: "not supported"',
    'relay': 'relayed',
    'relay-local': 'relayed; looked up here without a stock daemon',
    'event': 'event',
}
HEAD = '''# What of libvirt's protocol xlvirtd answers

Made from `src/libvirt-driver/lvd-procs.tsv` by `ninja coverage-md`; a test keeps it current.

- **yes**: answered. Which flags of a call are taken stands in one table in
  `src/libvirt-driver/lvd-do.c`; another flag is refused with "unsupported flags".
- **no**: the client gets error 3, "this function is not supported by the connection driver".
- **not yet**: belongs to networks, storage, node devices, secrets, interfaces or filters, whose stock
  daemons will answer through a relay; until then as **no**.
- **event**: a message that the daemon sends, if anything here causes it.
- **Read-only** tells whether a client on the read-only socket may call it.

Beside the flags, these answers differ from stock on purpose:

- `define`, `create` with `--validate`: the document is checked against the RelaxNG schema that
  libvirt's client library installs; where it is missing, the call says so.
- `undefine` takes `--checkpoints-metadata`: no domain has any.
- `save`, `restore`, `managedsave` take `--running` and `--paused`, `save` and `restore` take `--xml`.
- `domxml-from-native`, `domxml-to-native` know `xen-xl`, `xen-xm`, `xen-sxpr` and `xen-sxp`. What was
  not carried over is in the daemon's log.
'''


def page(rows):
    families = {}
    for row in rows:
        families.setdefault(row['family'], []).append(row)
    yield HEAD
    yield '\n| family | yes | no | not yet | events |\n| --- | ---: | ---: | ---: | ---: |\n'
    for family, members in sorted(families.items()) + [('all', rows)]:
        counts = [sum(row['status'] == status for row in members) for status in STATUS]
        yield f'| {family} | ' + ' | '.join(map(str, counts)) + ' |\n'
    for family, members in sorted(families.items()):
        yield f'\n## {family}\n\n| number | procedure | public function | answered | read-only |\n'
        yield '| ---: | --- | --- | --- | --- |\n'
        for row in members:
            readonly = row['readonly']
            if readonly not in ('yes', 'no', '-'):
                readonly = 'not with `' + readonly.replace('|', '\\|') + '`'
            yield (f'| {row["number"]} | {row["name"]} | {row["api"]} | {STATUS[row["status"]]} '
                   f'| {readonly} |\n')


check = sys.argv[1] == '--check'
tsv, out = sys.argv[2 if check else 1:]
with open(tsv, encoding='utf-8') as f:
    table = list(csv.DictReader((line for line in f if not line.startswith('#')), delimiter='\t'))
text = ''.join(page(table))
if check:
    with open(out, encoding='utf-8') as f:
        if f.read() != text:
            sys.exit(f'{out} is not what lvd-procs.tsv says: run "ninja coverage-md" and commit it')
else:
    with open(out, 'w', encoding='utf-8') as f:
        f.write(text)
