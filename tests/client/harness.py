# SPDX-License-Identifier: LGPL-2.1-or-later
"""An xlvirtd on the engine sim in a folder of its own, and stock clients against it."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap  # noqa: E402
from eventloop import run_events  # noqa: E402,F401

BUILD = os.environ.get('XLVIRT_BUILD', 'build')
XLVIRTD = os.path.join(BUILD, 'src/libvirt-driver/xlvirtd')
SIMHOST = os.path.join(BUILD, 'src/hv/xlvirt-simhost')
WAIT_LOOP = os.path.abspath(os.path.join(BUILD, 'tests/client/libwait-loop.so'))
# Each call's line is what tap.check_called() counts. ThreadSanitizer sees races between the lines: GLib's allocator
# gives one thread what another has freed, under a lock that it does not see.
LOG = '--verbose' if 'TSAN_OPTIONS' in os.environ else '--debug'
TIMEOUT = 90  # seconds that any one client may take: for what hangs, on a slow machine that has others to run, too


def virsh_env(**more):
    """What virsh runs with: a locale of which the tests know the words, and wait-loop.c."""
    environment = dict(os.environ, LC_ALL='C.UTF-8', EDITOR='true', **more)
    if os.path.exists(WAIT_LOOP):
        environment['LD_PRELOAD'] = WAIT_LOOP
    return environment


def wait_for(condition, what, timeout=TIMEOUT):
    """Asks until it is true; tests never sleep for a fixed time to see something happen."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'waited {timeout} s for {what}')
        time.sleep(0.02)


def guests(connection, flags=0):
    """All domains but the control domain, which is always there."""
    return [domain for domain in connection.listAllDomains(flags) if domain.ID() != 0]


def end_guests(connection):
    for domain in guests(connection):
        if domain.isActive():
            domain.destroy()


def set_control(root, text):
    """Faults, delays and the guests' behaviour: sim's control file, swapped in one piece."""
    path = f'{root}/etc/xlvirt/sim-control'
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.new', 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)


def end_simhost(root):
    """It outlives daemons, as Xen does."""
    subprocess.run([SIMHOST, '--root', root, '--stop'], timeout=TIMEOUT, capture_output=True, check=False)


class Host:
    """A root folder, the daemon that works in it, and the simulated Xen host beside it."""

    def __init__(self):
        # Short: a socket's path has to fit into 107 bytes.
        self.root = tempfile.mkdtemp(prefix='xlv')
        self.daemon = None
        self.log = os.path.join(self.root, 'daemon.log')

    def socket(self, readonly=False):
        return f'{self.root}/run/libvirt/virtxend-sock{"-ro" if readonly else ""}'

    def uri(self, readonly=False):
        return f'xen+unix:///system?socket={self.socket(readonly)}'

    def start(self, *options, **env):
        environment = dict(os.environ, XLVIRT_SIMHOST=os.path.abspath(SIMHOST), **env)
        with open(self.log, 'ab') as log:
            self.daemon = subprocess.Popen([XLVIRTD, '--engine', 'sim', '--root', self.root, LOG, *options],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        wait_for(self.answers, 'the daemon to answer')

    def answers(self):
        if self.daemon.poll() is not None:
            raise AssertionError(f'xlvirtd ended with {self.daemon.returncode}:\n{self.log_text()}')
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(self.socket())
            return True
        except OSError:
            return False

    def end_daemon(self, how=signal.SIGTERM):
        """Returns its exit status."""
        if not self.daemon:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(how)
        try:
            status = self.daemon.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            status = self.daemon.wait()
        self.daemon = None
        return status

    def end_host(self):
        end_simhost(self.root)

    def end(self):
        self.end_daemon()
        self.end_host()
        tap.CALLED.update(re.findall(r': client \d+: (\w+): (?:done|relayed|refused by the daemon behind us)$', self.log_text(), re.M))
        shutil.rmtree(self.root, ignore_errors=True)

    def log_text(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def control(self, text):
        set_control(self.root, text)

    def virsh(self, *args, readonly=False, stdin=''):
        """(exit status, stdout, stderr)"""
        done = subprocess.run(['virsh', '-c', self.uri(readonly), *args], input=stdin, text=True,
                              capture_output=True, timeout=TIMEOUT, env=virsh_env())
        return done.returncode, done.stdout, done.stderr

    def file(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, 'w') as f:
            f.write(text)
        return path


class Case(unittest.TestCase):
    """One daemon a class; its domains start from nothing in each."""

    def fails(self, code, message, function, *args):
        """The error of python3-libvirt, whose number is `code` and whose text matches `message`."""
        import libvirt
        with self.assertRaises(libvirt.libvirtError) as caught:
            function(*args)
        self.assertEqual(caught.exception.get_error_code(), code, caught.exception)
        self.assertRegex(caught.exception.get_error_message(), message)
        return caught.exception

    @classmethod
    def setUpClass(cls):
        cls.host = Host()
        try:
            cls.host.start()
        except BaseException:
            cls.host.end()
            raise

    @classmethod
    def tearDownClass(cls):
        status = cls.host.end_daemon()
        log = cls.host.log_text()
        cls.host.end()
        if status != 0:
            raise AssertionError(f'xlvirtd ended with {status}:\n{log[-4000:]}')


def domain_xml(name, uuid='', memory=131072, vcpus=2, extra='', os_type='hvm', on_reboot='restart'):
    boot = ("<os><type arch='x86_64' machine='xenfv'>hvm</type><loader>/usr/lib/xen/boot/hvmloader</loader>"
            "<boot dev='hd'/></os>" if os_type == 'hvm' else
            "<os><type>linux</type><kernel>/boot/vmlinuz-xen</kernel></os>")
    return f'''<domain type='xen'>
  <name>{name}</name>
  {f'<uuid>{uuid}</uuid>' if uuid else ''}
  <memory unit='KiB'>{memory}</memory>
  <vcpu>{vcpus}</vcpu>
  {boot}
  <on_reboot>{on_reboot}</on_reboot>
  {extra}
  <devices>
    <console type='pty'/>
  </devices>
</domain>
'''


class Wire:
    """libvirt's protocol without libvirt's library: for what a stock client never sends."""

    REMOTE = 0x20008086

    def __init__(self, host, readonly=False, open_as=b'xen:///system'):
        self.begin(host.socket(readonly), open_as)

    @classmethod
    def at(cls, path, open_as):
        """To another daemon."""
        wire = cls.__new__(cls)
        wire.begin(path, open_as)
        return wire

    def begin(self, path, open_as):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(path)
        self.serial = 0
        self.events = []  # (procedure, payload)
        if open_as is not None:
            status, reply = self.call(1, self.optional(open_as) + struct.pack('>I', 0))
            assert status == 0, reply

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    @staticmethod
    def text(value):
        return struct.pack('>I', len(value)) + value + b'\0' * (-len(value) % 4)

    @classmethod
    def optional(cls, value):
        return b'\0\0\0\0' if value is None else b'\0\0\0\1' + cls.text(value)

    @classmethod
    def domain(cls, uuid, name=b'stale', domid=-1):
        return cls.text(name) + uuid + struct.pack('>i', domid)

    def receive(self):
        """(procedure, type, serial, status, payload)"""
        length, = struct.unpack('>I', self.exactly(4))
        body = self.exactly(length - 4)
        _, _, proc, kind, serial, status = struct.unpack('>IIiIIi', body[:24])
        return proc, kind, serial, status, body[24:]

    def exactly(self, n):
        data = b''
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise ConnectionError('the daemon closed the connection')
            data += more
        return data

    def send(self, proc, payload=b''):
        self.serial += 1
        self.socket.sendall(struct.pack('>IIIiIIi', 28 + len(payload), self.REMOTE, 1, proc, 0, self.serial, 0) +
                            payload)
        return self.serial

    def call(self, proc, payload=b''):
        """(status, payload of the reply); events that come in between are kept."""
        serial = self.send(proc, payload)
        while True:
            got, kind, its_serial, status, body = self.receive()
            if kind == 2:
                self.events.append((got, body))
            elif its_serial == serial:
                return status, body

    def error(self, proc, payload=b''):
        """(code, domain, message) of a call that has to fail."""
        status, body = self.call(proc, payload)
        assert status == 1, f'procedure {proc} succeeded'
        code, domain, present, length = struct.unpack('>iiII', body[:16])
        assert present == 1
        return code, domain, body[16:16 + length].decode()

    def event(self):
        while not self.events:
            got, kind, _, _, body = self.receive()
            if kind == 2:
                self.events.append((got, body))
        return self.events.pop(0)
