# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of snapshots share: domains whose disks are real qcow2 images."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml  # noqa: E402
try:
    import libvirt
except ImportError:
    libvirt = None

UUID = '5a5a5a5a-2222-3333-4444-{:012d}'
BLOCK = 65536


def qemu_img(*args):
    return subprocess.run(['qemu-img', *args], check=True, capture_output=True, text=True).stdout


def qemu_io(path, command):
    return subprocess.run(['qemu-io', '-f', 'qcow2', '-c', command, path], check=True, capture_output=True, text=True).stdout


class Case(harness.Case):
    """One image of a domain says what was last written to it."""

    def setUp(self):
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(lambda: self.connection.close())
        self.addCleanup(self.clear)
        self.host.control('[*]\nguest-boot-ms=10\n')

    def clear(self):
        self.host.control('')
        harness.end_guests(self.connection)
        for domain in harness.guests(self.connection):
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                                 libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        for path in glob.glob(f'{self.host.root}/disk.*'):
            os.unlink(path)
        self.assertEqual(os.listdir(self.folder()), [])

    def folder(self, *names):
        return os.path.join(self.host.root, 'var/lib/libvirt/libxl/snapshot', *names)

    def path(self, name):
        return f'{self.host.root}/disk.{name}'

    def image(self, name='a.qcow2'):
        path = self.path(name)
        qemu_img('create', '-q', '-f', 'qcow2', path, '16M')
        return path

    def write(self, number, path=None):
        qemu_io(path or self.path('a.qcow2'), f'write -P {number} 0 {BLOCK}')

    def holds(self, number, path=None):
        out = qemu_io(path or self.path('a.qcow2'), f'read -P {number} 0 {BLOCK}')
        return 'Pattern verification failed' not in out

    def snapshots_in(self, path=None):
        info = json.loads(qemu_img('info', '-U', '--output=json', path or self.path('a.qcow2')))
        return [snapshot['name'] for snapshot in info.get('snapshots', [])]

    def xml(self, name='d', number=1, disks=None, extra=''):
        if disks is None:
            disks = [(self.image(), 'qcow2', '')]
        text = ''.join(f"<disk type='file'{attribute}><driver name='qemu' type='{kind}'/><source file='{path}'/>"
                       f"<target dev='xvd{chr(ord('a') + i)}'/></disk>" for i, (path, kind, attribute) in enumerate(disks))
        return domain_xml(name, UUID.format(number)).replace('<devices>', f'<devices>{text}{extra}')

    def define(self, name='d', number=1, disks=None, extra=''):
        return self.connection.defineXML(self.xml(name, number, disks, extra))

    def take(self, domain, name, flags=0, body=''):
        return domain.snapshotCreateXML(f'<domainsnapshot><name>{name}</name>{body}</domainsnapshot>', flags)

    def row(self, status, pattern, *args, **options):
        """One virsh command; what it says on either stream"""
        code, out, err = self.host.virsh(*args, **options)
        what = f'virsh {" ".join(args)}\n{out}{err}'
        self.assertEqual(code, status, what)
        self.assertRegex(out + err, re.compile(pattern, re.M | re.S), what)
        return out

    def state(self, domain):
        return tuple(domain.state())

    def names(self, domain, flags=0):
        return sorted(domain.snapshotListNames(flags))

    def restart(self, domain, how=harness.signal.SIGKILL):
        """Another daemon finds the domain again."""
        self.host.end_daemon(how)
        self.host.start()
        self.connection = libvirt.open(self.host.uri())
        return self.connection.lookupByUUIDString(domain.UUIDString())


class ExternalCase(Case):
    def chain(self, path):
        return [entry['filename'] for entry in json.loads(qemu_img('info', '-U', '--backing-chain', '--output=json', path))]

    def source(self, domain, flags=0):
        return re.findall("source file='([^']*)'", domain.XMLDesc(flags))


def main():
    for program in ('virsh', 'qemu-img', 'qemu-io'):
        if not shutil.which(program):
            print(f'1..0 # SKIP {program} is not installed')
            sys.exit(0)  # TAP says by its plan that all is skipped
    if not libvirt:
        print('1..0 # SKIP python3-libvirt is not installed')
        sys.exit(0)
    libvirt.registerErrorHandler(lambda *unused: None, None)
    harness.run_events()
    tap.main()
