#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Locks on disks by a real virtlockd: two xlvirtd side by side are two hosts on one storage.

usage: locks.py [WORD...] runs the cases whose names have one of the words in them."""
import fcntl
import glob
import hashlib
import itertools
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402

import harness  # noqa: E402
import lockd  # noqa: E402
import relay  # noqa: E402
import tap  # noqa: E402
from harness import wait_for  # noqa: E402

MISSING = lockd.missing()
UUID = '55555555-0000-0000-0000-%012d'
QUICK = '[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n'
BUSY = libvirt.VIR_ERR_RESOURCE_BUSY
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
PRELOAD = os.path.abspath(os.path.join(harness.BUILD, 'tests/client/libkill-at.so'))


def disk(path, target='xvda', more='', device='disk', bus=''):
    source = f"<source file='{path}'/>" if path else ''
    return f"<disk type='file' device='{device}'>{source}<target dev='{target}'{bus}/>{more}</disk>"


def lease(folder, key, lockspace='area', offset=''):
    return f"<lease><lockspace>{lockspace}</lockspace><key>{key}</key><target path='{folder}'{offset}/></lease>"


class Case(unittest.TestCase):
    """Hosts `a` and `b`, each a daemon with a simulated Xen of its own, and one virtlockd."""

    manager = 'lockd'
    conf = ''  # more of virtxend.conf

    @classmethod
    def setUpClass(cls):
        libvirt.registerErrorHandler(lambda *unused: None, None)
        cls.folder = tempfile.mkdtemp(prefix='xll')
        cls.lockd = lockd.Lockd(cls.folder + '/lockd')
        cls.a, cls.b = cls.hosts = harness.Host(), harness.Host()
        try:
            cls.lockd.start()
            for host in cls.hosts:
                host.file('daemon.log', '')
                host.control(QUICK)
                cls.start(host)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for host in cls.hosts:
            host.end()
        cls.lockd.end()
        shutil.rmtree(cls.folder)

    @classmethod
    def start(cls, host, more='', **env):
        conf = host.file('xlvirtd.conf', f'lock_manager = "{cls.manager}"\nlock_socket = "{cls.lockd.socket}"\n{cls.conf}{more}')
        host.start('--config', conf, **env)

    def restart(self, host, how=signal.SIGTERM, more='', **env):
        host.end_daemon(how)
        self.start(host, more, **env)

    def lockd_conf(self, text):
        """libxl-lockd.conf of both hosts, for this case only."""
        paths = [f'{host.root}/etc/libvirt/libxl-lockd.conf' for host in self.hosts]

        def set_and_restart(text):
            for path, host in zip(paths, self.hosts):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'w') as f:
                    f.write(text)
                self.restart(host)
        self.addCleanup(set_and_restart, '')
        set_and_restart(text)

    def setUp(self):
        self.addCleanup(self.clear)

    def clear(self):
        for host in self.hosts:
            host.control(QUICK)
            connection = libvirt.open(host.uri())
            harness.end_guests(connection)
            for domain in harness.guests(connection):
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
            connection.close()
            wait_for(lambda host=host: not self.records(host), 'the records to go')

    def connect(self, host):
        connection = libvirt.open(host.uri())
        self.addCleanup(connection.close)
        return connection

    def image(self, name):
        path = f'{self.folder}/{name}'
        with open(path, 'w') as f:
            f.write('x' * 512)
        return path

    def xml(self, name, *devices, number=None):
        number = ord(name[0]) if number is None else number
        return harness.domain_xml(name, UUID % number, os_type='linux').replace('<devices>', '<devices>' + ''.join(devices))

    def define(self, host, name, *devices, number=None):
        return self.connect(host).defineXML(self.xml(name, *devices, number=number))

    def refused(self, code, message, function, *args):
        with self.assertRaises(libvirt.libvirtError) as caught:
            function(*args)
        self.assertEqual(caught.exception.get_error_code(), code, caught.exception)
        self.assertRegex(caught.exception.get_error_message(), message)

    @staticmethod
    def records(host):
        return glob.glob(f'{host.root}/run/libvirt/libxl/*.leases')

    def held(self, *paths):
        for path in paths:
            self.assertTrue(self.lockd.is_held(path), path)

    def free(self, *paths):
        for path in paths:
            self.assertFalse(self.lockd.is_held(path), path)

    def goes_free(self, path):
        wait_for(lambda: not self.lockd.is_held(path), f'{path} to be given back')

    def domid(self, name):
        return self.connect(self.a).lookupByName(name).ID()

    def sim(self, host, *args):
        subprocess.run([harness.SIMHOST, '--root', host.root, *map(str, args)], check=True, timeout=harness.TIMEOUT)


@unittest.skipIf(MISSING, MISSING)
class TestLocks(Case):
    def test_two_hosts(self):
        one, two = self.image('one'), self.image('two')
        here = self.define(self.a, 'd', disk(two), disk(one, 'xvdb'))
        there = self.define(self.b, 'd', disk(one), disk(two, 'xvdb'), number=1)
        here.create()
        self.held(one, two)
        self.refused(BUSY, f"^resource busy: Lockspace resource '{one}' is locked$", there.create)
        self.assertFalse(there.isActive())
        self.assertEqual(self.records(self.b), [])
        here.destroy()
        self.free(one, two)
        self.assertEqual(self.records(self.a), [])
        there.create()
        self.refused(BUSY, f"^resource busy: Lockspace resource '{two}' is locked$", here.create)
        self.assertEqual(self.records(self.a), [])
        there.destroy()

    def test_others_given_back(self):
        """Of several the last one is taken: the first ones are free again."""
        one, two = self.image('one'), self.image('two')
        with lockd.Owner(self.lockd) as other:
            self.assertEqual(other.acquire('', two), 0)
            domain = self.define(self.a, 'd', disk(one), disk(two, 'xvdb'))
            self.refused(BUSY, f"Lockspace resource '{two}' is locked", domain.create)
            self.free(one)
            self.held(two)
            self.refused(BUSY, f"Lockspace resource '{two}' is locked", self.connect(self.a).createXML,
                         self.xml('t', disk(one), disk(two, 'xvdb')))
            self.free(one)
            self.assertEqual(other.release('', two), 0)
        self.assertEqual(self.records(self.a), [])
        domain.create()

    def test_no_image(self):
        path = self.folder + '/none'
        domain = self.define(self.a, 'd', disk(path))
        self.refused(libvirt.VIR_ERR_SYSTEM_ERROR, f'Unable to open resource {path}: No such file', domain.create)
        self.assertEqual(self.records(self.a), [])

    def test_which(self):
        shared, readonly, cd, floppy = (self.image(name) for name in ('shared', 'readonly', 'cd', 'floppy'))
        devices = [disk(shared, more='<shareable/>'), disk(readonly, 'xvdb', '<readonly/>'), disk(cd, 'hdc', device='cdrom'),
                   disk('', 'hdd', device='cdrom'),
                   "<disk type='network' device='disk'><driver name='qemu'/><source protocol='nbd' name='x'>"
                   "<host name='h' port='1'/></source><target dev='xvdc'/></disk>"]
        here, there = self.define(self.a, 'd', *devices), self.define(self.b, 'd', *devices, number=1)
        here.create()
        self.assertTrue(self.lockd.is_held(shared))
        self.assertFalse(self.lockd.is_held(shared, shared=True))
        self.free(readonly, cd)
        there.create()
        here.destroy()
        self.held(shared)
        alone = self.define(self.a, 'e', disk(shared))
        self.refused(BUSY, 'is locked', alone.create)
        there.destroy()
        self.free(shared)

    def test_ends(self):
        """However it ends."""
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        saved = self.folder + '/saved'
        self.addCleanup(lambda: os.path.exists(saved) and os.unlink(saved))
        ends = [domain.destroy, domain.shutdown, lambda: self.sim(self.a, '--exit', domain.ID(), 0),
                lambda: self.sim(self.a, '--exit', domain.ID(), 3), lambda: self.sim(self.a, '--destroy', domain.ID()),
                lambda: domain.save(saved), domain.managedSave]
        for end in ends:
            domain.create()
            self.held(path)
            end()
            wait_for(lambda: not domain.isActive(), 'its end')
            self.goes_free(path)
            wait_for(lambda: not self.records(self.a), 'the record to go')
        # from the managed image, and from the other
        with lockd.Owner(self.lockd) as other:
            other.acquire('', path)
            self.refused(BUSY, 'is locked', domain.create)
            self.assertTrue(domain.hasManagedSaveImage())
            other.release('', path)
        domain.create()
        self.held(path)
        domain.destroy()
        with lockd.Owner(self.lockd) as other:
            other.acquire('', path)
            self.refused(BUSY, 'is locked', self.connect(self.a).restore, saved)
            other.release('', path)
        self.connect(self.a).restore(saved)
        self.held(path)
        domain.suspend()
        self.held(path)
        domain.resume()
        for again in (domain.reset, lambda: self.sim(self.a, '--exit', self.domid('d'), 1)):
            before = self.domid('d')
            again()
            wait_for(lambda before=before: self.domid('d') not in (-1, before), 'the next guest')
            self.held(path)
        domain.destroy()
        self.free(path)

    def test_failed_start(self):
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        self.a.control(QUICK + '[d]\nstart-fail=no such luck\n')
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'no such luck', domain.create)
        self.free(path)
        self.assertEqual(self.records(self.a), [])

    def test_cancelled_start(self):
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        self.a.control(QUICK + '[d]\nstart-hang=true\n')
        starter = threading.Thread(target=lambda: self.refused(libvirt.VIR_ERR_OPERATION_ABORTED, 'cancelled', domain.create))
        starter.start()
        wait_for(lambda: self.lockd.is_locked(path), 'the lock')
        self.connect(self.a).lookupByName('d').destroy()
        starter.join(harness.TIMEOUT)
        self.free(path)

    def test_lockspace(self):
        folder = self.folder + '/locks/files'
        self.lockd_conf(f'file_lockspace_dir = "{folder}"\n')
        path = self.folder + '/elsewhere'  # it need not be a file here
        name = hashlib.sha256(path.encode()).hexdigest()
        here = self.define(self.a, 'd', disk(path, more='<backenddomain name="storage"/>'))
        there = self.define(self.b, 'd', disk(path), number=1)
        here.create()
        self.assertEqual(os.listdir(folder), [name])
        self.assertTrue(self.lockd.is_held(name, folder))
        self.refused(BUSY, f"Lockspace resource '{name}' is locked", there.create)
        here.destroy()
        self.assertFalse(self.lockd.is_held(name, folder))

    def test_driver_domain(self):
        domain = self.define(self.a, 'd', disk('/elsewhere', more='<backenddomain name="storage"/>'))
        self.refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "disk 'xvda' is in domain 'storage'.*file_lockspace_dir", domain.create)

    def test_leases_only(self):
        self.lockd_conf('auto_disk_leases = 0\n')
        path = self.image('image')
        os.makedirs(self.folder + '/area', exist_ok=True)
        self.image('area/key')
        domain = self.define(self.a, 'd', disk(path))
        self.refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, 'disks were present, but no leases specified', domain.create)
        domain = self.define(self.a, 'd', disk(path), lease(self.folder, 'key'))
        domain.create()
        self.free(path)
        self.assertTrue(self.lockd.is_held('key', self.folder + '/area'))
        domain.destroy()
        self.assertFalse(self.lockd.is_held('key', self.folder + '/area'))

    def test_lease(self):
        os.makedirs(self.folder + '/area', exist_ok=True)
        for key in ('k1', 'k2'):
            self.image('area/' + key)
        here = self.define(self.a, 'd', lease(self.folder, 'k1'))
        there = self.define(self.b, 'd', lease(self.folder, 'k1'), number=1)
        for part in ('<lockspace>area</lockspace>', '<key>k1</key>', f"<target path='{self.folder}'/>"):
            self.assertIn(part, here.XMLDesc())
        here.create()
        self.refused(BUSY, "Lockspace resource 'k1' is locked", there.create)
        here.attachDeviceFlags(lease(self.folder, 'k2'), LIVE | CONFIG)
        self.assertIn('<key>k2</key>', here.XMLDesc())
        self.assertIn('<key>k2</key>', here.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        self.assertTrue(self.lockd.is_held('k2', self.folder + '/area'))
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'lease k2 in lockspace area already exists', here.attachDeviceFlags,
                     lease(self.folder, 'k2'), LIVE)
        here.detachDeviceFlags(lease(self.folder, 'k1'), LIVE | CONFIG)
        self.assertNotIn('<key>k1</key>', here.XMLDesc())
        there.create()
        self.refused(BUSY, "Lockspace resource 'k2' is locked", there.attachDevice, lease(self.folder, 'k2'))
        self.assertNotIn('<key>k2</key>', there.XMLDesc())
        here.destroy()
        there.destroy()
        for wrong, why in ((lease(self.folder, 'k1', offset=" offset='512'"), 'Offset must be zero'),
                           (lease(self.folder, 'k1', 'nowhere'), 'does not exist'),
                           (lease(self.folder, 'none'), 'Unable to open resource'),
                           (f"<lease><key>k1</key><target path='{self.folder}'/></lease>", 'Missing path or lockspace')):
            domain = self.define(self.a, 'w', wrong)
            with self.assertRaisesRegex(libvirt.libvirtError, why):
                domain.create()
        self.assertEqual(self.records(self.a), [])
        self.assertFalse(os.path.exists(self.folder + '/nowhere'))

    def test_hotplug(self):
        one, two = self.image('one'), self.image('two')
        here = self.define(self.a, 'd', disk(one))
        there = self.define(self.b, 'd', disk(two), number=1)
        here.create()
        there.create()
        self.refused(BUSY, f"'{two}' is locked", here.attachDevice, disk(two, 'xvdb'))
        self.refused(BUSY, f"'{one}' is locked by this domain itself", here.attachDevice, disk(one, 'xvdb'))
        self.held(one, two)
        there.destroy()
        self.a.control(QUICK + '[d]\nattach-fail=no room\n')
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'no room', here.attachDevice, disk(two, 'xvdb'))
        self.free(two)
        self.a.control(QUICK)
        here.attachDevice(disk(two, 'xvdb'))
        self.held(two)
        self.a.control(QUICK + '[d]\ndetach-fail=it stays\n')
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'it stays', here.detachDevice, disk(two, 'xvdb'))
        self.held(two)
        self.a.control(QUICK)
        here.detachDevice(disk(two, 'xvdb'))
        self.free(two)
        self.held(one)
        here.attachDevice(disk(two, 'xvdb'))
        here.destroy()
        self.free(one, two)

    def test_media(self):
        one, two = self.image('one'), self.image('two')
        floppy = "<os><type arch='x86_64' machine='xenfv'>hvm</type></os>"
        xml = self.xml('d', disk(one, 'fda', device='floppy')).replace(
            '<os><type>linux</type><kernel>/boot/vmlinuz-xen</kernel></os>', floppy)
        domain = self.connect(self.a).defineXML(xml)
        domain.create()
        self.held(one)
        domain.updateDeviceFlags(disk(one, 'fda', device='floppy'))
        self.held(one)
        with lockd.Owner(self.lockd) as other:
            other.acquire('', two)
            self.refused(BUSY, f"'{two}' is locked", domain.updateDeviceFlags, disk(two, 'fda', device='floppy'))
            self.held(one)
            other.release('', two)
        self.a.control(QUICK + '[d]\nupdate-fail=stuck\n')
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'stuck', domain.updateDeviceFlags, disk(two, 'fda', device='floppy'))
        self.held(one)
        self.free(two)
        self.a.control(QUICK)
        domain.updateDeviceFlags(disk(two, 'fda', device='floppy'))
        self.held(two)
        self.free(one)
        domain.updateDeviceFlags(disk('', 'fda', device='floppy'))
        self.free(two)

    @unittest.skipUnless(shutil.which('qemu-img'), 'needs qemu-img')
    def test_snapshot(self):
        base, overlay = self.folder + '/base', self.folder + '/overlay'
        self.addCleanup(lambda: os.path.exists(overlay) and os.unlink(overlay))
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', base, '1M'], check=True)
        domain = self.define(self.a, 'd', disk(base).replace('<source', "<driver name='qemu' type='qcow2'/><source"))
        domain.create()
        xml = f"<domainsnapshot><name>s</name><disks><disk name='xvda'><source file='{overlay}'/></disk></disks></domainsnapshot>"
        self.a.control(QUICK + '[d]\ndisk-snapshot-fail=cannot\n')
        self.refused(libvirt.VIR_ERR_OPERATION_FAILED, 'cannot', domain.snapshotCreateXML, xml,
                     libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        self.assertFalse(os.path.exists(overlay))
        self.a.control(QUICK)
        domain.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        self.held(base, overlay)  # what is written now stands on the base
        domain.destroy()
        self.free(base, overlay)
        domain.create()
        self.held(overlay)

    # ---- daemons that are killed, or not there ----

    def test_daemon_restarts(self):
        one, two, shared = self.image('one'), self.image('two'), self.image('shared')
        domain = self.define(self.a, 'd', disk(one), disk(shared, 'xvdb', '<shareable/>'))
        self.define(self.a, 'e', disk(two)).create()
        domain.create()
        sharer = self.define(self.b, 's', disk(shared, more='<shareable/>'))
        sharer.create()
        self.restart(self.a, signal.SIGKILL)
        domain = self.connect(self.a).lookupByName('d')
        self.assertTrue(domain.isActive())
        self.held(one, two, shared)
        domain.destroy()
        self.free(one)
        self.held(two, shared)
        sharer.destroy()
        self.free(shared)

    def test_ends_without_daemon(self):
        path, other = self.image('image'), self.image('other')
        domain = self.define(self.a, 'd', disk(path))
        domain.create()
        domid = domain.ID()
        transient = self.connect(self.a).createXML(self.xml('t', disk(other))).ID()
        self.a.end_daemon(signal.SIGKILL)
        for each in (domid, transient):
            self.sim(self.a, '--destroy', each)
        self.held(path, other)
        self.start(self.a)
        self.goes_free(path)
        self.goes_free(other)

    def test_killed_in_start(self):
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        self.a.control(QUICK + '[d]\nstart-hang=true\n')
        starter = threading.Thread(target=lambda: self.assertRaises(libvirt.libvirtError, domain.create))
        starter.start()
        wait_for(lambda: self.lockd.is_locked(path), 'the lock')
        self.a.end_daemon(signal.SIGKILL)
        starter.join(harness.TIMEOUT)
        self.a.control(QUICK)
        self.start(self.a)
        domain = self.connect(self.a).lookupByName('d')
        if not domain.isActive():
            self.goes_free(path)

    def test_lockd_restarts(self):
        """It loses what it had; the daemon that comes next acquires it again."""
        path, shared = self.image('image'), self.image('shared')
        domain = self.define(self.a, 'd', disk(path), disk(shared, 'xvdb', '<shareable/>'))
        domain.create()
        self.lockd.end()
        self.lockd.start()
        self.free(path, shared)
        self.restart(self.a)
        for each in (path, shared):
            wait_for(lambda each=each: self.lockd.is_locked(each), 'the lock')
        domain = self.connect(self.a).lookupByName('d')
        domain.destroy()
        self.free(path, shared)

    def test_adopted(self):
        """A domain that was started without a lock manager, or by another driver that has locked in its own name."""
        one, two = self.image('one'), self.image('two')
        self.define(self.a, 'd', disk(one), disk(two, 'xvdb'))
        self.restart(self.a, more='lock_manager = "nop"\n')
        self.connect(self.a).lookupByName('d').create()
        self.free(one, two)
        with lockd.Owner(self.lockd, 0) as stock:
            stock.acquire('', two)
        self.restart(self.a)
        wait_for(lambda: self.lockd.is_locked(one), 'the lock')
        self.held(two)
        self.connect(self.a).lookupByName('d').destroy()
        self.free(one, two)

    def test_lost_to_another(self):
        """virtlockd was started anew, and another host has got the disk since."""
        path, kept = self.image('image'), self.image('kept')
        domain = self.define(self.a, 'd', disk(path), disk(kept, 'xvdb'))
        domain.create()
        self.lockd.end()
        with open(path, 'r+b') as other:
            fcntl.lockf(other, fcntl.LOCK_EX)
            self.lockd.start()
            self.restart(self.a)
            wait_for(lambda: self.lockd.is_locked(kept), 'the other lock')
            wait_for(lambda: f"'d' runs, maybe without its locks: resource busy: Lockspace resource '{path}' is locked"
                     in self.a.log_text(), 'the warning')
        self.connect(self.a).lookupByName('d').destroy()
        self.free(path, kept)

    def test_owner(self):
        """Each domain has a number of its own, which stays the same."""
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        domain.create()
        with lockd.Owner(self.lockd, lockd.number_of(domain.UUIDString())) as owner:
            self.assertEqual(owner.release('', path), 0)
            self.assertEqual(owner.acquire('', path), 0)
        domain.destroy()
        self.free(path)

    def test_not_there(self):
        path = self.image('image')
        domain, running = self.define(self.a, 'd', disk(path)), self.define(self.a, 'r', disk(self.image('other')))
        running.create()
        self.lockd.end()
        try:
            self.refused(libvirt.VIR_ERR_SYSTEM_ERROR, f"Failed to connect socket to '{self.lockd.socket}': No such file or "
                         'directory; .*systemctl start virtlockd.socket', domain.create)
            self.assertEqual(len(self.records(self.a)), 1)
            running.destroy()  # ends all the same
            self.assertFalse(running.isActive())
        finally:
            self.lockd.start()
        domain.create()
        self.held(path)
        # What could not be given back is when it starts the next time, or the daemon does.
        self.restart(self.a)
        wait_for(lambda: len(self.records(self.a)) == 1, 'the record to go')

    def test_silent(self):
        """One that hangs costs whoever needs it a bounded time, and nobody else any."""
        path = self.image('image')
        self.restart(self.a, more='lock_timeout = 1\n')
        self.addCleanup(self.restart, self.a)
        domain, other = self.define(self.a, 'd', disk(path)), self.define(self.a, 'o')
        self.lockd.stand_still()
        try:
            starter = threading.Thread(target=lambda: self.refused(libvirt.VIR_ERR_OPERATION_FAILED,
                                                                   'virtlockd at .* does not answer any more', domain.create))
            starter.start()
            other.create()
            self.assertTrue(other.isActive())
            starter.join(harness.TIMEOUT)
            self.assertFalse(domain.isActive())
        finally:
            self.lockd.go_on()
        domain.create()
        self.held(path)

    def test_broken_off(self):
        """Who wants the domain to end need not wait for virtlockd."""
        self.restart(self.a, more='lock_timeout = 600\n')
        self.addCleanup(self.restart, self.a)
        path = self.image('image')
        domain = self.define(self.a, 'd', disk(path))
        self.lockd.stand_still()
        try:
            starter = threading.Thread(target=lambda: self.refused(libvirt.VIR_ERR_OPERATION_ABORTED, 'cancelled', domain.create))
            starter.start()
            wait_for(lambda: 'Unbounded' in self.a.virsh('domjobinfo', 'd')[1], 'the start')
            self.connect(self.a).lookupByName('d').destroy()
            starter.join(harness.TIMEOUT)
        finally:
            self.lockd.go_on()
        self.assertFalse(domain.isActive())
        wait_for(lambda: not self.records(self.a), 'the record to go')
        self.free(path)


@unittest.skipIf(MISSING, MISSING)
class TestKilled(Case):
    """kill -9 in front of each step that others can see, by kill-at.c: the locks are those of what runs."""

    conf = 'min_workers = 1\nmax_workers = 1\nprio_workers = 0\n'  # the steps come in the same order each time

    def arm(self, when):
        fd = os.open(f'{self.a.root}/kill-at', os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, struct.pack('=i', when))
        os.close(fd)

    def start_armed(self):
        options = ':'.join(filter(None, (os.environ.get('ASAN_OPTIONS'), 'verify_asan_link_order=0')))
        self.start(self.a, LD_PRELOAD=PRELOAD, ASAN_OPTIONS=options, KILL_AT=f'{self.a.root}/kill-at')

    def strike(self, when, prepare, operation):
        """FALSE: the operation has come to its end."""
        connection = libvirt.open(self.a.uri())
        domain = connection.lookupByName('d')
        prepare(domain)
        self.arm(when)
        try:
            operation(domain)
            connection.getLibVersion()  # there is one worker: what it still had to do is done
            connection.close()
            return False
        except libvirt.libvirtError:
            self.assertEqual(self.a.daemon.wait(harness.TIMEOUT), -signal.SIGKILL)
            return True
        finally:
            self.arm(0)

    def check(self, paths):
        domain = self.connect(self.a).lookupByName('d')
        for path in paths:
            if domain.isActive():
                wait_for(lambda path=path: self.lockd.is_locked(path), f'{path} to be locked')
            else:
                self.goes_free(path)
        wait_for(lambda: len(self.records(self.a)) == domain.isActive(), 'the record')
        if domain.isActive():
            domain.destroy()
        self.free(*paths)

    def kill_all_along(self, prepare, operation):
        paths = [self.image('one'), self.image('two')]
        self.arm(0)
        self.a.end_daemon()
        self.start_armed()
        self.addCleanup(self.restart, self.a)
        self.define(self.a, 'd', disk(paths[0]), disk(paths[1], 'xvdb'))
        for when in range(1, 100):
            killed = self.strike(when, prepare, operation)
            if killed:
                self.a.end_daemon()
                self.start_armed()
            with self.subTest(f'killed before call {when}' if killed else 'not killed'):
                self.check(paths)
            if not killed:
                self.assertGreater(when, 4, 'the operation was never interrupted')
                return
        self.fail('there is no end to it')

    def test_start(self):
        self.kill_all_along(lambda domain: None, lambda domain: domain.create())

    def test_destroy(self):
        self.kill_all_along(lambda domain: domain.create(), lambda domain: domain.destroy())


class Fake(relay.Fake):
    """A virtlockd that answers as it is told."""

    AUTH = OPEN = IDENTITY = None

    @staticmethod
    def pack(proc, kind, serial, status, body=b'', length=None, prog=lockd.PROGRAM, vers=1):
        return relay.Fake.pack(proc, kind, serial, status, body, length, prog, vers)


class TestFake(relay.Case):
    @classmethod
    def setUpClass(cls):
        libvirt.registerErrorHandler(lambda *unused: None, None)
        super().setUpClass()
        cls.host.end_daemon()
        cls.host.control(QUICK)
        cls.host.start('--config', cls.host.file('virtxend.conf', 'lock_manager = "lockd"\nlock_timeout = 2\n'))

    def setUp(self):
        xml = harness.domain_xml('d', UUID % 1, os_type='linux').replace('<devices>', '<devices>' + disk('/a') + disk('/b', 'xvdb'))
        self.domain = self.connect().defineXML(xml)

    def fake(self, **replies):
        """`replies` by number of the procedure, "p6": of the serial, the bytes of the whole answer, or several; True: none;
        False: it hangs up."""
        def answer(fake, client, proc, serial, _body):
            reply = replies.get(f'p{proc}', lambda serial: Fake.pack(proc, 1, serial, 0))(serial)
            for data in [reply] if isinstance(reply, bytes) else [] if isinstance(reply, bool) else reply:
                client.sendall(data)
            return reply is not False
        fake = Fake(f'{self.host.root}/run/libvirt/virtlockd-sock', answer)
        self.addCleanup(self.end_fake, fake)
        return fake

    def end_fake(self, fake):
        if fake.listener.fileno() >= 0:
            fake.end()

    def test_good(self):
        """What it is asked, and that it may say other things in between."""
        fake = self.fake(p6=lambda serial: Fake.pack(1, 0, 0, 0, prog=0x6b656570) + Fake.pack(6, 2, serial, 0, bytes(9000)) +
                         Fake.pack(6, 1, serial + 1, 1) + Fake.pack(6, 1, serial, 0))
        self.domain.create()
        number = lockd.number_of(self.domain.UUIDString())
        text = harness.Wire.text
        self.assertEqual(fake.calls, [
            (1, self.domain.UUID() + text(b'd') + struct.pack('>III', number, number, 0)),
            (6, text(b'') + text(b'/a') + struct.pack('>I', 0)), (6, text(b'') + text(b'/b') + struct.pack('>I', 0))])
        fake.calls.clear()
        self.domain.destroy()
        self.assertEqual([proc for proc, _ in fake.calls], [1, 7, 7])

    def test_nonsense(self):
        for step in ('p1', 'p6'):
            for reply, what in ((bytes(28), 'sends nonsense'), (b'\xff' * 28, 'sends nonsense'),
                                (Fake.pack(1, 1, 1, 0, length=1 << 24), 'sends nonsense'),
                                (False, 'hung up')):
                fake = self.fake(**{step: lambda serial, reply=reply: reply})
                self.assertRegex(self.fails(libvirt.VIR_ERR_OPERATION_FAILED, self.domain.create), f'virtlockd at .* {what}')
                self.end_fake(fake)
            # an error that is none, one that is cut, one without words
            for body in (b'', bytes(3), struct.pack('>ii', 87, 51) + b'\xff' * 4, Fake.error(38, b'x')[:-5]):
                fake = self.fake(**{step: lambda serial, step=step, body=body: Fake.pack(int(step[1:]), 1, serial, 1, body)})
                self.assertRegex(self.fails(libvirt.VIR_ERR_OPERATION_FAILED, self.domain.create), 'sends nonsense')
                self.end_fake(fake)
        self.fake(p6=lambda serial: Fake.pack(6, 1, serial, 1, Fake.error(38, b'as it says')))
        self.assertEqual(self.fails(libvirt.VIR_ERR_SYSTEM_ERROR, self.domain.create), 'as it says')
        self.assertEqual(self.domain.isActive(), 0)

    def test_silent(self):
        fake = self.fake(p6=lambda serial: True)
        self.assertRegex(self.fails(libvirt.VIR_ERR_OPERATION_FAILED, self.domain.create), 'does not answer any more')
        # Nobody knows what it has done since: that it was asked to release is what counts.
        self.assertEqual([proc for proc, _ in fake.calls], [1, 6, 1, 7, 7])

    def test_wrong_serial(self):
        """It goes on talking, and never answers."""
        self.fake(p6=lambda serial: itertools.repeat(Fake.pack(6, 1, serial + 1, 0) * 100))
        self.assertRegex(self.fails(libvirt.VIR_ERR_OPERATION_FAILED, self.domain.create), 'does not answer any more')


@unittest.skipIf(MISSING, MISSING)
class TestOtherManager(Case):
    manager = 'sanlock'

    def test_refused(self):
        domain = self.define(self.a, 'd', disk(self.image('image')))
        self.refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, 'lock_manager = "sanlock" is asked for, which xlvirt does not have',
                     domain.create)
        self.assertFalse(domain.isActive())


if __name__ == '__main__':
    tap.main()
