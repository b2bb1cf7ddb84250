#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No field of libxl's JSON and of XenServer's ova.xml is lost in silence: one case a row of the tables.

Each sample of field_samples.py is a domain of its own; all are converted in one run. docs/FIELDS.md
shows to people what became of them; HV_TEST_REGENERATE=1 writes it.
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import uuid

SOURCE = pathlib.Path(os.environ['XLVIRT_SOURCE'])
sys.path.insert(0, str(SOURCE / 'tests'))
sys.path.insert(0, str(SOURCE / 'tests/convert'))
import field_samples  # noqa: E402
import tap  # noqa: E402
import xva  # noqa: E402

PROGRAM = pathlib.Path(os.environ['XLVIRT_BUILD']) / 'tools/convert/xen2libvirt'
HEADER = pathlib.Path('/usr/include/_libxl_types.h')
PAGE = SOURCE / 'docs/FIELDS.md'
HEAD = '''# What becomes of each field: libxl's JSON and XenServer's ova.xml

Each row was converted by xen2libvirt's own code: `HV_TEST_REGENERATE=1 meson test -C build fields` writes
this page out of tests/convert/field_samples.py, and the test fails when it is not current. *carried in
metadata* is carried in an element of ours, which any libvirt keeps.
'''
WORDS = {'carried': 'carried', 'namespace': 'carried in metadata', 'default': 'says what holds anyway',
         'runtime': 'state of that host or of that run', 'changed': 'carried, with a difference',
         'lost': '**lost**'}


def rows(name):
    """The paths of a table."""
    text = (SOURCE / 'src/conf' / name).read_text()
    text = text[text.index('static const ViaRow rows[]'):]
    text = text[:text.index('\n};')]
    text = re.sub(r'\n\s+"', ' "', text)
    return re.findall(r'(?:^\s+[A-Z_]+\(|\.path = )"([^"]+)"', text, re.M)


def put(tree, path, data):
    *parents, last = path.split('/')
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[last] = data


def uuid_of(name):
    """A uuid of its own, as two domains can't have the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def base_json(name, path):
    kind = next((k for k in ('pvh', 'pv') if f'type.{k}/' in path), 'hvm')
    if path.startswith(('vfbs', 'b_info/bootloader')):
        kind = 'pv'
    return {'c_info': {'type': kind, 'name': name, 'uuid': uuid_of(name)},
            'b_info': {'max_vcpus': 2, 'avail_vcpus': [0, 1], 'max_memkb': 1048576,
                       'target_memkb': 1048576, f'type.{kind}': {}},
            'on_reboot': 'restart', 'on_soft_reset': 'soft_reset'}


def json_sample(name, path, data, with_it):
    tree = base_json(name, path)
    device, _, field = path.partition('/')
    if ('/spice/' in path or '/sdl/' in path) and not path.endswith('enable'):  # means nothing while it is off
        put(tree, path.rpartition('/')[0] + '/enable', 'True')
    if device in field_samples.XL_JSON_DEVICES and field:
        item = copy.deepcopy(field_samples.XL_JSON_DEVICES[device])
        if field.startswith('sdl/') and field != 'sdl/enable':
            item = {'sdl': {'enable': 'True'}, 'vnc': {'enable': 'False'}}
        if with_it:
            put(item, field, data)
        tree[device] = [item]
    elif with_it and data is not None:
        put(tree, path, data)
    if with_it and path == 'b_info/type.hvm/viridian_disable':
        put(tree, 'b_info/type.hvm/viridian_enable', [0])
    return json.dumps(tree, indent=1)


def xva_sample(name, path, data, with_it):
    objects = copy.deepcopy(xva.one_vm())
    if path.startswith('appliance') and with_it:
        objects.append(('VM_appliance', 'Ref:40', {'name_label': 'shop', 'name_description': 'x'}))
    records = {ref: record for _, ref, record in objects}
    vm = records['Ref:0']
    vm.update(name_label=name, uuid=uuid_of(name))
    if path.startswith('PV_'):
        vm.update(domain_type='pv', HVM_boot_policy='')
    if path.startswith('platform/viridian_'):
        vm['platform']['viridian'] = 'true'
    if path in ('VBDs/empty', 'VBDs/VDI'):
        records['Ref:10']['type'] = 'CD'
    where = {'VBDs': 'Ref:10', 'VBDs/VDI': 'Ref:30', 'VBDs/VDI/SR': 'Ref:90', 'VIFs': 'Ref:20',
             'VIFs/network': 'Ref:91'}
    group, _, field = path.rpartition('/')
    if data is None or not with_it:
        pass
    elif path.startswith('appliance'):
        vm['appliance'] = data
    elif path in ('VBDs/VDI', 'VBDs/VDI/SR', 'VIFs/network') or group in where:
        records[where[group]][field] = data
    else:
        put(vm, path.replace('*', 'whatever'), data)
    return xva.ova(objects).decode()


def libxl_fields(text):
    """The fields of libxl_domain_config as JSON names them, by libxl's own header."""
    structs, stack = {}, []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith('typedef struct ') and line.endswith('{') or line in ('struct {', 'union {'):
            stack.append([])
        elif line.startswith('}') and stack:
            fields, name = stack.pop(), line.strip('} ;')
            if stack:
                stack[-1].append((name, fields))
            else:
                structs[name] = fields
        elif stack and line.endswith(';'):
            kind, name = line.rstrip(';').replace('*', ' ').replace('const ', '').split()[-2:]
            stack[-1].append((name, kind))

    def walk(fields, path):
        for name, kind in fields:
            if name.startswith('num_') or name.startswith('colo_'):
                continue
            kind = structs.get(kind, kind) if isinstance(kind, str) else kind
            if name == 'u':  # JSON has the discriminator in the name
                key = 'connection' if path.startswith('channels') else 'type'
                for member, inner in kind:
                    yield from walk(inner, f'{path}{key}.{member}/')
            elif isinstance(kind, list) and name not in WHOLE:
                yield from walk(kind, f'{path}{name}/')
            else:
                yield path + name

    return set(walk(structs['libxl_domain_config'], ''))


# Structs that one row reads whole, and what the name of a union's member says in JSON.
WHOLE = ('vsnds', 'rdms', 'dtdevs', 'vnuma_nodes', 'ioports', 'iomem', 'rdm', 'connectors', 'cpuid')
ELSEWHERE = {'channels/connection', 'pcidevs/func', 'pcidevs/dev', 'pcidevs/bus', 'pcidevs/domain',
             'pcidevs/vdevfn'}


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        (root / 'in').mkdir()
        cls.cases = {}
        for kind, samples, make, suffix in (
                ('xl-json', field_samples.XL_JSON, json_sample, 'json'),
                ('xva', field_samples.XVA, xva_sample, 'xml')):
            for number, (path, data, outcome) in enumerate(samples):
                name = f'{kind}-{number:03d}'
                cls.cases[name] = (kind, path, data, outcome)
                for with_it, one in ((True, name), (False, f'{name}-base')):
                    (root / 'in' / f'{one}.{suffix}').write_text(make(one, path, data, with_it))
        run = subprocess.run([str(PROGRAM), '-r', '--output-dir', str(root / 'out'), '--report',
                              str(root / 'r.json'), str(root / 'in')], capture_output=True, text=True,
                             timeout=200)
        cls.status, cls.stderr = run.returncode, run.stderr
        cls.reports = {d['name']: d for d in json.loads((root / 'r.json').read_text())['domains']}
        cls.xml = {p.stem: p.read_text() for p in (root / 'out').iterdir()}

    def keys_of(self, name, path):
        """Rows of the report about a path: with counts, or below it."""
        pattern = re.compile(''.join(re.escape(part) + r'(?:\[\d+\])?/' for part in
                                     path.replace('*', 'whatever').split('/'))[:-1] + r'(?:[\[/].*)?$')
        return [key for key in self.reports[name]['keys'] if pattern.match(key['key'])]

    def outcome_of(self, name, path):
        outcomes = {key['outcome'] for key in self.keys_of(name, path)}
        for word in ('lost', 'changed', 'namespace', 'carried', 'default', 'runtime'):
            if word in outcomes:
                return word
        return None

    def added(self, name):
        """Lines that the field adds to the domXML."""
        def lines(one):
            text = self.xml[one].replace(uuid_of(one), 'UUID').replace(f'{name}-base', name)
            return text.splitlines()
        before = lines(f'{name}-base')
        return [line.strip() for line in lines(name) if line not in before], lines(name) != before

    def test_all_were_converted(self):
        # Domains that repeat another's uuid are written all the same.
        self.assertEqual(set(self.xml), set(self.cases) | {f'{name}-base' for name in self.cases},
                         self.stderr[-3000:])

    def test_one_sample_a_row(self):
        for table, samples in (('conf-xlj-rows.c', field_samples.XL_JSON),
                               ('conf-xva-rows.c', field_samples.XVA)):
            self.assertGreater(len(rows(table)), 150)
            self.assertEqual(set(rows(table)), {path for path, _, _ in samples})

    @unittest.skipUnless(HEADER.exists(), 'libxl is not installed')
    def test_libxl_has_no_other_field(self):
        fields = libxl_fields(HEADER.read_text())
        self.assertGreater(len(fields), 200)
        self.assertEqual(fields - set(rows('conf-xlj-rows.c')) - ELSEWHERE, set())

    def test_each_field(self):
        for name, (kind, path, data, want) in self.cases.items():
            with self.subTest(f'{kind} {path} = {data}'):
                outcome = self.outcome_of(name, path)
                self.assertIsNotNone(outcome, 'the report does not name it')
                if want.rstrip('=') != 'any':
                    self.assertEqual(outcome, want.rstrip('='), self.keys_of(name, path))
                if outcome == 'lost':
                    self.assertTrue(all(key['reason'] not in ('', 'unknown key')
                                        for key in self.keys_of(name, path)
                                        if key['outcome'] == 'lost'))
                if outcome in ('carried', 'namespace', 'changed') and not want.endswith('='):
                    self.assertTrue(self.added(name)[1], 'carried, and nothing of it is in the domXML')

    def test_nothing_else_is_lost(self):
        for name, (kind, path, data, _) in self.cases.items():
            with self.subTest(f'{kind} {path}'):
                base = self.reports[f'{name}-base']['keys']
                self.assertEqual([k for k in base if k['outcome'] == 'lost'], [])

    def test_page(self):
        lines = [HEAD]
        for kind, title in (('xl-json', "## libxl's JSON"), ('xva', "## XenServer's ova.xml")):
            lines += [title, '', '| field | what becomes of it |', '| --- | --- |']
            for name, (one, path, data, _) in self.cases.items():
                if one == kind:
                    lines.append(self.page_row(name, path, data))
            lines.append('')
        text = '\n'.join(lines)
        if os.environ.get('HV_TEST_REGENERATE'):
            PAGE.write_text(text)
        self.assertEqual(PAGE.read_text(), text, 'run it with HV_TEST_REGENERATE=1')

    def page_row(self, name, path, data):
        outcome = self.outcome_of(name, path)
        reasons = [key['reason'] for key in self.keys_of(name, path) if key['reason']]
        added = [line for line in self.added(name)[0] if 'metadata' not in line and 'xmlns' not in line
                 and '</' != line[:2]]
        sample = '' if data is None or isinstance(data, (dict, list)) else f' = {data}'
        said = WORDS[outcome] + (f': {reasons[0]}' if reasons else '')
        if outcome in ('carried', 'namespace') and added:
            said += ': ' + ' '.join(f'`{line}`' for line in added[:2]) + (' ...' if added[2:] else '')
        return f'| `{path}{sample}` | {said.replace("|", "&#124;")} |'


if __name__ == '__main__':
    tap.main()
