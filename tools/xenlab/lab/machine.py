# SPDX-License-Identifier: LGPL-2.1-or-later
"""One host of a lab: a QEMU that runs Xen, and the ways into it."""

import contextlib
import errno
import fcntl
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

from .util import LabError, run, say, tail, tool, undisturbed

# What a console says when a host will not come up: no need to wait for the time-out then.
DEAD = re.compile(rb"xenlab: failed: [^\r\n]*|Panic on CPU|Kernel panic - not syncing[^\r\n]*|"
                  rb"FATAL TRAP[^\r\n]*")
STEP = re.compile(rb"^xenlab: (\w[^\r\n:]*)\r*$", re.MULTILINE)
WARNING = re.compile(rb"^xenlab: (warning: [^\r\n]*)", re.MULTILINE)
READY = re.compile(rb"^xenlab: ready", re.MULTILINE)

# Sockets of dom0 that a client outside reaches: name outside, path inside.
SOCKETS = {
    "virtxend-sock": "/run/libvirt/virtxend-sock",
    "virtxend-sock-ro": "/run/libvirt/virtxend-sock-ro",
    "libvirt-sock": "/run/libvirt/libvirt-sock",
}

XEN_ARGS = "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning"
# Workarounds for processors' faults slow an emulated one down, and nothing here is secret.
# Memory is empty when QEMU starts: scrubbing would take time, and all of it from the machine outside.
XEN_FAST = "spec-ctrl=no xpti=no bootscrub=0"
LINUX_ARGS = "console=hvc0 quiet mitigations=off net.ifnames=0 panic=1"
CONNECT_TRIES = 3  # on a machine that is very busy the first may time out
NET_CARD = "virtio-net-pci"


def kvm_refusal():
    """Why hosts do not run under KVM here, or None. It must have nested virtualisation: without it
    Xen has no PVH and HVM guests, which emulation (TCG) gives everywhere."""
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            machine = fcntl.ioctl(kvm, 0xAE01, 0)  # KVM_CREATE_VM
            os.close(machine)
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    for module in ("kvm_intel", "kvm_amd"):
        with contextlib.suppress(OSError):
            if Path(f"/sys/module/{module}/parameters/nested").read_text(encoding="ascii").strip() in ("1", "Y"):
                return None
            return f"{module} has no nested virtualisation (nested=0)"
    return "no kvm_intel or kvm_amd, so no nested virtualisation"


def choose_accel(wanted):
    """(accelerator, reason) for --accel."""
    refusal = kvm_refusal()
    if wanted == "kvm":
        return "kvm", refusal or ""
    if wanted == "tcg":
        return "tcg", ""
    return ("tcg", refusal) if refusal else ("kvm", "")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started_at(pid):
    """When a process started, in ticks since boot; None where there is no such process. Together with
    the id it names a process for ever."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def end_process(pid, ticks, seconds=5):
    """Ends a process by its id if it is still the one that started then."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started_at(pid) != ticks:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + seconds
        while started_at(pid) == ticks and time.monotonic() < until:
            time.sleep(0.02)


class Machine:
    """A host. `spec` is what the lab's file says about it and is kept there."""

    def __init__(self, lab, name, spec):
        self.lab = lab
        self.name = name
        self.spec = spec
        self.folder = lab.folder / name
        self.console = self.folder / "console.log"
        self.control = self.folder / "ssh"
        self.pidfile = self.folder / "qemu.pid"

    # QEMU

    def command_line(self):
        """QEMU's arguments."""
        spec, options, folder = self.spec, self.lab.options, self.folder
        xen = [XEN_ARGS, XEN_FAST, f"dom0_mem={options['dom0_memory']}M,max:{options['dom0_memory']}M",
               options["xen_args"]]
        linux = [LINUX_ARGS, f"lab.host={self.name} lab.index={spec['index']} lab.layer={options['layer']}",
                 "" if options["xlvirtd"] else "lab.xlvirtd=off", options["linux_args"]]
        argv = [tool("qemu-system-x86_64"), "-name", f"xenlab-{self.name}", "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-m", str(options["memory"]), "-smp", str(options["cpus"])]
        argv += {"kvm": ["-accel", "kvm", "-cpu", "host"],
                 "tcg": ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "qemu64,+svm,+npt"],
                 "icount": ["-accel", "tcg,thread=single,tb-size=256", "-cpu", "qemu64,+svm,+npt",
                            "-icount", "shift=0,sleep=off"]}[options["accel"]]
        argv += ["-kernel", options["xen"], "-append", " ".join(filter(None, xen)),
                 "-initrd", f"{options['kernel']} {' '.join(filter(None, linux))},{self.lab.folder}/initramfs",
                 "-drive", f"file={folder}/root.qcow2,if=virtio,cache=unsafe,discard=unmap",
                 "-drive", f"file={self.lab.folder}/layer.tar,if=virtio,format=raw,readonly=on",
                 "-netdev", f"user,id=out,hostfwd=tcp:127.0.0.1:{spec['port']}-:22",
                 "-device", f"{NET_CARD},netdev=out,mac=52:54:00:77:{spec['index']:02x}:01,romfile="]
        if options["network"]:
            argv += ["-netdev", f"socket,id=lab,mcast={options['network']},localaddr=127.0.0.1",
                     "-device", f"{NET_CARD},netdev=lab,mac=52:54:00:77:{spec['index']:02x}:02,romfile="]
        argv += shlex.split(options["qemu_args"])
        argv += ["-chardev", f"socket,id=console,path={folder}/console.sock,server=on,wait=off,"
                 f"logfile={self.console},logappend=on", "-serial", "chardev:console",
                 "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off",
                 "-pidfile", str(self.pidfile), "-daemonize"]
        return argv

    def start(self):
        """Starts QEMU; returns before the host is up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        disk = self.folder / "root.qcow2"
        if not disk.exists():
            run([tool("qemu-img"), "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.lab.options["root"],
                 str(disk)], "qemu-img")
        self.console.write_bytes(b"")
        with undisturbed():
            self._launch()

    def _launch(self):
        """Starts QEMU on a port that is free, and keeps which process it is."""
        for attempt in range(5):
            self.spec["port"] = free_port()
            try:
                run(self.command_line(), "QEMU")
                break
            except LabError as error:
                # Somebody else took the port in between.
                if "forwarding rule" not in str(error) or attempt == 4:
                    raise
        pid = int(self.pidfile.read_text(encoding="ascii"))
        self.spec["pid"], self.spec["ticks"] = pid, started_at(pid)
        self.lab.save()

    def running(self):
        return bool(self.spec.get("pid")) and started_at(self.spec["pid"]) == self.spec["ticks"]

    def wait_ready(self, until, patient):
        """Until the host says that it is ready; LabError with the end of its console otherwise."""
        seen = 0
        while True:
            text = self.console.read_bytes()
            for step in STEP.findall(text)[seen:]:
                seen += 1
                say(f"{self.name}: {step.decode(errors='replace')}")
            if READY.search(text):
                for warning in WARNING.findall(text):
                    say(f"{self.name}: {warning.decode(errors='replace').strip()}")
                return
            dead = DEAD.search(text)
            if dead:
                time.sleep(1)  # for the rest of what it says
                raise self.failure(dead.group().decode(errors="replace").removeprefix("xenlab: failed: "))
            if not self.running():
                raise self.failure("QEMU ended")
            if time.monotonic() > until:
                raise self.failure(f"not up within {patient} s (--timeout)")
            time.sleep(0.05)

    def failure(self, reason):
        """The error that a host does not come up, with its console's end."""
        text = f"{self.name} does not come up: {reason}"
        end = tail(self.console)
        return LabError(text + (f"\nthe end of its console:\n{end}" if end else "\nits console said nothing"))

    def stop(self):
        """Ends all processes of this host."""
        with contextlib.suppress(OSError, ValueError):
            pid, ticks = map(int, (self.folder / "ssh.pid").read_text(encoding="ascii").split())
            end_process(pid, ticks)
        if not self.spec.get("pid") and self.pidfile.exists():
            # xenlab was killed right after it started QEMU.
            with contextlib.suppress(OSError, ValueError):
                pid = int(self.pidfile.read_text(encoding="ascii"))
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
                if os.fsencode(self.pidfile) in line:
                    end_process(pid, started_at(pid))
        if self.running():
            end_process(self.spec["pid"], self.spec["ticks"])
        self.spec.pop("pid", None)

    # ssh

    def ssh_options(self):
        return ["-F", "none", "-p", str(self.spec["port"]), "-i", self.lab.options["ssh_key"],
                "-o", f"ControlPath={self.control}", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
                "-o", f"UserKnownHostsFile={self.lab.folder}/known_hosts", "-o", "HostKeyAlias=xenlab",
                "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=60",
                "-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=10"]

    def master_pid(self):
        """The ssh that all others go through, or None."""
        if not self.control.exists():
            return None
        check = subprocess.run([tool("ssh"), *self.ssh_options(), "-O", "check", "root@127.0.0.1"],
                               capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        found = re.search(r"pid=(\d+)", check.stdout + check.stderr)
        return int(found.group(1)) if found else None

    def connect(self):
        """Sees to that one ssh stays connected: each command goes through it without a handshake
        (slow under emulation), and it forwards the sockets of the daemons."""
        if not self.running():
            raise LabError(f"{self.name} does not run")
        with open(self.folder / "ssh.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.master_pid():
                return
            self.control.unlink(missing_ok=True)
            argv = [tool("ssh"), *self.ssh_options(), "-o", "ControlMaster=yes", "-o", "StreamLocalBindUnlink=yes",
                    "-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindMask=0177", "-N", "-f"]
            for name, path in SOCKETS.items():
                argv += ["-L", f"{self.folder}/{name}:{path}"]
            log = self.folder / "ssh.log"
            for _ in range(CONNECT_TRIES):
                # Its own session: a Ctrl-C for the command at the terminal is none for the connection. And
                # no pipe of ours: who waits for our output would wait for it.
                with open(log, "ab") as out:
                    subprocess.run([*argv, "root@127.0.0.1"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True, check=False)
                pid = self.master_pid()
                if pid:
                    (self.folder / "ssh.pid").write_text(f"{pid} {started_at(pid)}", encoding="ascii")
                    return
            raise LabError(f"no ssh to {self.name}:\n{tail(log, 5)}")

    def shell_argv(self, command=(), terminal=None):
        """The command line that runs `command` in dom0: one word is a line for the shell, several are
        a program and its arguments."""
        argv = [tool("ssh"), *self.ssh_options()]
        argv += {True: ["-t"], False: ["-T"], None: []}[terminal]
        argv.append("root@127.0.0.1")
        if command:
            # -- because a command may start with a dash.
            argv += ["--", command[0] if len(command) == 1 else shlex.join(command)]
        return argv

    def run(self, command, what, data=None):
        """Runs a line of shell in dom0, gives its output; LabError where it fails."""
        self.connect()
        done = subprocess.run(self.shell_argv([command], False), input=data, capture_output=True, check=False,
                              **({} if data is not None else {"stdin": subprocess.DEVNULL}))
        if done.returncode:
            text = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise LabError(f"{self.name}: {what} failed (status {done.returncode})\n{text}")
        return done.stdout.decode(errors="replace")

    def uri(self, stock=False, readonly=False):
        name = "libvirt-sock" if stock else "virtxend-sock-ro" if readonly else "virtxend-sock"
        return f"xen+unix:///system?socket={self.folder}/{name}"

    # Its console

    def talk(self):
        """Connects the terminal to the console until Ctrl-]."""
        import select
        import sys
        import termios
        import tty
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(f"{self.folder}/console.sock")
        except OSError as error:
            raise LabError(f"no console of {self.name}: {error.strerror}") from error
        terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
        before = termios.tcgetattr(terminal) if terminal is not None else None
        try:
            if before:
                tty.setraw(terminal)
            while True:
                ready = select.select([client, sys.stdin.fileno()], [], [])[0]
                if client in ready:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(sys.stdout.fileno(), data)
                else:
                    data = os.read(sys.stdin.fileno(), 4096)
                    if not data or b"\x1d" in data:
                        return
                    client.sendall(data)
        except OSError as error:
            if error.errno != errno.ECONNRESET:
                raise
        finally:
            if before:
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)
