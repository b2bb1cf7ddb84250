#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xen2libvirt --host: a whole old host, without a libvirt. What is found, the plan, the reports."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path.insert(0, str(SOURCE / 'tests'))
import tap  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
OLD_HOST = SOURCE / 'examples/old-host'
SCHEMA = SOURCE / 'docs/report.schema.json'
XHTML = '{http://www.w3.org/1999/xhtml}'
UUID = '6d2f0c5e-3f4b-4c55-8f53-1f4b3f0f4d%02d'


def xl(name, more='', **keys):
    keys = {'type': 'pv', 'memory': 64, 'kernel': '/proc/version', **keys}
    return f'name = "{name}"\n' + ''.join(f'{k} = {json.dumps(v)}\n' for k, v in keys.items()) + more


def xm(name, more=''):
    return f"name = '{name}'\nmemory = 64\nkernel = '/proc/version'\non_xend_start = 'ignore'\n{more}"


def sxp(name, uuid, more=''):
    return (f'(domain (name {name}) (uuid {uuid}) (memory 64) (maxmem 64) (vcpus 1) {more}'
            f' (image (linux (kernel /proc/version))))\n')


class Host(unittest.TestCase):
    """An old host in a temporary folder, and no libvirt anywhere."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        self.root = self.dir / 'host'
        (self.root / 'etc/xen').mkdir(parents=True)
        self.env = {**os.environ, 'LIBVIRT_DEFAULT_URI': f'xen+unix:///system?socket={self.dir}/none',
                    'SOURCE_DATE_EPOCH': '1262304000', 'LC_ALL': 'C.UTF-8'}

    def put(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_tool(self, *args, host=None, status=0):
        command = [str(PROGRAM), '--host', str(host or self.root), *map(str, args)]
        result = subprocess.run(command, text=True, capture_output=True, timeout=180, env=self.env)
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def report(self, *args, host=None, status=0):
        path = self.dir / 'r.json'
        result = self.run_tool('--dry-run', '--report', path, *args, host=host, status=status)
        self.stdout, self.stderr = result.stdout, result.stderr
        return json.loads(path.read_text())

    def domain(self, report, name):
        found = [d for d in report['domains'] if d['name'] == name and d['repeats'] is None]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def findings(self, report, code):
        return [f for f in report['findings'] if f['code'] == code]

    def xml(self, name):
        out = self.dir / 'out'
        shutil.rmtree(out, ignore_errors=True)
        result = self.run_tool('--output-dir', out)
        return ET.parse(out / f'{name}.xml'), result


class Example(Host):
    def test_without_a_libvirt(self):
        report = self.report(host=OLD_HOST)
        self.assertIn('could not be compared', self.stderr)
        self.assertFalse(report['target']['reached'])
        self.assertEqual(report['summary']['domains'], 12)
        self.assertEqual(report['summary']['actions']['new'], 12)
        self.assertEqual(report['summary']['failed'], 0)
        self.assertEqual(self.stdout.count('would be defined'), 12)
        self.assertIn('Plan for the new host', self.stdout)
        autostart = {d['name'] for d in report['domains'] if d['autostart']}
        self.assertEqual(autostart, {'intranet', 'resolver', 'shop-db', 'desktop'})

    def test_plan(self):
        plan = self.report(host=OLD_HOST)['plan']
        config = (OLD_HOST / 'etc/xen/xend-config.sxp').read_text().splitlines()
        keys = {row['key']: row for row in plan['keys'] if row['file'].endswith('xend-config.sxp')}
        self.assertEqual(len(keys), sum(line.startswith('(') for line in config))
        for row in keys.values():
            self.assertIn(f"({row['key']} ", config[row['line'] - 1])
            self.assertTrue(row['reason'] or row['result'], row)
        self.assertEqual(keys['dom0-min-mem']['result'], 'dom0_mem=512M,max:512M')
        self.assertEqual(keys['dom0-cpus']['result'], 'dom0_max_vcpus=2')
        self.assertEqual(keys['enable-dom0-ballooning']['result'], 'autoballoon="off"')
        bridges = {b['name']: b for b in plan['bridges']}
        self.assertEqual((bridges['xenbr0']['port'], bridges['xenbr0']['address'], bridges['xenbr0']['gateway']),
                         ('eth0', '192.0.2.10/24', '192.0.2.1'))
        self.assertEqual((bridges['br-lan']['port'], bridges['br-lan']['dhcp']), ('eth1', True))
        self.assertEqual((bridges['br-dmz']['port'], bridges['br-dmz']['origin']), ('eth2', 'system'))
        self.assertEqual(bridges['br-san']['origin'], 'domains')
        texts = {t['id']: t['text'] for t in plan['texts']}
        self.assertEqual(texts['xen-command-line'], 'dom0_mem=512M,max:512M dom0_max_vcpus=2\n')
        self.assertIn('iface xenbr0 inet static\n    address 192.0.2.10/24', texts['ifupdown'])
        self.assertIn('Name=xenbr0\nKind=bridge', texts['networkd'])
        self.assertIn("BRIDGE_PORTS='eth0'", texts['wicked'])
        self.assertIn('ifname br-lan', texts['networkmanager'])
        self.assertEqual(texts['libvirt-guests'], 'ON_SHUTDOWN=suspend\nON_BOOT=start\n')

    def test_defaults_reach_the_domains(self):
        report = self.report(host=OLD_HOST)
        rows = {k['key']: k for k in self.domain(report, 'winapp')['keys'] if k['outcome'] == 'host-default'}
        self.assertEqual(rows['vnclisten']['value'], '192.0.2.10')
        self.assertRegex(rows['vnclisten']['reason'], r'^from vnc-listen, .*xend-config\.sxp:13$')
        self.assertNotIn('keymap', rows)  # its config has one

    def test_every_key_is_accounted_for(self):
        report = self.report(host=OLD_HOST)
        for name in ('win2k3', 'intranet'):
            text = (OLD_HOST / f'etc/xen/{name}.cfg').read_text()
            assigned = set(re.findall(r'^(\w+) *=', text, re.M)) - {'machine', 'libdir', 'images'}
            told = {re.match(r'\w*', k['key'])[0] for k in self.domain(report, name)['keys']}
            self.assertEqual(assigned - told, set(), name)


class Reports(Host):
    def setUp(self):
        super().setUp()
        self.put('etc/xen/evil.cfg', xl('<b>&"\'\\u001b[31m', disk=['/no/<script>alert(1)</script>,raw,xvda,w'],
                                        no_such='</pre><img src=x>').replace('\\u001b', '\x1b'))
        self.put('etc/xen/xend-config.sxp', "(vncpasswd 'hushhush')\n(\"</td><script>\" 'a|b`c')\n(keymap ']]>')\n")
        self.put('etc/xen/vnc.cfg', xm('vnc', "builder='hvm'\nvnc=1\n"))
        self.put('etc/xen/fun<i>.cfg', 'name = "broken\n')

    def write(self, *names, host=None, status=0):
        paths = [self.dir / name for name in names]
        self.run_tool('--dry-run', *(a for p in paths for a in ('--report', p)), host=host, status=status)
        return [p.read_text() for p in paths]

    def test_html_is_well_formed(self):
        for host, status in ((OLD_HOST, 0), (self.root, 1)):
            text, = self.write('r.html', host=host, status=status)
            tree = ET.fromstring(text)  # XML: nothing is left open, nothing unescaped
            self.assertEqual(tree.tag, XHTML + 'html')
            ids = [e.get('id') for e in tree.iter() if e.get('id')]
            self.assertEqual(len(ids), len(set(ids)))
            for link in tree.iter(XHTML + 'a'):
                self.assertIn(link.get('href')[1:], ids)
            check = subprocess.run(['xmllint', '--html', '--noout', self.dir / 'r.html'], text=True,
                                   capture_output=True)
            # libxml2 knows the elements of HTML 4 only.
            errors = [line for line in check.stderr.splitlines() if re.search(r'HTML parser error|parser error', line)
                      and not re.search(r'Tag (main|nav|section|header|details|summary) invalid', line)]
            self.assertEqual(errors, [])

    def test_html_is_self_contained_and_inert(self):
        text, = self.write('r.html', status=1)
        tree = ET.fromstring(text)
        for element in tree.iter():
            for attribute in ('src', 'href', 'data', 'action', 'background'):
                self.assertTrue(element.get(attribute, '#').startswith('#'), (element.tag, element.attrib))
            self.assertFalse([a for a in element.attrib if a.startswith('on')])
        self.assertEqual(len(list(tree.iter(XHTML + 'script'))), 1)
        self.assertEqual(list(tree.iter(XHTML + 'img')) + list(tree.iter(XHTML + 'link')), [])
        self.assertNotIn('url(', text)
        self.assertNotIn('\x1b', text)
        self.assertIn('prefers-color-scheme:dark', text)
        self.assertIn('@media print', text)

    def test_markdown_is_inert(self):
        text, = self.write('r.md', status=1)
        outside = re.sub(r'`[^`\n]*`', '', re.sub(r'^(```|~~~).*?^\1', '', text, flags=re.M | re.S))
        self.assertNotRegex(outside, r'(?<!\\)<')
        self.assertNotIn('\x1b', text)
        for line in text.splitlines():
            if line.startswith('| `') and not line.endswith(' |'):
                self.fail(line)

    def test_json_follows_its_schema(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest('python3-jsonschema is not installed')
        schema = json.loads(SCHEMA.read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        for host, status in ((OLD_HOST, 0), (self.root, 1)):
            text, = self.write('r.json', host=host, status=status)
            jsonschema.validate(json.loads(text), schema)

    def test_schema_knows_each_word(self):
        """An outcome, action, severity or place that the program has stands in the schema, and the other way."""
        definitions = json.loads(SCHEMA.read_text())['definitions']
        tables = {'outcome': ('x2l-report.c', r'\[X2L_CATEGORY_\w+\] = \{ "([a-z-]+)"'),
                  'action': ('x2l-report.c', r'\[X2L_ACTION_\w+\] = \{ "([a-z-]+)"'),
                  'place': ('x2l-site.c', r'\[X2L_PLACE_\w+\] = \{ "([a-z.-]+)"'),
                  'severity': ('x2l-check.c', r'\[X2L_(?:NOTE|WARNING|SEVERE)\] = "([a-z]+)"')}
        for name, (file, pattern) in tables.items():
            words = re.findall(pattern, (SOURCE / 'tools/convert' / file).read_text())
            self.assertEqual(sorted(words), sorted(definitions[name]['enum']), name)

    def test_no_password(self):
        for text in self.write('r.html', 'r.json', 'r.md', status=1):
            self.assertNotIn('hushhush', text)
        result = self.run_tool('--dry-run', '-v', status=1)
        self.assertNotIn('hushhush', result.stdout + result.stderr)
        self.assertNotIn('\x1b', result.stdout + result.stderr)

    def test_same_report_each_time(self):
        first = self.write('r.json', 'r.html', 'r.md', host=OLD_HOST)
        self.assertEqual(first, self.write('r.json', 'r.html', 'r.md', host=OLD_HOST))

    def test_keys_in_our_namespace(self):
        self.put('etc/xen/ours.cfg', xl('ours', ioports=['2f8-2ff'], nomigrate=1,
                                        disk=['/a,raw,xvda,w', 'vdev=xvdb,format=raw,direct-io-safe,target=/b']))
        domain = self.domain(self.report(status=1), 'ours')
        outcomes = {key['key']: key['outcome'] for key in domain['keys']}
        self.assertEqual((outcomes['name'], outcomes['disk[0]']), ('carried', 'carried'))
        self.assertEqual({k.split('[')[0] for k, o in outcomes.items() if o == 'namespace'},
                         {'ioports', 'nomigrate', 'disk'})

    def test_other_names_are_refused(self):
        result = self.run_tool('--dry-run', '--report', 'r.pdf', status=1)
        self.assertIn('.json, .html or .md', result.stderr)

    def test_report_of_paths(self):
        path = self.dir / 'p.json'
        result = subprocess.run([PROGRAM, '-c', '--report', path, self.root / 'etc/xen/vnc.cfg'], text=True,
                                capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(path.read_text())
        self.assertNotIn('plan', report)
        self.assertEqual([d['name'] for d in report['domains']], ['vnc'])
        self.assertEqual(report['domains'][0]['action'], 'converted')
        self.assertGreater(len(report['domains'][0]['keys']), 5)


class Defaults(Host):
    def test_xend(self):
        self.put('etc/xen/xend-config.sxp', "(vif-script vif-route)\n(vnc-listen '0.0.0.0')\n(vncpasswd s3)\n"
                 "(keymap de)\n(enable-dump yes)\n")
        self.put('etc/xen/quiet', xm('quiet', "builder='hvm'\nvnc=1\nvif=['mac=00:16:3e:00:00:01','bridge=br1,"
                                     "mac=00:16:3e:00:00:02','script=vif-nat,mac=00:16:3e:00:00:03']\n"))
        self.put('etc/xen/loud', xm('loud', "builder='hvm'\nvnc=1\nvnclisten='127.0.0.1'\nvncpasswd=''\nkeymap='fr'\n"
                                    "on_crash='preserve'\n"))
        quiet, result = self.xml('quiet')
        graphics = quiet.find('devices/graphics')
        self.assertEqual((graphics.get('listen'), graphics.get('passwd'), graphics.get('keymap')),
                         ('0.0.0.0', 's3', 'de'))
        self.assertEqual(quiet.findtext('on_crash'), 'coredump-restart')
        one, two, three = quiet.findall('devices/interface')
        self.assertEqual((one.get('type'), one.find('script').get('path')), ('ethernet', 'vif-route'))
        self.assertEqual((two.get('type'), two.find('script').get('path'), two.find('source').get('bridge')),
                         ('bridge', 'vif-route', 'br1'))
        self.assertEqual(three.find('script').get('path'), 'vif-nat')
        self.assertNotIn('xenbr0', result.stderr)  # no assumption is told that was not made
        loud = ET.parse(self.dir / 'out/loud.xml')
        graphics = loud.find('devices/graphics')
        self.assertEqual((graphics.get('listen'), graphics.get('passwd'), graphics.get('keymap')),
                         ('127.0.0.1', None, 'fr'))
        self.assertEqual(loud.findtext('on_crash'), 'preserve')
        told = self.run_tool('--dry-run', '-v').stderr
        self.assertRegex(told, r'quiet: vnclisten: not given: 0\.0\.0\.0, from \S+xend-config\.sxp:2 \(vnc-listen\)')
        self.assertIn('vncpasswd: not given: ***', told)

    def test_bridge_of_the_network_script(self):
        self.put('etc/xen/xend-config.sxp', "(network-script 'network-bridge netdev=eth3 bridge=br9')\n")
        self.put('var/lib/xend/domains/x/config.sxp',
                 sxp('a', UUID % 1, '(device (vif (mac 00:16:3e:00:00:09))) (device (vif (bridge b)))'))
        tree, result = self.xml('a')
        self.assertEqual([s.get('bridge') for s in tree.findall('devices/interface/source')], ['br9', 'b'])
        self.assertNotIn('xenbr0', result.stderr)

    def test_xl_has_its_own(self):
        self.put('etc/xen/xend-config.sxp', "(vif-script vif-route)\n(vnc-listen '0.0.0.0')\n")
        self.put('etc/xen/xl.conf', 'vif.default.bridge="br7"\nvif.default.backend="net"\n')
        self.put('etc/xen/a.cfg', xl('a', type='hvm', vnc=1, vif=['mac=00:16:3e:00:00:01']))
        tree, result = self.xml('a')
        self.assertEqual(tree.find('devices/interface/source').get('bridge'), 'br7')
        self.assertEqual(tree.find('devices/interface/backenddomain').get('name'), 'net')
        self.assertIsNone(tree.find('devices/interface/script'))
        self.assertNotEqual(tree.find('devices/graphics').get('listen'), '0.0.0.0')

    def test_plain_files_are_the_toolstacks(self):
        self.put('etc/xen/plain', 'name = "plain"\nmemory = 64\nkernel = "/proc/version"\n')
        self.assertEqual(self.report()['domains'][0]['format'], 'xen-xl')
        self.put('etc/xen/xend-config.sxp', '(xend-unix-server yes)\n')
        report = self.report()
        self.assertEqual(report['domains'][0]['format'], 'xen-xm')
        self.assertEqual(len(self.findings(report, 'auto-read-as')), 1)
        self.put('etc/default/xen', '# Debian\nTOOLSTACK=xl\n')
        self.assertEqual(self.report()['domains'][0]['format'], 'xen-xl')
        self.assertEqual(self.report('-f', 'xm')['domains'][0]['format'], 'xen-xm')

    def test_uuid_and_mac_stay(self):
        self.put('etc/xen/a.cfg', xl('a', vif=['bridge=b']))
        first, _ = self.xml('a')
        second, _ = self.xml('a')
        self.assertEqual(first.findtext('uuid'), second.findtext('uuid'))
        self.assertRegex(first.findtext('uuid'), r'^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]')
        self.assertEqual(first.find('devices/interface/mac').get('address'),
                         second.find('devices/interface/mac').get('address'))
        # The path on the old host counts, not where it is mounted.
        moved = self.dir / 'elsewhere'
        self.root.rename(moved)
        self.root = moved
        self.assertEqual(self.xml('a')[0].findtext('uuid'), first.findtext('uuid'))

    def test_a_broken_xend_config_is_named(self):
        self.put('etc/xen/xend-config.sxp', '(vif-script vif-route\n')
        self.put('etc/xen/a.cfg', xl('a'))
        report = self.report()
        self.assertRegex(self.findings(report, 'host-config')[0]['text'], r'xend-config\.sxp:\d')


class Duplicates(Host):
    def test_the_store_wins(self):
        store = self.put('var/lib/xend/domains/1/config.sxp', sxp('web', UUID % 1))
        self.put('etc/xen/web', xm('web', f"uuid = '{UUID % 2}'\n"))
        self.put('etc/xen/other', xm('renamed', f"uuid = '{UUID % 1}'\n"))
        (self.root / 'etc/xen/auto').mkdir()
        (self.root / 'etc/xen/auto/web').symlink_to('../web')
        report = self.report()
        found = self.findings(report, 'shadowed')
        self.assertEqual({f['severity'] for f in found}, {'warning'})
        self.assertEqual(len(found), 2)
        self.assertIn(f'{store}, which counts', found[0]['text'])
        self.assertEqual(self.domain(report, 'web')['file'], str(store))
        self.assertTrue(self.domain(report, 'web')['autostart'])
        self.assertEqual(report['summary']['domains'], 1)

    def test_another_store(self):
        self.put('etc/xen/xend-config.sxp', '(xend-domains-path /srv/xend)\n')
        self.put('srv/xend/1/config.sxp', sxp('there', UUID % 1))
        self.put('var/lib/xend/domains/1/config.sxp', sxp('not', UUID % 2))
        self.assertEqual([d['name'] for d in self.report()['domains']], ['there'])

    def test_two_files(self):
        self.put('etc/xen/a.cfg', xl('web'))
        self.put('etc/xen/b.cfg', xl('web'))
        report = self.report(status=1)
        self.assertRegex(self.findings(report, 'duplicate')[0]['text'], r'b\.cfg: .*web.*a\.cfg')
        self.assertEqual(report['summary']['actions']['blocked'], 1)

    def test_a_copy_in_auto(self):
        self.put('etc/xen/a.cfg', xl('web'))
        self.put('etc/xen/auto/a.cfg', xl('web'))
        report = self.report()
        self.assertEqual(len(self.findings(report, 'auto-copy')), 1)
        self.assertTrue(self.domain(report, 'web')['autostart'])
        self.assertTrue(self.domain(report, 'web')['file'].endswith('/etc/xen/a.cfg'))


class Findings(Host):
    def codes(self, report, name=None):
        return sorted((f['code'], f['text']) for f in report['findings'] if name is None or f['domain'] == name)

    def test_disks(self):
        self.put('srv/here.img', '')
        self.put('etc/lvm/backup/vg0', 'vg0 {\n logical_volumes {\n  known {\n  }\n }\n}\n')
        (self.root / 'srv/link.img').symlink_to('/srv/here.img')
        self.put('etc/xen/a.cfg', xl('a', disk=[
            '/srv/here.img,raw,xvda,w', '/srv/link.img,raw,xvdb,w', '/srv/gone.img,raw,xvdc,w',
            'phy:/dev/vg0/known,xvdd,w', 'phy:/dev/mapper/vg0-un--known,xvde,w', 'phy:/dev/sdq7,xvdf,w',
            'phy:/dev/null,xvdg,w', '/etc/hostname,raw,xvdh,r', ',empty,xvdi,cdrom']))
        report = self.report()
        self.assertEqual(self.codes(report, 'a'), [
            ('bring-along', f'xvda: /srv/here.img is below {self.root}'),
            ('bring-along', f'xvdb: /srv/link.img is below {self.root}'),
            ('device-missing', 'xvdf: /dev/sdq7'),
            ('device-name', 'xvdf: /dev/sdq7'),
            ('disk-kind', 'xvdg: /dev/null is no block device'),
            ('image-missing', 'xvdc: /srv/gone.img'),
            ('volume-missing', 'xvdd: /dev/vg0/known (volume known of group vg0)'),
            ('volume-missing', 'xvde: /dev/mapper/vg0-un--known (volume un--known of group vg0)')])
        advice = [f['advice'] for f in self.findings(report, 'volume-missing')]
        self.assertIn("vgchange -ay vg0", advice[0])
        self.assertIn('does not know', advice[1])

    def test_what_boots(self):
        self.put('boot/old', '')
        self.put('etc/xen/a.cfg', xl('a', kernel='/boot/none', ramdisk='/boot/old'))
        self.put('etc/xen/b.cfg', xl('b', f'bootloader = "/usr/lib/xen/boot/domUloader.py"\n'
                                     'bootargs = "--entry=xvda2:/boot/vmlinuz-xen,/boot/initrd-xen"\n', kernel=''))
        report = self.report()
        self.assertEqual(self.codes(report, 'a'), [('bring-along', f'ramdisk: /boot/old is below {self.root}'),
                                                   ('kernel-missing', 'kernel: /boot/none')])
        found = self.findings(report, 'domuloader')[0]
        self.assertIn('--kernel=/boot/vmlinuz-xen --ramdisk=/boot/initrd-xen', found['advice'])

    def test_across_domains(self):
        disk = ['/etc/hostname,raw,xvda,w']
        self.put('etc/xen/a.cfg', xl('a', vif=['mac=00:16:3e:00:00:01,bridge=b'], disk=disk, vnc=1, vncdisplay=4,
                                     type='hvm'))
        self.put('etc/xen/b.cfg', xl('b', vif=['mac=00:16:3E:0:0:1,bridge=b,backend=net'], disk=disk, vnc=1,
                                     vncdisplay=4, type='hvm'))
        report = self.report()
        self.assertEqual(self.codes(report, 'a'), [])
        self.assertEqual(self.codes(report, 'b'), [
            ('backend-missing', "'net' is none of the domains here"),
            ('disk-shared', "xvda: /etc/hostname is written by 'a', too"),
            ('mac-duplicate', "interface 1: 00:16:3e:00:00:01 is in 'a', too"),
            ('vnc-port', "port 5904 is that of 'a', too")])

    def test_a_name_cannot_make_a_line(self):
        self.put('etc/xen/a.cfg', 'name = "a\\nb"\nmemory = 64\nkernel = "/proc/version"\n')
        self.put('etc/xen/b\n.cfg', xl('b\tc'))
        report = self.report(status=1)
        self.assertEqual([d['name'] for d in report['domains']], ['b\tc'])
        self.assertEqual(len(self.findings(report, 'unreadable')), 1)
        self.assertIn('b\\n.cfg', self.stdout)
        self.assertIn("'b\\x09c'", self.stdout)

    def test_a_script_knows_its_disk(self):
        self.put('etc/xen/a.cfg', xl('a', disk=['vdev=xvda,format=raw,script=block-x,target=/gone']))
        self.assertEqual(self.codes(self.report(), 'a'), [])


class Foreign(Host):
    """A root that someone else filled."""

    def test_links_stay_inside(self):
        outside = self.dir / 'outside.cfg'
        outside.write_text(xl('outside'))
        self.put('srv/real.cfg', xl('real'))
        links = {'abs.cfg': '/srv/real.cfg', 'up.cfg': '../../../../../../srv/real.cfg',
                 'out.cfg': str(outside), 'rel-out.cfg': '../../../outside.cfg', 'loop.cfg': 'loop.cfg',
                 'a.cfg': 'b.cfg', 'b.cfg': 'a.cfg'}
        for name, target in links.items():
            (self.root / 'etc/xen' / name).symlink_to(target)
        report = self.report(status=1)
        self.assertEqual([d['name'] for d in report['domains']], ['real'])
        texts = ' '.join(f['text'] for f in self.findings(report, 'unreadable'))
        for name in ('out.cfg', 'rel-out.cfg'):
            self.assertIn(f'{name}: the link leads nowhere', texts)
        for name in ('loop.cfg', 'a.cfg', 'b.cfg'):
            self.assertIn(f'{name}: the link leads in a circle', texts)

    def test_etc_xen_itself_is_a_link(self):
        shutil.rmtree(self.root / 'etc/xen')
        (self.root / 'etc/xen').symlink_to('/srv/xen')
        self.put('srv/xen/a.cfg', xl('a'))
        self.put('srv/xen/xend-config.sxp', '(dom0-cpus 3)\n')
        report = self.report()
        self.assertEqual([d['name'] for d in report['domains']], ['a'])
        self.assertEqual(report['plan']['keys'][0]['result'], 'dom0_max_vcpus=3')

    def test_auto_is_resolved_inside(self):
        self.put('srv/a.cfg', xl('a'))
        self.put('etc/xen/b.cfg', xl('b'))
        (self.root / 'etc/xen/auto').mkdir()
        (self.root / 'etc/xen/auto/a').symlink_to('/srv/a.cfg')
        (self.root / 'etc/xen/auto/b').symlink_to('/etc/xen/b.cfg')
        (self.root / 'etc/xen/auto/gone').symlink_to('/etc/xen/gone.cfg')
        report = self.report(status=1)
        self.assertEqual([(d['name'], d['autostart']) for d in report['domains']], [('b', True), ('a', True)])

    def test_things_that_are_no_files(self):
        os.mkfifo(self.root / 'etc/xen/fifo.cfg')
        (self.root / 'etc/xen/link.cfg').symlink_to('fifo.cfg')
        os.mkfifo(self.root / 'etc/xen/xend-config.sxp')
        os.mkfifo(self.root / 'etc/xen/xl.conf')
        self.put('etc/xen/a.cfg', xl('a'))
        report = self.report()
        self.assertEqual([d['name'] for d in report['domains']], ['a'])
        self.assertEqual({s['reason'] for s in report['skipped'] if '.cfg' in s['file']}, {'no regular file'})
        self.assertEqual(len(self.findings(report, 'host-config')), 2)

    def test_deep_folders(self):
        path = self.root / 'etc/xen'
        for _ in range(80):
            path = path / 'd'
        path.mkdir(parents=True)
        report = self.report(status=1)
        self.assertIn('nested too deep', report['findings'][0]['text'])

    def test_no_xen_host(self):
        empty = self.dir / 'empty'
        empty.mkdir()
        result = self.run_tool('--dry-run', host=empty, status=1)
        self.assertIn('no old Xen host', result.stderr)
        result = self.run_tool('--dry-run', host=self.dir / 'nowhere', status=1)
        self.assertIn('No such file', result.stderr)

    def test_domain_zero_is_no_guest(self):
        self.put('var/lib/xend/domains/0/config.sxp', sxp('Domain-0', '00000000-0000-0000-0000-000000000000'))
        self.put('var/lib/xend/domains/1/config.sxp', sxp('web', UUID % 1))
        self.assertEqual([d['name'] for d in self.report()['domains']], ['web'])


class Options(Host):
    def test_strict(self):
        self.put('etc/xen/a.cfg', xl('a'))
        self.run_tool('--dry-run', '--strict')
        self.put('etc/xen/b.cfg', xl('b', no_such_key=1))
        self.run_tool('--dry-run')
        self.run_tool('--dry-run', '--strict', status=2)
        self.put('etc/xen/c.cfg', 'name = "c\n')
        self.run_tool('--dry-run', '--strict', status=1)

    def test_jobs_change_nothing(self):
        for number in range(150):
            self.put(f'etc/xen/{number:03}.cfg', xl(f'd{number}', odd=number) if number % 7 else 'name = "x\n')
        results = [self.run_tool('-c', '--jobs', jobs, status=1) for jobs in (1, 2, 5, 64)]
        for result in results[1:]:
            self.assertEqual((result.stdout, result.stderr), (results[0].stdout, results[0].stderr))
        self.assertEqual(results[0].stdout.count('<domain '), 128)

    def test_options_that_do_not_go_together(self):
        self.assertIn('one too many', self.run_tool('x.cfg', status=1).stderr)
        self.assertIn('--to-native', self.run_tool('--to-native', 'xl', status=1).stderr)
        self.assertIn('--atomic', self.run_tool('--atomic', '-c', status=1).stderr)
        self.assertIn('--jobs', self.run_tool('--jobs', '-3', '-c', status=1).stderr)

    def on_terminal(self, **env):
        """What the program writes on a terminal of its own."""
        main, side = pty.openpty()
        process = subprocess.Popen([PROGRAM, '--host', self.root, '--dry-run'], stdout=side, stderr=side, stdin=side,
                                   env={**self.env, 'TERM': 'xterm', **env})
        os.close(side)
        data = b''
        while select.select([main], [], [], 60)[0]:
            try:
                chunk = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            data += chunk
        os.close(main)
        self.assertEqual(process.wait(timeout=180), 0)
        return data

    def test_colours(self):
        self.put('etc/xen/a.cfg', xl('a', kernel='/boot/none'))
        self.env.pop('NO_COLOR', None)
        self.assertIn(b'\x1b[31merror', self.on_terminal())
        self.assertNotIn(b'\x1b', self.on_terminal(NO_COLOR='1'))
        self.assertNotIn(b'\x1b', self.on_terminal(TERM='dumb'))
        self.assertNotIn('\x1b', self.run_tool('--dry-run').stderr)


if __name__ == '__main__':
    tap.main()
