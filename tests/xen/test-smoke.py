#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab itself on real Xen: it comes up, each kind of guest starts in it by xl, tries its disk and
network, follows the toolstack."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402
from xenclient import wait_for  # noqa: E402

REFUSAL = xenhost.refusal()
PATIENCE = 900  # seconds for a guest to come up: emulation on a busy machine


@unittest.skipIf(REFUSAL, REFUSAL)
class TestSmoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.xen = xenhost.Lab()
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
        self.xen.ask('hvm-disk', 'x', 'boot sector: up')

    def test_stubs(self):
        """The smallest kernel, as PV and as PVH: it says one line and sleeps."""
        for name in ('stub', 'stub-pvh'):
            self.start(name)
            self.assertEqual(self.xen.wait_console(name, 'stub: up', PATIENCE).strip(), 'stub: up')
        self.assertEqual({'stub', 'stub-pvh'} - set(self.xen.guests()), set())
        for name in ('stub', 'stub-pvh'):
            wait_for(lambda of=name: (of, '-b----') in [(domain[0], domain[2]) for domain in self.xen.domains()], f'{name} to sleep')

    def test_status(self):
        """Statuses, words and input pass through."""
        self.assertEqual(self.xen.xenlab('run', 'xen1', 'printf', '%s|', 'a b', "c'd", '$x'), "a b|c'd|$x|")
        with self.assertRaisesRegex(xenhost.Failed, 'status 7'):
            self.xen.run('exit 7')
        self.assertEqual(self.xen.run('wc -c', input='12345'), '5\n')
        self.assertIn('(XEN)', self.xen.xenlab('logs', 'xen'))


if __name__ == '__main__':
    tap.main()
