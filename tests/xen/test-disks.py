#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of disk that a definition can name, on real Xen; a disk without space; a SPICE display."""
import os
import re
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..')]
import tap  # noqa: E402
import xenhost  # noqa: E402
from xenclient import PATIENCE, Client, libvirt, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal() or (None if libvirt else 'python3-libvirt is not installed')
LAB = None
CLIENT = None

DISK = """<disk type='{type}' device='disk'><driver {driver}/><source {source}/><target dev='{target}' bus='xen'/>{more}
    </disk>"""
SERVER = """<disk type='network' device='disk'><driver type='raw'/><source protocol='{protocol}' {name}>
    <host name='127.0.0.1' port='{port}'/></source><target dev='{target}' bus='xen'/></disk>"""
# A folder without space: what is in its files can be read, and what is not cannot be written.
FULL = """mkdir -p /tmp/full; mount -t tmpfs -o size=64k full /tmp/full
cp /srv/guests/bootsector /tmp/full/boot.img; truncate -s 1M /tmp/full/boot.img /tmp/full/pv.img
dd if=/dev/zero of=/tmp/full/rest 2>/dev/null || true"""
IQN = 'iqn.2026-11.org.lab:disk'
# The kernel's own target, and what block-iscsi needs beside iscsiadm: links in /dev/disk/by-path.
ISCSI = f"""set -e
modprobe -a target_core_mod target_core_file iscsi_target_mod iscsi_tcp sd_mod
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
truncate -s 16M /tmp/iscsi.img
cd /sys/kernel/config/target
mkdir -p core/fileio_0/lab iscsi/{IQN}/tpgt_1
echo fd_dev_name=/tmp/iscsi.img,fd_dev_size=16777216 >core/fileio_0/lab/control
echo 1 >core/fileio_0/lab/enable
cd iscsi/{IQN}/tpgt_1
mkdir -p lun/lun_0 np/127.0.0.1:3260
ln -s /sys/kernel/config/target/core/fileio_0/lab lun/lun_0/port
for one in authentication=0 demo_mode_write_protect=0 generate_node_acls=1 cache_dynamic_acls=1; do
    echo ${{one#*=}} >attrib/${{one%=*}}
done
echo 1 >enable
/lib/systemd/systemd-udevd --daemon 2>/dev/null
iscsid"""

NO_ISCSI = f"""iscsiadm -k 0; udevadm control --exit
cd /sys/kernel/config/target/iscsi
echo 0 >{IQN}/tpgt_1/enable; rm {IQN}/tpgt_1/lun/lun_0/port
rmdir {IQN}/tpgt_1/np/* {IQN}/tpgt_1/lun/lun_0 {IQN}/tpgt_1 {IQN} ../core/fileio_0/lab ../core/fileio_0"""


def setUpModule():
    global LAB, CLIENT
    if not REFUSAL:
        LAB = xenhost.Lab()
        LAB.__enter__()
        CLIENT = Client(LAB.uri())


def tearDownModule():
    global LAB, CLIENT
    if CLIENT:
        CLIENT.connection.close()
    if LAB:
        LAB.__exit__()
    # With another program behind this one in one lab it comes twice.
    LAB = CLIENT = None


def virsh(line, **options):
    return LAB.virsh(line, timeout=PATIENCE, **options)


def define(sample, name, *changes):
    domain = CLIENT.connection.defineXML(xml(sample, name, *changes))
    LAB.run(f'lab-guest forget {name}', check=False)
    return domain


def in_time(call):
    """libxl gives a script 40 s, and our helper nbd-client 24 s, which are few on a busy machine: once more, then."""
    def done():
        try:
            return call() == 0
        except libvirt.libvirtError as error:
            if not re.search('because of timeout|took longer than', str(error)):
                raise
            return False

    wait_for(done, 'what a script does')


def remove(name):
    virsh(f'destroy {name}', check=False)
    virsh(f'undefine {name}', check=False)


@unittest.skipIf(REFUSAL, REFUSAL)
class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.io_errors = []
        for number in (libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON):
            callback = CLIENT.connection.domainEventRegisterAny(
                None, number, lambda _c, domain, *what: cls.io_errors.append((domain.name(), *what[:-1])), None)
            cls.addClassCleanup(CLIENT.connection.domainEventDeregisterAny, callback)
        cls.addClassCleanup(LAB.run, 'umount /tmp/full')
        LAB.run(FULL)

    def matches(self, command, *patterns):
        out = virsh(command)
        for pattern in patterns:
            self.assertRegex(out, re.compile(pattern, re.M))

    def refused(self, command, pattern):
        with self.assertRaisesRegex(xenhost.Failed, pattern):
            virsh(command)


class TestDisks(Case):
    """One PV guest with all of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        LAB.run("""cd /tmp; truncate -s 16M d.raw d.block d.ro d.nbd d.nbd2; truncate -s 64K d.ro
            for format in qcow qcow2 vpc; do qemu-img create -q -f $format d.$format 16M; done""")
        cls.block = LAB.run('losetup -f --show /tmp/d.block').strip()
        cls.addClassCleanup(LAB.run, f'losetup -d {cls.block}')
        # nbds_max: less to make in an emulated host.
        LAB.run('modprobe nbd nbds_max=4')
        for options, file in (("-x 'my disk' -p 10809", 'd.nbd'), ('-p 10810', 'd.nbd2')):
            pid = f'/run/{file}.pid'
            LAB.run(f'qemu-nbd --fork --persistent -e 4 --pid-file={pid} -f raw -b 127.0.0.1 {options} /tmp/{file}')
            cls.addClassCleanup(LAB.run, f'kill $(cat {pid})')
        cls.addClassCleanup(remove, 'disks')
        rows = [('file', "name='qemu' type='qcow2' discard='unmap'", 'file', '/tmp/d.qcow2', ''),
                ('file', "name='qemu' type='vhd'", 'file', '/tmp/d.vpc', ''),
                ('file', "name='qemu' type='raw'", 'file', '/tmp/d.ro', '<readonly/>'),
                ('block', "name='phy' type='raw'", 'dev', cls.block, ''),
                ('file', "name='qemu' type='raw'", 'file', '/tmp/full/pv.img', '')]
        disks = [DISK.format(type=kind, driver=driver, source=f"{word}='{source}'", target=f'xvd{letter}', more=more)
                 for (kind, driver, word, source, more), letter in zip(rows, 'bcdef')]
        disks.append(SERVER.format(protocol='nbd', name="name='my disk'", port=10809, target='xvdg'))
        cls.domain = define('pv', 'disks', ('/srv/guests/pv.img', '/tmp/d.raw'), ('<interface', ''.join(disks) + '<interface'))
        in_time(cls.domain.create)
        cls.said = LAB.wait_console('disks', 'guest: ready', PATIENCE)

    def hears(self, target, what):
        self.assertRegex(self.said, rf'(?m)^guest: disk {target} {what}$')

    def plug(self, disk):
        in_time(lambda: self.domain.attachDevice(disk))

    def unplug(self, target):
        """A guest that is too busy to let go of it in the time that it has is asked again."""
        def done():
            try:
                return virsh(f'detach-disk disks {target}') or True
            except xenhost.Failed as failed:
                if 'does not let go' not in str(failed):
                    raise
                return False

        wait_for(done, f'{target} to go')

    @staticmethod
    def connections():
        """Of NBD, by their devices."""
        return LAB.run('ls -d /sys/block/nbd*/pid 2>/dev/null || true').split()

    def test_formats(self):
        """Images that QEMU serves, read and written by the guest."""
        for target in ('xvda', 'xvdb', 'xvdc'):
            self.hears(target, r'1638[48] kB: ok, start 1')
        LAB.run('cd /tmp; for f in qcow2 vpc; do qemu-img convert -U -f $f -O raw d.$f d.out; head -c 13 d.out | grep "xenlab disk 1"; done')
        self.matches('domblklist disks', r'^ xvdb +/tmp/d\.qcow2$', r'^ xvdg +my disk$')

    def test_not_served(self):
        """A format that this QEMU does not know: at the start, and plugged in. The guest would wait for its disk."""
        disk = DISK.format(type='file', driver="name='qemu' type='qcow'", source="file='/tmp/d.qcow'", target='xvdk', more='')
        with self.assertRaisesRegex(libvirt.libvirtError, "disk 'xvdk': the device model cannot serve it: .*Unknown driver 'qcow'"):
            self.domain.attachDevice(disk)
        self.assertNotIn('xvdk', virsh('domblklist disks'))
        self.addCleanup(remove, 'other')
        define('stub', 'other', ('<devices>', f'<devices>{disk}'))
        self.refused('start other', "cannot start domain 'other': disk 'xvdk': the device model .*Unknown driver 'qcow'")
        self.assertNotIn('other', LAB.guests())

    def test_read_only(self):
        """QEMU 7.2 serves none, so dom0's kernel does."""
        self.hears('xvdd', '64 kB, read-only: fcd6bcb56c1689fcef28b57c22475bad')

    def test_block(self):
        """It is nobody else's as long as the guest has it."""
        self.hears('xvde', '16384 kB: ok, start 1')
        self.assertIn('xenlab disk 1', LAB.run(f'head -c 16 {self.block}'))
        self.addCleanup(remove, 'other')
        more = DISK.format(type='block', driver="name='phy'", source=f"dev='{self.block}'", target='xvda', more='')
        define('stub', 'other', ('<devices>', f'<devices>{more}'))
        self.refused('start other', "is in use by domain disks")
        self.assertNotIn('other', LAB.guests())

    def test_full(self):
        """QEMU as the back end of a PV disk tells the guest of an error, and nobody else."""
        self.hears('xvdf', '1024 kB: failed, it does not hold what was written')
        self.matches('domstate disks', '^running$')
        self.assertEqual([event for event in self.io_errors if event[0] == 'disks'], [])
        self.refused('domblkerror disks', 'not supported')

    def test_nbd(self):
        """At the start of the domain, and plugged in; an export by its name, and the server's only one."""
        self.hears('xvdg', '16384 kB: ok, start 1')
        self.assertIn('xenlab disk 1', LAB.run('head -c 16 /tmp/d.nbd'))
        self.assertEqual(len(self.connections()), 1)
        self.plug(SERVER.format(protocol='nbd', name='', port=10810, target='xvdj'))
        LAB.wait_console('disks', 'guest: disk xvdj 16384 kB: ok, start 1', PATIENCE)
        self.assertEqual(len(self.connections()), 2)
        self.unplug('xvdj')
        self.assertEqual(len(self.connections()), 1)
        self.assertIn('xenlab disk 1', LAB.run('head -c 16 /tmp/d.nbd2'))
        # Their errors are nbd-client's.
        for name, port, error in (("name='none'", 10809, "export 'none'.*not present"), ('', 10811, 'Connection refused')):
            with self.assertRaisesRegex(libvirt.libvirtError, f'cannot connect to the NBD server 127.0.0.1, port {port}.*{error}'):
                self.plug(SERVER.format(protocol='nbd', name=name, port=port, target='xvdj'))
        self.assertNotIn('xvdj', virsh('domblklist disks'))
        self.assertEqual(len(self.connections()), 1)

    @xenhost.long
    def test_iscsi(self):
        """By Xen's block-iscsi; plugged in."""
        self.addCleanup(LAB.run, NO_ISCSI, check=False)
        LAB.run(ISCSI)
        with self.assertRaisesRegex(libvirt.libvirtError, 'No matching target iqn found'):
            self.plug(SERVER.format(protocol='iscsi', name="name='iqn.2026-11.org.lab:none'", port=3260, target='xvdk'))
        self.plug(SERVER.format(protocol='iscsi', name=f"name='{IQN}/0'", port=3260, target='xvdk'))
        LAB.wait_console('disks', 'guest: disk xvdk 16384 kB: ok, start 1', PATIENCE)
        self.unplug('xvdk')
        self.assertIn('xenlab disk 1', LAB.run('head -c 16 /tmp/iscsi.img'))
        self.assertIn('No active sessions', LAB.run('iscsiadm -m session 2>&1', check=False))

    def test_undone(self):
        """The last: a destroyed guest leaves no connection, and a disk that is not there no guest."""
        self.domain.destroy()
        wait_for(lambda: self.connections() == [], 'the connections to be closed')
        self.addCleanup(LAB.run, 'mv /tmp/d.gone /tmp/d.qcow2')
        LAB.run('mv /tmp/d.qcow2 /tmp/d.gone')
        self.refused('start disks', r'd\.qcow2.*No such file')
        self.assertNotIn('disks', LAB.guests())
        self.assertEqual(self.connections(), [])


class TestDeviceModel(Case):
    """Firmware, and a boot sector that can write: on a disk without space, with a SPICE display."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(remove, 'full')
        cls.domain = define('hvm-disk', 'full', ('/srv/guests/hvm-disk.img', '/tmp/full/boot.img'),
                            ('</devices>', """<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
                                <graphics type='spice' autoport='yes'/><video><model type='cirrus'/></video></devices>"""))
        cls.domain.create()

    def stopped(self, times):
        """What a client hears each time that the disk has no space; QEMU tries it again when the domain is resumed."""
        error = ('full', '/tmp/full/boot.img', 'ide-disk0', libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
        wait_for(lambda: len(self.io_errors) >= 2 * times, 'the events')
        self.assertEqual(sorted(self.io_errors, key=len), [error] * times + [(*error, 'enospc')] * times)
        CLIENT.wait_event('full', libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
        self.matches('domstate full --reason', r'^paused \(I/O error\)$')
        self.assertIn('p', next(state for name, _, state in LAB.domains() if name == 'full'))

    def test_no_space(self):
        LAB.ask('full', 'x', 'boot sector: up')
        CLIENT.forget_events()
        LAB.run("lab-guest ask full w 1")
        self.stopped(1)
        CLIENT.forget_events()
        virsh('resume full')
        self.stopped(2)
        LAB.run('rm /tmp/full/rest')
        virsh('resume full')
        LAB.ask('full', 'x', 'boot sector: up')
        self.assertEqual(LAB.run('tail -c +32257 /tmp/full/boot.img | head -c 512 | tail -c 2 | od -A n -t x1').split(), ['55', 'aa'])
        self.matches('domstate full', '^running$')
        self.assertEqual(len(self.io_errors), 4)

    def test_empty_drive(self):
        self.matches('domblklist full', '^ hdc +-$')
        self.matches("qemu-monitor-command full --hmp 'info block'", r'^ide-\d+.*: \[not inserted\]')

    def test_spice(self):
        """Its port is chosen for it; who comes to it is told."""
        graphics = []
        callback = CLIENT.connection.domainEventRegisterAny(
            self.domain, libvirt.VIR_DOMAIN_EVENT_ID_GRAPHICS,
            lambda _c, _d, phase, local, *_: graphics.append((phase, local['service'])), None)
        self.addCleanup(CLIENT.connection.domainEventDeregisterAny, callback)
        port = re.search(r'^spice://localhost:(\d+)$', virsh('domdisplay full'), re.M)[1]
        self.assertRegex(self.domain.XMLDesc(), f"<graphics type='spice' port='{port}' autoport='yes'")
        self.assertNotIn('port=', re.search('<graphics.*', self.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))[0].replace('autoport', ''))
        LAB.run(f'exec 3<>/dev/tcp/127.0.0.1/{port}; exec 3>&-')
        wait_for(lambda: len(graphics) >= 2, 'the visit')
        self.assertEqual(graphics, [(libvirt.VIR_DOMAIN_EVENT_GRAPHICS_CONNECT, port), (libvirt.VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT, port)])

    def test_spice_taken(self):
        """What QEMU says of a port that somebody has; nothing is left."""
        self.addCleanup(remove, 'second')
        port = re.search(r'(\d+)$', virsh('domdisplay full').strip())[1]
        define('hvm-disk', 'second', ('</devices>', f"<graphics type='spice' port='{port}' autoport='no'/></devices>"))
        self.refused('start second', 'device model did not start.*the device model says: .*failed to initialize spice server')
        self.assertNotIn('second', LAB.guests())


if __name__ == '__main__':
    tap.main()
