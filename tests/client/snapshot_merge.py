#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deleting external snapshots: their images are merged.

usage: snapshot_merge.py [WORD...] runs the cases whose names have one of the words in them."""
import glob
import os
import re
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import wait_for  # noqa: E402
from snapshots import BLOCK, UUID, ExternalCase, libvirt, main, qemu_img  # noqa: E402

class TestMerge(ExternalCase):
    """What was written since goes into the images below"""
    DISK_ONLY = libvirt and libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY

    def chained(self, *names, **how):
        """Snapshots one after the other; the image on top of the nth holds n + 1"""
        domain = self.define(**how)
        self.write(1)
        for number, name in enumerate(names, 2):
            self.take(domain, name, self.DISK_ONLY)
            self.write(number, self.path(f'a.{name}'))
        return domain

    def images(self):
        return sorted(os.path.basename(path)[5:] for path in glob.glob(self.path('*')))

    def content(self, domain, number):
        """What the guest would see, and what its image stands on"""
        now, = self.source(domain)
        self.assertTrue(self.holds(number, now), now)
        return [os.path.basename(path)[5:] for path in self.chain(now)]

    def delete(self, name, *flags):
        self.row(0, 'deleted', 'snapshot-delete', 'd', name, *flags)

    def test_only_one(self):
        domain = self.chained('one')
        self.delete('one')
        self.assertEqual((self.content(domain, 2), self.images(), self.names(domain)), (['a.qcow2'], ['a.qcow2'], []))
        with open(f'{self.host.root}/etc/libvirt/libxl/d.xml') as file:
            self.assertIn(self.path('a.qcow2'), file.read())
        domain.create()
        self.take(domain, 'one', self.DISK_ONLY)
        self.assertEqual(self.images(), ['a.one', 'a.qcow2'])

    def test_raw_below(self):
        """What the disk was before comes back, also its format and driver"""
        qemu_img('create', '-q', '-f', 'raw', self.path('a.raw'), '16M')
        domain = self.define(disks=[(self.path('a.raw'), 'raw', '')])
        xml = domain.XMLDesc()
        self.take(domain, 'one', self.DISK_ONLY)
        self.write(2, self.path('a.one'))
        self.delete('one')
        self.assertEqual((domain.XMLDesc(), self.images()), (xml, ['a.raw']))
        with open(self.path('a.raw'), 'rb') as file:
            self.assertEqual(file.read(BLOCK), bytes([2]) * BLOCK)

    def test_each_of_a_chain(self):
        """The others are what they were, whichever goes"""
        for gone, rest in (('one', {'two': 2, 'three': 3}), ('two', {'one': 1, 'three': 3}), ('three', {'one': 1, 'two': 2})):
            domain = self.chained('one', 'two', 'three')
            self.delete(gone)
            self.assertEqual(self.names(domain), sorted(rest))
            self.assertEqual(len(self.content(domain, 4)), 3)
            self.assertEqual(len(self.images()), 3)
            parent, child = rest
            self.assertEqual(domain.snapshotLookupByName(child).getParent().getName(), parent)
            for name, number in rest.items():
                domain.revertToSnapshot(domain.snapshotLookupByName(name))
                self.content(domain, number)
            self.clear()

    def test_all_of_a_chain(self):
        domain = self.chained('one', 'two', 'three')
        self.delete('one', '--children-only')
        self.assertEqual((self.names(domain), self.content(domain, 4)), (['one'], ['a.one', 'a.qcow2']))
        self.assertEqual(domain.snapshotCurrent().getName(), 'one')
        self.take(domain, 'four', self.DISK_ONLY)
        self.delete('one', '--children')
        self.assertEqual((self.names(domain), self.content(domain, 4), self.images()), ([], ['a.qcow2'], ['a.qcow2']))

    def test_branches(self):
        """one - two, and one - three after a revert: no branch is lost with another"""
        domain = self.chained('one', 'two')
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        branch, = self.source(domain)
        self.write(7, branch)
        self.take(domain, 'three', self.DISK_ONLY)
        self.write(8, self.source(domain)[0])
        before = self.images()
        self.row(1, "both stand on .*a.qcow2', the state of snapshot 'one'", 'snapshot-delete', 'd', 'one')
        self.assertEqual((self.images(), self.names(domain)), (before, ['one', 'three', 'two']))
        # One that nobody runs on and nobody stands on goes with its image.
        self.delete('two')
        self.assertNotIn('a.two', self.images())
        self.content(domain, 8)
        self.delete('one')
        self.assertEqual(self.names(domain), ['three'])
        self.assertEqual(len(self.content(domain, 8)), 2)
        domain.revertToSnapshot(domain.snapshotLookupByName('three'))
        self.content(domain, 7)

    def test_back_and_gone(self):
        """The image that a revert has made is merged, too"""
        domain = self.chained('one')
        domain.revertToSnapshot(domain.snapshotLookupByName('one'))
        self.write(9, self.source(domain)[0])
        self.delete('one')
        self.assertEqual((self.content(domain, 9), self.images()), (['a.qcow2'], ['a.qcow2']))

    def test_back_again_and_again(self):
        """Of the images that reverts have made only the last one stays, and those that somebody needs"""
        domain = self.chained('one')
        one = domain.snapshotLookupByName('one')
        for _ in range(3):
            domain.revertToSnapshot(one)
            now, = self.source(domain)
            self.assertEqual(self.images(), sorted(['a.one', 'a.qcow2', os.path.basename(now)[5:]]))
        clone = self.path('clone')
        qemu_img('create', '-q', '-f', 'qcow2', '-b', now, '-F', 'qcow2', clone)
        domain.revertToSnapshot(one)
        self.assertTrue(os.path.exists(now))
        os.unlink(clone)
        self.row(1, "stands on '.*a.qcow2': remove it if nobody needs it", 'snapshot-delete', 'd', 'one')
        os.unlink(now)
        self.delete('one')
        self.assertEqual((self.content(domain, 1), self.images()), (['a.qcow2'], ['a.qcow2']))

    def test_several_disks(self):
        raw, other = self.path('b.img'), self.path('c.img')
        for path in (raw, other):
            qemu_img('create', '-q', '-f', 'raw', path, '16M')
        domain = self.define(disks=[(self.image(), 'qcow2', ''), (raw, 'raw', ''), (other, 'raw', " snapshot='no'")])
        self.take(domain, 'one', self.DISK_ONLY)
        for path in self.source(domain)[:2]:
            self.write(2, path)
        self.delete('one')
        self.assertEqual(self.source(domain), [self.path('a.qcow2'), raw, other])
        self.assertEqual(self.images(), ['a.qcow2', 'b.img', 'c.img'])
        self.assertTrue(self.holds(2))

    def test_running(self):
        domain = self.chained('one', 'two')
        domain.create()
        for name, flags in (('two', []), ('one', []), ('one', ['--children']), ('one', ['--children-only'])):
            self.row(1, 'Requested operation is not valid: the domain runs on images of external snapshot', 'snapshot-delete', 'd', name,
                     *flags)
        self.assertEqual((self.names(domain), self.images()), (['one', 'two'], ['a.one', 'a.qcow2', 'a.two']))
        # A branch that it does not run on does not matter.
        domain.revertToSnapshot(domain.snapshotLookupByName('one'), libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING |
                                libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
        self.delete('two')
        self.assertNotIn('a.two', self.images())
        self.row(1, 'shut it off first', 'snapshot-delete', 'd', 'one')
        self.delete('one', '--metadata')
        self.assertEqual(self.state(domain)[0], libvirt.VIR_DOMAIN_RUNNING)

    def test_memory(self):
        domain = self.define()
        domain.create()
        memory = self.path('memory')
        self.write(1)
        self.take(domain, 'one', 0, f"<memory file='{memory}'/>")
        self.write(2, self.path('a.one'))
        domain.destroy()
        self.delete('one')
        self.assertEqual((self.content(domain, 2), self.images()), (['a.qcow2'], ['a.qcow2']))
        # Memory alone may go while the domain runs.
        plain = self.define('m', 2, [(self.path('r'), 'raw', " snapshot='no'")])
        plain.create()
        self.take(plain, 'one', 0, f"<memory file='{memory}'/>")
        self.assertTrue(os.path.exists(memory))
        plain.snapshotLookupByName('one').delete()
        self.assertFalse(os.path.exists(memory))

    def test_needed_by_others(self):
        """Whoever else stands on an image keeps it"""
        def refused(code, pattern):
            before = self.images(), domain.XMLDesc(), domain.snapshotLookupByName('one').getXMLDesc()
            self.fails(code, pattern, domain.snapshotLookupByName('one').delete)
            self.assertEqual((self.images(), domain.XMLDesc(), domain.snapshotLookupByName('one').getXMLDesc()), before)
            self.assertEqual(os.listdir(self.folder('d')), ['one.xml'])
            self.assertTrue(self.holds(1))

        domain = self.chained('one')
        clone = self.path('clone')
        for base in ('a.qcow2', 'a.one'):
            qemu_img('create', '-q', '-f', 'qcow2', '-b', self.path(base), '-F', 'qcow2', clone)
            refused(67, "clone', which no snapshot knows, stands on '.*" + base)
            other = self.define('other', 2, [(clone, 'qcow2', '')])
            refused(67, "domain 'other' needs the image")
            other.undefine()
            os.unlink(clone)
        other = self.define('other', 2, [(self.path('a.qcow2'), 'qcow2', '')])
        refused(67, "domain 'other' needs the image")
        other.undefine()
        qemu_img('snapshot', '-c', 'inside', self.path('a.one'))
        refused(67, "has an internal snapshot 'inside', which would be lost")
        qemu_img('snapshot', '-d', 'inside', self.path('a.one'))
        domain.create()
        domain.managedSave()
        refused(55, 'managed save image, which needs')
        domain.managedSaveRemove()
        xml = domain.XMLDesc()
        self.connection.defineXML(xml.replace('a.one', 'a.qcow2'))
        # Nobody needs what was written since: it goes.
        self.delete('one')
        self.assertEqual((self.images(), self.content(domain, 1)), (['a.qcow2'], ['a.qcow2']))

    def test_guests_word(self):
        """A raw disk that looks like an image on top of another one is none"""
        domain = self.chained('one')
        hostile = self.path('raw')
        qemu_img('create', '-q', '-f', 'qcow2', '-b', self.path('a.one'), '-F', 'qcow2', hostile)
        with open(hostile, 'rb') as file:
            before = file.read()
        self.define('raw', 2, [(hostile, 'raw', '')])
        self.fails(67, 'which no snapshot knows', domain.snapshotLookupByName('one').delete)
        with open(hostile, 'rb') as file:
            self.assertEqual(file.read(), before)

    def test_in_use(self):
        """Somebody has the image open: nothing happens, and it can be done later"""
        domain = self.chained('one')
        user = subprocess.Popen(['qemu-io', '-f', 'qcow2', self.path('a.qcow2')], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        user.stdin.write(b'length\n')
        user.stdin.flush()
        self.assertTrue(user.stdout.readline())
        try:
            self.fails(38, 'commit of .*lock', domain.snapshotLookupByName('one').delete)
        finally:
            user.communicate()
        self.assertEqual(os.listdir(self.folder('d')), ['one.xml'])
        self.content(domain, 2)
        self.delete('one')
        self.content(domain, 2)

    def test_below(self):
        """Going back inside an image would change it under those that stand on it"""
        domain = self.define()
        self.write(1)
        self.take(domain, 'in')
        self.write(2)
        self.take(domain, 'out', self.DISK_ONLY)
        self.write(3, self.path('a.out'))
        for flags in ([], ['--force']):
            self.row(1, "a.out' stands on '.*a.qcow2', which would be another one", 'snapshot-revert', 'd', 'in', *flags)
        self.assertTrue(self.holds(2))
        self.delete('out')
        self.assertEqual(self.content(domain, 3), ['a.qcow2'])
        domain.revertToSnapshot(domain.snapshotLookupByName('in'))
        self.content(domain, 1)

    def test_not_known(self):
        domain = self.chained('one')
        xml = domain.snapshotLookupByName('one').getXMLDesc(1)
        domain.snapshotLookupByName('one').delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
        domain.snapshotCreateXML(re.sub('<domain .*</domain>', f'<domain><uuid>{UUID.format(1)}</uuid></domain>', xml, flags=re.S), 1)
        self.row(1, "nobody knows what the image of disk 'xvda'", 'snapshot-delete', 'd', 'one')
        self.delete('one', '--metadata')
        self.assertEqual(self.images(), ['a.one', 'a.qcow2'])

    def test_killed_meanwhile(self):
        """The daemon's program ends with it, and the next daemon does it all"""
        domain = self.chained('one')
        folder, mark = self.path('bin'), self.path('mark')
        os.mkdir(folder)
        self.addCleanup(shutil.rmtree, folder)
        program = self.host.file(os.path.relpath(f'{folder}/qemu-img', self.host.root),
                                 f'#!/bin/sh\ncase $1 in commit) echo $$ >{mark}.new; mv {mark}.new {mark}; exec sleep 600;; esac\n'
                                 f'exec {shutil.which("qemu-img")} "$@"\n')
        os.chmod(program, 0o755)
        self.host.end_daemon()
        self.host.start(PATH=f'{folder}:{os.environ["PATH"]}')
        other = libvirt.open(self.host.uri())
        thread = threading.Thread(target=lambda: self.assertRaises(libvirt.libvirtError, other.lookupByName('d')
                                                                   .snapshotLookupByName('one').delete))
        thread.start()
        wait_for(lambda: os.path.exists(mark), 'the merge to begin')
        self.assertTrue(os.path.exists(self.folder('d', 'one.deleting')))
        with open(mark) as file:
            child = int(file.read())
        domain = self.restart(domain)
        thread.join()
        wait_for(lambda: not os.path.exists(f'/proc/{child}/exe'), 'the program to end')
        wait_for(lambda: not os.path.exists(self.folder('d')), 'the deletion to be finished')
        os.unlink(mark)
        self.assertEqual(self.content(domain, 2), ['a.qcow2'])

    def test_cut_off(self):
        """Where it cannot be finished nobody goes back to what is half merged"""
        domain = self.chained('one')
        shutil.copy(self.folder('d', 'one.xml'), self.folder('d', 'one.deleting'))
        self.write(5, self.path('a.qcow2'))
        domain.create()
        domain = self.restart(domain)
        wait_for(lambda: 'delete it again' in self.host.log_text(), 'the daemon to find out')
        self.row(1, 'the deletion of snapshot .one. has begun', 'snapshot-revert', 'd', 'one', '--force')
        domain.destroy()
        domain = self.restart(domain)
        wait_for(lambda: not os.path.exists(self.folder('d')), 'the deletion to be finished')
        self.assertEqual((self.content(domain, 2), self.images()), (['a.qcow2'], ['a.qcow2']))


if __name__ == '__main__':
    main()
