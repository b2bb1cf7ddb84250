# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernel files: the ELF inside a bzImage, the modules and what they depend on, cpio archives."""

import gzip
import lzma
import struct
import zlib
from pathlib import Path

from .util import LabError


def unpack_bzimage(data):
    """The ELF kernel inside a bzImage. Booting that instead saves the guest's, or Xen's, unpacking."""
    if len(data) < 0x250 or data[0x202:0x206] != b"HdrS":
        raise LabError("the kernel is no bzImage")
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = data[start:start + length]
    if payload[:6] == b"\xfd7zXZ\0":
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload[:3] == b"\x1f\x8b\x08":
        kernel = zlib.decompressobj(31).decompress(payload)
    else:
        raise LabError(f"the kernel is packed in a way that xenlab does not know ({payload[:6].hex()})")
    if kernel[:4] != b"\x7fELF":
        raise LabError("there is no ELF file inside the kernel")
    return kernel


class Modules:
    """The modules of one kernel, below lib/modules/VERSION of a file system."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.needs = {}
        for line in (self.folder / "modules.dep").read_text(encoding="utf-8").splitlines():
            path, needs = line.split(":")
            self.needs[self.name(path)] = (path, needs.split())
        builtin = (self.folder / "modules.builtin").read_text(encoding="utf-8").split()
        self.builtin = {self.name(path) for path in builtin}

    @staticmethod
    def name(path):
        """A module's name: - and _ are the same in it."""
        return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")

    def in_order(self, names):
        """Paths of the files to load for these modules, in the order of loading."""
        order = []
        for name in names:
            name = self.name(name)
            if name in self.builtin:
                continue
            if name not in self.needs:
                raise LabError(f"the kernel has no module {name}")
            path, needs = self.needs[name]
            # modules.dep names all of them, the one to load first last.
            for wanted in [*reversed(needs), path]:
                if wanted not in order:
                    order.append(wanted)
        return [self.folder / path for path in order]


class Cpio:
    """An archive in the format that a kernel unpacks as its initramfs."""

    def __init__(self):
        self.data = bytearray()
        self.inode = 1

    def _entry(self, name, mode, body=b"", device=(0, 0)):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(body), 0, 0, *device, len(path), 0]
        self.data += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self.data += bytes(-len(self.data) % 4) + body
        self.data += bytes(-len(self.data) % 4)

    def folders(self, *names):
        for name in names:
            self._entry(name, 0o040755)

    def file(self, name, body, mode=0o644):
        self._entry(name, 0o100000 | mode, body)

    def link(self, name, target):
        self._entry(name, 0o120777, target.encode())

    def device(self, name, major, minor):
        self._entry(name, 0o020600, device=(major, minor))

    def pack(self):
        """The archive, gzipped; the same input gives the same bytes."""
        self._entry("TRAILER!!!", 0)
        return gzip.compress(bytes(self.data), 6, mtime=0)
