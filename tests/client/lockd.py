# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real virtlockd in a folder of its own, and who looks at its locks from outside."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys

from harness import TIMEOUT, Wire, wait_for

PROGRAM = 0xea7beef
REGISTER, ACQUIRE, RELEASE, CREATE_LOCKSPACE = 1, 6, 7, 8
BUSY = 87
MINE = 0x7ffffff0  # an owner that no domain is
# Puts the socket where systemd puts it, and says so in the name of the process that virtlockd will be.
LAUNCHER = '''
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True) if sys.argv[1] != '3' else None
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='virtlockd.socket')
os.execvp(sys.argv[2], sys.argv[2:])
'''


def number_of(uuid):
    """The owner's number of a domain; a later xlvirtd has to know what an earlier one has locked by it."""
    words = struct.unpack('>4I', bytes.fromhex(uuid.replace('-', '')))
    return 0x40000000 | ((words[0] ^ words[1] ^ words[2] ^ words[3]) & 0x3fffffff)


def missing():
    """Why there can be none here, or None."""
    if not shutil.which('virtlockd'):
        return 'needs virtlockd'
    return None


class Lockd:
    """It is started as systemd starts it, with its socket: what it would do by itself is to listen in the folder of the
    host's own."""

    def __init__(self, folder):
        self.folder = folder
        self.socket = f'{folder}/virtlockd-sock'
        self.process = None
        os.makedirs(folder, exist_ok=True)
        with open(f'{folder}/virtlockd.conf', 'w') as f:
            f.write(f'log_filters = "1:locking"\nlog_outputs = "1:file:{folder}/log"\n')

    def start(self):
        with socket.socket(socket.AF_UNIX) as listener, open(f'{self.folder}/output', 'ab') as output:
            if os.path.exists(self.socket):
                os.unlink(self.socket)
            listener.bind(self.socket)
            listener.listen(64)
            self.process = subprocess.Popen(
                [sys.executable, '-c', LAUNCHER, str(listener.fileno()), 'virtlockd', '--config',
                 f'{self.folder}/virtlockd.conf', '--pid-file', f'{self.folder}/pid'],
                pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        wait_for(self.answers, 'virtlockd to answer')

    def answers(self):
        if self.process.poll() is not None:
            with open(f'{self.folder}/output') as f:
                raise AssertionError(f'virtlockd ended with {self.process.returncode}: {f.read()}')
        with Owner(self) as owner:
            return owner.release('', '/no/such/file') == BUSY

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """Killed, and its socket removed."""
        if self.process:
            self.process.kill()
            self.process.wait(TIMEOUT)
            self.process = None
            os.unlink(self.socket)

    @staticmethod
    def is_locked(path):
        """As the kernel has it: whoever acquires the lock meanwhile is not in anybody's way."""
        file = os.stat(path)
        name = f'{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}'
        with open('/proc/locks') as f:
            return any(name in line.split() for line in f)

    def is_held(self, resource, lockspace='', shared=False):
        """`shared`: may others share it? Tries to get it: nobody else may want to at the same time."""
        with Owner(self) as owner:
            if lockspace:
                owner.lockspace(lockspace)
            code = owner.acquire(lockspace, resource, (1 if shared else 0) | (2 if lockspace else 0))
            if code == 0:
                assert owner.release(lockspace, resource) == 0
            assert code in (0, BUSY), code
            return code == BUSY


class Owner(Wire):
    """A client of virtlockd with an owner's number; each call returns 0 or the number of the error."""

    REMOTE = PROGRAM

    def __init__(self, lockd, number=MINE):
        self.begin(lockd.socket, None)
        assert self.call(REGISTER, bytes(16) + self.text(b'tester') + struct.pack('>III', 1, number, 0))[0] == 0

    def ask(self, proc, payload):
        status, reply = self.call(proc, payload)
        return struct.unpack('>i', reply[:4])[0] if status else 0

    def acquire(self, lockspace, resource, flags=0):
        return self.ask(ACQUIRE, self.text(lockspace.encode()) + self.text(resource.encode()) + struct.pack('>I', flags))

    def release(self, lockspace, resource):
        return self.ask(RELEASE, self.text(lockspace.encode()) + self.text(resource.encode()) + struct.pack('>I', 0))

    def lockspace(self, path):
        return self.ask(CREATE_LOCKSPACE, self.text(path.encode()))
