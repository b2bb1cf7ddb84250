#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures of guests on real Xen: they move; and what virsh sets for a device model."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import tunecase  # noqa: E402

PATIENCE = 900  # seconds for a guest to come up: emulation on a busy machine


class TestTune(tunecase.TuneCase):
    def counted(self, command, pattern):
        """The number in an answer, once it is not 0."""
        until = time.monotonic() + PATIENCE
        while True:
            number = int(re.search(pattern, self.xen.virsh(command))[1])
            if number or time.monotonic() > until:
                return number
            time.sleep(2)

    def device_model(self, name):
        """The id of its process."""
        return self.xen.run(f'xenstore-read /local/domain/{self.xen.guests()[name]}/image/device-model-pid').strip()

    def emulator_pin(self):
        """dom0 has one processor, so that of a thread's pin nothing is to be seen but that it was set."""
        self.xen.run('strace -f -qq -e trace=sched_setaffinity -o /tmp/pins -p $(pidof xlvirtd) >/tmp/strace 2>&1 & '
                     'while grep -q "^TracerPid:.0$" /proc/$(pidof xlvirtd)/task/*/status; do sleep 0.1; done')
        try:
            self.xen.virsh('emulatorpin qemu 0 --live')
        finally:
            self.xen.run('kill $(pidof strace); while pidof strace; do sleep 0.1; done')
        set_for = set(re.findall(r'sched_setaffinity\((\d+), \d+, \[0\]\) += 0', self.xen.run('cat /tmp/pins')))
        pid = self.device_model('qemu')
        self.assertIn(pid, set_for)
        # QEMU's helper threads come and go.
        self.assertGreaterEqual(len(set_for & set(self.xen.run(f'ls /proc/{pid}/task').split())), 2, set_for)
        self.matches('emulatorpin qemu', r'\*: 0$')
        self.refused('emulatorpin qemu 1 --live', '.')

    def test_figures(self):
        """Guests that use their disks: one of the kernel, one of QEMU."""
        self.define('pvh', 'kernel', driver=("<driver name='qemu'", "<driver name='phy'"))
        self.define('pv', 'qemu')
        self.xen.virsh('start kernel; start qemu')
        for name, backend in (('kernel', 'vbd'), ('qemu', 'qdisk')):
            domid = self.xen.guests()[name]
            self.assertIn('51712', self.xen.run(f'xenstore-list /local/domain/0/backend/{backend}/{domid}'))
            self.assertGreater(self.counted(f'domblkstat {name} xvda', r'rd_bytes (\d+)'), 0)
            self.assertGreater(self.counted(f'domifstat {name} vif{domid}.0', r'tx_packets (\d+)'), 0)
        both = self.xen.virsh('domstats --block --interface kernel qemu')
        self.assertEqual(len(re.findall(r'block.0.rd.reqs=[1-9]', both)), 2)
        self.assertEqual(len(re.findall(r'block.0.rd.times=[1-9]', both)), 1)  # the kernel tells no times
        self.xen.virsh('blkdeviotune qemu xvda --total-bytes-sec 200000 --live')
        self.assertIn('bps=200000', self.xen.run('xl qemu-monitor-command qemu "info block"'))
        self.emulator_pin()
        pid = self.device_model('qemu')
        # A device model that hangs holds up its own figures, for a bounded time, and no others.
        self.xen.run(f'kill -STOP {pid}')
        try:
            before = time.monotonic()
            both = self.xen.virsh('domstats --block kernel qemu')
            self.assertLess(time.monotonic() - before, 300)
            self.assertEqual(len(re.findall(r'block.0.rd.reqs=[1-9]', both)), 1)
            self.refused('domblkstat qemu xvda', 'does not answer')
            self.assertNotIn('rd.reqs', self.xen.virsh('domstats --block --nowait qemu'))
        finally:
            self.xen.run(f'kill -CONT {pid}')


if __name__ == '__main__':
    tap.main()
