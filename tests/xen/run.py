#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs of this folder one after the other in one lab: to boot a host takes as long as many cases.
The lab is started with the options that the programs name (UP); XLVIRT_XEN=all and
XENLAB_TEST_DIR=FOLDER are those of xenhost.py. After each case stands what it took.

usage: run.py NAME[:WORD]...    of test-NAME.py all, or the cases that have WORD in their names"""
import glob
import importlib.util
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..')]
import tap  # noqa: E402
import xenhost  # noqa: E402


class Timed(tap.TapResult):
    """`folder` is the lab's."""
    folder = ''

    def cpu(self):
        """Seconds of a processor that the lab's hosts have taken."""
        ticks = 0
        for path in glob.glob(f'{self.folder}/*/qemu.pid'):
            try:
                with open(path, encoding='ascii') as file, open(f'/proc/{int(file.read())}/stat', encoding='ascii') as stat:
                    ticks += sum(map(int, stat.read().rpartition(')')[2].split()[11:13]))
            except (OSError, ValueError):  # a host that is being started anew
                continue
        return ticks / os.sysconf('SC_CLK_TCK')

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic(), self.cpu()

    def stopTest(self, test):
        super().stopTest(test)
        wall, cpu = time.monotonic() - self.begin[0], self.cpu() - self.begin[1]
        # After a power cut it is another process.
        print(f'# {test.id()}: {wall:.1f} s' + (f', host {cpu:.1f} s' if cpu >= 0 else ''), flush=True)


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace('-', '_'), f'{HERE}/test-{name}.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(programs, result):
    for module, word in programs:
        tap.run(unittest.defaultTestLoader.loadTestsFromModule(module), word and [word], result)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.rpartition('\n\n')[2])
    programs = [(load(name), word) for name, _, word in (argument.partition(':') for argument in sys.argv[1:])]
    print('TAP version 13', flush=True)
    result = Timed()
    result.startTestRun()
    if xenhost.refusal():  # they say so
        run(programs, result)
    else:
        with xenhost.Lab(*(option for module, _ in programs for option in getattr(module, 'UP', ()))) as lab:
            os.environ['XENLAB_TEST_DIR'] = result.folder = lab.folder
            print(f'# the lab is up: {time.monotonic() - BEGIN:.1f} s, host {result.cpu():.1f} s', flush=True)
            run(programs, result)
    tap.end(result)


BEGIN = time.monotonic()
main()
