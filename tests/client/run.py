#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock virsh against xlvirtd on the engine sim: what goes in, what comes out.

Each row of a table is one virsh command: its words, the exit status, what stdout has to match and
what stderr has to match (regular expressions; None = must be empty). Rows run in order: they tell
a story. usage: run.py [WORD...] runs the cases whose names have one of the words in them."""
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import Wire, domain_xml, wait_for  # noqa: E402

UUID = '11111111-2222-3333-4444-555555555555'
DOCUMENTS = ('define', 'create')  # a word of theirs that is a document becomes a file
FREE = '99999999-9999-9999-9999-999999999999'


class Case(harness.Case):
    def virsh(self, *args, status=0, readonly=False, stdin=''):
        """stdout of a command that has to end with `status`"""
        code, out, err = self.host.virsh(*args, readonly=readonly, stdin=stdin)
        self.assertEqual(code, status, f'virsh {" ".join(args)}\n{out}{err}')
        return out

    def row(self, words, status, out, err, readonly=False):
        args = [self.host.file('doc.xml', word) if words[0] in DOCUMENTS and word.startswith('<') else word
                for word in words]
        code, stdout, stderr = self.host.virsh(*args, readonly=readonly)
        what = f'virsh {" ".join(args)}\n{stdout}{stderr}'
        self.assertEqual(code, status, what)
        for pattern, text in ((out, stdout), (err, stderr)):
            if pattern is None:
                self.assertEqual(text.strip(), '', what)
            else:
                self.assertRegex(text, re.compile(pattern, re.M | re.S), what)

    def table(self, rows, readonly=False):
        for row in rows:
            with self.subTest(' '.join(row[0])[:60]):
                self.row(*row, readonly=readonly)

    def define(self, name, *uuid, **more):
        self.virsh('define', self.host.file(f'{name}.xml', domain_xml(name, *uuid, **more)))

    def wait_state(self, name, state):
        wait_for(lambda: self.host.virsh('domstate', name)[1].strip() == state, f'{name} to be {state}')


class TestHost(Case):
    def test_host(self):
        self.table([
            (['uri'], 0, r'^xen\+unix:///system', None),
            (['connect'], 0, None, None),
            (['version'], 0, r'Using library: libvirt .*Using API: Xen .*Running hypervisor: Xen \d+\.\d+\.\d+', None),
            (['hostname'], 0, '^' + re.escape(os.uname().nodename), None),
            (['nodeinfo'], 0, r'CPU model: +x86_64\nCPU\(s\): +\d+\n.*NUMA cell\(s\): +[1-9]\nMemory size: +\d+ KiB', None),
            (['maxvcpus'], 0, r'^\d+\n', None),
            (['freecell'], 0, r'^Total: +\d+ KiB', None),
            (['nodecpumap'], 0, r'CPUs present: +\d+\nCPUs online: +\d+\nCPU map: +y', None),
            (['capabilities'], 0, r'<capabilities>.*<host>.*<guest>.*<domain type=.xen', None),
            (['domcapabilities'], 0, r'<domainCapabilities>.*<domain>xen</domain>', None),
            (['domcapabilities', '--virttype', 'kvm'], 1, None, r'error: .*kvm'),
            (['list'], 0, r'^ Id +Name +State\n-+\n 0 +Domain-0 +running\n\n', None),
            (['list', '--all', '--name'], 0, r'^Domain-0\n\n$', None),
        ])

    def test_read_only(self):
        self.table([
            (['uri'], 0, r'^xen\+unix:///system', None),
            (['version'], 0, r'Running hypervisor: Xen', None),
            (['nodeinfo'], 0, r'CPU model', None),
            (['capabilities'], 0, r'<capabilities>', None),
            (['list', '--all'], 0, r'Id +Name', None),
        ], readonly=True)

    def test_uris(self):
        for name, status in (('/system', 0), ('/', 0), ('', 0), ('/elsewhere', 1), ('/session', 1)):
            with self.subTest(name):
                done = subprocess.run(['virsh', '-c', f'xen+unix://{name}?socket={self.host.socket()}', 'uri'],
                                      capture_output=True, text=True, timeout=harness.TIMEOUT, check=False)
                self.assertEqual(done.returncode, status, done.stderr)
                if status:
                    self.assertIn('no connection driver available for xen://', done.stderr)


class TestLifecycle(Case):
    """A life, from the definition to its end."""

    def test_1_define(self):
        self.table([
            (['define', domain_xml('web', UUID)], 0, r"Domain 'web' defined", None),
            (['list', '--all'], 0, r'^ - +web +shut off\n', None),
            (['list'], 0, r'^ Id +Name +State\n-+\n 0 +Domain-0 +running\n\n$', None),
            (['domuuid', 'web'], 0, f'^{UUID}\n', None),
            (['domname', UUID], 0, '^web\n', None),
            (['domid', 'web'], 0, '^-\n', None),
            (['domstate', 'web', '--reason'], 0, r'^shut off \(', None),
            (['dominfo', 'web'], 0, r'Name: +web\nUUID: +' + UUID + r'\nOS Type: +hvm\nState: +shut off\n'
             r'CPU\(s\): +2\nMax memory: +131072 KiB\nUsed memory: +131072 KiB\nPersistent: +yes\nAutostart: +disable\n'
             r'Managed save: +no', None),
            (['dumpxml', 'web'], 0, f"^<domain type='xen'>\n  <name>web</name>\n  <uuid>{UUID}</uuid>", None),
            (['dumpxml', '--inactive', 'web'], 0, r"^<domain type='xen'>", None),
            (['dumpxml', '--security-info', 'web'], 0, r"^<domain type='xen'>", None),
            (['define', domain_xml('web', UUID, memory=262144)], 0, 'defined', None),
            (['dominfo', 'web'], 0, r'Max memory: +262144 KiB', None),
            (['define', domain_xml('web')], 1, None,
             rf"operation failed: domain 'web' already exists with uuid {UUID}"),
            (['define', domain_xml('other', UUID)], 1, None,
             rf"domain 'web' is already defined with uuid {UUID}"),
        ])

    def test_2_autostart(self):
        self.table([
            (['autostart', 'web'], 0, 'marked as autostarted', None),
            (['list', '--all', '--autostart'], 0, 'web', None),
            (['list', '--all', '--no-autostart', '--name'], 0, r'^Domain-0\n\n$', None),
            (['dominfo', 'web'], 0, r'Autostart: +enable', None),
            (['autostart', '--disable', 'web'], 0, 'unmarked', None),
            (['dominfo', 'web'], 0, r'Autostart: +disable', None),
        ])

    def test_3_run(self):
        self.table([
            (['start', 'web'], 0, "Domain 'web' started", None),
            (['start', 'web'], 1, None, 'Domain is already active'),
            (['list'], 0, r'^ [1-9]\d* +web +running\n', None),
            (['domid', 'web'], 0, r'^[1-9]\d*\n', None),
            (['domstate', 'web', '--reason'], 0, r'^running \(booted\)', None),
            (['dumpxml', 'web'], 0, r"^<domain type='xen' id='[1-9]\d*'>.*<console type='pty'.*tty=", None),
            (['dumpxml', '--inactive', 'web'], 0, r"^<domain type='xen'>", None),
            (['dominfo', 'web'], 0, r'^Id: +[1-9].*State: +running.*CPU time: +\d', None),
            (['vcpuinfo', 'web'], 0, r'^VCPU: +0\nCPU: +\d+\nState: +(running|blocked)\n.*CPU Affinity: +y.*^VCPU: +1', None),
            (['suspend', 'web'], 0, "Domain 'web' suspended", None),
            (['domstate', 'web', '--reason'], 0, r'^paused \(user\)', None),
            (['list', '--state-paused', '--name'], 0, '^web\n', None),
            (['list', '--state-running', '--name'], 0, r'^Domain-0\n\n$', None),
            (['resume', 'web'], 0, "Domain 'web' resumed", None),
            (['domstate', 'web', '--reason'], 0, r'^running \(unpaused\)', None),
            (['resume', 'web'], 0, 'resumed', None),
            (['undefine', 'web'], 0, 'undefined', None),
            (['list', '--transient', '--name'], 0, '^web\n', None),
            (['define', domain_xml('web', UUID, memory=262144)], 0, 'defined', None),
            (['list', '--persistent', '--name'], 0, '^web\n', None),
        ])

    def test_4_end(self):
        before = self.virsh('domid', 'web').strip()
        self.row(['reboot', 'web'], 0, "Domain 'web' is being rebooted", None)
        wait_for(lambda: self.virsh('domid', 'web').strip() not in ('-', before), 'a new domain id')
        self.row(['shutdown', 'web'], 0, "Domain 'web' is being shutdown", None)
        self.wait_state('web', 'shut off')
        self.table([
            (['domstate', 'web', '--reason'], 0, r'^shut off \(shutdown\)', None),
            (['destroy', 'web'], 1, None, 'Requested operation is not valid: domain is not running'),
            (['shutdown', 'web'], 1, None, 'Requested operation is not valid: domain is not running'),
            (['suspend', 'web'], 1, None, 'Requested operation is not valid: domain is not running'),
            (['vcpuinfo', 'web'], 0, r'^VCPU: +0\nCPU: +N/A', None),
            (['start', '--paused', 'web'], 0, 'started', None),
            (['domstate', 'web', '--reason'], 0, r'^paused \(', None),
            (['destroy', 'web'], 0, "Domain 'web' destroyed", None),
            (['domstate', 'web', '--reason'], 0, r'^shut off \(destroyed\)', None),
            (['undefine', 'web'], 0, "Domain 'web' has been undefined", None),
            (['list', '--all', '--name'], 0, r'^Domain-0\n\n$', None),
        ])

    def test_5_transient(self):
        self.table([
            (['create', domain_xml('brief')], 0, "Domain 'brief' created", None),
            (['dominfo', 'brief'], 0, 'Persistent: +no', None),
            (['autostart', 'brief'], 1, None, 'Requested operation is not valid: .*transient'),
            (['create', domain_xml('brief')], 1, None, 'error: '),
            (['destroy', 'brief'], 0, 'destroyed', None),
            (['list', '--all', '--name'], 0, r'^Domain-0\n\n$', None),
            (['create', '--paused', domain_xml('brief')], 0, 'created', None),
            (['domstate', 'brief'], 0, '^paused', None),
            (['destroy', 'brief'], 0, 'destroyed', None),
        ])

    def test_6_list(self):
        self.define('t1', extra='<title>The first</title>')
        self.define('t2')
        self.virsh('start', 't2')
        self.table([
            (['list', '--all', '--title'], 0, r'Id +Name +State +Title\n.*t2 +running.*t1 +shut off +The first', None),
            (['list', '--all', '--table'], 0, r't2 +running.*t1 +shut off', None),
            (['list', '--inactive', '--name'], 0, '^t1\n', None),
            (['list', '--state-shutoff', '--name', '--all'], 0, '^t1\n', None),
            (['list', '--all', '--uuid'], 0, r'^[0-9a-f-]{36}\n[0-9a-f-]{36}\n', None),
            (['list', '--all', '--with-snapshot', '--name'], 0, None, None),
            (['list', '--all', '--without-snapshot', '--name'], 0, 't2\nt1|t1\nt2', None),
            (['list', '--all', '--with-managed-save', '--name'], 0, None, None),
            (['list', '--state-other', '--name', '--all'], 0, None, None),
            (['list', '--all', '--with-checkpoint', '--name'], 0, None, None),
        ])
        self.virsh('destroy', 't2')
        self.virsh('undefine', 't1')
        self.virsh('undefine', 't2')


class TestTune(Case):
    def test_1_memory(self):
        self.define('m', memory=262144)
        self.table([
            (['setmem', 'm', '131072', '--config'], 0, None, None),
            (['dumpxml', 'm'], 0, r"<memory unit='KiB'>262144</memory>\n  <currentMemory unit='KiB'>131072<", None),
            (['setmem', 'm', '131072', '--live'], 1, None, 'domain is not running'),
            (['setmem', 'm', '524288', '--config'], 1, None, 'memory'),
            (['setmaxmem', 'm', '393216', '--config'], 0, None, None),
            (['dominfo', 'm'], 0, r'Max memory: +393216 KiB\nUsed memory: +131072 KiB', None),
            (['setmem', 'm', '0'], 1, None, 'memory|Memory'),
            (['start', 'm'], 0, 'started', None),
            (['setmem', 'm', '196608', '--live'], 0, None, None),
            (['dumpxml', '--inactive', 'm'], 0, r"<currentMemory unit='KiB'>131072<", None),
            (['setmem', 'm', '200000000', '--live'], 1, None, 'memory'),
        ])
        # The guest's balloon takes its time.
        wait_for(lambda: re.search(r'Used memory: +196608 KiB', self.virsh('dominfo', 'm')), 'the balloon')

    def test_2_vcpus(self):
        self.table([
            (['vcpucount', 'm'], 0, r'maximum +config +2\nmaximum +live +2\ncurrent +config +2\ncurrent +live +2', None),
            (['setvcpus', 'm', '1', '--live'], 0, None, None),
            (['vcpucount', 'm', '--live'], 0, '^1\n', None),
            (['vcpucount', 'm', '--config'], 0, '^2\n', None),
            (['vcpucount', 'm', '--maximum', '--live'], 0, '^2\n', None),
            (['setvcpus', 'm', '3', '--live'], 1, None, 'error: '),
            (['setvcpus', 'm', '1', '--config'], 0, None, None),
            (['vcpucount', 'm', '--config'], 0, '^1\n', None),
            (['setvcpus', 'm', '4', '--config', '--maximum'], 0, None, None),
            (['vcpucount', 'm', '--config', '--maximum'], 0, '^4\n', None),
            (['setvcpus', 'm', '1', '--guest'], 1, None, r'unsupported flags \(0x8\) in function virDomainSetVcpusFlags'),
            (['vcpupin', 'm'], 0, r'VCPU +CPU Affinity\n-+\n 0 +0-', None),
            (['destroy', 'm'], 0, 'destroyed', None),
            (['vcpucount', 'm'], 0, r'maximum +config +4\ncurrent +config +1', None),
        ])

    def test_3_texts(self):
        self.table([
            (['desc', 'm'], 0, 'No description for domain: m', None),
            (['desc', 'm', '--config', 'For', 'the', 'shop'], 0, 'Domain description updated', None),
            (['desc', 'm'], 0, '^For the shop\n', None),
            (['desc', 'm', '--title', '--config', 'Shop'], 0, 'Domain title updated', None),
            (['desc', 'm', '--title'], 0, '^Shop\n', None),
            (['dumpxml', 'm'], 0, r'<title>Shop</title>\n  <description>For the shop</description>', None),
            (['metadata', 'm', 'http://example.org/x'], 1, None,
             'metadata not found: Requested metadata element is not present'),
            (['metadata', 'm', 'http://example.org/x', '--config', '--key', 'x', '--set', "<a b='c'><d/></a>"], 0,
             'Metadata modified', None),
            (['metadata', 'm', 'http://example.org/x', '--config'], 0, r'<a b="c">\s*<d/>\s*</a>', None),
            (['dumpxml', 'm'], 0, r"<metadata>.*<x:a xmlns:x=.http://example.org/x. b=.c.>", None),
            (['metadata', 'm', 'http://example.org/x', '--config', '--key', 'x', '--set', '<a'], 1, None, 'error: '),
            (['metadata', 'm', 'http://example.org/x', '--config', '--remove'], 0, 'Metadata removed', None),
            (['metadata', 'm', 'http://example.org/x', '--config'], 1, None, 'metadata not found'),
        ])


class TestSave(Case):
    def test_1_save(self):
        self.define('s', UUID)
        path = f'{self.host.root}/s.img'
        self.table([
            (['save', 's', path], 1, None, 'domain is not running'),
            (['start', 's'], 0, 'started', None),
            (['domjobinfo', 's'], 0, r'Job type: +None', None),
            (['save', 's', path], 0, f"Domain 's' saved to {path}", None),
            (['domstate', 's', '--reason'], 0, r'^shut off \(saved\)', None),
            (['restore', path], 0, f'Domain restored from {path}', None),
            (['domstate', 's', '--reason'], 0, r'^running \(restored\)', None),
            (['restore', path], 1, None, 'error: '),
            (['save', 's', path, '--paused'], 0, 'saved', None),
            (['restore', path], 0, 'restored', None),
            (['domstate', 's'], 0, '^paused', None),
            (['save', 's', path, '--running', '--paused'], 1, None, 'mutually exclusive'),
            (['restore', f'{self.host.root}/nothing'], 1, None, 'No such file'),
            (['restore', self.host.file('junk', 'x' * 4096)], 1, None, 'error: .*junk'),
            (['save', 's', '/nowhere/there'], 1, None, '/nowhere/there'),
            (['domstate', 's'], 0, '^paused', None),
            (['resume', 's'], 0, 'resumed', None),
        ])
        # The image can start from another definition than it was saved with.
        xml = self.virsh('dumpxml', 's').replace('</uuid>', '</uuid><title>Other</title>')
        other = self.host.file('other.xml', xml)
        foreign = self.host.file('foreign.xml', xml.replace(UUID, FREE))
        self.table([
            (['save', 's', path, '--xml', other], 0, 'saved', None),
            (['restore', path], 0, 'restored', None),
            (['desc', 's', '--title'], 0, '^Other\n', None),
            (['save', 's', path], 0, 'saved', None),
            (['restore', path, '--xml', foreign], 1, None, 'uuid'),
            (['restore', path, '--xml', other], 0, 'restored', None),
        ])

    def test_2_managed(self):
        self.table([
            (['managedsave', 's'], 0, "Domain 's' state saved by libvirt", None),
            (['list', '--all', '--with-managed-save', '--name'], 0, '^s\n', None),
            (['list', '--all', '--managed-save'], 0, r's +saved', None),
            (['dominfo', 's'], 0, 'Managed save: +yes', None),
            (['undefine', 's'], 1, None, 'Refusing to undefine while domain managed save image exists'),
            (['start', 's'], 0, "started", None),
            (['domstate', 's', '--reason'], 0, r'^running \(restored\)', None),
            (['dominfo', 's'], 0, 'Managed save: +no', None),
            (['managedsave', 's'], 0, 'saved', None),
            (['managedsave-remove', 's'], 0, 'Removed managedsave image', None),
            (['managedsave-remove', 's'], 0, 'has no manage save image|no managed save', None),
            (['start', 's'], 0, "started", None),
            (['managedsave', 's'], 0, 'saved', None),
            (['start', 's', '--force-boot'], 0, "started", None),
            (['domstate', 's', '--reason'], 0, r'^running \(booted\)', None),
            (['managedsave', 's'], 0, 'saved', None),
            (['undefine', 's', '--managed-save', '--snapshots-metadata'], 0, 'undefined', None),
        ])


class TestNative(Case):
    XL = 'name = "box"\ntype = "hvm"\nmemory = 256\nvcpus = 2\nbootloader_args = []\n' \
         'disk = [ "/dev/vg/box,raw,xvda,rw" ]\nvif = [ "bridge=xenbr0" ]\nvnc = 1\nvncpasswd = "secret"\n'
    SXP = '(domain (name box) (memory 256) (maxmem 256) (vcpus 1) (on_crash restart)' \
          '(image (linux (kernel /boot/vmlinuz))))'

    def test_1_from(self):
        xl, sxp = self.host.file('box.cfg', self.XL), self.host.file('box.sxp', self.SXP)
        for form, path in (('xen-xl', xl), ('xen-sxpr', sxp), ('xen-sxp', sxp)):
            with self.subTest(form):
                xml = self.virsh('domxml-from-native', form, path)
                self.assertIn('<name>box</name>', xml)
                self.assertIn("<memory unit='KiB'>262144</memory>", xml)
        self.assertIn("passwd='secret'", self.virsh('domxml-from-native', 'xen-xl', xl))
        xm = self.host.file('box.xm', 'import os\nname = "box"\nmemory = 256\nkernel = "/boot/" + "vmlinuz"\n')
        self.assertIn('<kernel>/boot/vmlinuz</kernel>', self.virsh('domxml-from-native', 'xen-xm', xm))

    def test_2_errors(self):
        self.table([
            (['domxml-from-native', 'xen-foo', self.host.file('a', self.XL)], 1, None,
             'invalid argument: unsupported config type xen-foo'),
            (['domxml-from-native', 'xen-xl', self.host.file('b', 'name = "x"\nmemory = [ 1\n')], 1, None,
             r'configuration file syntax error: .*:\d+:\d+: '),
            (['domxml-from-native', 'xen-sxpr', self.host.file('c', '(domain (name x)')], 1, None,
             r'configuration file syntax error: .*:\d+:\d+: '),
            (['domxml-from-native', 'xen-xl', self.host.file('d', 'memory = 5\n')], 1, None, 'name'),
        ])

    def test_3_to(self):
        self.define('there')
        path = self.host.file('there.xml', domain_xml('there'))
        nic = "<devices><interface type='bridge'><source bridge='br0'/></interface>"
        self.virsh('create', self.host.file('live.xml', domain_xml('live').replace('<devices>', nic)))
        self.assertIn("<target dev='vif", self.virsh('dumpxml', 'live'))
        self.assertNotIn('vifname', self.virsh('domxml-to-native', 'xen-xl', '--domain', 'live'))
        self.virsh('destroy', 'live')
        self.table([
            (['domxml-to-native', 'xen-xl', path], 0, r'^name = "there"$', None),
            (['domxml-to-native', 'xen-xm', path], 0, r'^name = ["\']there["\']$', None),
            (['domxml-to-native', 'xen-sxpr', path], 0, r'^\(domain.*\(name .?there', None),
            (['domxml-to-native', 'xen-xl', '--domain', 'there'], 0, r'^name = "there"$', None),
            (['domxml-to-native', 'qemu-argv', path], 1, None, 'unsupported config type qemu-argv'),
            (['domxml-to-native', 'xen-xl', self.host.file('bad.xml', '<domain')], 1, None,
             r'\(domain_definition\):1:'),
        ])


class TestErrors(Case):
    """What cannot be done says why, and the daemon goes on."""

    def test_errors(self):
        self.define('e', UUID)
        bad_os = '<domain type="xen"><name>x</name><memory>1</memory></domain>'
        self.table([
            (['domstate', 'nobody'], 1, None, "failed to get domain 'nobody'"),
            (['domstate', FREE], 1, None, f"failed to get domain '{FREE}'"),
            (['domname', '4711'], 1, None, "failed to get domain '4711'"),
            (['define', '<domain'], 1, None, r'\(domain_definition\):1:'),
            (['define', '<domain></domein>'], 1, None, r'\(domain_definition\):1:'),
            (['define', '<network/>'], 1, None, 'error: .*(network|domain)'),
            (['define', '<domain type="xen"><memory>1</memory></domain>'], 1, None, 'name'),
            (['define', bad_os], 1, None, 'error: '),
            (['define', domain_xml('a/b')], 1, None, "error: .*'/'|error: .*/"),
            (['define', '<!DOCTYPE d [<!ENTITY e "x">]>' + domain_xml('&e;')], 1, None, 'error: '),
            (['define', '<a>' * 5000], 1, None, 'error: '),
            (['define', '--validate', domain_xml('v', extra='<nonsense/>')], 1, None,
             'XML document failed to validate against schema: Unable to validate doc'),
            (['define', '--validate', domain_xml('v')], 0, 'defined', None),
            (['undefine', 'v'], 0, 'undefined', None),
            (['create', domain_xml('huge', memory=1 << 40)], 1, None, 'error: .*memory'),
            (['destroy', '--graceful', 'e'], 1, None, r'unsupported flags \(0x1\) in function virDomainDestroyFlags'),
            (['shutdown', '--mode', 'agent', 'e'], 1, None, r'unsupported flags \(0x2\)'),
            (['start', '--autodestroy', 'e'], 1, None, r'unsupported flags \(0x2\) in function virDomainCreateWithFlags'),
            (['undefine', '--nvram', 'e'], 1, None, r'unsupported flags \(0x4\) in function virDomainUndefineFlags'),
            (['domjobabort', 'e'], 1, None, 'Requested operation is not valid: '),
            (['memtune', 'e'], 1, None,
             'this function is not supported by the connection driver: virDomainGetMemoryParameters'),
            (['net-list'], 1, None, 'this function is not supported by the connection driver: virConnect'),
            (['checkpoint-list', 'e'], 1, None,
             'this function is not supported by the connection driver: virDomain'),
            (['list', '--all', '--name'], 0, '^Domain-0\ne\n\n$', None),
        ])

    def test_engine_fault(self):
        self.define('f')
        self.host.control('[f]\nstart-fail=xc: no pages left\n')
        self.row(['start', 'f'], 1, None, 'operation failed: .*xc: no pages left')
        self.row(['domstate', 'f', '--reason'], 0, r'^shut off \(failed\)', None)
        self.host.control('')
        self.row(['start', 'f'], 0, 'started', None)
        self.virsh('destroy', 'f')
        self.virsh('undefine', 'f')


class TestReadOnly(Case):
    def test_denied(self):
        self.define('r', UUID)
        self.virsh('start', 'r')
        path = self.host.file('r.xml', domain_xml('new'))
        deny = 'operation forbidden: read only access prevents '
        commands = [
            (['define', path], 'virDomainDefineXML'), (['create', path], 'virDomainCreateXML'),
            (['undefine', 'r'], 'virDomainUndefine'), (['start', 'r', '--paused'], None),
            (['destroy', 'r'], 'virDomainDestroy'), (['shutdown', 'r'], 'virDomainShutdown'),
            (['reboot', 'r'], 'virDomainReboot'), (['suspend', 'r'], 'virDomainSuspend'),
            (['resume', 'r'], 'virDomainResume'), (['autostart', 'r'], 'virDomainSetAutostart'),
            (['setmem', 'r', '65536'], 'virDomainSetMemory'),
            (['setmaxmem', 'r', '65536', '--config'], 'virDomainSetM'),
            (['setvcpus', 'r', '1'], 'virDomainSetVcpus'), (['save', 'r', '/tmp/x'], 'virDomainSave'),
            (['restore', '/tmp/x'], 'virDomainRestore'), (['managedsave', 'r'], 'virDomainManagedSave'),
            (['domxml-from-native', 'xen-xl', path], 'virConnectDomainXMLFromNative'),
            (['domxml-to-native', 'xen-xl', path], 'virConnectDomainXMLToNative'),
            (['desc', 'r', '--live', 'x'], 'virDomainSetMetadata'),
            (['domcapabilities'], 'virConnectGetDomainCapabilities'),
            (['domjobabort', 'r'], 'virDomainAbortJob'),
        ]
        for words, api in commands:
            with self.subTest(words[0]):
                pattern = deny + api if api else 'error: '
                self.row(words, 1, None, pattern, readonly=True)
        self.row(['dumpxml', '--security-info', 'r'], 1, None, 'operation forbidden: virDomainGetXMLDesc with secure flag',
                 readonly=True)
        self.table([
            (['list', '--all', '--title'], 0, r'r +running', None),
            (['dumpxml', 'r'], 0, '<domain', None),
            (['dominfo', 'r'], 0, 'State: +running', None),
            (['domstate', 'r', '--reason'], 0, r'running \(booted\)', None),
            (['vcpuinfo', 'r'], 0, 'VCPU: +0', None),
            (['vcpucount', 'r'], 0, 'maximum', None),
            (['domuuid', 'r'], 0, UUID, None),
            (['desc', 'r'], 0, 'No description', None),
        ], readonly=True)
        # A client that asks for it itself is held to it on the read-write socket.
        done = subprocess.run(['virsh', '-r', '-c', self.host.uri(), 'destroy', 'r'], capture_output=True, text=True,
                              timeout=harness.TIMEOUT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(deny + 'virDomainDestroy', done.stderr)
        self.virsh('destroy', 'r')


class TestConsole(Case):
    def test_console(self):
        """virsh wants a terminal, so it gets one: the boot text, an echo, and ^] to leave."""
        self.define('c')
        self.virsh('start', 'c')
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp('virsh', ['virsh', '-c', self.host.uri(), 'console', 'c'])
        seen = b''

        def sees(text):
            nonlocal seen
            end = time.monotonic() + harness.TIMEOUT
            while text not in seen:
                self.assertLess(time.monotonic(), end, f'no {text} in {seen}')
                if select.select([terminal], [], [], 0.2)[0]:
                    seen += os.read(terminal, 4096)

        try:
            sees(b"Connected to domain 'c'")
            sees(b'Escape character is ^]')
            os.write(terminal, b'hello xlvirt\r')
            sees(b'hello xlvirt')
            # One at a time, unless by force.
            code, _, err = self.host.virsh('console', 'c')
            self.assertEqual(code, 1, err)
            os.write(terminal, b'\x1d')
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        finally:
            os.close(terminal)
        self.virsh('destroy', 'c')


class TestEvents(Case):
    def test_event_loop(self):
        self.define('v')
        watch = subprocess.Popen(['stdbuf', '-oL', 'virsh', '-c', self.host.uri(), 'event', '--all', '--loop'],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(iter(watch.stdout.readline, '')), daemon=True)
        reader.start()

        def saw(text):
            wait_for(lambda: any(text in line for line in lines), f'{text!r} in {lines}')

        try:
            # The registrations are done when a change is seen: the title is set until it is.
            wait_for(lambda: self.host.virsh('desc', 'v', '--config', '--title', 'x') and
                     any('metadata' in line for line in lines), 'the first event')
            self.virsh('start', 'v')
            saw("event 'lifecycle' for domain 'v': Started Booted")
            self.virsh('suspend', 'v')
            saw("event 'lifecycle' for domain 'v': Suspended Paused")
            self.virsh('resume', 'v')
            saw("event 'lifecycle' for domain 'v': Resumed Unpaused")
            self.virsh('setmem', 'v', '65536', '--live')
            self.virsh('shutdown', 'v')
            saw("event 'lifecycle' for domain 'v': Stopped Shutdown")
            self.virsh('start', 'v')
            self.virsh('destroy', 'v')
            saw("event 'lifecycle' for domain 'v': Stopped Destroyed")
            self.virsh('undefine', 'v')
            saw("event 'lifecycle' for domain 'v': Undefined Removed")
        finally:
            watch.terminate()
            watch.wait(harness.TIMEOUT)
            reader.join(harness.TIMEOUT)
            watch.stdout.close()

    def test_one_domain(self):
        self.define('w1')
        self.define('w2')
        watch = subprocess.Popen(['stdbuf', '-oL', 'virsh', '-c', self.host.uri(), 'event', '--domain', 'w1', '--event',
                                  'lifecycle', '--timestamp', '--timeout', str(harness.TIMEOUT)],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            while watch.poll() is None:
                for name in ('w2', 'w1'):
                    self.virsh('start', name)
                    self.virsh('destroy', name)
            out = watch.communicate(timeout=harness.TIMEOUT)[0]
        finally:
            watch.kill()
        self.assertIn("event 'lifecycle' for domain 'w1'", out)
        self.assertNotIn('w2', out)
        self.assertIn('events received: 1', out)


class TestBusy(Case):
    def test_hanging_shutdown(self):
        """One domain's call hangs; questions about all of them are answered at once."""
        for name in ('h1', 'h2', 'h3'):
            self.define(name)
            self.virsh('start', name)
        self.host.control('[h1]\nshutdown-hang=true\n')
        stuck = subprocess.Popen(['virsh', '-c', self.host.uri(), 'shutdown', 'h1'], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: 'Unbounded' in self.host.virsh('domjobinfo', 'h1')[1], 'the job of h1')
            self.assertRegex(self.virsh('list'), 'h1.*\n.*h2.*\n.*h3')
            for name in ('h1', 'h2', 'h3'):
                self.virsh('dominfo', name)
                self.virsh('dumpxml', name)
                self.virsh('domstate', name)
            self.assertIsNone(stuck.poll())
            self.virsh('destroy', 'h2')
        finally:
            self.host.control('')
            stuck.kill()
            stuck.wait()

    def test_autostart(self):
        """Once a boot of the host: not when a daemon comes back, but when the host does."""
        self.define('up')
        self.define('down')
        self.virsh('autostart', 'up')
        self.host.end_daemon()
        self.host.start()
        self.assertEqual(self.virsh('domstate', 'up').strip(), 'shut off')
        self.host.end_daemon()
        self.host.end_host()
        self.host.start()
        wait_for(lambda: 'running' in self.virsh('domstate', 'up'), 'the autostart')
        self.assertEqual(self.virsh('domstate', 'down').strip(), 'shut off')

    def test_autostart_once(self):
        """The mark of newer clients: used up by the host's next boot, and by nothing else. Debian's virsh cannot ask."""
        self.define('sole', FREE)
        domain = Wire.domain(bytes.fromhex(FREE.replace('-', '')), b'sole')

        def once(set_to=None):
            with Wire(self.host) as wire:
                if set_to is not None:
                    self.assertEqual(wire.call(450, domain + struct.pack('>i', set_to)), (0, b''))
                return wire.call(449, domain)

        unmarked, marked = ((0, struct.pack('>i', value)) for value in (0, 1))
        self.assertEqual(once(), unmarked)
        self.assertEqual(once(1), marked)
        self.assertEqual(once(0), unmarked)
        self.assertEqual(once(1), marked)
        # It is another mark than that of each boot.
        self.assertRegex(self.virsh('dominfo', 'sole'), 'Autostart: +disable')
        self.host.end_daemon()
        self.host.start()
        self.assertEqual((once(), self.virsh('domstate', 'sole').strip()), (marked, 'shut off'))
        self.host.end_daemon()
        self.host.end_host()
        self.host.start()
        wait_for(lambda: 'running' in self.virsh('domstate', 'sole'), 'the autostart')
        self.assertEqual(once(), unmarked)
        self.host.end_daemon()
        self.host.end_host()
        self.host.start()
        self.assertEqual(self.virsh('domstate', 'sole').strip(), 'shut off')
        with Wire(self.host, readonly=True) as wire:
            self.assertEqual(wire.call(449, domain), unmarked)
            self.assertRegex(wire.error(450, domain + struct.pack('>i', 1))[2], 'read only access prevents')

    # Operation, how virsh asks for it, whether it is about a domain that runs.
    HANGS = [('shutdown', ['shutdown'], True), ('reboot', ['reboot'], True), ('pause', ['suspend'], True),
             ('save', ['managedsave'], True), ('memory', ['setmem', '--size', '65536', '--live'], True),
             ('vcpus', ['setvcpus', '--count', '1', '--live'], True), ('start', ['start'], False)]

    def answer(self, names):
        """Questions, while something hangs: what waited for that would not come back, and virsh would be given up."""
        self.virsh('list', '--all')
        for name in names:
            for command in ('dominfo', 'dumpxml', 'domstate'):
                self.virsh(command, name)

    def test_each_hang(self):
        """Whatever hangs, and the list of all domains with it: questions are answered, destroy ends it."""
        self.define('g1')
        self.define('g2')
        self.virsh('start', 'g2')
        for operation, words, running in self.HANGS:
            with self.subTest(operation):
                if running:
                    self.virsh('start', 'g1')
                    self.virsh('dominfo', 'g1')  # a first figure of it would be waited for
                self.host.control(f'[g1]\n{operation}-hang=true\n[*]\nlist-hang=true\n')
                stuck = subprocess.Popen(['virsh', '-c', self.host.uri(), words[0], 'g1', *words[1:]],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.virsh_env())
                try:
                    wait_for(lambda: 'Unbounded' in self.host.virsh('domjobinfo', 'g1')[1], 'the job of g1')
                    self.answer(('g1', 'g2'))
                    self.assertIsNone(stuck.poll())
                    self.virsh('destroy', 'g1')
                    self.wait_state('g1', 'shut off')
                    self.host.control('')
                    stuck.wait(harness.TIMEOUT)
                finally:
                    self.host.control('')
                    stuck.kill()
                    stuck.wait()

    def test_who_holds_the_job(self):
        host = harness.Host()
        self.addCleanup(host.end)
        config = host.file('xlvirtd.conf', 'job_timeout = 1\n')
        host.start('--config', config)
        host.virsh('define', host.file('w.xml', domain_xml('w')))
        self.assertEqual(host.virsh('start', 'w')[0], 0)
        host.control('[w]\nshutdown-hang=true\n')
        stuck = subprocess.Popen(['virsh', '-c', host.uri(), 'shutdown', 'w'], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        wait_for(lambda: 'Unbounded' in host.virsh('domjobinfo', 'w')[1], 'the job')
        code, _, err = host.virsh('suspend', 'w')
        host.control('')
        stuck.wait(harness.TIMEOUT)
        self.assertEqual(code, 1)
        self.assertRegex(err, r'Timed out during operation: cannot acquire state change lock \(held by shutdown')

    def test_hypervisor_that_stands_still(self):
        """A simulated host that is stopped answers nothing: what is known is shown, a daemon that is asked to
        end does so, also one that has just begun."""
        self.define('st')
        self.virsh('start', 'st')
        before = self.virsh('domid', 'st')
        self.virsh('dominfo', 'st')
        with open(f'{self.host.root}/run/xlvirt/simhost.pid') as f:
            pid = int(f.read())
        os.kill(pid, harness.signal.SIGSTOP)
        try:
            self.answer(['st'])
            self.assertEqual(self.host.end_daemon(), 0)
            early = subprocess.Popen([harness.XLVIRTD, '--engine', 'sim', '--root', self.host.root],
                                     stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for(lambda: os.path.exists(f'{self.host.root}/run/xlvirtd.pid'), 'the next daemon')
            time.sleep(0.3)  # inside the hypervisor by now, most likely; before it is as good
            early.terminate()
            early.wait(harness.TIMEOUT)
        finally:
            os.kill(pid, harness.signal.SIGCONT)
        self.host.start()
        self.assertEqual(self.virsh('domid', 'st'), before)
        os.kill(pid, harness.signal.SIGKILL)
        self.wait_state('st', 'shut off')
        self.virsh('start', 'st')

    def test_killed_daemon(self):
        """kill -9 while domains are defined and started: what was answered is there afterwards."""
        done = []
        stop = threading.Event()

        def work():
            for i in range(200):
                name = f'k{i}'
                path = self.host.file(f'{name}.xml', domain_xml(name))
                if stop.is_set() or self.host.virsh('define', path)[0]:
                    return
                done.append((name, 'defined'))
                if self.host.virsh('start', name)[0]:
                    return
                done.append((name, 'running'))

        for _ in range(3):
            done.clear()
            worker = threading.Thread(target=work)
            worker.start()
            wait_for(lambda: len(done) >= 3, 'some domains')
            self.host.end_daemon(harness.signal.SIGKILL)
            worker.join()
            self.host.start()
            listed = self.virsh('list', '--all', '--name').split()
            running = self.virsh('list', '--name').split()
            for name, state in done:
                self.assertIn(name, listed)
                if state == 'running':
                    self.assertIn(name, running)
            for name in set(listed) - {'Domain-0'}:
                self.host.virsh('destroy', name)
                self.virsh('undefine', name)


if __name__ == '__main__':
    if not shutil.which('virsh'):
        print('1..0 # SKIP virsh is not installed')
        sys.exit(0)  # TAP says by its plan that all is skipped
    tap.main()
