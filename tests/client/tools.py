#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-install, virt-clone, virt-xml, virt-top, Sys::Virt and virsh's completion against xlvirtd on the engine sim.

A case skips where its program is not installed. usage: tools.py [WORD...]"""
import csv
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import stock  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402

UUID = '11111111-2222-3333-4444-{:012d}'
TIMEOUT = harness.TIMEOUT
MIB = 1 << 20


def needs(program):
    return tap.unittest.skipUnless(shutil.which(program), f'{program} is not installed')


class Case(harness.Case):
    def setUp(self):
        self.folder = os.path.join(self.host.root, 'files')
        os.makedirs(self.folder, exist_ok=True)
        self.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        self.addCleanup(self.clear)

    def clear(self):
        for name in self.host.virsh('list', '--name')[1].split():
            if name != 'Domain-0':
                self.host.virsh('destroy', name)
        for name in self.host.virsh('list', '--all', '--name')[1].split():
            if name != 'Domain-0':
                self.host.virsh('undefine', name, '--managed-save')
        shutil.rmtree(self.folder)

    def path(self, name, size=None, text=None):
        """A file of the case; with `size` it is a sparse one, with `text` a small one."""
        path = os.path.join(self.folder, name)
        if size is not None or text is not None:
            with open(path, 'w') as f:
                f.write(text or '')
                if size:
                    f.truncate(size)
        return path

    def tool(self, program, *args, status=0):
        """Both streams of a program that has to end with `status`; it finds its URI and a home of its own."""
        done = subprocess.run([program, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False,
                              env=dict(os.environ, LC_ALL='C.UTF-8', HOME=self.host.root,
                                       LIBVIRT_DEFAULT_URI=self.host.uri()))
        self.assertEqual(done.returncode, status, f'{program} {" ".join(args)}\n{done.stdout}')
        return done.stdout

    def virsh(self, *args):
        code, out, err = self.host.virsh(*args)
        self.assertEqual(code, 0, f'virsh {" ".join(args)}\n{out}{err}')
        return out

    def xml(self, name, *options):
        return self.virsh('dumpxml', name, *options)

    def has(self, text, *patterns):
        for pattern in patterns:
            self.assertRegex(text, re.compile(pattern, re.S))

    def define(self, name, number, running=False, extra='', **more):
        xml = domain_xml(name, UUID.format(number), **more).replace('</devices>', extra + '</devices>')
        self.virsh('define', self.path(name + '.xml', text=xml))
        if running:
            self.virsh('start', name)

    def clone_disk(self, *options):
        disk, copy = self.path('one.img', size=MIB), self.path('two.img')
        self.define('one', 1, extra=f"<disk type='file'><source file='{disk}'/><target dev='xvda' bus='xen'/></disk>")
        self.tool('virt-clone', '--original', 'one', '--name', 'two', '--file', copy, *options)
        self.has(self.xml('two'), f"<source file='{copy}'")
        self.assertEqual(os.path.getsize(copy), MIB)


NIC = "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr0'/></interface>"


@needs('virt-install')
class TestInstall(Case):
    def install(self, name, *args, status=0):
        return self.tool('virt-install', '--name', name, '--memory', '256', '--osinfo', 'generic', '--noautoconsole',
                         *args, status=status)

    def test_pv(self):
        kernel, initrd = self.path('vmlinuz', text='k'), self.path('initrd', text='i')
        self.install('pv', '--paravirt', '--import', '--disk', 'none', '--network', 'bridge=xenbr0', '--graphics', 'none',
                     '--boot', f'kernel={kernel},initrd={initrd},kernel_args=root=/dev/xvda')
        self.has(self.xml('pv'), "<domain type='xen' id='\\d+'>", f'<kernel>{kernel}</kernel>',
                 f'<initrd>{initrd}</initrd>', '<cmdline>root=/dev/xvda</cmdline>', "<source bridge='xenbr0'/>",
                 "<type arch='x86_64' machine='xenpv'>linux</type>")
        # What virt-install starts is there afterwards.
        self.virsh('destroy', 'pv')
        self.has(self.virsh('dominfo', 'pv'), 'Persistent: +yes')

    def test_hvm(self):
        self.install('hvm', '--hvm', '--import', '--disk', 'none', '--network', 'bridge=xenbr0', '--graphics', 'vnc',
                     '--vcpus', '4,maxvcpus=8', '--video', 'vga', '--input', 'tablet,bus=usb')
        self.has(self.xml('hvm'), "machine='xenfv'>hvm</type>", "<vcpu placement='static' current='4'>8</vcpu>",
                 "<graphics type='vnc' port='59\\d\\d' autoport='yes'", "<model type='vga'", "<input type='tablet' bus='usb'")

    def test_pxe(self):
        """An installation ends with the first reboot."""
        self.install('pxe', '--hvm', '--pxe', '--disk', 'none', '--network', 'bridge=xenbr0', '--graphics', 'none')
        self.has(self.xml('pxe'), "<boot dev='network'/>", '<on_reboot>destroy</on_reboot>')
        self.has(self.xml('pxe', '--inactive'), '<on_reboot>restart</on_reboot>')

    def test_from_a_kernel(self):
        kernel, initrd = self.path('vmlinuz', text='k'), self.path('initrd', text='i')
        out = self.install('inst', '--paravirt', '--disk', 'none', '--network', 'none', '--graphics', 'none', '--install',
                           f'kernel={kernel},initrd={initrd},kernel_args=auto=true', '--wait', '0')
        self.has(out, 'Creating domain')
        self.has(self.xml('inst'), r'<kernel>[^<]*virtinst-\w+-vmlinuz</kernel>', '<cmdline>auto=true</cmdline>',
                 '<on_reboot>destroy</on_reboot>')
        self.assertNotIn('<kernel>', self.xml('inst', '--inactive'))

    def test_waits_for_the_end(self):
        """With --wait it follows the installation, until the guest shuts down, and starts it again."""
        with subprocess.Popen(['virt-install', '--connect', self.host.uri(), '--name', 'w', '--memory', '256', '--osinfo',
                               'generic', '--noautoconsole', '--hvm', '--pxe', '--disk', 'none', '--network',
                               'bridge=xenbr0', '--graphics', 'none', '--wait'], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, LC_ALL='C.UTF-8', HOME=self.host.root)) as waiting:
            try:
                wait_for(lambda: self.host.virsh('domstate', 'w')[1].strip() == 'running', 'the installation', TIMEOUT)
                first = self.virsh('domid', 'w')
                self.virsh('reboot', 'w')
                out, _ = waiting.communicate(timeout=TIMEOUT)
            finally:
                waiting.kill()
        self.assertEqual(waiting.returncode, 0, out)
        self.has(out, 'Domain creation completed')
        self.assertNotEqual(self.virsh('domid', 'w'), first)

    def test_print_xml(self):
        out = self.install('p', '--hvm', '--import', '--disk', 'none', '--network', 'bridge=xenbr0', '--print-xml')
        self.has(out, '<domain type="xen">', '<name>p</name>')
        self.assertEqual(self.virsh('list', '--all', '--name').split(), ['Domain-0'])
        self.virsh('define', self.path('p.xml', text=out))

    def test_refusals(self):
        self.define('there', 1)
        out = self.install('there', '--import', '--disk', 'none', '--network', 'none', status=1)
        self.has(out, 'already in use|in use by another')
        out = self.install('large', '--import', '--disk', 'none', '--network', 'none', '--memory', '99999999', status=1)
        self.has(out, 'not enough free memory|memory')
        self.assertNotIn('large', self.virsh('list', '--name'))

    def test_mac_of_another(self):
        self.define('has', 1, extra=NIC, running=True)
        out = self.install('wants', '--import', '--disk', 'none', '--network', 'bridge=xenbr0,mac=00:16:3e:00:00:01',
                           status=1)
        self.has(out, '00:16:3e:00:00:01.*in use')

    def test_disk_that_exists(self):
        disk = self.path('disk.img', size=MIB)
        self.install('df', '--hvm', '--import', '--disk', f'path={disk},format=raw', '--network', 'none')
        self.has(self.xml('df'), f"<source file='{disk}'", "<target dev='hda' bus='ide'/>")

    def test_disk_that_is_a_device(self):
        device = next((f'/dev/{name}' for name in ('loop0', 'ram0', 'vda', 'sda', 'nvme0n1')
                       if os.path.exists(f'/dev/{name}')), None)
        if not device:
            self.skipTest('this machine has no block device')
        out = self.install('db', '--hvm', '--import', '--disk', f'path={device}', '--network', 'none', '--print-xml')
        self.has(out, f'<disk type="block".*<source dev="{device}"/>')


@needs('virt-clone')
class TestClone(Case):
    def test_clone(self):
        self.define('one', 1, extra=NIC)
        self.has(self.tool('virt-clone', '--original', 'one', '--name', 'two', '--auto-clone'),
                 "Clone 'two' created successfully")
        two = self.xml('two')
        self.has(two, '<name>two</name>', "<source bridge='xenbr0'/>")
        self.assertNotIn(UUID.format(1), two)
        self.assertNotIn('00:16:3e:00:00:01', two)
        self.has(self.tool('virt-clone', '--original', 'one', '--name', 'three', '--auto-clone', '--print-xml', '--mac',
                           '00:16:3e:00:00:09'), '<name>three</name>.*00:16:3e:00:00:09')
        self.assertNotIn('three', self.virsh('list', '--all'))

    def test_refusals(self):
        self.define('one', 1, extra=NIC, running=True)
        self.has(self.tool('virt-clone', '--original', 'one', '--name', 'two', '--auto-clone', status=1),
                 'must be shutoff')
        self.has(self.tool('virt-clone', '--original', 'nobody', '--name', 'two', '--auto-clone', status=1), 'nobody')

    def test_disk_that_exists(self):
        self.path('two.img', size=MIB)
        self.clone_disk('--preserve-data')


@needs('virt-install')
@needs('virt-clone')
@tap.unittest.skipIf(stock.missing(), stock.missing())
class TestStorage(stock.WithStock, Case):
    """What needs a storage daemon: the host's own, behind xlvirtd."""

    def install(self, name, disk):
        self.tool('virt-install', '--name', name, '--memory', '256', '--osinfo', 'generic', '--noautoconsole', '--hvm',
                  '--import', '--disk', disk, '--network', 'none')
        return self.xml(name)

    def clear(self):
        for pool in self.host.virsh('pool-list', '--name')[1].split():
            self.host.virsh('pool-destroy', pool)
            self.host.virsh('pool-undefine', pool)
        super().clear()

    def test_new_disk(self):
        disk = self.path('new.img')
        self.has(self.install('new', f'path={disk},size=0.01,format=raw'), f"<source file='{disk}'")
        self.assertGreater(os.path.getsize(disk), MIB)

    def test_pool(self):
        folder = self.path('pool')
        os.mkdir(folder)
        self.virsh('pool-define-as', 'p', 'dir', '--target', folder)
        self.virsh('pool-start', 'p')
        self.has(self.install('made', 'pool=p,size=0.01'), f"<source file='{folder}/made[^']*'")
        self.virsh('vol-create-as', 'p', 'there', '1M')
        self.has(self.install('found', 'vol=p/there'), f"<source file='{folder}/there'")
        # The definition names the volume, and not its path; xlvirtd asks for that.
        self.virsh('vol-create-as', 'p', 'more', '1M')
        self.has(self.install('asked', 'type=volume,source.pool=p,source.volume=more,format=raw'),
                 "<source pool='p' volume='more'/>")
        self.has(self.virsh('domstats', '--block', 'asked'), f'path={folder}/more\n')
        self.has(self.virsh('domblklist', 'asked', '--details'), r'volume +disk +\w+ +more')

    def test_default_pool(self):
        """Where nobody names a pool or a path it is this one; it is made where there is none."""
        folder = self.path('images')
        os.mkdir(folder)
        self.virsh('pool-define-as', 'default', 'dir', '--target', folder)
        self.virsh('pool-start', 'default')
        self.has(self.install('named', 'pool=default,size=0.01'), f"<source file='{folder}/named[^']*'")
        self.has(self.install('unnamed', 'size=0.01'), f"<source file='{folder}/unnamed[^']*'")
        self.has(self.virsh('vol-list', 'default'), r'named\S* .*\n.*unnamed')

    def test_clone(self):
        self.clone_disk()


@needs('virt-xml')
class TestXml(Case):
    def change(self, *args, status=0):
        return self.tool('virt-xml', *args, status=status)

    def test_edit(self):
        self.define('x', 1, extra=NIC)
        self.has(self.change('x', '--edit', '--vcpus', '4,vcpu.current=2', '--define'), "Domain 'x' defined successfully")
        self.has(self.xml('x'), "<vcpu placement='static' current='2'>4</vcpu>")
        self.change('x', '--edit', '--metadata', 'title=The shop', '--define')
        self.has(self.xml('x'), '<title>The shop</title>')
        self.change('x', '--edit', '--network', 'source=xenbr7', '--define')
        self.has(self.xml('x'), "00:16:3e:00:00:01'/>\\s*<source bridge='xenbr7'/>")
        self.has(self.change('x', '--edit', '--memory', '256', '--print-diff'), r'\+ +<memory unit="KiB">262144')
        self.has(self.xml('x'), "<memory unit='KiB'>131072")
        self.change('x', '--edit', '--boot', 'cdrom,hd', '--define', '--start')
        self.has(self.xml('x'), "id='\\d+'.*<boot dev='cdrom'/>\\s*<boot dev='hd'/>")

    def test_config(self):
        self.define('x', 1)
        self.change('x', '--add-device', '--network', 'bridge=br1,mac=00:16:3e:00:00:05', '--define')
        self.has(self.xml('x'), "00:16:3e:00:00:05'/>\\s*<source bridge='br1'/>")
        self.change('x', '--remove-device', '--network', 'mac=00:16:3e:00:00:05', '--define')
        self.assertNotIn('<interface', self.xml('x'))
        self.has(self.change('x', '--remove-device', '--network', '1', '--define', status=1), 'Invalid|No ')
        self.has(self.change('x', '--build-xml', '--network', 'bridge=br2'), '<interface type="bridge">')

    def test_live(self):
        self.define('x', 1, extra=NIC, running=True)
        out = self.change('x', '--add-device', '--network', 'bridge=br1,mac=00:16:3e:00:00:05', '--update')
        self.has(out, 'Device hotplug successful')
        for options in ((), ('--inactive',)):
            self.has(self.xml('x', *options), '00:16:3e:00:00:05')
        self.has(self.change('x', '--edit', 'mac=00:16:3e:00:00:05', '--network', 'source=br2', '--update'),
                 'Device update successful')
        self.has(self.xml('x'), "00:16:3e:00:00:05'/>\\s*<source bridge='br2'/>")
        self.has(self.change('x', '--remove-device', '--network', 'mac=00:16:3e:00:00:05', '--update'),
                 'Device hotunplug successful')
        for options in ((), ('--inactive',)):
            self.assertNotIn('00:16:3e:00:00:05', self.xml('x', *options))
        self.has(self.change('x', '--add-device', '--graphics', 'vnc', '--update', status=1),
                 'hotplug: this function is not supported.*<graphics> of this kind')
        self.change('x', '--add-device', '--graphics', 'vnc', '--define')
        self.assertNotIn('<graphics', self.xml('x'))
        self.assertIn('<graphics', self.xml('x', '--inactive'))


@needs('virt-top')
class TestTop(Case):
    def test_batch(self):
        self.define('busy', 1, extra=NIC, running=True)
        self.define('idle', 2)
        log = self.path('top.csv')
        self.tool('virt-top', '-c', self.host.uri(), '-b', '-n', '2', '-d', '1', '--csv', log)
        with open(log) as f:
            rows = list(csv.reader(f))
        self.assertGreaterEqual(len(rows), 3, rows)
        self.assertIn('Hostname', rows[0])
        self.assertIn('busy', rows[-1])
        out = self.tool('virt-top', '-c', self.host.uri(), '-b', '-n', '1', '--script')
        self.assertIn('busy', out)


PERL = r'''
use strict; use Sys::Virt; use Sys::Virt::Domain;
my $c = Sys::Virt->new(uri => $ARGV[0]);
print "type ", $c->get_type, "\n";
print "names ", join(",", sort map { $_->get_name } $c->list_all_domains), "\n";
my $xml = do { local (@ARGV, $/) = ($ARGV[1]); <> };
my $d = $c->define_domain($xml);
$d->create;
my ($state, $reason) = $d->get_state;
print "state $state $reason\n";
my $info = $d->get_info;
print "memory $info->{memory} vcpus $info->{nrVirtCpu}\n";
my ($stats) = $c->get_all_domain_stats(Sys::Virt::Domain::STATS_STATE | Sys::Virt::Domain::STATS_VCPU, [$d]);
print "stats $stats->{data}->{'state.state'} $stats->{data}->{'vcpu.current'}\n";
$d->suspend; $d->resume;
print "scheduler ", join(",", map { "$_" } sort keys %{$d->get_scheduler_parameters}), "\n";
eval { $c->get_domain_by_name("nobody") };
print "error ", ref($@), " ", $@->code, " ", $@->message, "\n";
$d->destroy; $d->undefine;
my @left = $c->list_all_domains(Sys::Virt::Domain::LIST_INACTIVE);
print "left ", scalar(@left), "\n";
'''


def has_sys_virt():
    return shutil.which('perl') and subprocess.run(['perl', '-MSys::Virt', '-e', '1'], capture_output=True,
                                                   check=False).returncode == 0


@tap.unittest.skipUnless(has_sys_virt(), 'Sys::Virt is not installed')
class TestPerl(Case):
    def test_sys_virt(self):
        script = self.path('script.pl', text=PERL)
        document = self.path('p.xml', text=domain_xml('perl', UUID.format(1)))
        out = self.tool('perl', script, self.host.uri(), document)
        self.assertEqual(out.splitlines(), [
            'type Xen', 'names Domain-0', 'state 1 1', 'memory 131072 vcpus 2', 'stats 1 2', 'scheduler cap,weight',
            "error Sys::Virt::Error 42 Domain not found: no domain with matching name 'nobody'", 'left 0'])


@needs('virsh')
class TestCompletion(Case):
    """What the shell asks virsh for when a person presses the tabulator key."""

    def words(self, *typed, readonly=False):
        done = subprocess.run(['virsh', *(['-r'] if readonly else []), '-c', self.host.uri(readonly), 'complete', '--',
                               *typed], text=True, capture_output=True, timeout=TIMEOUT, check=False)
        return done.stdout.split()

    def test_completion(self):
        disk = "<disk type='file'><source file='/d/a.img'/><target dev='xvda' bus='xen'/></disk>"
        self.define('runs', 1, extra=NIC + disk, running=True)
        self.define('rests', 2)
        for readonly in (False, True):
            with self.subTest(readonly=readonly):
                self.assertEqual(self.words('dominfo', '--domain', '', readonly=readonly), ['Domain-0', 'runs', 'rests'])
                self.assertEqual(self.words('dominfo', '--domain', 'ru', readonly=readonly), ['runs'])
                self.assertEqual(self.words('domblkinfo', '--domain', 'runs', '--device', '', readonly=readonly), ['xvda'])
        self.assertEqual(self.words('start', '--domain', ''), ['rests'])
        self.assertEqual(self.words('destroy', '--domain', ''), ['Domain-0', 'runs'])
        self.assertRegex(self.words('domif-setlink', '--domain', 'runs', '--interface', '')[0], r'^vif\d+\.0$')
        self.assertIn('lifecycle', self.words('event', '--event', ''))
        self.assertIn('domid', self.words('domi'))


if __name__ == '__main__':
    tap.main()
