#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sixteen clients do what they like with the same eight domains at once.

Nothing may crash, hang or leak; a listener must see each domain start and stop in turns; what the
daemon says at the end is what the simulated host says. Run under the sanitizers, too.
XLVIRT_STRESS_SECONDS (8) is how long; XLVIRT_STRESS_SEED repeats a choice of operations."""
import os
import random
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402

try:
    import libvirt
except ImportError:
    libvirt = None

SECONDS = float(os.environ.get('XLVIRT_STRESS_SECONDS', 8))
CLIENTS = 16
NAMES = [f's{i}' for i in range(8)]
UUID = '33333333-0000-0000-0000-%012d'


def xml(name):
    return domain_xml(name, UUID % NAMES.index(name), memory=random.choice((65536, 131072)),
                      os_type=random.choice(('hvm', 'linux')))


class Client:
    """One connection; each of its calls may fail as libvirt's calls fail, and in no other way."""

    def __init__(self, host, seed, end, enough):
        self.host, self.random, self.end, self.enough = host, random.Random(seed), end, enough
        self.done, self.wrong, self.slowest = {}, [], (0, '')

    def run(self):
        try:
            self.conn = libvirt.open(self.host.uri())
            while self.conn.isAlive() and (time.monotonic() < self.end or not self.enough()):
                self.step()
            self.conn.close()
        except Exception as error:  # for the test to tell
            self.wrong.append(repr(error))

    def step(self):
        name = self.random.choice(NAMES)
        what = self.random.choice(OPERATIONS)
        begun = time.monotonic()
        ok = True
        try:
            what(self, name)
        except libvirt.libvirtError as error:
            ok = False
            if error.get_error_code() not in EXPECTED:
                self.wrong.append(f'{what.__name__} {name}: {error.get_error_code()} {error}')
        self.slowest = max(self.slowest, (time.monotonic() - begun, f'{what.__name__} {name}'))
        key = what.__name__, ok
        self.done[key] = self.done.get(key, 0) + 1

    def domain(self, name):
        return self.conn.lookupByName(name)

    def save_path(self, name):
        return f'{self.host.root}/{name}.image'

    def define(self, name):
        self.conn.defineXML(xml(name))

    def create(self, name):
        self.conn.createXML(xml(name))

    def start(self, name):
        self.domain(name).create()

    def start_paused(self, name):
        self.domain(name).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    def destroy(self, name):
        self.domain(name).destroy()

    def suspend(self, name):
        self.domain(name).suspend()

    def resume(self, name):
        self.domain(name).resume()

    def shutdown(self, name):
        self.domain(name).shutdown()

    def reboot(self, name):
        self.domain(name).reboot()

    def undefine(self, name):
        self.domain(name).undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)

    def save(self, name):
        self.domain(name).save(self.save_path(name))

    def restore(self, name):
        self.conn.restore(self.save_path(name))

    def managed_save(self, name):
        self.domain(name).managedSave()

    def abort(self, name):
        self.domain(name).abortJob()

    def autostart(self, name):
        self.domain(name).setAutostart(self.random.randint(0, 1))

    def tune(self, name):
        domain = self.domain(name)
        domain.setVcpusFlags(self.random.randint(1, 2), libvirt.VIR_DOMAIN_AFFECT_CURRENT)
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, 'a title', None, None)

    def dump(self, name):
        self.domain(name).XMLDesc(self.random.choice((0, libvirt.VIR_DOMAIN_XML_INACTIVE)))

    def look(self, name):
        domain = self.domain(name)
        domain.info()
        domain.state()
        if domain.isActive():
            domain.vcpus()

    def list(self, name):
        for domain in self.conn.listAllDomains():
            domain.state()

    def listen(self, name):
        ignore = self.conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *unused: None,
                                                  None)
        self.conn.domainEventDeregisterAny(ignore)

    def console(self, name):
        stream = self.conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
        try:
            self.domain(name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        finally:
            stream.abort()


C = Client
OPERATIONS = [C.define, C.define, C.create, C.start, C.start, C.start_paused, C.destroy, C.suspend, C.resume, C.shutdown,
              C.reboot, C.undefine, C.save, C.restore, C.managed_save, C.abort, C.autostart, C.tune, C.dump, C.look, C.list,
              C.listen, C.console]
MUST = ('start', 'destroy', 'define', 'undefine', 'save', 'restore', 'managed_save', 'dump')  # go well, now and then
EXPECTED = libvirt and (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_FAILED,
                        libvirt.VIR_ERR_OPERATION_ABORTED, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_DOM_EXIST,
                        # the engine's own words: the domain went while it was asked
                        libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR)


@unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
class TestStress(unittest.TestCase):
    def setUp(self):
        libvirt.registerErrorHandler(lambda *unused: None, None)
        harness.run_events()
        self.host = harness.Host()
        self.addCleanup(self.host.end)
        self.host.start()
        self.events = []

    def on_event(self, conn, domain, event, detail, data):
        self.events.append((domain.UUIDString(), event, detail, time.monotonic()))

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.host.daemon.pid}/fd'))

    def on_the_host(self):
        text = subprocess.run([harness.SIMHOST, '--root', self.host.root, '--status'], check=True, text=True,
                              capture_output=True, timeout=harness.TIMEOUT).stdout
        rows = [line.split() for line in text.splitlines()[1:]]
        return {row[0]: int(row[1]) for row in rows if row[0] != 'Domain-0'}

    def known(self):
        return {d.name(): d.ID() for d in harness.guests(self.conn, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}

    def test_stress(self):
        self.conn = libvirt.open(self.host.uri())
        self.conn.listAllDomains()
        before = self.descriptors()
        self.conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self.on_event, None)
        seed = int(os.environ.get('XLVIRT_STRESS_SEED', time.time()))
        print(f'# XLVIRT_STRESS_SEED={seed}', flush=True)
        random.seed(seed)
        end = time.monotonic() + SECONDS
        clients = []

        def enough():
            """Of each thing something, or no more time for it."""
            return time.monotonic() > end + 60 or all(any(c.done.get((name, True)) for c in clients) for name in MUST)
        clients += [Client(self.host, seed + i, end, enough) for i in range(CLIENTS)]
        threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, end + 60 + 90 - time.monotonic()))
        self.assertIsNone(self.host.daemon.poll(), self.host.log_text()[-8000:])
        self.tell(clients)
        self.assertFalse([t for t in threads if t.is_alive()], 'a call does not come back')
        self.assertEqual([wrong for c in clients for wrong in c.wrong], [])
        wait_for(lambda: self.known() == self.on_the_host(), 'daemon and host to agree')
        self.check_events()
        wait_for(lambda: self.descriptors() <= before, f'{before} descriptors, not {self.descriptors()}')
        self.conn.close()
        status = self.host.end_daemon()
        self.assertEqual(status, 0, self.host.log_text()[-200000:])
        for word in ('CRITICAL', 'Sanitizer', 'runtime error'):
            self.assertNotIn(word, self.host.log_text())

    def tell(self, clients):
        total = {}
        for client in clients:
            for (name, ok), n in client.done.items():
                good, bad = total.get(name, (0, 0))
                total[name] = (good + n, bad) if ok else (good, bad + n)
        for name, (good, bad) in sorted(total.items()):
            print(f'# {name}: {good} done, {bad} refused', flush=True)
        print(f'# slowest: {max(c.slowest for c in clients)}', flush=True)
        # A test that only saw refusals has tested nothing.
        for name in MUST:
            self.assertGreater(total.get(name, (0, 0))[0], 0, name)

    def check_events(self):
        """STARTED and STOPPED alternate, and the last one tells what is."""
        started, stopped = libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STOPPED

        def told():
            last = {uuid: event for uuid, event, _, _ in list(self.events) if event in (started, stopped)}
            active = harness.guests(self.conn, libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            return {uuid for uuid, event in last.items() if event == started} == {d.UUIDString() for d in active}
        wait_for(told, 'the events of what is')  # the guests' own are still to come
        running = set()
        for uuid, event, detail, _ in list(self.events):
            if event == started:
                self.assertNotIn(uuid, running, 'started twice')
                running.add(uuid)
            elif event == stopped:
                self.assertIn(uuid, running, f'stopped ({detail}) but not started')
                running.remove(uuid)
            elif event in (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_RESUMED):
                self.assertIn(uuid, running, f'event {event} ({detail}) of a domain that is off')
        self.assertGreater(len(self.events), 10)


if __name__ == '__main__':
    tap.main()
