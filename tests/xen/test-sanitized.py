#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xlvirtd and its engine built with AddressSanitizer and UBSan, in dom0 of real Xen: a tour through
what they do, then no report of a sanitizer, leaks included."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenclient  # noqa: E402
import xenhost  # noqa: E402
from xenclient import PATIENCE, libvirt, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal() or (None if libvirt else 'python3-libvirt is not installed')
STARTED, SUSPENDED, RESUMED, STOPPED = 2, 3, 4, 5
DESTROYED = 1
REPORTS = '/var/log/sanitizer'

DEFAULTS = f'''\
G_DEBUG=fatal-criticals
ASAN_OPTIONS=detect_leaks=1:log_path={REPORTS}/asan:quarantine_size_mb=32:fast_unwind_on_malloc=0:malloc_context_size=12
UBSAN_OPTIONS=halt_on_error=0:print_stacktrace=1:log_path={REPORTS}/ubsan
G_SLICE=always-malloc
'''
# Something that leaks, in the same dom0: were leaks not found there, the tour would show nothing.
CANARY = ('LD_PRELOAD=$(ls /usr/lib/*/libasan.so.8) ASAN_OPTIONS=detect_leaks=1 python3 -c '
          '"import ctypes; ctypes.CDLL(None).malloc(4321)" 2>&1 | grep SUMMARY')
DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/tmp/more.img'/>
<target dev='xvdb' bus='xen'/></disk>"""
NIC = "<interface type='bridge'><mac address='00:16:3e:00:0a:0a'/><source bridge='{}'/></interface>"
CDROM = ("<devices>", """<devices><disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
<source file='{}'/><target dev='hdc' bus='ide'/><readonly/></disk>""")


@unittest.skipIf(REFUSAL, REFUSAL)
class TestSanitized(unittest.TestCase):
    def setUp(self):
        self.xen = xenhost.Lab('--no-daemon', '--debug')
        self.xen.__enter__()
        self.addCleanup(self.xen.__exit__)
        self.xen.run('lab-xlvirtd stop')
        self.xen.run(f'rm -rf {REPORTS}; mkdir -p {REPORTS}; truncate -s 16M /tmp/more.img; truncate -s 2M /tmp/1.iso /tmp/2.iso')
        self.xen.run('cat >/etc/default/xlvirtd', input=DEFAULTS)
        self.addCleanup(self.xen.run, 'rm -f /etc/default/xlvirtd')
        self.assertIn('leaked', self.xen.run(CANARY))
        self.xen.run('lab-xlvirtd start', timeout=PATIENCE)
        self.client = xenclient.Client(self.xen.uri())

    def test_tour(self):
        """Every step is a thing of its own; what all of them left behind is looked at when the daemon
        has ended."""
        for step in (self.stub, self.foreign, self.failures, self.linux, self.firmware, self.restart, self.cancelled):
            self.client.forget_events()
            step()
            self.client.clear()
        self.client.connection.close()
        self.xen.run('lab-xlvirtd stop', timeout=PATIENCE)
        self.maxDiff = None  # all of a report
        self.assertEqual(self.xen.run(f'cat {REPORTS}/* 2>/dev/null || true'), '')

    def define(self, sample, name, *changes):
        return self.client.connection.defineXML(xml(sample, name, *changes))

    def stub(self):
        domain = self.define('stub', 'one')
        domain.create()
        self.client.wait_event('one', STARTED)
        domain.suspend()
        domain.resume()
        for question in (domain.info, domain.vcpus, domain.XMLDesc, domain.schedulerParameters, domain.memoryStats):
            question()
        self.client.connection.getAllDomainStats()
        self.client.connection.getCapabilities()
        domain.shutdown()  # it never answers, and whoever asks is not kept for that
        self.xen.run('xl destroy one')
        self.client.wait_event('one', STOPPED, DESTROYED)

    def foreign(self):
        """A domain of xl's appears, with a definition out of libxl's record."""
        self.xen.run('xl create -q /srv/guests/stub.cfg')
        self.client.wait_event('stub', STARTED)
        self.assertIn('/srv/guests/stub', self.client.domain('stub').XMLDesc())
        self.client.domain('stub').destroy()

    def failures(self):
        for changes in ((('/srv/guests/stub', '/srv/guests/initramfs'),),
                        (('<devices>', '<devices>' + NIC.format('nobridge')),)):
            with self.assertRaises(libvirt.libvirtError):
                self.define('stub', 'wrong', *changes).create()

    def linux(self):
        """Plugging, saving, dumping, shutting down: what a guest has a part in."""
        self.xen.run('lab-guest forget linux', check=False)
        domain = self.define('pv', 'linux', ("<vcpu>1<", "<vcpu current='1'>2<"))
        domain.create()
        self.xen.wait_console('linux', 'guest: ready', PATIENCE)
        # A guest that is asked for the next thing before it has taken up the last one may not do so for a minute.
        for device, said in ((DISK, 'guest: disk xvdb'), (NIC.format('xenbr0'), 'guest: net eth1')):
            domain.attachDevice(device)
            self.xen.wait_console('linux', said, PATIENCE)
            domain.detachDevice(device)
        domain.setVcpus(2)
        self.xen.wait_console('linux', 'guest: cpu cpu1', PATIENCE)
        domain.setMemoryFlags(96 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        domain.blockStats('xvda')
        stream = self.client.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, 0)
        stream.abort()
        domain.coreDump('/tmp/linux.core', libvirt.VIR_DUMP_LIVE)
        domain.managedSave()
        domain.create()
        self.client.wait_event('linux', STARTED, 2)
        domain.shutdown()
        self.client.wait_event('linux', STOPPED, 0)

    def firmware(self):
        domain = self.define('hvm-disk', 'fw', (CDROM[0], CDROM[1].format('/tmp/1.iso')))
        domain.create()
        domain.updateDeviceFlags(CDROM[1].format('/tmp/2.iso').replace('<devices>', ''))
        path = '/var/lib/libvirt/libxl/save/fw.image'
        domain.save(path)
        self.client.connection.restore(path)
        self.assertEqual(self.client.domain('fw').state()[0], libvirt.VIR_DOMAIN_RUNNING)

    def restart(self):
        """The next daemon finds what runs. The end of this one is looked at, too."""
        self.define('stub', 'stays').create()
        self.xen.run('lab-xlvirtd restart', timeout=PATIENCE)
        self.client.connect()
        self.assertEqual(self.client.domain('stays').state()[0], libvirt.VIR_DOMAIN_RUNNING)

    def cancelled(self):
        """A start that is broken off."""
        self.xen.run("printf '#!/bin/sh\\n[ \"$1\" != online ] || sleep 35\\n' >/etc/xen/scripts/vif-slow; "
                     'chmod 755 /etc/xen/scripts/vif-slow')
        domain = self.define('stub', 'slow', ('<devices>', "<devices><interface type='bridge'><source bridge='xenbr0'/>"
                                              "<script path='vif-slow'/></interface>"))
        failed = []

        def start():
            try:
                domain.create()
            except libvirt.libvirtError as error:
                failed.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        wait_for(lambda: 'slow' in self.xen.guests(), 'the domain to be there')
        domain.destroy()
        thread.join()
        self.assertEqual(len(failed), 1)


if __name__ == '__main__':
    tap.main()
