#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every event that can happen on Xen, by the way of today and by the old one; order; a reader that does not read.

usage: events.py [WORD...] runs the cases whose names have one of the words in them."""
import os
import re
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import Wire, domain_xml, wait_for  # noqa: E402
try:
    import libvirt
except ImportError:
    libvirt = None

UUID = 'e0e0e0e0-2222-3333-4444-{:012d}'
MEDIA = "<disk type='file' device='cdrom'><source file='{}' startupPolicy='{}'/><target dev='hdc' bus='ide'/></disk>"
DISK = "<disk type='file' device='disk'><source file='{}' {}/><target dev='{}' bus='xen'/></disk>"

# Event ids, and the number of the message that an old registration gets. Those of None have none: their ids
# are above what the old way knows.
LIFECYCLE, REBOOT, RTC, WATCHDOG, IO_ERROR, GRAPHICS, IO_ERROR_REASON = 0, 1, 2, 3, 4, 5, 6
CONTROL, DISK_CHANGE, TRAY = 7, 9, 10
BALLOON, REMOVED, TUNABLE, ADDED, JOB, FAILED, METADATA, THRESHOLD = 13, 15, 17, 19, 21, 22, 23, 24
OLD = {LIFECYCLE: 107, REBOOT: 169, RTC: 170, WATCHDOG: 171, IO_ERROR: 172, GRAPHICS: 173, IO_ERROR_REASON: 195,
       CONTROL: 224, DISK_CHANGE: 248, TRAY: 268, BALLOON: 276, REMOVED: 311}
NEW_ONLY = (TUNABLE, ADDED, JOB, FAILED, METADATA, THRESHOLD)


def setUpModule():
    if libvirt:
        harness.run_events()


class Body:
    """What of an event's message is behind the domain."""

    def __init__(self, data):
        length, = struct.unpack('>I', data[:4])
        at = 4 + (length + 3) // 4 * 4
        self.name = data[4:4 + length].decode()
        self.data = data[at + 16 + 4:]

    def number(self, form='>i'):
        size = struct.calcsize(form)
        value, = struct.unpack(form, self.data[:size])
        self.data = self.data[size:]
        return value

    def text(self):
        length = self.number('>I')
        value, self.data = self.data[:length], self.data[(length + 3) // 4 * 4:]
        return value.decode()

    def optional(self):
        return self.text() if self.number('>I') else None

    def graphics(self):
        phase = self.number()
        local, remote = ({'family': self.number(), 'node': self.text(), 'service': self.text()} for _ in range(2))
        return phase, local, remote, self.text(), [(self.text(), self.text()) for _ in range(self.number('>I'))]


# How the message of an old registration reads; its values in the order of the binding's callback.
READ = {
    LIFECYCLE: lambda b: (b.number(), b.number()), REBOOT: lambda b: (), RTC: lambda b: (b.number('>q'),),
    WATCHDOG: lambda b: (b.number(),), CONTROL: lambda b: (), GRAPHICS: lambda b: b.graphics(),
    IO_ERROR: lambda b: (b.text(), b.text(), b.number()),
    IO_ERROR_REASON: lambda b: (b.text(), b.text(), b.number(), b.text()),
    DISK_CHANGE: lambda b: (b.optional(), b.optional(), b.text(), b.number()),
    TRAY: lambda b: (b.text(), b.number()), BALLOON: lambda b: (b.number('>Q'),), REMOVED: lambda b: (b.text(),),
}


@tap.unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
class Case(harness.Case):
    def setUp(self):
        self.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(lambda: self.connection.close())
        self.addCleanup(self.clear)

    def clear(self):
        self.host.control('')
        harness.end_guests(self.connection)
        for domain in harness.guests(self.connection):
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)

    def define(self, name='d', number=1, devices='', **more):
        xml = domain_xml(name, UUID.format(number), **more).replace('</devices>', devices + '</devices>')
        return self.connection.defineXML(xml)

    def simhost(self, *words):
        subprocess.run([harness.SIMHOST, '--root', self.host.root, *map(str, words)], check=True,
                       timeout=harness.TIMEOUT)


class TestKinds(Case):
    """What one event tells, by both ways of registering. Each case causes it once and names what comes."""

    def setUp(self):
        super().setUp()
        self.new, self.old = [], []
        self.wire = Wire(self.host)
        self.addCleanup(self.wire.close)

    def listen(self, event):
        self.event = event
        self.connection.domainEventRegisterAny(None, event, lambda c, d, *what: self.new.append(what[:-1]), None)
        if event in OLD:
            self.assertEqual(self.wire.call(167, struct.pack('>I', event))[0], 0)
        else:
            self.assertEqual(self.wire.error(167, struct.pack('>I', event)),
                             (1, 7, f'internal error: unsupported event ID {event}'))

    def came(self, *expected):
        """These, in this order, and no other."""
        wait_for(lambda: len(self.new) >= len(expected), f'{expected}, there is {self.new}')
        self.assertEqual(self.new, list(expected))
        if self.event not in OLD:
            return
        while len(self.old) < len(expected):
            number, body = self.wire.event()
            self.assertEqual(number, OLD[self.event])
            body = Body(body)
            self.old.append(READ[self.event](body))
            self.assertEqual(body.data, b'')
        self.assertEqual(self.old, list(expected))

    def test_none_is_missing(self):
        """Each kind that the daemon has has a case here."""
        self.assertEqual(sorted(OLD) + sorted(NEW_ONLY), sorted(list(OLD) + list(NEW_ONLY)))
        for event in (*OLD, *NEW_ONLY):
            name = next(n for n, v in globals().items() if n.isupper() and v == event and n != 'OLD')
            self.assertTrue(hasattr(self, f'test_{name.lower()}'), name)

    def test_lifecycle(self):
        self.listen(LIFECYCLE)
        domain = self.define()
        self.define(memory=65536)
        domain.create()
        domain.suspend()
        domain.resume()
        domain.destroy()
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        domain.resume()
        domain.shutdown()
        wait_for(lambda: not domain.isActive(), 'the shutdown')
        domain.create()
        domain.save(f'{self.host.root}/image')
        self.connection.restore(f'{self.host.root}/image')
        domain = self.connection.lookupByName('d')
        self.simhost('--exit', domain.ID(), 3)
        wait_for(lambda: not domain.isActive(), 'the crash')
        domain.create()
        self.simhost('--destroy', self.connection.lookupByName('d').ID())
        wait_for(lambda: not domain.isActive(), 'the end')
        domain.rename('e')
        self.connection.lookupByName('e').undefine()
        defined, undefined, started, suspended, resumed, stopped = 0, 1, 2, 3, 4, 5
        self.came((defined, 0), (defined, 1), (started, 0), (suspended, 0), (resumed, 0), (stopped, 1),
                  (started, 0), (suspended, 0), (resumed, 0), (stopped, 0),
                  (started, 0), (stopped, 4), (started, 2), (stopped, 2),
                  (started, 0), (stopped, 1), (undefined, 1), (defined, 2), (undefined, 0))

    def test_reboot(self):
        domain = self.define()
        domain.create()
        self.listen(REBOOT)
        domain.reboot()
        self.came(())

    def test_rtc(self):
        domain = self.define(extra="<clock offset='variable' adjustment='0'/>")
        domain.create()
        self.listen(RTC)
        self.simhost('--clock', domain.ID(), 3600)
        self.simhost('--clock', domain.ID(), '--', -86400)
        self.came((3600,), (-86400,))
        self.assertIn("adjustment='-86400'", domain.XMLDesc())
        self.assertIn("adjustment='0'", domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    def test_watchdog(self):
        self.listen(WATCHDOG)
        expected = []
        for action, what in (('restart', libvirt.VIR_DOMAIN_EVENT_WATCHDOG_RESET),
                             ('destroy', libvirt.VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF),
                             ('preserve', libvirt.VIR_DOMAIN_EVENT_WATCHDOG_PAUSE)):
            domain = self.define(extra=f'<on_crash>{action}</on_crash>')
            domain.create()
            domid = domain.ID()
            self.simhost('--exit', domid, 4)
            expected.append((what,))
            self.came(*expected)
            wait_for(lambda: domain.state()[0] == {'restart': 1, 'destroy': 5, 'preserve': 6}[action], action)
            if domain.isActive():
                domain.destroy()

    def test_control(self):
        domain = self.define()
        domain.create()
        self.listen(CONTROL)
        self.simhost('--lose', domain.ID())
        self.came(())
        # It is told at once, not when whoever waits for the domain gives up.
        self.host.control('[d]\nshutdown-hang=true\n')
        stuck = threading.Thread(target=lambda: self.host.virsh('shutdown', 'd'))
        stuck.start()
        wait_for(lambda: domain.jobInfo()[0] != 0, 'the job')
        self.simhost('--lose', domain.ID())
        self.came((), ())
        self.assertNotEqual(domain.jobInfo()[0], 0)
        domain.destroy()
        self.host.control('')
        stuck.join()

    def test_disk_change(self):
        there = self.host.file('there.img', 'x')
        gone = f'{self.host.root}/gone.img'
        domain = self.define(devices=MEDIA.format(gone, 'optional') + DISK.format(gone, "startupPolicy='optional'", 'xvdb') +
                             DISK.format(there, "startupPolicy='optional'", 'xvda'))
        self.listen(DISK_CHANGE)
        domain.create()
        self.came((gone, None, 'ide-disk2', libvirt.VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START),
                  (gone, None, 'xen-disk1', libvirt.VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START))
        live, lasting = domain.XMLDesc(), domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        self.assertNotIn(gone, live)
        self.assertIn('hdc', live)
        self.assertIn('xvda', live)
        self.assertNotIn('xvdb', live)
        self.assertEqual(lasting.count(gone), 2)
        # What must be there for a boot may be missing where a guest goes on.
        self.new.clear()
        self.old.clear()
        domain.destroy()
        domain.undefine()
        medium = self.host.file('medium.iso', 'x')
        domain = self.define(devices=MEDIA.format(medium, 'requisite'))
        domain.create()
        domain.managedSave()
        os.unlink(medium)
        domain.create()
        self.came((medium, None, 'ide-disk2', libvirt.VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START))

    def test_tray(self):
        medium = self.host.file('medium.iso', 'x')
        domain = self.define(devices=MEDIA.format(medium, 'mandatory'))
        domain.create()
        self.listen(TRAY)
        self.simhost('--eject', domain.ID(), 'hdc')
        self.came(('ide-disk2', libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN))
        self.assertRegex(domain.XMLDesc(), "<target dev='hdc' bus='ide' tray='open'/>")
        self.assertIn(medium, domain.XMLDesc())
        self.simhost('--close', domain.ID(), 'hdc')
        self.came(('ide-disk2', libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN),
                  ('ide-disk2', libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE))
        self.assertNotIn('tray=', domain.XMLDesc())
        # A client that takes the medium out leaves the tray open, and closes it on the next one.
        moved = list(self.new)
        domain.updateDeviceFlags(MEDIA.format('', '').replace("<source file='' startupPolicy=''/>", ''))
        self.assertIn("tray='open'", domain.XMLDesc())
        self.came(*moved, moved[0])
        domain.updateDeviceFlags(MEDIA.format(medium, 'mandatory'))
        self.assertNotIn('tray=', domain.XMLDesc())
        self.came(*moved, *moved)

    def io_error(self, event, *reason):
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(event)
        self.simhost('--io-error', domain.ID(), 'xvda')
        self.came(('/d/a.img', 'xen-disk0', libvirt.VIR_DOMAIN_EVENT_IO_ERROR_REPORT, *reason))

    def test_io_error(self):
        self.io_error(IO_ERROR)

    def test_io_error_reason(self):
        self.io_error(IO_ERROR_REASON, '')

    def test_disk_full(self):
        """The device model has stopped: the domain is paused until a client has made room and resumes it."""
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(IO_ERROR_REASON)
        for _ in range(2):
            self.new.clear()
            self.old.clear()
            self.simhost('--disk-full', domain.ID(), 'xvda')
            self.came(('/d/a.img', 'xen-disk0', libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, 'enospc'))
            wait_for(lambda: domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR], 'the pause')
            domain.resume()
            self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED])
        # One that a client has paused stays its own.
        domain.suspend()
        self.simhost('--disk-full', domain.ID(), 'xvda')
        wait_for(lambda: len(self.new) == 2, 'the second one')
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER])

    def test_full_lifecycle(self):
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(LIFECYCLE)
        self.simhost('--disk-full', domain.ID(), 'xvda')
        self.came((libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR))

    def test_graphics(self):
        domain = self.define(devices="<graphics type='vnc' autoport='yes'/>")
        domain.create()
        self.listen(GRAPHICS)
        port = re.search(r"<graphics type='vnc' port='(\d+)'", domain.XMLDesc())[1]
        self.simhost('--visit', domain.ID(), '2001:db8::7')
        local = {'family': 0, 'node': '127.0.0.1', 'service': port}
        wait_for(lambda: self.new, 'a client')
        remote = dict(self.new[0][2])
        self.assertEqual((remote['family'], remote['node']), (1, '2001:db8::7'))
        self.came(*((phase, local, remote, 'none', []) for phase in range(3)))

    def test_balloon(self):
        domain = self.define()
        domain.create()
        self.listen(BALLOON)
        domain.setMemoryFlags(65536, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        wait_for(lambda: self.new and self.new[-1] == (65536,), 'the balloon')
        while not self.old or self.old[-1] != (65536,):
            self.old.append(READ[BALLOON](Body(self.wire.event()[1])))
        self.assertEqual(self.old, self.new)

    def test_removed(self):
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(REMOVED)
        domain.detachDevice(DISK.format('/d/a.img', '', 'xvda'))
        self.came(('xen-disk0',))

    def test_added(self):
        domain = self.define()
        domain.create()
        self.listen(ADDED)
        domain.attachDevice(DISK.format('/d/a.img', '', 'xvda'))
        self.came(('xen-disk0',))

    def test_failed(self):
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(FAILED)
        self.host.control('[d]\nguest-keeps-devices=true\n')
        self.assertRaises(libvirt.libvirtError, domain.detachDevice, DISK.format('/d/a.img', '', 'xvda'))
        self.came(('xen-disk0',))

    def test_tunable(self):
        domain = self.define()
        domain.create()
        self.listen(TUNABLE)
        domain.pinVcpu(0, (True, False, False, False))
        self.came(({'cputune.vcpupin0': '0'},))

    def test_job(self):
        domain = self.define()
        domain.create()
        self.listen(JOB)
        domain.managedSave()
        wait_for(lambda: self.new, 'the end of the job')
        (figures,), = self.new
        self.assertEqual(figures['operation'], libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE)
        self.assertGreaterEqual(figures['data_processed'], 1)

    def test_metadata(self):
        domain = self.define()
        self.listen(METADATA)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, 'x', None, None, 2)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, '<a/>', 'k', 'http://example.org/x', 2)
        self.came((libvirt.VIR_DOMAIN_METADATA_TITLE, None),
                  (libvirt.VIR_DOMAIN_METADATA_ELEMENT, 'http://example.org/x'))

    def test_threshold(self):
        domain = self.define(devices=DISK.format('/d/a.img', '', 'xvda'))
        domain.create()
        self.listen(THRESHOLD)
        with self.assertRaisesRegex(libvirt.libvirtError, "block device 'xvdz' doesn't exist"):
            domain.setBlockThreshold('xvdz', 1)
        domain.setBlockThreshold('xvda', 20000)
        wait_for(lambda: self.new, 'the guest to write')
        (dev, path, threshold, excess), = self.new
        self.assertEqual((dev, path, threshold), ('xvda', '/d/a.img', 20000))
        self.assertGreater(excess, 0)
        # Once; and a threshold that is taken back is none.
        domain.setBlockThreshold('xvda', 1 << 40)
        domain.setBlockThreshold('xvda', 0)
        time.sleep(0.3)
        self.assertEqual(len(self.new), 1)


class TestOrder(Case):
    N_DOMAINS, N_TURNS = 8, 12
    TURN = [(2, 0), (3, 0), (4, 0), (5, 1)]  # started, suspended, resumed, destroyed

    def test_order(self):
        """Domains that change side by side, a client that reads only when all is over: it gets everything, and of
        each domain in the order in which it happened."""
        names = [f'o{i}' for i in range(self.N_DOMAINS)]
        expected = [(0, 0)] + self.TURN * self.N_TURNS

        def work(name):
            connection = libvirt.open(self.host.uri())
            domain = connection.lookupByName(name)
            for _ in range(self.N_TURNS):
                domain.create()
                domain.suspend()
                domain.resume()
                domain.destroy()
            connection.close()
        with Wire(self.host) as late, Wire(self.host) as old:
            self.assertEqual(late.call(316, struct.pack('>II', 0, 0))[0], 0)
            self.assertEqual(old.call(105)[0], 0)
            # After they listen: who begins to listen meanwhile may still hear of it, or not.
            for i, name in enumerate(names):
                self.define(name, i + 1)
            workers = [threading.Thread(target=work, args=(name,)) for name in names]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            for wire, number, before in ((late, 318, 4), (old, 107, 0)):
                seen = {name: [] for name in names}
                while any(len(events) < len(expected) for events in seen.values()):
                    proc, data = wire.event()
                    self.assertEqual(proc, number)
                    body = Body(data[before:])
                    seen[body.name].append(READ[LIFECYCLE](body))
                for name in names:
                    self.assertEqual(seen[name], expected, name)


class TestSlowReader(Case):
    URI = 'http://example.org/' + 'x' * (192 << 10)  # an event of metadata carries it
    LIMIT = 16 << 20  # of events that wait for one client

    def test_slow_reader(self):
        """It loses nothing, and is cut off when too much waits; nobody else notices."""
        domain = self.define()
        with Wire(self.host) as slow, Wire(self.host) as good:
            for wire in (slow, good):
                self.assertEqual(wire.call(316, struct.pack('>II', METADATA, 0))[0], 0)
            got, sent = [], 0

            def read_on():
                try:
                    while True:
                        got.append(good.event())
                except OSError:
                    pass
            threading.Thread(target=read_on, daemon=True).start()
            while 'cut off' not in self.host.log_text():
                self.assertLess(sent, 4 * self.LIMIT, 'nobody is cut off')
                domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, '<a/>', 'k', self.URI, 2)
                sent += len(self.URI)
            self.assertGreater(sent, self.LIMIT)
            n = sent // len(self.URI)
            wait_for(lambda: len(got) >= n, 'the client that reads')
            self.assertEqual(len(got), n)
            # What the other had got by then is whole, and behind it is the end of the connection.
            whole = 0
            with self.assertRaises(ConnectionError):
                while True:
                    slow.event()
                    whole += 1
            self.assertGreater(whole, 0)
        self.assertRegex(self.host.log_text(), r'client \d+ \(pid \d+, uid \d+\): cut off: .*(events|unread)')
        self.assertEqual(self.host.virsh('list')[0], 0)


if __name__ == '__main__':
    tap.main()
