# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/XEN-COVERAGE.md, or checks that it is what would be written. In both cases each test
case, procedure and engine hook that functions.tsv names has to be there.

usage: gen-coverage.py [--check] SOURCE"""
import ast
import collections
import csv
import re
import sys

TESTS = {'real': 'tests/xen/test-{}.py', 'sim': 'tests/client/{}.py'}
PAGE = 'docs/XEN-COVERAGE.md'
SECTIONS = {
    'stock': 'What the stock driver answers',
    'more': 'What would fit Xen and the stock driver does not answer',
}
HEAD = '''# libvirt's driver functions on real Xen

Made from `tests/xen/functions.tsv` and `src/libvirt-driver/lvd-procs.tsv` by `ninja xen-coverage-md`;
a test keeps it current, and fails where a case that is named here does not exist.

- **xlvirt**: whether xlvirtd answers the call. *client*: libvirt's client library answers without
  asking a daemon. *no*: error 3, "this function is not supported by the connection driver".
- **engine**: the hooks of the engine (`src/hv/engine.h`) that do the work on Xen. *-*: libhv answers from
  what it knows.
- **real Xen**: the case of `tests/xen/test-FILE.py` that makes the call on a Xen that boots, by stock
  virsh or python3-libvirt. **untested** says what it says: written, and seen on `sim` at most.
- **sim**: the same of `tests/client/FILE.py`, on the simulated host.

A case that is named here makes this very call. Where virsh chooses between two of libvirt's calls, the
one that it did not choose is not counted.
'''


class Wrong(Exception):
    pass


def read_table(path):
    with open(path, encoding='utf-8') as file:
        return list(csv.DictReader((line for line in file if not line.startswith('#')), delimiter='\t', quoting=csv.QUOTE_NONE))


def read_cases(path):
    """{Class.case} of a file of tests."""
    try:
        with open(path, encoding='utf-8') as file:
            tree = ast.parse(file.read())
    except FileNotFoundError:
        raise Wrong(f'{path} is not there') from None
    return {f'{group.name}.{case.name}' for group in tree.body if isinstance(group, ast.ClassDef)
            for case in group.body if isinstance(case, ast.FunctionDef) and case.name.startswith('test')}


def read_hooks(source):
    """Those that the engine libxl has."""
    with open(f'{source}/src/libxl/hvxl-engine.c', encoding='utf-8') as file:
        return set(re.findall(r'^    \.(\w+) = \w+,$', file.read(), re.M))


def words(text):
    return [] if text == '-' else text.split(' ')


class Checker:
    """Knows what a row may name."""

    def __init__(self, source):
        self.source = source
        self.hooks = read_hooks(source)
        self.procedures = {row['name']: row for row in read_table(f'{source}/src/libvirt-driver/lvd-procs.tsv')}
        self.cases = {}

    def case(self, kind, name):
        file, case = name.split(':')
        path = f'{self.source}/{TESTS[kind].format(file)}'
        if path not in self.cases:
            self.cases[path] = read_cases(path)
        if case not in self.cases[path]:
            raise Wrong(f'{path} has no case {case}')

    def answered(self, row):
        """yes, client or no."""
        if row['procedure'] == 'client':
            return 'client'
        if row['procedure'] == 'qemu':
            return 'yes'
        if row['procedure'] not in self.procedures:
            raise Wrong(f'lvd-procs.tsv has no procedure {row["procedure"]}')
        return 'yes' if self.procedures[row['procedure']]['status'] == 'done' else 'no'

    def row(self, row):
        row['answered'] = self.answered(row)
        for hook in words(row['hooks']):
            if hook not in self.hooks:
                raise Wrong(f'the engine libxl has no hook {hook}')
        for kind in TESTS:
            for name in words(row[kind]):
                self.case(kind, name)
        if row['answered'] == 'no' and (words(row['real']) or words(row['hooks'])):
            raise Wrong('it is tested on real Xen, or has a hook, and is not answered')
        if row['answered'] == 'no' and not row['note']:
            raise Wrong('it is not answered, and nothing says why')


def check_rows(source, rows):
    checker = Checker(source)
    seen = set()
    for row in rows:
        try:
            if row['function'] in seen:
                raise Wrong('it is there twice')
            seen.add(row['function'])
            checker.row(row)
        except Wrong as wrong:
            raise Wrong(f'functions.tsv: {row["function"]}: {wrong}') from None


def code(text):
    return ', '.join(f'`{word}`' for word in words(text)) or '-'


def page(rows):
    yield HEAD
    yield '\n| functions | all | answered | of these on real Xen | on sim | untested on real Xen |\n'
    yield '| --- | ---: | ---: | ---: | ---: | ---: |\n'
    for kind, title in SECTIONS.items():
        here = [row for row in rows if row['kind'] == kind]
        there = [row for row in here if row['answered'] != 'no']
        count = collections.Counter(test for row in there for test in TESTS if words(row[test]))
        cells = [title, len(here), len(there), count['real'], count['sim'], len(there) - count['real']]
        yield '| ' + ' | '.join(map(str, cells)) + ' |\n'
    for kind, title in SECTIONS.items():
        yield f'\n## {title}\n\n| function | xlvirt | engine | real Xen | sim | remarks |\n| --- | --- | --- | --- | --- | --- |\n'
        for row in rows:
            if row['kind'] != kind:
                continue
            real = '-' if row['answered'] == 'no' else code(row['real']) if words(row['real']) else '**untested**'
            cells = [row['function'], row['answered'], code(row['hooks']), real, code(row['sim']), row['note']]
            yield '| ' + ' | '.join(cells) + ' |\n'


def main():
    check = sys.argv[1] == '--check'
    source = sys.argv[2 if check else 1]
    rows = read_table(f'{source}/tests/xen/functions.tsv')
    try:
        check_rows(source, rows)
    except Wrong as wrong:
        sys.exit(str(wrong))
    text = ''.join(page(rows))
    if not check:
        with open(f'{source}/{PAGE}', 'w', encoding='utf-8') as file:
            file.write(text)
        return
    with open(f'{source}/{PAGE}', encoding='utf-8') as file:
        if file.read() != text:
            sys.exit(f'{PAGE} is not what functions.tsv says: run "ninja xen-coverage-md" and commit it')


main()
