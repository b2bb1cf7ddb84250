#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon finds on disk that it did not write, and disks that take nothing more."""
import glob
import os
import resource
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402

UUID = '44444444-0000-0000-0000-%012d'
CONFIG = 'etc/libvirt/libxl'
STATE = 'run/libvirt/libxl'


class Case(unittest.TestCase):
    def setUp(self):
        self.host = harness.Host()
        self.addCleanup(self.host.end)
        for folder in (f'{CONFIG}/autostart', STATE):
            os.makedirs(f'{self.host.root}/{folder}')

    def path(self, name):
        return f'{self.host.root}/{name}'

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def virsh(self, *args, status=0):
        code, out, err = self.host.virsh(*args)
        self.assertEqual(code, status, f'virsh {" ".join(args)}\n{out}{err}\n{self.host.log_text()[-2000:]}')
        return out if status == 0 else err

    def names(self, *options):
        return sorted(set(self.virsh('list', '--name', *(options or ['--all'])).split()) - {'Domain-0'})

    def tool(self, *args):
        return subprocess.run([harness.SIMHOST, '--root', self.host.root, *args], check=True, text=True,
                              capture_output=True, timeout=harness.TIMEOUT).stdout


class TestFound(Case):
    def test_definitions(self):
        """What can be read is there, the rest is named in the log and stays as it is."""
        good = domain_xml('good', UUID % 1)
        files = {
            'good.xml': good,
            'empty.xml': '',
            'broken.xml': good[:100],
            'binary.xml': '\0\1\2' * 1000,
            'foreign.xml': '<network><name>foreign</name></network>',
            'kvm.xml': domain_xml('kvm', UUID % 2).replace("type='xen'", "type='kvm'"),
            'file-name.xml': domain_xml('other-name', UUID % 3),
            'twin.xml': domain_xml('twin', UUID % 1),  # after `good`
            'bomb.xml': '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><domain>&b;</domain>',
            '.xml': good,
            'notes.txt': 'not ours',
        }
        for name, text in files.items():
            self.host.file(f'{CONFIG}/{name}', text)
        self.host.file('elsewhere.xml', domain_xml('linked', UUID % 4))
        os.symlink(self.path('elsewhere.xml'), self.path(f'{CONFIG}/linked.xml'))
        os.symlink('/nonexistent', self.path(f'{CONFIG}/dangling.xml'))
        os.symlink('loop.xml', self.path(f'{CONFIG}/loop.xml'))
        os.mkdir(self.path(f'{CONFIG}/folder.xml'))
        os.mkfifo(self.path(f'{CONFIG}/fifo.xml'))
        os.symlink('../gone.xml', self.path(f'{CONFIG}/autostart/gone.xml'))
        os.symlink('../good.xml', self.path(f'{CONFIG}/autostart/good.xml'))
        self.host.file(f'{CONFIG}/.xlvirt-abcdef.tmp', good[:50])
        self.host.start()
        self.assertEqual(self.names(), ['good', 'linked'])
        wait_for(lambda: self.names('--state-running') == ['good'], 'the autostart')
        log = self.host.log_text()
        for name in ('empty', 'broken', 'binary', 'foreign', 'kvm', 'file-name', 'twin', 'bomb', 'dangling', 'loop',
                     'folder', 'fifo'):
            self.assertRegex(log, rf"(?m)warning.*\b{name}\b", name)
        for name, text in files.items():
            self.assertEqual(self.read(f'{CONFIG}/{name}').decode(), text, name)
        self.assertFalse(os.path.exists(self.path(f'{CONFIG}/.xlvirt-abcdef.tmp')))
        # A name whose file was of no use can be taken; a stale link does not start it.
        self.virsh('define', self.host.file('doc.xml', domain_xml('broken', UUID % 5)))
        self.virsh('define', self.host.file('doc.xml', domain_xml('gone', UUID % 6)))
        self.assertIn('disable', [line.split()[1] for line in self.virsh('dominfo', 'broken').splitlines()
                                  if line.startswith('Autostart')])
        self.assertEqual(self.host.end_daemon(), 0)
        self.host.start()
        self.assertEqual(self.names(), ['broken', 'gone', 'good', 'linked'])

    def test_states(self):
        """State files of another boot, and others that are of no use."""
        self.host.file(f'{CONFIG}/past.xml', domain_xml('past', UUID % 1))
        live = domain_xml('past', UUID % 1).replace("<domain type='xen'", "<domain type='xen' id='17'")
        gone = domain_xml('gone', UUID % 2).replace("<domain type='xen'", "<domain type='xen' id='18'")
        for name, text in (('past', live), ('gone', gone)):
            self.host.file(f'{STATE}/{name}.xml',
                           f"<domstatus state='running' reason='booted' pid='1'>\n{text}</domstatus>\n")
        self.host.file(f'{STATE}/broken.xml', '<domstatus')
        self.host.file(f'{STATE}/empty.xml', '')
        self.host.start()
        self.assertEqual(self.names(), ['past'])
        self.assertEqual(self.names('--state-running'), [])
        self.assertFalse(os.path.exists(self.path(f'{STATE}/past.xml')))
        self.virsh('start', 'past')

    def test_outside(self):
        """What others do with the hypervisor is seen at once."""
        self.host.start()
        domid = self.tool('--create', 'theirs', '64').strip()
        wait_for(lambda: self.names('--state-running') == ['theirs'], 'their domain', 2)
        self.assertEqual(self.virsh('domid', 'theirs').strip(), domid)
        self.virsh('define', self.host.file('doc.xml', domain_xml('ours', UUID % 1)))
        self.virsh('start', 'ours')
        for name in ('ours', 'theirs'):
            self.tool('--destroy', self.virsh('domid', name).strip())
        wait_for(lambda: self.names('--state-running') == [], 'their end', 2)
        self.assertEqual(self.names(), ['ours'])
        self.assertIn('destroyed', self.virsh('domstate', '--reason', 'ours'))


class TestFull(Case):
    def check_refused(self, word):
        before = self.read(f'{CONFIG}/old.xml')
        for command in (['define', self.host.file('doc.xml', domain_xml('new', UUID % 2))],
                        ['define', self.host.file('doc2.xml', domain_xml('old', UUID % 1, memory=262144))],
                        ['desc', 'old', '--config', 'another text']):
            with self.subTest(command[0]):
                self.assertIn(word, self.virsh(*command, status=1))
        self.assertEqual(self.names(), ['old'])
        self.assertIn('131072 KiB', self.virsh('dominfo', 'old'))
        self.assertEqual(self.read(f'{CONFIG}/old.xml'), before)
        self.assertEqual(glob.glob(self.path(f'{CONFIG}/.xlvirt*')), [])

    def test_no_space(self):
        """A file-size limit stands for the full disk: the write fails half-way."""
        self.host.start()
        self.virsh('define', self.host.file('doc.xml', domain_xml('old', UUID % 1)))
        resource.prlimit(self.host.daemon.pid, resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
        self.check_refused('File too large')
        resource.prlimit(self.host.daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.virsh('define', self.host.file('doc.xml', domain_xml('new', UUID % 2)))

    def test_read_only(self):
        """A folder that was mounted read-only behind our back."""
        folder = self.path(CONFIG)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], capture_output=True, check=False)
        if done.returncode:
            self.skipTest('nothing can be mounted here')
        self.addCleanup(subprocess.run, ['umount', '-l', folder], capture_output=True)
        os.mkdir(f'{folder}/autostart')
        self.host.start()
        self.virsh('define', self.host.file('doc.xml', domain_xml('old', UUID % 1)))
        with open(f'{folder}/filler', 'wb') as f:
            try:
                f.write(b'x' * (1 << 20))
                f.flush()
            except OSError:
                pass
        self.check_refused('No space left on device')
        os.unlink(f'{folder}/filler')
        subprocess.run(['mount', '-o', 'remount,ro', folder], check=True)
        self.check_refused('Read-only file system')
        self.virsh('undefine', 'old', status=1)
        self.virsh('start', 'old')
        self.virsh('destroy', 'old')
        subprocess.run(['mount', '-o', 'remount,rw', folder], check=True)
        self.virsh('undefine', 'old')


if __name__ == '__main__':
    tap.main()
