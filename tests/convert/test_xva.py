#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives of XenServer: what is converted, the disks in them, and those that want to do harm."""
import io
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import xml.etree.ElementTree as ET

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path.insert(0, str(SOURCE / 'tests'))
sys.path.insert(0, str(SOURCE / 'tests/convert'))
import tap  # noqa: E402
import xva  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
BLOCK = xva.BLOCK
# A sanitizer's own memory says nothing about the program's.
SANITIZED = b'__asan_init' in PROGRAM.read_bytes() or b'__tsan_init' in PROGRAM.read_bytes()
DISK = b'boot' * (BLOCK // 4) + bytes(2 * BLOCK) + b'\1' + bytes(BLOCK - 1)


def run(*args, stdin=None, limit=None):
    def preexec():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    result = subprocess.run([str(PROGRAM), *map(str, args)], stdin=stdin, capture_output=True,
                            timeout=120, preexec_fn=preexec if limit else None)
    result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode()
    return result


def files(objects=None, disks=None, kind='checksum'):
    """A good archive's files: one VM with a disk."""
    objects = xva.one_vm() if objects is None else objects
    disks = {'Ref:30': DISK} if disks is None else disks
    out = [('ova.xml', xva.ova(objects))]
    for ref, data in disks.items():
        out += list(xva.blocks(ref, data, kind))
    return out


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        self.out = self.dir / 'disks'

    def put(self, data, name='guest.xva'):
        path = self.dir / name
        path.write_bytes(data if isinstance(data, bytes) else xva.archive(data))
        return path

    def extract(self, data, *options):
        return run('-c', '--extract-disks', self.out, *options, self.put(data))

    def assertRefused(self, result, *words):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn('error: ', result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(result.stdout, '')
        if self.out.exists():
            self.assertEqual(list(self.out.iterdir()), [], 'something stayed behind')


class Metadata(Folder):
    def test_packed_or_not_from_a_file_or_a_pipe(self):
        plain = xva.archive(files())
        wanted = None
        for name, data in (('plain', plain), ('gzip', xva.compress(plain, 'gzip')),
                           ('zstd', xva.compress(plain, 'zstd')), ('ova.xml', files()[0][1])):
            for pipe in (False, True):
                with self.subTest(name, pipe=pipe):
                    path = self.put(data)
                    if pipe:
                        cat = subprocess.Popen(['cat', str(path)], stdout=subprocess.PIPE)
                        result = run('-c', '-', stdin=cat.stdout)
                        cat.stdout.close()
                        cat.wait()
                    else:
                        result = run('-c', path)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    wanted = wanted or result.stdout
                    self.assertEqual(result.stdout, wanted)
        self.assertEqual(ET.fromstring(wanted).findtext('name'), 'web')

    def test_places_are_those_of_ova_xml(self):
        path = self.put(files(xva.one_vm(no_such_field='x')))
        result = run('-c', path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, rf'{path}:1:\d+: no_such_field: unknown key')

    def test_several_vms(self):
        def vm(ref, name, **fields):
            return ('VM', ref, xva.vm(name_label=name, uuid=f'00000000-0000-0000-0000-{ref[4:]:0>12}',
                                      VBDs=[f'Ref:{ref[4:]}0'], **fields))
        objects = [vm('Ref:1', 'one'), vm('Ref:2', 'two'), vm('Ref:3', 'snap', is_a_snapshot=True,
                                                             is_a_template=True),
                   vm('Ref:4', 'tmpl', is_a_template=True), vm('Ref:5', 'dom0', is_control_domain=True)]
        # A disk that two of them share.
        objects += [('VBD', f'Ref:{n}0', xva.vbd(0, 'Ref:99')) for n in range(1, 6)]
        objects += [('VDI', 'Ref:99', xva.vdi(len(DISK))), ('SR', 'Ref:90', xva.SR)]
        path = self.put(files(objects, {'Ref:99': DISK}))
        result = run('--output-dir', self.dir / 'xml', path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual({p.name for p in (self.dir / 'xml').iterdir()}, {'one.xml', 'two.xml'})
        for text in ("'snap': a snapshot", "'tmpl': a template", "'dom0': a control domain"):
            self.assertIn(text, result.stderr)
        result = run('--output-dir', self.dir / 'all', '--all-vms', '--extract-disks', self.out, path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(list((self.dir / 'all').iterdir())), 5)
        # One file, and all of them name it.
        self.assertEqual([p.name for p in self.out.iterdir()], ['one-hda.raw'])
        for path in (self.dir / 'all').iterdir():
            source = ET.parse(path).find('devices/disk/source').get('file')
            self.assertEqual(source, str(self.out / 'one-hda.raw'))

    def test_pv_guest(self):
        objects = xva.one_vm(disks=(BLOCK,) * 5, domain_type='pv', HVM_boot_policy='',
                             PV_bootloader='pygrub', PV_args='console=hvc0')
        result = run('-c', self.put(files(objects, {})))
        self.assertEqual(result.returncode, 0, result.stderr)
        root = ET.fromstring(result.stdout)
        self.assertEqual(root.find('os/type').text, 'linux')
        self.assertEqual([t.get('dev') for t in root.findall('devices/disk/target')],
                         ['xvda', 'xvdb', 'xvdc', 'xvdd', 'xvde'])

    def test_autostart_and_report(self):
        path = self.put(files(xva.one_vm(other_config={'auto_poweron': 'true'})))
        report = self.dir / 'r.json'
        result = run('--output-dir', self.dir / 'xml', '--report', report, path)
        self.assertEqual(result.returncode, 0, result.stderr)
        domain = json.loads(report.read_text())['domains'][0]
        self.assertTrue(domain['autostart'])
        self.assertEqual((domain['format'], domain['type']), ('xva', 'hvm'))

    def test_not_an_xva(self):
        other = self.put([('README', b'hello')])
        self.assertRefused(run('-c', other), 'first file is README')
        # In a tree it is passed over.
        (self.dir / 'tree').mkdir()
        shutil.move(other, self.dir / 'tree' / 'backup.tar')
        result = run('-r', '-c', '-v', self.dir / 'tree')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('backup.tar: skipped', result.stderr)

    def test_version_0_is_refused_by_name(self):
        text = b'<?xml version="1.0" ?>\n<appliance version="0.1"><vm name="vm"/></appliance>'
        self.assertRefused(run('-c', self.put(text, 'ova.xml')), 'XenServer 3')

    def test_one_gib(self):
        """Blocks are passed over, not read: the file is sparse, and has no disk behind it at all."""
        path = self.dir / 'big.xva'
        with open(path, 'wb') as out:
            text = xva.ova(xva.one_vm((1 << 30,)))
            info = tarfile.TarInfo('ova.xml')
            info.size = len(text)
            out.write(info.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % 512))
            for number in range(1024):
                info = tarfile.TarInfo(f'Ref:30/{number:08d}')
                info.size = BLOCK
                out.write(info.tobuf(tarfile.USTAR_FORMAT))
                out.seek(BLOCK, 1)
            out.write(bytes(10240))
        self.assertGreater(path.stat().st_size, 1 << 30)
        before = time.monotonic()
        process = subprocess.Popen([str(PROGRAM), '-c', str(path)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        text = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(ET.fromstring(text).findtext('name'), 'web')
        print(f'# 1 GiB: {time.monotonic() - before:.3f} s, {usage.ru_maxrss >> 10} MiB')
        self.assertLess(usage.ru_maxrss, 64 << 10 if not SANITIZED else 1 << 20)


class Disks(Folder):
    def test_raw_is_the_disk_and_sparse(self):
        for kind in ('checksum', 'xxhash', None):
            for how in (None, 'gzip', 'zstd'):
                with self.subTest(kind, how=how):
                    shutil.rmtree(self.out, ignore_errors=True)
                    data = xva.archive(files(kind=kind))
                    result = self.extract(xva.compress(data, how) if how else data)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    image = self.out / 'web-hda.raw'
                    self.assertEqual(image.read_bytes(), DISK)
                    self.assertLess(image.stat().st_blocks * 512, 2 * BLOCK)
                    self.assertEqual([p.name for p in self.out.iterdir()], [image.name])
                    source = ET.fromstring(result.stdout).find('devices/disk/source')
                    self.assertEqual(source.get('file'), str(image))
                    self.assertNotIn('extract-disks', result.stderr)
                    self.assertEqual('have no checksum' in result.stderr, kind is None)

    @unittest.skipUnless(shutil.which('qemu-img'), 'no qemu-img')
    def test_qcow2(self):
        result = self.extract(files(), '--disk-format', 'qcow2')
        self.assertEqual(result.returncode, 0, result.stderr)
        disk = ET.fromstring(result.stdout).find('devices/disk')
        self.assertEqual(disk.find('driver').get('type'), 'qcow2')
        image = self.out / 'web-hda.qcow2'
        self.assertEqual([p.name for p in self.out.iterdir()], [image.name])
        raw = self.dir / 'back.raw'
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', image, raw], check=True)
        self.assertEqual(raw.read_bytes(), DISK)

    def test_qcow2_without_qemu_img(self):
        path = self.put(files())
        result = subprocess.run([str(PROGRAM), '-c', '--extract-disks', str(self.out), '--disk-format',
                                 'qcow2', str(path)], capture_output=True, text=True,
                                env={**os.environ, 'PATH': '/nowhere'})
        self.assertRefused(result, 'needs qemu-img')

    def test_last_block_is_shorter(self):
        data = DISK + b'tail' * 100
        result = self.extract(files(xva.one_vm((len(data),)), {'Ref:30': data}))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.out / 'web-hda.raw').read_bytes(), data)

    def test_what_is_there_stays(self):
        self.out.mkdir()
        image = self.out / 'web-hda.raw'
        image.write_bytes(b'precious')
        result = self.extract(files())
        self.assertEqual(result.returncode, 1)
        self.assertIn('is there already', result.stderr)
        self.assertEqual(image.read_bytes(), b'precious')
        self.assertEqual([p.name for p in self.out.iterdir()], [image.name])
        result = self.extract(files(), '--replace')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(image.read_bytes(), DISK)

    def test_names_lead_nowhere(self):
        for name in ('../../evil', '/etc/passwd', '..', '.hidden', 'a\nb'):
            with self.subTest(name):
                shutil.rmtree(self.out, ignore_errors=True)
                result = self.extract(files(xva.one_vm(name_label=name)))
                made = [p for p in self.dir.rglob('*') if p.is_file() and p.name != 'guest.xva']
                self.assertTrue(all(p.parent == self.out and p.name[0] != '.' for p in made), made)

    def test_metadata_only(self):
        self.assertRefused(self.extract(files(disks={})), 'no block of this disk')

    def test_options(self):
        path = self.put(files())
        self.assertRefused(run('--dry-run', '--extract-disks', self.out, path), '--dry-run')
        self.assertRefused(run('-c', '--disk-format', 'raw', path), '--extract-disks')
        self.assertRefused(run('-c', '--extract-disks', self.out, '--disk-format', 'vhd', path),
                           'raw and qcow2')


class Hostile(Folder):
    def test_damaged_block(self):
        data = xva.archive(files())
        at = data.index(b'bootboot') + 5000
        self.assertRefused(self.extract(data[:at] + b'X' + data[at + 1:]), 'Ref:30/00000000',
                           'the block is damaged')

    def test_wrong_xxhash(self):
        good = files(kind='xxhash')
        bad = [(n, b'0' * 16 if n.endswith('.xxhash') else d) for n, d in good]
        self.assertRefused(self.extract(bad), 'the block is damaged')

    def test_missing_last_block(self):
        bad = [f for f in files() if not f[0].startswith('Ref:30/00000003')]
        self.assertRefused(self.extract(bad), 'the last block of this disk is missing')

    def test_block_twice_or_backwards(self):
        good = files()
        self.assertRefused(self.extract(good + good[1:3]), 'was there before')
        self.assertRefused(self.extract([good[0], *good[3:5], *good[1:3]]), 'was there before')

    def test_block_behind_the_end(self):
        for number in (4, 99999999, 10 ** 11):
            with self.subTest(number):
                bad = files() + [(f'Ref:30/{number:08d}', b'x' * BLOCK)]
                self.assertRefused(self.extract(bad), 'behind the end')

    def test_block_of_another_size(self):
        for size in (1, BLOCK - 1, BLOCK + 1, 3 * BLOCK):
            with self.subTest(size):
                bad = [files()[0], ('Ref:30/00000000', b'x' * size)]
                self.assertRefused(self.extract(bad), 'instead of')

    def test_truncated_anywhere(self):
        data = xva.archive(files())
        last = data.rindex(b'Ref:30/00000003.checksum')
        for at in (600, 20000, len(data) // 2, last - 3000):
            with self.subTest(at):
                self.assertRefused(self.extract(data[:at]))
        packed = xva.compress(data, 'zstd')
        self.assertRefused(self.extract(packed[:len(packed) // 2]))

    def test_disk_full(self):
        path = self.put(files())
        result = run('-c', '--extract-disks', self.out, path, limit=2 * BLOCK)
        self.assertNotEqual(result.returncode, 0)
        if self.out.exists() and result.returncode == 1:
            self.assertEqual(list(self.out.iterdir()), [])

    def test_no_space(self):
        """A disk that no file system has room for."""
        self.assertRefused(self.extract(files(xva.one_vm((1 << 60,)), {'Ref:30': DISK})),
                           'larger than any')

    def test_sizes_that_are_none(self):
        for size in ('-1', '0', 'x', '', '99999999999999999999'):
            with self.subTest(size):
                shutil.rmtree(self.out, ignore_errors=True)
                objects = xva.one_vm()
                next(r for _, ref, r in objects if ref == 'Ref:30')['virtual_size'] = size
                result = self.extract(files(objects))
                self.assertEqual(list(self.out.iterdir()), [], result.stderr)

    def test_ova_xml_too_large(self):
        out = io.BytesIO()
        info = tarfile.TarInfo('ova.xml')
        info.size = 1 << 40
        info_text = info.tobuf(tarfile.GNU_FORMAT)
        out.write(info_text + b'<value>')
        self.assertRefused(run('-c', self.put(out.getvalue())), 'are allowed')

    def test_bad_xml(self):
        deep = b'<value><array><data>' * 5000
        many = b'<value><array><data>' + b'<value>x</value>' * 400000 + b'</data></array></value>'
        bomb = (b'<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
                b'<value>&b;</value>')
        for name, text, word in (('deep', deep, 'deep'), ('many', many, 'more values'),
                                 ('bomb', bomb, 'document type'), ('empty', b'', ''),
                                 ('cut', xva.ova(xva.one_vm())[:3000], ''),
                                 ('other', b'<value><struct/></value>', 'objects'),
                                 ('none', xva.ova([]), 'no VM')):
            with self.subTest(name):
                self.assertRefused(run('-c', self.put([('ova.xml', text)])), word)

    def test_shared_without_end(self):
        """Each VM has all of the disks, whose record is large."""
        big = xva.vdi(BLOCK, other_config={str(n): 'x' for n in range(3000)})
        refs = [f'Ref:{100 + n}' for n in range(200)]
        objects = [('VM', f'Ref:{n}', xva.vm(name_label=f'v{n}', VBDs=refs)) for n in range(20)]
        objects += [('VBD', ref, xva.vbd(n, 'Ref:99')) for n, ref in enumerate(refs)]
        objects += [('VDI', 'Ref:99', big)]
        self.assertRefused(run('-c', self.put([('ova.xml', xva.ova(objects))])), 'too large')

    def test_links_and_folders_are_passed_over(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w') as tar:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
                info = tarfile.TarInfo('ova.xml')
                info.type, info.linkname = kind, '/etc/passwd'
                tar.addfile(info)
            text = xva.ova(xva.one_vm())
            info = tarfile.TarInfo('ova.xml')
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        result = run('-c', self.put(out.getvalue()))
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == '__main__':
    tap.main()
