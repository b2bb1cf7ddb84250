# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stock libvirtd beside an xlvirtd: its sockets in the folder of xlvirtd's, everything else that it
touches in mount and network namespaces of its own, so that this host sees nothing of it."""
import glob
import os
import shutil
import signal
import socket
import subprocess

from harness import TIMEOUT, wait_for

FAMILIES = ('network', 'storage', 'nodedev', 'interface', 'secret', 'nwfilter')
FOLDERS = ('/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt', '/var/log/libvirt', '/run')


def missing():
    """Why there can be none here, or None."""
    if os.geteuid() != 0:
        return 'needs root'
    for program in ('libvirtd', 'unshare', 'ip'):
        if not shutil.which(program):
            return f'needs {program}'
    if not find_drivers():
        return "needs libvirtd's drivers of the secondary families"
    if subprocess.run(['unshare', '--mount', '--net', 'true'], capture_output=True, check=False).returncode != 0:
        return 'may not make namespaces'
    return None


def find_drivers():
    """Their folder; the hypervisors' drivers are not wanted."""
    for folder in glob.glob('/usr/lib*/libvirt/connection-driver') + glob.glob('/usr/lib/*/libvirt/connection-driver'):
        if all(os.path.exists(f'{folder}/libvirt_driver_{family}.so') for family in FAMILIES):
            return folder
    return None


class Stock:
    def __init__(self, root, families=FAMILIES):
        self.sockets = f'{root}/run/libvirt'
        self.folder = f'{root}/stock'
        self.process = None
        os.makedirs(self.sockets, exist_ok=True)
        os.makedirs(f'{self.folder}/drivers')
        for family in families:
            os.symlink(f'{find_drivers()}/libvirt_driver_{family}.so',
                       f'{self.folder}/drivers/libvirt_driver_{family}.so')
        with open(f'{self.folder}/libvirtd.conf', 'w') as f:
            f.write(f'unix_sock_dir = "{self.sockets}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
                    f'log_outputs = "2:file:{self.folder}/log"\n')
        script = ['set -e']
        for folder in FOLDERS:
            os.makedirs(self.folder + folder)
            script.append(f'mkdir -p {folder}; mount --bind {self.folder}{folder} {folder}')
        script.append(f'ip link set lo up; exec libvirtd -f {self.folder}/libvirtd.conf -p {self.folder}/pid')
        self.script = '\n'.join(script)

    def start(self):
        with open(f'{self.folder}/output', 'ab') as output:
            self.process = subprocess.Popen(['unshare', '--mount', '--net', 'sh', '-c', self.script],
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=dict(os.environ, LIBVIRT_DRIVER_DIR=f'{self.folder}/drivers'))
        wait_for(self.answers, 'libvirtd to answer')

    def answers(self):
        if self.process.poll() is not None:
            with open(f'{self.folder}/output') as f:
                raise AssertionError(f'libvirtd ended with {self.process.returncode}: {f.read()}')
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(f'{self.sockets}/libvirt-sock')
            return True
        except OSError:
            return False

    def children(self):
        """Its own helpers (dnsmasq), which outlive it: who is in its network namespace."""
        if not self.process:
            return []
        ours = os.stat(f'/proc/{self.process.pid}/ns/net').st_ino
        found = []
        for pid in (int(name) for name in os.listdir('/proc') if name.isdigit()):
            try:
                if os.stat(f'/proc/{pid}/ns/net').st_ino == ours and pid != self.process.pid:
                    found.append(pid)
            except OSError:
                pass
        return found

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self, how=signal.SIGKILL):
        """Killed, its sockets stay behind."""
        if not self.process:
            return
        children = self.children()
        self.process.send_signal(how)
        self.go_on()
        self.process.wait(TIMEOUT)
        self.process = None
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class WithStock:
    """Before the class of a case that has a host: the host has a stock daemon, too."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stock = Stock(cls.host.root)
        try:
            cls.stock.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stock.end()
        super().tearDownClass()
