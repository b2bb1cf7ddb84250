#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xlvirtd on real Xen under hard work: several stock clients at once do what can be done to domains, xl acts beside
them, and the daemon is killed in between. After each turn the daemon's view has to equal Xen's; when all domains
are destroyed, dom0 has to look as it did at the start.

usage: soak.py [--minutes N] [--seed N] [--clients N] [--turn SECONDS] [--no-kill] [--kinds KIND,...] [--lab-option OPTION]...

A domain that belongs to one client obeys: each error is a failure. What several clients fight for may be refused.
The seed makes the same choices again; what overlaps with what is up to the machine. XENLAB_TEST_DIR=FOLDER takes a
lab that is up (folder: `xenlab list`). Ends with status 1 where something failed."""
import argparse
import collections
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault('XLVIRT_SOURCE', str(SOURCE))
sys.path.insert(0, str(SOURCE / 'tests'))
import soakhost  # noqa: E402
import xenclient  # noqa: E402
import xenhost  # noqa: E402
from xenclient import libvirt, xml  # noqa: E402

FOLDER = '/srv/soak'
HANG = 420  # seconds after which a call counts as hanging: longer than all the limits of libxl and the daemon
SETTLE = 90  # seconds until the rest of what was done has to be over
RUNNING, PAUSED, SHUTOFF = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTOFF)
LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
DISK = "<disk type='file' device='disk'><driver {}type='raw'/><source file='{}'/><target dev='{}' bus='xen'/></disk>"
NIC = "<interface type='bridge'><mac address='{}'/><source bridge='xenbr0'/></interface>"
VCPUS = ('<vcpu>1<', "<vcpu current='1'>4<")

# Refusals that are right where somebody else has been faster.
FOUGHT = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_ABORTED, libvirt.VIR_ERR_DOM_EXIST,
          libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_DEVICE_MISSING}


class Wrong(Exception):
    """An operation was done, and what it shall do was not to be seen."""


def devices(name, driver):
    number = sum(name.encode()) % 200
    return ('<devices>', '<devices>' + DISK.format(driver, f'{FOLDER}/{name}.img', 'xvda') + NIC.format(f'00:16:3e:00:0b:{number:02x}'))


# kind -> its definition of this name
KINDS = {
    'stub': lambda name: xml('stub', name, VCPUS),
    'dev': lambda name: xml('stub', name, VCPUS, devices(name, '')),
    'qdisk': lambda name: xml('stub', name, devices(name, "name='qemu' ")),
    'pvh': lambda name: xml('stub-pvh', name),
    'fw': lambda name: xml('hvm-disk', name),
    'linux': lambda name: xml('pv', name, ("/srv/guests/pv.img", f'{FOLDER}/{name}.img')),
}
SAVED = ('pvh', 'fw')  # these can be saved without a part of the guest in it


class Soak:
    """What all clients share."""

    def __init__(self, xen, options):
        self.xen, self.options = xen, options
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.slowest = {}
        self.failures = collections.Counter()
        self.refused = collections.Counter()
        self.life = 0  # of the daemon: grows before and after each kill
        self.killing = False
        self.stopping = threading.Event()
        self.busy = {}  # client -> (what it does, to which domain, since when)

    def fail(self, what):
        with self.lock:
            self.failures[what] += 1
        print(f'FAILED {what}', flush=True)


class Domain:
    """One that this client works on. `own`: nobody else does."""

    def __init__(self, name, kind, own):
        self.name, self.kind, self.own = name, kind, own
        self.more = set()  # devices that were attached


def until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f'waited {seconds} s for {what}')
        time.sleep(0.3)


# ---- what is done to a domain ----

class Work:
    """The operations of one client. Each is a method do_NAME(domain, handle); a row of TABLE says in which states, on
    which kinds and how often."""

    def __init__(self, soak, number):
        self.soak, self.number = soak, number
        self.random = random.Random(f'{soak.options.seed}/{number}')
        self.connection = None

    # where it is shut off

    def do_create(self, domain, handle):
        handle.create()
        self.expect(domain, handle, RUNNING)

    def do_create_paused(self, domain, handle):
        if handle.hasManagedSaveImage():
            handle.managedSaveRemove()
        handle.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        self.expect(domain, handle, PAUSED)

    def do_redefine(self, domain, handle):
        handle.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
        self.connection.defineXML(KINDS[domain.kind](domain.name))

    def do_autostart(self, domain, handle):
        on = not handle.autostart()
        handle.setAutostart(on)
        if domain.own and handle.autostart() != on:
            raise Wrong('autostart is not as it was set')

    def do_rename(self, domain, handle):
        if handle.hasManagedSaveImage():
            return
        handle.rename(domain.name + '-other')
        self.connection.lookupByName(domain.name + '-other').rename(domain.name)

    # where it is active

    def do_destroy(self, domain, handle):
        handle.destroy()
        self.expect(domain, handle, SHUTOFF)

    def do_xl_destroy(self, domain, handle):
        self.soak.xen.run(f'xl destroy {domain.name}', check=domain.own, timeout=HANG)
        self.follow(domain, handle, SHUTOFF)

    def do_suspend(self, domain, handle):
        handle.suspend()
        self.expect(domain, handle, PAUSED)

    def do_resume(self, domain, handle):
        handle.resume()
        self.expect(domain, handle, RUNNING)

    def do_xl_pause(self, domain, handle):
        self.soak.xen.run(f'xl pause {domain.name}', check=domain.own, timeout=HANG)
        self.follow(domain, handle, PAUSED)
        self.soak.xen.run(f'xl unpause {domain.name}', check=domain.own, timeout=HANG)
        self.follow(domain, handle, RUNNING)

    def do_managed_save(self, domain, handle):
        handle.managedSave()
        self.expect(domain, handle, SHUTOFF)
        if domain.own and not handle.hasManagedSaveImage():
            raise Wrong('no image after a managed save')

    def do_save(self, domain, handle):
        path = f'{FOLDER}/{domain.name}.save'
        handle.save(path)
        self.expect(domain, handle, SHUTOFF)
        self.connection.restore(path)
        self.expect(domain, handle, RUNNING)

    def do_attach(self, domain, handle):
        if domain.own and domain.more:
            handle.detachDeviceFlags(self.device(domain, domain.more.copy().pop()), LIVE)
            domain.more.clear()
        else:
            what = self.random.choice(('disk', 'nic'))
            handle.attachDeviceFlags(self.device(domain, what), LIVE)
            domain.more.add(what)

    def do_detach(self, domain, handle):
        if not domain.own:
            handle.detachDeviceFlags(self.device(domain, self.random.choice(('disk', 'nic'))), LIVE)

    @staticmethod
    def device(domain, what):
        number = sum(domain.name.encode()) % 200
        return {'disk': DISK.format('', f'{FOLDER}/{domain.name}-more.img', 'xvdb'), 'nic': NIC.format(f'00:16:3e:00:0c:{number:02x}')}[what]

    def do_vcpus(self, _domain, handle):
        handle.setVcpusFlags(self.random.randint(1, 4), LIVE)

    def do_pin(self, _domain, handle):
        handle.pinVcpu(0, self.random.choice(((True, False), (True, True))))
        handle.vcpus()

    def do_memory(self, _domain, handle):
        handle.setMemoryFlags(self.random.randint(6, 8) * 1024, LIVE)

    def do_sched(self, domain, handle):
        weight = self.random.randint(1, 1000)
        handle.setSchedulerParameters({'weight': weight})
        if domain.own and handle.schedulerParameters()['weight'] != weight:
            raise Wrong('another weight than was set')

    def do_console(self, domain, handle):
        """Opened and dropped, or a letter that ends the guest: as it likes, again, or by a crash."""
        letter = self.random.choice(('', '', 'p', 'r', 'c'))
        before = handle.ID()
        stream = self.connection.newStream()
        handle.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        if letter:
            stream.send(letter.encode())
        if not domain.own or not letter:
            self.random.choice((stream.abort, stream.finish))()
            return
        try:
            if letter == 'r':
                until(lambda: handle.isActive() and handle.ID() != before, 'a guest to be there again after its reboot')
            else:
                self.follow(domain, handle, SHUTOFF)
        finally:
            stream.abort()

    def do_dump(self, domain, handle):
        path = f'{FOLDER}/{domain.name}.core'
        handle.coreDump(path, libvirt.VIR_DUMP_LIVE)

    def do_shutdown(self, _domain, handle):
        """No stub takes notice of it."""
        handle.shutdown()

    def do_questions(self, _domain, handle):
        for question in (handle.info, handle.vcpus, handle.XMLDesc, handle.schedulerParameters, handle.memoryStats, handle.jobInfo,
                         handle.state, handle.maxVcpus, lambda: handle.getCPUStats(True)):
            question()

    # of all domains

    def do_stats(self, _domain, _handle):
        self.connection.getAllDomainStats()
        self.connection.listAllDomains()

    def do_reconnect(self, _domain, _handle):
        self.close()
        self.connect()

    def do_virsh(self, domain, _handle):
        line = self.random.choice((['list', '--all', '--title'], ['domstats'], ['dumpxml', domain.name], ['domblklist', domain.name],
                                   ['domiflist', domain.name], ['capabilities'], ['vcpuinfo', domain.name],
                                   ['event', domain.name, '--all', '--loop', '--timeout', '3']))
        self.soak.xen.virsh(*line, check=False, timeout=HANG)

    def do_xl_create(self, domain, _handle):
        """A domain of xl's appears, is worked on, and goes."""
        name = f'xl-{self.number}'
        life = self.soak.life
        self.soak.xen.run(f"xl create -q /srv/guests/stub.cfg 'name=\"{name}\"'", timeout=HANG)
        try:
            until(lambda: self.named(name) is not None, 'a domain of xl')
            other = self.named(name)
            other.suspend()
            other.resume()
            other.XMLDesc()
            if self.random.random() < 0.5:
                other.destroy()
                return
        finally:
            self.soak.xen.run(f'xl destroy {name}', check=False, timeout=HANG)
        if life == self.soak.life:
            until(lambda: self.named(name) is None, 'a domain of xl to be gone')

    # name: (weight, states in which it is done where the domain is our own, kinds or None for all)
    TABLE = {
        'create': (6, (SHUTOFF,), None), 'create_paused': (1, (SHUTOFF,), None), 'redefine': (2, (SHUTOFF,), None),
        'autostart': (1, (SHUTOFF, RUNNING), None), 'rename': (1, (SHUTOFF,), None),
        'destroy': (3, (RUNNING, PAUSED), None), 'xl_destroy': (1, (RUNNING, PAUSED), None), 'suspend': (2, (RUNNING,), None),
        'resume': (6, (PAUSED,), None), 'xl_pause': (1, (RUNNING,), None), 'managed_save': (2, (RUNNING,), SAVED),
        'save': (2, (RUNNING,), SAVED), 'attach': (4, (RUNNING,), ('stub', 'dev')), 'detach': (2, (RUNNING,), ('stub', 'dev')),
        'vcpus': (2, (RUNNING,), ('stub', 'dev')), 'pin': (2, (RUNNING, PAUSED), None), 'memory': (1, (RUNNING,), ('stub', 'dev')),
        'sched': (2, (RUNNING, PAUSED), None), 'console': (3, (RUNNING,), ('stub', 'dev')), 'dump': (1, (RUNNING,), ('stub', 'dev')),
        'shutdown': (1, (RUNNING,), ('stub', 'dev')), 'questions': (4, (RUNNING, PAUSED), None), 'stats': (3, None, None),
        'reconnect': (1, None, None), 'virsh': (2, None, None), 'xl_create': (1, None, None),
    }

    # ---- helpers ----

    def expect(self, domain, handle, state):
        if domain.own and handle.state()[0] != state:
            raise Wrong(f'state {handle.state()} instead of {state}')

    @staticmethod
    def follow(domain, handle, state):
        """What others did is seen after a while; a pause by xl after some seconds."""
        if domain.own:
            until(lambda: handle.state()[0] == state, f'state {state}')

    def named(self, name):
        try:
            return self.connection.lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def connect(self):
        while True:
            try:
                self.connection = libvirt.open(self.soak.xen.uri())
                self.connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda *_: None, None)
                return
            except libvirt.libvirtError:
                if self.soak.stopping.wait(0.5):
                    raise

    def close(self):
        try:
            if self.connection:
                self.connection.close()
        except libvirt.libvirtError:
            pass
        self.connection = None

    def choose(self, domain, state):
        rows = [(name, row[0]) for name, row in self.TABLE.items()
                if (row[1] is None or not domain.own or state in row[1]) and (row[2] is None or domain.kind in row[2])]
        return self.random.choices([name for name, _ in rows], [weight for _, weight in rows])[0]


class Client(threading.Thread):
    """Works until it is told to stop."""

    def __init__(self, soak, number, domains):
        super().__init__(name=f'client {number}')
        self.soak, self.number, self.domains = soak, number, domains
        self.work = Work(soak, number)

    def run(self):
        try:
            self.work.connect()
            while not self.soak.stopping.is_set():
                self.step()
        except libvirt.libvirtError as error:
            if not self.soak.stopping.is_set():
                self.soak.fail(f'{self.name}: {error}')
        finally:
            self.soak.busy.pop(self.number, None)
            self.work.close()

    def step(self):
        domain = self.work.random.choice(self.domains)
        life, began, name = self.soak.life, time.monotonic(), 'look'
        try:
            self.soak.busy[self.number] = ('look', domain.name, began)
            handle = self.handle(domain)
            state = handle.state()[0]
            if state == SHUTOFF:
                domain.more.clear()
            name = self.work.choose(domain, state)
            self.soak.busy[self.number] = (name, domain.name, began)
            getattr(self.work, 'do_' + name)(domain, handle)
            self.count(name, time.monotonic() - began)
        except libvirt.libvirtError as error:
            self.failed(name, domain, error, life)
        except (Wrong, xenhost.Failed, subprocess.TimeoutExpired) as error:
            if life == self.soak.life and not self.soak.killing:
                self.soak.fail(f'{name} of {domain.name}: {error}')

    def handle(self, domain):
        found = self.work.named(domain.name)
        if found is None:
            # A rename that was cut off between its two steps.
            found = self.work.named(domain.name + '-other')
            if found and not found.isActive() and domain.own:
                found.rename(domain.name)
                found = self.work.named(domain.name)
        return found or self.work.connection.defineXML(KINDS[domain.kind](domain.name))

    def count(self, name, seconds):
        with self.soak.lock:
            self.soak.done[name] += 1
            self.soak.slowest[name] = max(self.soak.slowest.get(name, 0), seconds)

    def failed(self, name, domain, error, life):
        code = error.get_error_code()
        if life != self.soak.life or not self.work.connection or not self.work.connection.isAlive():
            if life == self.soak.life and not self.soak.killing:
                self.soak.fail(f'{name} of {domain.name}: the daemon has hung up: {error}')
            self.work.close()
            self.work.connect()
        elif domain.own:
            self.soak.fail(f'{name} of {domain.name}: {error} ({code})')
        else:
            with self.soak.lock:
                sort = 'refused' if code in FOUGHT else 'odd'
                self.soak.refused[sort, name, re.sub(r'\d+', 'N', str(error))] += 1


# ---- turns ----

def all_domains(options):
    """[domains of each client]: its own ones, and those of all."""
    kinds = options.kinds.split(',')
    shared = [Domain(f'all-{kind}', kind, False) for kind in kinds if kind in ('stub', 'dev', 'pvh')]
    own = [[Domain(f'c{client}-{kind}', kind, True) for number, kind in enumerate(kinds)
            if kind in ('stub', 'dev') or number % options.clients == client] for client in range(options.clients)]
    return [mine + [Domain(d.name, d.kind, False) for d in shared] for mine in own]


def prepare(xen, domains):
    names = {d.name for mine in domains for d in mine}
    xen.run(f'mkdir -p {FOLDER}; cd {FOLDER}; for n in {" ".join(sorted(names))}; do truncate -s 4M $n.img $n-more.img; done')


def join(soak, clients):
    soak.stopping.set()
    for client in clients:
        client.join(HANG)
        if client.is_alive():
            soak.fail(f'{client.name} hangs: {soak.busy.get(client.number)}')
            raise SystemExit(report(soak))


def kill(soak):
    soak.killing = True
    soak.life += 1
    soak.xen.run('lab-xlvirtd kill; lab-xlvirtd start', timeout=HANG)
    soak.life += 1
    soak.killing = False
    soak.done['(kill -9)'] += 1


def turn(soak, clients_of, rng):
    """Work, maybe a kill in the middle, then a look."""
    options = soak.options
    soak.stopping.clear()
    pid = soakhost.look(soak.xen).daemon.get('pid')
    clients = [Client(soak, number, mine) for number, mine in enumerate(clients_of)]
    for number, client in enumerate(clients):
        client.work.random.seed(f'{options.seed}/{soak.done["(turns)"]}/{number}')
        client.start()
    if not options.no_kill and rng.random() < 0.7:
        time.sleep(rng.uniform(0.1, 0.9) * options.turn)
        kill(soak)
        pid = None
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0, 0.3) * options.turn)
    else:
        time.sleep(options.turn)
    join(soak, clients)
    soak.done['(turns)'] += 1
    now = soakhost.look(soak.xen)
    if pid and now.daemon.get('pid') != pid:
        soak.fail(f'the daemon has ended by itself: {soak.xen.run("lab-xlvirtd log 20", check=False)}')
        soak.xen.run('lab-xlvirtd start', check=False)
    verify(soak)
    return now


def verify(soak):
    connection = libvirt.open(soak.xen.uri())
    for found in soakhost.settle(lambda: soakhost.compare(soakhost.look(soak.xen), connection), SETTLE):
        soak.fail(f'view: {found}')
    connection.close()


def clear(soak, before):
    """All is destroyed and undefined: what is left?"""
    connection = libvirt.open(soak.xen.uri())
    for domain in connection.listAllDomains():
        if domain.ID() == 0:
            continue
        if domain.isActive():
            domain.destroy()
        if domain.name() in [d.name() for d in connection.listAllDomains()]:
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    connection.close()
    soak.xen.run(f'rm -f {FOLDER}/*.save {FOLDER}/*.core')
    for found in soakhost.settle(lambda: soakhost.left_over(before, soakhost.look(soak.xen)), SETTLE):
        soak.fail(f'left: {found}')
    return soakhost.look(soak.xen)


def report(soak):
    print('\noperations:')
    for name, count in sorted(soak.done.items()):
        print(f'  {count:6} {name:16}' + (f' slowest {soak.slowest[name]:6.1f} s' if name in soak.slowest else ''))
    print('refused, where several clients fought for one domain:')
    for (sort, name, message), count in sorted(soak.refused.items()):
        print(f'  {count:6} {sort}: {name}: {message}')
    print(f'failures: {sum(soak.failures.values())}')
    for what, count in soak.failures.items():
        print(f'  {count:6} {what}')
    return 1 if soak.failures else 0


def tell(soak, began, view):
    print(f'{time.monotonic() - began:6.0f} s: {sum(n for name, n in soak.done.items() if name[0] != "("):6} operations, '
          f'{soak.done["(turns)"]} turns, {soak.done["(kill -9)"]} kills, {sum(soak.failures.values())} failures; daemon '
          f'{view.daemon.get("pid")}: {view.daemon.get("rss")} kB, {len(view.fds)} descriptors, {view.daemon.get("threads")} threads', flush=True)


def run(xen, options):
    soak = Soak(xen, options)
    clients_of = all_domains(options)
    rng = random.Random(options.seed)
    prepare(xen, clients_of)
    verify(soak)
    before, began = soakhost.look(xen), time.monotonic()
    tell(soak, began, before)
    while time.monotonic() < began + options.minutes * 60:
        view = turn(soak, clients_of, rng)
        tell(soak, began, view)
        if soak.done['(turns)'] % options.clear_every == 0:
            tell(soak, began, clear(soak, before))
    now = clear(soak, before)
    tell(soak, began, now)
    print('threads of the daemon:', dict(collections.Counter(now.thread_names)))
    print('its descriptors:', dict(collections.Counter(now.fds)))
    return report(soak)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--minutes', type=float, default=20)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--clients', type=int, default=4)
    parser.add_argument('--turn', type=float, default=60, metavar='SECONDS', help='of work between two looks (default: 60)')
    parser.add_argument('--clear-every', type=int, default=3, metavar='TURNS', help='until all is destroyed and compared (default: 3)')
    parser.add_argument('--no-kill', action='store_true', help='the daemon lives')
    parser.add_argument('--kinds', default='stub,dev,qdisk,pvh,fw', help=f'of domains, out of {",".join(KINDS)}')
    parser.add_argument('--lab-option', action='append', default=[], metavar='OPTION', help='for `xenlab up`')
    options = parser.parse_args()
    if reason := xenhost.refusal():
        parser.exit(1, f'{reason}\n')
    libvirt.registerErrorHandler(lambda *_: None, None)
    xenclient.eventloop.run_events()
    with xenhost.Lab(*options.lab_option) as xen:
        sys.exit(run(xen, options))


if __name__ == '__main__':
    main()
