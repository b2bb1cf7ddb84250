#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engine libxl on real Xen: lifecycle, events, living with others, many at once, a daemon and a
host that go down. Driven from outside by stock clients.

Most cases use the lab's stub, a PV kernel of a few bytes that starts at once and ends when a letter is
typed; those that are about a guest's part in it use Linux."""
import os
import re
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests/client'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import xenclient  # noqa: E402
import xenhost  # noqa: E402
from harness import Wire  # noqa: E402
from xenclient import libvirt, wait_for, xml  # noqa: E402

REFUSAL = xenhost.refusal() or (None if libvirt else 'python3-libvirt is not installed')
PATIENCE = xenclient.PATIENCE
LAB = None
CLIENT = None

STARTED, SUSPENDED, RESUMED, STOPPED = 2, 3, 4, 5
DESTROYED, CRASHED = 1, 2


def setUpModule():
    global LAB, CLIENT
    if REFUSAL:
        return
    LAB = xenhost.Lab()
    LAB.__enter__()
    CLIENT = xenclient.Client(LAB.uri())


def tearDownModule():
    if LAB:
        LAB.__exit__()


def states():
    """{name: state} as Xen has it: the letters of xl list."""
    return {name: letters for name, _, letters in LAB.domains()}


@unittest.skipIf(REFUSAL, REFUSAL)
class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.clear)
        CLIENT.forget_events()

    @staticmethod
    def clear():
        def none_left():
            """Also of those that xl just starts again."""
            for name in LAB.guests():
                LAB.run(f'xl destroy {name}', check=False)
            return not LAB.domains()

        CLIENT.clear()
        wait_for(none_left, 'all domains to go')

    @staticmethod
    def define(sample, name, *changes):
        return CLIENT.connection.defineXML(xml(sample, name, *changes))

    def slow_start(self, name):
        """A start that goes on for a while: (domain, its thread, what the start failed of)."""
        # Slow to plug; to unplug it is quick.
        LAB.run("printf '#!/bin/sh\\n[ \"$1\" != online ] || sleep 35\\n' >/etc/xen/scripts/vif-slow; "
                'chmod 755 /etc/xen/scripts/vif-slow')
        domain = self.define('stub', name, ('<devices>', "<devices><interface type='bridge'><source bridge='xenbr0'/>"
                                            "<script path='vif-slow'/></interface>"))
        failed = []

        def run():
            try:
                domain.create()
            except libvirt.libvirtError as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: name in LAB.guests(), 'the domain to be there')
        return domain, thread, failed

    def log(self, name):
        return LAB.run(f'cat /var/log/libvirt/libxl/{name}.log')

    def state(self, name):
        domain = CLIENT.domain(name)
        return domain.state()[0] if domain else None


class TestLifecycle(Case):
    def test_from_start_to_end(self):
        domain = self.define('stub', 'one')
        domain.create()
        CLIENT.wait_event('one', STARTED, 0)
        self.assertEqual(LAB.guests(), {'one': domain.ID()})
        self.assertRegex(domain.XMLDesc(), r"<domain type='xen' id='\d+'>")
        self.assertRegex(domain.XMLDesc(), r"<console type='pty' tty='/dev/pts/\d+'>")
        self.assertNotIn('/dev/pts', domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        domain.suspend()
        CLIENT.wait_event('one', SUSPENDED, 0)
        self.assertRegex(states()['one'], '^..p')
        self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_PAUSED)
        domain.resume()
        CLIENT.wait_event('one', RESUMED, 0)
        self.assertNotRegex(states()['one'], '^..p')
        self.assertEqual(domain.info()[1], 8192)
        self.assertEqual(len(domain.vcpus()[0]), 1)
        domain.destroy()
        CLIENT.wait_event('one', STOPPED, DESTROYED)
        self.assertEqual(LAB.guests(), {})
        self.assertEqual(domain.ID(), -1)
        domain.create()
        self.assertEqual(LAB.guests(), {'one': domain.ID()})

    def test_starts_paused(self):
        domain = CLIENT.connection.createXML(xml('stub', 'still'), libvirt.VIR_DOMAIN_START_PAUSED)
        self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_PAUSED)
        self.assertRegex(states()['still'], '^..p')
        domain.resume()
        LAB.wait_console('still', 'stub: up')
        domain.destroy()
        self.assertNotIn('still', CLIENT.names())

    def test_no_kernel(self):
        """What is missing is said before anything is built."""
        domain = self.define('stub', 'none', ('/srv/guests/stub', '/srv/guests/there-is-none'))
        with self.assertRaisesRegex(libvirt.libvirtError, "cannot use kernel '/srv/guests/there-is-none': No such file"):
            domain.create()
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED])

    def test_what_libxl_says(self):
        """The reason of a failure reaches the client and the domain's log; nothing is left."""
        domain = self.define('stub', 'wrong', ('/srv/guests/stub', '/srv/guests/initramfs'))
        with self.assertRaisesRegex(libvirt.libvirtError, r"cannot start domain 'wrong': .*no loader found.*\(rc -3: ERROR_FAIL\)"):
            domain.create()
        self.assertIn('no loader found', self.log('wrong'))
        self.assertEqual(LAB.guests(), {})
        self.assertEqual(LAB.run('ls /run/xlvirt/starting'), '')

    def test_hvm(self):
        """Firmware and a boot sector, which knows no PV drivers."""
        domain = self.define('hvm-disk', 'fw')
        domain.create()
        live = domain.XMLDesc()
        self.assertRegex(live, r"(?s)<serial type='pty'>\s*<source path='/dev/pts/\d+'/>")
        with self.assertRaisesRegex(libvirt.libvirtError, 'no PV drivers'):
            domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_PARAVIRT)
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        path = '/var/lib/libvirt/libxl/save/fw.image'
        domain.save(path)
        self.assertEqual(LAB.guests(), {})
        self.assertEqual(LAB.run(f'head -c 11 {path}'), 'libvirt-xml')
        CLIENT.connection.restoreFlags(path, None, libvirt.VIR_DOMAIN_SAVE_PAUSED)
        self.assertEqual(self.state('fw'), libvirt.VIR_DOMAIN_PAUSED)
        self.assertRegex(states()['fw'], '^..p')

    def test_xl_image(self):
        """An image of `xl save` is refused with what to do."""
        LAB.run(r"printf 'Xen saved domain, xl format\n \0 \r' >/tmp/xl.image; head -c 4096 /dev/zero >>/tmp/xl.image")
        with self.assertRaisesRegex(libvirt.libvirtError, 'xl restore'):
            CLIENT.connection.restore('/tmp/xl.image')


class TestLinux(Case):
    """A guest with a part of its own."""

    def start(self, name, *changes):
        LAB.run(f'lab-guest forget {name}', check=False)
        domain = self.define('pv', name, ("<vcpu>1<", "<vcpu current='1'>2<"), *changes)
        domain.create()
        LAB.wait_console(name, 'guest: ready', PATIENCE)
        return domain

    def test_a_life(self):
        domain = self.start('linux')
        first = domain.ID()
        self.assertRegex(domain.XMLDesc(), rf"<target dev='vif{first}\.0'/>")

        stream = CLIENT.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, 0)
        self.type(stream, 'echo $((6 * 7))th\n', '42th')
        stream.abort()

        domain.setVcpus(2)
        self.assertEqual(LAB.run(f'xenstore-read /local/domain/{first}/cpu/1/availability').strip(), 'online')
        LAB.wait_console('linux', 'guest: cpu cpu1: in use', PATIENCE)
        domain.setMemoryFlags(96 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        wait_for(lambda: domain.info()[2] <= 97 * 1024, 'the guest to give memory back')

        CLIENT.forget_events()
        LAB.run('lab-guest forget linux')
        domain.reboot(libvirt.VIR_DOMAIN_REBOOT_PARAVIRT)
        CLIENT.wait_event('linux', 'reboot')
        # A client's object keeps the id that it was made with.
        self.assertNotEqual(CLIENT.domain('linux').ID(), first)
        LAB.wait_console('linux', 'guest: ready', PATIENCE)

        domain.managedSave()
        CLIENT.wait_event('linux', STOPPED, 4)
        self.assertTrue(domain.hasManagedSaveImage())
        domain.create()
        CLIENT.wait_event('linux', STARTED, 2)
        self.assertFalse(domain.hasManagedSaveImage())
        stream = CLIENT.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, 0)
        self.type(stream, 'echo $((6 * 8))th\n', '48th')
        stream.abort()

        CLIENT.forget_events()
        domain.shutdown()
        CLIENT.wait_event('linux', STOPPED, 0)
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN])
        self.assertEqual(LAB.guests(), {})

    def type(self, stream, line, answer):
        """Until the shell behind the console answers."""
        said = b''
        sent = 0
        end = time.monotonic() + PATIENCE
        while answer.encode() not in said:
            self.assertLess(time.monotonic(), end, said)
            if time.monotonic() - sent > 20:  # what came before the shell listened is lost
                stream.send(line.encode())
                sent = time.monotonic()
            data = stream.recv(4096)
            if data == -2:
                time.sleep(0.1)
            else:
                said += data

    def test_pygrub(self):
        """The kernel that a bootloader takes from the guest's disk is unpacked once, too."""
        LAB.run('lab-guest grub /tmp/grub.img; rm -rf /var/cache/xlvirt/kernels; lab-guest forget grub', check=False)
        domain = self.define('pv', 'grub', ('/srv/guests/pv.img', '/tmp/grub.img'),
                             ('<kernel>/srv/guests/vmlinuz</kernel>', ''), ('<initrd>/srv/guests/initramfs</initrd>', ''),
                             (re.search('<cmdline>.*</cmdline>', xml('pv', 'grub'))[0], ''), ('<os>', '<bootloader>pygrub</bootloader><os>'))
        domain.create()
        self.assertEqual(len(LAB.run('ls /var/cache/xlvirt/kernels').split()), 1)
        self.assertEqual(LAB.run('ls -d /run/xen/bootloader* /run/xen/pygrub/* 2>/dev/null || true'), '')
        said = LAB.wait_console('grub', 'guest: ready', PATIENCE)
        self.assertIn('guest: Linux', said)
        self.assertNotIn('xlvirt-bootloader', domain.XMLDesc())

    def test_crash(self):
        domain = self.define('stub', 'crash')
        domain.create()
        LAB.wait_console('crash', 'stub: up', PATIENCE)
        LAB.run('lab-guest ask crash c 1')
        CLIENT.wait_event('crash', STOPPED, CRASHED)
        self.assertEqual(domain.state(), [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED])


class TestOthers(Case):
    """xl beside us."""

    def test_xl_destroys_ours(self):
        self.define('stub', 'prey').create()
        LAB.run('xl destroy prey')
        CLIENT.wait_event('prey', STOPPED, DESTROYED)
        self.assertEqual(self.state('prey'), libvirt.VIR_DOMAIN_SHUTOFF)
        CLIENT.domain('prey').create()

    def test_xl_renames(self):
        """What xl renames has that name here, too: list, events and files; also one that xl started, and
        after a daemon that was not there then. Where the name is taken it keeps its own."""
        self.define('stub', 'before').create()
        self.define('stub', 'taken')
        LAB.run('xl rename before after')
        CLIENT.wait_event('after', 0, 2)
        self.assertIsNone(CLIENT.domain('before'))
        self.assertEqual(CLIENT.domain('after').ID(), LAB.guests()['after'])
        files = LAB.run('ls /etc/libvirt/libxl /run/libvirt/libxl /var/log/libvirt/libxl').split()
        self.assertEqual(files.count('after.xml'), 2)
        self.assertNotIn('before.xml', files)
        self.assertIn('after.log', files)
        LAB.run('xl rename after taken')
        LAB.run('xl create -q /srv/guests/stub.cfg')
        CLIENT.wait_event('stub', STARTED)
        LAB.run('xl rename stub other')
        wait_for(lambda: CLIENT.names() == {'after', 'taken', 'other'}, 'the new name of xl\'s own')
        LAB.run('lab-xlvirtd stop; xl rename taken late; lab-xlvirtd start', timeout=PATIENCE)
        CLIENT.connect()
        wait_for(lambda: CLIENT.names() == {'late', 'taken', 'other'}, 'the name that was given meanwhile')

    def test_domain_of_xl(self):
        """It appears with a definition out of libxl's record, is paused, resumed and destroyed by
        either of us; also one that xl created paused."""
        LAB.run('xl create -q /srv/guests/stub.cfg')
        CLIENT.wait_event('stub', STARTED)
        LAB.run('xl create -q -p /srv/guests/stub-pvh.cfg')
        domain = CLIENT.domain('stub')
        self.assertFalse(domain.isPersistent())
        self.assertIn('<kernel>/srv/guests/stub</kernel>', domain.XMLDesc())
        wait_for(lambda: re.search(r"tty='/dev/pts/\d+'", CLIENT.domain('stub').XMLDesc()), 'its console')
        LAB.run('xl pause stub')
        CLIENT.wait_event('stub', SUSPENDED)
        self.assertEqual(domain.state()[0], libvirt.VIR_DOMAIN_PAUSED)
        LAB.run('xl unpause stub')
        CLIENT.wait_event('stub', RESUMED)
        domain.destroy()
        self.assertNotIn('stub', LAB.guests())
        self.assertNotIn('stub', CLIENT.names())
        CLIENT.wait_event('stub-pvh', STARTED)
        self.assertEqual(self.state('stub-pvh'), libvirt.VIR_DOMAIN_PAUSED)

    def test_xl_restarts_its_own(self):
        """A guest of xl's reboots: the xl that waits for it starts it again, and nobody else."""
        def lives():
            return {e[3] for e in CLIENT.events[CLIENT.seen:] if e[:2] == ('stub', STARTED)}

        LAB.run('lab-guest forget stub', check=False)
        LAB.run('xl create -q /srv/guests/stub.cfg')
        wait_for(lives, 'the domain of xl')
        LAB.wait_console('stub', 'stub: up', PATIENCE)
        LAB.run('lab-guest ask stub r 1')
        wait_for(lambda: len(lives()) == 2, 'the domain to come again')
        CLIENT.wait_event('stub', STOPPED, 0)
        self.assertEqual(LAB.guests(), {'stub': max(lives())})
        self.assertEqual(CLIENT.domain('stub').ID(), max(lives()))
        LAB.run('xl destroy stub')
        wait_for(lambda: 'stub' not in CLIENT.names(), 'the domain to go')

    def test_stock(self):
        """Stock libvirtd's running domain, with the lock on its disk, and its image are taken over as they are, and it
        takes ours."""
        name = 'stock'
        disk = ('<devices>', "<devices><disk type='file'><source file='/srv/locked.img'/><target dev='xvda'/></disk>")
        ours = self.define('hvm-disk', 'ourfw')
        ours.create()
        ours.save('/var/lib/libvirt/libxl/save/ourfw.image')
        ours.undefine()
        LAB.run('lab-xlvirtd stop')
        LAB.run("truncate -s 1M /srv/locked.img; cp /etc/libvirt/libxl.conf /tmp; mkdir -p /run/libvirt; virtlockd -d; "
                "echo 'lock_manager = \"lockd\"' >>/etc/libvirt/libxl.conf")
        self.addCleanup(self.without_locks)
        try:
            LAB.run('lab-stock start', timeout=PATIENCE)
            stub = xml('stub', name, disk).replace("'", "'\\''")
            LAB.run(f"printf '%s' '{stub}' >/tmp/stock.xml; virsh -c xen:///system define /tmp/stock.xml && "
                    f'virsh -c xen:///system start {name} && virsh -c xen:///system domuuid {name}', timeout=PATIENCE)
            firmware = xml('hvm-disk', 'stockfw').replace("'", "'\\''")
            LAB.run(f"printf '%s' '{firmware}' >/tmp/stockfw.xml; virsh -c xen:///system create /tmp/stockfw.xml && "
                    'virsh -c xen:///system save stockfw /var/lib/libvirt/libxl/save/stockfw.image', timeout=PATIENCE)
            LAB.run('virsh -c xen:///system restore /var/lib/libvirt/libxl/save/ourfw.image && '
                    'virsh -c xen:///system domstate ourfw | grep running && virsh -c xen:///system destroy ourfw',
                    timeout=PATIENCE)
        finally:
            LAB.run('lab-stock stop', timeout=PATIENCE)
            LAB.run('lab-xlvirtd start', timeout=PATIENCE)
            CLIENT.connect()
        domain = CLIENT.domain(name)
        self.assertEqual(LAB.guests(), {name: domain.ID()})
        self.assertTrue(domain.isPersistent())
        self.assertRegex(domain.XMLDesc(), r"tty='/dev/pts/\d+'")
        domain.suspend()
        other = self.define('stub', 'other', disk)
        self.assert_locked(other)
        domain.destroy()
        other.create()
        self.assert_locked(domain)
        LAB.run('xl destroy other')
        CLIENT.wait_event('other', STOPPED, DESTROYED)
        CLIENT.connection.restore('/var/lib/libvirt/libxl/save/stockfw.image')
        self.assertEqual(list(LAB.guests()), ['stockfw'])

    def assert_locked(self, domain):
        with self.assertRaises(libvirt.libvirtError) as caught:
            domain.create()
        self.assertEqual(caught.exception.get_error_code(), libvirt.VIR_ERR_RESOURCE_BUSY, caught.exception)
        self.assertIn("Lockspace resource '/srv/locked.img' is locked", str(caught.exception))

    @staticmethod
    def without_locks():
        LAB.run('cp /tmp/libxl.conf /etc/libvirt; kill $(cat /run/virtlockd.pid); lab-xlvirtd restart', timeout=PATIENCE)
        CLIENT.connect()


class TestDaemon(Case):
    """A daemon that goes, in whatever way, finds everything again."""

    @staticmethod
    def restart(how='kill'):
        LAB.run(f'lab-xlvirtd {how} && lab-xlvirtd start', timeout=PATIENCE)
        CLIENT.connect()
        CLIENT.forget_events()

    def test_killed(self):
        ours = self.define('stub', 'ours')
        ours.create()
        LAB.run('xl create -q /srv/guests/stub.cfg')
        CLIENT.wait_event('stub', STARTED)
        before = LAB.guests()
        self.restart()
        self.assertEqual({d.name(): d.ID() for d in CLIENT.connection.listAllDomains(1) if d.ID() != 0}, before)
        self.assertTrue(CLIENT.domain('ours').isPersistent())
        self.assertFalse(CLIENT.domain('stub').isPersistent())
        stream = CLIENT.connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        CLIENT.domain('ours').openConsole(None, stream, 0)
        stream.abort()
        LAB.run('xl destroy ours; xl destroy stub')
        CLIENT.wait_event('ours', STOPPED, DESTROYED)
        CLIENT.wait_event('stub', STOPPED, DESTROYED)

    def test_gone_meanwhile(self):
        self.define('stub', 'gone').create()
        LAB.run('lab-xlvirtd kill; xl destroy gone; xl create -q /srv/guests/stub.cfg; lab-xlvirtd start', timeout=PATIENCE)
        CLIENT.connect()
        self.assertEqual(self.state('gone'), libvirt.VIR_DOMAIN_SHUTOFF)
        wait_for(lambda: self.state('stub') == libvirt.VIR_DOMAIN_RUNNING, 'the domain of xl')

    def test_killed_in_a_start(self):
        """Half a domain is swept by the next daemon, and can be started then."""
        thread = self.slow_start('half')[1]
        self.restart()
        thread.join()
        wait_for(lambda: 'half' not in LAB.guests(), 'the half domain to go')
        self.assertEqual(self.state('half'), libvirt.VIR_DOMAIN_SHUTOFF)
        wait_for(lambda: LAB.run('ls /run/xlvirt/starting') == '', 'the mark of its start to go')

    def test_killed_in_an_end(self):
        """What is left of a domain that was being destroyed goes with the next daemon, also where it was xl's."""
        LAB.run("printf '#!/bin/sh\\n[ \"$1\" != offline ] || until [ -e /tmp/go-on ]; do sleep 0.2; done\\n' "
                '>/etc/xen/scripts/vif-slow; chmod 755 /etc/xen/scripts/vif-slow; rm -f /tmp/go-on')
        ours = self.define('stub', 'ours', ('<devices>', "<devices><interface type='bridge'><source bridge='xenbr0'/>"
                                            "<script path='vif-slow'/></interface>"))
        ours.create()
        LAB.run("xl create -q /srv/guests/stub.cfg 'vif=[\"bridge=xenbr0,script=vif-slow\"]'")
        CLIENT.wait_event('stub', STARTED)

        def end(domain):
            try:
                domain.destroy()
            except libvirt.libvirtError:
                pass  # the daemon is killed

        threads = [threading.Thread(target=end, args=(domain,)) for domain in (ours, CLIENT.domain('stub'))]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(LAB.run('ls /run/xlvirt/starting').split()) == 2, 'both to be taken apart')
        LAB.run('lab-xlvirtd kill; touch /tmp/go-on')
        self.restart()
        for thread in threads:
            thread.join()
        wait_for(lambda: LAB.guests() == {} and CLIENT.names() == {'ours'}, 'both domains to go')
        self.assertEqual(self.state('ours'), libvirt.VIR_DOMAIN_SHUTOFF)
        LAB.wait_gone()
        self.assertEqual(LAB.run('ls /run/xlvirt/starting'), '')

    @staticmethod
    def autostart_once(name, *mark):
        """Sets the mark, or says whether it is set: python3-libvirt of Debian 12 has no call for it."""
        domain = Wire.domain(CLIENT.domain(name).UUID(), name.encode())
        with Wire.at(re.search('socket=(.*)', LAB.uri())[1], b'xen:///system') as wire:
            status, reply = wire.call(450 if mark else 449, domain + b''.join(struct.pack('>i', one) for one in mark))
        assert status == 0, reply
        return None if mark else struct.unpack('>i', reply)[0]

    def test_power_cut(self):
        """After a boot of the host nothing of before is taken for running, and autostart runs."""
        self.define('stub', 'auto').setAutostart(True)
        self.define('stub', 'once')
        self.autostart_once('once', 1)
        self.define('stub', 'manual').create()
        CLIENT.domain('auto').create()
        CLIENT.connection.createXML(xml('stub', 'fleeting'))
        LAB.run('sync')
        LAB.xenlab('restart', '--timeout', '900', 'xen1', timeout=3600)
        CLIENT.connect()
        wait_for(lambda: self.state('auto') == libvirt.VIR_DOMAIN_RUNNING, 'the autostart')
        wait_for(lambda: self.state('once') == libvirt.VIR_DOMAIN_RUNNING, 'that of one boot')
        self.assertEqual(CLIENT.names(), {'auto', 'once', 'manual'})
        self.assertEqual(self.state('manual'), libvirt.VIR_DOMAIN_SHUTOFF)
        self.assertEqual(set(LAB.guests()), {'auto', 'once'})
        self.assertEqual(self.autostart_once('once'), 0)
        # Once a boot of the host, not with each daemon.
        CLIENT.domain('auto').destroy()
        self.restart('stop')
        self.assertEqual(self.state('auto'), libvirt.VIR_DOMAIN_SHUTOFF)


class TestMany(Case):
    def test_eight_at_once(self):
        """Starts and ends side by side, all of them whole."""
        domains = [self.define('stub', f'many{i}') for i in range(8)]
        for step, event in (('create', STARTED), ('destroy', STOPPED)):
            failed = []

            def run(domain, method=step, into=failed):
                try:
                    getattr(domain, method)()
                except libvirt.libvirtError as error:
                    into.append(error)

            threads = [threading.Thread(target=run, args=(domain,)) for domain in domains]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failed, [])
            for domain in domains:
                CLIENT.wait_event(domain.name(), event)
            self.assertEqual(set(LAB.guests()), {d.name() for d in domains} if step == 'create' else set())

    def others_meanwhile(self):
        """While one domain's start takes long: whether all of this was done before it was over."""
        slow, thread, failed = self.slow_start('slow')
        quick = self.define('stub', 'quick')
        quick.create()
        for question in (CLIENT.connection.listAllDomains, quick.info, quick.vcpus, slow.info, slow.XMLDesc,
                         CLIENT.connection.getInfo):
            question()
        quick.destroy()
        if thread.is_alive():
            slow.destroy()
        thread.join()
        return slow, failed

    def test_nobody_waits(self):
        """While one domain's start takes long, others start and end, and questions are answered; and it
        is ended when somebody wants to. libxl lets a script take 40 seconds, which on a machine that is very busy
        are over early: then again."""
        for _ in range(5):
            slow, failed = self.others_meanwhile()
            if failed:
                break
            self.clear()
        self.assertEqual(len(failed), 1, 'the slow start was over too early to show anything')
        self.assertIn('cancelled', str(failed[0]))
        self.assertEqual(LAB.guests(), {})
        self.assertEqual(slow.state()[0], libvirt.VIR_DOMAIN_SHUTOFF)


if __name__ == '__main__':
    tap.main()
