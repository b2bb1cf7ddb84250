#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of the daemon before each of its steps, one after the other, and what the next daemon finds.

kill-at.c kills it in front of the Nth call that others can see the effect of (files, messages to the
hypervisor, the answer to the client), for N = 1, 2, ... until the operation comes to its end unharmed.
The simulated host goes on, as Xen does. Whatever the step: what was answered is so afterwards, what was
not is either as before or as asked for, nothing that ran is lost and nothing runs twice."""
import glob
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
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

PRELOAD = os.path.abspath(os.path.join(harness.BUILD, 'tests/client/libkill-at.so'))
BUDGET = 150  # seconds for all operations; what a slow build does not reach in it is left out
UUID = '22222222-0000-0000-0000-%012d'
SAVE_MAGIC = b'libvirt-xml\n \0 \r'


@unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
class TestKill(unittest.TestCase):
    begun = time.monotonic()

    @classmethod
    def setUpClass(cls):
        libvirt.registerErrorHandler(lambda *unused: None, None)
        cls.host = harness.Host()
        # One worker: its calls come in the same order each time.
        cls.host.file('xlvirtd.conf', 'min_workers = 1\nmax_workers = 1\nprio_workers = 0\n')
        cls.arm(0)
        cls.start_daemon()
        keep = cls.conn.defineXML(domain_xml('keep', UUID % 0))
        keep.create()
        cls.kept = cls.facts('keep')

    @classmethod
    def tearDownClass(cls):
        cls.conn.close()
        cls.host.end()

    @classmethod
    def start_daemon(cls):
        # The sanitizer's own library wants to be the first one.
        options = ':'.join(filter(None, (os.environ.get('ASAN_OPTIONS'), 'verify_asan_link_order=0')))
        cls.host.start('--config', f'{cls.host.root}/xlvirtd.conf', LD_PRELOAD=PRELOAD, ASAN_OPTIONS=options,
                       KILL_AT=f'{cls.host.root}/kill-at')
        cls.conn = libvirt.open(cls.host.uri())

    @classmethod
    def arm(cls, when):
        # In place: the daemon has it mapped.
        fd = os.open(f'{cls.host.root}/kill-at', os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, struct.pack('=i', when))
        os.close(fd)

    @classmethod
    def facts(cls, name):
        domain = cls.conn.lookupByName(name)
        return domain.ID(), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), cls.stored(name)

    @classmethod
    def stored(cls, name):
        with open(f'{cls.host.root}/etc/libvirt/libxl/{name}.xml') as f:
            return f.read()

    # ---- what the world looks like ----

    def path(self, name):
        return f'{self.host.root}/{name}'

    def link(self):
        return self.path('etc/libvirt/libxl/autostart/d.xml')

    def image(self):
        return self.path('var/lib/libvirt/libxl/save/d.save')

    def find(self):
        try:
            return self.conn.lookupByName('d')
        except libvirt.libvirtError as error:
            self.assertEqual(error.get_error_code(), libvirt.VIR_ERR_NO_DOMAIN, error)
            return None

    def runs(self):
        domain = self.find()
        return domain is not None and domain.isActive() == 1

    def on_the_host(self):
        """{name: id} of what runs, whoever knows about it"""
        text = subprocess.run([harness.SIMHOST, '--root', self.host.root, '--status'], check=True, text=True,
                              capture_output=True, timeout=harness.TIMEOUT).stdout
        rows = [line.split() for line in text.splitlines()[1:]]
        names = [row[0] for row in rows if row[0] != 'Domain-0']
        self.assertEqual(len(names), len(set(names)), text)
        return {row[0]: int(row[1]) for row in rows if row[0] != 'Domain-0'}

    def was_asked(self, domid):
        """Whether the guest heard that it is to end. What reached its host before the daemon was killed
        is in the log by the time that the next daemon answers: one loop serves both."""
        with open(self.path('var/log/xlvirt/simhost.log'), errors='replace') as log:
            return f"domain {domid} 'd' is asked to end" in log.read()

    def check_world(self):
        self.assertEqual(self.facts('keep'), self.kept)
        known = {d.name(): d.ID() for d in harness.guests(self.conn, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
        self.assertEqual(known, self.on_the_host())
        for pattern in ('etc/libvirt/libxl/.*', 'etc/libvirt/libxl/autostart/.*', 'run/libvirt/libxl/.*',
                        'var/lib/libvirt/libxl/save/.*', 'var/lib/libvirt/libxl/save/*.used'):
            self.assertEqual(glob.glob(self.path(pattern)), [], 'half files')
        domain = self.find()
        self.assertEqual(domain is not None and domain.isPersistent() == 1,
                         os.path.exists(self.path('etc/libvirt/libxl/d.xml')))
        if domain and domain.isPersistent():
            self.assertEqual(domain.autostart() == 1, os.path.lexists(self.link()))
            self.assertEqual(domain.hasManagedSaveImage() == 1, os.path.exists(self.image()))
            self.assertIn(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE),
                          self.stored('d'))
        else:
            self.assertFalse(os.path.lexists(self.link()), 'a link to nothing')
        if self.runs():
            self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_RUNNING, 'left suspended')
            self.assertFalse(os.path.exists(self.image()), 'memory that is out of date')

    # ---- one operation, killed at each step ----

    def clean(self):
        domain = self.find()
        if domain is not None:
            if domain.isActive():
                domain.destroy()
            domain = self.find()
            if domain is not None:
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                     libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
        for path in glob.glob(self.image() + '*') + glob.glob(self.path('*.save')) + glob.glob(self.path('.xlvirt-*')):
            os.unlink(path)

    def strike(self, when, operation):
        """(whether the daemon was killed, whether the operation was acknowledged)"""
        self.arm(when)
        acknowledged = gone = False
        try:
            operation()
            acknowledged = True
            self.conn.getLibVersion()  # there is one worker: what it still had to do is done
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_SYSTEM_ERROR,
                                              libvirt.VIR_ERR_INTERNAL_ERROR):
                raise
            gone = True
        except AssertionError:
            gone = True  # waited for something that cannot come any more
        finally:
            self.arm(0)
        try:
            killed = self.host.daemon.wait(harness.TIMEOUT if gone else 0) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            killed = False
        return killed, acknowledged

    def kill_all_along(self, prepare, operation, check, settle=None, meanwhile=None):
        points = 0
        for when in range(1, 100):
            if time.monotonic() - self.begun > BUDGET:
                print(f'# {self.id()}: out of time after {points} points', flush=True)
                return
            self.clean()
            prepare()
            killed, acknowledged = self.strike(when, operation)
            if killed:
                points += 1
                self.host.end_daemon()
                if meanwhile:
                    meanwhile()
                self.start_daemon()
            with self.subTest(f'killed before call {when}' if killed else 'not killed'):
                try:
                    if settle:
                        settle()
                    self.check_world()
                    check(acknowledged)
                except AssertionError:
                    self.tell()
                    raise
            if not killed:
                self.assertTrue(acknowledged)
                self.assertGreater(points, 1, 'the operation was never interrupted')
                print(f'# {self.id()}: {points} points', flush=True)
                return
        self.fail('there is no end to it')

    def tell(self):
        """What the daemons and their host said last."""
        for name in ('daemon.log', 'var/log/xlvirt/simhost.log', 'var/log/libvirt/libxl/d.log'):
            with open(self.path(name), errors='replace') as log:
                for line in log.read().splitlines()[-12:]:
                    print(f'# {name}: {line}', flush=True)

    # ---- preparations ----

    def define(self, **more):
        return self.conn.defineXML(domain_xml('d', UUID % 1, **more))

    def start(self):
        self.define().create()

    def saved(self):
        self.start()
        self.find().save(self.path('d.save'))

    def managed(self):
        self.start()
        self.find().managedSave()

    def check_runs(self, acknowledged):
        self.assertTrue(self.runs() or not acknowledged)

    def check_off(self, acknowledged):
        self.assertFalse(self.runs() and acknowledged)

    # ---- operations ----

    def test_define(self):
        def check(acknowledged):
            self.assertTrue(self.find() or not acknowledged)

        self.kill_all_along(lambda: None, self.define, check)

    def test_redefine(self):
        def check(acknowledged):
            memory = self.find().maxMemory()
            self.assertIn(memory, (262144,) if acknowledged else (131072, 262144))

        self.kill_all_along(self.define, lambda: self.define(memory=262144), check)

    def test_undefine(self):
        def prepare():
            self.define().setAutostart(1)

        def check(acknowledged):
            self.assertFalse(self.find() and acknowledged)

        self.kill_all_along(prepare, lambda: self.find().undefine(), check)

    def test_autostart(self):
        def check(acknowledged):
            self.assertTrue(self.find().autostart() or not acknowledged)

        self.kill_all_along(self.define, lambda: self.find().setAutostart(1), check)

    def test_no_autostart(self):
        def check(acknowledged):
            self.assertFalse(self.find().autostart() and acknowledged)

        self.kill_all_along(lambda: self.define().setAutostart(1), lambda: self.find().setAutostart(0), check)

    def test_start(self):
        self.kill_all_along(self.define, lambda: self.find().create(), self.check_runs)

    def test_create(self):
        self.kill_all_along(lambda: None, lambda: self.conn.createXML(domain_xml('d', UUID % 1)), self.check_runs)

    def test_destroy(self):
        self.kill_all_along(self.start, lambda: self.find().destroy(), self.check_off)

    def test_save(self):
        def check(acknowledged):
            self.check_off(acknowledged)
            if self.runs():
                return
            with open(self.path('d.save'), 'rb') as f:
                self.assertEqual(f.read(16), SAVE_MAGIC)
            self.conn.restore(self.path('d.save'))
            self.assertTrue(self.runs())

        self.kill_all_along(self.start, lambda: self.find().save(self.path('d.save')), check)

    # ---- snapshots ----

    def with_disk(self, *snapshots):
        """A running domain with a qcow2 image; snapshots of it, the last one current"""
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', self.path('d.qcow2'), '1M'], check=True)
        disk = (f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{self.path('d.qcow2')}'/>"
                "<target dev='xvda'/></disk>")
        domain = self.conn.defineXML(domain_xml('d', UUID % 1).replace('<devices>', '<devices>' + disk))
        domain.create()
        for name in snapshots:
            domain.snapshotCreateXML(f'<domainsnapshot><name>{name}</name></domainsnapshot>')

    def in_image(self):
        out = subprocess.run(['qemu-img', 'snapshot', '-U', '-l', self.path('d.qcow2')], check=True, text=True,
                             capture_output=True).stdout
        return sorted(line.split()[1] for line in out.splitlines()[2:])

    def settle_snapshots(self):
        notes = self.path('var/lib/libvirt/libxl/snapshot/d/*')
        wait_for(lambda: not [note for note in glob.glob(notes) if not note.endswith(('.xml', '.mem'))], 'notes to go')
        if self.runs():
            wait_for(lambda: self.find().state()[0] == libvirt.VIR_DOMAIN_RUNNING, 'the guest to run on')

    def check_snapshots(self):
        """Those that are known are whole, and nothing is left of any other"""
        names = sorted(self.find().snapshotListNames())
        self.assertEqual(self.in_image(), names)
        files = {name + suffix for name in names for suffix in ('.xml', '.mem')}
        folder = self.path('var/lib/libvirt/libxl/snapshot/d')
        self.assertEqual(set(os.listdir(folder)) if os.path.isdir(folder) else set(), files)
        return names

    @unittest.skipUnless(shutil.which('qemu-img'), 'qemu-img is not installed')
    def test_snapshot(self):
        def check(acknowledged):
            self.assertTrue(self.runs())
            names = self.check_snapshots()
            self.assertTrue('b' in names or not acknowledged)
            for name in names:
                self.find().revertToSnapshot(self.find().snapshotLookupByName(name))
                self.assertTrue(self.runs())

        self.kill_all_along(lambda: self.with_disk('a'), lambda: self.find().snapshotCreateXML(
            '<domainsnapshot><name>b</name></domainsnapshot>'), check, self.settle_snapshots)

    @unittest.skipUnless(shutil.which('qemu-img'), 'qemu-img is not installed')
    def test_snapshot_delete(self):
        def check(acknowledged):
            self.assertTrue(self.runs())
            names = self.find().snapshotListNames()
            self.assertIn(self.find().snapshotLookupByName('c').getParent().getName(), names)
            if 'b' in names:
                self.assertFalse(acknowledged)
                self.find().snapshotLookupByName('b').delete()
            self.assertEqual(self.check_snapshots(), ['a', 'c'])

        self.kill_all_along(lambda: self.with_disk('a', 'b', 'c'), lambda: self.find().snapshotLookupByName('b').delete(),
                            check, self.settle_snapshots)

    @unittest.skipUnless(shutil.which('qemu-img'), 'qemu-img is not installed')
    def test_snapshot_revert(self):
        def check(acknowledged):
            self.assertTrue(self.runs() or not acknowledged)
            self.assertEqual(self.check_snapshots(), ['a', 'b'])
            self.assertIn(self.find().snapshotCurrent().getName(), ('a',) if acknowledged else ('a', 'b'))
            self.find().revertToSnapshot(self.find().snapshotLookupByName('a'))
            self.assertTrue(self.runs())

        self.kill_all_along(lambda: self.with_disk('a', 'b'), lambda: self.find().revertToSnapshot(
            self.find().snapshotLookupByName('a')), check, self.settle_snapshots)

    def chained(self):
        """A domain that is shut off, with external snapshots `a` and `b`; each image has a number of its own"""
        for path in glob.glob(self.path('d.qcow2')) + glob.glob(self.path('d.[abc]')):
            os.unlink(path)
        self.with_disk()
        self.find().destroy()
        for number, name in ((1, 'qcow2'), (2, 'a'), (3, 'b')):
            if name in 'ab':
                self.find().snapshotCreateXML(f'<domainsnapshot><name>{name}</name></domainsnapshot>',
                                              libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
            subprocess.run(['qemu-io', '-f', 'qcow2', '-c', f'write -P {number} {number}k 1k', self.path(f'd.{name}')], check=True,
                           capture_output=True)

    def holds(self, path, *numbers):
        """Those numbers, each in its place, and no other"""
        commands = [word for number in (1, 2, 3)
                    for word in ('-c', f'read -P {number if number in numbers else 0} {number}k 1k')]
        out = subprocess.run(['qemu-io', '-f', 'qcow2', *commands, path], check=True, text=True, capture_output=True).stdout
        self.assertNotIn('failed', out, (path, numbers))

    def check_merged(self, names):
        """What the guest sees, and what each snapshot would bring back"""
        domain = self.find()
        self.assertIn(f"<source file='{self.path('d.b')}'/>", domain.XMLDesc())
        self.holds(self.path('d.b'), 1, 2, 3)
        for name, numbers in (('a', (1,)), ('b', (1, 2))):
            if name in names:
                path = re.search("<source file='(.*)'/>\n *<target", domain.snapshotLookupByName(name).getXMLDesc()).group(1)
                self.holds(path, *numbers)

    @unittest.skipUnless(shutil.which('qemu-io'), 'qemu-io is not installed')
    def test_snapshot_merge(self):
        def check(acknowledged):
            names = self.find().snapshotListNames()
            self.assertIn(sorted(names), ([['b']] if acknowledged else [['b'], ['a', 'b']]))
            self.check_merged(names)
            if 'a' in names:
                self.find().snapshotLookupByName('a').delete()
                self.check_merged(['b'])
            self.assertFalse(os.path.exists(self.path('d.a')))
            self.assertEqual(os.listdir(self.path('var/lib/libvirt/libxl/snapshot/d')), ['b.xml'])

        self.kill_all_along(self.chained, lambda: self.find().snapshotLookupByName('a').delete(), check, self.settle_snapshots)

    @unittest.skipUnless(shutil.which('qemu-io'), 'qemu-io is not installed')
    def test_snapshot_merge_current(self):
        """The definition changes, too"""
        def check(acknowledged):
            names = self.find().snapshotListNames()
            if 'b' in names:
                self.assertFalse(acknowledged)
                self.check_merged(names)
                self.find().snapshotLookupByName('b').delete()
            self.assertEqual(self.find().snapshotListNames(), ['a'])
            self.assertIn(f"<source file='{self.path('d.a')}'/>", self.find().XMLDesc())
            self.holds(self.path('d.a'), 1, 2, 3)
            self.holds(self.path('d.qcow2'), 1)
            self.assertFalse(os.path.exists(self.path('d.b')))

        self.kill_all_along(self.chained, lambda: self.find().snapshotLookupByName('b').delete(), check, self.settle_snapshots)

    def test_restore(self):
        def check(acknowledged):
            self.check_runs(acknowledged)
            self.assertTrue(os.path.exists(self.path('d.save')))

        self.kill_all_along(self.saved, lambda: self.conn.restore(self.path('d.save')), check)

    def test_managed_save(self):
        def check(acknowledged):
            self.check_off(acknowledged)
            self.assertNotEqual(self.runs(), os.path.exists(self.image()), 'both or neither')
            if not self.runs():
                self.find().create()
                self.assertEqual(self.find().state()[1], libvirt.VIR_DOMAIN_RUNNING_RESTORED)

        self.kill_all_along(self.start, lambda: self.find().managedSave(), check)

    def test_managed_start(self):
        def check(acknowledged):
            self.check_runs(acknowledged)
            self.check_memory()

        self.kill_all_along(self.managed, lambda: self.find().create(), check)

    def check_memory(self):
        """It is in a guest, or in one image: to start from, or set aside where nobody knows."""
        images = glob.glob(self.image() + '*')
        self.assertTrue(self.runs() or len(images) == 1, images)
        if os.path.exists(self.image()):
            self.find().create()
            self.assertEqual(self.find().state()[1], libvirt.VIR_DOMAIN_RUNNING_RESTORED)

    def test_managed_start_and_host_gone(self):
        """The host loses its power with the daemon: memory that a guest ran on from never comes back."""
        ran = []

        def prepare():
            self.managed()
            ran[:] = []

        def meanwhile():
            ran[:] = ['d' in self.on_the_host()]
            self.host.end_host()

        def settle():
            keep = self.conn.lookupByName('keep')
            if not keep.isActive():
                keep.create()
                type(self).kept = self.facts('keep')

        def check(acknowledged):
            if ran == [True]:
                self.assertFalse(self.runs())
                self.assertFalse(os.path.exists(self.image()), 'memory that is out of date')
                self.assertFalse(self.find().hasManagedSaveImage())
            else:
                self.check_memory()

        self.kill_all_along(prepare, lambda: self.find().create(), check, settle, meanwhile)

    def test_guest_reboots(self):
        """The old domain ends, the next one starts: whoever dies in between, the guest comes back."""
        before = []

        def prepare():
            self.start()
            before[:] = [self.find().ID()]

        def operation():
            self.find().reboot()
            wait_for(lambda: self.find().ID() not in (-1, before[0]), 'the reboot')

        def settle():
            # A guest that was never asked goes on as it was; one that was comes back, however long
            # a loaded machine takes.
            if self.was_asked(before[0]):
                wait_for(lambda: self.find().ID() not in (-1, before[0]), 'the guest that reboots')
            else:
                self.assertTrue(self.runs(), 'the guest is lost')

        self.kill_all_along(prepare, operation, self.check_runs, settle)


if __name__ == '__main__':
    tap.main()
