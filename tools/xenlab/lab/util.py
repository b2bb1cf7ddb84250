# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all parts of xenlab share: errors, progress, tools and the packages that have them, locks."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# Tool -> Debian package that has it. Every tool that xenlab runs stands here.
PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "tar": "tar",
    "fakeroot": "fakeroot",
    "newuidmap": "uidmap",
    "gunzip": "gzip",
    "gcc": "gcc",
    "strip": "binutils",
    "meson": "meson",
    "ninja": "ninja-build",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "scp": "openssh-client",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "virsh": "libvirt-clients",
}

# Where Debian keeps what only root has in its PATH.
SYSTEM_PATH = ["/usr/sbin", "/sbin"]


class LabError(Exception):
    """What went wrong, in words for the user. Its text may have several lines."""


quiet = False
_started = time.monotonic()


def say(text):
    """A line of progress on stderr, with the seconds since the start."""
    if not quiet:
        print(f"xenlab: {time.monotonic() - _started:6.1f}s  {text}", file=sys.stderr, flush=True)


def tool(name):
    """Path of a tool; LabError with the package's name where it is missing."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_PATH]))
    if not path:
        raise LabError(f"{name} is missing: install the package {PACKAGES[name]}"
                       " (tools/setup.sh xenlab installs all that xenlab needs)")
    return path


def tools(*names):
    """Checks several tools at once, so that all missing ones are named together."""
    errors = []
    for name in names:
        try:
            tool(name)
        except LabError:
            errors.append(name)
    if errors:
        what = ", ".join(f"{name} (package {PACKAGES[name]})" for name in errors)
        raise LabError(f"missing: {what}; tools/setup.sh xenlab installs all that xenlab needs")


def run(argv, what, log=None, each_line=None, **options):
    """Runs a program; its output goes to the file `log`, and line by line to each_line(). LabError
    with the last lines where it fails. Ends the program when this process is interrupted."""
    lines = []
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", stdin=subprocess.DEVNULL, start_new_session=True, **options)
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(log, "a", encoding="utf-8")) if log else None
        try:
            for line in process.stdout:
                lines = (lines + [line.rstrip()])[-20:]
                if out:
                    out.write(line)
                if each_line:
                    each_line(line.rstrip())
        except BaseException:
            with undisturbed():
                end_group(process)
            raise
        status = process.wait()
    if status:
        where = f"; the whole log: {log}" if log else ""
        raise LabError(f"{what} failed (status {status}){where}\n" + "\n".join("  " + line for line in lines))


def end_group(process):
    """Ends a program that was started in a session of its own, and its children: they would go on
    after a Ctrl-C otherwise. Who has unpacked a distribution needs time to remove it."""
    for number, seconds in ((signal.SIGTERM, 3), (None, 120), (signal.SIGKILL, 10)):
        if number is None:
            say("waiting until what was started has cleaned up")
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


@contextlib.contextmanager
def undisturbed():
    """Ends from outside wait until the block is done: it has nothing half started, or half taken
    down, behind it. Children do not inherit the waiting."""
    came = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, frame: came.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


@contextlib.contextmanager
def locked(path, what, wait=True):
    """Holds the lock file `path`; says so where another one holds it. Gives whether it is held: without
    `wait` it may not be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        held = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{'waiting' if wait else 'left alone'}: another xenlab works on {what}")
            held = wait
            if wait:
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield held


def file_hash(*paths):
    """SHA-256 of names and contents of files, in hex."""
    total = hashlib.sha256()
    for path in paths:
        data = Path(path).read_bytes()
        total.update(f"{Path(path).name} {len(data)}\n".encode())
        total.update(data)
    return total.hexdigest()


def list_file(path):
    """The lines of a list, without comments and empty ones."""
    lines = (line.split("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def tail(path, lines=25):
    """The last lines of a log, for an error's text; control characters of a console left out."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    clean = "".join(c for c in text if c >= " " or c == "\n")
    return "\n".join("  " + line for line in clean.splitlines()[-lines:])


def size(path):
    """Bytes that a file takes on the disk (images are sparse), in words."""
    mib = os.stat(path).st_blocks * 512 / 2**20
    return f"{mib:.0f} MB" if mib >= 10 else f"{mib:.1f} MB"
