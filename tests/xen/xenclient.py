# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock client (python3-libvirt) of the xlvirtd in a lab: connection, events, definitions, waiting."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
import eventloop  # noqa: E402
try:
    import libvirt
except ImportError:  # then every test is skipped
    libvirt = None

PATIENCE = 600  # seconds that a step may take: emulation, on a busy machine


def wait_for(condition, what, timeout=PATIENCE):
    """Asks until it is true; tests never sleep for a fixed time to see something happen."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'waited {timeout} s for {what}')
        time.sleep(0.2)


class Client:
    """A connection that collects the lifecycle events, as (name, event, detail, id), and
    reboots, as (name, 'reboot', 0, id)."""
    has_loop = False

    def __init__(self, uri):
        self.uri = uri
        self.events = []
        self.seen = 0
        self.connection = None
        if not Client.has_loop:
            libvirt.registerErrorHandler(lambda *_: None, None)
            eventloop.run_events()
            Client.has_loop = True
        self.connect()

    def connect(self):
        """Also after the daemon was restarted."""
        def try_it():
            try:
                return libvirt.open(self.uri)
            except libvirt.libvirtError:
                return None

        self.connection = wait_for(try_it, 'the daemon to answer')
        self.connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            lambda _c, domain, event, detail, _o: self.events.append((domain.name(), event, detail, domain.ID())), None)
        self.connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
            lambda _c, domain, _o: self.events.append((domain.name(), 'reboot', 0, domain.ID())), None)

    def forget_events(self):
        self.seen = len(self.events)

    def wait_event(self, name, event, detail=None, timeout=PATIENCE):
        """One since forget_events()."""
        def there():
            return any(e[0] == name and e[1] == event and detail in (None, e[2]) for e in self.events[self.seen:])

        try:
            wait_for(there, f'event {event} {detail} of {name}', timeout)
        except AssertionError as error:
            raise AssertionError(f'{error}; there were {self.events[self.seen:]}') from None

    def names(self, flags=0):
        return {domain.name() for domain in self.connection.listAllDomains(flags) if domain.ID() != 0}

    def domain(self, name):
        try:
            return self.connection.lookupByName(name)
        except libvirt.libvirtError:
            return None

    def clear(self):
        """Nothing runs and nothing is defined any more."""
        for domain in self.connection.listAllDomains():
            if domain.ID() == 0:
                continue
            for step in (domain.destroy,
                         lambda d=domain: d.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)):
                try:
                    step()
                except libvirt.libvirtError:
                    pass


def xml(lab_file, name, *changes):
    """A sample definition of the lab under another name; changes are (old, new)."""
    with open(os.path.join(os.environ['XLVIRT_SOURCE'], 'tools/xenlab/guests', lab_file + '.xml'), encoding='utf-8') as f:
        text = f.read()
    for old, new in ((f'<name>{lab_file}</name>', f'<name>{name}</name>'), *changes):
        assert old in text, old
        text = text.replace(old, new)
    return text
