#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Models of processors: stock clients against xlvirtd on the engine sim, with the definitions that libvirt's client
library installs. Names and baselines are held against the answers of libvirt's own test driver."""
import os
import random
import re
import shutil
import sys
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402

try:
    import libvirt
except ImportError:
    print('1..0 # SKIP python3-libvirt is not installed')
    sys.exit(0)  # TAP says by its plan that all is skipped

LISTS = 300  # of processors, made by chance: always the same ones
ARCHS = ('x86_64', 'i686', 'aarch64', 'armv7l', 's390x', 'mips', 'riscv64', 'sparc', 'alpha', 'i386', 'pdp', '')


def host_cpu(model, vendor=None, features=(), arch='x86_64'):
    return (f'<cpu><arch>{arch}</arch><model>{model}</model>' + (f'<vendor>{vendor}</vendor>' if vendor else '') +
            ''.join(f"<feature name='{name}'/>" for name in features) + '</cpu>')


def guest_cpu(model, attributes='', vendor='', **policies):
    """policies: force='aes avx', ..."""
    return (f'<cpu {attributes}><model>{model}</model>{vendor}' +
            ''.join(f"<feature policy='{policy}' name='{name}'/>" for policy, names in policies.items()
                    for name in names.split()) + '</cpu>')


class Case(harness.Case):
    HOST = ''  # of sim.conf
    CONFIG = ''  # of virtxend.conf

    @classmethod
    def setUpClass(cls):
        cls.host = harness.Host()
        try:
            os.makedirs(f'{cls.host.root}/etc/xlvirt')
            cls.host.file('etc/xlvirt/sim.conf', cls.HOST)
            cls.host.start('--config', cls.host.file('virtxend.conf', cls.CONFIG))
        except BaseException:
            cls.host.end()
            raise

    def setUp(self):
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(self.connection.close)

    def host_features(self):
        """The host's <cpu>, and all that it has."""
        cpu = ET.fromstring(self.connection.getCapabilities()).find('host/cpu')
        expanded = ET.fromstring(self.connection.baselineCPU([ET.tostring(cpu, 'unicode')],
                                                             libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES))
        return cpu, {feature.get('name') for feature in expanded.findall('feature')}


def answer(function, *args):
    """What it returns, or its error."""
    try:
        return function(*args)
    except libvirt.libvirtError as error:
        return error.get_error_code(), error.get_error_message()


class TestLikeLibvirt(Case):
    def setUp(self):
        super().setUp()
        self.theirs = libvirt.open('test:///default')
        self.addCleanup(self.theirs.close)

    def same(self, function, *args):
        """The answer of both."""
        theirs = answer(getattr(self.theirs, function), *args)
        self.assertEqual(answer(getattr(self.connection, function), *args), theirs, args)
        return theirs

    def test_names(self):
        for arch in ARCHS:
            with self.subTest(arch):
                self.same('getCPUModelNames', arch, 0)
        self.assertIn('Haswell', self.same('getCPUModelNames', 'x86_64', 0))

    def test_refusals(self):
        for xml in ('<cpu', '<cpu/>', '<foo/>', host_cpu(''), host_cpu('Nope'), host_cpu('Haswell', 'Nope'),
                    host_cpu('Haswell', arch='pdp'), host_cpu('Haswell', arch='mips'), '<cpu><model>Haswell</model></cpu>',
                    host_cpu('Haswell', features=['nope']), host_cpu('Haswell', features=['vmx', 'vmx']),
                    host_cpu('Haswell', features=['']), host_cpu('Haswell').replace('<cpu>', "<cpu mode='host-model'>"),
                    f'<capabilities><host>{host_cpu("Haswell")}</host></capabilities>'):
            with self.subTest(xml):
                code, message = self.same('baselineCPU', [xml], 0)
                self.assertNotEqual(code, 0, message)
        self.same('baselineCPU', [], 0)

    def test_by_chance(self):
        """Lists of processors made by chance: equal models, features in an equal order, equal errors."""
        if libvirt.getVersion() // 1000 != 9000:
            self.skipTest('other releases of libvirt may weigh features otherwise')
        chance = random.Random(20)
        with open('/usr/share/libvirt/cpu_map/x86_features.xml', encoding='utf-8') as file:
            features = re.findall(r"<feature name='([^']+)'", file.read())
        models = self.theirs.getCPUModelNames('x86_64', 0)
        failures = 0
        for _ in range(LISTS):
            vendor = chance.choice([None, None, 'Intel', 'AMD', 'Hygon'])
            cpus = [host_cpu(chance.choice(models), chance.choice([None, vendor]),
                             chance.sample(features, chance.choice([0, 0, 1, 5, 40, 120])))
                    for _ in range(chance.choice([1, 1, 2, 2, 3, 5]))]
            flags = chance.choice([0, libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES])
            failures += isinstance(self.same('baselineCPU', cpus, flags), tuple)
        self.assertLess(failures, LISTS / 2)  # most have something in common


class TestIntel(Case):
    MODEL, VENDOR, OTHER = 'Skylake-Server-IBRS', 'Intel', 'AMD'
    LACKS = ('EPYC', 'sse4a')  # a model that the host is not, and why

    def test_capabilities(self):
        cpu, features = self.host_features()
        self.assertEqual((cpu.findtext('model'), cpu.findtext('vendor')), (self.MODEL, self.VENDOR))
        self.assertEqual(cpu.find('topology').attrib, {'sockets': '1', 'dies': '1', 'cores': '8', 'threads': '1'})
        self.assertTrue({'fpu', 'lm', 'avx2', 'invtsc'} <= features, features)
        self.assertFalse({'hypervisor', '3dnow', 'avx512-fp16'} & features, features)

    def test_compare(self):
        model, lacks, why = self.MODEL, *self.LACKS
        cpu, features = self.host_features()
        all_wishes = ' '.join(sorted(features))
        incompatible, identical, superset = 0, 1, 2
        for xml, expected in (
                (ET.tostring(cpu, 'unicode'), identical),
                (host_cpu(model), superset),
                (host_cpu(model, self.VENDOR), superset),
                (host_cpu(model, self.OTHER), incompatible),
                (host_cpu(model, arch='aarch64'), incompatible),
                (host_cpu(lacks), incompatible),
                (host_cpu(model, features=['3dnow']), incompatible),
                ('<cpu/>', superset),
                ("<cpu mode='host-passthrough'/>", superset),
                (guest_cpu('486', "match='strict'", optional=all_wishes), identical),
                (guest_cpu('486', "match='strict'"), incompatible),
                (guest_cpu('486', "match='exact'"), superset),
                (guest_cpu('486', force='3dnow'), superset),
                (guest_cpu('486', require='3dnow'), incompatible),
                (guest_cpu('486', optional='3dnow'), superset),
                (guest_cpu('486', disable='avx2'), superset),
                (guest_cpu('486', forbid='avx2'), incompatible),
                (guest_cpu('486', forbid='3dnow'), superset)):
            with self.subTest(xml):
                self.assertEqual(self.connection.compareCPU(xml), expected)
        fail = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
        self.assertEqual(self.connection.compareCPU(host_cpu(model), fail), superset)
        self.fails(91, f'^the CPU is incompatible with host CPU: Host CPU does not provide required features: .*{why}',
                   self.connection.compareCPU, host_cpu(lacks), fail)

    def test_wrong(self):
        compare = self.connection.compareCPU
        self.fails(35, r'^\(CPU_definition\):1: ', compare, '<cpu')
        self.fails(27, "^XML error: XML does not contain expected 'cpu' element$", compare, '<domain/>')
        self.fails(1, '^internal error: Unknown CPU model Nope$', compare, host_cpu('Nope'))
        self.fails(67, '^unsupported configuration: Invalid CPU feature policy$', compare, guest_cpu('486', x='avx'))
        self.fails(8, r'^unsupported flags \(0x4\) in function virConnectCompareCPU$', compare, '<cpu/>', 4)
        self.fails(8, r'^unsupported flags \(0x4\) in function virConnectBaselineCPU$', self.connection.baselineCPU,
                   [host_cpu('486')], 4)
        self.fails(8, r'^unsupported flags \(0x1\)', self.connection.getCPUModelNames, 'x86_64', 1)

    def test_validate(self):
        validate = libvirt.VIR_CONNECT_COMPARE_CPU_VALIDATE_XML
        self.assertEqual(self.connection.compareCPU(host_cpu('486'), validate), 2)
        self.assertEqual(self.connection.compareCPU('<cpu><model>486</model><x/></cpu>', 0), 2)
        self.fails(92, 'cpu.rng', self.connection.compareCPU, '<cpu><model>486</model><x/></cpu>', validate)

    def test_migratable(self):
        baseline, cpu = self.connection.baselineCPU, host_cpu('486', features=['invtsc', 'avx'])
        self.assertIn('invtsc', baseline([cpu], 0))
        only = baseline([cpu], libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE)
        self.assertNotIn('invtsc', only)
        self.assertIn("policy='require' name='avx'", only)

    def test_hypervisor(self):
        """Guests see less than the host: what a guest of each kind sees is compared."""
        compare, baseline = self.connection.compareHypervisorCPU, self.connection.baselineHypervisorCPU
        cpu, features = self.host_features()
        hidden = guest_cpu('486', require='monitor')
        self.assertEqual(self.connection.compareCPU(hidden), 2)
        for machine in (None, 'xenfv', 'xenpvh', 'xenpv'):
            self.assertEqual(compare(None, None, machine, None, hidden), 0)
        self.assertEqual(compare(None, None, 'xenfv', 'xen', guest_cpu('kvm64')), 2)
        self.assertEqual(compare(None, None, 'xenpv', 'xen', guest_cpu('kvm64')), 0)
        self.assertEqual(compare('/usr/bin/qemu', 'i686', None, None, guest_cpu('kvm64')), 2)
        self.fails(91, 'required features: .*mtrr', compare, None, None, 'xenpv', None, guest_cpu('kvm64'), 1)
        of_guest = ET.fromstring(baseline(None, None, None, None, [ET.tostring(cpu, 'unicode'),
                                                                   guest_cpu('kvm64', require='avx monitor')]))
        self.assertEqual(of_guest.find('model').attrib, {'fallback': 'forbid'})
        wishes = {feature.get('name'): feature.get('policy') for feature in of_guest.findall('feature')}
        self.assertEqual((wishes.get('avx'), 'monitor' in features), ('require', True))
        self.assertNotIn('monitor', wishes)
        for arguments in ((None, None, None, 'kvm'), (None, None, 'pc', None), (None, 'mips', None, None),
                          ('qemu', None, None, None)):
            self.fails(8, '^invalid argument: ', compare, *arguments, '<cpu/>')
            self.fails(8, '^invalid argument: ', baseline, *arguments, [guest_cpu('486')])
        self.fails(8, 'no CPU model specified at index 0', baseline, None, None, None, None, ['<cpu/>'])

    def test_virsh(self):
        """virsh finds <cpu> in whatever it is in."""
        virsh = self.host.virsh
        path = self.host.file('caps.xml', self.connection.getCapabilities())
        self.assertEqual(virsh('cpu-compare', path)[:2], (0, f'CPU described in {path} is identical to host CPU\n\n'))
        domain = self.host.file('domain.xml', harness.domain_xml('a', extra=guest_cpu(self.LACKS[0])))
        self.assertEqual(virsh('cpu-compare', domain)[:2], (1, f'CPU described in {domain} is incompatible with host CPU\n\n'))
        code, out, _ = virsh('cpu-baseline', path, '--features')
        self.assertEqual((code, self.MODEL in out), (0, True))
        code, out, _ = virsh('hypervisor-cpu-baseline', path, '--machine', 'xenfv', '--migratable')
        self.assertEqual((code, f'>{self.MODEL}<' in out, "require' name='invtsc'" in out), (0, True, False))
        self.assertEqual(virsh('cpu-models', 'x86_64')[1].split(), self.connection.getCPUModelNames('x86_64', 0))

    def test_read_only(self):
        """As with libvirt: asking about the host is free, asking about the hypervisor is not."""
        reader = libvirt.openReadOnly(self.host.uri(readonly=True))
        self.addCleanup(reader.close)
        self.assertEqual(reader.compareCPU(host_cpu('486')), 2)
        self.assertIn('>486<', reader.baselineCPU([host_cpu('486')]))
        self.assertIn('486', reader.getCPUModelNames('x86_64', 0))
        self.fails(29, 'read only access prevents virConnectCompareHypervisorCPU', reader.compareHypervisorCPU, None, None,
                   None, None, '<cpu/>')
        self.fails(29, 'read only access prevents virConnectBaselineHypervisorCPU', reader.baselineHypervisorCPU, None,
                   None, None, None, [guest_cpu('486')])

    def test_odd_calls(self):
        """How many names there are, without the names; more processors than the protocol lets pass."""
        with harness.Wire(self.host) as wire:
            status, body = wire.call(312, wire.text(b'x86_64') + b'\0\0\0\0' + b'\0\0\0\0')
            names = len(self.connection.getCPUModelNames('x86_64', 0))
            self.assertEqual((status, body), (0, b'\0\0\0\0' + names.to_bytes(4, 'big')))
            many = wire.text(host_cpu('486').encode()) * 257
            self.assertEqual(wire.error(162, (257).to_bytes(4, 'big') + many + b'\0\0\0\0')[0], 39)
            status, body = wire.call(162, (256).to_bytes(4, 'big') + many[:len(many) // 257 * 256] + b'\0\0\0\0')
            self.assertEqual((status, b'>486<' in body), (0, True))


class TestAmd(TestIntel):
    HOST = '[host]\nprocessor=amd\n'
    MODEL, VENDOR, OTHER = 'EPYC-Milan', 'AMD', 'Intel'
    LACKS = ('Skylake-Server', 'avx512f')


class TestNoDefinitions(Case):
    CONFIG = 'cpu_map_dir = "/nonexistent"\n'

    def test_says_so(self):
        missing = '^this function is not supported by the connection driver: .*cpu_map_dir: /nonexistent: '
        self.fails(3, missing, self.connection.getCPUModelNames, 'x86_64', 0)
        self.fails(3, missing, self.connection.compareCPU, host_cpu('486'))
        self.fails(3, missing, self.connection.baselineCPU, [host_cpu('486')])
        self.fails(3, missing, self.connection.compareHypervisorCPU, None, None, None, None, '<cpu/>')
        self.fails(3, missing, self.connection.baselineHypervisorCPU, None, None, None, None, [host_cpu('486')])
        self.assertEqual(self.connection.getCPUModelNames('aarch64', 0), [])
        cpu = ET.fromstring(self.connection.getCapabilities()).find('host/cpu')
        self.assertEqual((cpu.findtext('arch'), cpu.find('model')), ('x86_64', None))


class TestEngineFails(Case):
    def test_rest_goes_on(self):
        """What does not need the host's processors is there without them."""
        self.host.control('[*]\ncpu-leaves-fail=xen said no\n')
        self.fails(9, 'xen said no', self.connection.compareCPU, host_cpu('486'))
        self.assertIn('486', self.connection.getCPUModelNames('x86_64', 0))
        self.assertIn('>486<', self.connection.baselineCPU([host_cpu('486')]))
        self.assertNotIn('<model>', self.connection.getCapabilities())
        self.host.control('')
        self.assertEqual(self.connection.compareCPU(host_cpu('486')), 2)


def main():
    if not shutil.which('virsh'):
        print('1..0 # SKIP virsh is not installed')
        return
    libvirt.registerErrorHandler(lambda *unused: None, None)
    tap.main()


if __name__ == '__main__':
    main()
