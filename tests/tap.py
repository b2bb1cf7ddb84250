# SPDX-License-Identifier: LGPL-2.1-or-later
"""unittest with TAP output, so that meson and `make check` count each case.

A test file ends in:  if __name__ == '__main__': tap.main()"""
import os
import sys
import traceback
import unittest


# Procedures that an xlvirtd answered well: tests/client/harness.py finds them in the logs of its daemons.
CALLED = set()


class TapResult(unittest.TestResult):
    def startTestRun(self):
        self.number = 0

    def line(self, ok, test, note=''):
        self.number += 1
        name = test.id().removeprefix('__main__.') if hasattr(test, 'id') else str(test)
        print(f'{"ok" if ok else "not ok"} {self.number} - {name}{note}', flush=True)

    def bad(self, test, err):
        self.line(False, test)
        for text in ''.join(traceback.format_exception(*err)).splitlines():
            print(f'# {text}', flush=True)

    def addSuccess(self, test):
        self.line(True, test)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(True, test, f' # SKIP {reason}')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.bad(subtest, err)


def check_called(result):
    """docs/COVERAGE.md tells which test calls a procedure: client/called/NAME.txt says it, and here is where it has to
    be true. XLVIRT_CALLED=write makes it so; =keep drops what was not called this time."""
    name = os.path.basename(sys.argv[0]).removesuffix('.py')
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'client/called', name + '.txt')
    how = os.environ.get('XLVIRT_CALLED')
    if not CALLED or not (how == 'write' or os.path.exists(path)):
        return
    if how == 'write':
        wanted = CALLED
    else:
        with open(path, encoding='utf-8') as f:
            wanted = set(f.read().split())
    if how in ('write', 'keep'):
        with open(path, 'w', encoding='utf-8') as f:
            f.writelines(procedure + '\n' for procedure in sorted(wanted & CALLED))
        return
    result.number += 1
    print(f'{"not ok" if wanted - CALLED else "ok"} {result.number} - makes the calls that called/{name}.txt names', flush=True)
    for procedure in sorted(wanted - CALLED):
        print(f'# {procedure} was not called, or always failed', flush=True)
    if wanted - CALLED:
        result.failures.append((None, path))


def run(suite, words=(), result=None):
    """Runs a suite, or of it the cases whose names contain one of the words; the result of all."""
    if words:
        chosen = unittest.TestSuite()
        for group in suite:
            chosen.addTests(t for t in group if any(word in t.id() for word in words))
        suite = chosen
    if not result:
        print('TAP version 13', flush=True)
        result = TapResult()
        result.startTestRun()
    suite.run(result)
    return result


def end(result):
    print(f'1..{result.number}', flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)


def main():
    result = run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__']), sys.argv[1:])
    if len(sys.argv) == 1 and not result.skipped:
        check_called(result)
    end(result)
