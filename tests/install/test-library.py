#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libraries as they are installed: headers that stand alone, names of our own only, and hv.pc, by
which another program finds them."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
import tap  # noqa: E402

BUILD = os.environ['XLVIRT_BUILD']
C = [name for name in ('gcc', 'clang') if shutil.which(name)]
CXX = [name for name in ('g++', 'clang++') if shutil.which(name)]
PROGRAM = '''
#include <hv/hv.h>

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    HvConfig config = { .root = argc > 1 ? argv[1] : NULL, .engine = "sim" };
    g_autoptr(HvHost) host = hv_host_new(&config, &error);

    if (!host)
        g_error("%s", error->message);
    g_print("%s\\n", hv_host_engine_name(host));
    hv_host_stop(host);
    return 0;
}
'''


def run(*args, stdin=None, env=None):
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, text=True, timeout=180,
                          env=dict(os.environ, **(env or {})))
    if done.returncode != 0:
        raise AssertionError(f'{" ".join(map(str, args))}: {done.returncode}\n{done.stdout}{done.stderr}')
    return done.stdout


class Library(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which('meson'):
            raise unittest.SkipTest('meson is not on PATH')
        cls.temporary = tempfile.TemporaryDirectory()
        cls.dest = pathlib.Path(cls.temporary.name)
        run('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', cls.dest)
        cls.pc = cls.one('hv.pc')
        cls.libdir = cls.pc.parent.parent
        text = cls.pc.read_text()
        cls.prefix = re.search('^prefix=(.*)$', text, re.M)[1]
        # As if the prefix were where the files are now.
        cls.pc.write_text(re.sub('^prefix=', f'prefix={cls.dest}', text, flags=re.M))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def one(cls, name):
        found = list(cls.dest.rglob(name))
        assert len(found) == 1, f'{name}: {found}'
        return found[0]

    def flags(self, *what):
        return run('pkg-config', *what, 'hv', env={'PKG_CONFIG_PATH': str(self.pc.parent)}).split()

    def test_each_header_alone(self):
        include = pathlib.Path(f'{self.dest}{self.prefix}/include')
        headers = [path.relative_to(include) for path in sorted(include.rglob('*.h'))]
        self.assertGreater(len(headers), 4)
        for compilers, language in ((C, 'c'), (CXX, 'c++')):
            for compiler in compilers:
                for header in headers:
                    with self.subTest(f'{compiler} {header}'):
                        run(compiler, '-x', language, '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror',
                            '-fsyntax-only', *self.flags('--cflags'), '-', stdin=f'#include <{header}>\n')

    def test_another_program(self):
        source = self.dest / 'program.c'
        source.write_text(PROGRAM)
        simhost = self.one('xlvirt-simhost')
        for compiler in C:
            with self.subTest(compiler), tempfile.TemporaryDirectory(prefix='xli') as root:
                program = self.dest / f'program-{compiler}'
                run(compiler, '-Wall', '-Wextra', '-Werror', source, '-o', program,
                    *self.flags('--cflags', '--libs'))
                environment = {'LD_LIBRARY_PATH': str(self.libdir), 'XLVIRT_SIMHOST': str(simhost)}
                try:
                    self.assertEqual(run(program, root, env=environment), 'sim\n')
                finally:
                    subprocess.run([simhost, '--root', root, '--stop'], capture_output=True, check=False)

    def test_names_of_symbols(self):
        """A library shows names of its own only: another program may have a cfg_read() too."""
        for library, prefix in (('libxlconf.so', 'conf_'), ('libhv.so', 'hv_')):
            table = run('nm', '-D', '--defined-only', self.libdir / library)
            names = [line.split()[2] for line in table.splitlines()]
            self.assertIn(f'{prefix}error_quark', names)
            self.assertEqual([name for name in names if not name.startswith(prefix)], [])


if __name__ == '__main__':
    tap.main()
