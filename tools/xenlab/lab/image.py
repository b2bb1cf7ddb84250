# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images of a lab.

The base image is the distribution's part: dom0's root file system, Xen, the kernel. It is kept in
the cache under a key of all that goes into it, and never written to again. The layer is what
xenlab and xlvirt add: a tar that a host unpacks at its first boot. It is made anew each time,
which takes a second."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from . import guests
from .kernel import Cpio, Modules, unpack_bzimage
from .util import LabError, file_hash, list_file, locked, run, say, size, tool, tools

HERE = Path(__file__).resolve().parent.parent
IMAGE = HERE / "image"
SUITE = "bookworm"
ARCH = "amd64"
DISK_SIZE = "8G"  # sparse
# MB at most while an image is made: the tar, the files and the file system; what mmdebstrap unpacks.
CACHE_ROOM = 1800
TEMPORARY_ROOM = 1000
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Left out of the image by dpkg.
LEFT_OUT = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*",
            "/usr/share/lintian/*", "/usr/share/bash-completion/*", "/boot/System.map*"]

# Files of the layer: name below image/, where it goes, its mode.
LAYER_FILES = [
    ("inittab", "etc/inittab", 0o644),
    ("sshd_config", "etc/ssh/sshd_config", 0o644),
    ("modules-dom0", "etc/xenlab/modules", 0o644),
    ("lab-boot", "usr/local/sbin/lab-boot", 0o755),
    ("lab-xlvirtd", "usr/local/sbin/lab-xlvirtd", 0o755),
    ("lab-stock", "usr/local/sbin/lab-stock", 0o755),
    ("lab-ovs", "usr/local/sbin/lab-ovs", 0o755),
    ("lab-guest", "usr/local/sbin/lab-guest", 0o755),
]


def cache_folder(given=None):
    """Where images are kept: --cache, XENLAB_CACHE, or below ~/.cache."""
    given = given or os.environ.get("XENLAB_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return plain(Path(given).absolute() if given else Path(home) / "xlvirt" / "xenlab", "--cache")


def plain(path, option):
    """The path; LabError where QEMU's command line would take it for several words."""
    if set(" ,") & set(str(path)):
        raise LabError(f"no blank or comma may be in the path {path}: choose another one with {option}")
    return path


def base_key():
    """Names a base image: changes with whatever goes into it. What the archive has changes without
    notice; `xenlab build --fresh` asks it again."""
    total = hashlib.sha256(f"{SUITE} {ARCH} {DISK_SIZE} {LEFT_OUT}".encode())
    total.update(file_hash(*(IMAGE / name for name in
                             ("packages", "drivers-left-out", "modules-initramfs", "assemble"))).encode())
    total.update(file_hash(guests.MODULES).encode())
    return total.hexdigest()[:16]


class Base:
    """A base image in the cache."""

    def __init__(self, cache, key=None):
        self.key = key or base_key()
        self.folder = cache / f"base-{self.key}"
        self.root = self.folder / "root.img"
        self.xen = self.folder / "xen"
        self.bzimage = self.folder / "vmlinuz"
        self.vmlinux = self.folder / "vmlinux"
        self.busybox = self.folder / "busybox"
        self.hvmloader = self.folder / "hvmloader"
        self.modules = self.folder / "modules"
        self.ssh_key = self.folder / "id_ed25519"
        self.info = self.folder / "info.json"

    def there(self):
        return self.info.exists()


def apt_sources():
    """The lines of a sources.list with what this host's apt has for the suite; none where it has
    nothing (no Debian, another release): mmdebstrap knows where Debian is."""
    try:
        out = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(CREATED_BY)"],
            capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    lines = set()
    for row in out.splitlines():
        origin, uri, codename, component, kind = (row.split("|") + [""] * 5)[:5]
        if origin == "Debian" and kind == "Packages" and component == "main" and codename.split("-")[0] == SUITE:
            lines.add(f"deb {uri} {codename} main")
    if not any(line.split()[2] == SUITE for line in lines):
        return []
    return sorted(lines)


def debootstrap(work, log):
    """root.tar: the distribution's files."""
    packages = list_file(IMAGE / "packages")
    argv = [tool("mmdebstrap"), "--variant=minbase", f"--architectures={ARCH}", "--components=main",
            f"--include={','.join(packages)}", "--dpkgopt=force-unsafe-io"]
    argv += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    argv += [f"--dpkgopt=path-exclude=/lib/modules/*/kernel/{folder}/*"
             for folder in list_file(IMAGE / "drivers-left-out")]
    if KEYRING.exists():
        argv.append(f"--keyring={KEYRING}")
    argv += [SUITE, str(work / "root.tar")]
    sources = apt_sources()
    if sources:
        (work / "sources.list").write_text("\n".join(sources) + "\n", encoding="utf-8")
        argv.append(str(work / "sources.list"))
    say(f"fetching and unpacking {len(packages)} packages and what they need, of {SUITE}"
        f" ({'from the sources of this host' if sources else 'from the default archive'})")
    # No initramfs by the distribution's tools: ours is smaller and made in no time.
    run(argv, "mmdebstrap", log, each_line=lambda line: line.startswith("I: ") and say("  " + line[3:]),
        env={**os.environ, "INITRD": "No"})


def make_keys(work):
    """The one key that opens this image's hosts, and the hosts' own."""
    for name in ("id_ed25519", "host_ed25519"):
        run([tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "xenlab", "-f", str(work / name)],
            "ssh-keygen")


def one_file(folder, pattern, who="the packages"):
    found = sorted(folder.glob(pattern))
    if not found:
        raise LabError(f"{who} brought no {pattern}")
    return found[-1]


def take_kernels(root, work):
    """What boots: Xen's ELF, the kernel packed and unpacked, busybox, the modules for initramfs."""
    xen = one_file(root / "boot", "xen-*-amd64.gz")
    (work / "xen").write_bytes(subprocess.run([tool("gunzip"), "-c", str(xen)],
                                              stdout=subprocess.PIPE, check=True).stdout)
    kernel = one_file(root / "boot", "vmlinuz-*")
    shutil.copyfile(kernel, work / "vmlinuz")
    (work / "vmlinux").write_bytes(unpack_bzimage(kernel.read_bytes()))
    shutil.copyfile(root / "usr/bin/busybox", work / "busybox")
    version = kernel.name.split("-", 1)[1]
    folder = root / "lib/modules" / version
    modules = Modules(folder)
    target = work / "modules"
    target.mkdir()
    for name in ("modules.dep", "modules.builtin"):
        shutil.copyfile(folder / name, target / name)
    for path in modules.in_order(list_file(IMAGE / "modules-initramfs") + list_file(guests.MODULES)):
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return {"kernel": version, "xen": xen.name[4:-3], "key": base_key()}


def check_room(folder, wanted, hint):
    """LabError where a file system has not the room that making an image takes, which shows late else."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free >> 20
    if free < wanted:
        raise LabError(f"making the image takes {wanted} MB in {folder}, and {free} MB are free: {hint}")


def build_base(cache, fresh=False):
    """The base image, from the cache or made now."""
    base = Base(cache)
    with locked(cache / f"base-{base.key}.lock", "this image"):
        if base.there() and not fresh:
            return base
        tools("mmdebstrap", "mkfs.ext4", "tar", "ssh-keygen", "gunzip", *([] if os.geteuid() == 0 else ["fakeroot", "newuidmap"]))
        check_room(cache, CACHE_ROOM, "make room, or name another folder with --cache")
        check_room(Path(tempfile.gettempdir()), TEMPORARY_ROOM, "make room, or name another folder in TMPDIR")
        cache.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"building-{base.key}-", dir=cache))
        log = cache / f"base-{base.key}.log"
        log.write_text("", encoding="utf-8")
        try:
            debootstrap(work, log)
            make_keys(work)
            say("making the file system")
            root = work / "root"
            wrapper = [] if os.geteuid() == 0 else [tool("fakeroot")]
            run([*wrapper, "sh", str(IMAGE / "assemble"), str(work / "root.tar"), str(root), str(work / "root.img"),
                 DISK_SIZE, str(work)], "making the file system", log,
                env={**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"})
            info = take_kernels(root, work)
            shutil.copyfile(root / "var/lib/dpkg/status", work / "packages.status")
            run(["chmod", "-R", "u+rwX", str(root)], "chmod")
            shutil.rmtree(root)
            (work / "root.tar").unlink()
            (work / "info.json").write_text(json.dumps(info), encoding="utf-8")
            if base.folder.exists():
                # Hosts that run have it open; they go on with the files that they hold.
                base.folder.rename(work / "old")
            work.rename(base.folder)
            shutil.rmtree(base.folder / "old", ignore_errors=True)
            base.folder.chmod(0o700)
        finally:
            if work.exists():
                shutil.rmtree(work, ignore_errors=True)
        say(f"base image: {base.root} ({size(base.root)}; Xen {info['xen']}, Linux {info['kernel']})")
    return base


def clean(cache, keep, used):
    """Removes what is in the cache, but for the image of the key `keep`, those that are `used` (their
    root.img), and what is being made."""
    for path in sorted(cache.glob("base-*")) + sorted(cache.glob("building-*")):
        if not path.is_dir() or str(path / "root.img") in used or path.name == f"base-{keep}":
            continue
        key = path.name.split("-")[1]
        with locked(cache / f"base-{key}.lock", f"the image {key}", wait=False) as held:
            if held:
                say(f"removing {path}")
                shutil.rmtree(path)
                (cache / f"base-{key}.log").unlink(missing_ok=True)


def initramfs(base):
    """dom0's initramfs."""
    modules = Modules(base.modules)
    archive = Cpio()
    archive.folders("bin", "dev", "proc", "sys", "modules", "root")
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", base.busybox.read_bytes(), 0o755)
    archive.file("init", (IMAGE / "initramfs-init").read_bytes(), 0o755)
    files = modules.in_order(list_file(IMAGE / "modules-initramfs"))
    archive.file("modules/order", "".join(path.name + "\n" for path in files).encode())
    for path in files:
        archive.file("modules/" + path.name, path.read_bytes())
    return archive.pack()


class Layer:
    """A tar in the making; the same files give the same bytes."""

    def __init__(self, path):
        self.path = path
        self.tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)
        self.files = {}

    @staticmethod
    def _plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = 0
        return info

    def bytes(self, name, data, mode=0o644):
        info = self._plain(tarfile.TarInfo(name))
        info.size, info.mode = len(data), mode
        self.tar.addfile(info, io.BytesIO(data))
        self.files[name] = hashlib.sha256(data).hexdigest()

    def tree(self, folder):
        """All files of a DESTDIR. Its folders are made as needed: those of the image keep their modes."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink():
                self.tar.add(path, name, recursive=False, filter=self._plain)
                self.files[name] = os.readlink(path)
            elif path.is_file():
                self.bytes(name, path.read_bytes(), path.stat().st_mode & 0o777)

    def close(self):
        """Names the tar by its contents."""
        self.tar.close()
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]


def pick(path, names):
    """A tar with only these files of another one."""
    out = io.BytesIO()
    wanted = set(names)
    with tarfile.open(path) as source, tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as target:
        for info in source:
            if info.name in wanted:
                target.addfile(info, source.extractfile(info) if info.isfile() else None)
    return out.getvalue()


def find_tree(given=None):
    """The source tree whose xlvirt goes into the image: --tree, XENLAB_TREE, the one that one stands
    in, else the one that this tool is part of."""
    if given or os.environ.get("XENLAB_TREE"):
        tree = Path(given or os.environ["XENLAB_TREE"]).absolute()
        if not is_tree(tree):
            raise LabError(f"{tree} is no source tree of xlvirt")
        return tree
    here = Path.cwd()
    for folder in (here, *here.parents):
        if is_tree(folder):
            return folder
    return HERE.parent.parent


def is_tree(folder):
    try:
        return "project('xlvirt'" in (folder / "meson.build").read_text(encoding="utf-8")
    except OSError:
        return False


def build_folder(tree, given=None):
    """The meson build folder: --build-dir, XENLAB_BUILD_DIR, else TREE/build."""
    folder = given or os.environ.get("XENLAB_BUILD_DIR")
    return Path(folder).absolute() if folder else tree / "build"


def install_tree(tree, build, destdir, debug):
    """Builds xlvirt and installs it below destdir."""
    tools("meson", "ninja")
    if not (build / "build.ninja").exists():
        say(f"meson setup {build}")
        run([tool("meson"), "setup", str(build), str(tree)], "meson setup")
    say(f"building xlvirt of {tree}")
    run([tool("ninja"), "-C", str(build)], "building xlvirt",
        each_line=lambda line: line.startswith("[") and line.split("]")[0].endswith("00") and say("  " + line[:100]))
    run([tool("meson"), "install", "-C", str(build), "--no-rebuild", "--quiet", *([] if debug else ["--strip"])],
        "installing xlvirt", env={**os.environ, "DESTDIR": str(destdir)})


def link_daemon(destdir):
    """Where the build has another prefix: the lab looks for the daemon in /usr/sbin all the same."""
    usual = destdir / "usr/sbin/xlvirtd"
    found = one_file(destdir, "**/sbin/xlvirtd", "the build")
    if found != usual:
        usual.parent.mkdir(parents=True, exist_ok=True)
        usual.symlink_to(Path("/") / found.relative_to(destdir))


def build_layer(base, folder, tree, build=None, xlvirt=True, debug=False):
    """Makes folder/layer.tar; gives its name and the files in it with their hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    layer = Layer(folder / "layer.tar")
    for name, target, mode in LAYER_FILES:
        layer.bytes(target, (IMAGE / name).read_bytes(), mode)
    # Hosts reach each other as root, as xl migrate and virsh migrate want it.
    host_key = (base.folder / "host_ed25519.pub").read_text(encoding="ascii")
    layer.bytes("root/.ssh/id_ed25519", base.ssh_key.read_bytes(), 0o600)
    layer.bytes("etc/ssh/ssh_known_hosts", f"xen*,10.77.0.* {host_key}".encode(), 0o644)
    for name, data, mode in guests.files(base):
        layer.bytes(name, data, mode)
    if xlvirt:
        with tempfile.TemporaryDirectory(prefix="xenlab-") as destdir:
            build = build_folder(tree, build)
            with locked(build / ".xenlab.lock", f"the build folder {build}"):
                install_tree(tree, build, destdir, debug)
            link_daemon(Path(destdir))
            layer.tree(Path(destdir))
    return layer.close(), layer.files
