#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices of the host for guests, on a Xen with an IOMMU (that of QEMU's machine q35): a PCI device
that QEMU emulates goes from dom0's driver to a guest and back, a USB device likewise."""
import os
import re
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..'), os.path.join(HERE, '../client')]
import tap  # noqa: E402
import xenhost  # noqa: E402
from harness import Wire  # noqa: E402
from xenclient import PATIENCE, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal()
LAB = None
# A card that dom0 has a driver for, behind a port of its own, so that it can be reset; a stick.
QEMU = ('-machine q35 -device amd-iommu -device pcie-root-port,id=behind,chassis=1 -device virtio-rng-pci,bus=behind '
        '-device nec-usb-xhci,id=xhci -device usb-storage,bus=xhci.0,drive=stick '
        '-drive if=none,id=stick,file=/dev/zero,format=raw,readonly=on,file.locking=off')
UP = ('--qemu-args', QEMU)
CARD = '0000:01:00.0'
OWN = 'virtio-pci'
HOSTDEV = f"""<hostdev mode='subsystem' type='pci' managed='yes'><source>
<address domain='0' bus='1' slot='0' function='0'/></source></hostdev>"""
STICK = """<hostdev mode='subsystem' type='usb'><source><vendor id='0x46f4'/><product id='0x0001'/></source></hostdev>"""
PASSTHROUGH = "<xen><passthrough state='on'/></xen>"
PV = ('<devices>', f'<features>{PASSTHROUGH}</features><devices>')
HVM = ('</features>', f'{PASSTHROUGH}</features>')
EHCI = ('<devices>', "<devices><controller type='usb' model='ehci'/>")


def setUpModule():
    global LAB
    if not REFUSAL:
        LAB = xenhost.Lab(*UP)
        LAB.__enter__()
        LAB.run('modprobe -a xen-pciback xhci-pci')
        wait_for(lambda: LAB.run('grep -ls 46f4 /sys/bus/usb/devices/*/idVendor || true'), 'the stick to be there')


def tearDownModule():
    if LAB:
        LAB.__exit__()


def virsh(line, **options):
    return LAB.virsh(line, timeout=PATIENCE, **options)


def driver():
    """What has the card in dom0."""
    return os.path.basename(LAB.run(f'readlink /sys/bus/pci/devices/{CARD}/driver').strip())


@unittest.skipIf(REFUSAL, REFUSAL)
class Case(unittest.TestCase):
    def start(self, sample, *changes):
        LAB.run(f'lab-guest forget {sample}', check=False)
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(xml(sample, sample, *changes))
            file.flush()
            virsh(f'create {file.name}')
        self.addCleanup(virsh, f'destroy {sample}', check=False)

    def change(self, command, guest, device, **options):
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(device)
            file.flush()
            return virsh(f'{command}-device {guest} {file.name}', **options)


class TestHost(Case):
    def socket(self, _readonly):
        """For Wire."""
        return re.search('socket=(.*)', LAB.uri())[1]

    def test_turns(self):
        """virsh looks a device up with the node device driver first; the calls behind it are ours."""
        name = Wire.text(b'pci_' + re.sub('[:.]', '_', CARD).encode())
        with Wire(self) as wire:
            self.assertEqual(driver(), OWN)
            self.assertEqual(wire.call(118, name)[0], 0)
            self.assertEqual(driver(), 'pciback')
            self.assertIn(CARD, LAB.run('xl pci-assignable-list'))
            self.assertEqual(wire.call(120, name)[0], 0)
            self.assertEqual(wire.call(119, name)[0], 0)
            self.assertEqual(driver(), OWN)
            self.assertEqual(LAB.run('xl pci-assignable-list'), '')
            flags = name + struct.pack('>II', 0, 0)
            self.assertEqual(wire.call(301, flags)[0], 0)
            self.assertEqual(driver(), 'pciback')
            self.assertEqual(wire.call(119, name)[0], 0)
            self.assertEqual(driver(), OWN)
            self.assertIn('no PCI device 0000:1f:1f.0', wire.error(118, Wire.text(b'pci_0000_1f_1f_0'))[2])


class TestPci(Case):
    def test_pv(self):
        """A guest with a PCI front end sees the card, lets go of it, and leaves it when it ends."""
        self.start('pv', PV)
        LAB.wait_console('pv', 'guest: ready', PATIENCE)
        self.change('attach', 'pv', HOSTDEV)
        self.assertIn(CARD, LAB.run('xl pci-list pv'))
        self.assertEqual(driver(), 'pciback')
        LAB.ask('pv', 'cat /sys/bus/pci/devices/*/vendor', '0x1af4')
        self.change('detach', 'pv', HOSTDEV)
        self.assertNotIn('hostdev', virsh('dumpxml pv'))
        self.assertEqual(driver(), OWN)
        self.change('attach', 'pv', HOSTDEV)
        virsh('destroy pv')
        self.assertEqual(driver(), OWN)

    def test_hvm(self):
        """From its start. What knows no hot-plug does not let go, and keeps the card whole."""
        self.start('hvm-disk', ('<devices>', f'<devices>{HOSTDEV}'))
        self.assertIn(CARD, LAB.run('xl pci-list hvm-disk'))
        self.assertEqual(driver(), 'pciback')
        with self.assertRaisesRegex(xenhost.Failed, 'Timed out'):
            self.change('detach', 'hvm-disk', HOSTDEV)
        self.assertIn(CARD, LAB.run('xl pci-list hvm-disk'))
        virsh('reset hvm-disk')
        self.assertIn(CARD, LAB.run('xl pci-list hvm-disk'))
        LAB.run('xl destroy hvm-disk')
        wait_for(lambda: driver() == OWN, 'the card to be given back')

    def test_refused(self):
        """Into a domain that is not prepared for it, of a kind that cannot, while another one has the card."""
        self.start('stub')
        with self.assertRaisesRegex(xenhost.Failed, 'passthrough state'):
            self.change('attach', 'stub', HOSTDEV)
        self.assertEqual(driver(), OWN)
        with self.assertRaisesRegex(xenhost.Failed, 'not yet supported for x86 PVH guests'):
            self.start('stub-pvh', ('<devices>', f'<devices>{HOSTDEV}'))
        self.assertEqual(driver(), OWN)
        self.start('hvm-disk', HVM)
        self.change('attach', 'hvm-disk', HOSTDEV)
        with self.assertRaisesRegex(xenhost.Failed, 'already assigned'):
            self.start('hvm', ('<devices>', f'<devices>{HOSTDEV}'))
        self.assertIn(CARD, LAB.run('xl pci-list hvm-disk'))
        self.assertEqual(driver(), 'pciback')
        virsh('destroy hvm-disk')
        self.assertEqual(driver(), OWN)


class TestUsb(Case):
    def plugged(self, guest):
        return re.findall(r'Port \d: Bus (\d+) Device (\d+)', LAB.run(f'xl usb-list {guest}'))

    def turn(self, guest):
        self.change('attach', guest, STICK)
        self.assertEqual(len(self.plugged(guest)), 1)
        self.assertIn("<vendor id='0x46f4'/>", virsh(f'dumpxml {guest}'))
        self.change('detach', guest, STICK)
        self.assertEqual(self.plugged(guest), [])

    def test_pv(self):
        """By QEMU's PV USB, whose controller comes with the device."""
        self.start('pv')
        self.turn('pv')

    def test_hvm(self):
        """On an emulated controller that it was started with."""
        self.start('hvm-disk', EHCI)
        self.turn('hvm-disk')


if __name__ == '__main__':
    tap.main()
