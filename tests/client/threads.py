#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that gets few threads: it says so and ends, or it serves with those that it has.

few-threads.c lets 0, 1, 2, ... threads beside the first one be there at once."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402

try:
    import libvirt
except ImportError:
    libvirt = None

PRELOAD = os.path.abspath(os.path.join(harness.BUILD, 'tests/client/libfew-threads.so'))
MOST = 60  # many more than a daemon starts by itself
REASON = re.compile(r"no thread '([a-z-]+)' is to be had \(.*\); raise the limit of tasks: TasksMax=")


def environment(limit):
    # The sanitizer's own library wants to be the first one.
    options = ':'.join(filter(None, (os.environ.get('ASAN_OPTIONS'), 'verify_asan_link_order=0')))
    return {'LD_PRELOAD': PRELOAD, 'FEW_THREADS': str(limit), 'ASAN_OPTIONS': options}


class TestFewThreads(unittest.TestCase):
    def setUp(self):
        self.host = harness.Host()
        self.addCleanup(self.host.end)

    def starts(self, limit):
        """None, or the name of the thread without which it did not start"""
        self.host.file('daemon.log', '')
        try:
            self.host.start('--config', self.config, **environment(limit))
            # Its socket is there before the rest.
            wait_for(lambda: self.host.answers() and 'ready, engine sim' in self.host.log_text(), 'the daemon to be ready')
            return None
        except AssertionError:
            self.assertIsNotNone(self.host.daemon.poll(), 'neither up nor gone')
        said = self.host.log_text()
        self.assertEqual(self.host.end_daemon(), 1, said)
        # Of workers there may be fewer; the last word is why it ended.
        names = REASON.findall(said.strip().splitlines()[-1])
        self.assertEqual(len(names), 1, said)
        return names[0]

    def first_start(self):
        """Starts with as few as possible. Returns without which ones it did not."""
        self.config = self.host.file('xlvirtd.conf', 'min_workers = 3\nmax_workers = 9\nprio_workers = 2\n')
        failed = []
        for limit in range(MOST):
            name = self.starts(limit)
            if not name:
                return limit, failed
            failed.append(name)
        return self.fail(f'does not start: {failed}')

    def test_each_limit(self):
        limit, failed = self.first_start()
        self.assertEqual(limit, len(failed))
        # Its own look comes first, then these, one after the other.
        self.assertEqual(failed[0], 'check', failed)
        self.assertEqual(failed[-5:], ['hv-events', 'hv-vcpus', 'hv-sampler', 'hv-guests', 'hv-autostart'], failed)

    @unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
    def test_few_are_enough(self):
        """With not one more than the start took, guests start, end by themselves and are asked about."""
        self.first_start()
        libvirt.registerErrorHandler(lambda *unused: None, None)
        connection = libvirt.open(self.host.uri())
        self.addCleanup(connection.close)
        domains = [connection.defineXML(domain_xml(f'd{i}')) for i in range(4)]
        for domain in domains:
            domain.create()
            self.assertEqual(len(domain.vcpus()[0]), 2)
        self.assertEqual(len(connection.getAllDomainStats()), 5)
        for domain in domains:
            # Nobody but the guest's worker tells that it is gone.
            domain.shutdown()
        for domain in domains:
            wait_for(lambda d=domain: not d.isActive(), 'the guest to go')
        self.assertEqual(self.host.end_daemon(), 0)

    def test_user_limit(self):
        """The kernel's own word, to somebody who is not root."""
        command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
        if subprocess.run([*command, 'test', '-x', harness.XLVIRTD], capture_output=True, check=False).returncode != 0:
            self.skipTest('we cannot become another user, or that one may not read this folder')
        os.chown(self.host.root, 65534, 65534)
        done = subprocess.run([*command, 'prlimit', '--nproc=2', harness.XLVIRTD, '--engine', 'sim', '--root', self.host.root],
                              text=True, capture_output=True, timeout=harness.TIMEOUT, check=False)
        self.host.file('daemon.log', done.stderr)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, REASON)


if __name__ == '__main__':
    tap.main()
