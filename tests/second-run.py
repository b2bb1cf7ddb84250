#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs once more, one at a time, what failed in a suite that drives other people's programs (testlog.OTHERS): they
have races of their own, and on a machine that is busy with other tests some of them show. summary.py tells what
passes now as unstable; what fails again has failed. Nothing else has a second chance, and where more than a few
programs failed it is no chance.

usage: second-run.py DIR SECONDS (as long as it may take; DIR has meson's testlog.json of each stage as STAGE.json,
the build's folder in STAGE.dir, and gets the second one as STAGE.again)"""
import os
import pathlib
import subprocess
import sys
import time

import testlog

MOST_PROGRAMS = 3
LEAST_SECONDS = 5  # that are worth a beginning
END_SECONDS = 60  # a lab's hosts go down, a test's folders are removed


def run_again(build, test, seconds):
    """The record of its second run, or None: it did not come to an end."""
    log = pathlib.Path(build, 'meson-logs', 'again.json')
    log.unlink(missing_ok=True)
    # A sanitizer's stage has this multiplier; the caller's time ends the others.
    with subprocess.Popen(['meson', 'test', '-C', build, '--no-rebuild', '--print-errorlogs', '--num-processes', '1',
                           '--timeout-multiplier', '4', '--logbase', 'again', testlog.program(test)],
                          env=test.get('env', os.environ), stdin=subprocess.DEVNULL) as meson:
        try:
            meson.wait(seconds)
        except subprocess.TimeoutExpired:
            meson.terminate()  # it ends the test, and that what it has started
            try:
                meson.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                meson.kill()
            return None
    return next((record for record in testlog.read(log) if record['name'] == test['name']), None)


def main():
    results, end = pathlib.Path(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    bad = [(log, test) for log in sorted(results.glob('*.json')) for test in testlog.read(log) if testlog.failed(test)]
    again = [(log, test) for log, test in bad if testlog.may_run_again(test)]
    if not again:
        return
    if len(bad) > MOST_PROGRAMS:
        print(f'{len(bad)} programs failed: none of them runs again')
        return
    for log, test in again:
        left = end - time.monotonic() - END_SECONDS
        print(f'== again, alone: {log.stem}: {test["name"]}', flush=True)
        if left < LEAST_SECONDS:
            print('there is no time left for it')
            continue
        record = run_again(log.with_suffix('.dir').read_text().strip(), test, left)
        if record:
            with log.with_suffix('.again').open('a') as file:
                file.write(testlog.json.dumps(record) + '\n')


if __name__ == '__main__':
    main()
