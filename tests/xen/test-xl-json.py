#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A config of xl by two ways: what xl itself makes of it for libxl (`xl -N create`), and what our engine makes of the domXML that
the same config became. The two are equal, but for what EXPLAINED has the reason of.

Recorded   xl's answers as they stand in xl-json.json: needs no Xen.
Lab        asks a real xl in xenlab: that the record is true, and the examples that Xen's package brings along.
           HV_TEST_REGENERATE=1 writes the record."""
import glob
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = os.environ.setdefault('XLVIRT_SOURCE', os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.setdefault('XLVIRT_BUILD', os.path.join(SOURCE, 'build'))
sys.path.insert(0, os.path.join(SOURCE, 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenhost  # noqa: E402

TOOL = os.path.join(BUILD, 'tests', 'xen', 'domxml-to-json')
RECORD = os.path.join(SOURCE, 'tests', 'xen', 'xl-json.json')
REFUSAL = xenhost.refusal()
CONFIGS = ('tests/golden/xl/*.cfg', 'examples/old-host/etc/xen/*.cfg')

ANY = object()  # whatever it is, if it is there

# path, xl's value, ours, why. None: not there, which is libxl's default. [] stands for every index.
EXPLAINED = (
    # ---- libxl's default, said ----
    ('c_info.run_hotplug_scripts', 'True', None, 'the default of libxl'),
    ('b_info.max_vcpus', None, 1, 'the default of libxl'),
    ('b_info.avail_vcpus', None, [0], 'the default of libxl'),
    ('b_info.max_memkb', None, 32768, 'the default of libxl'),
    ('b_info.target_memkb', None, 32768, 'the default of libxl'),
    ('b_info.acpi', None, 'True', 'the default of libxl for HVM'),
    ('b_info.apic', None, 'True', 'the default of libxl'),
    ('b_info.type.hvm.pae', None, 'True', 'the default of libxl'),
    ('b_info.type.hvm.sdl.enable', None, 'False', 'the default of libxl'),
    ('b_info.type.hvm.vnc.enable', None, 'True', 'the default of libxl'),
    ('b_info.type.hvm.vnc.findunused', None, 'True', 'the default of libxl'),
    ('b_info.type.hvm.vga.kind', None, 'cirrus', 'the default of libxl'),
    ('b_info.type.hvm.boot', None, 'cd', 'the default of xl.cfg(5)'),
    ('vfbs[].sdl.enable', None, 'False', 'the default of libxl'),
    ('vfbs[].vnc.enable', None, 'True', 'the default of libxl'),
    ('vfbs[].vnc.enable', None, 'False', 'a framebuffer of sdl=1: the other one is vnc'),
    ('b_info.numa_placement', None, 'False', 'libxl places no domain by itself whose cpus are given; for a list xl says so too'),
    ('nics[].nictype', 'vif_ioemu', None, 'the default of libxl for HVM'),
    ('usbctrls[].ports', None, 8, 'the default of libxl'),
    ('b_info.type.hvm.soundhw', 'all', 'sb16', 'libxl 4.17 takes the name of one card'),
    ('nics[].bridge', None, 'xenbr0', 'the default of vif-bridge, which libvirt needs to be said'),
    ('nics[].mac', None, ANY, 'xl makes one up at each start; a definition keeps one'),
    ('c_info.uuid', ANY, ANY, 'none is given: each makes one up'),

    # ---- domXML has it in another way ----
    ('b_info.video_memkb', None, 16384, 'what libvirt gives a card whose user said nothing'),
    ('b_info.type.hvm.pae', 'False', 'True', 'libvirt has it on for x86_64'),
    ('b_info.type.hvm.nographic', None, 'True', 'libvirt: no <video>, no card'),
    ('b_info.type.hvm.vga.kind', None, 'none', 'nographic=1'),
    ('b_info.type.hvm.vnc.enable', 'True', 'False', 'nographic=1: what vnc would show is not there'),
    ('b_info.type.hvm.vnc.enable', None, 'False', 'sdl=1 or spice=1 alone: the config names its display'),
    ('b_info.bootloader_args', ANY, None, 'an HVM domain runs no bootloader'),
    ('b_info.vcpu_hard_affinity', None, ANY, 'xl pins the vcpus that vcpus= counts, and here is no vcpus=', 'cpus-node'),
    ('b_info.vcpu_hard_affinity', ANY, ANY, 'xl cuts off what the host does not have; libxl does it for us', 'cpus-list'),
    ('nics[].rate_bytes_per_interval', 500000, 500019, 'libvirt counts in KiB'),
    ('nics[].rate_bytes_per_interval', 2000000, 2000025, 'libvirt counts in KiB'),
    ('disks[].vdev', 'd6p0', 'xvdg', 'another name of the same disk'),
    ('disks[].vdev', 'd10p2', 'xvdk2', 'another name of the same disk'),
    ('disks[].vdev', '0xca80', 'xvdi', 'another name of the same disk'),
    ('disks[].vdev', '51856', 'xvdj', 'another name of the same disk'),
    ('disks[].pdev_path', '', None, 'an empty drive'),
    ('disks[].backend', 'tap', None, 'libxl takes blktap where the host has it'),
    ('disks[].backend', None, 'qdisk', 'rbd: QEMU alone reads it'),
    ('disks[].pdev_path', re.compile('rbd:.*:id=xen:.*'), re.compile('rbd:.*'), 'a Ceph user is a secret of libvirt: the report says so'),
    ('vfbs[].vnc.listen', '0.0.0.0:3', '0.0.0.0', 'the display stands beside it'),
    ('vfbs[].vnc.display', None, 3, 'the display stands beside it'),
    ('vfbs[].vnc.findunused', None, 'True', 'the default of libxl'),
    ('vfbs[].vnc.listen', '[::1]:9', '[::1]:7', 'vncdisplay=7 stands beside it'),
    ('vfbs[].vnc.listen', '::1', '[::1]:7', 'libxl would take the address for one with a display'),
    ('vfbs[].vnc.display', 7, None, 'it is in the address, behind the brackets'),

)

# Configs that our engine refuses to start, and what the error has in it.
REFUSED = {
    'tests/golden/xl/disks.cfg': 'target/@bus (virtio)',
    'tests/golden/xl/disks.out.cfg': 'target/@bus (virtio)',
    'tests/golden/xl/hvm.cfg': 'source/vendor (unresolved)',  # the host's devices: asked by the running engine
    'tests/golden/xl/hvm.out.cfg': 'source/vendor (unresolved)',
    'tests/golden/xl/losses.out.cfg': 'source/vendor (unresolved)',
    'tests/golden/xl/values.cfg': 'graphics/@autoport (yes, of spice)',
    'tests/golden/xl/values.out.cfg': 'graphics/@autoport (yes, of spice)',
    'tests/golden/xl/vifs.cfg': 'vlan (on a plain bridge)',
    'tests/golden/xl/vifs.out.cfg': 'vlan (on a plain bridge)',
}
used = set()  # places of rows in EXPLAINED


def flat(value, path='', out=None):
    """{'disks[0].vdev': 'xvda', ...}; a list of plain values is one."""
    out = {} if out is None else out
    if isinstance(value, dict):
        for key, inner in value.items():
            flat(inner, f'{path}.{key}' if path else key, out)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            flat(inner, f'{path}[{index}]', out)
    else:
        out[path] = value
    return out


def fits(wanted, value):
    if wanted is ANY:
        return value is not None
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.fullmatch(value)
    return wanted == value


def explain(name, path, theirs, ours):
    pattern = re.sub(r'\[\d+\]', '[]', path)
    for place, row in enumerate(EXPLAINED):
        if row[0] == pattern and fits(row[1], theirs) and fits(row[2], ours) and (len(row) < 5 or row[4] in name):
            used.add(place)
            return row[3]
    return None


def configs():
    return [os.path.relpath(path, SOURCE) for pattern in CONFIGS for path in sorted(glob.glob(os.path.join(SOURCE, pattern)))]


class Compare(unittest.TestCase):
    def compare(self, name, path, theirs):
        result = subprocess.run([TOOL, '--xl', path], capture_output=True, text=True, check=False)
        if name in REFUSED:
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn(REFUSED[name], result.stderr)
            return
        self.assertEqual(result.returncode, 0, result.stderr)
        theirs, ours = flat(theirs), flat(json.loads(result.stdout))
        different = [f'{key}: xl has {theirs.get(key)!r}, we have {ours.get(key)!r}' for key in sorted({*theirs, *ours})
                     if theirs.get(key) != ours.get(key) and not explain(name, key, theirs.get(key), ours.get(key))]
        self.assertEqual(different, [])


class Recorded(Compare):
    def test_configs(self):
        with open(RECORD, encoding='utf-8') as record:
            answers = json.load(record)
        self.assertGreater(len(answers), 40)
        for name, theirs in answers.items():
            with self.subTest(name):
                self.compare(name, os.path.join(SOURCE, name), theirs)
        self.assertEqual([row for place, row in enumerate(EXPLAINED) if place not in used], [], 'rows that explain nothing')


@unittest.skipIf(REFUSAL, REFUSAL)
class Lab(Compare):
    @classmethod
    def setUpClass(cls):
        cls.xen = xenhost.Lab()
        cls.xen.__enter__()
        cls.addClassCleanup(cls.xen.__exit__)

    def ask(self, names, folder):
        """xl's answers for files of ours (path below the source) and of the host (an absolute path), by name. Those that xl
        itself refuses are left out."""
        listing = os.path.join(folder, 'names')
        with open(listing, 'w', encoding='utf-8') as out:
            out.writelines(f'{name}\n' for name in names)
        with tarfile.open(os.path.join(folder, 'in.tar'), 'w') as tar:
            tar.add(listing, 'names')
            for name in names:
                if not name.startswith('/'):
                    tar.add(os.path.join(SOURCE, name), name)
        self.xen.xenlab('copy', os.path.join(folder, 'in.tar'), 'xen1:/tmp/in.tar')
        self.xen.run('rm -rf /tmp/xl-json && mkdir /tmp/xl-json && cd /tmp/xl-json && tar xf ../in.tar && '
                     'n=0; while read f; do n=$((n+1)); xl -N create "$f" >$n.json 2>/dev/null </dev/null || rm $n.json; '
                     'cp "$f" $n.cfg; done <names; tar cf ../out.tar *.json *.cfg')
        self.xen.xenlab('copy', 'xen1:/tmp/out.tar', os.path.join(folder, 'out.tar'))
        answers = {}
        with tarfile.open(os.path.join(folder, 'out.tar')) as tar:
            members = set(tar.getnames())
            for number, name in enumerate(names, 1):
                if f'{number}.json' not in members:
                    continue
                config = os.path.join(folder, f'{number}.cfg')
                with open(config, 'wb') as out:
                    out.write(tar.extractfile(f'{number}.cfg').read())
                answers[name] = (json.load(tar.extractfile(f'{number}.json')), config)
        return answers

    def test_record_is_true(self):
        with tempfile.TemporaryDirectory() as folder:
            answers = {name: answer for name, (answer, _) in self.ask(configs(), folder).items()}
        for name, answer in answers.items():
            with open(os.path.join(SOURCE, name), encoding='utf-8') as config:
                text = config.read()
            if not re.search(r'^\s*uuid\s*=', text, re.M):
                answer['c_info']['uuid'] = '00000000-0000-0000-0000-000000000000'
            if re.search(r'^\s*ms_vm_genid\s*=.*generate', text, re.M):  # another one each time
                del answer['b_info']['type.hvm']['ms_vm_genid']
        if os.environ.get('HV_TEST_REGENERATE'):
            with open(RECORD, 'w', encoding='utf-8') as record:
                json.dump(answers, record, indent=1, sort_keys=True)
                record.write('\n')
        with open(RECORD, encoding='utf-8') as record:
            self.assertEqual(json.load(record), json.loads(json.dumps(answers)))

    def test_examples_of_xen(self):
        examples = self.xen.run('ls /etc/xen/xlexample.*').split()
        self.assertGreaterEqual(len(examples), 3)
        with tempfile.TemporaryDirectory() as folder:
            answers = self.ask(examples, folder)
            self.assertEqual(sorted(answers), sorted(examples))
            for name, (answer, path) in answers.items():
                with self.subTest(name):
                    self.compare(name, path, answer)


if __name__ == '__main__':
    tap.main()
