#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that are volumes of storage pools: found by a real libvirtd, by one that misbehaves, and by none."""
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402

import harness  # noqa: E402
import relay  # noqa: E402
import stock  # noqa: E402
import tap  # noqa: E402
from harness import Wire, wait_for  # noqa: E402

MIB = 1 << 20
UUID = '44444444-0000-0000-0000-%012d'
NOT_ACTIVE = "unsupported configuration: storage pool 'p' containing volume 'raw' is not active"


def volume_disk(target='xvda', volume='raw', pool='p', form='raw', more='', policy='', device='disk'):
    return (f"<disk type='volume' device='{device}'><driver name='qemu' type='{form}'/>"
            f"<source pool='{pool}' volume='{volume}'{policy}/><target dev='{target}'/>{more}</disk>")


class Case(relay.Case):
    def define(self, name, *disks):
        xml = harness.domain_xml(name, UUID % ord(name[0]), os_type='linux').replace('<devices>', '<devices>' + ''.join(disks))
        self.virsh('define', self.host.file(f'{name}.xml', xml))
        self.addCleanup(self.forget, name)

    def restart(self, *options):
        self.host.end_daemon()
        self.host.start(*options)

    def forget(self, name):
        self.host.virsh('destroy', name)
        self.host.virsh('undefine', '--snapshots-metadata', '--managed-save', name)

    def paths(self, name):
        """{target: path of the image}, as the engine has them"""
        text = self.virsh('domstats', '--block', name)
        return dict(zip(re.findall(r'block\.\d+\.name=(.*)', text), re.findall(r'block\.\d+\.path=(.*)', text)))

    def size(self, name, target):
        """(capacity, physical)"""
        text = self.virsh('domblkinfo', name, target)
        return tuple(int(re.search(rf'{word}: +(\d+)', text)[1]) for word in ('Capacity', 'Physical'))


@unittest.skipIf(relay.MISSING, relay.MISSING)
class TestStock(stock.WithStock, Case):
    def pool(self, name='p', folder=None):
        folder = f'{self.host.root}/{folder or name}'
        os.makedirs(folder, exist_ok=True)
        self.virsh('pool-define-as', name, 'dir', '--target', folder)
        self.virsh('pool-start', name)
        self.addCleanup(self.drop_pool, name, folder)
        return folder

    def drop_pool(self, name, folder):
        self.host.virsh('pool-destroy', name)
        self.host.virsh('pool-undefine', name)
        shutil.rmtree(folder)

    def volumes(self):
        """A pool with a raw volume and one in qcow2; its folder."""
        folder = self.pool()
        self.virsh('vol-create-as', 'p', 'raw', str(MIB))
        self.virsh('vol-create-as', 'p', 'cow', str(64 * MIB), '--format', 'qcow2')
        return folder

    def test_life(self):
        folder = self.volumes()
        self.define('life', volume_disk(), volume_disk('xvdb', 'cow', form='qcow2'))
        # One that does not run is measured as well.
        self.assertEqual(self.size('life', 'xvda'), (MIB, MIB))
        self.assertEqual(self.paths('life'), {})
        self.virsh('start', 'life')
        self.assertEqual(self.paths('life'), {'xvda': f'{folder}/raw', 'xvdb': f'{folder}/cow'})
        self.assertEqual(self.size('life', 'xvda'), (MIB, MIB))
        capacity, physical = self.size('life', 'xvdb')
        self.assertEqual(capacity, 64 * MIB)
        self.assertLess(physical, capacity)
        self.assertEqual(self.size('life', f'{folder}/cow'), (capacity, physical))
        for options in ((), ('--inactive',)):
            xml = self.virsh('dumpxml', 'life', *options)
            self.assertRegex(xml, r"(?s)<disk type='volume' device='disk'>.*<source pool='p' volume='cow'/>")
            self.assertNotIn(folder, xml)
        self.assertRegex(self.virsh('domblklist', 'life'), r'xvda +raw\n +xvdb +cow')

    def test_next_daemon(self):
        """A daemon that comes back knows where they are, and does not ask."""
        folder = self.volumes()
        self.define('kept', volume_disk())
        self.virsh('start', 'kept')
        self.stock.end()
        self.restart()
        try:
            self.assertEqual(self.paths('kept'), {'xvda': f'{folder}/raw'})
            self.assertEqual(self.size('kept', 'xvda'), (MIB, MIB))
        finally:
            self.stock.start()

    def test_found_anew(self):
        """What was found counts for one life: a guest that is restored finds a pool that has moved."""
        before = self.volumes()
        self.define('moves', volume_disk())
        self.virsh('start', 'moves')
        self.virsh('managedsave', 'moves')
        self.virsh('pool-destroy', 'p')
        self.virsh('pool-undefine', 'p')
        after = self.pool(folder='elsewhere')
        os.rename(f'{before}/raw', f'{after}/raw')
        self.virsh('pool-refresh', 'p')
        self.virsh('start', 'moves')
        self.assertEqual(self.paths('moves'), {'xvda': f'{after}/raw'})

    def test_refused(self):
        self.volumes()
        self.define('r', volume_disk())
        self.virsh('pool-destroy', 'p')
        domain = self.connect().lookupByName('r')
        self.assertEqual(self.fails(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, domain.create), NOT_ACTIVE)
        self.assertEqual(self.virsh('domstate', '--reason', 'r').strip(), 'shut off (failed)')
        self.assertEqual(self.fails(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, domain.blockInfo, 'xvda'), NOT_ACTIVE)
        self.virsh('pool-start', 'p')
        domain.create()
        domain.destroy()
        self.virsh('vol-delete', '--pool', 'p', 'raw')
        self.assertEqual(self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, domain.create),
                         "Storage volume not found: no storage vol with matching name 'raw'")
        self.define('s', volume_disk(pool='nowhere'))
        self.assertEqual(self.fails(libvirt.VIR_ERR_NO_STORAGE_POOL, self.connect().lookupByName('s').create),
                         "Storage pool not found: no storage pool with matching name 'nowhere'")

    def test_startup_policy(self):
        self.volumes()
        policy = " startupPolicy='optional'"
        self.define('o', volume_disk(), volume_disk('xvdb', 'none', policy=policy),
                    volume_disk('hdc', 'none', policy=policy, device='cdrom'))
        self.virsh('start', 'o')
        xml = self.virsh('dumpxml', 'o')
        self.assertNotIn('xvdb', xml)
        self.assertRegex(xml, r"(?s)<disk type='file' device='cdrom'>\s*<driver[^>]*>\s*<source startupPolicy='optional'/>\s*<target dev='hdc'")
        self.assertIn("volume='none'", self.virsh('dumpxml', 'o', '--inactive'))

    def test_daemon_gone(self):
        self.volumes()
        self.define('g', volume_disk())
        domain = self.connect().lookupByName('g')
        self.stock.end()
        try:
            self.assertEqual(self.fails(libvirt.VIR_ERR_NO_CONNECT, domain.create),
                             'no connection driver available for storage: no storage daemon runs on this host, and '
                             "nobody else knows where volume 'raw' of storage pool 'p' is")
            # On paper a volume is a name.
            plug = self.host.file('plug.xml', volume_disk('xvdc', 'cow', form='qcow2'))
            self.virsh('attach-device', 'g', plug, '--config')
            self.virsh('detach-device', 'g', plug, '--config')
        finally:
            self.stock.start()
        domain.create()

    def test_hotplug(self):
        folder = self.volumes()
        self.define('h', volume_disk('hdc', 'raw', device='cdrom'))
        self.virsh('start', 'h')
        plug = self.host.file('plug.xml', volume_disk('xvdb', 'cow', form='qcow2'))
        self.virsh('attach-device', 'h', plug, '--live', '--config')
        self.assertEqual(self.paths('h'), {'hdc': f'{folder}/raw', 'xvdb': f'{folder}/cow'})
        for options in ((), ('--inactive',)):
            self.assertIn("<source pool='p' volume='cow'/>", self.virsh('dumpxml', 'h', *options))
        self.virsh('detach-device', 'h', plug, '--live', '--config')
        self.assertEqual(self.paths('h'), {'hdc': f'{folder}/raw'})
        missing = self.host.file('missing.xml', volume_disk('xvdb', 'none'))
        self.assertIn("no storage vol with matching name 'none'",
                      self.virsh('attach-device', 'h', missing, '--live', '--config', status=1))
        self.assertNotIn('xvdb', self.virsh('dumpxml', 'h', '--inactive'))
        # A medium that is a volume, after another.
        self.virsh('vol-create-as', 'p', 'iso', str(2 * MIB))
        self.virsh('update-device', 'h', self.host.file('medium.xml', volume_disk('hdc', 'iso', device='cdrom')), '--live')
        self.assertEqual(self.paths('h'), {'hdc': f'{folder}/iso'})
        self.assertEqual(self.size('h', 'hdc')[0], 2 * MIB)

    def snapshots(self, folder):
        return subprocess.run(['qemu-img', 'snapshot', '-l', '-U', f'{folder}/cow'], check=True, text=True, capture_output=True).stdout

    @unittest.skipUnless(shutil.which('qemu-img'), 'needs qemu-img')
    def test_snapshots(self):
        folder = self.volumes()
        self.define('n', volume_disk('xvdb', 'cow', form='qcow2'))
        for name, state in (('off', 'shut off'), ('on', 'running')):
            if state == 'running':
                self.virsh('start', 'n')
            self.virsh('snapshot-create-as', 'n', name)
            self.assertIn(name, self.snapshots(folder))
            self.virsh('snapshot-revert', 'n', name)
            self.assertEqual(self.virsh('domstate', 'n').strip(), state)
        self.assertEqual(self.paths('n'), {'xvdb': f'{folder}/cow'})
        self.assertIn('it is a volume of a storage pool', self.virsh('snapshot-create-as', 'n', 'x', '--disk-only',
                                                                     '--diskspec', f'xvdb,file={self.host.root}/x', status=1))
        # A domain that runs knows where they are; for one that does not, somebody has to be asked.
        self.stock.end()
        try:
            self.virsh('snapshot-delete', 'n', 'on')
            self.virsh('destroy', 'n')
            self.assertIn('no storage daemon runs', self.virsh('snapshot-delete', 'n', 'off', status=1))
        finally:
            self.stock.start()
        self.virsh('snapshot-delete', 'n', 'off')
        self.assertEqual(self.snapshots(folder).strip(), '')
        self.assertIn("<source pool='p' volume='cow'/>", self.virsh('dumpxml', 'n', '--inactive'))


class TestFake(Case):
    """A storage daemon that hangs, goes away or sends nonsense."""

    POOL = Wire.text(b'p') + bytes(16)
    VOLUME = Wire.text(b'p') + Wire.text(b'raw') + Wire.text(b'key')
    # What a good one says, by procedure.
    GOOD = {84: POOL, 154: struct.pack('>i', 1), 95: VOLUME, 98: struct.pack('>iQQ', 0, MIB, MIB), 100: Wire.text(b'/srv/raw')}

    def fake(self, **replies):
        """`replies` by number of the procedure, "p98": bytes; or a function, as relay.Fake has it."""
        def answer(fake, client, proc, serial, body):
            reply = replies.get(f'p{proc}', self.GOOD.get(proc))
            if callable(reply):
                return reply(fake, client, proc, serial, body)
            client.sendall(fake.pack(proc, 1, serial, 0, reply))
            return True
        steps = {step: reply for step, reply in replies.items() if not step.startswith('p')}
        fake = relay.Fake(f'{self.host.root}/run/libvirt/virtstoraged-sock', answer, **steps)
        self.addCleanup(fake.end)
        return fake

    def start_fails(self, code, what):
        domain = self.connect().lookupByName('f')
        self.assertRegex(self.fails(code, domain.create), what)

    def setUp(self):
        self.define('f', volume_disk())

    def test_good(self):
        """What it is asked, and that it may say other things in between."""
        def chatty(fake, client, proc, serial, _body):
            client.sendall(fake.pack(1, 0, 0, 0, prog=0x6b656570) + fake.pack(315, 2, 1, 0, bytes(9000)) +
                           fake.pack(proc, 1, serial, 0, self.GOOD[proc]))
            return True
        fake = self.fake(p95=chatty)
        self.virsh('start', 'f')
        self.assertEqual(self.paths('f'), {'xvda': '/srv/raw'})
        self.assertEqual([proc for proc, _ in fake.calls], [66, 1, 84, 154, 95, 98, 100])
        self.assertEqual(fake.calls[1][1], Wire.optional(b'storage:///system' if os.geteuid() == 0 else b'storage:///session') +
                         struct.pack('>I', 1))

    def test_block_device(self):
        self.fake(p98=struct.pack('>iQQ', 1, MIB, MIB), p100=Wire.text(b"/dev/v'g&/raw"))
        self.virsh('start', 'f')
        self.assertEqual(self.paths('f'), {'xvda': "/dev/v'g&/raw"})
        self.restart()
        self.assertEqual(self.paths('f'), {'xvda': "/dev/v'g&/raw"})

    def test_useless(self):
        for reply, what in (({'p98': struct.pack('>iQQ', 2, 0, 0)}, 'is neither a file nor a block device'),
                            ({'p100': Wire.text(b'raw')}, 'has a path that cannot be used'),
                            ({'p100': Wire.text(b'/srv/\x01')}, 'has a path that cannot be used'),
                            ({'p100': Wire.text(b'/srv/\xff')}, 'has a path that cannot be used')):
            fake = self.fake(**reply)
            self.start_fails(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, what)
            self.doCleanups_of(fake)

    def doCleanups_of(self, fake):
        """The next one takes its place."""
        self._cleanups = [cleanup for cleanup in self._cleanups if cleanup[0] != fake.end]
        fake.end()

    def test_nonsense(self):
        def raw(data):
            return lambda fake, client, proc, serial, _: client.sendall(data) is None
        cut = relay.Fake.pack
        for step in ('auth', 'open', 'p84', 'p154', 'p95', 'p98', 'p100'):
            for make, what in ((raw(bytes(28)), 'sends nonsense'), (raw(b'\xff' * 28), 'sends nonsense'),
                               (raw(cut(1, 1, 1, 0, length=1 << 24)), 'sends nonsense'),
                               (lambda *_: False, 'hung up')):
                fake = self.fake(**{step: make})
                self.start_fails(libvirt.VIR_ERR_OPERATION_FAILED, f'volume .raw. of storage pool .p., {what}')
                self.doCleanups_of(fake)
        for step in ('p84', 'p154', 'p95', 'p98', 'p100'):
            fake = self.fake(**{step: b'\0\0\0'})
            self.start_fails(libvirt.VIR_ERR_OPERATION_FAILED, 'sends nonsense')
            self.doCleanups_of(fake)
        fake = self.fake(auth=struct.pack('>II', 1, 2))
        self.start_fails(libvirt.VIR_ERR_OPERATION_FAILED, 'wants an authentication')
        self.doCleanups_of(fake)
        self.fake(p84=lambda fake, client, proc, serial, _: client.sendall(
            fake.pack(proc, 1, serial, 1, fake.error(38, b'as it says'))) is None)
        self.start_fails(libvirt.VIR_ERR_SYSTEM_ERROR, '^as it says$')

    def test_hangs(self):
        """It costs who waits for it a bounded time."""
        self.restart('--config', self.host.file('hasty.conf', 'keepalive_interval = 1\nkeepalive_count = 1\n'))
        self.addCleanup(self.restart)
        self.fake(p95=lambda *_: True)
        self.start_fails(libvirt.VIR_ERR_OPERATION_FAILED, 'does not answer any more')
        self.assertEqual(self.virsh('domstate', '--reason', 'f').strip(), 'shut off (failed)')

    def test_broken_off(self):
        """Who wants the domain to end need not wait for the answer."""
        asked = threading.Event()

        def silent(*_):
            asked.set()
            return True
        self.fake(p95=silent)
        failed = []
        domain = self.connect().lookupByName('f')
        starter = threading.Thread(target=lambda: failed.append(self.fails(libvirt.VIR_ERR_OPERATION_ABORTED, domain.create)))
        starter.start()
        self.assertTrue(asked.wait(harness.TIMEOUT))
        wait_for(lambda: 'Unbounded' in self.virsh('domjobinfo', 'f'), 'the start')
        self.virsh('destroy', 'f')
        starter.join(harness.TIMEOUT)
        self.assertIn('cancelled', failed[0])


if __name__ == '__main__':
    tap.main()
