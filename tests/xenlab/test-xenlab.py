#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xenlab without Xen: its command line, what goes into images and their keys, kernel files, missing
tools, and that a start that fails leaves no process and no file. QEMU is a script here."""
import contextlib
import glob
import lzma
import os
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import zlib
from pathlib import Path
from unittest import mock

SOURCE = Path(os.environ['XLVIRT_SOURCE'])
XENLAB = SOURCE / 'tools' / 'xenlab' / 'xenlab'
sys.path.insert(0, str(SOURCE / 'tests'))
sys.path.insert(0, str(XENLAB.parent))
sys.dont_write_bytecode = True
import tap  # noqa: E402
from lab import cli, guests, image, kernel, lab, machine, util  # noqa: E402


class Folder(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix='xl'))
        self.addCleanup(shutil.rmtree, self.dir)

    def xenlab(self, *args, **env):
        """Runs the tool with a cache and a lab of its own."""
        return subprocess.run([sys.executable, XENLAB, *args], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=180,
                              env={**os.environ, 'XENLAB_CACHE': str(self.dir / 'cache'),
                                   'XENLAB_DIR': str(self.dir / 'lab'), 'XENLAB_TREE': str(SOURCE), **env})


class TestArguments(Folder):
    def fails(self, words, *args):
        done = self.xenlab(*args)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    def test_errors(self):
        """What cannot be is named, and nothing is started."""
        self.fails('invalid choice', 'fly')
        self.fails('0 is not positive', 'up', '--hosts', '0')
        self.fails('at most 32', 'up', '--hosts', '33')
        self.fails('--icount needs emulation', 'up', '--icount', '--accel', 'kvm')
        self.fails('Xen needs 128 MB', 'up', '--memory', '700')
        self.fails('is no source tree of xlvirt', 'build', '--tree', '/')
        for command in (['run', 'true'], ['ssh'], ['virsh', 'list'], ['uri'], ['logs'], ['restart'], ['push'],
                        ['copy', 'a', 'xen1:b'], ['console']):
            self.fails('no lab is up here', *command)
        self.fails('from where and to where', 'copy', 'a')
        self.fails('no blank or comma may be in the path', 'build', '--cache', str(self.dir / 'a b'))
        self.fails('is too long for sockets', 'up', '--no-xlvirt', '--dir', str(self.dir / ('x' * 100))) \
            if shutil.which('qemu-system-x86_64') and self.with_base() else None
        self.assertFalse((self.dir / 'lab').exists())

    def with_base(self):
        fake_base(self.dir / 'cache')
        return True

    def test_without_lab(self):
        """These say that nothing is there, which is no error."""
        for command in ('status', 'down'):
            done = self.xenlab(command)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('no lab is up here', done.stdout + done.stderr)

    def test_passed_on(self):
        """The words of another program are not taken for our options."""
        split = cli.split_passed_on
        self.assertEqual(split(['run', 'xen1', 'ls', '--dir', 'x']), (['run'], ['xen1', 'ls', '--dir', 'x']))
        self.assertEqual(split(['-q', 'run', '--dir', 'x', 'ls', '-l']), (['-q', 'run', '--dir', 'x'], ['ls', '-l']))
        self.assertEqual(split(['virsh', '--stock', '-r', 'list']), (['virsh', '--stock'], ['-r', 'list']))
        self.assertEqual(split(['virsh', '--dir=x', '-r']), (['virsh', '--dir=x'], ['-r']))
        self.assertEqual(split(['run', '--help']), (['run', '--help'], []))
        self.assertEqual(split(['up', '--hosts', '2']), (['up', '--hosts', '2'], []))
        self.assertEqual(split([]), ([], []))

    def test_first_word(self):
        """A host's name before a command is one only if there is such a host."""
        some = lab.Lab(self.dir / 'lab')
        some.machines = {'xen1': 'first', 'xen2': 'second'}
        self.assertEqual(cli.split_host(some, ['xen2', 'ls']), ('second', ['ls']))
        self.assertEqual(cli.split_host(some, ['ls', 'xen2']), ('first', ['ls', 'xen2']))
        with self.assertRaisesRegex(util.LabError, 'no host xen3: the lab has xen1, xen2'):
            some.machine('xen3')


class TestPages(unittest.TestCase):
    def commands(self):
        parser = cli.make_parser()
        choices = next(a for a in parser._actions if a.dest == 'command').choices
        for name, sub in choices.items():
            yield name, [o for a in sub._actions for o in a.option_strings if o.startswith('--')]

    def test_named(self):
        """The manual page and the completion know each command and option, and no others."""
        page = (SOURCE / 'docs/man/xenlab.1').read_text().replace('\\-', '-')
        completion = (SOURCE / 'data/completion/xenlab').read_text()
        known = {'--help', '--quiet'}
        for name, options in self.commands():
            self.assertRegex(page, rf'(?m)^\.B[RI]? "?{name}\b', f'{name} in the page')
            self.assertRegex(completion, rf'\b{name}\b', f'{name} in the completion')
            for option in options:
                known.add(option)
                self.assertIn(option, page, f'{name} {option} in the page')
                self.assertRegex(completion, rf'{option}\b', f'{name} {option} in the completion')
        for text in (page, completion):
            self.assertEqual(set(re.findall(r'(?<![\w-])--[a-z][a-z0-9-]+', text)) - known, set())

    def test_setup(self):
        """tools/setup.sh installs what the tool says is missing."""
        text = (SOURCE / 'tools/setup.sh').read_text()
        groups = ' '.join(re.findall(r"^(?:build|xenlab)='([^']*)'", text, re.M)).split()
        essential = {'tar', 'gzip'}
        self.assertEqual(set(util.PACKAGES.values()) - set(groups) - essential, set())


class TestTools(Folder):
    def test_missing(self):
        """A missing tool is named with its package, before anything is done."""
        empty = self.dir / 'bin'
        empty.mkdir()
        done = self.xenlab('up', '--no-xlvirt', PATH=str(empty))
        self.assertEqual(done.returncode, 1)
        self.assertIn('qemu-system-x86_64 (package qemu-system-x86)', done.stderr)
        self.assertIn('ssh (package openssh-client)', done.stderr)
        self.assertIn('tools/setup.sh xenlab', done.stderr)
        done = self.xenlab('build', '--no-xlvirt', PATH=str(empty))
        self.assertIn('mmdebstrap (package mmdebstrap)', done.stderr)
        self.assertFalse((self.dir / 'lab').exists())

    def test_output(self):
        """A program that fails is reported with its last lines; its children do not outlive it."""
        with self.assertRaisesRegex(util.LabError, r'(?s)the thing failed \(status 3\).*line 30$'):
            util.run(['sh', '-c', 'seq -f "line %g" 30; exit 3'], 'the thing')
        marker = self.dir / 'pid'

        def interrupt(line):
            raise KeyboardInterrupt

        with self.assertRaises(KeyboardInterrupt):
            util.run(['sh', '-c', f'sleep 1000 & echo $! > {marker}; echo ready; wait'], 'it', each_line=interrupt)
        pid = int(marker.read_text())
        until = time.monotonic() + 60
        while machine.started_at(pid) is not None and time.monotonic() < until:
            time.sleep(0.02)
        self.assertIsNone(machine.started_at(pid))

    def test_cleaning_up(self):
        """A program that is ended may take its time to remove what it wrote, whatever is typed meanwhile."""
        left = self.dir / 'left'

        def interrupt(line):
            if line == 'ready':
                raise KeyboardInterrupt

        def again(text):
            said.append(text)
            os.kill(os.getpid(), signal.SIGINT)
            os.unlink(f'{left}.wait')

        said = []
        script = (f'trap "while [ -e {left}.wait ]; do sleep 0.1; done; rm {left}; exit 1" TERM\n'
                  f'touch {left} {left}.wait; echo ready; while :; do sleep 0.1; done')
        with mock.patch.object(util, 'say', side_effect=again), self.assertRaises(KeyboardInterrupt):
            util.run(['sh', '-c', script], 'it', each_line=interrupt)
        self.assertEqual(said, ['waiting until what was started has cleaned up'])
        self.assertFalse(left.exists())

    def test_another_process(self):
        """A process with the same id that started at another time is left alone."""
        with subprocess.Popen(['sleep', '1000']) as process:
            ticks = machine.started_at(process.pid)
            machine.end_process(process.pid, ticks + 1)
            self.assertEqual(machine.started_at(process.pid), ticks)
            machine.end_process(process.pid, ticks)
            self.assertEqual(process.wait(5), -signal.SIGTERM)

    def test_console(self):
        """Ready is a line of its own; a panic is seen wherever it stands."""
        self.assertTrue(machine.READY.search(b'xenlab: Xen\r\r\nxenlab: ready\r\r\n'))
        self.assertFalse(machine.READY.search(b'echo "xenlab: ready"'))
        self.assertEqual(machine.STEP.findall(b'xenlab: modules\r\r\nxenlab: failed: x\r\n'), [b'modules'])
        self.assertTrue(machine.DEAD.search(b'(XEN) Panic on CPU 0:'))
        self.assertTrue(machine.DEAD.search(b'[1.0] Kernel panic - not syncing: VFS'))

    def test_kvm(self):
        """KVM is taken only where it can nest; who asks for it gets it."""
        with mock.patch.object(machine, 'kvm_refusal', return_value='no nesting'):
            self.assertEqual(machine.choose_accel('auto'), ('tcg', 'no nesting'))
            self.assertEqual(machine.choose_accel('kvm'), ('kvm', 'no nesting'))
        with mock.patch.object(machine, 'kvm_refusal', return_value=None):
            self.assertEqual(machine.choose_accel('auto'), ('kvm', ''))
            self.assertEqual(machine.choose_accel('tcg'), ('tcg', ''))


class TestKeys(Folder):
    def test_base_key(self):
        """What goes into the base image changes its key; what goes into the layer does not."""
        copy = self.dir / 'image'
        shutil.copytree(image.IMAGE, copy)
        with mock.patch.object(image, 'IMAGE', copy):
            before = image.base_key()
            self.assertEqual(before, image.base_key())
            for name in ('packages', 'drivers-left-out', 'modules-initramfs', 'assemble'):
                text = (copy / name).read_text()
                (copy / name).write_text(text + '# more\n')
                self.assertNotEqual(image.base_key(), before, name)
                (copy / name).write_text(text)
            (copy / 'lab-boot').write_text('')
            self.assertEqual(image.base_key(), before)
            with mock.patch.object(image, 'SUITE', 'sid'):
                self.assertNotEqual(image.base_key(), before)

    def test_clean(self):
        """What nobody needs goes, with its log; what is being made, is used, or is wanted next does not."""
        for name in ('base-now', 'base-used', 'base-old', 'building-old-x1', 'building-busy-x2'):
            (self.dir / name).mkdir()
            (self.dir / f'{name}.log').write_text('')
        used = {str(self.dir / 'base-used/root.img')}

        def there():
            return sorted(path.name for path in self.dir.iterdir() if path.is_dir())

        with util.locked(self.dir / 'base-busy.lock', 'it'):
            image.clean(self.dir, 'now', used)
            self.assertEqual(there(), ['base-now', 'base-used', 'building-busy-x2'])
        self.assertTrue((self.dir / 'base-now.log').exists())
        self.assertFalse((self.dir / 'base-old.log').exists())
        image.clean(self.dir, None, used)
        self.assertEqual(there(), ['base-used'])

    def test_room(self):
        """A full file system is told before anything is fetched, also by a folder that is not there yet."""
        usage = mock.Mock(free=700 << 20)
        with mock.patch.object(image.shutil, 'disk_usage', return_value=usage):
            image.check_room(self.dir, 700, 'hint')
            with self.assertRaisesRegex(util.LabError, f'takes 701 MB in {self.dir}, and 700 MB are free: hint'):
                image.check_room(self.dir / 'a/b', 701, 'hint')

    def test_layer(self):
        """The same files give the same tar and name, whenever it is made."""
        tree = self.dir / 'tree'
        (tree / 'usr/bin').mkdir(parents=True)
        program = tree / 'usr/bin/program'
        program.write_text('one')
        program.chmod(0o755)
        (tree / 'usr/bin/link').symlink_to('program')

        def make(name):
            layer = image.Layer(self.dir / name)
            layer.bytes('etc/file', b'text', 0o600)
            layer.tree(tree)
            return layer.close(), layer.files

        first, files = make('a.tar')
        self.assertEqual(set(files), {'etc/file', 'usr/bin/program', 'usr/bin/link'})
        os.utime(program, (1, 1))
        self.assertEqual(make('b.tar'), (first, files))
        with tarfile.open(self.dir / 'a.tar') as tar:
            self.assertEqual(tar.getmember('usr/bin/program').mode, 0o755)
            self.assertEqual(tar.getmember('etc/file').mode, 0o600)
            self.assertEqual(tar.getmember('usr/bin/link').linkname, 'program')
            self.assertEqual({(m.uid, m.gid) for m in tar}, {(0, 0)})
        program.write_text('two')
        second, changed = make('c.tar')
        self.assertNotEqual(second, first)
        names = [name for name in changed if changed[name] != files[name]]
        (self.dir / 'picked.tar').write_bytes(image.pick(self.dir / 'c.tar', names))
        with tarfile.open(self.dir / 'picked.tar') as tar:
            self.assertEqual(tar.getnames(), ['usr/bin/program'])
            self.assertEqual(tar.extractfile('usr/bin/program').read(), b'two')

    def test_prefix(self):
        """The daemon of a build with any prefix is where the lab looks for it."""
        for prefix in ('usr', 'usr/local', 'opt/x'):
            tree = self.dir / prefix.replace('/', '-')
            (tree / prefix / 'sbin').mkdir(parents=True)
            (tree / prefix / 'sbin/xlvirtd').write_text('')
            image.link_daemon(tree)
            usual = tree / 'usr/sbin/xlvirtd'
            self.assertEqual(os.readlink(usual) if usual.is_symlink() else '', '' if prefix == 'usr' else f'/{prefix}/sbin/xlvirtd')
        with self.assertRaisesRegex(util.LabError, 'the build brought no'):
            image.link_daemon(self.dir / 'none')

    def test_sources(self):
        """apt's lists become lines of a sources.list; another distribution's or release's do not."""
        def says(*rows):
            done = subprocess.CompletedProcess([], 0, stdout='\n'.join(rows) + '\n')
            with mock.patch.object(image.subprocess, 'run', return_value=done):
                return image.apt_sources()

        mine = 'Debian|scheme://a/debian/|bookworm|main|Packages'
        self.assertEqual(says(mine, mine, 'Debian|scheme://a/s/|bookworm-security|main|Packages',
                              'Else|scheme://b/|bookworm|main|Packages', 'Debian|scheme://a/debian/|sid|main|Packages'),
                         ['deb scheme://a/debian/ bookworm main', 'deb scheme://a/s/ bookworm-security main'])
        self.assertEqual(says('Debian|scheme://a/s/|bookworm-security|main|Packages'), [])
        self.assertEqual(says(''), [])
        with mock.patch.object(image.subprocess, 'run', side_effect=FileNotFoundError):
            self.assertEqual(image.apt_sources(), [])

    def test_tree(self):
        """The tree is the one that one stands in, else the tool's own."""
        other = self.dir / 'other'
        (other / 'src/deep').mkdir(parents=True)
        (other / 'meson.build').write_text("project('xlvirt', 'c')\n")
        with mock.patch.dict(os.environ):
            os.environ.pop('XENLAB_TREE', None)
            with contextlib.ExitStack() as stack:
                stack.callback(os.chdir, os.getcwd())
                os.chdir(other / 'src/deep')
                self.assertEqual(image.find_tree().resolve(), other.resolve())
                os.chdir('/')
                self.assertEqual(image.find_tree(), XENLAB.parent.parent.parent)
            os.environ['XENLAB_TREE'] = str(other)
            self.assertEqual(image.find_tree(), other)
            self.assertNotEqual(lab.lab_folder(None, other), lab.lab_folder(None, SOURCE))

    def test_folder_of_others(self):
        """What lies in /tmp under our name may be somebody else's."""
        ours = self.dir / f'xenlab-{os.getuid()}'
        with mock.patch.dict(os.environ, {'XDG_RUNTIME_DIR': str(self.dir)}):
            self.assertEqual(lab.labs_folder(), ours)
            ours.mkdir(mode=0o700)
            self.assertEqual(lab.labs_folder(), ours)
            ours.chmod(0o777)
            self.assertRaisesRegex(util.LabError, 'not ours alone', lab.labs_folder)
            ours.rename(self.dir / 'other')
            ours.symlink_to('other')
            self.assertRaisesRegex(util.LabError, 'not ours alone', lab.lab_folder, None, SOURCE)
            done = self.xenlab('list', XENLAB_DIR='')
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, '^xenlab: .*not ours alone')


class TestKernel(Folder):
    def bzimage(self, payload):
        data = bytearray(0x400)
        data[0x1F1] = 1
        data[0x202:0x206] = b'HdrS'
        struct.pack_into('<II', data, 0x248, 16, len(payload))
        return bytes(data) + bytes(16) + payload + b'behind it'

    def test_unpack(self):
        """The ELF comes out of a kernel packed by xz or gzip; anything else is an error."""
        elf = b'\x7fELF' + bytes(range(256)) * 40
        crc = lzma.compress(elf, check=lzma.CHECK_CRC32)
        packer = zlib.compressobj(wbits=31)
        self.assertEqual(kernel.unpack_bzimage(self.bzimage(crc + b'size')), elf)
        self.assertEqual(kernel.unpack_bzimage(self.bzimage(packer.compress(elf) + packer.flush())), elf)
        for bad, words in ((b'', 'no bzImage'), (bytes(4096), 'no bzImage'),
                           (self.bzimage(b'plain'), 'packed in a way'),
                           (self.bzimage(lzma.compress(b'text')), 'no ELF')):
            with self.assertRaisesRegex(util.LabError, words):
                kernel.unpack_bzimage(bad)

    def test_modules(self):
        """What a module depends on is loaded before it, once."""
        (self.dir / 'modules.dep').write_text(
            'kernel/a.ko:\nkernel/b-b.ko: kernel/a.ko\nkernel/c.ko: kernel/b-b.ko kernel/a.ko\nkernel/d.ko: kernel/a.ko\n')
        (self.dir / 'modules.builtin').write_text('kernel/inside.ko\n')
        modules = kernel.Modules(self.dir)
        order = [path.name for path in modules.in_order(['c', 'b_b', 'inside', 'd'])]
        self.assertEqual(order, ['a.ko', 'b-b.ko', 'c.ko', 'd.ko'])
        with self.assertRaisesRegex(util.LabError, 'no module e'):
            modules.in_order(['e'])

    def test_cpio(self):
        """The archive is what a kernel reads: names, modes, contents, aligned to four bytes."""
        archive = kernel.Cpio()
        archive.folders('bin')
        archive.file('bin/x', b'12345', 0o755)
        archive.link('sh', 'bin/x')
        archive.device('console', 5, 1)
        data = zlib.decompress(archive.pack(), 31)
        entries, at = {}, 0
        while True:
            self.assertEqual(data[at:at + 6], b'070701')
            fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
            name = data[at + 110:at + 110 + fields[11] - 1].decode()
            body = (at + 110 + fields[11] + 3) // 4 * 4
            if name == 'TRAILER!!!':
                break
            entries[name] = (fields[1], data[body:body + fields[6]], tuple(fields[9:11]))
            at = (body + fields[6] + 3) // 4 * 4
        self.assertEqual(entries['bin'][0], stat.S_IFDIR | 0o755)
        self.assertEqual(entries['bin/x'][:2], (stat.S_IFREG | 0o755, b'12345'))
        self.assertEqual(entries['sh'][:2], (stat.S_IFLNK | 0o777, b'bin/x'))
        self.assertEqual(entries['console'], (stat.S_IFCHR | 0o600, b'', (5, 1)))

    def test_guests(self):
        """The smallest kernels: an ELF file with Xen's notes, a boot sector with its mark."""
        stub = guests.compiled([*guests.STUB_FLAGS, f'-Wl,-T,{guests.HERE / "stub.ld"}'], ['stub.S', 'stub.c'])
        self.assertEqual(stub[:4], b'\x7fELF')
        self.assertLess(len(stub), 8192)
        self.assertIn(b'xen-3.0', stub)
        sector = guests.compiled(guests.BOOT_SECTOR_FLAGS, ['bootsector.S'])
        self.assertEqual((len(sector), sector[-2:]), (512, b'\x55\xaa'))

    def test_samples(self):
        """Each sample has a config for xl and a domXML, with the name of the file."""
        configs = {Path(name).stem for name in glob.glob(str(guests.HERE / '*.cfg'))}
        self.assertEqual(configs, {Path(name).stem for name in glob.glob(str(guests.HERE / '*.xml'))})
        self.assertTrue({'pv', 'pvh', 'hvm', 'hvm-disk', 'stub', 'stub-pvh'} <= configs)
        for name in configs:
            self.assertIn(f'name = "{name}"\n', (guests.HERE / f'{name}.cfg').read_text())
            self.assertIn(f'<name>{name}</name>', (guests.HERE / f'{name}.xml').read_text())


def fake_base(cache):
    """A base image that satisfies `xenlab up` as far as QEMU's start."""
    base = image.Base(cache)
    base.modules.mkdir(parents=True)
    names = util.list_file(image.IMAGE / 'modules-initramfs') + util.list_file(guests.MODULES)
    (base.modules / 'modules.dep').write_text(''.join(f'{name}.ko:\n' for name in names))
    (base.modules / 'modules.builtin').write_text('')
    for name in names:
        (base.modules / f'{name}.ko').write_text('')
    for path in (base.root, base.xen, base.vmlinux, base.bzimage, base.busybox, base.ssh_key,
                 base.folder / 'host_ed25519.pub'):
        path.write_text('x\n')
    base.info.write_text('{}')
    return base


FAKE_QEMU = r'''#!/bin/bash
# Takes the arguments of QEMU; goes into the background as it does with -daemonize.
for word; do
    case $before in
    -pidfile) pidfile=$word ;;
    -chardev) console=$(echo "$word" | sed 's/.*logfile=\([^,]*\).*/\1/') ;;
    esac
    before=$word
done
printf "$SAYS" >>"$console"
[ -z "$FAILS" ] || { echo "$FAILS" >&2; exit 1; }
setsid bash -c 'echo $$ >"$0"; exec -a "qemu -pidfile $0" sleep "$LIVES"' "$pidfile" </dev/null >/dev/null 2>&1 &
while ! [ -s "$pidfile" ]; do sleep 0.05; done
cat "$pidfile" >>"$PIDS"
'''


class TestFailedUp(Folder):
    """A start that comes to nothing, with a script for QEMU."""

    def setUp(self):
        super().setUp()
        fake_base(self.dir / 'cache')
        tools = self.dir / 'bin'
        tools.mkdir()
        for name, text in (('qemu-system-x86_64', FAKE_QEMU), ('qemu-img', '#!/bin/sh\n'), ('ssh', '#!/bin/sh\nexit 255\n')):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.pids = self.dir / 'pids'
        self.env = {'PATH': f'{tools}:{os.environ["PATH"]}', 'PIDS': str(self.pids), 'SAYS': 'booting\\n',
                    'FAILS': '', 'LIVES': '1000'}

    def gone(self):
        """No process and no folder is left."""
        pids = [int(word) for word in self.pids.read_text().split()] if self.pids.exists() else []
        for pid in pids:
            self.assertIsNone(machine.started_at(pid), f'process {pid} is left')
        self.assertFalse((self.dir / 'lab').exists())
        return len(pids)

    def up(self, *args, **env):
        done = self.xenlab('up', '--no-xlvirt', '--accel', 'tcg', *args, **{**self.env, **env})
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_silent(self):
        """A host that never says that it is ready: a time-out with the end of its console."""
        text = self.up('--timeout', '1', '--hosts', '2', SAYS='booting\\nlast words\\n')
        self.assertIn('xen1 does not come up: not up within 1 s', text)
        self.assertIn('last words', text)
        self.assertEqual(self.gone(), 2)
        self.assertIn('last words', (self.dir / 'lab.failed/xen1/console.log').read_text())

    def test_panic(self):
        """One that says why it does not come up is not waited for."""
        text = self.up(SAYS='xenlab: modules\\nxenlab: failed: no tools for this version\\n')
        self.assertIn('xen1 does not come up: no tools for this version', text)
        self.assertEqual(self.gone(), 1)

    def test_dies(self):
        """QEMU ends by itself."""
        self.assertIn('QEMU ended', self.up(LIVES='0.1'))
        self.assertEqual(self.gone(), 1)

    def test_refuses(self):
        """QEMU does not start: its own words."""
        self.assertIn('no such machine', self.up(FAILS='no such machine'))
        self.assertEqual(self.gone(), 0)

    def test_no_ssh(self):
        """The host is up, but nobody can get in. What went wrong in it before is said."""
        text = self.up(SAYS='xenlab: warning: the daemon does not start: no libhv\\nxenlab: ready\\n')
        self.assertIn('xen1: warning: the daemon does not start: no libhv', text)
        self.assertIn('no ssh to xen1', text)
        self.assertEqual(self.gone(), 1)

    def test_interrupted(self):
        """Ctrl-C, or an end from outside, while it waits."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self.pids.unlink(missing_ok=True)
            process = subprocess.Popen([sys.executable, XENLAB, 'up', '--no-xlvirt', '--accel', 'tcg'],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       env={**os.environ, **self.env, 'XENLAB_CACHE': str(self.dir / 'cache'),
                                            'XENLAB_DIR': str(self.dir / 'lab'), 'XENLAB_TREE': str(SOURCE)})
            until = time.monotonic() + 60
            while not self.pids.exists() and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(number)
            self.assertIn(b'interrupted', process.communicate(timeout=60)[1])
            self.assertEqual(process.returncode, 130)
            self.assertEqual(self.gone(), 1)

    def test_killed(self):
        """xenlab is killed while it waits: `down` finds what it started."""
        process = subprocess.Popen([sys.executable, XENLAB, 'up', '--no-xlvirt', '--accel', 'tcg'],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   env={**os.environ, **self.env, 'XENLAB_CACHE': str(self.dir / 'cache'),
                                        'XENLAB_DIR': str(self.dir / 'lab'), 'XENLAB_TREE': str(SOURCE)})
        until = time.monotonic() + 60
        while not self.pids.exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        process.wait()
        done = self.xenlab('down', **self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.gone(), 1)

    def test_twice(self):
        """A folder with something else in it is left alone."""
        (self.dir / 'lab').mkdir()
        (self.dir / 'lab/precious').write_text('x')
        self.assertIn('is not empty and no lab is in it', self.up())
        self.assertEqual((self.dir / 'lab/precious').read_text(), 'x')


if __name__ == '__main__':
    tap.main()
