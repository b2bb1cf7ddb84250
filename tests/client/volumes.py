#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of disks that are logical volumes: what LVM's programs are asked for, and what is undone. They are
fake-lvm.py here; tests/xen has them with real ones.

usage: volumes.py [WORD...] runs the cases whose names have one of the words in them."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import domain_xml, wait_for  # noqa: E402
from snapshots import UUID, Case, libvirt, main  # noqa: E402

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fake-lvm.py')
PROGRAMS = ('lvs', 'lvcreate', 'lvconvert', 'lvremove')
CONTENT = {number: bytes([number]) * 4096 for number in range(10)}


class TestVolumes(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lvm = cls.host.root + '/lvm'
        cls.bin = cls.host.root + '/bin'
        os.makedirs(cls.lvm + '/vg')
        os.mkdir(cls.bin)
        for program in PROGRAMS:
            os.symlink(FAKE, f'{cls.bin}/{program}')
        cls.start_again(cls.bin + ':' + os.environ['PATH'])

    @classmethod
    def start_again(cls, path):
        cls.host.end_daemon()
        cls.host.start(PATH=path, FAKE_LVM=cls.lvm)

    def setUp(self):
        super().setUp()
        self.fault('')
        self.called()

    def clear(self):
        super().clear()
        for name in os.listdir(self.lvm + '/vg'):
            os.unlink(f'{self.lvm}/vg/{name}')

    def restart(self, domain):
        self.start_again(self.bin + ':' + os.environ['PATH'])
        self.connection = libvirt.open(self.host.uri())
        return self.connection.lookupByUUIDString(domain.UUIDString())

    # ---- what LVM has ----

    def fault(self, text):
        with open(self.lvm + '/faults', 'w') as file:
            file.write(text)

    def volume(self, name, pool='', number=1, origin='', used=False):
        self.put(name, number)
        with open(f'{self.lvm}/vg/{name}.json', 'w') as file:
            json.dump({'origin': origin, 'pool': pool, 'open': used}, file)
        return f'{self.lvm}/vg/{name}'

    def put(self, name, number):
        with open(f'{self.lvm}/vg/{name}', 'wb') as file:
            file.write(CONTENT[number])

    def holds_number(self, name, number):
        with open(f'{self.lvm}/vg/{name}', 'rb') as file:
            self.assertEqual(file.read(), CONTENT[number], name)

    def volumes(self):
        return sorted(name for name in os.listdir(self.lvm + '/vg') if not name.endswith('.json'))

    def called(self):
        """What was asked for since the last time, questions left out"""
        path = self.lvm + '/calls'
        lines = []
        if os.path.exists(path):
            with open(path) as file:
                lines = file.read().splitlines()
            os.unlink(path)
        return [line for line in lines if not line.startswith('lvs ')]

    def with_volumes(self, *names, extra=''):
        disks = ''.join(f"<disk type='block'><driver name='phy' type='raw'/><source dev='{self.lvm}/vg/{name}'/>"
                        f"<target dev='xvd{chr(ord('a') + i)}'/></disk>" for i, name in enumerate(names))
        return self.connection.defineXML(domain_xml('d', UUID.format(1)).replace('<devices>', f'<devices>{disks}{extra}'))

    # ---- one volume ----

    def test_thick(self):
        self.volume('root')
        domain = self.with_volumes('root')
        self.take(domain, 'one')
        self.assertEqual(self.called(), ['lvcreate --yes --snapshot --name root-snap-one --extents 100%ORIGIN vg/root'])
        self.put('root', 2)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        # Merging takes the snapshot: it is made anew.
        self.assertEqual(self.called(), ['lvconvert --yes --merge vg/root-snap-one',
                                         'lvcreate --yes --snapshot --name root-snap-one --extents 100%ORIGIN vg/root'])
        self.holds_number('root', 1)
        self.put('root', 3)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.holds_number('root', 1)
        self.called()
        domain.snapshotLookupByName('one').delete()
        self.assertEqual((self.called(), self.volumes()), (['lvremove --yes vg/root-snap-one'], ['root']))

    def test_thin(self):
        self.volume('root', pool='pool')
        domain = self.with_volumes('root')
        self.take(domain, 'one')
        self.assertEqual(self.called(), ['lvcreate --yes --snapshot --name root-snap-one --setactivationskip n vg/root'])
        self.put('root', 2)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.holds_number('root', 1)
        self.assertEqual(self.volumes(), ['root', 'root-snap-one'])

    def test_running(self):
        """The guest's memory is taken with it; a volume that dom0's kernel serves can be, too"""
        self.volume('root')
        domain = self.with_volumes('root')
        domain.create()
        self.take(domain, 'one')
        self.assertTrue(os.path.exists(self.folder('d', 'one.mem')))
        self.put('root', 2)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.assertEqual(self.state(domain)[0], libvirt.VIR_DOMAIN_RUNNING)
        self.holds_number('root', 1)
        domain.snapshotLookupByName('one').delete()
        self.assertEqual(self.volumes(), ['root'])

    def test_names(self):
        """What LVM does not take as a name is a number, always the same; no two names have one volume"""
        self.volume('root')
        domain = self.with_volumes('root')
        for name in ('1', 'a.b-c+d'):
            self.take(domain, name)
            self.assertIn(f'root-snap-{name}', self.volumes())
        names = ['with space', 'with_underscore', 'x' * 200, 'über', '%s', '$(touch x)', '@tag', "quote'd"]
        for name in names:
            self.take(domain, name)
        self.assertEqual(len(self.volumes()), 3 + len(names))
        for volume in self.volumes():
            self.assertRegex(volume, '^root(-snap-(1|a.b-c[+]d|[0-9a-f]{16}))?$')
        for name in ['1', 'a.b-c+d', *names]:
            domain.snapshotLookupByName(name).delete()
        self.assertEqual(self.volumes(), ['root'])

    # ---- what goes wrong ----

    def test_refused(self):
        path = self.volume('root')
        domain = self.with_volumes('root')
        self.volume('root-snap-taken', number=7)
        self.fails(9, "there is a logical volume 'vg/root-snap-taken' already", self.take, domain, 'taken')
        self.assertEqual(self.called(), [])
        self.holds_number('root-snap-taken', 7)
        os.unlink(path + '.json')
        self.fails(67, 'unsupported for storage type raw that is no logical volume: lvs failed: Failed to find', self.take, domain, 'x')
        self.assertEqual((self.called(), self.names(domain)), ([], []))

    def test_half_made(self):
        """One of two cannot be made: then there is none, and the guest runs on"""
        for running in (False, True):
            for name in ('root', 'data'):
                self.volume(name)
            domain = self.with_volumes('root', 'data')
            if running:
                domain.create()
            before = self.state(domain)
            self.called()
            self.fault('lvcreate vg/data')
            self.fails(38, 'lvcreate failed: The volume group is full', self.take, domain, 'one')
            self.assertEqual([call.split()[0] for call in self.called()], ['lvcreate', 'lvcreate', 'lvremove'])
            self.assertEqual((self.volumes(), self.names(domain), self.state(domain)), (['data', 'root'], [], before))
            self.assertFalse(os.path.exists(self.folder('d')))
            self.fault('')
            self.take(domain, 'one')
            self.assertEqual(len(self.volumes()), 4)
            self.clear()

    def test_with_an_image(self):
        """A volume fails: what is in the image beside it is undone, too"""
        self.volume('root')
        domain = self.with_volumes('root', extra=f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{self.image()}'/>"
                                   "<target dev='xvdq'/></disk>")
        self.fault('lvcreate vg/root')
        self.fails(38, 'lvcreate failed', self.take, domain, 'one')
        self.assertEqual((self.volumes(), self.snapshots_in()), (['root'], []))
        self.fault('')
        self.take(domain, 'one')
        self.assertEqual((self.volumes(), self.snapshots_in()), (['root', 'root-snap-one'], ['one']))

    def test_not_deleted(self):
        self.volume('root')
        domain = self.with_volumes('root')
        self.take(domain, 'one')
        self.take(domain, 'two')
        self.fault('lvremove root-snap-one')
        self.fails(38, 'lvremove failed', domain.snapshotLookupByName('one').delete)
        self.assertEqual((self.names(domain), domain.snapshotLookupByName('two').getParent().getName()), (['one', 'two'], 'one'))
        self.fault('')
        # What somebody else has removed is as good as deleted.
        for suffix in ('', '.json'):
            os.unlink(f'{self.lvm}/vg/root-snap-two{suffix}')
        domain.snapshotLookupByName('one').delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
        self.assertEqual((self.volumes(), self.names(domain)), (['root'], []))

    def test_in_use(self):
        """LVM puts off what it cannot do now: that is no success"""
        self.volume('root')
        domain = self.with_volumes('root')
        self.take(domain, 'one')
        self.volume('root', number=2, used=True)
        self.fails(38, 'is in use: it becomes its snapshot', domain.revertToSnapshot, domain.snapshotLookupByName('one'))
        self.volume('root', number=2)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.holds_number('root', 1)

    def test_gone(self):
        self.volume('root')
        domain = self.with_volumes('root')
        self.take(domain, 'one')
        domain.create()
        for suffix in ('', '.json'):
            os.unlink(f'{self.lvm}/vg/root-snap-one{suffix}')
        self.fails(67, "of disk 'xvda' is not there: no logical volume 'vg/root-snap-one'", domain.revertToSnapshot,
                   domain.snapshotLookupByName('one'))
        self.assertEqual(self.state(domain)[0], libvirt.VIR_DOMAIN_RUNNING)

    def test_cut_off(self):
        """A daemon that was killed: what it was making goes, what it was going back to is made whole"""
        self.volume('root')
        domain = self.with_volumes('root')
        xml = self.take(domain, 'one').getXMLDesc(1)
        with open(self.folder('d', 'two.pending'), 'w') as file:
            file.write(xml.replace('<name>one<', '<name>two<', 1))
        self.volume('root-snap-two', origin='root', number=5)
        domain = self.restart(domain)
        wait_for(lambda: not os.path.exists(self.folder('d', 'two.pending')), 'what was left behind to go')
        self.assertEqual((self.volumes(), self.names(domain)), (['root', 'root-snap-one'], ['one']))
        # Between the merge and the new snapshot.
        for suffix in ('', '.json'):
            os.unlink(f'{self.lvm}/vg/root-snap-one{suffix}')
        with open(self.folder('d', 'one.reverting'), 'w') as file:
            file.write(xml)
        domain = self.restart(domain)
        wait_for(lambda: not os.path.exists(self.folder('d', 'one.reverting')), 'the volume to be finished')
        self.assertEqual(self.volumes(), ['root', 'root-snap-one'])
        self.holds_number('root-snap-one', 1)
        self.holds_number('root', 1)

    def test_not_installed(self):
        self.volume('root')
        domain = self.with_volumes('root')
        bare = self.path('bin')
        os.mkdir(bare)
        self.addCleanup(shutil.rmtree, bare)
        self.addCleanup(self.restart, domain)
        self.start_again(bare)
        self.connection = libvirt.open(self.host.uri())
        domain = self.connection.lookupByName('d')
        self.fails(3, "snapshots of logical volumes need LVM's program 'lvs'", self.take, domain, 'x')
        self.assertEqual(self.names(domain), [])


if __name__ == '__main__':
    main()
