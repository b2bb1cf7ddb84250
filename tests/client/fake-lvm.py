#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stands in for lvs, lvcreate, lvconvert and lvremove, under whichever of these names it is called.

Volumes are files of the folder FAKE_LVM: GROUP/NAME is the content, GROUP/NAME.json says what it is:
{"origin": NAME or "", "pool": NAME or "", "open": true where it is in use}. Each call is a line of the file `calls`.
A line of the file `faults`, "PROGRAM WORD", lets a call fail that has the word in its last argument. What the manual
pages do not have is an error, as with LVM's own programs, which exit with 3 for a wrong command line and with 5 for
what cannot be done."""
import json
import os
import shutil
import sys

FOLDER = os.environ['FAKE_LVM']
PROGRAM = os.path.basename(sys.argv[0])
# Options that each takes: whether a value follows.
OPTIONS = {
    'lvs': {'--noheadings': False, '--separator': True, '-o': True},
    'lvcreate': {'--yes': False, '--snapshot': False, '--name': True, '--extents': True, '--setactivationskip': True},
    'lvconvert': {'--yes': False, '--merge': False},
    'lvremove': {'--yes': False},
}


def fail(status, text):
    print(f'  {text}', file=sys.stderr)
    sys.exit(status)


def parse(args):
    known, options, names = OPTIONS[PROGRAM], {}, []
    while args:
        word = args.pop(0)
        if not word.startswith('-'):
            names.append(word)
        elif word not in known:
            fail(3, f"{PROGRAM}: unrecognized option '{word}'")
        else:
            options[word] = args.pop(0) if known[word] else True
    if len(names) != 1:
        fail(3, 'Please specify one logical volume.')
    return options, names[0]


class Volume:
    """By GROUP/NAME, or by the path of its device"""
    def __init__(self, name):
        path = name if name.startswith('/') else os.path.join(FOLDER, name)
        self.group, self.name = os.path.split(os.path.relpath(path, FOLDER))
        self.path = path

    def exists(self):
        return not self.group.startswith('..') and os.path.exists(self.path + '.json')

    def facts(self):
        with open(self.path + '.json') as file:
            return json.load(file)

    def sibling(self, name):
        return Volume(f'{self.group}/{name}')


def lvs(options, volume):
    facts = volume.facts()
    fields = {'vg_name': volume.group, 'lv_name': volume.name, 'pool_lv': facts['pool']}
    wanted = options.get('-o', 'lv_name,vg_name').split(',')
    print('  ' + options.get('--separator', ' ').join(fields[field] for field in wanted))


def lvcreate(options, origin):
    new, facts = origin.sibling(options['--name']), origin.facts()
    if not options.get('--snapshot'):
        fail(3, 'No command with matching syntax recognised.')
    if new.exists():
        fail(5, f'Logical Volume "{new.name}" already exists in volume group "{new.group}"')
    if facts['pool'] and '--extents' in options:
        fail(3, 'A size makes a thick snapshot of a thin volume.')
    if not facts['pool'] and options.get('--extents') != '100%ORIGIN':
        fail(3, 'Please specify either size or extents.')
    if facts['pool'] and options.get('--setactivationskip') != 'n':
        fail(3, 'Thin snapshots are not activated: name --setactivationskip n.')
    shutil.copyfile(origin.path, new.path)
    with open(new.path + '.json', 'w') as file:
        json.dump({'origin': origin.name, 'pool': facts['pool'], 'open': False}, file)


def remove(volume):
    os.unlink(volume.path + '.json')
    os.unlink(volume.path)


def lvconvert(options, snapshot):
    facts = snapshot.facts()
    origin = snapshot.sibling(facts['origin'])
    if not options.get('--merge') or not facts['origin']:
        fail(5, f'Logical volume {snapshot.name} is not a snapshot.')
    if origin.facts()['open']:
        print(f'  Delaying merge since origin is open.\n  Merging of snapshot {snapshot.group}/{snapshot.name} will '
              f'occur on next activation of {origin.group}/{origin.name}.')
        return
    shutil.copyfile(snapshot.path, origin.path)
    remove(snapshot)


def lvremove(_options, volume):
    if volume.facts()['open']:
        fail(5, f'Logical volume {volume.group}/{volume.name} in use.')
    remove(volume)


def main():
    with open(os.path.join(FOLDER, 'calls'), 'a') as file:
        file.write(' '.join([PROGRAM, *sys.argv[1:]]).replace(FOLDER, '') + '\n')
    options, name = parse(sys.argv[1:])
    volume = Volume(name)
    if not volume.exists():
        fail(5, f'Failed to find logical volume "{name}"')
    with open(os.path.join(FOLDER, 'faults')) as file:
        for line in file:
            program, word = line.split()
            if program == PROGRAM and word in sys.argv[-1]:
                fail(5, 'The volume group is full.')
    {'lvs': lvs, 'lvcreate': lvcreate, 'lvconvert': lvconvert, 'lvremove': lvremove}[PROGRAM](options, volume)


main()
