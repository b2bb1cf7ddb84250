# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real Xen for tests: a lab of tools/xenlab that lives as long as the test.

    with xenhost.Lab('--cpus', '2') as xen:
        xen.run('xl list')
        xen.virsh('list', '--all')

A case that is marked as `long` says what another one says of another kind of guest or disk: it runs with
XLVIRT_XEN=all only.

With XENLAB_TEST_DIR=FOLDER in the environment the lab that is up in that folder is taken and left
up: for who works on a test. What is there too little for is skipped (xenhost.refusal())."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.environ['XLVIRT_SOURCE']
XENLAB = os.path.join(SOURCE, 'tools', 'xenlab', 'xenlab')
sys.path.append(os.path.dirname(XENLAB))
from lab import lab as state  # noqa: E402

TOOLS = ['qemu-system-x86_64', 'qemu-img', 'mmdebstrap', 'ssh', 'virsh']

long = unittest.skipUnless(os.environ.get('XLVIRT_XEN') == 'all', 'XLVIRT_XEN=all runs it, too')


def refusal():
    """Why there can be no lab on this machine, or None."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f'{", ".join(missing)} not installed (tools/setup.sh xenlab)'
    return None


class Failed(AssertionError):
    """A command in the lab failed."""


class Lab:
    """`options` are those of `xenlab up`."""

    def __init__(self, *options):
        self.options = ('--timeout', '900', *options)
        self.given = os.environ.get('XENLAB_TEST_DIR')
        # Its lock and what is kept of a failure lie beside it.
        self.around = None if self.given else tempfile.mkdtemp(prefix='xl', dir='/tmp')
        self.folder = self.given or os.path.join(self.around, 'lab')

    def __enter__(self):
        if not self.given:
            build = os.environ.get('XLVIRT_BUILD')
            try:
                self.xenlab('up', *(['--build-dir', build] if build else []), *self.options, timeout=3600, output=sys.stderr)
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_):
        if not self.given:
            self.xenlab('down', timeout=120)
            shutil.rmtree(self.around, ignore_errors=True)

    def command(self, argv, what, timeout=600, check=True, output=None, input=None):
        """Runs a program of this machine, gives its stdout; Failed with all output where it fails."""
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=output or subprocess.PIPE, text=True, check=False,
                              timeout=timeout, errors='replace', env={**os.environ, 'XENLAB_TREE': SOURCE},
                              **({'input': input} if input is not None else {'stdin': subprocess.DEVNULL}))
        if check and done.returncode:
            raise Failed(f'{what}: status {done.returncode}\n{done.stdout}{done.stderr or ""}')
        return done.stdout

    def xenlab(self, command, *args, **options):
        """Runs a command of xenlab."""
        return self.command([sys.executable, XENLAB, command, '--dir', self.folder, *args], ' '.join((command, *args)), **options)

    def machine(self, host):
        """What xenlab knows of it, with a connection. It costs less than a process of xenlab for each command."""
        machine = state.Lab(pathlib.Path(self.folder)).machine(host)
        if not machine.control.exists():
            machine.connect()
        return machine

    def run(self, line, host='xen1', **options):
        """A line of shell in dom0."""
        return self.command(self.machine(host).shell_argv([line], False), line, **options)

    def virsh(self, *args, host='xen1', **options):
        """virsh of this machine, connected to xlvirtd in dom0."""
        return self.command(['virsh', '-c', self.machine(host).uri(), *args], ' '.join(args), **options)

    def uri(self, host='xen1'):
        return self.machine(host).uri()

    def console(self, guest, host='xen1'):
        """All that a guest has said on its PV console."""
        return self.run(f'lab-guest log {guest}', host).replace('\r', '')

    def wait_console(self, guest, text, seconds=900, host='xen1'):
        """Until a guest has said a text; gives all that it said."""
        self.run(f"lab-guest wait {guest} '{text}' {seconds}", host, timeout=seconds + 60)
        return self.console(guest, host)

    def ask(self, guest, line, answer, host='xen1', seconds=900):
        """Types a line into a guest's console until its answer is there (nothing that has a ' in it): it may be busy,
        and what comes before its shell listens is lost."""
        until = time.monotonic() + seconds
        while True:
            said = self.run(f"lab-guest ask {guest} '{line}' 20 '{answer}'", host, check=False)
            if answer in said:
                return said
            if time.monotonic() > until:
                raise Failed(f'{guest} does not answer {answer} to {line}: {said}')

    def domains(self, host='xen1'):
        """[(name, id, letters of its state)] as xl lists them, but dom0."""
        rows = (line.split() for line in self.run('xl list', host).splitlines()[1:])
        return [(row[0], int(row[1]), row[4]) for row in rows if row[1] != '0']

    def guests(self, host='xen1'):
        """{name: id} of all domains but dom0, as Xen has them. Of one that has ended already, a back end of dom0 may
        still have a page: it has no name any more."""
        return {name: domid for name, domid, _ in self.domains(host) if name != '(null)'}

    def wait_gone(self, guest=None, seconds=600, host='xen1'):
        """Until Xen has no such domain any more; None: none but dom0, not even what is left of one."""
        until = time.monotonic() + seconds
        while any(guest in (None, name) for name, _, _ in self.domains(host)):
            if time.monotonic() > until:
                raise Failed(f'after {seconds} s there is still {self.domains(host)}')
            time.sleep(0.3)

    def memory(self, host='xen1'):
        """(total, free) of the host in MB."""
        text = self.run('xl info', host)
        return tuple(int(re.search(rf'^{name} *: (\d+)', text, re.M)[1]) for name in ('total_memory', 'free_memory'))
