#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices of running domains and the less common calls on real Xen: what stock virsh asks for is what
the guest sees, what Xen has, and what a client hears of it."""
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..'), os.path.join(HERE, '../client')]
import tap  # noqa: E402
import xenhost  # noqa: E402
from harness import Wire  # noqa: E402
from xenclient import PATIENCE, Client, libvirt, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal() or (None if libvirt else 'python3-libvirt is not installed')
LAB = None
MAC = '00:16:3e:00:08:08'
UUID = '0b5e55ed-0000-4000-8000-000000000001'
CDROM = ("<devices>", """<devices><disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
    <source file='/tmp/first.iso'/><target dev='hdc' bus='ide'/><readonly/></disk>
    <graphics type='vnc' autoport='yes'/><video><model type='cirrus' vram='8192'/></video>""")

VOLUME = """<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='p' volume='{1}'/>
    <target dev='{0}' bus='xen'/></disk>"""
# libvirtd in dom0 with the storage driver alone, where xlvirtd looks for it.
STORAGE_DAEMON = r"""set -e
mkdir -p /tmp/storage.d /srv/pool
ln -sf /usr/lib/*/libvirt/connection-driver/libvirt_driver_storage.so /tmp/storage.d
printf '%s\n' 'unix_sock_dir = "/run/libvirt"' 'auth_unix_rw = "none"' 'auth_unix_ro = "none"' > /tmp/storage.conf
LIBVIRT_DRIVER_DIR=/tmp/storage.d libvirtd -d -f /tmp/storage.conf -p /run/storage.pid"""


def setUpModule():
    global LAB
    if not REFUSAL:
        LAB = xenhost.Lab()
        LAB.__enter__()


def tearDownModule():
    if LAB:
        LAB.__exit__()


def virsh(line, **options):
    return LAB.virsh(line, timeout=PATIENCE, **options)


def define(sample, name, *changes):
    with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
        file.write(xml(sample, name, *changes))
        file.flush()
        virsh(f'define {file.name}')


def remove(name):
    virsh(f'destroy {name}', check=False)
    virsh(f'undefine {name}', check=False)


def start_linux(sample, name, *changes):
    """A Linux guest of the lab, up; its kernel hears every SysRq."""
    LAB.run(f'lab-guest forget {name}', check=False)
    define(sample, name, ('quiet', 'quiet sysrq_always_enabled'), *changes)
    virsh(f'start {name}')
    LAB.wait_console(name, 'guest: ready', PATIENCE)


def xen_state(name):
    """The letters of xl list."""
    return next((letters for of, _, letters in LAB.domains() if of == name), None)


class Events:
    """`virsh event` beside the test: all that a domain causes."""

    def __init__(self, name):
        self.file = tempfile.NamedTemporaryFile('w')
        # Line by line, or the file has nothing until it ends.
        self.process = subprocess.Popen(
            ['stdbuf', '-oL', 'virsh', '-c', LAB.uri(), 'event', name, '--all', '--loop'],
            stdin=subprocess.DEVNULL, stdout=self.file, stderr=subprocess.STDOUT)
        # It says nothing when it has begun to listen: something is done until it hears it.
        wait_for(lambda: virsh(f'desc {name} --live --new-desc listening') and 'metadata-change' in self.heard(),
                 'virsh event to listen')

    def heard(self):
        with open(self.file.name, encoding='utf-8') as file:
            return file.read()

    def wait(self, pattern):
        wait_for(lambda: re.search(pattern, self.heard()), f'{pattern} from virsh event')

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.file.close()


@unittest.skipIf(REFUSAL, REFUSAL)
class Case(unittest.TestCase):
    def matches(self, command, *patterns):
        out = virsh(command)
        for pattern in patterns:
            self.assertRegex(out, re.compile(pattern, re.M))
        return out

    def refused(self, command, pattern):
        with self.assertRaisesRegex(xenhost.Failed, pattern):
            virsh(command)

    def counted(self, command, pattern):
        """Until the number in an answer is not 0."""
        wait_for(lambda: int(re.search(pattern, virsh(command))[1]), f'a figure of {command}')


class TestGuest(Case):
    """One Linux guest that runs all along."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(remove, 'dev')
        start_linux('pv', 'dev', ('<console', "<channel type='pty'><target type='xen' name='org.lab'/></channel><console"))
        cls.domid = LAB.guests()['dev']
        cls.events = Events('dev')
        cls.addClassCleanup(cls.events.end)

    def backends(self, kind):
        return LAB.run(f'xenstore-list /local/domain/0/backend/{kind}/{self.domid} 2>/dev/null || true').split()

    @staticmethod
    def detach(command):
        """A disk. A guest that is too busy to let go of it in the time that it has is asked again."""
        def let_go():
            try:
                return virsh(command) or True
            except xenhost.Failed as failed:
                if 'does not let go' not in str(failed):
                    raise
                return False

        wait_for(let_go, command)

    def disk(self, source, target, options, between=lambda: None, live=''):
        """A disk comes and goes; the guest has used it between."""
        virsh(f'attach-disk dev {source} {target} --targetbus xen {options} {live}')
        self.events.wait(r"event 'device-added' for domain 'dev'.*: xen-disk\d")
        LAB.wait_console('dev', f'guest: disk {target} ', PATIENCE)
        self.matches('domblklist dev', rf'^ {target} +{source}$')
        self.assertEqual(len(self.backends('vbd')), 1)
        self.counted(f'domblkstat dev {target}', r'rd_bytes (\d+)')
        self.counted(f'domblkstat dev {target}', r'wr_bytes (\d+)')
        between()
        self.detach(f'detach-disk dev {target} {live}')
        self.events.wait(r"event 'device-removed' for domain 'dev'.*: xen-disk\d")
        self.assertNotIn(target, virsh('domblklist dev'))
        self.assertEqual(self.backends('vbd'), [])

    def test_disk_file(self):
        """A raw image, for which the hotplug helper makes a loop device, and takes it away."""
        LAB.run('truncate -s 16M /tmp/added.img')
        self.disk('/tmp/added.img', 'xvdb', '--sourcetype file --subdriver raw', self.grow)
        wait_for(lambda: LAB.run('losetup -j /tmp/added.img') == '', 'the loop device to go')

    def test_limits(self):
        """Of the disk that QEMU serves."""
        virsh('blkdeviotune dev xvda --total-bytes-sec 20000000 --live')
        self.matches('blkdeviotune dev xvda', r'^total_bytes_sec *: 20000000$')

    def test_threshold(self):
        """The guest writes beyond it; it is told once."""
        virsh('domblkthreshold dev xvda 1M')
        LAB.run("lab-guest ask dev 'dd if=/dev/zero of=/dev/xvda bs=64k seek=8 count=64 conv=fsync' 3", check=False)
        self.events.wait(r"event 'block-threshold' for domain 'dev': dev: xvda\(/srv/guests/pv\.img\) 1048576 \d+")
        self.assertEqual(self.events.heard().count('block-threshold'), 1)
        self.refused('domblkthreshold dev xvdz 1M', "block device 'xvdz' doesn't exist")

    def grow(self):
        connection = libvirt.open(LAB.uri())
        self.assertGreater(connection.lookupByName('dev').blockStats('xvdb')[1], 0)
        connection.close()
        virsh('blockresize dev xvdb 32M')
        self.matches('domblkinfo dev xvdb', r'^Capacity: +33554432$')
        self.assertEqual(LAB.run('stat -c %s /tmp/added.img').strip(), '33554432')

    def test_disk_block(self):
        LAB.run('truncate -s 16M /tmp/block.img')
        device = LAB.run('losetup -f --show /tmp/block.img').strip()
        self.addCleanup(LAB.run, f'losetup -d {device}')
        self.disk(device, 'xvdc', '--sourcetype block --driver phy', live='--live')

    def test_interface(self):
        virsh(f'attach-interface dev bridge xenbr0 --mac {MAC}')
        self.events.wait(r"event 'device-added' for domain 'dev'.*: net1")
        # Whether dom0 answers on it, or on eth0 in the same network, is theirs to choose.
        LAB.wait_console('dev', f'guest: net eth1 {MAC}', PATIENCE)
        self.matches('domiflist dev', rf'^ vif{self.domid}\.1 +bridge +xenbr0 .*{MAC}$')
        self.assertIn('xenbr0', LAB.run(f'ip -o link show vif{self.domid}.1'))
        self.counted(f'domifstat dev vif{self.domid}.1', r'tx_packets (\d+)')
        virsh(f'detach-interface dev bridge --mac {MAC}')
        self.events.wait(r"event 'device-removed' for domain 'dev'.*: net1")
        self.assertNotIn(MAC, virsh('domiflist dev'))
        self.assertEqual(self.backends('vif'), ['0'])
        self.refused(f'domifstat dev vif{self.domid}.1', f'vif{self.domid}.1')

    def test_address(self):
        """What dom0 learned when the guest asked it for an answer."""
        LAB.ask('dev', 'ping -c 1 10.77.0.1', '1 packets received')
        wait_for(lambda: '10.77.1.1' in virsh('domifaddr dev --source arp'), "the guest's address")
        # And what it says itself, in the place that guests have for it.
        attr = f'/local/domain/{self.domid}/attr'
        self.assertRegex(LAB.run(f'xenstore-ls -p {attr}', check=False) + LAB.run(f'xenstore-ls -p /local/domain/{self.domid}'),
                         rf'(?m)^attr = .*\(n{self.domid}')
        self.assertNotIn('ipv', virsh('domifaddr dev --source agent'))
        LAB.run(f"xenstore-write {attr}/vif/0/ipv4/0 10.77.1.9 {attr}/vif/0/ipv4/junk 'no address' {attr}/vif/0/ipv6/a fd00::9")
        self.matches('domifaddr dev --source agent', r'ipv4 +10\.77\.1\.9/16$', r'ipv6 +fd00::9/')
        self.assertNotIn('no address', virsh('domifaddr dev --source agent'))

    def test_alias(self):
        LAB.run('truncate -s 16M /tmp/named.img')
        virsh('attach-disk dev /tmp/named.img xvdd --targetbus xen --sourcetype file --subdriver raw')
        LAB.wait_console('dev', 'guest: disk xvdd ', PATIENCE)
        # Its name is in the definition, before its end.
        disk = re.search(r"(?s)/tmp/named\.img.*?<alias name='(xen-disk\d+)'", virsh('dumpxml dev'))[1]
        self.detach(f'detach-device-alias dev {disk} --live')
        wait_for(lambda: self.backends('vbd') == [], 'the disk to go')

    def test_sleep(self):
        virsh('dompmsuspend dev --target mem')
        self.matches('domstate dev', '^pmsuspended$')
        virsh('dompmwakeup dev')
        self.matches('domstate dev', '^running$')
        self.assertEqual(LAB.guests()['dev'], self.domid)
        LAB.ask('dev', 'echo $((6 * 9))th', '54th')

    def test_dump(self):
        """All its memory in an ELF file of dom0, while it runs on."""
        self.addCleanup(LAB.run, 'rm -f /tmp/dev.core')
        for options in ('--live', '--live --memory-only'):
            virsh(f'dump dev /tmp/dev.core {options}')
            self.assertEqual(LAB.run("head -c 4 /tmp/dev.core | tr -d '\\177'"), 'ELF')
            self.assertGreaterEqual(int(LAB.run('stat -c %s /tmp/dev.core')), 127 << 20)
        self.matches('domstate dev', '^running$')
        self.assertEqual(LAB.guests()['dev'], self.domid)

    def test_keys(self):
        """Alt+SysRq+H: the guest's kernel lists what it knows."""
        virsh('send-key dev KEY_LEFTALT KEY_SYSRQ KEY_H')
        LAB.wait_console('dev', 'sysrq: HELP', PATIENCE)
        self.refused('send-key dev KEY_A', 'not supported|SysRq')

    def test_nmi(self):
        virsh('inject-nmi dev')
        LAB.wait_console('dev', 'NMI received', PATIENCE)
        self.matches('domstate dev', '^running$')

    def test_channel(self):
        """A second console of the guest's, by its name."""
        connection = libvirt.open(LAB.uri())
        self.addCleanup(connection.close)
        stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        connection.lookupByName('dev').openChannel('org.lab', stream)
        self.addCleanup(stream.abort)
        LAB.ask('dev', 'stty raw -echo </dev/hvc1; cat </dev/hvc1 >/dev/hvc1 & echo $((6 * 7))th', '42th')
        said = b''

        def answered():
            nonlocal said
            if said == b'':
                stream.send(b'hello')
            data = stream.recv(100)
            said += data if isinstance(data, bytes) else b''
            return b'hello' in said

        wait_for(answered, 'an answer on the channel')
        self.refused('detach-device-alias dev channel0 --live', 'not supported')

    def test_rename(self):
        """While it runs; for Xen, too."""
        virsh('domrename dev renamed')
        try:
            self.assertEqual(LAB.guests()['renamed'], self.domid)
            self.matches('list --all', rf'^ {self.domid} +renamed +running$')
            self.refused('dominfo dev', 'Domain not found|failed to get domain')
        finally:
            virsh('domrename renamed dev')
        self.assertEqual(LAB.guests()['dev'], self.domid)


class TestCrash(Case):
    """The stub ends with a crash when a c is typed."""

    def start(self, name, *changes):
        self.addCleanup(remove, name)
        LAB.run(f'lab-guest forget {name}', check=False)
        define('stub', name, *changes)
        virsh(f'start {name}')
        LAB.wait_console(name, 'stub: up', PATIENCE)

    def test_preserve(self):
        """It stays as it is, for somebody to look at."""
        self.start('kept', ('<on_crash>destroy', '<on_crash>preserve'))
        LAB.run('lab-guest ask kept c 1')
        wait_for(lambda: 'crashed' in virsh('domstate kept'), 'the crash')
        self.assertRegex(xen_state('kept'), 'c')
        virsh('destroy kept')
        self.assertNotIn('kept', LAB.guests())

    def test_core(self):
        """What is to happen, changed while it runs: its memory is kept, and it goes."""
        self.addCleanup(LAB.run, 'rm -f /var/lib/libvirt/libxl/dump/core-*')
        self.start('core')
        virsh('set-lifecycle-action core crash coredump-destroy --live')
        LAB.run('lab-guest ask core c 1')
        wait_for(lambda: 'core' not in LAB.guests(), 'the domain to go')
        wait_for(lambda: re.search(r'shut off \(crashed\)', virsh('domstate core --reason')), 'its end')
        core = LAB.run('ls /var/lib/libvirt/libxl/dump/core-*').split()
        self.assertEqual(len(core), 1, core)
        self.assertEqual(LAB.run(f"head -c 4 {core[0]} | tr -d '\\177'"), 'ELF')


class TestHvm(Case):
    """Firmware, a boot sector and a display."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(remove, 'media')
        LAB.run('truncate -s 2M /tmp/first.iso; truncate -s 4M /tmp/second.iso')
        define('hvm-disk', 'media', CDROM)

    def setUp(self):
        if 'media' not in LAB.guests():
            virsh('start media')

    @staticmethod
    def is_open(path):
        """By the guest's QEMU."""
        domid = LAB.guests()['media']
        return f'-> {path}\n' in LAB.run(f'ls -l /proc/$(xenstore-read /local/domain/{domid}/image/device-model-pid)/fd')

    def test_media(self):
        """Of its CD-ROM drive: changed, ejected, put in again."""
        self.assertTrue(self.is_open('/tmp/first.iso'))
        self.assertFalse(self.is_open('/tmp/second.iso'))
        virsh('change-media media hdc /tmp/second.iso --update --live')
        self.matches('domblklist media', r'^ hdc +/tmp/second\.iso$')
        self.assertTrue(self.is_open('/tmp/second.iso'))
        virsh('change-media media hdc --eject --live')
        self.matches('domblklist media', r'^ hdc +-$')
        # The PV half of the drive is closed after that.
        wait_for(lambda: not self.is_open('/tmp/second.iso'), 'QEMU to close the medium')
        virsh('change-media media hdc /tmp/second.iso --insert --live')
        self.assertTrue(self.is_open('/tmp/second.iso'))

    def test_screen(self):
        with tempfile.TemporaryDirectory() as folder:
            virsh(f'screenshot media {folder}/screen')
            with open(f'{folder}/screen', 'rb') as file:
                self.assertRegex(file.read(20), rb'^P6\s\d+ \d+\s')
        self.matches('vncdisplay media', r'^(127\.0\.0\.1)?:\d+$')

    def test_told(self):
        """What the device model tells by itself, also after the daemon was started again: trays that it moves, who
        comes to its screen, and that it has ended without its domain."""
        LAB.run('lab-xlvirtd restart')
        events = Events('media')
        self.addCleanup(events.end)
        drive = f"ide-{22 << 8}"
        LAB.run(f"xl qemu-monitor-command media 'eject -f {drive}'")
        events.wait("event 'tray-change' for domain 'media' disk ide-disk2: opened")
        self.matches('dumpxml media', "<target dev='hdc' bus='ide' tray='open'/>")
        LAB.run(f"xl qemu-monitor-command media 'change {drive} /tmp/first.iso'")
        events.wait("event 'tray-change' for domain 'media' disk ide-disk2: closed")
        self.matches('dumpxml media', "<target dev='hdc' bus='ide'/>")
        display = int(self.matches('vncdisplay media').strip().split(':')[1])
        LAB.run(f"exec 3<>/dev/tcp/127.0.0.1/{5900 + display}; head -c 12 <&3; exec 3>&-")
        events.wait(r"event 'graphics' for domain 'media': connect local\[IPv4 127\.0\.0\.1 59\d\d\] remote\[IPv4 127")
        events.wait("event 'graphics' for domain 'media': disconnect")
        self.assertNotIn('control-error', events.heard())
        LAB.run('kill -9 $(xenstore-read /local/domain/$(xl domid media)/image/device-model-pid)')
        events.wait("event 'control-error' for domain 'media'")
        self.matches('domstate media', '^running$')
        self.refused('domblkthreshold media hda 1M', 'not supported')
        virsh('destroy media')
        self.assertEqual(events.heard().count('control-error'), 1)

    def test_monitor(self):
        self.matches("qemu-monitor-command media --hmp 'info status'", 'running')

    def test_images(self):
        """Saved, looked into, changed and taken up again."""
        path = '/var/lib/libvirt/libxl/save/media.image'
        self.addCleanup(LAB.run, f'rm -f {path}')
        virsh(f'save media {path} --running')
        self.assertNotIn('media', LAB.guests())
        saved = self.matches(f'save-image-dumpxml {path}', '<name>media</name>')
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(saved.replace('<name>media</name>', '<name>media</name><title>changed</title>'))
            file.flush()
            virsh(f'save-image-define {path} {file.name}')
        virsh(f'restore {path}')
        self.matches('desc media --title', '^changed$')
        virsh('managedsave media')
        self.matches('dominfo media', '^Managed save: +yes$')
        kept = self.matches('managedsave-dumpxml media', '<title>changed</title>')
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(kept.replace('>changed<', '>again<'))
            file.flush()
            virsh(f'managedsave-define media {file.name}')
        self.matches('managedsave-dumpxml media', '<title>again</title>')
        virsh('managedsave-remove media')
        self.matches('dominfo media', '^Managed save: +no$')


    def test_params(self):
        """Saved and taken up by the calls that virsh does not make."""
        connection = libvirt.open(LAB.uri())
        self.addCleanup(connection.close)
        path = '/var/lib/libvirt/libxl/save/params.image'
        self.addCleanup(LAB.run, f'rm -f {path}')
        connection.lookupByName('media').saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: path})
        self.assertNotIn('media', LAB.guests())
        connection.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: path})
        self.matches('domstate media', '^running$')

    def dump(self, then):
        """A core dump, of which `then` is done when it is under way; what it failed of. Its process is stopped as soon as
        it is there: it is not done too early."""
        # One for each: without an event loop two calls on one connection may wait for each other.
        connections = [libvirt.open(LAB.uri()) for _ in range(2)]
        for connection in connections:
            self.addCleanup(connection.close)
        domain, dumped = (connection.lookupByName('media') for connection in connections)
        failed = []

        def run():
            try:
                dumped.coreDump('/tmp/media.core', libvirt.VIR_DUMP_LIVE)
            except libvirt.libvirtError as error:
                failed.append(error.get_error_code())

        LAB.run('(until pkill -STOP xlvirt-dump; do :; done) >/dev/null 2>&1 &')
        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE, 'the job')
        wait_for(lambda: 'T' in LAB.run('ps -C xlvirt-dump-core -o stat= || true'), 'its process to be stopped')
        then(domain)
        thread.join()
        self.assertEqual(LAB.run('ls /tmp/media.core* 2>/dev/null || true'), '')
        self.assertEqual(LAB.run('pgrep xlvirt-dump || true'), '')
        return failed

    def test_abort(self):
        """A dump, whose process is ended: the guest runs on."""
        for call in (lambda d: d.abortJob(), lambda d: d.abortJobFlags(0)):
            self.assertEqual(self.dump(call), [libvirt.VIR_ERR_OPERATION_ABORTED])
        self.matches('domstate media', '^running$')

    def test_ended_in_a_dump(self):
        """Nothing of it stays behind, not even what Xen keeps while its memory is mapped."""
        self.assertEqual(len(self.dump(lambda d: d.destroy())), 1)
        LAB.wait_gone()


class TestMemory(Case):
    def dom0(self):
        """Its memory in MB."""
        return int(LAB.run('xl list 0').splitlines()[1].split()[2])

    def test_balloon(self):
        """A start that needs more than is free: dom0 is left alone where Xen gave it a size of its own, and else gives back
        what is missing."""
        before = self.dom0()
        wanted = LAB.memory()[1] + 64
        self.addCleanup(LAB.run, f'xl mem-set 0 {before}m')
        self.addCleanup(remove, 'big')
        define('stub', 'big', ("<memory unit='MiB'>8<", f"<memory unit='MiB'>{wanted}<"))
        self.refused('start big', '[Mm]emory')
        self.assertEqual(self.dom0(), before)
        self.addCleanup(LAB.run, "sed -i '/^autoballoon/d' /etc/libvirt/virtxend.conf; lab-xlvirtd restart")
        LAB.run("echo 'autoballoon = \"on\"' >>/etc/libvirt/virtxend.conf; lab-xlvirtd restart")
        virsh('start big')
        self.matches('domstate big', '^running$')
        self.assertLess(self.dom0(), before)


class TestSmall(Case):
    """What needs no Linux."""

    def socket(self, _readonly):
        """For Wire."""
        return re.search('socket=(.*)', LAB.uri())[1]

    def test_wire(self):
        """Calls that stock clients make by themselves, or with another driver's help."""
        with Wire(self) as wire:
            self.assertIn(b'xen:///system', wire.call(110)[1])
            self.assertEqual(wire.call(60, struct.pack('>i', 10)), (0, struct.pack('>i', 1)))
            # No IOMMU here: nothing is taken from its driver.
            code, _, message = wire.error(118, Wire.text(b'pci_0000_00_02_0'))
            self.assertEqual(code, libvirt.VIR_ERR_NO_SUPPORT)
            self.assertIn('IOMMU', message)
        self.assertIn('virtio-pci', LAB.run('readlink /sys/bus/pci/devices/0000:00:02.0/driver'))

    def test_unanswered(self):
        """A guest that does not answer keeps nobody waiting, and its domain free for other calls."""
        self.addCleanup(remove, 'deaf')
        define('stub', 'deaf')
        virsh('start deaf')
        before = time.monotonic()
        for command in ('shutdown', 'reboot', 'shutdown'):
            virsh(f'{command} deaf')
        virsh('suspend deaf')
        virsh('destroy deaf')
        self.assertLess(time.monotonic() - before, 240)

    def test_reset(self):
        """Started anew from what it was, also from what only the running one is."""
        self.addCleanup(remove, 'again')
        define('stub', 'again')
        virsh('start again')
        first = LAB.guests()['again']
        virsh('reset again')
        self.assertNotEqual(LAB.guests()['again'], first)
        self.matches('domstate again', '^running$')

    def test_volume(self):
        """A volume of a storage pool is what the storage daemon in dom0 says that it is, to libxl, too."""
        self.addCleanup(LAB.run, 'kill $(cat /run/storage.pid); rm -rf /srv/pool /tmp/storage*', check=False)
        LAB.run(STORAGE_DAEMON)  # it is up when this returns
        virsh('pool-create-as p dir --target /srv/pool')
        for volume in ('first', 'second'):
            virsh(f'vol-create-as p {volume} 1M')
        self.addCleanup(remove, 'volumes')
        define('stub', 'volumes', ('</devices>', VOLUME.format('xvda', 'first') + '</devices>'))
        virsh('start volumes')
        plug = self.enterContext(tempfile.NamedTemporaryFile('w', suffix='.xml'))
        plug.write(VOLUME.format('xvdb', 'second'))
        plug.flush()
        virsh(f'attach-device volumes {plug.name} --live')
        self.matches('domblklist volumes', r'^ xvda +first\n xvdb +second$')
        self.matches('domstats --block volumes', r'path=/srv/pool/first$', r'path=/srv/pool/second$')
        used = LAB.run('xenstore-ls -f /local/domain/0/backend | grep params')
        for volume in ('first', 'second'):
            self.assertIn(f'/srv/pool/{volume}"', used)
        virsh(f'detach-device volumes {plug.name} --live')
        virsh('pool-destroy p')
        self.refused(f'attach-device volumes {plug.name} --live', "no storage pool with matching name 'p'")

    def test_host(self):
        self.matches('version', r'^Running hypervisor: Xen 4\.\d+\.\d+$')
        self.matches('hostname', '^xen1$')
        self.matches('maxvcpus', r'^[1-9]\d*$')
        total = LAB.memory()[0] << 10
        stated = int(re.search(r'Memory size: +(\d+) KiB', self.matches('nodeinfo', r'^CPU model: +x86_64$'))[1])
        self.assertLess(abs(stated - total), 2048)
        self.matches('freecell', r'^Total: +[1-9]\d* KiB$')
        self.matches('nodecpumap', r'^CPUs online: +[1-9]')
        self.matches('capabilities', '<arch name=.x86_64', '<os_type>xen</os_type>', '<os_type>hvm</os_type>')
        self.matches('domcapabilities', '<domain>xen</domain>')

    def test_processors(self):
        """The host has the features that Xen tells of it, and guests those that Xen gives to them."""
        words = [int(word, 16) for word in re.search(r'^hw_caps +: (\S+)$', LAB.run('xl info'), re.M)[1].split(':')]
        self.matches('cpu-models x86_64', '^qemu64$')
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(self.matches('capabilities', '^ +<model>.+</model>$', '^ +<signature family='))
            file.flush()
            self.matches(f'cpu-compare {file.name}', 'is identical to host CPU')
            host = self.matches(f'cpu-baseline {file.name} --features', '<model ')
            guests = self.matches(f'hypervisor-cpu-baseline {file.name} --features', "fallback='forbid'")
        for name, word, bit in (('sse2', 0, 26), ('cx16', 1, 13), ('avx', 1, 28), ('vmx', 1, 5), ('nx', 2, 20), ('lm', 2, 29),
                                ('svm', 3, 2)):
            self.assertEqual(f"'require' name='{name}'" in host, bool(words[word] >> bit & 1), name)
        self.assertNotRegex(guests, "'require' name='(vmx|svm)'")  # none is nested that does not ask
        self.assertIn("'require' name='lm'", guests)
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write("<cpu><model>486</model><feature policy='require' name='ia64'/></cpu>")
            file.flush()
            self.refused(f'cpu-compare {file.name} --error', 'required features: (vme, )?ia64')
            self.refused(f'hypervisor-cpu-compare {file.name} --machine xenfv --error', 'required features: (vme, )?ia64')

    def test_questions(self):
        """What is asked of a domain that runs, and what changes its definition alone."""
        self.addCleanup(remove, 'asked')
        define('stub', 'asked', ('<memory', f'<uuid>{UUID}</uuid><memory'))
        virsh('start asked')
        domid = LAB.guests()['asked']
        self.matches(f'domname {UUID}', '^asked$')
        self.matches(f'domuuid {domid}', UUID)
        self.matches('domid asked', f'^{domid}$')
        self.matches('vcpuinfo asked', r'^VCPU: +0$', r'^CPU Affinity: +y')
        self.matches('domjobinfo asked', 'None')
        self.matches('domcontrol asked', '^ok$')
        virsh('setmaxmem asked 16M --config')
        virsh('setvcpus asked 2 --maximum --config')
        self.matches('vcpucount asked', r'^maximum +config +2$', r'^maximum +live +1$')
        self.matches('dumpxml asked --inactive', r"<memory unit='KiB'>16384</memory>")
        virsh("metadata asked http://example.org/ --key k --set '<a/>' --live")
        self.matches('metadata asked http://example.org/ --live', '<a/>')
        virsh('autostart asked')
        self.matches('dominfo asked', '^Autostart: +enable$', '^OS Type: +linux$', '^Persistent: +yes$')
        virsh('autostart asked --disable')

    def test_bindings(self):
        """Calls that virsh makes no more, or never made."""
        self.addCleanup(remove, 'bound')
        define('stub', 'bound', ('<memory', f'<uuid>{UUID}</uuid><memory'))
        connection = libvirt.open(LAB.uri())
        self.addCleanup(connection.close)
        self.assertEqual((connection.getType(), connection.isAlive(), connection.isEncrypted(), connection.isSecure()),
                         ('Xen', 1, 0, 1))
        self.assertIn('bound', connection.listDefinedDomains())
        self.assertGreaterEqual(connection.numOfDefinedDomains(), 1)
        domain = connection.lookupByUUIDString(UUID)
        domain.create()
        self.assertIn(LAB.guests()['bound'], connection.listDomainsID())
        self.assertGreaterEqual(connection.numOfDomains(), 2)
        self.assertEqual(connection.lookupByID(domain.ID()).name(), 'bound')
        self.assertEqual((domain.isActive(), domain.isUpdated(), domain.isPersistent()), (1, 0, 1))
        self.assertEqual((domain.OSType(), domain.maxMemory(), domain.maxVcpus()), ('linux', 8192, 1))
        domain.destroy()
        domain.undefine()
        self.assertNotIn('bound', LAB.guests())

    def test_pairs(self):
        """Of two calls for one thing the one that virsh does not make, or only with some option."""
        self.addCleanup(remove, 'pair')
        client = Client(LAB.uri())
        self.addCleanup(client.connection.close)
        old = []

        def hear(_connection, of, *_):
            old.append(of.name())

        client.connection.domainEventRegister(hear, None)
        domain = client.connection.defineXMLFlags(xml('stub', 'pair', ('<vcpu>1<', '<vcpu>2<')), 0)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        self.assertRegex(xen_state('pair'), '^..p')
        domain.resume()
        domain.setMaxMemory(12 << 10)
        self.assertEqual(domain.maxMemory(), 12 << 10)
        domain.setMemory(8 << 10)
        domain.pinVcpu(0, (True,))
        self.assertTrue(domain.vcpuPinInfo()[0][0])
        domain.setSchedulerParameters({'weight': 300})
        self.assertEqual(domain.schedulerParameters()['weight'], 300)
        self.assertRegex(LAB.run('xl sched-credit2 -d pair'), r'pair +\d+ +300 ')
        self.assertEqual(domain.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE)
        self.assertEqual(domain.securityLabelList(), [])
        domain.destroyFlags(0)
        self.assertNotIn('pair', LAB.guests())
        wait_for(lambda: len(old) >= 3, 'the old events')
        client.connection.domainEventDeregister(hear)
        self.assertEqual(set(old), {'pair'})
        one = client.connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, hear, None)
        client.connection.domainEventDeregisterAny(one)
        domain.undefineFlags(0)
        self.assertNotIn('pair', client.names())

    def test_native(self):
        with tempfile.NamedTemporaryFile('w', suffix='.cfg') as file:
            file.write(LAB.run('cat /srv/guests/stub.cfg'))
            file.flush()
            self.matches(f'domxml-from-native xen-xl {file.name}', '<name>stub</name>', '<kernel>/srv/guests/stub</kernel>')
        self.addCleanup(remove, 'native')
        define('stub', 'native')
        text = self.matches('domxml-to-native xen-xl --domain native', r'^name *= *.native')
        LAB.run('cat >/tmp/native.cfg', input=text)
        self.assertIn('/srv/guests/stub', LAB.run('xl create -n -q /tmp/native.cfg'))

    def test_domain_0(self):
        self.matches('list', r'^ 0 +Domain-0 +running$')
        self.matches('dominfo Domain-0', r'^Id: +0$', r'^UUID: +00000000-0000-0000-0000-000000000000$', r'^State: +running$',
                     r'^CPU time: +[0-9.]+s$', r'^Used memory: +[1-9]\d+ KiB$')
        self.matches('dumpxml Domain-0', r"^<domain type='xen' id='0'>", r'<name>Domain-0</name>')
        for command in ('destroy', 'shutdown', 'suspend', 'undefine'):
            self.refused(f'{command} Domain-0', 'Domain-0 does not support requested operation')
        self.assertNotIn('Domain-0', LAB.guests())


if __name__ == '__main__':
    tap.main()
