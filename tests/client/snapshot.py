#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock clients and snapshots of domains, whose disks are real qcow2 images.

usage: snapshot.py [WORD...] runs the cases whose names have one of the words in them."""
import glob
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import wait_for  # noqa: E402
from snapshots import UUID, Case, ExternalCase, libvirt, main, qemu_img  # noqa: E402

SECRET = "<graphics type='vnc' port='-1' autoport='yes' passwd='geheim'/>"
OFF = libvirt and (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT)
RUNS = libvirt and (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_FROM_SNAPSHOT)
PAUSED = libvirt and (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_FROM_SNAPSHOT)


class TestInternal(Case):
    def test_shut_off(self):
        domain = self.define()
        self.write(1)
        self.row(0, 'Domain snapshot one created', 'snapshot-create-as', 'd', 'one', 'the first')
        self.assertEqual(self.snapshots_in(), ['one'])
        self.write(2)
        self.row(0, 'Domain snapshot one reverted', 'snapshot-revert', 'd', 'one')
        self.assertTrue(self.holds(1))
        self.assertEqual(self.state(domain), OFF)
        self.row(0, 'shut off .from snapshot.', 'domstate', 'd', '--reason')
        self.row(0, 'Domain snapshot one deleted', 'snapshot-delete', 'd', 'one')
        self.assertEqual(self.snapshots_in(), [])
        self.row(1, "Domain snapshot not found: no domain snapshot with matching name 'one'", 'snapshot-delete', 'd',
                 'one')

    def test_running(self):
        domain = self.define()
        domain.create()
        domid = domain.ID()
        self.write(1)
        self.row(0, 'Domain snapshot one created', 'snapshot-create-as', 'd', 'one')
        self.assertEqual((domain.ID(), self.state(domain)), (domid, (1, 1)))
        self.assertEqual(self.snapshots_in(), ['one'])
        self.assertTrue(os.path.exists(self.folder('d', 'one.mem')))
        self.write(2)
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'one')
        self.assertEqual(self.state(domain), RUNS)
        self.assertNotEqual(self.connection.lookupByName('d').ID(), domid)
        self.assertTrue(self.holds(1))
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'one', '--paused')
        self.assertEqual(self.state(domain), PAUSED)
        self.row(0, 'created', 'snapshot-create-as', 'd', 'two')
        self.assertEqual(self.state(domain), PAUSED)
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'two')
        self.assertEqual(self.state(domain), PAUSED)
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'two', '--running')
        self.assertEqual(self.state(domain), RUNS)
        domain.destroy()
        self.row(0, 'reverted', 'snapshot-revert', 'd', '--current')
        self.assertEqual(self.state(domain), PAUSED)
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'one', '--children')
        self.assertEqual((self.snapshots_in(), self.names(domain)), ([], []))

    def test_names_like_ids(self):
        """qemu-img takes a name that is a number for the id of a snapshot"""
        self.define()
        for i in (1, 2, 3):
            self.write(i)
            self.row(0, 'created', 'snapshot-create-as', 'd', str(4 - i))
        for i in (1, 2, 3):
            self.row(0, 'reverted', 'snapshot-revert', 'd', str(4 - i))
            self.assertTrue(self.holds(i), i)
        self.row(0, 'deleted', 'snapshot-delete', 'd', '3')
        self.assertEqual(sorted(self.snapshots_in()), ['1', '2'])
        self.row(0, 'reverted', 'snapshot-revert', 'd', '1')
        self.assertTrue(self.holds(3))

    def test_states(self):
        """From each state to each"""
        domain = self.define()
        self.take(domain, 'off')
        domain.create()
        self.take(domain, 'runs')
        domain.suspend()
        self.take(domain, 'paused')
        for before in ('off', 'runs', 'paused'):
            for after, state in (('off', OFF), ('runs', RUNS), ('paused', PAUSED)):
                for flags, wanted in ((0, state), (1, RUNS), (2, PAUSED)):
                    domain.revertToSnapshot(domain.snapshotLookupByName(before), 4)
                    domain.revertToSnapshot(domain.snapshotLookupByName(after), flags | 4)
                    self.assertEqual(self.state(domain), wanted, (before, after, flags))
        self.row(1, 'revert requires force: must respawn guest', 'snapshot-revert', 'd', 'off', '--running')
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'off', '--running', '--force')
        self.assertEqual(self.state(domain), RUNS)
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'off', '--reset-nvram')
        self.assertEqual(self.state(domain), OFF)

    def test_definition(self):
        """That of then comes back, the live one and the persistent one"""
        domain = self.define(extra=SECRET)
        domain.setMetadata(0, 'then', None, None, 2)
        domain.create()
        domain.setMetadata(0, 'live', None, None, 1)
        self.take(domain, 'one')
        xml = self.row(0, '<inactiveDomain', 'snapshot-dumpxml', 'd', 'one')
        self.assertNotIn('geheim', xml)
        self.assertIn('geheim', self.row(0, 'passwd', 'snapshot-dumpxml', 'd', 'one', '--security-info'))
        self.row(1, 'operation forbidden', 'snapshot-dumpxml', 'd', 'one', '--security-info', readonly=True)
        self.assertEqual(xml.count('<description>live'), 1)
        self.assertEqual(xml.count('<description>then'), 1)
        domain.setMetadata(0, 'now', None, None, 3)
        domain.revertToSnapshot(domain.snapshotCurrent())
        self.assertEqual(domain.metadata(0, None, 1), 'live')
        self.assertEqual(domain.metadata(0, None, 2), 'then')
        with open(f'{self.host.root}/etc/libvirt/libxl/d.xml') as file:
            self.assertIn('<description>then', file.read())

    def test_renamed(self):
        domain = self.define()
        self.write(1)
        self.take(domain, 'one')
        domain.create()
        self.take(domain, 'two')
        domain.destroy()
        domain.rename('e')
        domain = self.connection.lookupByName('e')
        self.assertEqual(self.names(domain), ['one', 'two'])
        self.assertEqual(os.listdir(self.folder()), ['e'])
        for name, state in (('one', OFF), ('two', RUNS)):
            domain.revertToSnapshot(domain.snapshotLookupByName(name))
            self.assertEqual((self.state(domain), domain.name()), (state, 'e'))
        self.assertEqual(self.connection.lookupByName('e').XMLDesc().count('<name>e</name>'), 1)
        domain.destroy()

    def test_several_disks(self):
        domain = self.define(disks=[(self.image(), 'qcow2', ''), (self.image('b.qcow2'), 'qcow2', ''),
                                    (self.path('c'), 'raw', " snapshot='no'")])
        self.fails(67, 'require all disks to be selected', self.take, domain, 'x', 0, "<disks><disk name='xvda' "
                   "snapshot='no'/></disks>")
        self.take(domain, 'one')
        self.assertEqual(self.snapshots_in(self.path('b.qcow2')), ['one'])
        # One of two cannot be made: then there is none.
        qemu_img('snapshot', '-c', 'two', self.path('b.qcow2'))
        self.fails(9, 'has a snapshot .two. already', self.take, domain, 'two')
        self.assertEqual((self.snapshots_in(), self.names(domain)), (['one'], ['one']))
        qemu_img('snapshot', '-d', 'two', self.path('b.qcow2'))
        # One of two cannot be gone back to: then nothing is, and the domain runs on.
        domain.create()
        qemu_img('snapshot', '-d', 'one', self.path('b.qcow2'))
        self.fails(67, "of disk 'xvdb' has no snapshot 'one'", domain.revertToSnapshot,
                   domain.snapshotLookupByName('one'))
        self.assertEqual(self.state(domain), (1, 1))
        # What is not there is as good as deleted.
        domain.snapshotLookupByName('one').delete()
        self.assertEqual(self.snapshots_in(), [])

    def test_refused(self):
        raw = self.define('raw', 2, [(self.path('r'), 'raw', '')])
        self.fails(67, '^unsupported configuration: internal snapshot for disk xvda unsupported for storage type raw$',
                   self.take, raw, 'x')
        none = self.define('none', 3, [])
        self.fails(67, 'nothing selected for snapshot', self.take, none, 'x')
        domain = self.define()
        self.take(domain, 'one')
        self.fails(9, '^operation failed: domain moment one already exists$', self.take, domain, 'one')
        for name, why in (('a/b', "cannot contain '/'"), ('.a', "cannot start with '.'"), ('', 'empty'), ('x' * 300, 'long')):
            self.fails(27, why, self.take, domain, name)
        for body, code, why in (
                ("<disks><disk name='xvdq'/></disks>", 67, "no disk named 'xvdq'"),
                ("<disks><disk name='xvda'/><disk name='xvda'/></disks>", 67, 'too many disk snapshot requests'),
                ("<disks><disk snapshot='no'/></disks>", 27, 'missing name from disk snapshot element'),
                ("<disks><disk name='xvda' snapshot='other'/></disks>", 27, "Invalid value for attribute 'snapshot' in element 'disk': 'other'"),
                ("<disks><disk name='xvda' snapshot='manual'/></disks>", 3, 'manual'),
                ("<memory snapshot='external'/>", 27, 'require a filename'),
                ("<memory snapshot='internal' file='/x'/>", 27, 'requires external snapshot'),
                ("<memory file='x'/>", 27, 'must be absolute'),
                ("<memory snapshot='internal'/>", 67, 'cannot be saved with offline')):
            self.fails(code, why, self.take, domain, 'x', 0, body)
        for flags, why in ((1 << 10, 'unsupported flags .0x400. in function virDomainSnapshotCreateXML'),
                           (2, 'CURRENT.*require|require.*CURRENT|REDEFINE'), (1 | 4, 'exclusive'), (1 | 8, 'exclusive')):
            self.fails(8, why, self.take, domain, 'x', flags)
        self.row(1, 'argument unsupported: quiesce', 'snapshot-create-as', 'd', 'x', '--disk-only', '--quiesce')
        self.row(1, 'supported only with external checkpoints', 'snapshot-create-as', 'd', 'x', '--live')
        self.row(1, 'operation forbidden|read only', 'snapshot-create-as', 'd', 'x', readonly=True)
        zero = self.connection.lookupByName('Domain-0')
        self.fails(55, 'Domain-0', self.take, zero, 'x')
        self.assertEqual((self.names(domain), self.snapshots_in()), (['one'], ['one']))

    def test_validate(self):
        domain = self.define()
        wrong = '<domainsnapshot><name>x</name><nonsense/></domainsnapshot>'
        self.fails(92, 'nonsense', domain.snapshotCreateXML, wrong, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE)
        self.assertEqual(self.names(domain), [])
        right = "<domainsnapshot><name>x</name><disks><disk name='xvda' snapshot='internal'/></disks></domainsnapshot>"
        domain.snapshotCreateXML(right, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE)
        # What comes out is as the schema has it, too.
        self.take(domain, 'y')
        domain.create()
        self.take(domain, 'z')
        for name in 'xyz':
            domain.snapshotCreateXML(domain.snapshotLookupByName(name).getXMLDesc(1),
                                     libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE |
                                     libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_VALIDATE)

    def test_halt_and_no_metadata(self):
        domain = self.define()
        self.row(0, 'created', 'snapshot-create-as', 'd', 'quiet', '--no-metadata')
        self.assertEqual((self.snapshots_in(), self.names(domain)), (['quiet'], []))
        domain.create()
        self.row(1, 'without metadata', 'snapshot-create-as', 'd', 'x', '--no-metadata')
        self.row(0, 'created', 'snapshot-create-as', 'd', 'one', '--halt')
        self.assertEqual(self.state(domain), OFF)
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.assertEqual(self.state(domain), RUNS)

    def test_transient(self):
        domain = self.connection.createXML(self.xml())
        self.fails(55, 'cannot halt after transient domain snapshot', self.take, domain, 'x', 8)
        self.take(domain, 'one')
        domain = self.restart(domain)
        self.assertEqual(self.names(domain), ['one'])
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.assertEqual((self.state(domain), domain.isPersistent()), (RUNS, 0))
        xml = self.take(domain, 'two').getXMLDesc(1)
        self.assertEqual(self.names(domain), ['one', 'two'])
        domain.snapshotCreateXML(re.sub('running', 'shutoff', re.sub("<memory snapshot.*", '', xml))
                                 .replace('<name>two', '<name>off', 1), 1)
        self.fails(55, 'transient domain needs to request run or pause', domain.revertToSnapshot,
                   domain.snapshotLookupByName('off'))
        domain.destroy()
        self.assertEqual(os.listdir(self.folder()), [])

    def test_managed_save(self):
        """An image of memory is older than the disks that are gone back to"""
        domain = self.define()
        self.take(domain, 'off')
        domain.create()
        domain.managedSave()
        self.row(1, 'revert requires force: .*managed saved state', 'snapshot-revert', 'd', 'off')
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'off', '--force')
        self.assertFalse(domain.hasManagedSaveImage())


class TestTree(Case):
    def test_lists(self):
        """a - b - (c, d - e), as virsh shows it and by every flag"""
        domain = self.define()
        for name, below in (('a', None), ('b', 'a'), ('c', 'b'), ('d', 'b'), ('e', 'd')):
            if below:
                domain.revertToSnapshot(domain.snapshotLookupByName(below))
            if name == 'd':
                domain.create()
            self.take(domain, name)
        self.row(0, r'^a\n  \|\n  \+- b\n      \|\n      \+- c\n      \+- d\n          \|\n          \+- e', 'snapshot-list', 'd',
                 '--tree')
        for args, found in ((['--roots'], 'a'), (['--leaves'], 'c e'), (['--no-leaves'], 'a b d'), (['--metadata'], 'a b c d e'),
                            (['--no-metadata'], ''), (['--inactive'], 'a b c'), (['--active'], 'd e'), (['--disk-only'], ''),
                            (['--internal'], 'a b c d e'), (['--external'], ''), (['--from', 'b'], 'c d'),
                            (['--from', 'b', '--descendants'], 'c d e'), (['--from', 'b', '--descendants', '--leaves'], 'c e'),
                            (['--from', 'e'], ''), (['--leaves', '--inactive'], 'c')):
            out = self.row(0, '', 'snapshot-list', 'd', '--name', *args)
            self.assertEqual(out.split(), found.split(), args)
        out = self.row(0, '', 'snapshot-list', 'd', '--name', '--topological').split()
        for above, below in ('ab', 'bc', 'bd', 'de'):
            self.assertLess(out.index(above), out.index(below), out)
        self.row(0, r'b +\S+ \S+ \S+ +shutoff +a\n', 'snapshot-list', 'd', '--parent')
        self.row(0, 'Name: +b\n.*Current: +no\n.*State: +shutoff\n.*Location: +internal\nParent: +a\nChildren: +2\n'
                 'Descendants: +3\nMetadata: +yes', 'snapshot-info', 'd', 'b')
        self.row(0, '^d$', 'snapshot-parent', 'd', 'e')
        self.row(1, "snapshot 'a' has no parent", 'snapshot-parent', 'd', 'a')
        self.row(0, '^e$', 'snapshot-current', 'd', '--name')
        self.row(0, "<name>e</name>", 'snapshot-current', 'd')

    def test_bindings(self):
        """What virsh does not ask for by itself"""
        domain = self.define()
        self.assertEqual((domain.hasCurrentSnapshot(), domain.snapshotNum()), (0, 0))
        self.fails(72, 'the domain does not have a current snapshot', domain.snapshotCurrent)
        one = self.take(domain, 'one')
        two = self.take(domain, 'two')
        self.assertEqual((domain.hasCurrentSnapshot(), domain.snapshotNum(), domain.snapshotNum(1)), (1, 2, 1))
        self.assertEqual(sorted(domain.snapshotListNames()), ['one', 'two'])
        self.assertEqual((one.numChildren(), one.listChildrenNames(), two.numChildren()), (1, ['two'], 0))
        self.assertEqual([s.getName() for s in one.listAllChildren()], ['two'])
        self.assertEqual((one.isCurrent(), two.isCurrent(), one.hasMetadata()), (0, 1, 1))
        self.assertEqual(two.getParent().getName(), 'one')
        self.fails(72, "snapshot 'one' does not have a parent", one.getParent)
        self.assertEqual(domain.snapshotLookupByName('two').getName(), 'two')
        self.fails(72, "no domain snapshot with matching name 'none'", domain.snapshotLookupByName, 'none')
        self.assertEqual(len(domain.listAllSnapshots()), 2)
        two.delete()
        for function in (two.getXMLDesc, two.isCurrent, two.hasMetadata, two.numChildren, two.getParent, two.delete):
            self.fails(72, "no domain snapshot with matching name 'two'", function)
        self.fails(8, 'unsupported flags', domain.snapshotNum, 1 << 20)

    def test_deleted(self):
        """Children get the parent; current moves up"""
        domain = self.define()
        for name in 'abcd':
            self.take(domain, name)

        def parents():
            return {s.getName(): s.getParent().getName() if s.getName() != roots[0] else None for s in domain.listAllSnapshots()}

        roots = ['a']
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'b')
        self.assertEqual(parents(), {'a': None, 'c': 'a', 'd': 'c'})
        self.assertEqual(sorted(self.snapshots_in()), ['a', 'c', 'd'])
        self.row(0, 'deleted', 'snapshot-delete', 'd', '--current')
        self.row(0, '^c$', 'snapshot-current', 'd', '--name')
        self.take(domain, 'e')
        self.row(0, 'children deleted', 'snapshot-delete', 'd', 'a', '--children-only')
        self.row(0, '^a$', 'snapshot-current', 'd', '--name')
        self.assertEqual((self.names(domain), self.snapshots_in()), (['a'], ['a']))
        self.take(domain, 'f')
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'a', '--metadata')
        self.assertEqual((self.names(domain), self.snapshots_in()), (['f'], ['a', 'f']))
        roots[0] = 'f'
        self.assertEqual(parents(), {'f': None})
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'f', '--children')
        self.assertFalse(domain.hasCurrentSnapshot())
        self.fails(8, 'exclusive', lambda: self.take(domain, 'g').delete(1 | 4))

    def test_redefined(self):
        domain = self.define()
        self.take(domain, 'a')
        b = self.take(domain, 'b')
        xml = b.getXMLDesc(1)
        redefine = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
        # Gone and back again, with all that belongs to it.
        b.delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        self.assertEqual(domain.snapshotCreateXML(xml, redefine).getName(), 'b')
        self.assertEqual(domain.snapshotLookupByName('b').getXMLDesc(1), xml)
        self.assertEqual(domain.snapshotCurrent().getName(), 'a')
        domain.snapshotCreateXML(xml, redefine | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT)
        self.assertEqual(domain.snapshotCurrent().getName(), 'b')
        domain.snapshotCreateXML(xml.replace('<state>', '<description>words</description><state>'), redefine)
        self.assertIn('<description>words<', domain.snapshotCurrent().getXMLDesc())
        self.row(0, 'Snapshot a set as current', 'snapshot-current', 'd', 'a')
        a = domain.snapshotLookupByName('a').getXMLDesc(1)
        parent = '<parent><name>{}</name></parent><creationTime>'
        for text, code, why in (
                (a.replace('<creationTime>', parent.format('a')), 8, 'cannot set snapshot a as its own parent'),
                (a.replace('<creationTime>', parent.format('q')), 8, 'parent q for snapshot a not found'),
                (a.replace('<creationTime>', parent.format('b')), 8, 'parent b would create cycle to a'),
                (a.replace('<state>shutoff', '<state>running'), 8, 'cannot change between online and offline'),
                (a.replace('<state>shutoff', '<state>disk-snapshot'), 8, 'cannot change between disk only and full'),
                (a.replace('<state>shutoff', '<state>upside-down'), 27, 'Invalid state'),
                (re.sub('<state>.*</state>', '', a), 27, 'missing state from existing snapshot'),
                (re.sub('<creationTime>.*</creationTime>', '', a), 27, 'missing creationTime from existing snapshot'),
                (a.replace('<name>a</name>', '', 1), 27, 'must have a name'),
                (a.replace(UUID.format(1), UUID.format(9)), 8, f'must use uuid {UUID.format(1)}'),
                (re.sub("<memory unit='KiB'>.*</memory>", '', a), 27, 'Memory size')):
            self.fails(code, why, domain.snapshotCreateXML, text, redefine)
        self.assertEqual(domain.snapshotLookupByName('a').getXMLDesc(1), a)
        # Nobody knows any more what the domain was.
        domain.snapshotCreateXML(re.sub('<domain .*</domain>', f'<domain><uuid>{UUID.format(1)}</uuid></domain>', a, flags=re.S)
                                 .replace('<name>a', '<name>old', 1), redefine)
        self.row(1, "revert requires force: snapshot 'old' lacks domain 'd' rollback info", 'snapshot-revert', 'd', 'old')

    def test_edit(self):
        """snapshot-edit is dumpxml and redefine"""
        domain = self.define()
        self.take(domain, 'a')
        editor = self.host.file('editor', '#!/bin/sh\nsed -i "s|<state>|<description>by hand</description><state>|" "$1"\n')
        os.chmod(editor, 0o755)
        subprocess.run(['virsh', '-c', self.host.uri(), 'snapshot-edit', 'd', 'a'], check=True, capture_output=True,
                       env=dict(os.environ, VISUAL=editor), timeout=harness.TIMEOUT)
        self.assertIn('by hand', domain.snapshotCurrent().getXMLDesc())
        self.assertTrue(domain.snapshotLookupByName('a').isCurrent())

    def test_domain_lists_and_undefine(self):
        domain = self.define()
        self.define('e', 2, [])
        self.take(domain, 'a')
        self.assertEqual(self.row(0, '', 'list', '--all', '--name', '--with-snapshot').split(), ['d'])
        self.assertIn('e', self.row(0, '', 'list', '--all', '--name', '--without-snapshot').split())
        self.row(1, 'cannot delete inactive domain with 1 snapshots', 'undefine', 'd')
        domain.create()
        self.row(0, 'undefined', 'undefine', 'd')
        self.assertEqual(self.names(domain), ['a'])
        self.connection.defineXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        domain.destroy()
        self.assertEqual(self.names(domain), ['a'])
        self.row(0, 'undefined', 'undefine', 'd', '--snapshots-metadata')
        self.assertEqual(os.listdir(self.folder()), [])
        self.assertEqual(self.snapshots_in(), ['a'])

    def test_many(self):
        domain = self.define()
        a = self.take(domain, 'a').getXMLDesc(1)
        for i in range(200):
            domain.snapshotCreateXML(a.replace('<name>a', f'<name>s{i}', 1).replace(
                '<creationTime>', f'<parent><name>{f"s{i - 1}" if i else "a"}</name></parent><creationTime>'), 1)
        self.assertEqual(domain.snapshotNum(), 201)
        self.assertEqual(len(domain.snapshotLookupByName('a').listAllChildren(1)), 200)
        domain = self.restart(domain, harness.signal.SIGTERM)
        self.assertEqual(domain.snapshotLookupByName('s0').numChildren(1), 199)
        domain.snapshotLookupByName('s0').delete(1 | 2)
        self.assertEqual(self.names(domain), ['a'])


class TestExternal(ExternalCase):
    def test_disk_only(self):
        domain = self.define()
        base = self.path('a.qcow2')
        self.write(1)
        self.row(0, 'Domain snapshot one created', 'snapshot-create-as', 'd', 'one', '--disk-only')
        one, two = self.path('a.one'), self.path('two.img')
        self.assertEqual((self.source(domain), self.chain(one)), ([one], [one, base]))
        self.assertRegex(self.row(0, '<state>shutoff</state>', 'snapshot-dumpxml', 'd', 'one'),
                         f"<memory snapshot='no'/>\n  <disks>\n    <disk name='xvda' snapshot='external' type='file'>\n"
                         f"      <driver type='qcow2'/>\n      <source file='{one}'/>")
        self.write(2, one)
        self.assertTrue(self.holds(1))
        domain.create()
        self.row(0, 'created', 'snapshot-create-as', 'd', 'two', '--disk-only', '--atomic', '--diskspec', f'xvda,file={two}')
        self.assertEqual((self.source(domain), self.source(domain, 2)), ([two], [two]))
        self.assertEqual(self.chain(two), [two, one, base])
        self.assertEqual(self.state(domain), (1, 1))
        for args, found in ((['--disk-only'], 'two'), (['--inactive'], 'one'), (['--external'], 'one two'), (['--internal'], '')):
            self.assertEqual(self.row(0, '', 'snapshot-list', 'd', '--name', *args).split(), found.split())
        self.row(0, 'Location: +external', 'snapshot-info', 'd', 'two')
        domain = self.restart(domain)
        self.assertEqual((self.source(domain), self.source(domain, 2)), ([two], [two]))

    def test_revert(self):
        """The images that it stands on stay as they are"""
        domain = self.define()
        base = self.path('a.qcow2')
        self.write(1)
        self.take(domain, 'one', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        self.write(2, self.path('a.one'))
        domain.create()
        self.take(domain, 'two', 0, f"<memory file='{self.path('memory')}'/>")
        self.write(3, self.path('a.two'))
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'one')
        self.assertEqual(self.state(domain), OFF)
        now, = self.source(domain)
        self.assertEqual(self.chain(now), [now, base])
        self.assertTrue(self.holds(1, now))
        self.write(4, now)
        self.row(0, 'reverted', 'snapshot-revert', 'd', 'two')
        self.assertEqual(self.state(domain), RUNS)
        then, = self.source(domain)
        self.assertEqual((self.chain(then), self.source(domain, 2)), ([then, self.path('a.one'), base], [then]))
        self.assertTrue(self.holds(2, then))
        self.assertTrue(self.holds(3, self.path('a.two')) and self.holds(1))
        # What the first revert has made was of no snapshot.
        self.assertFalse(os.path.exists(now))

    def test_below(self):
        """An internal one in an image that stands below the guest's now"""
        domain = self.define()
        self.take(domain, 'in')
        domain.create()
        self.take(domain, 'out', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'in')
        self.assertEqual(self.snapshots_in(), [])
        domain.destroy()
        self.take(domain, 'in')
        self.assertEqual((self.snapshots_in(), self.snapshots_in(self.path('a.out'))), ([], ['in']))
        self.row(0, 'deleted', 'snapshot-delete', 'd', 'in')
        self.assertEqual(self.snapshots_in(self.path('a.out')), [])

    def test_some_disks(self):
        domain = self.define(disks=[(self.image(), 'qcow2', ''), (self.image('b.img'), 'qcow2', " snapshot='no'"),
                                    (self.image('c.img'), 'qcow2', '')])
        domain.create()
        self.take(domain, 'x', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY, "<disks><disk name='xvdc' snapshot='no'/></disks>")
        self.assertEqual(self.source(domain), [self.path('a.x'), self.path('b.img'), self.path('c.img')])
        # By the path of the image
        self.take(domain, 'y', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY,
                  f"<disks><disk name='{self.path('c.img')}'><source file='{self.path('c.new')}'/></disk>"
                  "<disk name='xvda' snapshot='no'/></disks>")
        self.assertEqual(self.source(domain)[2], self.path('c.new'))

    def test_reuse(self):
        domain = self.define()
        new = self.path('new')
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
        body = f"<disks><disk name='xvda'><source file='{new}'/></disk></disks>"
        self.fails(67, f'missing existing file for disk xvda: {new}', self.take, domain, 'x', flags, body)
        qemu_img('create', '-q', '-f', 'qcow2', '-b', self.path('a.qcow2'), '-F', 'qcow2', new)
        self.fails(67, 'already exists', self.take, domain, 'x', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY, body)
        self.take(domain, 'x', flags, body)
        self.assertEqual(self.source(domain), [new])

    def test_memory(self):
        """Memory in a file that virsh restore knows, too"""
        domain = self.define()
        domain.create()
        memory = self.path('memory')
        self.row(0, 'created', 'snapshot-create-as', 'd', 'one', '--memspec', memory)
        self.assertEqual((self.state(domain), self.source(domain)), ((1, 1), [self.path('a.one')]))
        self.row(0, f"<memory snapshot='external' file='{memory}'/>", 'snapshot-dumpxml', 'd', 'one')
        self.row(0, '<name>d</name>', 'save-image-dumpxml', memory)
        self.row(1, 'already exists', 'snapshot-create-as', 'd', 'two', '--memspec', memory)
        self.assertEqual((self.state(domain), self.source(domain)), ((1, 1), [self.path('a.one')]))
        self.row(1, 'requires external|cannot be saved', 'snapshot-create-as', 'd', 'two', '--memspec', memory, '--disk-only')

    def test_refused(self):
        domain = self.define(disks=[(self.image(), 'qcow2', ''), (self.image('b.img'), 'qcow2', '')])
        disk_only = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        self.fails(67, 'mixing internal and external', self.take, domain, 'x', disk_only,
                   "<disks><disk name='xvda' snapshot='internal'/></disks>")
        self.fails(67, 'format for disk xvda is unsupported: raw', self.take, domain, 'x', disk_only,
                   "<disks><disk name='xvda'><driver type='raw'/></disk></disks>")
        self.fails(67, 'nothing selected', self.take, domain, 'x', disk_only,
                   "<disks><disk name='xvda' snapshot='no'/><disk name='xvdb' snapshot='no'/></disks>")
        domain.create()
        self.fails(67, 'require external disk snapshots; disk xvda', self.take, domain, 'x', disk_only,
                   "<disks><disk name='xvda' snapshot='internal'/><disk name='xvdb' snapshot='no'/></disks>")
        self.assertEqual((self.names(domain), glob.glob(self.path('*.x'))), ([], []))

    def test_undone(self):
        """What fails half-way leaves nothing"""
        domain = self.define(disks=[(self.image(), 'qcow2', ''), (self.image('b.img'), 'qcow2', '')])
        domain.create()
        before = domain.XMLDesc(), domain.XMLDesc(2), sorted(glob.glob(self.path('*')))
        self.host.control('[d]\ndisk-snapshot-fail=no more of them\n')
        self.fails(9, 'no more of them', self.take, domain, 'x', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
        self.fails(9, 'no more of them', self.take, domain, 'x')
        self.fails(9, 'no more of them', self.take, domain, 'x', 0, f"<memory file='{self.path('m')}'/>")
        self.host.control('[d]\nsave-fail=no memory\n')
        self.fails(9, 'no memory', self.take, domain, 'x')
        self.host.control('')
        self.assertEqual((domain.XMLDesc(), domain.XMLDesc(2), sorted(glob.glob(self.path('*')))), before)
        self.assertEqual((self.state(domain), self.names(domain)), ((1, 1), []))
        self.assertEqual(os.listdir(self.folder('d')) if os.path.exists(self.folder('d')) else [], [])
        self.take(domain, 'x')


class TestEvents(Case):
    def setUp(self):
        super().setUp()
        self.seen = []

    def expect(self, *events):
        wait_for(lambda: len(self.seen) >= len(events), f'{events}')
        self.assertEqual(self.seen, list(events))
        self.seen.clear()

    def test_lifecycle(self):
        domain = self.define()
        self.take(domain, 'off')
        self.connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                               lambda _c, _d, event, detail, _o: self.seen.append((event, detail)), None)
        done = []
        self.connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                                               lambda _c, _d, params, _o: done.append(params), None)
        suspended, resumed = libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_RESUMED
        started, stopped, defined = (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STOPPED,
                                     libvirt.VIR_DOMAIN_EVENT_DEFINED)
        domain.create()
        wait_for(lambda: (started, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED) in self.seen, 'the start')
        self.seen.clear()
        self.take(domain, 'runs')
        self.expect((suspended, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED), (resumed, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED))
        wait_for(lambda: done, 'the job')
        domain.revertToSnapshot(domain.snapshotLookupByName('runs'))
        again = ((stopped, libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT), (defined, libvirt.VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT),
                 (started, libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT))
        self.expect(*again)
        domain.revertToSnapshot(domain.snapshotLookupByName('runs'), libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED)
        self.expect(*again, (suspended, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT))
        domain.revertToSnapshot(domain.snapshotLookupByName('off'))
        self.expect(*again[:2])
        domain.create()
        self.take(domain, 'last', libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_HALT)
        self.expect((started, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED), (suspended, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED),
                    (stopped, libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT))


class TestJobs(Case):
    def run_in_background(self, function, *args):
        result = []

        def work():
            try:
                result.append(function(*args))
            except libvirt.libvirtError as error:
                result.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        return thread, result

    def test_aborted(self):
        domain = self.define()
        domain.create()
        self.host.control('[d]\nsave-write-ms=20000\n')
        other = libvirt.open(self.host.uri())
        thread, result = self.run_in_background(self.take, other.lookupByName('d'), 'x')
        wait_for(lambda: domain.jobInfo()[4] > 0, 'progress')
        self.assertEqual(self.state(domain), (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT))
        self.assertEqual(self.names(domain), [])
        self.row(0, 'Data processed', 'domjobinfo', 'd')
        domain.abortJob()
        thread.join()
        self.assertEqual(result[0].get_error_code(), libvirt.VIR_ERR_OPERATION_ABORTED, result)
        self.assertEqual((self.state(domain), self.snapshots_in(), self.names(domain)), ((1, 1), [], []))
        self.host.control('')
        self.take(domain, 'x')
        other.close()

    def test_destroyed(self):
        """A domain may be ended while its snapshot is taken, also where its disks hang"""
        domain = self.define()
        for control in ('save-write-ms=20000', 'disk-snapshot-hang=true'):
            domain.create()
            self.host.control(f'[d]\n{control}\n')
            other = libvirt.open(self.host.uri())
            thread, result = self.run_in_background(self.take, other.lookupByName('d'), 'x')
            wait_for(lambda: domain.info()[0] == libvirt.VIR_DOMAIN_PAUSED, 'the snapshot to begin')
            domain.destroy()
            self.host.control('')
            thread.join()
            self.assertIsInstance(result[0], libvirt.libvirtError)
            self.assertEqual((domain.isActive(), self.names(domain)), (0, []))
            other.close()
            domain = self.restart(domain)
            wait_for(lambda: not os.path.exists(self.folder('d')), 'what was left behind to go')
            self.assertEqual(self.snapshots_in(), [])

    def test_reading_meanwhile(self):
        """Lists and look-ups never wait for what is being done"""
        domain = self.define()
        domain.create()
        self.take(domain, 'a')
        self.host.control('[d]\nsave-write-ms=20000\n')
        other = libvirt.open(self.host.uri())
        thread, _ = self.run_in_background(self.take, other.lookupByName('d'), 'x')
        wait_for(lambda: domain.info()[0] == libvirt.VIR_DOMAIN_PAUSED, 'the snapshot to begin')
        self.assertEqual((self.names(domain), domain.snapshotCurrent().isCurrent()), (['a'], 1))
        self.assertIn('<name>a', domain.snapshotLookupByName('a').getXMLDesc())
        domain.abortJob()
        thread.join()
        other.close()


class TestKept(Case):
    def test_found_again(self):
        domain = self.define()
        self.write(1)
        self.take(domain, 'a')
        domain.create()
        self.take(domain, 'b')
        before = [domain.snapshotLookupByName(name).getXMLDesc(1) for name in 'ab']
        domain = self.restart(domain)
        self.assertEqual([domain.snapshotLookupByName(name).getXMLDesc(1) for name in 'ab'], before)
        self.assertEqual(domain.snapshotCurrent().getName(), 'b')
        domain.revertToSnapshot(domain.snapshotLookupByName('b'))
        self.assertEqual(self.state(domain), RUNS)

    def test_broken_files(self):
        """What cannot be read stays where it is and harms nobody"""
        domain = self.define()
        self.take(domain, 'a')
        self.take(domain, 'b')
        broken = {'c.xml': 'no xml', 'd.xml': '<domainsnapshot/>', 'e.xml': '<domain/>', 'x.pending': 'no xml',
                  'u.xml': domain.snapshotCurrent().getXMLDesc().replace('<name>b<', '<name>u<').replace(UUID.format(1), UUID.format(9)),
                  'f.xml': '<domainsnapshot><name>other</name><creationTime>1</creationTime><state>shutoff</state></domainsnapshot>'}
        for name, text in broken.items():
            with open(self.folder('d', name), 'w') as file:
                file.write(text)
        # Two that are each other's parent, and both say that they are current.
        for name, parent in (('g', 'h'), ('h', 'g')):
            with open(self.folder('d', name + '.xml'), 'w') as file:
                file.write(f'<domainsnapshot><name>{name}</name><creationTime>9</creationTime><state>shutoff</state>'
                           f'<parent><name>{parent}</name></parent><active>1</active></domainsnapshot>')
        domain = self.restart(domain, harness.signal.SIGTERM)
        self.assertEqual(self.names(domain), ['a', 'b', 'g', 'h'])
        self.assertEqual(self.names(domain, libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS), ['a', 'h'])
        self.assertEqual(domain.snapshotCurrent().getName(), 'h')
        self.assertEqual(self.host.log_text().count('was left out, its file stays as it is'), 5)
        wait_for(lambda: not os.path.exists(self.folder('d', 'x.pending')), 'the note to go')
        for name in broken:
            self.assertEqual(os.path.exists(self.folder('d', name)), name != 'x.pending')
            if name != 'x.pending':
                os.unlink(self.folder('d', name))

    def test_cut_off(self):
        """A daemon that was killed while it took one, or while it went back to one"""
        domain = self.define()
        self.write(1)
        xml = self.take(domain, 'a').getXMLDesc(1)
        domain.create()
        self.write(2)
        self.host.control('[d]\ndisk-snapshot-hang=true\n')
        other = libvirt.open(self.host.uri())
        thread = threading.Thread(target=lambda: self.assertRaises(libvirt.libvirtError, self.take, other.lookupByName('d'), 'x'))
        thread.start()
        wait_for(lambda: os.path.exists(self.folder('d', 'x.mem')), 'its memory')
        qemu_img('snapshot', '-c', 'x', self.path('a.qcow2'))
        domain = self.restart(domain)
        self.host.control('')
        thread.join()
        wait_for(lambda: self.state(domain)[0] == libvirt.VIR_DOMAIN_RUNNING, 'the guest to run on')
        wait_for(lambda: os.listdir(self.folder('d')) == ['a.xml'], 'what was left behind to go')
        self.assertEqual((self.names(domain), self.snapshots_in()), (['a'], ['a']))
        domain.destroy()
        with open(self.folder('d', 'a.reverting'), 'w') as file:
            file.write(xml)
        domain = self.restart(domain)
        wait_for(lambda: os.listdir(self.folder('d')) == ['a.xml'], 'the images to be finished')
        self.assertTrue(self.holds(1))


if __name__ == '__main__':
    main()
