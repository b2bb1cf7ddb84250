#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inputs that want all memory and all time: refused or done in 64 MiB and a few seconds."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path.insert(0, str(SOURCE / 'tests'))
import tap  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
MEMORY = 64  # MiB of resident memory, the program itself among it
SECONDS = 10  # of processor time; a quiet machine takes less than one
MIB = 1 << 20
LARGEST = 8 * MIB - 64  # the program reads no larger file
HEAD = '(domain (name a) (memory 64) (image (linux (kernel /k)))'

# Text that is repeated behind a head until the file is as large as may be.
REPEATED = {
    'sxp-brackets': ('', '(', ''), 'sxp-empty-lists': (HEAD, '()', ')'), 'sxp-lists': (HEAD, '(a)', ')'),
    'sxp-words': (HEAD + '(x ', 'a ', '))'), 'sxp-domains': ('', '(domain (name a) (memory 1))', ''),
    'sxp-devices': (HEAD, '(device (vif (mac 00:16:3e:00:00:01)))', ')'), 'sxp-quotes': (HEAD, "'a'", ')'),
    'sxp-closing': (HEAD + ')', ')', ''), 'sxp-strays': (HEAD + ')', 'a ', ''),
    'xm-brackets': ('import os\ndisk = ', '[', ''), 'xm-braces': ('import os\nd = ', '{', ''),
    'xm-calls': ('import os\nd = ', 'f(', ''), 'xm-list': ('import os\ndisk = [', "'a',", ']'),
    'xm-lines': ('import os\n', 'a=1\n', ''), 'xm-comments': ('import os\n', '# x\n', ''),
    'xm-blocks': ('import os\n', 'if 1:\n', ''), 'xm-sums': ('import os\na = 1', '+1', '\n'),
    'xm-string': ('import os\nname = "', 'a', '"'), 'xm-quotes': ('import os\n', '"""\n', ''),
    'xl-brackets': ('type = "pv"\ndisk = ', '[', ''), 'xl-list': ('type = "pv"\ndisk = [', '"a",', ']'),
    'xl-lines': ('type = "pv"\n', 'a=1\n', ''), 'xl-string': ('type = "pv"\nname = "', 'a', '"'),
}

# What a parser takes just so, and what comes of it is large.
ACCEPTED = {
    'sxp-unknown': HEAD + ''.join(f'(k{i} 1)' for i in range(43000)) + ')',
    'sxp-unnamed': HEAD + '()' * 130000 + ')',
    'sxp-vifs': HEAD + ''.join(f'(device (vif (mac 00:16:3e:00:{i // 256:02x}:{i % 256:02x}) (bridge b)))'
                               for i in range(4000)) + ')',
    'xl-unknown': 'type = "pv"\nname = "a"\nkernel = "/k"\n' + ''.join(f'k{i}=1\n' for i in range(65000)),
    'xm-unknown': 'import os\nname = "a"\nkernel = "/k"\n' + ''.join(f'k{i}=1\n' for i in range(40000)),
    'xm-vifs': 'import os\nname = "a"\nkernel = "/k"\nvif = ["bridge=b"] * 4000\n',
}

# Small programs. Each is refused, or its value is not known.
BOMBS = {
    'repeat': "x = 'x' * 10**9\n", 'repeat-list': 'x = [0] * 10**9\n', 'double': "x = 'a'\nwhile 1: x = x + x\n",
    'double-list': 'x = [0]\nwhile 1: x += x\n', 'nest': 'x = []\nwhile 1: x = [x, x]\n',
    'nest-shared': 'x = [0] * 1000\ny = [x] * 1000\ndisk = [y] * 1000\n', 'forever': 'while True: pass\n',
    'handlers': 'while 1:\n  try:\n    x = 1/0\n  except:\n    pass\n', 'recursion': 'def f(x): return f(x)\nf(1)\n',
    'lambda': 'f = lambda x: f(x) + f(x)\nf(1)\n', 'power': 'x = 10**10**8\n', 'power-tower': 'x = 9**9**9**9\n',
    'shift': 'x = 1 << 10**9\n', 'range': 'x = range(10**9)\n', 'loop': 'for i in range(10**6): x = [i] * 100\n',
    'width': "x = '%1000000000d' % 1\n", 'width-star': "x = '%*d' % (10**9, 1)\n", 'zfill': "x = '1'.zfill(10**9)\n",
    'center': "x = '1'.center(10**9)\n", 'precision': "x = '%.1000000000f' % 1\n",
    'format-width': "x = '{0:1000000000}'.format(1)\n", 'join': "x = ('a' * 10**6).join(['b'] * 10**5)\n",
    'replace': "x = 'a' * 10**6\nx = x.replace('a', 'b' * 10**6)\n", 'dict': 'd = {}\ni = 0\nwhile 1:\n  d[i] = i\n  i += 1\n',
    'regex': "import re\nwhile 1: re.search('a*a*a*b', 'a' * 500)\n",
    'regex-sub': "import re\nx = re.sub('a', 'b' * 10**6, 'a' * 500)\n",
    'sort': 'x = range(20000)\nwhile 1: x.sort(lambda a, b: cmp(b, a))\n', 'repr': 'x = [0]\nwhile 1: x = [`x`, `x`]\n',
    'globals': 'while 1: x = globals()\n', 'split': "x = 'a ' * 10**6\nwhile 1: x.split()\n",
    'rsplit': "x = 'a' * 10**6\nx.rsplit('b' * 10**5, 9)\nx.rfind('a' * 10**5 + 'b')\nwhile 1: pass\n",
    'comprehension': 'x = [a for a in range(9**4) for b in range(9**4)]\n', 'zip': 'x = zip(*[range(10**4)] * 10**4)\n',
    'starred': 'def f(*a): return f(*(a + a))\nf(1)\n', 'reduce': "x = reduce(lambda a, b: a + a, range(10**4), 'x')\n",
    'unknown': 'import os\nx = []\nwhile os.path.exists(str(x)): x = [x] * 10**5\n',
    'backslash': "x = '\\\\' * 10**6\nwhile 1: x = repr(x)[1:-1]\n",
}


def is_sanitized():
    """A sanitizer's own memory is no memory of ours."""
    maps = subprocess.run(['ldd', PROGRAM], capture_output=True, text=True).stdout
    return 'asan' in maps or 'tsan' in maps or b'__asan_init' in PROGRAM.read_bytes()


class Hostile(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / 'hostile'

    def convert(self, *args):
        """Its end, what it says, and what it took."""
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen([PROGRAM, '-c', *args, self.path], stdout=subprocess.DEVNULL, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
        self.assertIn(process.returncode, (0, 1), text[-500:])
        if not is_sanitized():
            self.assertLessEqual(usage.ru_maxrss / 1024, MEMORY)
            self.assertLessEqual(usage.ru_utime + usage.ru_stime, SECONDS)
        return process.returncode, text

    def test_repeated(self):
        for name, (head, unit, tail) in REPEATED.items():
            with self.subTest(name):
                count = (LARGEST - len(head) - len(tail)) // len(unit)
                self.path.write_text(head + unit * count + tail)
                self.convert()

    def test_accepted(self):
        for name, text in ACCEPTED.items():
            with self.subTest(name):
                self.path.write_text(text)
                code, said = self.convert()
                self.assertEqual(code, 0, said[-500:])

    def test_larger_than_any(self):
        for name, byte in (('sxp', b'('), ('xm', b'['), ('zeros', b'\0')):
            with self.subTest(name):
                with open(self.path, 'wb') as file:
                    for _ in range(100):
                        file.write(byte * MIB)
                code, said = self.convert()
                self.assertEqual(code, 1)
                self.assertIn(b'larger than 8 MiB; this is no configuration', said)

    def test_larger_than_it_says(self):
        """A pipe tells no size."""
        with subprocess.Popen(['yes', '('], stdout=subprocess.PIPE) as source:
            process = subprocess.Popen([PROGRAM, '-c', '-'], stdin=source.stdout, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            said = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stderr.close()
            source.stdout.close()
            source.kill()
        self.assertEqual(process.returncode, 1)
        self.assertIn(b'larger than 8 MiB', said)
        if not is_sanitized():
            self.assertLessEqual(usage.ru_maxrss / 1024, MEMORY)

    def test_python(self):
        for name, program in BOMBS.items():
            with self.subTest(name):
                self.path.write_text('name = "bomb"\nmemory = 64\nkernel = "/k"\n' + program)
                self.convert('-f', 'xm')


if __name__ == '__main__':
    tap.main()
