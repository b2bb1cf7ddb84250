#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xlvirt-hotplug as libxl runs it, with a xenstored of our own and in a network of its own: what it leaves in the
store, how it ends, what it costs, and what a store that misbehaves can do to it."""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..'))
sys.path.insert(0, HERE)
import tap  # noqa: E402
import xenstored  # noqa: E402

HELPER = os.path.join(os.environ['XLVIRT_BUILD'], 'src/libxl/hotplug/xlvirt-hotplug')
VIF = '/local/domain/0/backend/vif/7/0'
VBD = '/local/domain/0/backend/vbd/7/51712'
SANITIZED = subprocess.run(['ldd', HELPER], capture_output=True, text=True).stdout.count('san.so')


def network():
    """A command line before another that gives it a network of its own; None where there is none for us"""
    command = ['unshare', '-n'] if os.geteuid() == 0 else ['unshare', '-rn']
    try:
        probe = subprocess.run(command + ['sh', '-ec', 'ip link add name br0 type bridge; ip tuntap add t0 mode tap'],
                               capture_output=True)
    except OSError:
        return None
    return command if probe.returncode == 0 else None


class Case(unittest.TestCase):
    store_class = xenstored.Store

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='hotplug-')
        self.addCleanup(shutil.rmtree, self.folder)
        for name in 'block', 'block-shared', 'block-nbd', 'vif-bridge', 'vif-route', 'vif-openvswitch':
            os.symlink(HELPER, os.path.join(self.folder, name))
        self.socket = os.path.join(self.folder, 'xenstored')

    def serve(self, values=(), store_class=xenstored.Store):
        self.store = store_class(self.socket, values)
        self.addCleanup(self.store.close)

    def environment(self, path):
        kind = path.split('/')[-3]
        values = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'XENSTORED_PATH': self.socket, 'script': '?',
                  'XENBUS_TYPE': kind, 'XENBUS_PATH': path.removeprefix('/local/domain/0/'),
                  'XENBUS_BASE_PATH': 'backend'}
        if kind == 'vif':
            values |= {'vif': 'vif7.0', 'INTERFACE': 'vif7.0-emu', 'netdev': ''}
        return values

    def run_helper(self, path, name, *arguments, timeout=60):
        return subprocess.run([os.path.join(self.folder, name), *arguments], env=self.environment(path), timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def in_network(self, path, script):
        """A shell in a network with bridge xenbr0 and interface vif7.0; $BLOCK and so on are the helper's names"""
        command = network()
        if not command:
            self.skipTest('no network namespace with tap and bridge for us here')
        script = f'set -e; cd {self.folder}; ip link add name xenbr0 type bridge; ip tuntap add vif7.0 mode tap\n{script}'
        return subprocess.run(command + ['sh', '-c', script], env=self.environment(path), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)


class TestInterface(Case):
    def test_bridge(self):
        self.serve({VIF + '/bridge': 'xenbr0', VIF + '/frontend-id': '7', '/local/domain/7/device/vif/0/state': '1'})
        before = dict(self.store.values)
        result = self.in_network(VIF, '''
            ./vif-bridge online type_if=vif
            echo up $(ip -o link show master xenbr0)
            ./vif-bridge offline type_if=vif
            echo down $(ip -o link show master xenbr0)
            ip -o link show vif7.0''')
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertRegex(lines[0], r'^up \d+: vif7\.0: <.*UP.* fe:ff:ff:ff:ff:ff ')
        self.assertEqual(lines[1], 'down')
        self.assertNotRegex(lines[2], r'[<,]UP[,>]')
        after = {path: text for path, text in self.store.values.items() if before.get(path) != text}
        self.assertEqual(after, {VIF + '/hotplug-status': 'connected', '/local/domain/7/device/vif/0/mtu': '1500'})

    def test_fails(self):
        self.serve({VIF + '/bridge': 'nobr0'})
        result = self.in_network(VIF, './vif-bridge online type_if=vif')
        self.assertEqual(result.returncode, 1)
        message = ("bridge 'nobr0' does not exist: make it with ip link add name nobr0 type bridge, or name another in "
                   "<source bridge=> (bridge=)")
        self.assertEqual(self.store.values[VIF + '/hotplug-error'], message)
        self.assertEqual(self.store.values[VIF + '/hotplug-status'], 'error')
        self.assertEqual(result.stderr, f'xlvirt-hotplug: backend/vif/7/0: {message}\n')

    def test_left_to_others(self):
        """Not even the store is asked"""
        for command in ['add'], ['remove', 'type_if=vif'], ['online', 'type_if=tap']:
            self.assertEqual(self.run_helper(VIF, 'vif-bridge', *command).returncode, 0)


class TestCost(Case):
    def count(self, path, command):
        trace = os.path.join(self.folder, 'trace')
        result = self.in_network(path, f'strace -f -o {trace} {command}')
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(trace) as lines:
            calls = [line.split(None, 1)[1].split('(')[0] for line in lines if '(' in line]
        return calls

    def test_bridge(self):
        """No fork, no thread, and not much else"""
        if not shutil.which('strace'):
            self.skipTest('no strace')
        if SANITIZED:
            self.skipTest('the sanitizer makes calls of its own')
        self.serve({VIF + '/bridge': 'xenbr0'})
        calls = self.count(VIF, './vif-bridge online type_if=vif')
        for name in 'fork', 'vfork', 'clone', 'clone3':
            self.assertNotIn(name, calls)
        print(f'# {len(calls)} system calls, {self.store.requests} requests to the store')
        self.assertLess(len(calls), 200)
        self.assertLess(self.store.requests, 10)


class Silent(xenstored.Store):
    """Takes requests and never answers"""

    def answer(self, connection, kind, request, transaction, payload):
        pass


class Shouting(xenstored.Store):
    """Answers with a header that promises 4 GiB"""

    def answer(self, connection, kind, request, transaction, payload):
        connection.sendall(struct.pack('=IIII', kind, request, transaction, 0xffffffff) + b'x' * 1000)
        connection.close()


class Hasty(xenstored.Store):
    """Hangs up in the middle of an answer"""

    def answer(self, connection, kind, request, transaction, payload):
        connection.sendall(struct.pack('=IIII', kind, request, transaction, 100) + b'half')
        connection.close()


class Filling(xenstored.Store):
    """Has a value of the largest size for each path"""

    def do(self, kind, payload):
        if kind == xenstored.READ:
            return b'/' + b'A' * 4095
        return super().do(kind, payload)


class TestStore(Case):
    def test_absent(self):
        result = self.run_helper(VBD, 'block', 'add')
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, '^xlvirt-hotplug: no connection to xenstored: .*; does it run, and is this Xen')

    def test_broken(self):
        for store_class in Shouting, Hasty:
            with self.subTest(store_class.__name__):
                self.serve(store_class=store_class)
                result = self.run_helper(VBD, 'block', 'add')
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn('cannot read backend/vbd/7/51712/physical-device of xenstore', result.stderr)
                self.doCleanups()
                self.setUp()

    def test_silent(self):
        """There is an end, and a word, before libxl ends us after 40 s"""
        if SANITIZED:
            self.skipTest('long, and the same without a sanitizer')
        self.serve(store_class=Silent)
        start = time.monotonic()
        result = self.run_helper(VBD, 'block', 'add')
        self.assertLess(time.monotonic() - start, 40)
        self.assertEqual(result.returncode, 1)
        self.assertIn('does xenstored answer', result.stderr)

    def test_filled(self):
        self.serve(store_class=Filling)
        for path, name, command in ((VBD, 'block', 'remove'), (VIF, 'vif-bridge', 'online'),
                                    (VIF, 'vif-route', 'online'), (VIF, 'vif-openvswitch', 'online')):
            with self.subTest(name):
                result = self.run_helper(path, name, command)
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, 'is too long')


if __name__ == '__main__':
    tap.main()
