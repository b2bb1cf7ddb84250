#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tuning and statistics on real Xen: what virsh changes is what xl sees, and the figures move."""
import os
import re
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402

REFUSAL = xenhost.refusal()
PATIENCE = 900  # seconds for a guest to come up: emulation on a busy machine
MAC = '00:16:3e:00:09:09'


@unittest.skipIf(REFUSAL, REFUSAL)
class TestTune(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.xen = xenhost.Lab('--timeout', '900', '--cpus', '2')
        cls.xen.__enter__()
        cls.addClassCleanup(cls.xen.__exit__)
        cls.xen.run('truncate -s 16M /tmp/tune.img')

    def define(self, guest, name, **changes):
        """A guest of the lab with other words in its definition, under another name."""
        xml = self.xen.run(f'cat /srv/guests/{guest}.xml').replace(f'<name>{guest}<', f'<name>{name}<')
        for before, after in changes.values():
            self.assertIn(before, xml)
            xml = xml.replace(before, after)
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(xml)
            file.flush()
            self.xen.virsh('define', file.name)
        self.addCleanup(self.xen.virsh, f'destroy {name}; undefine {name}', check=False)

    def matches(self, command, *patterns):
        out = self.xen.virsh(command)
        for pattern in patterns:
            self.assertRegex(out, re.compile(pattern, re.M))
        return out

    def refused(self, command, pattern):
        with self.assertRaises(xenhost.Failed) as caught:
            self.xen.virsh(command)
        self.assertRegex(str(caught.exception), pattern)

    def counted(self, command, pattern):
        """The number in an answer, once it is not 0."""
        until = time.monotonic() + PATIENCE
        while True:
            number = int(re.search(pattern, self.xen.virsh(command))[1])
            if number or time.monotonic() > until:
                return number
            time.sleep(2)

    def test_parameters(self):
        """The smallest guest: scheduler, pins, nodes, single vcpus, the rate of its interface."""
        self.define('stub', 'tune', cpus=('<vcpu>1<', '<vcpu>2<'), devices=('<devices>', f'''<devices>
            <disk type='file' device='disk'><driver name='phy' type='raw'/><source file='/tmp/tune.img'/>
            <target dev='xvda' bus='xen'/></disk>
            <interface type='bridge'><mac address='{MAC}'/><source bridge='xenbr0'/></interface>'''))
        self.matches('schedinfo tune --set weight=300 --config', r'credit2', r'^weight +: 300$')
        self.xen.virsh('vcpupin tune 1 1 --config; start tune')
        self.assertRegex(self.xen.run('xl sched-credit2 -d tune'), r'tune +\d+ +300 +0')
        self.assertRegex(self.xen.run('xl vcpu-list tune'), r'(?m)tune +\d+ +1 .* 1 / all$')
        self.matches('schedinfo tune --set weight=512 --live', r'^weight +: 512$')
        self.matches('schedinfo tune --cap 50 --live --config', r'^cap +: 50$')
        self.assertRegex(self.xen.run('xl sched-credit2 -d tune'), r'tune +\d+ +512 +50')
        self.matches('schedinfo tune --config', r'^weight +: 300$', r'^cap +: 50$')
        self.refused('schedinfo tune --cap 201', 'from 0 to 200')
        self.xen.virsh('vcpupin tune 0 0 --live')
        self.assertRegex(self.xen.run('xl vcpu-list tune'), r'(?m)tune +\d+ +0 .* 0 / all$')
        self.matches('vcpupin tune', r'^ 0 +0$', r'^ 1 +1$')
        self.refused('emulatorpin tune', 'no device model')
        self.scheduler_of_a_pool()
        self.matches('numatune tune', r'numa_nodeset +: 0$')
        self.xen.virsh('numatune tune --nodeset 0 --live')
        self.refused('numatune tune --nodeset 1', 'NUMA node 1 is not there')
        domid = self.xen.guests()['tune']
        self.xen.virsh('setvcpu tune 1 --disable')
        self.assertEqual(self.xen.run(f'xenstore-read /local/domain/{domid}/cpu/1/availability').strip(), 'offline')
        self.xen.virsh('setvcpu tune 1 --enable')
        self.assertEqual(self.xen.run(f'xenstore-read /local/domain/{domid}/cpu/1/availability').strip(), 'online')
        rate = f'/local/domain/0/backend/vif/{domid}/0/rate'
        self.xen.virsh(f'domiftune tune {MAC} --outbound 500 --live')
        self.assertEqual(self.xen.run(f'xenstore-read {rate}').strip(), '25600,50000')
        self.matches(f'domiftune tune vif{domid}.0', r'outbound.average *: 500$')
        self.xen.virsh(f'domiftune tune {MAC} --outbound 0 --live')
        self.assertEqual(self.xen.run(f'xenstore-read {rate} 2>/dev/null || echo none').strip(), 'none')
        self.refused('blkdeviotune tune xvda --total-bytes-sec 1000', 'blkback')
        self.matches('domblkstat tune xvda', r'^xvda rd_req \d+$', r'^xvda errs \d+$')
        self.matches('domblkinfo tune xvda', r'^Capacity: +16777216$')
        self.matches('domstats tune', r'vcpu.maximum=2$', r'vcpu.0.time=[1-9]', r'net.0.name=vif\d+.0$', r'block.0.capacity=16777216$')
        self.matches('dommemstat tune', r'^actual \d+$')
        self.matches('cpu-stats tune', r'^CPU1:$')

    def scheduler_of_a_pool(self):
        """Debian's Xen has two schedulers; a pool of processors may have the other one."""
        self.xen.run("xl cpupool-cpu-remove Pool-0 1 && xl cpupool-create 'name=\"other\"' 'sched=\"credit\"' 'cpus=[\"1\"]' && "
                     'xl cpupool-migrate tune other')
        try:
            self.matches('schedinfo tune --live', r'^Scheduler +: credit$', r'^weight +: 256$')
            self.matches('schedinfo tune --set weight=700 --live', r'^weight +: 700$')
            self.matches('schedinfo tune --cap 30 --live', r'^cap +: 30$')
            self.assertRegex(self.xen.run('xl sched-credit -d tune'), r'tune +\d+ +700 +30')
        finally:
            self.xen.run('xl cpupool-migrate tune Pool-0; xl cpupool-destroy other; xl cpupool-cpu-add Pool-0 1')

    def test_host(self):
        self.matches('nodecpustats', r'^user: +[1-9]\d*$', r'^idle: +[1-9]\d*$')
        self.matches('nodecpustats --cpu 1', r'^idle: +[1-9]\d*$')
        self.matches('nodememstats', r'^free *: +[1-9]\d* KiB$')
        self.matches('freecell --all', r'^ +0: +[1-9]\d* KiB$')
        self.matches('freepages --all', r'^4KiB: [1-9]\d*$')
        self.matches('sysinfo', r"<entry name='manufacturer'>QEMU</entry>")
        self.assertNotIn('Security', self.xen.virsh('dominfo Domain-0'))

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
        self.xen.virsh('emulatorpin qemu 1 --live')
        pid = self.xen.run(f'xenstore-read /local/domain/{self.xen.guests()["qemu"]}/image/device-model-pid').strip()
        # QEMU's helper threads come and go, also between the list and the look.
        pinned = self.xen.run(f'for t in /proc/{pid}/task/*; do taskset -cp ${{t##*/}} || test ! -d $t; done').splitlines()
        self.assertTrue(pinned)
        for line in pinned:
            self.assertTrue(line.endswith(': 1'), line)
        self.matches('emulatorpin qemu', r'\*: 1$')
        # A device model that hangs holds up its own figures, for a bounded time, and no others.
        self.xen.run(f'kill -STOP {pid}')
        try:
            before = time.monotonic()
            both = self.xen.virsh('domstats --block kernel qemu')
            self.assertLess(time.monotonic() - before, 60)
            self.assertEqual(len(re.findall(r'block.0.rd.reqs=[1-9]', both)), 1)
            self.refused('domblkstat qemu xvda', 'does not answer')
            self.assertNotIn('rd.reqs', self.xen.virsh('domstats --block --nowait qemu'))
        finally:
            self.xen.run(f'kill -CONT {pid}')


if __name__ == '__main__':
    tap.main()
