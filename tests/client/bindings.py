#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""python3-libvirt, and a client of our own that sends what no library sends, against xlvirtd on
the engine sim: error numbers, events, streams, the old ways of registering, odd calls."""
import os
import struct
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import Wire, domain_xml, wait_for  # noqa: E402

try:
    import libvirt
except ImportError:
    print('1..0 # SKIP python3-libvirt is not installed')
    sys.exit(0)  # TAP says by its plan that all is skipped


class Case(harness.Case):
    def setUp(self):
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(self.connection.close)
        self.addCleanup(self.clear)

    def clear(self):
        harness.end_guests(self.connection)
        for domain in harness.guests(self.connection):
            domain.undefine()


class TestErrors(Case):
    def test_numbers(self):
        connection = self.connection
        domain = connection.defineXML(domain_xml('n'))
        self.fails(42, "^Domain not found: no domain with matching name 'x'", connection.lookupByName, 'x')
        self.fails(42, "^Domain not found: no domain with matching uuid '7", connection.lookupByUUID, bytes([0x77] * 16))
        self.fails(42, '^Domain not found: no domain with matching id', connection.lookupByID, 99)
        self.fails(55, '^Requested operation is not valid: domain is not running', domain.destroy)
        self.fails(55, 'is not running', domain.setMemoryFlags, 65536, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        self.fails(8, r'^unsupported flags \(0x8000\) in function virDomainCreateWithFlags', domain.createWithFlags, 0x8000)
        self.fails(8, r'^unsupported flags \(0x80000\)', connection.listAllDomains, 0x80000)
        self.fails(80, '^metadata not found', domain.metadata, 0, None)
        self.fails(3, 'connection driver: virDomainFSTrim', domain.fSTrim, None, 0, 0)
        self.fails(35, r'\(domain_definition\):1:', connection.defineXML, '<domain')
        self.fails(92, 'failed to validate against schema', connection.defineXMLFlags,
                   domain_xml('q', extra='<odd/>'), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        domain.create()
        self.fails(55, 'is already active|already running', domain.create)

    def test_from_libxl(self):
        error = self.fails(42, 'not found', self.connection.lookupByName, 'x')
        self.assertEqual(error.get_error_domain(), libvirt.VIR_FROM_LIBXL)
        self.assertEqual(error.get_error_level(), libvirt.VIR_ERR_ERROR)

    def test_read_only(self):
        self.connection.defineXML(domain_xml('n'))
        for connection in (libvirt.open(self.host.uri(readonly=True)), libvirt.openReadOnly(self.host.uri())):
            domain = connection.lookupByName('n')
            self.assertIn('<name>n</name>', domain.XMLDesc())
            self.fails(29, '^operation forbidden: read only access prevents virDomainCreate', domain.create)
            self.fails(29, '^operation forbidden: virDomainGetXMLDesc with secure flag', domain.XMLDesc,
                       libvirt.VIR_DOMAIN_XML_SECURE)
            connection.close()


class TestAnswers(Case):
    def test_connection(self):
        connection = self.connection
        self.assertEqual(connection.getURI(), self.host.uri())  # the client's own memory of it
        self.assertEqual(connection.getType(), 'Xen')
        self.assertEqual(connection.getLibVersion() // 1000000, libvirt.getVersion() // 1000000)
        self.assertTrue(connection.isSecure())
        self.assertTrue(connection.isAlive())
        self.assertGreater(connection.getMaxVcpus(None), 0)
        self.assertEqual(connection.getInfo()[0], 'x86_64')
        cpus, online_map, online = connection.getCPUMap()
        self.assertEqual((cpus, len(online_map)), (connection.getInfo()[2], online))
        self.assertGreater(connection.getFreeMemory(), 1 << 20)

    def test_domain(self):
        domain = self.connection.defineXML(domain_xml('a', memory=131072, vcpus=2))
        self.assertEqual(domain.info(), [libvirt.VIR_DOMAIN_SHUTOFF, 131072, 131072, 2, 0])
        self.assertEqual(domain.OSType(), 'hvm')
        self.assertEqual(domain.maxMemory(), 131072)
        self.assertEqual((domain.isActive(), domain.isPersistent(), domain.isUpdated()), (0, 1, 0))
        self.assertEqual(domain.ID(), -1)
        domain.create()
        self.assertGreater(self.connection.lookupByName('a').ID(), 0)
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_BOOTED])
        self.assertEqual(domain.securityLabel(), ['', 0])  # no FLASK on this host
        vcpus, maps = domain.vcpus()
        self.assertEqual([v[0] for v in vcpus], [0, 1])
        self.assertEqual(len(maps[0]), self.connection.getInfo()[2])
        self.assertTrue(all(maps[0]))
        self.assertEqual(len(domain.vcpuPinInfo()), 2)
        self.assertEqual(domain.maxVcpus(), 2)
        self.assertEqual(domain.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE)
        self.assertEqual(domain.jobStats(), {'type': libvirt.VIR_DOMAIN_JOB_NONE})
        self.assertEqual(sorted(self.connection.listDomainsID()), [0, self.connection.lookupByName('a').ID()])
        self.assertEqual(self.connection.numOfDomains(), 2)
        before = domain.info()[4]
        wait_for(lambda: domain.info()[4] > before, 'vcpu time to pass')

    def test_with_flags(self):
        """The forms of calls that take flags, which stock programs make seldom."""
        domain = self.connection.defineXML(domain_xml('f', memory=131072))
        self.assertEqual(domain.setMaxMemory(262144), 0)
        self.assertEqual(domain.maxMemory(), 262144)
        self.host.control('[f]\nguest-boot-ms=1\nguest-shutdown-ms=1\n')
        domain.create()
        core = f'{self.host.root}/f.core'
        domain.coreDumpWithFormat(core, libvirt.VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, libvirt.VIR_DUMP_MEMORY_ONLY)
        self.assertGreater(os.stat(core).st_size, 0)
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_PARAVIRT)
        wait_for(lambda: not domain.isActive(), 'the guest to shut down')
        domain.create()
        domain.destroyFlags(0)
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED])

    def test_defined_lists(self):
        for name in ('b', 'c'):
            self.connection.defineXML(domain_xml(name))
        self.assertEqual(sorted(self.connection.listDefinedDomains()), ['b', 'c'])
        self.assertEqual(self.connection.numOfDefinedDomains(), 2)

    def test_bytes_of_a_name(self):
        """A look-up by bytes that are no text, and a long one, are answered, not fatal."""
        with Wire(self.host) as wire:
            code, _, message = wire.error(23, Wire.text(b'\xff\xfe'))
            self.assertEqual(code, 42)
            self.assertIn('\N{REPLACEMENT CHARACTER}', message)
            code, _, message = wire.error(23, Wire.text(b'n' * 4000000))
            self.assertEqual(code, 42)
            self.assertLess(len(message), 100000)


class TestJob(Case):
    def test_save_and_abort(self):
        domain = self.connection.defineXML(domain_xml('j'))
        domain.create()
        self.host.control('[j]\nsave-write-ms=60000\n')
        problems = []

        def save():
            try:
                libvirt.open(self.host.uri()).lookupByName('j').save(f'{self.host.root}/j.img')
            except libvirt.libvirtError as e:
                problems.append(e)

        thread = threading.Thread(target=save)
        thread.start()
        stats = wait_for(lambda: len(domain.jobStats()) > 1 and domain.jobStats(), 'the job')
        self.assertEqual(stats.get('operation'), libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE)
        self.assertIn('time_elapsed', stats)
        self.assertNotEqual(domain.jobInfo()[0], libvirt.VIR_DOMAIN_JOB_NONE)
        domain.abortJob()
        thread.join(harness.TIMEOUT)
        self.host.control('')
        self.assertEqual([e.get_error_code() for e in problems], [libvirt.VIR_ERR_OPERATION_ABORTED])
        self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_RUNNING)
        self.assertFalse(os.path.exists(f'{self.host.root}/j.img'))


class TestConsole(Case):
    def test_stream(self):
        domain = self.connection.defineXML(domain_xml('c'))
        self.fails(55, 'not running', domain.openConsole, None, self.connection.newStream(), 0)
        domain.create()
        stream = self.connection.newStream()
        domain.openConsole(None, stream, 0)
        stream.send(b'echo me\r')
        seen = b''
        while b'echo me' not in seen:
            seen += stream.recv(1024)
        other = libvirt.open(self.host.uri())
        self.fails(55, 'Active console session exists for this domain', other.lookupByName('c').openConsole, None,
                   other.newStream(), 0)
        ended = threading.Thread(target=self.read_to_end, args=[stream], daemon=True)
        ended.start()
        forced = other.newStream()
        other.lookupByName('c').openConsole(None, forced, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        ended.join(harness.TIMEOUT)
        self.assertFalse(ended.is_alive(), 'the first holder does not learn that it was forced out')
        forced.send(b'now mine\r')
        seen = b''
        while b'now mine' not in seen:
            seen += forced.recv(1024)
        forced.finish()
        other.close()
        # Free again.
        third = self.connection.newStream()
        wait_for(lambda: self.opens(domain, third), 'the console to be free')
        third.abort()
        self.fails(8, 'unsupported flags', domain.openConsole, None, self.connection.newStream(), 0x40)

    @staticmethod
    def read_to_end(stream):
        while stream.recv(1024):
            pass

    @staticmethod
    def opens(domain, stream):
        try:
            domain.openConsole(None, stream, 0)
            return True
        except libvirt.libvirtError:
            return False

    def test_end_with_domain(self):
        domain = self.connection.defineXML(domain_xml('d'))
        domain.create()
        stream = self.connection.newStream()
        domain.openConsole(None, stream, 0)
        domain.destroy()
        try:
            while stream.recv(1024):
                pass
        except libvirt.libvirtError:
            pass  # an error ends it as well as an end of data


class TestEvents(Case):
    def test_story(self):
        seen, others = [], []
        connection = libvirt.open(self.host.uri())
        connection.setKeepAlive(5, 6)
        lifecycle = connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lambda c, d, event, detail, o: d.name() == 's' and seen.append((d.name(), event, detail)), None)
        for event in (libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
                      libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE):
            connection.domainEventRegisterAny(None, event, lambda *what: others.append(what[2:-1]), None)
        domain = self.connection.defineXML(domain_xml('s', memory=131072))
        domain.create()
        domain.suspend()
        domain.resume()
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, 'T', None, None, 0)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, '<a/>', 'x', 'urn:x', 0)
        domain.setMemoryFlags(65536, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        domain.destroy()
        domain.undefine()
        want = [('s', libvirt.VIR_DOMAIN_EVENT_DEFINED, 0), ('s', libvirt.VIR_DOMAIN_EVENT_STARTED, 0),
                ('s', libvirt.VIR_DOMAIN_EVENT_SUSPENDED, 0), ('s', libvirt.VIR_DOMAIN_EVENT_RESUMED, 0),
                ('s', libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED),
                ('s', libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0)]
        wait_for(lambda: len(seen) >= len(want), f'events, so far {seen}')
        self.assertEqual(seen, want)
        self.assertIn((libvirt.VIR_DOMAIN_METADATA_TITLE, None), others)
        self.assertIn((libvirt.VIR_DOMAIN_METADATA_ELEMENT, 'urn:x'), others)
        self.assertIn((65536,), others)
        connection.domainEventDeregisterAny(lifecycle)
        self.connection.defineXML(domain_xml('t'))
        time.sleep(0.2)
        self.assertEqual(len(seen), len(want))
        connection.close()

    def test_many_clients(self):
        """Each of many clients gets each event once, and the ones that leave hurt nobody."""
        counts = [0] * 30
        connections = []

        def count(c, d, event, detail, i):
            counts[i] += d.name() == 'm'

        for i in range(30):
            connection = libvirt.open(self.host.uri())
            connection.domainEventRegisterAny(None, 0, count, i)
            connections.append(connection)
        domain = self.connection.defineXML(domain_xml('m'))
        for connection in connections[20:]:
            connection.close()
        for _ in range(5):
            domain.create()
            domain.destroy()
        wait_for(lambda: all(n == 11 for n in counts[:20]), f'11 events each: {counts}')
        for connection in connections[:20]:
            connection.close()


class TestWire(Case):
    """What stock clients of today do not send."""

    def define(self, name):
        return self.connection.defineXML(domain_xml(name, str(uuid.uuid4())))

    def test_open(self):
        with Wire(self.host, open_as=None) as wire:
            self.assertEqual(wire.call(66), (0, struct.pack('>II', 1, 0)))
            self.assertEqual(wire.call(60, struct.pack('>I', 10)), (0, struct.pack('>I', 1)))
            self.assertEqual(wire.error(60, struct.pack('>I', 14)),
                             (1, 7, 'internal error: hypervisor connection not open'))
            self.assertEqual(wire.error(1, Wire.optional(b'qemu:///system') + bytes(4)),
                             (5, 0, 'no connection driver available for qemu:///system'))
            self.assertEqual(wire.error(1, Wire.optional(None) + struct.pack('>I', 8))[0], 8)
            self.assertEqual(wire.call(1, Wire.optional(None) + bytes(4))[0], 0)
            self.assertEqual(wire.error(1, Wire.optional(None) + bytes(4)),
                             (1, 7, 'internal error: connection already open'))
            for feature, answer in ((9, 1), (14, 1), (15, 1), (16, 1), (8, 1), (6, 0), (17, 0), (-1, 0)):
                self.assertEqual(wire.call(60, struct.pack('>i', feature)), (0, struct.pack('>I', answer)), feature)
            self.assertEqual(wire.call(110), (0, Wire.text(b'xen:///system')))
            self.assertEqual(wire.call(360)[0], 0)
            self.assertEqual(wire.call(361)[0], 0)
            self.assertEqual(wire.call(2)[0], 0)
            with self.assertRaises(ConnectionError):
                wire.receive()

    def test_old_events(self):
        domain = self.define('o')
        with Wire(self.host) as wire:
            self.assertEqual(wire.call(105), (0, bytes(4)))
            self.assertEqual(wire.error(105), (8, 0, 'event callback already tracked'))
            self.assertEqual(wire.error(316, struct.pack('>II', 0, 0)), (8, 0, 'event callback already tracked'))
            self.assertEqual(wire.call(167, struct.pack('>I', 13))[0], 0)
            self.assertEqual(wire.error(167, struct.pack('>I', 20)), (1, 7, 'internal error: unsupported event ID 20'))
            domain.create()
            what = None
            while what != (libvirt.VIR_DOMAIN_EVENT_STARTED, 0):
                proc, body = wire.event()
                self.assertEqual(proc, 107)
                self.assertEqual(body[:8], Wire.text(b'o'))
                self.assertEqual(body[8:24], domain.UUID())
                what = struct.unpack('>II', body[28:])
            self.assertEqual(wire.call(106), (0, bytes(4)))
            self.assertEqual(wire.error(106), (1, 7, 'internal error: domain event 0 not registered'))
            self.assertEqual(wire.call(168, struct.pack('>I', 13))[0], 0)

    def test_new_events(self):
        domain, other = self.define('p'), self.define('q')
        with Wire(self.host) as wire:
            for event in range(28):  # what cannot happen yet is silent
                self.assertEqual(wire.call(316, struct.pack('>II', event, 0)), (0, struct.pack('>I', event)))
            for event in (28, -1, 1 << 30):
                code, source, message = wire.error(316, struct.pack('>iI', event, 0))
                self.assertEqual((code, source, message), (1, 7, f'internal error: unsupported event ID {event}'))
            for event in range(28):
                self.assertEqual(wire.call(317, struct.pack('>I', event))[0], 0)
            self.assertEqual(wire.error(317, struct.pack('>I', 5)),
                             (1, 7, 'internal error: domain event callback 5 not registered'))
            wire.events.clear()  # the definitions' may have come late
            status, body = wire.call(316, struct.pack('>II', 0, 1) + Wire.domain(domain.UUID()))
            self.assertEqual((status, body), (0, struct.pack('>I', 28)))
            other.create()
            domain.create()
            proc, body = wire.event()
            self.assertEqual((proc, body[:12]), (318, struct.pack('>I', 28) + Wire.text(b'p')))

    def test_reply_before_event(self):
        """The id comes before the first event that carries it, however busy the host is."""
        domain = self.define('r')
        going = True

        def churn():
            connection = libvirt.open(self.host.uri())
            mine = connection.lookupByName('r')
            mine.create()
            while going:
                mine.suspend()
                mine.resume()
            connection.close()

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            wait_for(domain.isActive, 'the churn')
            with Wire(self.host) as wire:
                known = set()
                for _ in range(200):
                    wire.send(316, struct.pack('>II', 0, 0))
                    while True:
                        proc, kind, _, status, body = wire.receive()
                        callback, = struct.unpack('>I', body[:4])
                        if kind == 2:
                            self.assertIn(callback, known)
                        else:
                            self.assertEqual((proc, status), (316, 0))
                            known = {callback}
                            break
                    self.assertEqual(wire.call(317, struct.pack('>I', callback))[0], 0)
                    known.add(callback)  # events queued before the deregistration may still come
        finally:
            going = False
            thread.join(harness.TIMEOUT)

    def test_sizes(self):
        domain = self.define('z')
        domain.create()
        who = Wire.domain(domain.UUID())
        with Wire(self.host) as wire:
            for maxinfo, maplen in ((-1, 1), (1, -1), (16385, 1), (16384, 1 << 30), (1 << 30, 1 << 30)):
                self.assertIn(wire.error(20, who + struct.pack('>ii', maxinfo, maplen))[0], (8, 39))
                self.assertIn(wire.error(230, who + struct.pack('>iiI', maxinfo, maplen, 0))[0], (8, 39))
            self.assertEqual(wire.error(37, struct.pack('>i', -5))[0], 8)
            self.assertEqual(wire.error(21, struct.pack('>i', 1 << 20))[0], 39)
            self.assertEqual(wire.call(37, struct.pack('>i', 0)), (0, bytes(4)))
            # A name that is out of date does not matter, an unknown uuid does.
            self.assertEqual(wire.call(150, who), (0, struct.pack('>I', 1)))
            self.assertEqual(wire.error(150, Wire.domain(b'\x77' * 16, name=b'z'))[0], 42)

    def test_every_procedure(self):
        """Each number is answered, with empty arguments, on both sockets; the daemon stays."""
        for readonly in (False, True):
            with Wire(self.host, readonly=readonly) as wire:
                for number in list(range(3, 454)) + [0, -1, 454, 1 << 30]:
                    if number in (66, 105, 106, 360, 361):
                        continue
                    status, body = wire.call(number)
                    if status:
                        self.assertIn(struct.unpack('>i', body[:4])[0], (1, 3, 8, 29, 39, 42), number)
            self.assertTrue(self.connection.getURI())


if __name__ == '__main__':
    libvirt.registerErrorHandler(lambda *unused: None, None)
    harness.run_events()
    tap.main()
