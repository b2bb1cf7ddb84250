# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of domains on real Xen: what a guest has in memory and on disk comes back, and nothing else."""
import os
import re
import shlex
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402
from xenclient import PATIENCE, Client, libvirt, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal() or (None if libvirt else 'python3-libvirt is not installed')
LAB = None
CLIENT = None
FOLDER = '/var/lib/libvirt/libxl/snapshot'


def setUpModule():
    global LAB, CLIENT
    if not REFUSAL:
        LAB = xenhost.Lab()
        LAB.__enter__()
        CLIENT = Client(LAB.uri())


def tearDownModule():
    if LAB:
        LAB.__exit__()


@unittest.skipIf(REFUSAL, REFUSAL)
class Case(unittest.TestCase):
    NAME = 'snap'

    def setUp(self):
        self.addCleanup(self.clear)
        self.clear()

    def clear(self):
        LAB.virsh(f'destroy {self.NAME}', check=False)
        LAB.virsh(f'undefine {self.NAME} --snapshots-metadata', check=False)
        LAB.run('rm -f /srv/snap.*')

    def define(self, sample='pv', disk=("<driver name='qemu' type='raw'/>", "<driver name='qemu' type='qcow2'/>"), *changes):
        LAB.run('qemu-img create -q -f qcow2 /srv/snap.qcow2 64M')
        LAB.run(f'lab-guest forget {self.NAME}', check=False)
        source = f'/srv/guests/{sample}.img'
        return CLIENT.connection.defineXML(xml(sample, self.NAME, disk, *(changes or ((source, '/srv/snap.qcow2'),))))

    def start(self, domain):
        domain.create()
        LAB.wait_console(self.NAME, 'guest: ready', PATIENCE)

    def mark(self, word):
        """In the guest's memory, and on its disk"""
        LAB.ask(self.NAME, f'echo {word} >/tmp/m; echo {word} | dd of=/dev/xvda bs=512 seek=99 conv=sync; sync; echo "is <$(cat /tmp/m)>"',
                f'is <{word}>')

    def on_disk(self, word):
        LAB.ask(self.NAME, 'echo "d <$(dd if=/dev/xvda bs=512 skip=99 count=1 iflag=direct | head -n 1)>"', f'd <{word}>')

    def marked(self, word):
        """In both"""
        LAB.ask(self.NAME, 'echo "m <$(cat /tmp/m)>"', f'm <{word}>')
        self.on_disk(word)

    def domain(self):
        return CLIENT.connection.lookupByName(self.NAME)

    def virsh(self, line):
        return LAB.virsh(line, timeout=PATIENCE)

    def refused(self, line, pattern):
        with self.assertRaisesRegex(xenhost.Failed, pattern):
            self.virsh(line)

    def in_image(self, path='/srv/snap.qcow2'):
        return re.findall(r'^\d+ +(\S+)', LAB.run(f'qemu-img snapshot -U -l {path}'), re.M)

    def there_and_back(self):
        """Memory and disk of a running guest: taken, gone back to, twice"""
        domid = self.domain().ID()
        self.mark('one')
        self.virsh('snapshot-create-as snap first')
        self.assertEqual((self.domain().ID(), self.domain().state()[0]), (domid, libvirt.VIR_DOMAIN_RUNNING))
        self.mark('two')
        self.virsh('snapshot-revert snap first')
        self.assertEqual(self.domain().state(), [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_FROM_SNAPSHOT])
        self.marked('one')
        self.mark('three')
        self.virsh('snapshot-revert snap first --paused')
        self.assertEqual(self.domain().state(), [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_FROM_SNAPSHOT])
        self.domain().resume()
        self.marked('one')


class TestImages(Case):
    def test_running(self):
        domain = self.define()
        self.start(domain)
        CLIENT.forget_events()
        self.there_and_back()
        for event, detail in ((libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED),
                              (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED),
                              (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT),
                              (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT),
                              (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT)):
            CLIENT.wait_event(self.NAME, event, detail)
        self.assertEqual(self.in_image(), ['first'])
        self.virsh('snapshot-create-as snap second --halt')
        self.assertEqual(self.domain().state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT])
        self.assertNotIn(self.NAME, LAB.guests())
        self.virsh('snapshot-revert snap second')
        self.marked('one')
        # By QEMU, which has the image open.
        self.virsh('snapshot-delete snap first')
        self.assertEqual(self.in_image(), ['second'])
        self.marked('one')
        domain = self.domain()
        domain.destroy()
        self.virsh('snapshot-delete snap second')
        self.assertEqual(self.in_image(), [])
        LAB.run(f'qemu-img check -q /srv/snap.qcow2 && test ! -e {FOLDER}/snap')

    @xenhost.long
    def test_pvh(self):
        self.start(self.define('pvh'))
        self.there_and_back()

    def test_shut_off(self):
        domain = self.define()
        LAB.run('qemu-io -f qcow2 -c "write -P 1 0 64k" /srv/snap.qcow2')
        self.virsh('snapshot-create-as snap clean')
        LAB.run('qemu-io -f qcow2 -c "write -P 2 0 64k" /srv/snap.qcow2')
        self.start(domain)
        self.virsh('snapshot-revert snap clean')
        self.assertEqual(self.domain().state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT])
        self.assertNotIn('failed', LAB.run('qemu-io -f qcow2 -c "read -P 1 0 64k" /srv/snap.qcow2'))

    def test_questions(self):
        """What virsh and the bindings ask about them"""
        domain = self.define()
        self.assertEqual(domain.hasCurrentSnapshot(), 0)
        one = domain.snapshotCreateXML('<domainsnapshot><name>one</name></domainsnapshot>')
        two = domain.snapshotCreateXML('<domainsnapshot><name>two</name></domainsnapshot>')
        self.assertEqual((domain.snapshotNum(), domain.hasCurrentSnapshot()), (2, 1))
        self.assertEqual(sorted(domain.snapshotListNames()), ['one', 'two'])
        self.assertEqual(len(domain.listAllSnapshots()), 2)
        self.assertEqual((one.numChildren(), one.listChildrenNames(), len(one.listAllChildren())), (1, ['two'], 1))
        self.assertEqual((two.getParent().getName(), domain.snapshotCurrent().getName()), ('one', 'two'))
        self.assertEqual((one.isCurrent(), two.isCurrent(), two.hasMetadata()), (0, 1, 1))
        self.assertIn('<name>one</name>', domain.snapshotLookupByName('one').getXMLDesc())

    def test_two_drives(self):
        """QEMU has the disk of an HVM guest without PV drivers open twice: it lets go of it for as long as the guest stands still"""
        LAB.run('qemu-img convert -O qcow2 /srv/guests/hvm-disk.img /srv/snap.qcow2')
        domain = CLIENT.connection.defineXML(xml('hvm-disk', self.NAME, ('/srv/guests/hvm-disk.img', '/srv/snap.qcow2'),
                                                 ("type='raw'", "type='qcow2'")))
        domain.create()
        self.refused('snapshot-create-as snap no --disk-only', 'no PV driver for disk')
        self.refused('snapshot-create-as snap no --memspec /srv/snap.memory', 'no PV driver for disk')
        domid = self.domain().ID()
        self.virsh('snapshot-create-as snap one')
        self.assertEqual((self.domain().ID(), self.domain().state()[0], self.in_image()), (domid, libvirt.VIR_DOMAIN_RUNNING, ['one']))
        self.refused('snapshot-delete snap one', 'does not stand still')
        self.virsh('snapshot-create-as snap two')
        self.virsh('snapshot-revert snap one')
        self.assertEqual(self.domain().state(), [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_FROM_SNAPSHOT])
        self.domain().destroy()
        self.virsh('snapshot-delete snap one --children')
        self.assertEqual(self.in_image(), [])
        LAB.run('qemu-img check -q /srv/snap.qcow2')


class TestVolumes(Case):
    LVM = '''mkdir -p /etc/lvm
printf 'activation {\\nudev_sync = 0\\nudev_rules = 0\\n}\\ndevices {\\nobtain_device_list_from_udev = 0\\n}\\n' >/etc/lvm/lvmlocal.conf
truncate -s 400M /srv/volumes
loop=$(losetup -f --show /srv/volumes)
vgcreate -qy snapvg $loop
lvcreate -qy -L 64M -n thick snapvg
lvcreate -qy -L 128M -T snapvg/pool
lvcreate -qy -V 64M -T snapvg/pool -n thin'''

    @classmethod
    def setUpClass(cls):
        LAB.run(f'sh -ec {shlex.quote(cls.LVM)}')

    @classmethod
    def tearDownClass(cls):
        LAB.run("vgremove -qfy snapvg; losetup -D; rm -f /srv/volumes")

    def tour(self, volume):
        domain = self.define('pv', ("<disk type='file' device='disk'>", "<disk type='block' device='disk'>"),
                             ("<driver name='qemu' type='raw'/>", "<driver name='phy' type='raw'/>"),
                             ("<source file='/srv/guests/pv.img'/>", f"<source dev='/dev/snapvg/{volume}'/>"))
        self.start(domain)
        self.there_and_back()
        self.assertIn(f'{volume}-snap-first', LAB.run('lvs snapvg'))
        self.virsh('snapshot-delete snap first')
        self.assertNotIn('-snap-', LAB.run('lvs snapvg'))
        self.marked('one')

    def test_thick(self):
        self.tour('thick')

    @xenhost.long
    def test_thin(self):
        self.tour('thin')


class TestExternal(Case):
    def chain(self, path):
        return re.findall('^image: (.*)$', LAB.run(f'qemu-img info -U --backing-chain {path}'), re.M)

    def sources(self):
        return re.findall("source file='([^']*)'", self.domain().XMLDesc())

    def test_disk_only(self):
        domain = self.define()
        self.start(domain)
        self.mark('one')
        self.virsh('snapshot-create-as snap ext --disk-only')
        self.assertEqual((self.sources(), self.chain('/srv/snap.ext')), (['/srv/snap.ext'], ['/srv/snap.ext', '/srv/snap.qcow2']))
        base = LAB.run('cksum </srv/snap.qcow2')
        self.mark('two')
        # The image of before is not written to any more.
        self.assertEqual(LAB.run('cksum </srv/snap.qcow2'), base)
        self.virsh('snapshot-create-as snap more --disk-only --diskspec xvda,file=/srv/snap.more')
        self.mark('three')
        # Another daemon finds what the guest writes to.
        LAB.run('lab-xlvirtd kill; rm -f /run/libvirt/libxl/snap.xml; lab-xlvirtd start')
        CLIENT.connect()
        self.assertEqual(self.sources(), ['/srv/snap.more'])
        self.domain().destroy()
        self.domain().create()
        LAB.wait_console(self.NAME, 'guest: ready', PATIENCE)
        self.on_disk('three')
        self.virsh('snapshot-revert snap ext --running --force')
        self.assertEqual(self.chain(self.sources()[0])[1:], ['/srv/snap.qcow2'])
        self.on_disk('one')
        # What was written since goes into the image below, from which the guest boots again. It counts its starts on
        # the disk: on this branch those before the snapshot, after the revert, and now.
        self.mark('four')
        self.refused('snapshot-delete snap ext --children', 'shut it off first')
        self.domain().destroy()
        self.virsh('snapshot-delete snap ext --children')
        self.assertEqual((self.sources(), self.domain().snapshotNum()), (['/srv/snap.qcow2'], 0))
        self.assertEqual(LAB.run('ls /srv/snap.*').split(), ['/srv/snap.qcow2'])
        LAB.run('qemu-img check -q /srv/snap.qcow2')
        self.domain().create()
        LAB.wait_console(self.NAME, 'disk xvda 65536 kB: ok, start 3', PATIENCE)
        self.on_disk('four')

    @xenhost.long
    def test_memory(self):
        domain = self.define()
        self.start(domain)
        self.mark('one')
        self.virsh('snapshot-create-as snap ext --memspec /srv/snap.memory')
        self.mark('two')
        self.virsh('snapshot-revert snap ext')
        self.marked('one')


class TestKilled(Case):
    def test_while_it_is_taken(self):
        """A daemon that is killed in the middle: the guest runs on, and there is no snapshot"""
        domain = self.define()
        self.start(domain)
        self.mark('one')
        domid = self.domain().ID()
        # It has begun to look before there is anything to see.
        LAB.run('rm -f /tmp/looks')
        killer = threading.Thread(target=lambda: LAB.run(
            f'touch /tmp/looks; until [ -e {FOLDER}/snap/lost.pending ]; do :; done; lab-xlvirtd kill; lab-xlvirtd start'))
        killer.start()
        wait_for(lambda: LAB.run('ls /tmp/looks || true'), 'the one that looks')
        LAB.virsh('snapshot-create-as snap lost', check=False)
        killer.join()
        CLIENT.connect()
        wait_for(lambda: LAB.run(f'ls {FOLDER}').strip() == '', 'what was left behind to go')
        self.assertEqual((self.domain().snapshotNum(), self.domain().ID(), self.in_image()), (0, domid, []))
        wait_for(lambda: self.domain().state()[0] == libvirt.VIR_DOMAIN_RUNNING, 'the guest to run on')
        self.marked('one')


if __name__ == '__main__':
    tap.main()
