#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `make install` leaves behind, and that the pages say what the programs do."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ['XLVIRT_SOURCE']
BUILD = os.environ['XLVIRT_BUILD']
sys.path.insert(0, os.path.join(SOURCE, 'tests'))
import tap  # noqa: E402

PROGRAMS = {
    'xlvirtd': ('src/libvirt-driver/xlvirtd', 'docs/man/xlvirtd.8'),
    'xen2libvirt': ('tools/convert/xen2libvirt', 'docs/man/xen2libvirt.1'),
    'xlvirt-simhost': ('src/hv/xlvirt-simhost', 'docs/SIM.md'),
}


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding='utf-8') as file:
        return file.read()


def pages():
    for folder in ('', 'docs', 'examples'):
        for name in sorted(os.listdir(os.path.join(SOURCE, folder))):
            if name.endswith('.md'):
                yield os.path.join(folder, name)


class TestInstall(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def install(self):
        subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--quiet', '--destdir', self.dir],
                       check=True, stdout=subprocess.DEVNULL)

    def find(self, name):
        return [os.path.join(folder, name) for folder, _, files in os.walk(self.dir) if name in files]

    def test_files(self):
        """Each program, page and unit is there, and a service finds its program."""
        self.install()
        for name in ('xlvirtd', 'xen2libvirt'):
            folders = {os.path.basename(os.path.dirname(path)) for path in self.find(name)}
            self.assertEqual(folders, {'sbin' if name == 'xlvirtd' else 'bin', 'completions'}, name)
        for name in ('xlvirt-simhost', 'libhv.so', 'libxlconf.so', 'hv.pc', 'xlvirtd.8',
                     'xen2libvirt.1', 'xlvirtd.service', 'xlvirtd.socket', 'xlvirtd-ro.socket', 'virtxend.conf',
                     'conf.h', 'hv.h', 'engine.h'):
            self.assertEqual(len(self.find(name)), 1, name)
        self.assertEqual(self.find('virtxend.conf'), [self.dir + '/etc/libvirt/virtxend.conf'])
        with open(self.find('xlvirtd.service')[0], encoding='utf-8') as file:
            program = re.search(r'^ExecStart=(\S+)', file.read(), re.M)[1]
        self.assertTrue(os.access(self.dir + program, os.X_OK), program)

    def test_libraries(self):
        """The dynamic linker finds the libraries: it looks there by itself, or the program says where they are."""
        if not shutil.which('readelf'):
            self.skipTest('readelf is not installed')
        self.install()
        libdir = os.path.dirname(self.find('libhv.so')[0])[len(self.dir):]
        known = subprocess.run('PATH=$PATH:/usr/sbin:/sbin ldconfig -N -v', shell=True, capture_output=True, text=True).stdout
        looked = re.findall(r'^(/[^:]*): ', known, re.M)
        said = subprocess.run(['readelf', '-d', self.find('libhv.so')[0]], check=True, capture_output=True, text=True).stdout
        if libdir not in looked and libdir.removeprefix('/usr') not in looked:
            self.assertIn(f'[{libdir}]', said, looked)

    def test_hotplug(self):
        """The helper is there under each of its names, and does nothing where it is not asked."""
        self.install()
        if not self.find('xlvirt-hotplug'):
            self.skipTest('it was not built: libnl-3 or libxenstore is missing')
        self.assertEqual(len(self.find('xlvirt-hotplug.8')), 1)
        for name in 'block', 'block-shared', 'vif-bridge', 'vif-openvswitch', 'vif-route':
            paths = [path for path in self.find(name) if '/xlvirt/scripts/' in path]
            self.assertEqual(len(paths), 1, name)
            result = subprocess.run([paths[0], 'online', 'type_if=tap'], env={'XENBUS_TYPE': 'vif'}, capture_output=True)
            self.assertEqual(result.returncode, 1 if name.startswith('block') else 0, (name, result.stderr))

    def test_edited_configuration(self):
        """A second install keeps what the administrator wrote."""
        self.install()
        path = self.find('virtxend.conf')[0]
        with open(path, 'w', encoding='utf-8') as file:
            file.write('max_clients = 7\n')
        self.install()
        with open(path, encoding='utf-8') as file:
            self.assertEqual(file.read(), 'max_clients = 7\n')
        self.assertEqual(len(self.find('virtxend.conf.new')), 1)


# Of libvirt 9.0, as far as its order goes.
GUESTS = """[Unit]
After=network.target time-sync.target libvirtd.socket virtxend.socket
[Service]
ExecStart=/bin/true
ExecStop=/bin/true
Type=oneshot
RemainAfterExit=yes
[Install]
WantedBy=multi-user.target
"""


class TestUnits(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        for name in 'xlvirtd.service', 'xlvirtd.socket', 'xlvirtd-ro.socket':
            self.write(name, read('data/systemd', name + '.in').replace('@sbindir@/xlvirtd', '/bin/true'))
        self.write('libvirt-guests.service', GUESTS)
        # As systemctl enable links them.
        for name in 'service', 'socket', '-ro.socket':
            name = name if name.startswith('-') else '.' + name
            self.assertIn(f'Alias=virtxend{name}\n', read('data/systemd', f'xlvirtd{name}.in') + '\n')
            os.symlink(f'xlvirtd{name}', f'{self.dir}/virtxend{name}')

    def write(self, name, text):
        with open(os.path.join(self.dir, name), 'w', encoding='utf-8') as file:
            file.write(text)

    def verify(self):
        path = f'{self.dir}:/lib/systemd/system:/usr/lib/systemd/system'
        return subprocess.run(['systemd-analyze', 'verify', '--man=no', f'{self.dir}/xlvirtd.service', f'{self.dir}/libvirt-guests.service'],
                              env={**os.environ, 'SYSTEMD_UNIT_PATH': path}, capture_output=True, text=True, check=False).stderr

    def test_guests_end_first(self):
        """What is started after the daemon is stopped before it: libvirt-guests, whether the daemon came by its socket or by itself."""
        unit = read('data/systemd/xlvirtd.service.in')
        before = ' '.join(re.findall('^Before=(.*)$', unit, re.M)).split()
        after = ' '.join(re.findall('^After=(.*)$', unit, re.M)).split()
        self.assertIn('libvirt-guests.service', before)
        self.assertIn('xlvirtd.socket', after)
        # It reaches Xen until then.
        self.assertIn('xenstored.service', after)

    def test_no_cycle(self):
        """systemd finds an order for all of them; and would say so where there is none."""
        if not shutil.which('systemd-analyze'):
            self.skipTest('systemd-analyze is not installed')
        self.assertNotIn('ordering cycle', self.verify())
        self.write('libvirt-guests.service', GUESTS.replace('After=', 'Before=xlvirtd.socket\nAfter='))
        if 'ordering cycle' not in self.verify():
            self.skipTest('this systemd-analyze does not tell of cycles')


class TestPages(unittest.TestCase):
    def test_links(self):
        """A link of a page leads to a file of the tree."""
        for page in pages():
            for target in re.findall(r'\]\(([^)#]+)[^)]*\)', read(page)):
                if '://' in target:
                    continue
                path = os.path.join(SOURCE, os.path.dirname(page), target)
                self.assertTrue(os.path.exists(path), f'{page}: {target}')

    def options(self, name):
        """What a program says that it takes."""
        out = subprocess.run([os.path.join(BUILD, PROGRAMS[name][0]), '--help'], check=True, capture_output=True,
                             text=True).stdout
        options = set(re.findall(r'^  (?:-\w, )?(--[a-z-]+)', out, re.M))
        self.assertGreater(len(options), 3, out)
        return options

    def test_options(self):
        """Each option of a program stands on its page, and a manual page names no others."""
        for name, (_, page) in PROGRAMS.items():
            shown = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', read(page).replace('\\-', '-')))
            options = self.options(name)
            if page.endswith('.md'):  # it leaves --help out, and has options of others
                self.assertEqual(options - shown - {'--help'}, set(), page)
            else:
                self.assertEqual(options, shown, page)

    def test_completion(self):
        """The shell completes each option, and no others."""
        for name in ('xlvirtd', 'xen2libvirt'):
            text = read('data/completion', name)
            self.assertEqual(self.options(name), set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', text)), name)

    def test_configuration_keys(self):
        """A key of virtxend.conf is one that the daemon reads, with its default."""
        source = read('src/libvirt-driver/lvd-config.c').split('lockd_keys[] = {')[0]
        known = set(re.findall(r'\{ "([a-z_]+)", KEY_(?!UNUSED|NONE_ONLY)', source))
        self.assertGreater(len(known), 10)
        shown = set(re.findall(r'^#([a-z_]+) = ', read('data/virtxend.conf'), re.M))
        self.assertEqual(known, shown)

    def test_man_pages(self):
        """man finds nothing to complain about."""
        if not shutil.which('man'):
            self.skipTest('man is not installed')
        for page in ('xlvirtd.8', 'xen2libvirt.1', 'xlvirt-hotplug.8', 'xenlab.1'):
            result = subprocess.run(['man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', os.path.join(SOURCE, 'docs/man', page)],
                                    env={**os.environ, 'LC_ALL': 'C.UTF-8', 'MANWIDTH': '80'},
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
            self.assertEqual(result.stderr, '')


if __name__ == '__main__':
    tap.main()
