#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same virsh commands against libvirt's own test driver and against xlvirtd on an equal domain.

yardstick.tsv has one command a row, in scenes; each scene begins with one running domain `test` on
either side. What is compared is the exit status and every word on both streams. The verdict of a row:

  same     nothing differs
  figures  the words are the same, numbers among them differ
  words    the exit status is the same; the words differ, for the reason in the last column
  differs  the exit status differs, for the reason in the last column

In the last two cases the third column is a regular expression for what xlvirtd says. A row also fails
if less differs than it says, so that the table does not go stale.

test:///default lives inside one virsh only. So each of its commands runs in a virsh of its own
behind all commands of its scene before it.

usage: yardstick.py [WORD...] runs the scenes whose names have one of the words in them;
yardstick.py --show [WORD...] prints what both sides say."""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import wait_for  # noqa: E402

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'yardstick.tsv')
MARK = '----8<----'
# The editor of the edit commands changes what a snapshot is said to be.
ENV = dict(harness.virsh_env(), VISUAL="sed -i -e 's|<description>[^<]*<|<description>edited<|'")

# The domain of test:///default, and others of its kind, with what a hypervisor wants to have otherwise.
DOMAIN = '''<domain type='{type}'>
  <name>{name}</name>
  {uuid}
  <memory unit='KiB'>{memory}</memory>
  <currentMemory unit='KiB'>{current}</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='{arch}'>hvm</type>
    <boot dev='hd'/>
  </os>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <source file='/guest/diskimage1'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='{mac}'/>
      <source network='default'/>
      <target dev='{nic}'/>
    </interface>
  </devices>
</domain>
'''
KINDS = {'theirs': {'type': 'test', 'arch': 'i686'}, 'ours': {'type': 'xen', 'arch': 'x86_64'}}
UUID = '6695eb01-f6a4-8304-79aa-97f2502e193f'
OTHER_UUID = '11111111-2222-3333-4444-555555555555'


def document(side, name, uuid='', memory=8388608, current=2097152, mac='aa:bb:cc:dd:ee:ff', nic='testnet0'):
    return DOMAIN.format(name=name, memory=memory, current=current, mac=mac, nic=nic,
                         uuid=f'<uuid>{uuid}</uuid>' if uuid else '', **KINDS[side])


def write_documents(folder, side):
    other = {'mac': 'aa:bb:cc:dd:ee:01', 'nic': 'othernet0', 'memory': 131072, 'current': 131072}
    texts = {
        'other.xml': document(side, 'other', OTHER_UUID, **other),
        'larger.xml': document(side, 'other', OTHER_UUID, **dict(other, memory=262144)),
        'taken-name.xml': document(side, 'test', OTHER_UUID),
        'taken-uuid.xml': document(side, 'third', UUID, **other),
        'broken.xml': '<domain',
        'unbalanced.xml': '<domain></domein>',
        'network.xml': '<network><name>n</name></network>',
        'nameless.xml': re.sub(r'<name>.*</name>', '', document(side, 'x')),
        'no-memory.xml': re.sub(r'<memory.*</memory>', '', document(side, 'x')),
        'slash.xml': document(side, 'a/b'),
        'bad-uuid.xml': document(side, 'x', 'not-a-uuid'),
        'bad-vcpu.xml': document(side, 'x').replace('>2</vcpu>', '>two</vcpu>'),
        'disk.xml': "<disk type='file'><source file='/guest/second'/><target dev='vdb' bus='virtio'/></disk>",
        'cpus.xml': ''.join(f'<cpu><arch>x86_64</arch><model>{model}</model><vendor>Intel</vendor>'
                            "<feature name='vmx'/></cpu>" for model in ('Nehalem', 'Haswell')),
        'junk': 'x' * 4096,
        # Snapshots want an image that is there, and what one may be called.
        'snap.xml': document(side, 'snap', OTHER_UUID, **other).replace(
            "<source file='/guest/diskimage1'/>", f"<driver name='qemu' type='qcow2'/><source file='{folder}/snap.qcow2'/>"),
        'snapshot.xml': '<domainsnapshot><name>xml</name><description>from a file</description></domainsnapshot>',
        'snapshot-slash.xml': '<domainsnapshot><name>a/b</name></domainsnapshot>',
        'snapshot-disks.xml': "<domainsnapshot><name>disks</name><disks><disk name='vdz'/></disks></domainsnapshot>",
        'snapshot-memory.xml': "<domainsnapshot><name>memory</name><memory snapshot='external'/></domainsnapshot>",
        'snapshot-nonsense.xml': '<domainsnapshot><name>x</name><nonsense/></domainsnapshot>',
        'snapshot-redefine.xml': '<domainsnapshot><name>again</name></domainsnapshot>',
    }
    if shutil.which('qemu-img'):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', f'{folder}/snap.qcow2', '1M'], check=True)
    for name, text in texts.items():
        with open(os.path.join(folder, name), 'w') as f:
            f.write(text)


class Row:
    def __init__(self, number, fields):
        self.number = number
        self.words = fields[0]
        self.verdict = fields[1] if len(fields) > 1 else ''
        self.ours = fields[2] if len(fields) > 2 else ''
        self.why = fields[3] if len(fields) > 3 else ''


def read_table():
    """name of a scene -> its rows"""
    scenes = {}
    with open(TABLE) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip('\n')
            if line.startswith('## '):
                rows = scenes[line[3:]] = []
            elif line and not line.startswith('#'):
                rows.append(Row(number, line.split('\t')))
    return scenes


def clean(text, folder):
    """What may differ between two runs, and Domain-0, which every Xen host has and no other."""
    text = text.replace(folder, 'DIR')
    text = re.sub(r'^ 0 +Domain-0 .*\n', '', text, flags=re.M)
    text = re.sub(r'^(?:00000000-0000-0000-0000-000000000000)? *(?:Domain-0)?\n', '', text, flags=re.M)
    text = re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}', 'TIME', text)
    text = re.sub(r'(?<=<creationTime>)\d+', 'TIME', text)
    # A table is as wide as its widest name.
    text = re.sub(r'-{6,}', '------', text)
    text = re.sub(r' +', ' ', text)
    return '\n'.join(line.rstrip() for line in text.strip().splitlines() if line.strip())


class Answer:
    def __init__(self, status, out, err, folder):
        self.status = status
        self.out, self.err = clean(out, folder), clean(err, folder)

    def text(self):
        return '\n'.join(part for part in (f'[{self.status}]', self.out, self.err) if part)


class Theirs:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='xly')
        write_documents(self.folder, 'theirs')
        self.before = []

    def end(self):
        shutil.rmtree(self.folder)

    def begin_scene(self):
        self.before = []
        for name in os.listdir(self.folder):
            if name.startswith('made'):
                os.unlink(os.path.join(self.folder, name))

    def run(self, words):
        """What a command wrote to a file stays there; it writes the same again."""
        words = words.replace('{dir}', self.folder)
        script = '; '.join(self.before + [f'echo {MARK}', f'echo --err {MARK}', words])
        done = subprocess.run(['virsh', '-c', 'test:///default', script], text=True, capture_output=True, env=ENV,
                              stdin=subprocess.DEVNULL, timeout=harness.TIMEOUT, check=False)
        if MARK not in done.stdout:  # virsh did not understand the last command, and ran none of them
            return Answer(done.returncode, done.stdout, done.stderr, self.folder)
        self.before.append(words)
        return Answer(done.returncode, done.stdout.split(MARK, 1)[1], done.stderr.split(MARK, 1)[1], self.folder)


class Ours:
    """A new host each scene, so that domain ids begin with 1."""
    def __init__(self):
        self.host = None

    def end(self):
        if self.host:
            self.host.end()
        self.host = None

    def begin_scene(self):
        self.end()
        self.host = harness.Host()
        self.folder = self.host.root + '/files'
        os.mkdir(self.folder)
        write_documents(self.folder, 'ours')
        self.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        self.host.start()
        path = self.host.file('files/test.xml', document('ours', 'test', UUID))
        for words in (('define', path), ('start', 'test')):
            code, _, err = self.host.virsh(*words)
            assert code == 0, f'virsh {words}: {err}'

    def domid(self, name):
        return self.host.virsh('domid', name)[1].strip()

    def run(self, words):
        args = shlex.split(words.replace('{dir}', self.folder))
        before = self.domid(args[1]) if args[0] == 'reboot' else None
        done = subprocess.run(['virsh', '-c', self.host.uri(), *args], text=True, capture_output=True, env=ENV,
                              stdin=subprocess.DEVNULL, timeout=harness.TIMEOUT, check=False)
        # The test driver's guests obey at once, a Xen guest a little later.
        if args[0] == 'shutdown' and done.returncode == 0:
            wait_for(lambda: self.domid(args[1]) in ('-', ''), 'the guest to shut down')
        elif args[0] == 'reboot' and done.returncode == 0:
            wait_for(lambda: self.domid(args[1]) not in (before, '-'), 'the guest to reboot')
        return Answer(done.returncode, done.stdout, done.stderr, self.folder)


def compare(theirs, ours):
    if theirs.text() == ours.text():
        return 'same'
    figures = [re.sub(r'\d+(\.\d+)?', 'N', answer.text()) for answer in (theirs, ours)]
    if (theirs.status == 0) != (ours.status == 0):
        return 'differs'
    return 'figures' if figures[0] == figures[1] else 'words'


def judge(row, theirs, ours):
    """Why a row does not hold; None: it does."""
    found = compare(theirs, ours)
    if found != row.verdict:
        return f'the verdict is {found!r}, the table says {row.verdict!r}'
    if found in ('words', 'differs'):
        if not row.why:
            return 'a difference without a reason'
        if not re.search(row.ours, ours.out + '\n' + ours.err, re.M | re.S):
            return f'xlvirtd does not say {row.ours!r}'
    return None


def play(rows, theirs, ours, report):
    theirs.begin_scene()
    ours.begin_scene()
    for row in rows:
        report(row, theirs.run(row.words), ours.run(row.words))


class TestYardstick(tap.unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.theirs, cls.ours = Theirs(), Ours()

    @classmethod
    def tearDownClass(cls):
        cls.theirs.end()
        cls.ours.end()

    def check(self, row, theirs, ours):
        with self.subTest(row.words):
            fault = judge(row, theirs, ours)
            self.assertIsNone(fault, f'{TABLE}:{row.number}: {row.words}: {fault}\n'
                                     f'test driver: {theirs.text()}\nxlvirtd: {ours.text()}')


class TestTable(tap.unittest.TestCase):
    def test_size(self):
        commands = {row.words for rows in read_table().values() for row in rows}
        self.assertGreaterEqual(len(commands), 100)


def show(words):
    theirs, ours = Theirs(), Ours()

    def report(row, their, our):
        fault = judge(row, their, our)
        print(f'{"ok " if fault is None else "BAD"} {row.words}' + ('' if fault is None else f'\n    {fault}'))
        if fault or '-v' in sys.argv:
            for sign, answer in (('<', their), ('>', our)):
                print('\n'.join(f'    {sign} {line}' for line in answer.text().splitlines()))
    try:
        for name, rows in read_table().items():
            if not words or any(word in name for word in words):
                print('##', name)
                play(rows, theirs, ours, report)
    finally:
        theirs.end()
        ours.end()


def add_scenes():
    def scene(rows):
        return lambda self: play(rows, self.theirs, self.ours, self.check)
    for name, rows in read_table().items():
        setattr(TestYardstick, 'test_' + re.sub(r'\W+', '_', name), scene(rows))


if __name__ == '__main__':
    if not shutil.which('virsh'):
        print('1..0 # SKIP virsh is not installed')
        sys.exit(0)
    if '--show' in sys.argv:
        show([word for word in sys.argv[1:] if not word.startswith('-')])
    else:
        add_scenes()
        tap.main()
