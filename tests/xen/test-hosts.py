#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labs of more than one host, and that nothing is left of a lab afterwards."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402

REFUSAL = xenhost.refusal()


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
class TestTwoHosts(unittest.TestCase):
    def test_two_hosts(self):
        """Two hosts see each other, keep their disks over a power cut, and leave nothing behind."""
        with xenhost.Lab('--hosts', '2', '--memory', '1024', '--dom0-memory', '512', '--no-xlvirt') as xen:
            self.assertIn('1 received', xen.run('ping -c 1 -w 300 xen2'))
            self.assertEqual(xen.run('ssh -o BatchMode=yes xen1 hostname', 'xen2').strip(), 'xen1')
            xen.run('echo kept >/root/file; sync', 'xen2')
            xen.xenlab('restart', '--timeout', '900', 'xen2', timeout=1800)
            self.assertEqual(xen.run('cat /root/file', 'xen2'), 'kept\n')
            self.assertEqual(xen.run('hostname', 'xen1').strip(), 'xen1')
            self.assertGreaterEqual(len(processes(xen.folder)), 4)
        self.assertEqual(processes(xen.folder), [])
        self.assertFalse(os.path.exists(xen.folder))
        listed = subprocess.run([xenhost.XENLAB, 'list'], capture_output=True, text=True, check=True).stdout
        self.assertNotIn(xen.folder, listed)


if __name__ == '__main__':
    tap.main()
