#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xen2libvirt into a running xlvirtd: a whole old host and the golden configs, twice; each one starts."""
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path[:0] = [str(SOURCE / 'tests'), str(SOURCE / 'tests/client')]
import harness  # noqa: E402
import tap  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
OLD_HOST = SOURCE / 'examples/old-host'


class Import(unittest.TestCase):
    def setUp(self):
        self.host = harness.Host()
        self.addCleanup(self.host.end)
        self.host.start()

    def run_tool(self, *args):
        return subprocess.run([str(PROGRAM), '--connect', self.host.uri(), *map(str, args)], text=True,
                              capture_output=True, timeout=180)

    def virsh(self, *args):
        status, out, err = self.host.virsh(*args)
        self.assertEqual(status, 0, f'{args}: {err}')
        return out

    def names(self):
        return [name for name in self.virsh('list', '--all', '--name').split('\n')[:-2] if name != 'Domain-0']

    def state(self):
        return {name: (self.virsh('dumpxml', '--inactive', '--security-info', name), self.autostart(name))
                for name in self.names()}

    def autostart(self, name):
        info = dict(line.split(':', 1) for line in self.virsh('dominfo', name).splitlines() if ':' in line)
        return info['Autostart'].strip()

    def test_old_host_twice(self):
        first = self.run_tool('-r', OLD_HOST)
        self.assertEqual(first.returncode, 0, first.stderr)
        before = self.state()
        self.assertGreater(len(before), 8)
        second = self.run_tool('-r', OLD_HOST)
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(self.state(), before)
        self.assertIn(f'0 domains defined, {len(before)} there already', second.stderr)
        # In auto/, (on_xend_start start), (auto_power_on 1), and none of these.
        for name in ('intranet', 'resolver', 'shop-db', 'desktop'):
            self.assertEqual(before[name][1], 'enable', name)
        for name in ('archive', 'media', 'build-farm'):
            self.assertEqual(before[name][1], 'disable', name)
        third = self.run_tool('-r', '--replace', OLD_HOST)
        self.assertEqual(third.returncode, 0, third.stderr)
        self.assertEqual(self.state(), before)

    def test_xm_starts_by_itself(self):
        config = self.host.file('a.cfg', "name = 'solo'\nmemory = 64\nkernel = '/k'\non_xend_start = 'start'\n")
        result = self.run_tool('-f', 'xm', config)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('set when xen2libvirt defines the domain', result.stderr)
        self.assertEqual(self.autostart('solo'), 'enable')

    def test_golden_configs_start_and_come_back(self):
        for format, pattern in (('xl', 'xl/*.cfg'), ('xm', 'xm/*.cfg'), ('xen-sxpr', 'sxp/*.sxp')):
            for config in sorted((SOURCE / 'tests/golden').glob(pattern)):
                if '.out.' in config.name:
                    continue
                with self.subTest(str(config)):
                    before = set(self.names())
                    result = self.run_tool('-f', format, config)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    new = set(self.names()) - before
                    self.assertTrue(new)
                    for name in new:
                        self.start_and_compare(name)

    def start_and_compare(self, name):
        """What a live domain says in xl's words is what its definition says."""
        self.virsh('start', name)
        live = self.virsh('domxml-to-native', 'xen-xl', '--domain', name)
        self.virsh('destroy', name)
        self.assertEqual(self.virsh('domxml-to-native', 'xen-xl', '--domain', name), live)
        native = self.host.file('back.cfg', live)
        again = subprocess.run([str(PROGRAM), '-c', '-f', 'xl', native], text=True, capture_output=True, timeout=180)
        self.assertEqual(again.returncode, 0, again.stderr + live)
        self.virsh('undefine', name)


if __name__ == '__main__':
    tap.main()
