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
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.environ['XLVIRT_SOURCE']
XENLAB = os.path.join(SOURCE, 'tools', 'xenlab', 'xenlab')
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
        self.options = options
        self.given = os.environ.get('XENLAB_TEST_DIR')
        self.folder = self.given or tempfile.mkdtemp(prefix='xl', dir='/tmp')

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
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(self.folder + '.failed', ignore_errors=True)

    def xenlab(self, command, *args, timeout=600, check=True, output=None, input=None):
        """Runs a command of xenlab, gives its stdout; Failed with all output where it fails."""
        done = subprocess.run([sys.executable, XENLAB, command, '--dir', self.folder, *args],
                              stdout=subprocess.PIPE, stderr=output or subprocess.PIPE, text=True, check=False,
                              timeout=timeout, errors='replace', env={**os.environ, 'XENLAB_TREE': SOURCE},
                              **({'input': input} if input is not None else {'stdin': subprocess.DEVNULL}))
        if check and done.returncode:
            raise Failed(f'{command} {" ".join(args)}: status {done.returncode}\n{done.stdout}{done.stderr or ""}')
        return done.stdout

    def run(self, line, host='xen1', **options):
        """A line of shell in dom0."""
        return self.xenlab('run', host, line, **options)

    def virsh(self, *args, host='xen1', **options):
        """virsh of this machine, connected to xlvirtd in dom0."""
        return self.xenlab('virsh', host, *args, **options)

    def uri(self, host='xen1'):
        return self.xenlab('uri', host).strip()

    def console(self, guest, host='xen1'):
        """All that a guest has said on its PV console."""
        return self.run(f'lab-guest log {guest}', host).replace('\r', '')

    def wait_console(self, guest, text, seconds=300, host='xen1'):
        """Until a guest has said a text; gives all that it said."""
        self.run(f"lab-guest wait {guest} '{text}' {seconds}", host, timeout=seconds + 60)
        return self.console(guest, host)

    def guests(self, host='xen1'):
        """{name: id} of all domains but dom0, as Xen has them."""
        rows = (line.split() for line in self.run('xl list', host).splitlines()[1:])
        return {row[0]: int(row[1]) for row in rows if row[1] != '0'}

    def wait_gone(self, guest, seconds=120, host='xen1'):
        """Until Xen has no such domain any more."""
        until = time.monotonic() + seconds
        while guest in self.guests(host):
            if time.monotonic() > until:
                raise Failed(f'{guest} is still there after {seconds} s')
            time.sleep(1)

    def memory(self, host='xen1'):
        """(total, free) of the host in MB."""
        text = self.run('xl info', host)
        return tuple(int(re.search(rf'^{name} *: (\d+)', text, re.M)[1]) for name in ('total_memory', 'free_memory'))
