# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small guests to start in a lab: a Linux of busybox alone, a kernel and a boot sector of a few
bytes, and their configurations. All of it is in /srv/guests of dom0."""

import subprocess
import tempfile
from pathlib import Path

from .kernel import Cpio, Modules
from .util import LabError, list_file, tool

HERE = Path(__file__).resolve().parent.parent / "guests"
MODULES = HERE / "modules"

# Scripts of the Linux guest: name here, place in its initramfs, mode.
SCRIPTS = [
    ("init", "init", 0o755),
    ("rc", "etc/rc", 0o755),
    ("lab", "etc/lab", 0o644),
    ("plugged", "etc/plugged", 0o755),
    ("poweroff", "sbin/poweroff", 0o755),
    ("reboot", "sbin/reboot", 0o755),
    # What busybox's acpid runs for the power button.
    ("poweroff", "etc/acpi/PWRF/00000080", 0o755),
]

STUB_FLAGS = ["-m64", "-Os", "-s", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-mno-red-zone",
              "-mgeneral-regs-only", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none",
              "-Wl,--build-id=none", "-Wl,-z,noexecstack"]
BOOT_SECTOR_FLAGS = ["-m64", "-static", "-nostdlib", "-Wl,-Ttext=0x7c00", "-Wl,--oformat=binary", "-Wl,--build-id=none"]


def initramfs(base):
    """The Linux guest's initramfs."""
    modules = Modules(base.modules)
    archive = Cpio()
    archive.folders("bin", "sbin", "dev", "proc", "sys", "etc", "etc/acpi", "etc/acpi/PWRF", "modules", "tmp")
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", base.busybox.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    for name, place, mode in SCRIPTS:
        archive.file(place, (HERE / name).read_bytes(), mode)
    files = modules.in_order(list_file(MODULES))
    archive.file("modules/order", "".join(path.name + "\n" for path in files).encode())
    for path in files:
        archive.file("modules/" + path.name, path.read_bytes())
    return archive.pack()


def compiled(flags, sources):
    """What the compiler makes of a guest's few lines."""
    with tempfile.TemporaryDirectory(prefix="xenlab-") as folder:
        out = Path(folder) / "out"
        done = subprocess.run([tool("gcc"), *flags, "-o", str(out), *(str(HERE / name) for name in sources)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"{sources[0]} does not compile:\n{done.stderr}")
        return out.read_bytes()


def files(base):
    """What goes into /srv/guests: (name, bytes, mode)."""
    place = "srv/guests/"
    found = [
        (place + "vmlinuz", base.bzimage.read_bytes(), 0o644),
        (place + "initramfs", initramfs(base), 0o644),
        (place + "stub", compiled([*STUB_FLAGS, f"-Wl,-T,{HERE / 'stub.ld'}"], ["stub.S", "stub.c"]), 0o755),
        (place + "bootsector", compiled(BOOT_SECTOR_FLAGS, ["bootsector.S"]), 0o644),
    ]
    for path in sorted([*HERE.glob("*.cfg"), *HERE.glob("*.xml")]):
        found.append((place + path.name, path.read_bytes(), 0o644))
    return found
