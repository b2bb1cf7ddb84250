#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tuning and statistics: stock virsh and python3-libvirt against xlvirtd on the engine sim.

The tables are those of run.py: words, exit status, what stdout and stderr have to match."""
import os
import shutil
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402
from run import Case  # noqa: E402

try:
    import libvirt
except ImportError:
    print('1..0 # SKIP python3-libvirt is not installed')
    sys.exit(0)  # TAP says by its plan that all is skipped

MAC = '00:16:3e:11:22:33'
NOT_RUNNING = '^error: Requested operation is not valid: domain is not running'
NO_LIVE = 'Requested operation is not valid: domain is not running'


def tuned_xml(name, image, **more):
    devices = f'''<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/>
        <target dev='xvda' bus='xen'/></disk>
      <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk>
      <interface type='bridge'><mac address='{MAC}'/><source bridge='xenbr0'/></interface>'''
    return domain_xml(name, vcpus=4, **more).replace('<devices>', '<devices>' + devices)


class TuneCase(Case):
    HOST = '[host]\nmemory-mib=4096\nnodes=2\nsockets=1\ncores=4\nthreads=1\n'

    @classmethod
    def setUpClass(cls):
        cls.host = harness.Host()
        try:
            os.makedirs(f'{cls.host.root}/etc/xlvirt')
            with open(f'{cls.host.root}/etc/xlvirt/sim.conf', 'w') as f:
                f.write(cls.HOST)
            cls.host.start()
            cls.image = cls.host.file('xvda.img', '')
            os.truncate(cls.image, 3 << 20)
        except BaseException:
            cls.host.end()
            raise

    def ready(self, name, **more):
        """A domain that runs and has booted."""
        self.virsh('define', self.host.file(f'{name}.xml', tuned_xml(name, self.image, **more)))
        self.virsh('start', name)


class TestPinning(TuneCase):
    def test_pinning(self):
        self.virsh('define', self.host.file('p.xml', tuned_xml('p', self.image)))
        self.table([
            (['vcpupin', 'p', '1', '0-2'], 1, None, NO_LIVE),
            (['vcpupin', 'p', '1', '0-2', '--config'], 0, None, None),
            (['vcpupin', 'p', '--config'], 0, r'^ 0 +0-7\n 1 +0-2\n 2 +0-7\n 3 +0-7\n', None),
            (['emulatorpin', 'p', '4-5', '--config'], 0, None, None),
            (['emulatorpin', 'p'], 0, r' \*: 4-5\n', None),
            (['start', 'p'], 0, 'started', None),
            (['vcpupin', 'p', '--live'], 0, r'^ 0 +0-7\n 1 +0-2\n 2 +0-7\n 3 +0-7\n', None),
            (['emulatorpin', 'p', '--live'], 0, r' \*: 4-5\n', None),
            (['vcpupin', 'p', '0', '3,5'], 0, None, None),
            (['vcpuinfo', 'p'], 0, r'VCPU: +0\nCPU: +[35]\nState: +(running|blocked)\nCPU time: +.*'
             r'\nCPU Affinity: +---y-y--\n\nVCPU: +1\n', None),
            (['vcpupin', 'p', '0', '--config'], 0, r'^ 0 +0-7\n', None),
            (['vcpupin', 'p', '4', '0'], 1, None, r"invalid argument: vcpu '4' is not present in the domain"),
            (['vcpupin', 'p', '0', '8'], 1, None, 'exceed the maxcpu 8'),
            (['emulatorpin', 'p', '0', '--live', '--config'], 0, None, None),
            (['emulatorpin', 'p'], 0, r' \*: 0\n', None),
            (['dumpxml', 'p'], 0, r"<cputune>\n    <vcpupin vcpu='0' cpuset='3,5'/>\n"
             r"    <vcpupin vcpu='1' cpuset='0-2'/>\n    <emulatorpin cpuset='0'/>\n  </cputune>", None),
            (['dumpxml', '--inactive', 'p'], 0, r"<cputune>\n    <vcpupin vcpu='1' cpuset='0-2'/>\n"
             r"    <emulatorpin cpuset='0'/>\n  </cputune>", None),
        ])
        self.table([
            (['vcpupin', 'p'], 0, ' 0 +3,5', None),
            (['vcpupin', 'p', '0', '1'], 1, None, 'operation forbidden: read only access prevents virDomainPinVcpu'),
            (['emulatorpin', 'p', '1'], 1, None, 'read only access prevents virDomainPinEmulator'),
        ], readonly=True)
        self.host.control('[p]\npin-fail=xc: no such cpu\n')
        self.row(['vcpupin', 'p', '0', '1'], 1, None, 'operation failed: xc: no such cpu')
        self.host.control('')
        self.row(['vcpupin', 'p'], 0, ' 0 +3,5', None)

    def test_a_pv_guest_has_no_device_model(self):
        self.ready('pv', os_type='linux')
        self.row(['emulatorpin', 'pv'], 1, None, 'Requested operation is not valid: .*no device model')
        self.row(['emulatorpin', 'pv', '1', '--live'], 1, None, 'no device model')

    def test_single_vcpus(self):
        self.ready('v')
        self.table([
            (['setvcpu', 'v', '2', '--disable'], 0, None, None),
            (['vcpuinfo', 'v'], 0, r'VCPU: +2\nCPU: +-1\nState: +offline', None),
            (['vcpucount', 'v', '--live', '--active'], 0, '^3\n', None),
            (['vcpucount', 'v', '--config', '--active'], 0, '^4\n', None),
            (['setvcpu', 'v', '1,3', '--disable', '--config'], 0, None, None),
            (['vcpucount', 'v', '--config', '--active'], 0, '^2\n', None),
            (['setvcpu', 'v', '2', '--enable', '--live'], 0, None, None),
            (['setvcpu', 'v', '0', '--disable'], 1, None, "invalid argument: vCPU '0' must be enabled"),
            (['setvcpu', 'v', '4', '--enable'], 1, None, "vcpu '4' is not present"),
            (['setvcpu', 'v', 'two', '--enable'], 1, None, "invalid argument: Failed to parse bitmap 'two'"),
            (['destroy', 'v'], 0, 'destroyed', None),
            (['start', 'v'], 0, 'started', None),
            (['dumpxml', 'v'], 0, r"current='2'>4</vcpu>\n  <vcpus>\n    <vcpu id='0' enabled='yes' hotpluggable='no'/>\n"
             r"    <vcpu id='1' enabled='no' .*<vcpu id='2' enabled='yes' .*<vcpu id='3' enabled='no' ", None),
            (['domstats', 'v', '--vcpu'], 0, r'vcpu.current=2\n  vcpu.maximum=4\n  vcpu.0.state=[12]\n.*vcpu.1.state=0\n'
             r'.*vcpu.2.state=[12]\n.*vcpu.3.state=0\n', None),
        ])


class TestScheduler(TuneCase):
    def test_credit2(self):
        self.virsh('define', self.host.file('s.xml', tuned_xml('s', self.image)))
        self.table([
            (['schedinfo', 's'], 0, r'Scheduler +: credit2\nweight +: 256\ncap +: 0\n', None),
            (['schedinfo', 's', '--set', 'weight=300'], 0, r'weight +: 300\ncap +: 0\n', None),
            (['schedinfo', 's', '--weight', '300', '--live'], 1, 'credit2', NO_LIVE),
            (['start', 's'], 0, 'started', None),
            (['schedinfo', 's'], 0, r'weight +: 300\ncap +: 0\n', None),
            (['schedinfo', 's', '--set', 'weight=512', '--live'], 0, r'weight +: 512\n', None),
            (['schedinfo', 's', '--cap', '150', '--live', '--config'], 0, r'weight +: 512\ncap +: 150\n', None),
            (['schedinfo', 's', '--config'], 0, r'weight +: 300\ncap +: 150\n', None),
            (['schedinfo', 's', '--set', 'weight=0'], 1, 'credit2', 'invalid argument: .*weight.*from 1 to 65535'),
            (['schedinfo', 's', '--cap', '401'], 1, 'credit2', 'invalid argument: .*cap.*from 0 to 400'),
            (['schedinfo', 's', '--set', 'budget=1'], 1, 'credit2', 'invalid scheduler option: budget'),
            (['dumpxml', '--inactive', 's'], 0, r'<cputune>\n    <shares>300</shares>\n    <period>100000</period>\n'
             r'    <quota>150000</quota>\n  </cputune>', None),
            (['schedinfo', 's', '--set', 'cap=0', '--config'], 0, r'cap +: 0', None),
            (['dumpxml', '--inactive', 's'], 0, r'<cputune>\n    <shares>300</shares>\n  </cputune>', None),
        ])
        self.row(['schedinfo', 's', '--set', 'weight=1'], 1, 'credit2', 'read only access prevents', readonly=True)
        self.host.control('[s]\nset-sched-fail=xc: no\n')
        self.row(['schedinfo', 's', '--set', 'weight=9'], 1, 'credit2', 'operation failed: xc: no')
        self.host.control('')
        self.row(['schedinfo', 's'], 0, 'weight +: 512', None)


class TestRtds(TuneCase):
    HOST = '[host]\nscheduler=rtds\n'

    def test_rtds(self):
        self.ready('r')
        self.table([
            (['schedinfo', 'r'], 0, r'Scheduler +: rtds\nperiod +: 10000\nbudget +: 4000\nextratime +: 1\n', None),
            (['schedinfo', 'r', '--set', 'period=20000', '--set', 'budget=5000', '--live'], 0,
             r'period +: 20000\nbudget +: 5000\n', None),
            (['schedinfo', 'r', '--set', 'period=25000', '--live'], 0, r'period +: 25000\nbudget +: 5000\n', None),
            (['schedinfo', 'r', '--set', 'budget=30000', '--live'], 1, 'rtds', 'budget not above the period'),
            (['schedinfo', 'r', '--config'], 0, r'period +: 10000\nbudget +: 4000\nextratime +: 1\n', None),
            (['schedinfo', 'r', '--set', 'budget=2000', '--set', 'extratime=0', '--config'], 0,
             r'period +: 10000\nbudget +: 2000\nextratime +: 0\n', None),
            (['schedinfo', 'r', '--set', 'budget=11000', '--config'], 1, 'rtds',
             'invalid argument: a budget of 11000 us is more than its period of 10000 us'),
            (['dumpxml', '--inactive', 'r'], 0, r'<xlvirt:key name=.extratime.>0</xlvirt:key>.*<cputune>\n'
             r' +<period>10000</period>\n +<quota>2000</quota>\n +</cputune>', None),
            (['schedinfo', 'r', '--set', 'extratime=2', '--live'], 1, 'rtds', 'from 0 to 1'),
            (['schedinfo', 'r', '--set', 'weight=1'], 1, 'rtds', 'invalid scheduler option: weight'),
            (['destroy', 'r'], 0, 'destroyed', None),
            (['start', 'r'], 0, 'started', None),
            (['schedinfo', 'r'], 0, r'period +: 10000\nbudget +: 2000\nextratime +: 0\n', None),
        ])


class TestNull(TuneCase):
    HOST = '[host]\nscheduler=null\n'

    def test_null(self):
        self.ready('n')
        # virsh's own idea of a scheduler that has no parameters is that nothing was done.
        self.row(['schedinfo', 'n'], 1, r'Scheduler +: null\n\n$', None)


class TestLimits(TuneCase):
    def test_numa(self):
        self.ready('n')
        self.table([
            (['numatune', 'n'], 0, r'numa_mode +: strict\nnuma_nodeset +: 0-1\n', None),
            (['numatune', 'n', '--nodeset', '1', '--live'], 0, None, None),
            (['numatune', 'n'], 0, r'numa_nodeset +: 1\n', None),
            (['numatune', 'n', '--config'], 0, r'numa_mode +: strict\nnuma_nodeset +: \n', None),
            (['numatune', 'n', '--mode', 'preferred', '--nodeset', '0', '--config'], 0, None, None),
            (['numatune', 'n', '--config'], 0, r'numa_mode +: preferred\nnuma_nodeset +: 0\n', None),
            (['numatune', 'n', '--mode', 'interleave', '--live'], 1, None,
             "Requested operation is not valid: can't change numatune mode for running domain"),
            (['numatune', 'n', '--nodeset', '2'], 1, None, 'NUMA node 2 is not there: this host has 2'),
            (['numatune', 'n', '--nodeset', 'x'], 1, None, 'Invalid nodeset of .numatune.: x'),
        ])
        self.row(['numatune', 'n', '--nodeset', '1'], 1, None, 'read only access prevents', readonly=True)

    def test_interfaces(self):
        self.ready('i')
        target = f'vif{self.virsh("domid", "i").strip()}.0'
        self.table([
            (['domiftune', 'i', target], 0, r'inbound.average *: 0\n.*outbound.average *: 0\n', None),
            (['domiftune', 'i', target, '--outbound', '1000', '--live'], 0, None, None),
            (['domiftune', 'i', MAC, '--live'], 0, r'outbound.average *: 1000\n', None),
            (['domiftune', 'i', MAC, '--config'], 0, r'outbound.average *: 0\n', None),
            (['domiftune', 'i', MAC, '--inbound', '10,20,30', '--config'], 0, None, None),
            (['domiftune', 'i', MAC, '--config'], 0, r'inbound.average *: 10\ninbound.peak *: 20\ninbound.burst *: 30\n', None),
            (['domiftune', 'i', MAC, '--inbound', '10'], 1, None, 'not supported by the connection driver: .*receives'),
            (['domiftune', 'i', MAC, '--outbound', '10,20,30', '--live'], 1, None, 'not supported .*peak and burst'),
            (['domiftune', 'i', MAC, '--outbound', '0', '--live'], 0, None, None),
            (['domiftune', 'i', MAC], 0, r'outbound.average *: 0\n', None),
            (['domiftune', 'i', 'eth9'], 1, None, "invalid argument: 'eth9' is not a known interface"),
            (['dumpxml', '--inactive', 'i'], 0, r"<bandwidth>\n +<inbound average='10' peak='20' burst='30'/>\n +</bandwidth>", None),
        ])

    def test_disks(self):
        self.ready('d')
        self.table([
            (['blkdeviotune', 'd', 'xvda'], 0, r'total_bytes_sec *: 0\n.*write_iops_sec *: 0\n', None),
            (['blkdeviotune', 'd', 'xvda', '--total-bytes-sec', '100000'], 0, None, None),
            (['blkdeviotune', 'd', 'xvda', '--read-iops-sec', '3', '--live', '--config'], 0, None, None),
            (['blkdeviotune', 'd', 'xvda', '--live'], 0, r'total_bytes_sec *: 100000\n.*read_iops_sec *: 3\n', None),
            (['blkdeviotune', 'd', 'xvda', '--config'], 0, r'total_bytes_sec *: 0\n.*read_iops_sec *: 3\n', None),
            (['blkdeviotune', 'd', 'xvda', '--total-bytes-sec', '1', '--read-bytes-sec', '1'], 1, None,
             'invalid argument: total and read/write of bytes_sec cannot be set at the same time'),
            (['blkdeviotune', 'd', 'xvda', '--total-bytes-sec-max', '1'], 1, None,
             "argument unsupported: parameter 'total_bytes_sec_max' not supported"),
            (['blkdeviotune', 'd', 'xvdz'], 1, None, 'invalid argument: invalid path xvdz not assigned to domain'),
            (['dumpxml', '--inactive', 'd'], 0, r'<iotune>\n +<read_iops_sec>3</read_iops_sec>\n +</iotune>', None),
            (['blkdeviotune', 'd', 'xvda', '--read-iops-sec', '0', '--config'], 0, None, None),
        ])
        self.assertNotIn('iotune', self.virsh('dumpxml', '--inactive', 'd'))
        for command in ('memtune', 'blkiotune'):
            self.row([command, 'd'], 1, None, 'this function is not supported by the connection driver: virDomainGet')

    def test_lifecycle_actions(self):
        self.ready('a')
        self.table([
            (['set-lifecycle-action', 'a', 'crash', 'preserve', '--config'], 0, None, None),
            (['set-lifecycle-action', 'a', 'poweroff', 'restart', '--live'], 0, None, None),
            (['dumpxml', 'a'], 0, r'<on_poweroff>restart</on_poweroff>.*<on_crash>destroy<', None),
            (['dumpxml', '--inactive', 'a'], 0, r'<on_poweroff>destroy</on_poweroff>.*<on_crash>preserve<', None),
            (['set-lifecycle-action', 'a', 'reboot', 'coredump-destroy'], 1, None, "'reboot' doesn't support a core dump"),
        ])
        self.row(['set-lifecycle-action', 'a', 'reboot', 'destroy'], 1, None, 'read only access prevents', readonly=True)
        # It is the running domain's action that counts when the guest goes down.
        before = self.virsh('domid', 'a').strip()
        self.virsh('shutdown', 'a')
        wait_for(lambda: self.host.virsh('domid', 'a')[1].strip() not in (before, '-', ''), 'another life')


class TestStatistics(TuneCase):
    def test_figures(self):
        self.ready('f')
        target = f'vif{self.virsh("domid", "f").strip()}.0'
        figure = r' [1-9]\d*\n'
        wait_for(lambda: 'rd_req 0' not in self.virsh('domblkstat', 'f', 'xvda') and
                 'tx_packets 0' not in self.virsh('domifstat', 'f', target), 'the counters to count')
        self.table([
            (['domblkstat', 'f', 'xvda'], 0, rf'xvda rd_req{figure}xvda rd_bytes{figure}xvda wr_req \d+\n.*'
             r'xvda flush_operations \d+\nxvda rd_total_times \d+', None),
            (['domblkstat', 'f', self.image], 0, 'rd_req' + figure, None),
            (['domblkstat', 'f'], 0, '^ rd_req' + figure, None),
            (['domblkstat', 'f', 'xvdz'], 1, None, 'invalid argument: invalid path xvdz not assigned to domain'),
            (['domifstat', 'f', target], 0, rf'{target} rx_bytes{figure}.*{target} tx_drop 0\n', None),
            (['domifstat', 'f', MAC], 0, 'rx_bytes' + figure, None),
            (['domifstat', 'f', 'eth9'], 1, None, "'eth9' is not a known interface"),
            (['dommemstat', 'f'], 0, '^actual 131072\navailable 131072\n', None),
            (['cpu-stats', 'f'], 0, r'CPU0:\n\tcpu_time +[\d.]+ seconds\n.*CPU3:\n.*Total:\n\tcpu_time ', None),
            (['cpu-stats', 'f', '--start', '2', '--count', '1'], 0, r'^CPU2:\n\tcpu_time +[\d.]+ seconds\n\n?$', None),
            (['cpu-stats', 'f', '--start', '4'], 1, None, ''),
            (['domblkinfo', 'f', 'xvda'], 0, r'Capacity: +3145728\nAllocation: +\d+\nPhysical: +3145728', None),
            (['domblkinfo', 'f', 'hdc'], 1, None, "invalid argument: disk 'hdc' does not currently have a source assigned"),
            (['domblkinfo', 'f', 'xvdz'], 1, None, 'invalid path xvdz'),
            (['domcontrol', 'f'], 0, '^ok\n', None),
            (['domjobinfo', 'f'], 0, 'Job type: +None', None),
        ])
        self.table([
            (['domblkstat', 'f', 'xvda'], 0, 'rd_req', None),
            (['domstats', 'f'], 0, 'cpu.time=', None),
            (['domblkinfo', 'f', 'xvda'], 0, 'Capacity', None),
        ], readonly=True)
        self.virsh('suspend', 'f')
        still = self.virsh('domblkstat', 'f', 'xvda')
        self.assertEqual(still, self.virsh('domblkstat', 'f', 'xvda'))
        self.virsh('destroy', 'f')
        self.table([
            (['domblkstat', 'f', 'xvda'], 1, None, NOT_RUNNING),
            (['domifstat', 'f', target], 1, None, NO_LIVE),
            (['dommemstat', 'f'], 1, None, NO_LIVE),
            (['cpu-stats', 'f'], 1, None, NO_LIVE),
            (['domcontrol', 'f'], 1, None, NOT_RUNNING),
            (['domblkinfo', 'f', 'xvda'], 0, r'Capacity: +3145728', None),
        ])
        self.host.control('[*]\nstats-fail=the figures are gone\n')
        self.virsh('start', 'f')
        self.row(['domblkstat', 'f', 'xvda'], 1, None, 'operation failed: the figures are gone')
        self.host.control('')

    def test_domstats(self):
        self.ready('one')
        self.virsh('define', self.host.file('off.xml', tuned_xml('off', self.image)))
        everything = (r"Domain: 'one'\n  state.state=1\n  state.reason=1\n  cpu.time=\d+\n  balloon.current=131072\n"
                      r'  balloon.maximum=131072\n  vcpu.current=4\n  vcpu.maximum=4\n  vcpu.0.state=\d\n  vcpu.0.time=\d+\n'
                      r'.*net.count=1\n  net.0.name=vif\d+.0\n  net.0.rx.bytes=\d+\n.*net.0.tx.drop=0\n  block.count=2\n'
                      r'  block.0.name=xvda\n  block.0.path=/.*\n  block.0.rd.reqs=\d+\n.*block.0.allocation=\d+\n'
                      r'  block.0.capacity=3145728\n  block.0.physical=3145728\n  block.1.name=hdc\n')
        self.table([
            (['domstats', 'one'], 0, everything, None),
            (['domstats', '--raw', '--enforce', '--state', '--cpu-total', '--balloon', '--vcpu', '--interface', '--block', 'one'],
             0, everything, None),
            (['domstats', 'off'], 0, r"^Domain: 'off'\n  state.state=5\n  state.reason=0\n  balloon.current=131072\n"
             r'  balloon.maximum=131072\n  vcpu.current=4\n  vcpu.maximum=4\n  block.count=2\n  block.0.name=xvda\n'
             r'  block.0.path=/.*\n  block.0.allocation=', None),
            (['domstats', '--list-active', '--state'], 0,
             r"\A(?!.*'off').*^Domain: 'one'\n  state.state=1\n  state.reason=1\n\n", None),
            (['domstats', '--list-shutoff', '--state'], 0, r"^Domain: 'off'\n  state.state=5\n  state.reason=0\n\n$", None),
            (['domstats', '--perf'], 0, r"Domain: '", None),
            (['domstats', '--perf', '--enforce'], 1, None, 'argument unsupported: Stats types bits 0x40 are not supported'),
            (['domstats', '--nowait', '--block', 'one'], 0, r'block.0.rd.reqs=\d+\n', None),
        ])
        self.assertNotIn('capacity', self.virsh('domstats', '--nowait', '--block', 'one'))

    def test_formats(self):
        """The size that the guest sees is in the image's header, where there is one."""
        size = 5 << 30
        headers = {
            'qcow2': b'QFI\xfb' + (3).to_bytes(4, 'big') + bytes(16) + size.to_bytes(8, 'big'),
            'qed': b'QED\0' + bytes(44) + size.to_bytes(8, 'little'),
            'vmdk': b'KDMV' + bytes(8) + (size // 512).to_bytes(8, 'little'),
            'vhd': bytes(4096) + b'conectix' + bytes(40) + size.to_bytes(8, 'big') + bytes(456),
        }
        for kind, header in headers.items():
            image = f'{self.host.root}/{kind}.img'
            with open(image, 'wb') as f:
                f.write(header)
            xml = tuned_xml('size', image, uuid='5' * 32).replace("type='raw'", f"type='{kind}'")
            self.virsh('define', self.host.file('size.xml', xml))
            self.row(['domblkinfo', 'size', 'xvda'], 0, rf'Capacity: +{size}\nAllocation: +\d+\nPhysical: +{len(header)}\n', None)
            with open(image, 'wb') as f:
                f.write(b'something else')
            self.row(['domblkinfo', 'size', 'xvda'], 1, None, f"is no image of the format '{kind}'")
        os.remove(image)
        self.row(['domblkinfo', 'size', 'xvda'], 1, None, 'cannot open .*No such file')
        os.mkfifo(image)
        self.row(['domblkinfo', 'size', 'xvda'], 1, None, 'neither a file nor a block device')

    def test_host(self):
        self.table([
            (['nodememstats'], 0, r'total *: +4194304 KiB\nfree *: +\d+ KiB\n', None),
            (['nodememstats', '--cell', '1'], 0, r'total *: +2097152 KiB\nfree *: +\d+ KiB\n', None),
            (['nodememstats', '--cell', '2'], 1, None, 'cellNum 2 in virNodeGetMemoryStats must be less than or equal to 1'),
            (['nodecpustats'], 0, r'user: +\d+\nidle: +\d+\n', None),
            (['nodecpustats', '--cpu', '7'], 0, r'user: +\d+\nidle: +\d+\n', None),
            (['nodecpustats', '--cpu', '8'], 1, None, 'invalid argument: Invalid cpuNum in virNodeGetCPUStats'),
            (['nodecpustats', '--percent'], 0, r'usage: +[\d.]+%', None),
            (['freecell', '--all'], 0, r'0: +\d+ KiB\n +1: +\d+ KiB\n-+\nTotal: +\d+ KiB\n', None),
            (['freecell', '--cellno', '1'], 0, r'1: \d+ KiB\n', None),
            (['freecell', '--cellno', '2'], 1, None, r'start cell 2 out of range \(0-1\)'),
            (['freepages', '--all'], 0, r'Node 0:\n4KiB: \d+\n\nNode 1:\n4KiB: \d+\n', None),
            (['freepages', '--cellno', '0', '--pagesize', '2M'], 1, None, 'page size 2048 is not available on node 0'),
        ])

    def test_memory_of_nodes(self):
        """A domain's memory comes from its nodes, and is given back there."""
        def free(cell):
            return int(self.virsh('freecell', '--cellno', str(cell)).split()[1])
        before = free(0), free(1)
        self.virsh('define', self.host.file('m.xml', domain_xml(
            'm', memory=524288, extra="<numatune><memory mode='strict' nodeset='1'/></numatune>")))
        self.virsh('start', 'm')
        self.assertEqual((free(0), free(1)), (before[0], before[1] - 524288))
        self.virsh('destroy', 'm')
        self.assertEqual((free(0), free(1)), before)

    def test_firmware(self):
        code, out, err = self.host.virsh('sysinfo')
        if os.path.isdir('/sys/class/dmi/id'):
            self.assertEqual((code, err.strip()), (0, ''))
            self.assertRegex(out, r"^<sysinfo type='smbios'>\n  <(bios|system|baseBoard|chassis)>\n    <entry name='")
        else:
            self.assertEqual(code, 1)
            self.assertIn('Host SMBIOS information is not available', err)

    def test_security(self):
        self.ready('sec')
        self.assertNotIn('Security', self.virsh('dominfo', 'sec'))


class TestBindings(TuneCase):
    def setUp(self):
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(self.connection.close)

    def test_calls(self):
        domain = self.connection.createXML(tuned_xml('b', self.image))
        self.addCleanup(domain.destroy)
        self.assertEqual(tuple(domain.schedulerType()), ('credit2', 2))
        self.assertEqual(domain.schedulerParameters(), {'weight': 256, 'cap': 0})
        domain.setSchedulerParameters({'cap': 25})
        self.assertEqual(domain.schedulerParametersFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE), {'weight': 256, 'cap': 25})
        self.fails(55, 'transient domains do not have any persistent config', domain.setSchedulerParametersFlags,
                   {'cap': 1}, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
        domain.pinVcpu(1, (False, True) + (False,) * 6)
        self.assertEqual(domain.vcpuPinInfo()[1], (False, True) + (False,) * 6)
        self.assertEqual(domain.numaParameters(), {'numa_nodeset': '0-1', 'numa_mode': 0})
        domain.setNumaParameters({'numa_nodeset': '0'})
        self.assertEqual(domain.numaParameters()['numa_nodeset'], '0')
        self.assertEqual(domain.emulatorPinInfo(), (True,) * 8)
        self.assertEqual(len(domain.blockStats('xvda')), 5)
        self.assertEqual(len(domain.interfaceStats(MAC)), 8)
        self.assertIn('rd_operations', domain.blockStatsFlags('xvda'))
        self.assertEqual(domain.memoryStats(), {'actual': 131072, 'available': 131072})
        self.assertEqual(len(domain.getCPUStats(False)), 4)
        self.assertEqual(list(domain.getCPUStats(True)[0]), ['cpu_time'])
        self.assertEqual(domain.blockInfo('xvda')[0], 3 << 20)
        self.assertEqual(domain.controlInfo(), [0, 0, 0])
        self.assertEqual(self.connection.getCellsFreeMemory(0, 5)[1:], self.connection.getCellsFreeMemory(1, 1))
        self.assertEqual(set(self.connection.getMemoryStats(-1)), {'total', 'free'})
        self.assertEqual(set(self.connection.getCPUStats(-1)), {'user', 'idle'})
        self.assertEqual(self.connection.getSecurityModel(), ['', ''])
        self.fails(55, 'no job is active', domain.abortJob)

    def test_bulk(self):
        """All in one call, or those that are named; who is gone is left out."""
        domains = [self.connection.createXML(domain_xml(f'bulk{i}', memory=2048)) for i in range(100)]
        try:
            stats = self.connection.getAllDomainStats()
            self.assertEqual(len([s for s in stats if s[0].name().startswith('bulk')]), 100)
            gone = domains.pop()
            gone.destroy()
            stats = self.connection.domainListGetStats([gone, domains[3]], libvirt.VIR_DOMAIN_STATS_STATE)
            self.assertEqual([(s[0].name(), s[1]) for s in stats], [('bulk3', {'state.state': 1, 'state.reason': 1})])
        finally:
            for domain in domains:
                domain.destroy()

    def test_events(self):
        domain = self.connection.defineXML(tuned_xml('ev', self.image))
        seen, changed = [], threading.Condition()

        def note(kind, value):
            with changed:
                seen.append((kind, value))
                changed.notify_all()

        ids = [
            self.connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE,
                                                   lambda c, d, params, o: note('tunable', params), None),
            self.connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                                                   lambda c, d, params, o: note('job', params), None),
            self.connection.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
                                                   lambda c, d, actual, o: note('balloon', actual), None),
        ]
        domain.create()
        domain.setSchedulerParameters({'weight': 77})
        domain.setSchedulerParametersFlags({'weight': 78}, libvirt.VIR_DOMAIN_AFFECT_CONFIG)  # says nothing
        domain.pinVcpu(2, (True,) + (False,) * 7)
        domain.pinEmulator((False, True) + (False,) * 6)
        domain.setBlockIoTune('xvda', {'read_iops_sec': 5})
        domain.setMemoryFlags(65536, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        path = f'{self.host.root}/ev.save'
        domain.save(path)
        with changed:
            self.assertTrue(changed.wait_for(lambda: len(seen) >= 6, harness.TIMEOUT), seen)
        job = seen.pop()
        self.assertEqual(seen, [
            ('tunable', {'cputune.cpu_shares': 77}),
            ('tunable', {'cputune.vcpupin2': '0'}),
            ('tunable', {'cputune.emulatorpin': '1'}),
            ('tunable', {'blkdeviotune.disk': 'xvda', 'blkdeviotune.total_iops_sec': 0, 'blkdeviotune.read_iops_sec': 5,
                         'blkdeviotune.write_iops_sec': 0}),
            ('balloon', 65536),
        ])
        self.assertEqual(job[0], 'job')
        self.assertEqual((job[1]['operation'], job[1]['success']), (libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE, True))
        self.assertEqual(job[1]['data_processed'], job[1]['data_total'])
        flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED
        kept = domain.jobStats(flags | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
        self.assertEqual((kept['type'], kept['operation']), (libvirt.VIR_DOMAIN_JOB_COMPLETED, libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE))
        self.assertEqual(domain.jobStats(flags), kept)
        self.assertEqual(domain.jobStats(flags), {'type': libvirt.VIR_DOMAIN_JOB_NONE})
        for callback in ids:
            self.connection.domainEventDeregisterAny(callback)
        domain.undefine()

    def test_job(self):
        """What a save has done is told while it goes on, and it can be aborted."""
        domain = self.connection.createXML(domain_xml('job'))
        self.addCleanup(domain.destroy)
        self.host.control('[job]\nsave-write-ms=20000\n')
        failure = []

        def save():
            try:
                domain.save(f'{self.host.root}/job.save')
            except libvirt.libvirtError as e:
                failure.append(e.get_error_code())
        thread = threading.Thread(target=save)
        thread.start()
        other = libvirt.open(self.host.uri())
        watched = other.lookupByName('job')
        stats = wait_for(lambda: (lambda s: s if s.get('data_processed') else None)(watched.jobStats()), 'progress')
        self.assertEqual((stats['type'], stats['operation']), (libvirt.VIR_DOMAIN_JOB_BOUNDED, libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE))
        self.assertLess(stats['data_processed'], stats['data_total'])
        self.assertEqual(stats['data_remaining'], stats['data_total'] - stats['data_processed'])
        self.assertEqual(watched.controlInfo()[0], libvirt.VIR_DOMAIN_CONTROL_JOB)
        watched.abortJob()
        thread.join(harness.TIMEOUT)
        self.assertEqual(failure, [78])
        self.assertEqual(watched.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)['type'], libvirt.VIR_DOMAIN_JOB_FAILED)
        other.close()
        self.host.control('')


def main():
    if not shutil.which('virsh'):
        print('1..0 # SKIP virsh is not installed')
        return
    libvirt.registerErrorHandler(lambda *unused: None, None)
    harness.run_events()
    tap.main()


if __name__ == '__main__':
    main()
