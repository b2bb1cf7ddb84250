#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bench-xen makes of a trace and of times; needs no Xen."""
import argparse
import ctypes.util
import importlib.util
import os
import pathlib
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ET

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path[:0] = [str(SOURCE / 'tests'), str(SOURCE / 'tests/bench/xen')]
import report  # noqa: E402
import tap  # noqa: E402
import timeline  # noqa: E402

SPEC = importlib.util.spec_from_file_location('bench_xen', SOURCE / 'tests/bench/xen/bench-xen.py')
bench = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(bench)

TRACE = '''# tracer: nop
          virsh-20      [000] .....    10.000500: sched_process_exec: filename=/usr/bin/virsh pid=20 old_pid=20
          virsh-20      [000] .....    10.010000: sys_connect(fd: 4, uservaddr: 7ffd, addrlen: 6e)
       libvirtd-5       [000] DNZff    10.020000: xc_dom_parse_image: (0x7f00)
       libvirtd-5       [000] DNZff    10.060000: xc_dom_parse_image__ret: (0x7f01 <- 0x7f00)
       libvirtd-5       [000] .....    10.061000: sched_process_fork: comm=libvirtd pid=5 child_comm=libvirtd child_pid=30
          block-30      [000] .....    10.062000: sched_process_exec: filename=/etc/xen/scripts/block pid=30 old_pid=30
 xenstore read-31       [000] .....    10.063000: sched_process_exec: filename=/usr/bin/xenstore-read pid=31 old_pid=31
 xenstore read-31       [000] .....    10.064000: xs_read: (0x7f10)
 xenstore read-31       [000] .....    10.065000: xs_read__ret: (0x7f11 <- 0x7f10)
          block-30      [000] .....    10.072000: sched_process_exit: comm=block pid=30 prio=120
       libvirtd-5       [000] DNZff    10.080000: xs_write: (0x7f20)
       libvirtd-5       [000] DNZff    10.083000: xs_write__ret: (0x7f21 <- 0x7f20)
       libvirtd-5       [000] DNZff    10.084000: xs_write__ret: (0x7f21 <- 0x7f20)
          other-99      [000] .....    11.000000: sched_process_exec: filename=/etc/xen/scripts/block pid=99 old_pid=99
'''


def data(**more):
    part = dict.fromkeys(report.PHASES, 10.0) | {'total': 70.0, 'programs': 3, 'forks': 4}
    rows = [{'tool': 'xl', 'case': 'pv-tiny', 'traces': [{'start': part, 'destroy': part}],
             'counts': {'1': {'start': [50.0, 52.0, 51.0, 51.0, 51.0], 'destroy': [5.0] * 5},
                        '8': {'start': [400.0], 'destroy': [40.0]}}},
            {'tool': 'xlvirtd', 'case': 'pv-tiny', 'traces': [], 'counts': {}, 'problem': 'no <room> & no time'}]
    host = {'xen': '4.17', 'linux': '6.1', 'libvirt': '9.0', 'cpus': 1, 'memory_mb': 4096, 'dom0_mb': 768}
    return {'host': host, 'idle': {'xl': None, 'xlvirtd': [60.0, 61.0, 62.0]}, 'results': rows} | more


class Timeline(unittest.TestCase):
    def test_phases(self):
        parts = timeline.phases(timeline.parse(TRACE.splitlines()), 10.0, 10.1)
        expected = {'client': 10, 'unpack': 40, 'hotplug': 10, 'xenstore': 3, 'load': 0, 'memory': 0, 'rest': 37}
        for phase, ms in expected.items():
            self.assertAlmostEqual(parts[phase], ms, 3, phase)
        self.assertAlmostEqual(sum(parts[phase] for phase in timeline.PHASES), parts['total'])
        self.assertEqual((parts['programs'], parts['forks']), (3, 1))

    def test_side_by_side(self):
        spans = [('xenstore', 0.0, 4.0), ('unpack', 1.0, 2.0), ('unpack', 1.5, 3.0)]
        self.assertEqual({k: v for k, v in timeline.charge(spans, 0.0, 5.0).items() if v},
                         {'unpack': 2.0, 'xenstore': 2.0, 'rest': 1.0})

    def test_beyond_the_ends(self):
        parts = timeline.charge([('load', -3.0, 9.0)], 0.0, 2.0)
        self.assertEqual(parts['load'], 2.0)

    def test_every_phase_is_shown(self):
        self.assertEqual(sorted(report.PHASES), sorted(timeline.PHASES))

    def test_function_in_a_library(self):
        path = pathlib.Path('/lib/x86_64-linux-gnu') / (ctypes.util.find_library('z') or 'none')
        if not path.exists():
            self.skipTest('no zlib here')
        found = timeline.find_functions(path, {'inflate', 'no_such_function'})
        self.assertEqual(list(found), ['inflate'])
        symbols = subprocess.run(['nm', '-D', str(path)], capture_output=True, text=True, check=True).stdout
        address = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(' T inflate'))
        self.assertEqual(timeline.file_offset(path.read_bytes(), address), found['inflate'])


class Plan(unittest.TestCase):
    def setUp(self):
        self.args = argparse.Namespace(runs=5, slow_runs=1, traced=3, count=[1, 8, 16], case=list(report.CASES),
                                       tool=list(report.TOOLS))

    def test_every_cell_once(self):
        cells = [(item['tool'], item['case'], item['counts'][0]) for item in bench.items(self.args)]
        self.assertEqual(len(cells), len(set(cells)))
        for tool in bench.MAIN:
            for case in report.CASES:
                for count in self.args.count:
                    self.assertIn((tool, case, count), cells)

    def test_rounds(self):
        rounds = {(item['tool'], item['case'], item['counts'][0]): item['runs'] for item in bench.items(self.args)}
        self.assertEqual(rounds['xl', 'pv-linux', 1], 5)
        self.assertEqual(rounds['xl', 'pv-linux', 8], 1)
        self.assertEqual(rounds['stock', 'pv-tiny-devices', 8], 5)
        self.assertEqual(rounds['stock', 'pv-tiny-devices', 16], 1)
        self.assertEqual({n for (tool, _, _), n in rounds.items() if tool == 'xlvirtd'}, {5})

    def test_what_is_missing(self):
        self.args.tool, self.args.case, self.args.count = ['xlvirtd'], ['pv-tiny'], [1]
        item, = bench.items(self.args)
        results = data()
        self.assertFalse(bench.is_done(results, item))
        part = {'start': [1.0] * 5, 'destroy': [1.0] * 5}
        bench.merge(results, item, {'host': results['host'], 'idle': None, 'row': {
            'counts': {'1': part}, 'traces': [{}] * 3}})
        self.assertTrue(bench.is_done(results, item))
        self.assertNotIn('problem', bench.find_row(results, 'xlvirtd', 'pv-tiny'))
        self.assertEqual(results['idle']['xlvirtd'], [60.0, 61.0, 62.0])
        self.args.count, self.args.traced = [8], 3
        later, = bench.items(self.args)
        self.assertFalse(bench.is_done(results, later))
        bench.merge(results, later, {'host': results['host'], 'idle': None, 'row': {
            'counts': {'8': part}, 'traces': []}})
        self.assertTrue(bench.is_done(results, item))
        self.assertTrue(bench.is_done(results, later))


class Report(unittest.TestCase):
    def setUp(self):
        self.results = report.Results(data())

    def test_cells(self):
        for runs, expected in ((5, '51'), (3, '51 (5)')):
            self.assertEqual(report.cell(self.results, 'xl', 'pv-tiny', 1, 'start', runs), expected)
        self.assertEqual(report.cell(self.results, 'xl', 'pv-tiny', 8, 'start', 5), '400 (1)')
        self.assertEqual(report.cell(self.results, 'xl', 'pv-tiny', 16, 'start', 5), '-')
        self.assertEqual(report.cell(self.results, 'xlvirtd', 'pv-tiny', 1, 'start', 5), 'failed')

    def test_markdown(self):
        text = report.markdown(self.results, 5, 'xen.svg')
        for words in ('| xl | 51 | 400 (1) | 5.0 | 40 (1) |', '| xlvirtd | 61 |', 'no <room> & no time', '](xen.svg)'):
            self.assertIn(words, text)
        widths = {}
        for line in text.splitlines():  # each table's rows have as many cells as its head
            if not line.startswith('|'):
                widths = {}
                continue
            widths.setdefault('head', line.count('|'))
            self.assertEqual(line.count('|'), widths['head'], line)

    def test_svg(self):
        root = ET.fromstring(report.svg(self.results))
        bars = [r for r in root.iter('{http://www.w3.org/2000/svg}rect') if len(r)]
        self.assertEqual(len(bars), len(report.PHASES))
        whole = sum(float(r.get('width')) for r in bars)
        self.assertAlmostEqual(whole, report.WIDTH - report.LEFT - report.RIGHT, delta=1)
        for text in root.iter('{http://www.w3.org/2000/svg}text'):
            self.assertLessEqual(float(text.get('x')), report.WIDTH)


if __name__ == '__main__':
    tap.main()
