# SPDX-License-Identifier: LGPL-2.1-or-later
"""A lab: hosts that run side by side, and the folder that says what they are."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import stat
import time
from pathlib import Path

from . import image
from .machine import Machine, choose_accel
from .util import LabError, locked, say, tools, undisturbed

LONGEST_PATH = 107  # of a unix socket


def labs_path():
    base = os.environ.get("XDG_RUNTIME_DIR")
    if not base or not os.access(base, os.W_OK):
        base = "/tmp"
    return Path(base) / f"xenlab-{os.getuid()}"


def labs_folder():
    """Where the folders of labs are unless --dir says otherwise. Short: sockets are in it. LabError
    where others may write to it: what a lab's file says is done, by root often."""
    folder = labs_path()
    with contextlib.suppress(FileNotFoundError):
        info = os.lstat(folder)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o022:
            raise LabError(f"{folder} is not ours alone: look whose it is, and remove it; or choose another folder"
                           " with --dir")
    return folder


def lab_folder(given, tree):
    """The folder of the lab: --dir, XENLAB_DIR, else one that belongs to the tree."""
    if given or os.environ.get("XENLAB_DIR"):
        return Path(given or os.environ["XENLAB_DIR"]).absolute()
    return labs_folder() / hashlib.sha256(os.fsencode(tree)).hexdigest()[:8]


class Lab:
    """The state of a lab, kept in lab.json of its folder."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "lab.json"
        self.options = {}
        self.machines = {}
        if self.file.exists():
            data = json.loads(self.file.read_text(encoding="utf-8"))
            self.options = data["options"]
            self.machines = {name: Machine(self, name, spec) for name, spec in data["hosts"].items()}

    def there(self):
        return bool(self.machines)

    def save(self):
        data = {"options": self.options, "hosts": {name: machine.spec for name, machine in self.machines.items()}}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        new.replace(self.file)

    def lock(self):
        return locked(self.folder.parent / f".{self.folder.name}.lock", f"this lab ({self.folder})")

    def machine(self, name=None):
        """A host by its name; without a name the only one or the first."""
        if not self.there():
            raise LabError(f"no lab is up here ({self.folder}): xenlab up")
        if name is None:
            return next(iter(self.machines.values()))
        if name not in self.machines:
            raise LabError(f"no host {name}: the lab has {', '.join(self.machines)}")
        return self.machines[name]

    def check_paths(self):
        image.plain(self.folder, "--dir")
        longest = max(len(os.fsencode(self.folder / name / "virtxend-sock-ro")) for name in self.machines)
        # ssh puts a suffix of 17 characters behind the name of its control socket for a moment.
        longest = max(longest, max(len(os.fsencode(self.folder / name / "ssh")) + 17 for name in self.machines))
        if longest > LONGEST_PATH:
            raise LabError(f"the path {self.folder} is too long for sockets in it: choose a shorter one with --dir")

    def up(self, args, tree, cache):
        """Brings the lab up; nothing of it is left where that fails."""
        tools("qemu-system-x86_64", "qemu-img", "ssh")
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.parent == labs_path():
            labs_folder()  # somebody may have been quicker with it
        with self.lock():
            self.__init__(self.folder)  # somebody may have been quicker
            if self.there():
                raise LabError(f"a lab is up here already ({self.folder}): xenlab down first, or another --dir")
            if self.folder.exists() and any(self.folder.iterdir()):
                raise LabError(f"{self.folder} is not empty and no lab is in it")
            self.folder.mkdir(mode=0o700, exist_ok=True)
            try:
                self._prepare(args, tree, cache)
                self._start(list(self.machines.values()), args.timeout)
            except BaseException:
                say("taking down what was started")
                with undisturbed():
                    self._remove(keep_logs=True)
                raise

    def _prepare(self, args, tree, cache):
        base = image.build_base(cache)
        layer, files = image.build_layer(base, self.folder, tree, args.build_dir, args.xlvirt, args.debug)
        (self.folder / "initramfs").write_bytes(image.initramfs(base))
        host_key = (base.folder / "host_ed25519.pub").read_text(encoding="ascii")
        (self.folder / "known_hosts").write_text(f"xenlab {host_key}", encoding="ascii")
        accel, reason = ("icount", "") if args.icount else choose_accel(args.accel)
        say(f"accelerator: {accel}" + (f" ({reason})" if reason else ""))
        # Each lab has a multicast group of its own on the loopback device for its private network.
        network = f"239.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        self.options = {
            "tree": str(tree), "layer": layer, "files": files, "accel": accel, "cpus": args.cpus, "memory": args.memory,
            "dom0_memory": args.dom0_memory, "xen_args": args.xen_args, "linux_args": args.linux_args,
            "qemu_args": args.qemu_args,
            "network": f"{network}:{random.randint(20000, 60000)}" if args.hosts > 1 else "",
            "xlvirtd": not args.no_daemon, "root": str(base.root), "xen": str(base.xen), "kernel": str(base.vmlinux),
            "ssh_key": str(base.ssh_key), "started": time.time(),
        }
        self.machines = {f"xen{i}": Machine(self, f"xen{i}", {"index": i}) for i in range(1, args.hosts + 1)}
        self.check_paths()
        self.save()

    def _start(self, machines, timeout):
        begin = time.monotonic()
        for machine in machines:
            say(f"starting {machine.name}")
            machine.start()
        for machine in machines:
            machine.wait_ready(begin + timeout, timeout)
            machine.connect()
        say(f"up in {time.monotonic() - begin:.1f} s: {', '.join(machine.name for machine in machines)}")

    def _remove(self, keep_logs=False):
        for machine in self.machines.values():
            machine.stop()
        if keep_logs:
            self._keep_logs()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.machines = {}

    def _keep_logs(self):
        """After a failed start: the logs stay beside the folder."""
        target = self.folder.parent / f"{self.folder.name}.failed"
        shutil.rmtree(target, ignore_errors=True)
        for log in self.folder.glob("*/*.log"):
            place = target / log.relative_to(self.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, place)
            say(f"kept: {place}")

    def down(self):
        """Ends everything of the lab and removes its folder."""
        if not self.folder.exists():
            return False
        with self.lock():
            self.__init__(self.folder)
            if not self.there():
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
                return False
            with undisturbed():
                self._remove()
        return True

    def restart(self, machine, timeout):
        """The host's power is cut and comes back; its disk stays."""
        with self.lock():
            machine.stop()
            self._start([machine], timeout)

    def push(self, machines, args, tree):
        """Brings what changed of the tree's xlvirt into running hosts."""
        base = image.Base(Path(self.options["root"]).parent.parent, Path(self.options["root"]).parent.name[5:])
        with self.lock():
            work = self.folder / "push"
            _, files = image.build_layer(base, work, tree, args.build_dir, args.xlvirt, args.debug)
            for machine in machines:
                before = machine.spec.get("files", self.options["files"])
                changed = [name for name, digest in files.items() if before.get(name) != digest]
                if changed:
                    data = image.pick(work / "layer.tar", changed)
                    machine.run("tar -xf - -C / --unlink-first && ldconfig", "unpacking", data)
                machine.spec["files"] = files
                say(f"{machine.name}: {len(changed)} files changed" + (f": {', '.join(changed[:8])}" if changed else ""))
                if args.restart:
                    say(f"{machine.name}: " + (machine.run("lab-xlvirtd restart && lab-xlvirtd status",
                                                           "restarting xlvirtd").strip()))
            shutil.rmtree(work)
            self.save()
