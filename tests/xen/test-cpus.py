#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tuning on real Xen with two processors: what virsh changes is what xl sees."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import tunecase  # noqa: E402

# Of the two dom0 has one: an emulated Linux with two is slow, and on a busy machine very slow.
UP = ('--cpus', '2', '--xen-args', 'dom0_max_vcpus=1')
MAC = '00:16:3e:00:09:09'


class TestCpus(tunecase.TuneCase):
    UP = UP

    def test_parameters(self):
        """The smallest guest: scheduler, pins, nodes, single vcpus, the rate of its interface."""
        self.xen.run('truncate -s 16M /tmp/tune.img')
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
        # The stub is up in less time than Xen always counts.
        self.matches('domstats tune', r'vcpu.maximum=2$', r'vcpu.0.time=\d+$', r'net.0.name=vif\d+.0$', r'block.0.capacity=16777216$')
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

if __name__ == '__main__':
    tap.main()
