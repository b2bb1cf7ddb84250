#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `make check` makes of its results: summary.py on testlogs made up here, second-run.py on a project of meson's
whose programs fail as often as they are told to."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(os.environ['XLVIRT_SOURCE'], 'tests')
sys.path.insert(0, str(TESTS))
import tap  # noqa: E402

TIMEOUT = 300
CLIENT, UNIT = 'xlvirt:client / client-relay', 'xlvirt:unit+threads / test-work'
GOOD = 'ok 1 - T.one\nok 2 - T.two\nok 3 - T.three # SKIP no such thing here\n1..3\n'
BAD = 'ok 1 - T.one\nnot ok 2 - T.two\n# the reason\nok 3 - T.three # SKIP no such thing here\n1..3\n'
SCRIPT = '''#!/bin/sh
# Fails until it was called N times, and says so in a file; what it has to hear of is in its environment.
echo called >>"$COUNT.$1"
if [ "$(wc -l <"$COUNT.$1")" -gt "$2" ] && [ "$WORD" = heard ]; then echo "ok 1 - T.one"; else echo "not ok 1 - T.one"; fi
sleep "${3:-0}"
echo 1..1
'''
PROJECT = '''project('p')
env = {'COUNT': meson.current_source_dir() / 'count'}
foreach name, how : {
    'once': ['client', '1'], 'always': ['client', '9'], 'xen-once': ['xen', '1'], 'good': ['client', '0'],
    'slow': ['client', '1', '1000'], 'ours': ['unit', '1'], 'both': ['client,threads', '1']}
  test(name, files('script'), args: [name, how[1], how.get(2, '0')], suite: how[0].split(','), protocol: 'tap',
    env: env, timeout: 2000)
endforeach
'''


def record(name, result, stdout='', **more):
    return {'name': name, 'result': result, 'stdout': stdout, **more}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='xls')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, *records):
        (self.folder / name).write_text(''.join(json.dumps(r) + '\n' for r in records))

    def summary(self, status, last, folder=None):
        done = subprocess.run([TESTS / 'summary.py', folder or self.folder], text=True, capture_output=True,
                              timeout=TIMEOUT, check=False)
        self.assertEqual((done.returncode, done.stderr), (status, ''), done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], last, done.stdout)
        return done.stdout


class TestSummary(Case):
    def test_good(self):
        self.write('plain.json', record(CLIENT, 'OK', GOOD), record(UNIT, 'OK'), record('xlvirt:unit / a', 'SKIP'),
                   record('xlvirt:unit / b', 'EXPECTEDFAIL', GOOD))
        (self.folder / 'passed').write_text('style: layers\n')
        out = self.summary(0, '6 passed, 0 failed, 3 skipped')
        self.assertIn(f'skipped plain: {CLIENT} T.three # SKIP no such thing here\n', out)

    def test_nothing_ran(self):
        self.summary(1, '0 passed, 0 failed')

    def test_bad(self):
        self.write('plain.json', record(CLIENT, 'FAIL', BAD, stderr='on stderr'), record(UNIT, 'TIMEOUT', 'ok 1 - first\n'))
        self.write('asan.json', record(CLIENT, 'ERROR', GOOD))
        (self.folder / 'failed').write_text('style: layers\n')
        out = self.summary(1, '4 passed, 4 failed, 2 skipped')
        for line in (f'---- plain: {CLIENT}', '# the reason', 'on stderr', f'FAILED  plain: {CLIENT} T.two',
                     f'FAILED  plain: {UNIT} (TIMEOUT)', f'FAILED  asan: {CLIENT} (ERROR)', 'FAILED  style: layers'):
            self.assertIn(line, out.splitlines())

    def test_unstable(self):
        """Its other cases count once, and only in the stage where it failed."""
        self.write('plain.json', record(CLIENT, 'FAIL', BAD), record(UNIT, 'OK', GOOD))
        self.write('asan.json', record(CLIENT, 'OK', GOOD))
        self.write('plain.again', record(CLIENT, 'OK', GOOD))
        out = self.summary(0, '5 passed, 0 failed, 3 skipped, 1 unstable').splitlines()
        self.assertIn(f'UNSTABLE  plain: {CLIENT} T.two', out)
        self.assertLess(out.index('# the reason'), out.index(f'UNSTABLE  plain: {CLIENT} T.two'))
        self.assertNotIn('FAILED', '\n'.join(out))

    def test_unstable_as_a_whole(self):
        self.write('xen.json', record('xlvirt:xen / tune', 'TIMEOUT', 'ok 1 - T.one\n'))
        self.write('xen.again', record('xlvirt:xen / tune', 'OK', GOOD))
        self.assertIn('UNSTABLE  xen: xlvirt:xen / tune (TIMEOUT)', self.summary(0, '2 passed, 0 failed, 1 skipped, 1 unstable'))

    def test_failed_again(self):
        self.write('plain.json', record(CLIENT, 'FAIL', BAD))
        for result, second in (('FAIL', BAD.replace('reason', 'second reason')), ('SKIP', ''), ('TIMEOUT', GOOD)):
            with self.subTest(result):
                self.write('plain.again', record(CLIENT, result, second))
                out = self.summary(1, '1 passed, 1 failed, 1 skipped')
                self.assertIn(f'FAILED  plain: {CLIENT} T.two', out)
                self.assertIn('# the reason', out)
                self.assertEqual('# the second reason' in out, result == 'FAIL')


class TestSecondRun(Case):
    def first_run(self, *names):
        """All the tests of that name, as run-checks.sh leaves them in its folder."""
        source, results = self.folder / 'source', self.folder / 'results'
        if not source.exists():
            source.mkdir()
            results.mkdir()
            (source / 'meson.build').write_text(PROJECT)
            (source / 'script').write_text(SCRIPT)
            (source / 'script').chmod(0o755)
            self.run_program('meson', 'setup', source / 'build', source)
        self.run_program('meson', 'test', '-C', source / 'build', *names, env=dict(os.environ, WORD='heard'), check=False)
        (results / 'plain.json').write_text((source / 'build/meson-logs/testlog.json').read_text())
        (results / 'plain.dir').write_text(f'{source}/build\n')
        return results

    def run_program(self, *words, env=None, check=True):
        done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, check=False, env=env)
        self.assertTrue(done.returncode == 0 or not check, done.stdout)
        return done.stdout

    def second_run(self, results, seconds=600):
        return self.run_program(TESTS / 'second-run.py', results, str(seconds))

    def count(self, name):
        return len((self.folder / f'source/count.{name}').read_text().splitlines())

    def test_suites(self):
        """Those of client and xen, with the environment of the first time; none that is in a suite of ours, too."""
        results = self.first_run('once', 'good', 'ours', 'both')
        self.second_run(results)
        self.assertEqual([self.count(name) for name in ('once', 'good', 'ours', 'both')], [2, 1, 1, 1])
        out = self.summary(1, '1 passed, 2 failed, 1 unstable', results)
        for line in ('UNSTABLE  plain: p:client / once T.one', 'FAILED  plain: p:unit / ours T.one',
                     'FAILED  plain: p:client+threads / both T.one'):
            self.assertIn(line, out)

    def test_one_at_a_time_in_each_stage(self):
        results = self.first_run('once', 'xen-once', 'always')
        self.second_run(results)
        self.assertEqual([self.count(name) for name in ('once', 'xen-once', 'always')], [2, 2, 2])
        self.summary(1, '0 passed, 1 failed, 2 unstable', results)

    def test_many(self):
        results = self.first_run('once', 'xen-once', 'always', 'ours')
        self.assertIn('4 programs failed', self.second_run(results))
        self.assertEqual(self.count('once'), 1)
        self.summary(1, '0 passed, 4 failed', results)

    def test_none(self):
        results = self.first_run('good')
        self.assertEqual(self.second_run(results), '')
        self.summary(0, '1 passed, 0 failed', results)

    def test_no_time(self):
        results = self.first_run('once')
        self.assertIn('no time left', self.second_run(results, 60))
        self.assertEqual(self.count('once'), 1)
        self.summary(1, '0 passed, 1 failed', results)

    def test_out_of_time(self):
        """What does not come to its end has failed, and is ended."""
        results = self.first_run('good')
        self.write('results/plain.json', record('p:client / slow', 'FAIL', 'not ok 1 - T.one\n'))
        self.second_run(results, 60 + 8)  # and it takes 1000
        self.summary(1, '0 passed, 1 failed', results)


if __name__ == '__main__':
    tap.main()
