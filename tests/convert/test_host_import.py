#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xen2libvirt --host into a running xlvirtd: dry runs, imports, conflicts, all or nothing, twice."""
import json
import os
import pathlib
import shutil
import signal
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
        self.old = pathlib.Path(self.host.root) / 'old'
        shutil.copytree(OLD_HOST, self.old, symlinks=True)

    def put(self, name, text):
        path = self.old / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_tool(self, *args, status=0):
        command = [str(PROGRAM), '--host', str(self.old), '--connect', self.host.uri(), *map(str, args)]
        result = subprocess.run(command, text=True, capture_output=True, timeout=120)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def report(self, *args, status=0):
        path = pathlib.Path(self.host.root) / 'r.json'
        self.result = self.run_tool('--report', path, *args, status=status)
        report = json.loads(path.read_text())
        return report, {d['name']: d for d in report['domains']}

    def virsh(self, *args):
        status, out, err = self.host.virsh(*args)
        self.assertEqual(status, 0, f'{args}: {err}')
        return out

    def names(self):
        names = self.virsh('list', '--all', '--name').split('\n')[:-2]
        return sorted(name for name in names if name != 'Domain-0')

    def state(self):
        starting = set(self.virsh('list', '--all', '--name', '--autostart').split())
        return {name: (self.virsh('dumpxml', '--inactive', '--security-info', name), name in starting)
                for name in self.names()}

    def define(self, name, **more):
        self.virsh('define', self.host.file(f'{name}.xml', harness.domain_xml(name, **more)))

    def test_twice(self):
        report, domains = self.report('--dry-run')
        self.assertTrue(report['target']['reached'])
        self.assertEqual({d['action'] for d in domains.values()}, {'new'})
        self.assertEqual(self.names(), [])
        report, domains = self.report()
        self.assertEqual(report['summary']['actions']['new'], 12)
        before = self.state()
        self.assertEqual(sorted(before), sorted(domains))
        self.assertEqual({n for n, (_, auto) in before.items() if auto}, {'intranet', 'resolver', 'shop-db', 'desktop'})
        self.assertIn("<graphics type='vnc' port='-1' autoport='yes' listen='192.0.2.10'", before['winapp'][0])
        for options in (('--dry-run',), ('--dry-run', '--replace'), (), ('--replace',), ('--replace', '--atomic')):
            with self.subTest(options):
                report, domains = self.report(*options)
                self.assertEqual({n: d['action'] for n, d in domains.items()}, {n: 'same' for n in before})
                self.assertEqual(self.state(), before)
        self.assertIn('0 domains defined, 12 there already', self.run_tool().stderr)

    def test_what_would_change(self):
        self.run_tool()
        before = self.state()
        path = self.old / 'etc/xen/resolver.cfg'
        path.write_text(path.read_text().replace('memory = 256', 'memory = 384'))
        report, domains = self.report('--dry-run')
        self.assertEqual(domains['resolver']['action'], 'exists')
        diff = domains['resolver']['diff']
        self.assertIn("\n-  <memory unit='KiB'>262144</memory>\n", diff)
        self.assertIn("\n+  <memory unit='KiB'>393216</memory>\n", diff)
        self.assertIn("+  <memory unit='KiB'>393216</memory>", self.result.stdout)
        self.assertEqual(self.report('--dry-run', '--replace')[1]['resolver']['action'], 'redefine')
        self.run_tool()
        self.assertEqual(self.state(), before)
        report, domains = self.report('--replace')
        self.assertEqual(report['summary']['actions'], {**report['summary']['actions'], 'redefine': 1, 'same': 11})
        after = self.state()
        self.assertIn('393216', after.pop('resolver')[0])
        before.pop('resolver')
        self.assertEqual(after, before)

    def test_a_password_is_compared_and_not_told(self):
        path = self.old / 'var/lib/xend/domains/39e5f8b7-c6a1-4d28-b1f4-7a8c0d2e5f33/config.sxp'
        self.run_tool()
        path.write_text(path.read_text().replace('xyz zy', 'othersecret'))
        domain = self.report('--dry-run')[1]['winbooks']
        self.assertEqual((domain['action'], domain['diff']), ('exists', 'a password differs\n'))
        self.assertNotIn('othersecret', self.result.stdout + self.result.stderr)

    def test_autostart_is_a_difference(self):
        self.run_tool()
        self.virsh('autostart', '--disable', 'shop-db')
        domain = self.report('--dry-run')[1]['shop-db']
        self.assertEqual((domain['action'], domain['diff']),
                         ('exists', 'autostart: off there, on on the old host\n'))
        self.run_tool('--replace')
        self.assertTrue(self.state()['shop-db'][1])

    def test_conflicts(self):
        self.define('mail')
        self.define('another', uuid='12d8b7e5-f4a9-4c63-9e17-5b0c8a2d6f55')
        before = self.state()
        for options in (('--dry-run',), ('--dry-run', '--replace'), ('--atomic',), ('--atomic', '--replace')):
            report, domains = self.report(*options, status=1)
            self.assertEqual({f['domain'] for f in report['findings'] if f['code'] == 'conflict'}, {'mail', 'winapp'})
            self.assertEqual(self.state(), before)
        self.assertIn('nothing was imported', self.result.stderr)
        report, domains = self.report('--replace', status=1)
        self.assertEqual({n for n, d in domains.items() if d['action'] == 'conflict'}, {'mail', 'winapp'})
        self.assertIn("'another'", domains['winapp']['error'])
        after = self.state()
        self.assertEqual(len(after), 2 + 10)
        self.assertEqual({n: after[n] for n in before}, before)

    def test_all_or_nothing(self):
        self.put('etc/xen/plain.cfg', 'name = "plain"\nmemory = 64\ntype = "pv"\nkernel = "/k"\n')
        self.run_tool()
        self.virsh('autostart', '--disable', 'shop-db')
        self.virsh('undefine', 'archive')
        path = self.old / 'etc/xen/plain.cfg'
        path.write_text(path.read_text().replace('64', '96'))
        before = self.state()
        # The store cannot write this one: a folder is in its way.
        self.put('etc/xen/zz-last.cfg', 'name = "zz-last"\nmemory = 64\ntype = "pv"\nkernel = "/k"\n')
        block = pathlib.Path(self.host.root) / 'etc/libvirt/libxl/zz-last.xml/in-the-way'
        block.mkdir(parents=True)
        report, domains = self.report('--atomic', '--replace', status=1)
        self.assertEqual(domains['zz-last']['action'], 'failed')
        self.assertEqual({n for n, d in domains.items() if d['action'] == 'undone'}, {'archive', 'plain', 'shop-db'})
        self.assertIn('everything was taken back', self.result.stderr)
        self.assertEqual(self.state(), before)
        # Without it, all that is good.
        report, domains = self.report('--replace', status=1)
        self.assertEqual((domains['archive']['action'], domains['plain']['action'], domains['zz-last']['action']),
                         ('new', 'redefine', 'failed'))
        self.assertIn('archive', self.names())
        shutil.rmtree(block.parent)
        self.run_tool('--atomic', '--replace')
        self.assertIn('zz-last', self.names())

    def test_atomic_and_an_unreadable_file(self):
        self.put('etc/xen/broken.cfg', 'name = "broken\n')
        self.report('--atomic', status=1)
        self.assertEqual(self.names(), [])
        self.report(status=1)
        self.assertEqual(len(self.names()), 12)

    def test_interrupted(self):
        for number in range(400):
            self.put(f'etc/xen/{number:03}.cfg', f'name = "n{number}"\nmemory = 64\ntype = "pv"\nkernel = "/k"\n')
        command = [str(PROGRAM), '--host', str(self.old), '--connect', self.host.uri(), '--atomic']
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        harness.wait_for(lambda: len(self.names()) > 3, 'the first domains')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn('everything was taken back', err)
        self.assertEqual(self.names(), [])

    def test_a_config_without_uuid(self):
        self.put('etc/xen/plain.cfg', 'name = "plain"\nmemory = 64\ntype = "pv"\nkernel = "/k"\nvif = ["bridge=b"]\n')
        self.define('plain', uuid='00000000-1111-4222-8333-444444444444')
        domain = self.report('--dry-run', '--replace')[1]['plain']
        self.assertEqual((domain['uuid'], domain['uuid_from'], domain['action']),
                         ('00000000-1111-4222-8333-444444444444', 'target', 'redefine'))
        self.virsh('undefine', 'plain')
        self.assertEqual(self.report()[1]['plain']['uuid_from'], 'derived')
        before = self.state()['plain']
        self.virsh('undefine', 'plain')
        self.run_tool()
        self.assertEqual(self.state()['plain'], before)

    def test_what_the_new_host_has(self):
        self.put('etc/xen/big.cfg', 'name = "big"\nmemory = 99999999\nvcpus = 4000\ntype = "pvh"\nkernel = "/k"\n'
                 'cpus = "3000-3001"\n')
        report, _ = self.report('--dry-run')
        found = {}
        for finding in report['findings']:
            found.setdefault(finding['code'], set()).add(finding['domain'])
        self.assertEqual(found['memory'], {'big'})
        self.assertEqual(found['vcpus'], {'big'})
        self.assertEqual(found['cpu-pinning'], {'big'})
        self.assertIn('build-farm', found['bridge-missing'])
        self.assertIn('mail', found['xen-file'])
        self.assertIn('tape-server', found['pci-missing'])
        self.assertEqual(found['memory-sum'], {None})


if __name__ == '__main__':
    tap.main()
