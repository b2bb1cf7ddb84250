#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab itself on real Xen: it comes up, each kind of guest starts in it by xl, tries its disk and
network, follows the toolstack; and nothing is left of it afterwards."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402

REFUSAL = xenhost.refusal()
PATIENCE = 900  # seconds for a guest to come up: emulation on a busy machine


def processes(folder):
    """Ids of the processes that have this folder in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if folder.encode() in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            continue
    return found


@unittest.skipIf(REFUSAL, REFUSAL)
class TestSmoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.xen = xenhost.Lab('--no-daemon', '--timeout', '900')
        cls.xen.__enter__()
        cls.addClassCleanup(cls.xen.__exit__)

    def start(self, name):
        self.xen.run(f'lab-guest forget {name} 2>/dev/null; xl create -q /srv/guests/{name}.cfg', timeout=PATIENCE)
        self.addCleanup(self.xen.run, f'xl destroy {name}', check=False)

    def linux(self, name, kind):
        """A Linux guest comes up whole, and goes when the toolstack asks it to."""
        self.start(name)
        said = self.xen.wait_console(name, 'guest: ready', PATIENCE)
        self.assertRegex(said, rf'guest: Linux \S+, {kind}, 1 CPUs, ')
        self.assertRegex(said, r'guest: disk xvda 16384 kB: ok, start \d+\n')
        self.assertRegex(said, r'guest: net eth0 00:16:3e:00:01:0\d 10\.77\.1\.\d: ok, 10\.77\.0\.1 answers\n')
        self.xen.run(f'xl shutdown {name}')
        self.xen.wait_console(name, 'guest: poweroff', PATIENCE)
        self.xen.wait_gone(name, PATIENCE)

    def test_pv(self):
        self.linux('pv', 'PV')

    def test_pvh(self):
        self.linux('pvh', 'PVH')

    def test_hvm(self):
        self.linux('hvm', 'HVM')

    def test_boot_sector(self):
        """Firmware and a disk; its serial port is QEMU's."""
        self.start('hvm-disk')
        for _ in range(20):
            said = self.xen.run('lab-guest ask hvm-disk x 5')
            if 'boot sector: up' in said:
                return
        self.fail(said)

    def test_stubs(self):
        """The smallest kernel, as PV and as PVH: it says one line and sleeps."""
        for name in ('stub', 'stub-pvh'):
            self.start(name)
            self.assertEqual(self.xen.wait_console(name, 'stub: up', 120).strip(), 'stub: up')
        self.assertEqual({'stub', 'stub-pvh'} - set(self.xen.guests()), set())
        for name in ('stub', 'stub-pvh'):
            row = self.xen.run(f'xl list {name}').splitlines()[1].split()
            self.assertEqual(row[4], '-b----', row)

    def test_status(self):
        """Statuses, words and input pass through."""
        self.assertEqual(self.xen.xenlab('run', 'xen1', 'printf', '%s|', 'a b', "c'd", '$x'), "a b|c'd|$x|")
        with self.assertRaisesRegex(xenhost.Failed, 'status 7'):
            self.xen.run('exit 7')
        self.assertEqual(self.xen.run('wc -c', input='12345'), '5\n')
        self.assertIn('(XEN)', self.xen.xenlab('logs', 'xen'))


@unittest.skipIf(REFUSAL, REFUSAL)
@unittest.skipIf(os.environ.get('XENLAB_TEST_DIR'), 'needs a lab of its own')
class TestTwoHosts(unittest.TestCase):
    def test_two_hosts(self):
        """Two hosts see each other, keep their disks over a power cut, and leave nothing behind."""
        with xenhost.Lab('--hosts', '2', '--memory', '1024', '--dom0-memory', '512', '--no-xlvirt', '--timeout', '900') as xen:
            self.assertIn('1 received', xen.run('ping -c 1 -W 20 xen2'))
            self.assertEqual(xen.run('ssh -o BatchMode=yes xen1 hostname', 'xen2').strip(), 'xen1')
            xen.run('echo kept >/root/file; sync', 'xen2')
            xen.xenlab('restart', 'xen2', timeout=1800)
            self.assertEqual(xen.run('cat /root/file', 'xen2'), 'kept\n')
            self.assertEqual(xen.run('hostname', 'xen1').strip(), 'xen1')
            self.assertGreaterEqual(len(processes(xen.folder)), 4)
        self.assertEqual(processes(xen.folder), [])
        self.assertFalse(os.path.exists(xen.folder))
        listed = subprocess.run([xenhost.XENLAB, 'list'], capture_output=True, text=True, check=True).stdout
        self.assertNotIn(xen.folder, listed)


if __name__ == '__main__':
    tap.main()
