#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each subcommand of virsh that domains and the host have, on the engine sim.

commands.tsv has one command line a row: its words, the exit status (`0|1`: it depends on the machine), and
regular expressions for what it says on stdout and on stderr (nothing: it must be silent there). Rows run in
order, in scenes; each scene begins with one running domain `web` and a new host. That no subcommand of the groups is missing in the
table is a test of its own; what virsh cannot do here has a row that says so.

usage: commands.py [WORD...] runs the scenes whose names have one of the words in them;
commands.py --show [WORD...] prints what each row says."""
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import wait_for  # noqa: E402

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'commands.tsv')
GROUPS = ('domain', 'monitor', 'host')
UUID = '11111111-2222-3333-4444-555555555555'
ENV = harness.virsh_env()
DEVICES = '''<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{dir}/disk.img'/>
  <target dev='xvda' bus='xen'/></disk>
<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr0'/></interface>
<channel type='pty'><target type='xen' name='org.x'/></channel>
<graphics type='vnc' port='-1' listen='127.0.0.1'/>'''
FILES = {
    'second.xml': harness.domain_xml('second', memory=65536),
    'disk.xml': "<disk type='file'><source file='/d/b.img'/><target dev='xvdb' bus='xen'/></disk>",
    'nic.xml': "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr7'/></interface>",
    'cpu.xml': "<cpu><arch>x86_64</arch><model>Westmere</model></cpu>",
    'box.cfg': 'name = "box"\ntype = "hvm"\nmemory = 256\n',
    'keys': 'ssh-rsa AAAA x\n',
}


class Row:
    def __init__(self, number, line):
        fields = (line.split('\t') + [''] * 4)[:4]
        self.number = number
        self.words, self.status, self.out, self.err = fields


def read_table():
    """name of a scene -> its rows"""
    scenes = {}
    with open(TABLE) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip('\n')
            if line.startswith('## '):
                rows = scenes[line[3:]] = []
            elif line and not line.startswith('#'):
                rows.append(Row(number, line))
    return scenes


def subcommands(group):
    text = subprocess.run(['virsh', 'help', group], text=True, capture_output=True, env=ENV, check=True,
                          timeout=harness.TIMEOUT).stdout
    return re.findall(r'^ {4}([a-z0-9-]+) ', text, re.M)


class Scene:
    def __init__(self):
        self.host = harness.Host()
        self.folder = self.host.root + '/files'
        os.mkdir(self.folder)
        for name, text in FILES.items():
            self.host.file('files/' + name, text)
        with open(self.folder + '/disk.img', 'wb') as f:
            f.truncate(1 << 20)
        self.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        self.host.start()
        web = harness.domain_xml('web', UUID)
        self.host.file('files/web.xml', web.replace('</devices>', DEVICES.format(dir=self.folder) + '</devices>'))
        for words in (('define', self.folder + '/web.xml'), ('start', 'web')):
            code, _, err = self.host.virsh(*words)
            assert code == 0, err

    def end(self):
        self.host.end()

    def run(self, words):
        """(exit status, stdout, stderr)"""
        args = shlex.split(words.replace('{dir}', self.folder))
        before = self.host.virsh('domid', 'web')[1] if args[0] in ('reboot', 'shutdown') else None
        done = subprocess.run(['virsh', '-c', self.host.uri(), *args], text=True, capture_output=True, env=ENV,
                              stdin=subprocess.DEVNULL, timeout=harness.TIMEOUT, check=False)
        if before and done.returncode == 0:
            wait_for(lambda: self.host.virsh('domid', 'web')[1] != before, 'the guest to obey')
        return done.returncode, done.stdout.replace(self.folder, 'DIR'), done.stderr.replace(self.folder, 'DIR')


def judge(row, answer):
    """Why a row does not hold; None: it does."""
    status, out, err = answer
    if str(status) not in row.status.split('|'):
        return f'status {status}'
    for pattern, text, stream in ((row.out, out, 'stdout'), (row.err, err, 'stderr')):
        if not pattern and text.strip():
            return f'something on {stream}'
        if pattern and not re.search(pattern, text, re.M | re.S):
            return f'no {pattern!r} on {stream}'
    return None


def play(rows, report):
    scene = Scene()
    try:
        for row in rows:
            report(row, scene.run(row.words))
    finally:
        scene.end()


class TestCommands(tap.unittest.TestCase):
    def check(self, row, answer):
        with self.subTest(row.words):
            fault = judge(row, answer)
            self.assertIsNone(fault, f'{TABLE}:{row.number}: virsh {row.words}: {fault}\n{answer}')


class TestTable(tap.unittest.TestCase):
    def test_none_is_missing(self):
        seen = {row.words.split()[0] for rows in read_table().values() for row in rows}
        for group in GROUPS:
            names = subcommands(group)
            self.assertGreater(len(names), 10, group)
            self.assertEqual([name for name in names if name not in seen], [], f'group {group}')


def show(words):
    def report(row, answer):
        fault = judge(row, answer)
        print(f'{"ok " if fault is None else "BAD"} {row.words}')
        if fault or '-v' in sys.argv:
            print(f'    {fault}\n    [{answer[0]}]\n    < ' + '\n    < '.join(answer[1].splitlines()) + '\n    ! ' +
                  '\n    ! '.join(answer[2].splitlines()))
    for name, rows in read_table().items():
        if not words or any(word in name for word in words):
            print('##', name)
            play(rows, report)


def add_scenes():
    for name, rows in read_table().items():
        setattr(TestCommands, 'test_' + re.sub(r'\W+', '_', name), lambda self, rows=rows: play(rows, self.check))


if __name__ == '__main__':
    if not shutil.which('virsh'):
        print('1..0 # SKIP virsh is not installed')
        sys.exit(0)
    if '--show' in sys.argv:
        show([word for word in sys.argv[1:] if not word.startswith('-')])
    else:
        add_scenes()
        tap.main()
