#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xen2libvirt as a user calls it: no daemon, no Xen."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path.insert(0, str(SOURCE / 'tests'))
import tap  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
SCHEMA = pathlib.Path('/usr/share/libvirt/schemas/domain.rng')
CORPUS = SOURCE.parent / 'shared' / 'corpus'
XL = 'name = "web"\nmemory = 512\nkernel = "/boot/vmlinuz"\ndisk = ["/dev/vg/web,raw,xvda,rw"]\n'
XM = ('import os, re\nif re.search("64", os.uname()[4]):\n    lib = "lib64"\nelse:\n    lib = "lib"\n'
      'name = "hvm%d" % 1\nbuilder = "hvm"\nmemory = 256\n'
      'device_model = "/usr/" + lib + "/xen/bin/qemu-dm"\n')
SXP = ('(domain (name old) (uuid 6d2f0c5e-3f4b-4c55-8f53-1f4b3f0f4d01) (memory 128) (maxmem 256) (vcpus 1)'
       ' (on_xend_start start) (image (linux (kernel /boot/vmlinuz) (args "ro"))))\n')


def run(*args, stdin=None, env=None):
    return subprocess.run([str(PROGRAM), *map(str, args)], input=stdin, capture_output=True, text=True,
                          timeout=180, env=env)


class Folder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)

    def put(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def assertValid(self, xml):
        if not SCHEMA.exists():
            self.skipTest('no RelaxNG schema of libvirt here')
        path = self.put('valid.xml', xml)
        check = subprocess.run(['xmllint', '--noout', '--relaxng', SCHEMA, path], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stderr + xml)


class OneFile(Folder):
    def test_stdout_is_one_document(self):
        for name, text, domain in (('a.cfg', XL, 'web'), ('b.xm', XM, 'hvm1'), ('config.sxp', SXP, 'old')):
            with self.subTest(name):
                result = run('-c', self.put(name, text))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(ET.fromstring(result.stdout).findtext('name'), domain)
                self.assertValid(result.stdout)

    def test_standard_input(self):
        result = run('-c', '-', stdin=XL)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(ET.fromstring(result.stdout).findtext('name'), 'web')
        nothing = run('-c', '-', stdin='')  # what was to write it failed
        self.assertEqual(nothing.returncode, 1)
        self.assertIn('-: there is nothing in it', nothing.stderr)

    def test_formats_by_old_and_new_names(self):
        for name in ('xen-sxpr', 'xen-sxp', 'sexpr'):
            self.assertEqual(run('-c', '-f', name, '-', stdin=SXP).returncode, 0, name)
        for name in ('xen-xm', 'xm'):
            self.assertEqual(run('-c', '-f', name, '-', stdin=XM).returncode, 0, name)
        self.assertEqual(run('-c', '-f', 'xen-xl', '-', stdin=XL).returncode, 0)
        bad = run('-c', '-f', 'vmx', '-', stdin=XL)
        self.assertEqual(bad.returncode, 1)
        self.assertIn('unknown format', bad.stderr)

    def test_loss_is_named_with_its_line(self):
        path = self.put('a.cfg', XL + 'vncviewer = 1\nno_such_key = 2\n')
        result = run('-c', path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, rf'{path}:5:\d+: vncviewer: \S')
        self.assertRegex(result.stderr, rf'{path}:6:\d+: no_such_key: \S')
        self.assertNotIn('vncviewer', result.stdout)

    def test_what_has_no_element_rides_in_metadata(self):
        path = self.put('a.cfg', XL + 'nomigrate = 1\nioports = ["2f8-2ff", "3f8"]\n')
        result = run('-c', path)
        self.assertEqual((result.returncode, result.stderr), (0, ''))
        self.assertIn('<xlvirt:key name="nomigrate">1</xlvirt:key>', result.stdout)
        back = run('--to-native', 'xen-xl', self.put('a.xml', result.stdout))
        self.assertEqual((back.returncode, back.stderr), (0, ''))
        self.assertIn('nomigrate = 1\n', back.stdout)
        self.assertIn('ioports = [ "2f8-2ff", "3f8" ]\n', back.stdout)

    def test_broken_inputs_say_where(self):
        cases = (('xl', 'name = "x"\ndisk = [ "a"\n', 2), ('xl', 'name = "x\n', 1),
                 ('sxp', '(domain\n  (name x)\n  (memory 1', None), ('xm', 'name = "x"\nif 1\n  a = 2\n', 2))
        for number, (kind, text, line) in enumerate(cases):
            with self.subTest(text):
                path = self.put(f'bad{number}.{kind}', text)
                result = run('-c', '-f', f'xen-{"sxpr" if kind == "sxp" else kind}', path)
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stdout, '')
                self.assertRegex(result.stderr, rf'{path}:{line or chr(92) + "d+"}:\d+: \S')

    def test_missing_file_and_folder(self):
        self.assertIn('No such file', run('-c', self.dir / 'nowhere').stderr)
        result = run('-c', self.dir)
        self.assertEqual(result.returncode, 1)
        self.assertIn('-r', result.stderr)
        result = run('-c', self.dir / 'gr\u00fcn.cfg', env={**os.environ, 'LC_ALL': 'C.UTF-8'})
        self.assertIn('gr\u00fcn.cfg: No such file', result.stderr)

    def test_there_and_back(self):
        for name, text, fmt in (('a.cfg', XL, 'xen-xl'), ('b.xm', XM, 'xen-xm'), ('c.sxp', SXP, 'xen-sxpr')):
            with self.subTest(fmt):
                first = run('-c', '-f', fmt, self.put(name, text))
                native = run('--to-native', fmt, self.put('x.xml', first.stdout))
                self.assertEqual(native.returncode, 0, native.stderr)
                second = run('-c', '-f', fmt, self.put('again', native.stdout))
                self.assertEqual(second.returncode, 0, second.stderr + native.stdout)
                self.assertEqual(first.stdout, second.stdout)

    def test_usage(self):
        self.assertEqual(run().returncode, 1)
        self.assertEqual(run('--no-such').returncode, 1)
        self.assertEqual(run('--version').returncode, 0)
        self.assertIn('--to-native', run('--help').stdout)

    def test_xm_variables(self):
        text = ('def check(var, val):\n    return int(val)\nxm_vars.var("vmid", use="id", check=check)\n'
                'xm_vars.check()\nname = "vm%d" % vmid\nmemory = 64\nkernel = "/k"\n')
        path = self.put('v.xm', text)
        result = run('-c', '--set', 'vmid=7', path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(ET.fromstring(result.stdout).findtext('name'), 'vm7')
        without = run('-c', path)
        self.assertEqual(without.returncode, 1)
        self.assertIn('vmid', without.stderr)


class Tree(Folder):
    def test_good_and_bad_side_by_side(self):
        self.put('etc/xen/web.cfg', XL)
        self.put('etc/xen/broken.cfg', 'name = "b"\ndisk = [\n')
        self.put('etc/xen/xl.conf', 'autoballoon="off"\n')
        self.put('etc/xen/scripts/vif-bridge', '#!/bin/sh\n')
        self.put('lib/6d2f/config.sxp', SXP)
        out = self.dir / 'out'
        result = run('-r', '-v', '--output-dir', out, self.dir / 'etc', self.dir / 'lib')
        self.assertEqual(result.returncode, 1)
        self.assertEqual(sorted(p.name for p in out.iterdir()), ['old.xml', 'web.xml'])
        self.assertRegex(result.stderr, r'broken\.cfg:2:\d+')
        self.assertIn('xl.conf: skipped', result.stderr)
        self.assertIn('2 domains converted, 1 failed', result.stderr)
        self.assertEqual((out / 'web.xml').stat().st_mode & 0o777, 0o600)

    def test_host_itself_is_no_domain(self):
        """xend keeps a file of domain 0 beside those of its guests."""
        zero = '00000000-0000-0000-0000-000000000000'
        text = f'(domain (domid 0) (name Domain-0) (uuid {zero}) (memory 900) (image (linux (kernel ""))))\n'
        path = self.put(f'domains/{zero}/config.sxp', text)
        self.put('domains/6d2f0c5e-3f4b-4c55-8f53-1f4b3f0f4d01/config.sxp', SXP)
        result = run('-c', '-r', '-v', self.dir / 'domains')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(ET.fromstring(result.stdout).findtext('name'), 'old')
        self.assertIn(f'{path}: skipped: domain 0 is the host itself', result.stderr)
        self.assertIn('1 domain converted', result.stderr)
        # By itself it is what was asked for, and is said to be of no use.
        result = run('-c', path)
        self.assertEqual(ET.fromstring(result.stdout).findtext('name'), 'Domain-0')
        self.assertIn('the host itself', result.stderr)

    def test_names_stay_in_the_output_folder(self):
        for number, name in enumerate(('../up', '..', '.hidden', '-rf', 'a b;$(x)')):
            self.put(f'in/{number}.cfg', f'name = "{name}"\nmemory = 64\nkernel = "/k"\n')
        result = run('-r', '--output-dir', self.dir / 'out', self.dir / 'in')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sorted(p.name for p in (self.dir / 'out').iterdir()),
                         ['-rf.xml', '...xml', '.._up.xml', '.hidden.xml', 'a b;$(x).xml'])
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ['in', 'out'])

    def test_unreadable_ones_are_named(self):
        self.put('ok.cfg', XL)
        self.put('no.cfg', XL.replace('web', 'no')).chmod(0)
        self.put('locked/x.cfg', XL.replace('web', 'x'))
        (self.dir / 'locked').chmod(0)
        self.addCleanup((self.dir / 'locked').chmod, 0o700)
        self.dir.chmod(0o755)
        if os.geteuid() == 0:  # to root everything is readable
            command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
            probe = subprocess.run([*command, str(PROGRAM), '--version'], capture_output=True)
            if probe.returncode != 0:
                self.skipTest('nobody may not run the program here')
        else:
            command = []
        result = subprocess.run([*command, str(PROGRAM), '-r', '-c', str(self.dir)], text=True,
                                capture_output=True, timeout=180)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(ET.fromstring(result.stdout).findtext('name'), 'web')
        for name in ('no.cfg', 'locked'):
            self.assertRegex(result.stderr, f'{name}:.*Permission denied')

    def test_no_password_in_a_report(self):
        config = self.put('a.cfg', 'name = "a"\nmemory = 64\ntype = "hvm"\nvnc = 1\nvncpasswd = "hushhush"\n'
                                   'spice = 1\nspicepasswd = "hushhush"\nspicedisable_ticketing = 0\n'
                                   'vfb = ["vncpasswd=hushhush,odd=1"]\n')
        result = run('-v', '-c', config)
        self.assertIn('hushhush', result.stdout)
        self.assertNotIn('hushhush', result.stderr)
        document = self.put('a.xml', result.stdout)
        for format in ('xen-xl', 'xen-xm', 'xen-sxpr'):
            back = run('-v', '--to-native', format, document)
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertIn('hushhush', back.stdout)
            self.assertNotIn('hushhush', back.stderr)

    def test_a_name_alone_is_named(self):
        self.put('pool.cfg', 'name = "Pool-1"\nsched = "credit"\n')
        self.put('other.cfg', 'autoballoon = "off"\n')
        result = run('-c', '-r', self.dir)
        self.assertEqual((result.returncode, result.stdout), (0, ''))
        self.assertIn('pool.cfg: skipped: no domain configuration', result.stderr)
        self.assertNotIn('other.cfg', result.stderr)

    def test_duplicates_are_errors(self):
        self.put('a.cfg', XL)
        self.put('b.cfg', XL)
        result = run('-c', '-r', self.dir)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r'b\.cfg.*web.*a\.cfg')
        self.assertEqual(result.stdout.count('<domain'), 1)

    def test_links_are_read_once(self):
        self.put('web.cfg', XL)
        (self.dir / 'auto').mkdir()
        (self.dir / 'auto/web.cfg').symlink_to('../web.cfg')
        (self.dir / 'loop').symlink_to('.')
        (self.dir / 'dangling.cfg').symlink_to('nowhere')
        result = run('-c', '-r', self.dir)
        self.assertEqual(result.stdout.count('<domain'), 1)
        self.assertEqual(result.returncode, 1)
        self.assertIn('dangling.cfg: the link leads nowhere', result.stderr)


class OldHost(Folder):
    def test_everything_converts(self):
        out = self.dir / 'out'
        host = SOURCE / 'examples/old-host'
        result = run('-r', '--output-dir', out, host / 'etc/xen', host / 'var/lib/xend/domains')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreaterEqual(len(list(out.iterdir())), 8)
        for path in out.iterdir():
            self.assertValid(path.read_text())


class Corpus(Folder):
    def test_every_file_converts_or_says_why(self):
        if not CORPUS.exists():
            self.skipTest('no corpus beside the checkout')
        for path in sorted(CORPUS.glob('*/*')):
            fmt = {'sxp': 'xen-sxpr', 'xl': 'xen-xl', 'xm': 'xen-xm'}[path.parent.name]
            with self.subTest(path.name):
                result = run('-c', '-f', fmt, path)
                if result.returncode:
                    self.assertRegex(result.stderr, rf'{path}(:\d+:\d+)?: \S')
                else:
                    self.assertValid(result.stdout)


if __name__ == '__main__':
    tap.main()
