# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon as a process: options, configuration, sockets, signals, systemd, its end."""
import os
import pty
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
import harness  # noqa: E402
import tap  # noqa: E402

DAEMON = harness.XLVIRTD
WAIT = harness.TIMEOUT


def call(sock, proc, serial, args=b''):
    """One call of the remote program; the status of its reply."""
    sock.sendall(struct.pack('>IIIiiIi', 28 + len(args), 0x20008086, 1, proc, 0, serial, 0) + args)
    header = b''
    while len(header) < 28:
        data = sock.recv(28 - len(header))
        if not data:
            raise EOFError
        header += data
    length, _, _, got, kind, back, status = struct.unpack('>IIIiiIi', header)
    while length > 28:
        length -= len(sock.recv(length - 28))
    assert (got, kind, back) == (proc, 1, serial), (got, kind, back)
    return status


class Daemon(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix='xld-')
        self.rw = self.root + '/run/libvirt/virtxend-sock'
        self.ro = self.rw + '-ro'
        self.pid_file = self.root + '/run/xlvirtd.pid'
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(WAIT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            process.stderr.close()
        harness.end_simhost(self.root)
        shutil.rmtree(self.root)

    def command(self, *args, root=True):
        return [DAEMON] + (['--root', self.root, '--engine', 'sim'] if root else []) + list(args)

    def start(self, *args, wait=True, **kw):
        process = subprocess.Popen(self.command(*args), stderr=subprocess.PIPE, text=True, **kw)
        self.processes.append(process)
        if wait:
            self.open().close()
        return process

    def run_to_end(self, *args, **kw):
        return subprocess.run(self.command(*args, **kw), capture_output=True, text=True, timeout=WAIT)

    def connect(self, path=None):
        until = time.monotonic() + WAIT
        while True:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(WAIT)
            try:
                sock.connect(path or self.rw)
                return sock
            except (FileNotFoundError, ConnectionRefusedError):
                sock.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)

    def open(self, path=None):
        """A connection with the hypervisor open: the daemon is up."""
        sock = self.connect(path)
        name = b'xen:///system'
        args = struct.pack('>II', 1, len(name)) + name + b'\0' * 3 + struct.pack('>I', 0)
        self.assertEqual(call(sock, 1, 0, args), 0)
        return sock

    def stop(self, process, signal_number=signal.SIGTERM):
        process.send_signal(signal_number)
        process.wait(WAIT)
        return process.returncode, process.stderr.read()

    # ---- options ----

    def test_version(self):
        done = self.run_to_end('--version', root=False)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r'^xlvirtd \(xlvirt\) \d+\.\d+')

    def test_help(self):
        done = self.run_to_end('--help', root=False)
        self.assertEqual(done.returncode, 0)
        for option in ('--engine', '--root', '--config', '--verbose', '--daemon', '--pid-file', '--timeout'):
            self.assertIn(option, done.stdout)

    def test_wrong_options(self):
        for args in (['--bogus'], ['word'], ['--timeout', 'x'], ['--timeout', '-1']):
            done = self.run_to_end(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn('xlvirtd: ', done.stderr)
        self.assertEqual(os.listdir(self.root), [])

    def test_unknown_engine(self):
        done = self.run_to_end('--engine', 'bogus')
        self.assertEqual(done.returncode, 1)
        self.assertIn('bogus', done.stderr)
        self.assertFalse(os.path.exists(self.pid_file))

    # ---- configuration ----

    def write_config(self, text):
        path = self.root + '/etc/libvirt/virtxend.conf'
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        return path

    def test_config_missing(self):
        done = self.run_to_end('--config', self.root + '/none.conf')
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.root + '/none.conf', done.stderr)

    def test_config_wrong(self):
        path = self.write_config('# a line\nmax_clients = "many"\n')
        done = self.run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'error : {path}:2:15: max_clients: must be a number', done.stderr)

    def test_config_unknown_key(self):
        path = self.write_config('max_client = 5\n')
        process = self.start()
        code, log = self.stop(process)
        self.assertEqual(code, 0)
        self.assertIn(f'warning : {path}:1:1: unknown key "max_client"', log)

    def test_config_modes(self):
        self.write_config('unix_sock_rw_perms = "0770"\nunix_sock_ro_perms = "0750"\n')
        self.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.rw).st_mode), 0o770)
        self.assertEqual(stat.S_IMODE(os.stat(self.ro).st_mode), 0o750)

    def test_config_polkit_is_refused(self):
        self.write_config('auth_unix_rw = "polkit"\n')
        done = self.run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn('virtxend.conf:1:16: auth_unix_rw: ', done.stderr)
        self.assertFalse(os.path.exists(self.rw))

    # ---- sockets ----

    def test_modes_and_end(self):
        process = self.start('--verbose')
        self.assertEqual(stat.S_IMODE(os.stat(self.rw).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(self.ro).st_mode), 0o777)
        with open(self.pid_file) as f:
            self.assertEqual(int(f.read()), process.pid)
        code, log = self.stop(process)
        self.assertEqual(code, 0)
        for path in (self.rw, self.ro, self.pid_file):
            self.assertFalse(os.path.exists(path), path)
        self.assertRegex(log, r'(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: \d+: info : ')

    def test_interrupt(self):
        process = self.start()
        sock = self.open()
        self.assertEqual(self.stop(process, signal.SIGINT)[0], 0)
        self.assertEqual(sock.recv(1), b'')
        sock.close()

    def test_second_daemon(self):
        first = self.start()
        done = self.run_to_end()
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'another xlvirtd is running (process id {first.pid}', done.stderr)
        # another pid file does not help: the socket tells
        done = self.run_to_end('--pid-file', self.root + '/other.pid')
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'another daemon already listens on {self.rw}', done.stderr)
        self.assertFalse(os.path.exists(self.root + '/other.pid'))
        self.open().close()  # and the first one is none the worse

    def test_kill(self):
        first = self.start()
        first.kill()
        first.wait()
        self.assertTrue(os.path.exists(self.rw))
        self.assertTrue(os.path.exists(self.pid_file))
        self.start()

    def test_long_root(self):
        self.root += '/' + 'x' * 100
        done = self.run_to_end()
        self.root = os.path.dirname(self.root)
        self.assertEqual(done.returncode, 1)
        self.assertIn('too long', done.stderr)

    def test_read_only_socket(self):
        self.start()
        sock = self.open(self.ro)
        name = struct.pack('>I', 1) + b'x\0\0\0' + bytes(16) + struct.pack('>i', -1)
        self.assertEqual(call(sock, 12, 1, name), 1)  # destroy
        self.assertEqual(call(sock, 157, 2), 0)       # get_lib_version
        sock.close()

    # ---- background, idle end, signals ----

    def test_background(self):
        done = subprocess.run(self.command('-d'), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=WAIT)
        self.assertEqual(done.returncode, 0)
        with open(self.pid_file) as f:
            pid = int(f.read())
        try:
            self.open().close()
            again = self.run_to_end('-d')
            self.assertEqual(again.returncode, 1)
            self.assertIn('another xlvirtd is running', again.stderr)
            self.assertTrue(os.path.exists(self.root + '/var/log/libvirt/xlvirtd.log'))
        finally:
            os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + WAIT
        while os.path.exists(self.pid_file) and time.monotonic() < until:
            time.sleep(0.02)
        self.assertFalse(os.path.exists(self.pid_file))

    def test_timeout(self):
        process = self.start('--timeout', '2', wait=False)
        sock = self.open()
        time.sleep(3)
        self.assertIsNone(process.poll())  # not while a client is there
        sock.close()
        process.wait(WAIT)
        self.assertEqual(process.returncode, 0)

    def test_hangup(self):
        process = self.start('--verbose')
        process.send_signal(signal.SIGHUP)
        self.open().close()
        code, log = self.stop(process)
        self.assertEqual(code, 0)
        self.assertIn('SIGHUP', log)

    # ---- a guest that hangs, a host that is full ----

    def virsh(self, *args):
        uri = f'xen+unix:///system?socket={self.rw}'
        return subprocess.run(['virsh', '-q', '-c', uri] + list(args), capture_output=True, text=True,
                              timeout=WAIT, stdin=subprocess.DEVNULL)

    def define(self, name):
        path = f'{self.root}/{name}.xml'
        with open(path, 'w') as f:
            f.write(f"<domain type='xen'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
                    "<os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/boot/vmlinuz</kernel></os>"
                    "<devices><console type='pty'><target type='xen' port='0'/></console></devices></domain>")
        done = self.virsh('define', path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def control(self, text):
        harness.set_control(self.root, text)

    def hang(self, name):
        """A virsh whose shutdown of this domain does not return."""
        uri = f'xen+unix:///system?socket={self.rw}'
        process = subprocess.Popen(['virsh', '-q', '-c', uri, 'shutdown', name], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        time.sleep(1)
        self.assertIsNone(process.poll())

    def test_hanging_guest(self):
        """More guests hang than there are ordinary workers; what waits for no guest goes on, and so
        does the end of the daemon."""
        self.write_config('min_workers = 1\nmax_workers = 2\nprio_workers = 2\n')
        self.control('[*]\nshutdown-hang=true\n')
        process = self.start()
        for name in ('a', 'b', 'c'):
            self.define(name)
            self.assertEqual(self.virsh('start', name).returncode, 0)
        for name in ('a', 'b', 'c'):
            self.hang(name)
        # What waited for a guest would not come back at all.
        done = self.virsh('list', '--name')
        self.assertEqual(sorted(done.stdout.split()), ['Domain-0', 'a', 'b', 'c'], done.stderr)
        self.assertEqual(self.virsh('domid', 'a').returncode, 0)
        code, log = self.stop(process)
        self.assertEqual(code, 0, log)
        self.assertFalse(os.path.exists(self.pid_file))
        # the guests are still there for the next one
        self.control('')
        self.start()
        self.assertEqual(sorted(self.virsh('list', '--name').stdout.split()), ['Domain-0', 'a', 'b', 'c'])

    def test_out_of_descriptors(self):
        """Connections beyond what the process may open wait, and the daemon does not spin."""
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
        process = self.start(preexec_fn=limit)
        socks = [self.connect() for _ in range(100)]

        def ticks():
            with open(f'/proc/{process.pid}/stat') as f:
                return sum(map(int, f.read().rsplit(')')[1].split()[11:13]))

        def rests():
            before = ticks()
            time.sleep(1)
            return ticks() - before < 20  # of 100
        harness.wait_for(rests, 'the daemon to be at rest')
        for sock in socks:
            sock.close()
        self.open().close()
        code, log = self.stop(process)
        self.assertEqual(code, 0)
        self.assertIn('cannot accept a connection: Too many open files', log)

    def test_console(self):
        """virsh console on a terminal: the guest's words, an echo, the escape key."""
        self.start()
        self.define('con')
        self.assertEqual(self.virsh('start', 'con').returncode, 0)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp('virsh', ['virsh', '-c', f'xen+unix:///system?socket={self.rw}', 'console', 'con'])
        self.read_until(terminal, b'login: ')
        os.write(terminal, b'hello\r')
        self.read_until(terminal, b'hello')
        os.write(terminal, b'\x1d')  # ^]
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        # the console is free again
        self.assertEqual(self.virsh('domstate', 'con').stdout.strip(), 'running')

    def read_until(self, fd, word):
        got, until = b'', time.monotonic() + WAIT
        while word not in got:
            ready = select.select([fd], [], [], max(0, until - time.monotonic()))[0]
            self.assertTrue(ready, got)
            got += os.read(fd, 4096)

    # ---- systemd ----

    def test_socket_activation(self):
        """Passed sockets are used as they are, and stay when the daemon ends."""
        directory = self.root + '/passed'
        os.mkdir(directory)
        paths = [directory + '/virtxend-sock', directory + '/virtxend-sock-ro']
        socks = []
        for path in reversed(paths):  # in any order
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(path)
            sock.listen(5)
            socks.append(sock)
        waiting = self.connect(paths[0])  # before the daemon is there
        fds = [sock.fileno() for sock in socks]
        # LISTEN_PID is the daemon's own: a shell sets it and becomes the daemon
        script = f'exec 3<&{fds[0]} 4<&{fds[1]}; export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"'
        process = subprocess.Popen(['bash', '-c', script, 'sh'] + self.command(), pass_fds=fds,
                                   stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        self.assertEqual(call(waiting, 60, 1, struct.pack('>I', 10)), 0)
        waiting.close()
        self.open(paths[0]).close()
        reader = self.open(paths[1])
        name = struct.pack('>I', 1) + b'x\0\0\0' + bytes(16) + struct.pack('>i', -1)
        self.assertEqual(call(reader, 12, 1, name), 1)
        reader.close()
        self.assertFalse(os.path.exists(self.rw))
        self.assertEqual(self.stop(process)[0], 0)
        for path in paths:
            self.assertTrue(os.path.exists(path))
        for sock in socks:
            sock.close()

    def test_notify(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.settimeout(WAIT)
        path = self.root + '/notify'
        notify.bind(path)
        process = self.start(env=dict(os.environ, NOTIFY_SOCKET=path))
        self.assertEqual(notify.recv(100), b'READY=1')
        self.assertEqual(self.stop(process)[0], 0)
        self.assertEqual(notify.recv(100), b'STOPPING=1')
        notify.close()


if __name__ == '__main__':
    tap.main()
