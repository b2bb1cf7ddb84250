#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks, storage, node devices, interfaces, secrets and filters through xlvirtd: answered by a real
libvirtd, by one that misbehaves, and by none."""
import filecmp
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402

import harness  # noqa: E402
import hostile  # noqa: E402
import stock  # noqa: E402
import tap  # noqa: E402
from harness import Wire, wait_for  # noqa: E402

MISSING = stock.missing()
NETWORK = """<network><name>{0}</name><bridge name='{0}'/>
<ip address='192.168.77.1' netmask='255.255.255.0'>
<dhcp><range start='192.168.77.2' end='192.168.77.9'/></dhcp></ip></network>"""
SECRET = "<secret ephemeral='no' private='no'><usage type='volume'><volume>/x</volume></usage></secret>"
FILTER = "<filter name='quiet' chain='root'><rule action='drop' direction='in' priority='500'><all/></rule></filter>"
SIZE = 48 << 20
NO_SUPPORT = libvirt.VIR_ERR_NO_SUPPORT


def quiet(_context, _error):
    pass  # errors come as exceptions


libvirt.registerErrorHandler(quiet, None)


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def resident(pid):
    """KiB of memory."""
    with open(f'/proc/{pid}/status') as f:
        return int(re.search(r'VmRSS:\s*(\d+)', f.read()).group(1))


class Case(harness.Case):
    def connect(self, readonly=False):
        connection = libvirt.openReadOnly(self.host.uri(True)) if readonly else libvirt.open(self.host.uri())
        self.addCleanup(connection.close)
        return connection

    def virsh(self, *args, status=0, readonly=False):
        code, out, err = self.host.virsh(*args, readonly=readonly)
        self.assertEqual(code, status, f'virsh {" ".join(args)}\n{out}{err}\n{self.host.log_text()[-2000:]}')
        return out if status == 0 else err

    def fails(self, code, function, *args):
        with self.assertRaises(libvirt.libvirtError) as caught:
            function(*args)
        self.assertEqual(caught.exception.get_error_code(), code, caught.exception)
        return str(caught.exception)


@unittest.skipIf(MISSING, MISSING)
class TestStock(stock.WithStock, Case):
    def pool(self, name):
        folder = f'{self.host.root}/{name}'
        os.makedirs(folder)
        self.virsh('pool-define-as', name, 'dir', '--target', folder)
        self.virsh('pool-start', name)
        self.addCleanup(self.virsh, 'pool-undefine', name)
        self.addCleanup(self.virsh, 'pool-destroy', name)
        return folder

    def test_networks(self):
        self.assertIn('n1', self.virsh('net-define', self.host.file('net.xml', NETWORK.format('n1'))))
        self.virsh('net-start', 'n1')
        self.assertRegex(self.virsh('net-list'), r'n1 +active +no +yes')
        # The order of this call's arguments depends on an answer that the daemon behind us gives.
        self.virsh('net-update', 'n1', 'add', 'ip-dhcp-host', "<host mac='00:16:3e:11:22:33' ip='192.168.77.5'/>",
                   '--live', '--config')
        self.assertIn('00:16:3e:11:22:33', self.virsh('net-dumpxml', 'n1'))
        self.assertIn('Expiry Time', self.virsh('net-dhcp-leases', 'n1'))
        self.virsh('net-destroy', 'n1')
        self.assertRegex(self.virsh('net-list', '--all'), r'n1 +inactive')
        self.virsh('net-undefine', 'n1')
        self.assertIn("no network with matching name 'n1'", self.virsh('net-info', 'n1', status=1))

    def read_anew(self, pool):
        """Waits, when it is called, until a stock daemon has read the pool anew. It does so behind each upload, in a thread
        of its own and as late as it likes: what was put into the pool's folder or taken away meanwhile then comes and goes."""
        connection, seen = self.connect(), []
        connection.storagePoolEventRegisterAny(connection.storagePoolLookupByName(pool), libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                               lambda *_: seen.append(pool), None)

        def wait():
            wait_for(lambda: seen, f'pool {pool} to be read anew')
            seen.clear()
        return wait

    def test_volumes(self):
        folder = self.pool('p1')
        uploaded = self.read_anew('p1')
        up, down = f'{self.host.root}/up', f'{self.host.root}/down'
        with open(up, 'wb') as f:
            f.write(os.urandom(SIZE))
        self.virsh('vol-create-as', 'p1', 'v1', str(SIZE))
        self.virsh('vol-upload', '--pool', 'p1', 'v1', up)
        uploaded()
        self.virsh('vol-download', '--pool', 'p1', 'v1', down)
        self.assertTrue(filecmp.cmp(up, down, shallow=False))
        self.virsh('vol-create-as', 'p1', 'holes', '1G', '--allocation', '0')
        with open(f'{folder}/holes', 'r+b') as f:
            f.seek(500 << 20)
            f.write(b'in the middle')
        self.virsh('vol-download', '--pool', 'p1', 'holes', down, '--sparse')
        self.assertEqual(os.stat(down).st_size, 1 << 30)
        self.assertLess(os.stat(down).st_blocks * 512, 1 << 24)
        self.virsh('vol-upload', '--pool', 'p1', 'holes', down, '--sparse')
        uploaded()
        self.assertRegex(self.virsh('vol-list', 'p1'), r'(?s)holes.*v1')
        self.virsh('vol-delete', '--pool', 'p1', 'v1')
        self.virsh('vol-delete', '--pool', 'p1', 'holes')
        # A call that fails opens no stream.
        self.virsh('vol-create-as', 'p1', 'gone', '4096')
        os.unlink(f'{folder}/gone')
        self.assertIn(f'{folder}/gone', self.virsh('vol-download', '--pool', 'p1', 'gone', down, status=1))
        self.virsh('pool-refresh', 'p1')

    def test_stream_abort(self):
        self.pool('p2')
        self.virsh('vol-create-as', 'p2', 'v', '256M')
        connection = self.connect()
        volume = connection.storagePoolLookupByName('p2').storageVolLookupByName('v')
        for _ in range(20):
            stream = connection.newStream()
            volume.download(stream, 0, 0, 0)
            stream.recv(1000)
            stream.abort()
        self.assertEqual(volume.info()[1], 256 << 20)
        volume.delete()

    def test_others(self):
        self.assertIn('computer', self.virsh('nodedev-list'))
        self.assertIn('<name>computer</name>', self.virsh('nodedev-dumpxml', 'computer'))
        self.virsh('iface-list', '--all')
        uuid = re.search(r'Secret (\S+) created', self.virsh('secret-define', self.host.file('s.xml', SECRET))).group(1)
        secret = self.connect().secretLookupByUUIDString(uuid)
        secret.setValue(b'\0of\xff mine')
        self.assertEqual(secret.value(), b'\0of\xff mine')
        self.assertIn(uuid, self.virsh('secret-list'))
        self.virsh('secret-undefine', uuid)
        self.virsh('nwfilter-define', self.host.file('f.xml', FILTER))
        self.assertIn('quiet', self.virsh('nwfilter-list'))
        self.virsh('nwfilter-undefine', 'quiet')
        # These three are ours: the devices that domains get are in Xen's hands, not the kernel's.
        self.assertIn('nosuch', self.virsh('nodedev-detach', 'nosuch', status=1))

    def test_readonly(self):
        connection = self.connect(readonly=True)
        self.assertEqual(connection.listAllNetworks(), [])
        self.assertIn('computer', [device.name() for device in connection.listAllDevices()])
        for refused in (lambda: connection.networkCreateXML(NETWORK.format('n')), lambda: connection.secretDefineXML(SECRET),
                        lambda: connection.storagePoolCreateXML('<pool/>'), lambda: connection.nwfilterDefineXML(FILTER)):
            self.fails(libvirt.VIR_ERR_OPERATION_DENIED, refused)

    def test_events(self):
        connection, seen = self.connect(), []
        ids = [(connection.networkEventDeregisterAny, connection.networkEventRegisterAny(
                    None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, lambda c, net, event, *_: seen.append((net.name(), event)), None)),
               (connection.storagePoolEventDeregisterAny, connection.storagePoolEventRegisterAny(
                    None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, lambda c, pool, event, *_: seen.append((pool.name(), event)), None)),
               (connection.storagePoolEventDeregisterAny, connection.storagePoolEventRegisterAny(
                    None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, lambda c, pool, _: seen.append((pool.name(), 'refresh')), None)),
               (connection.secretEventDeregisterAny, connection.secretEventRegisterAny(
                    None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, lambda c, secret, event, *_: seen.append(('secret', event)), None)),
               (connection.nodeDeviceEventDeregisterAny, connection.nodeDeviceEventRegisterAny(
                    None, libvirt.VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE, lambda *_: None, None))]
        self.virsh('net-define', self.host.file('e.xml', NETWORK.format('ev')))
        self.virsh('net-undefine', 'ev')
        self.pool('pev')
        self.virsh('pool-refresh', 'pev')
        secret = self.connect().secretDefineXML(SECRET)
        secret.undefine()
        wanted = [('ev', 0), ('ev', 1), ('pev', 0), ('pev', 2), ('pev', 'refresh'), ('secret', 0), ('secret', 1)]
        wait_for(lambda: set(wanted) <= set(seen), f'the events {wanted}')
        for family in ('ev', 'pev', 'secret'):
            self.assertEqual([event for event in seen if event[0] == family],
                             [event for event in wanted if event[0] == family])
        for deregister, number in ids:
            deregister(number)
        before = len(seen)
        self.connect().secretDefineXML(SECRET).undefine()
        connection.listAllSecrets()
        self.assertEqual(len(seen), before)

    def test_events_outlive_the_daemon(self):
        """Who registered goes on getting events from the next one, under the ids that it knows."""
        connection, seen = self.connect(), []
        gone = connection.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, lambda *_: None, None)
        kept = connection.networkEventRegisterAny(connection.networkDefineXML(NETWORK.format('kept')),
                                                  libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
                                                  lambda c, net, event, *_: seen.append(('kept ' + net.name(), event)), None)
        connection.networkEventDeregisterAny(gone)
        kept2 = connection.networkEventRegisterAny(
            None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, lambda c, net, event, *_: seen.append((net.name(), event)), None)
        self.stock.end()
        self.stock.start()
        # Nobody calls anything: the relay itself has to see to it. 30 s is its longest pause.
        admin = libvirt.open(f'network+unix:///system?socket={self.stock.sockets}/libvirt-sock')
        self.addCleanup(admin.close)

        def event_arrives():
            admin.networkDefineXML(NETWORK.format('again')).undefine()
            return ('again', 0) in seen and ('again', 1) in seen
        wait_for(event_arrives, 'an event of the second daemon')
        third = connection.networkEventRegisterAny(
            connection.networkDefineXML(NETWORK.format('third')), libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
            lambda c, net, event, *_: seen.append(('filtered ' + net.name(), event)), None)
        for name in ('third', 'kept'):
            admin.networkLookupByName(name).undefine()
        wanted = [('filtered third', 1), ('kept', 1), ('kept kept', 1), ('third', 1)]
        wait_for(lambda: set(wanted) <= set(seen), f'{wanted} in {seen}')
        self.assertEqual(sorted(event for event in seen if event in wanted), wanted)  # each once
        for number in (kept, kept2, third):
            connection.networkEventDeregisterAny(number)

    def test_killed(self):
        self.pool('p3')
        self.virsh('vol-create-as', 'p3', 'v', '64M')
        connection = self.connect()
        volume = connection.storagePoolLookupByName('p3').storageVolLookupByName('v')
        stream = connection.newStream()
        volume.download(stream, 0, 0, 0)
        stream.recv(1000)
        # A call that waits for an answer that never comes.
        self.stock.stand_still()
        other, failed = self.connect(), []
        before = descriptors(self.host.daemon.pid)
        waiter = threading.Thread(target=lambda: failed.append(self.fails(
            libvirt.VIR_ERR_OPERATION_FAILED, other.listAllStoragePools)))
        waiter.start()
        wait_for(lambda: descriptors(self.host.daemon.pid) > before, 'its way to the stock daemon')
        self.stock.end()
        waiter.join(harness.TIMEOUT)
        self.assertIn('hung up', failed[0])

        def read_on():
            while stream.recv(1 << 20):
                pass
        self.assertIn('hung up', self.fails(libvirt.VIR_ERR_OPERATION_FAILED, read_on))
        # It left its sockets behind, and nobody listens: as if there were none.
        self.assertIn('virConnectListAllNetworks', self.fails(NO_SUPPORT, connection.listAllNetworks))
        self.stock.start()
        self.assertEqual(connection.listAllNetworks(), [])
        volume.info()

    def test_slow_reader(self):
        """A client that does not read costs what the sockets hold, not the volume's size."""
        self.pool('p4')
        self.virsh('vol-create-as', 'p4', 'v', '1G')
        key = f'{self.host.root}/p4/v'.encode()
        before = resident(self.host.daemon.pid)
        with Wire(self.host) as wire:
            volume = Wire.text(b'p4') + Wire.text(b'v') + Wire.text(key)
            wire.send(209, volume + struct.pack('>QQI', 0, 0, 0))
            self.assertEqual(wire.receive()[:2], (209, 1))
            time.sleep(1)
            self.assertLess(resident(self.host.daemon.pid), before + 16 * 1024)
            # All of it is still there, in order.
            size = 0
            while True:
                _, kind, _, status, body = wire.receive()
                self.assertEqual((kind, status), (3, 2))
                if not body:
                    break
                size += len(body)
            self.assertEqual(size, 1 << 30)
        self.virsh('vol-delete', '--pool', 'p4', 'v')

    def test_slow_daemon(self):
        """A daemon that stands still holds up who needs it, and nobody else."""
        self.pool('p5')
        self.virsh('vol-create-as', 'p5', 'v', '1G')
        volume = Wire.text(b'p5') + Wire.text(b'v') + Wire.text(f'{self.host.root}/p5/v'.encode())
        before = resident(self.host.daemon.pid)
        with Wire(self.host) as wire:
            serial = wire.send(208, volume + struct.pack('>QQI', 0, 0, 0))
            self.assertEqual(wire.receive()[:2], (208, 1))
            self.stock.stand_still()
            wire.socket.settimeout(1)
            chunk = bytes(200000)
            packet = struct.pack('>IIIiIIi', 28 + len(chunk), Wire.REMOTE, 1, 208, 3, serial, 2) + chunk
            with self.assertRaises(TimeoutError):
                for _ in range(5000):
                    wire.socket.sendall(packet)
            self.assertLess(resident(self.host.daemon.pid), before + 16 * 1024)
            self.virsh('list', '--all')
            self.stock.go_on()
        self.virsh('vol-delete', '--pool', 'p5', 'v')

    def test_every_procedure(self):
        """What comes through us is what the daemon says itself, byte by byte, for each procedure of its families."""
        types = hostile.Types(random.Random(hostile.SEED), self.host.root)
        for readonly in (False, True):
            suffix = '-ro' if readonly else ''
            with Wire(self.host, readonly) as wire:
                for row in hostile.ROWS:
                    if not row['status'].startswith('relay'):
                        continue
                    proc, family = int(row['number']), row['family'].encode()
                    direct = Wire.at(f'{self.stock.sockets}/libvirt-sock{suffix}', family + b':///system')
                    with direct, Wire(self.host, readonly) as relayed:
                        for turn in range(3):
                            args = types.args(row['name'])
                            args = args[:-1] if turn == 2 else args + bytes(4 * turn)
                            got, wanted = relayed.call(proc, args), direct.call(proc, args)
                            if wanted[0] == 0 and row['name'].endswith('_register_any'):
                                wanted = (0, got[1])  # its ids count all connections
                            if b'unknown procedure' in wanted[1] and readonly and row['readonly'] == 'no':
                                continue  # we know more of them, and refuse first
                            self.assertEqual(got, wanted, (row['name'], args.hex()))
                    if row['readonly'] == 'no' and readonly:
                        self.assertEqual(wire.error(proc, types.args(row['name']))[0], libvirt.VIR_ERR_OPERATION_DENIED)

    def test_many_clients(self):
        folder = self.pool('p6')
        problems = []
        # A stock daemon that reads a pool anew behind an upload must not do so while another volume is made there.
        together = threading.Barrier(12)

        def upload(connection, volume):
            data = os.urandom(300000)
            stream = connection.newStream()
            volume.upload(stream, 0, 0, 0)
            stream.sendAll(lambda s, n, at: data[at[0]:(at.__setitem__(0, at[0] + n) or at[0])], [0])
            stream.finish()
            with open(f'{folder}/{volume.name()}', 'rb') as f:
                assert f.read() == data, 'not what was uploaded'

        def work(number):
            try:
                connection = libvirt.open(self.host.uri())
                pool = connection.storagePoolLookupByName('p6')
                volumes = [pool.createXML(f"<volume><name>v{number}-{turn}</name><capacity>300000</capacity></volume>")
                           for turn in range(5)]
                together.wait()
                for volume in volumes:
                    upload(connection, volume)
                    connection.listAllDomains()
                    connection.listAllSecrets()
                for volume in volumes:
                    volume.delete()
                connection.close()
            except BaseException as problem:
                problems.append(problem)
                together.abort()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(problems, [])


class Fake(threading.Thread):
    """A daemon of one family that answers a client's first steps well, and the rest as it is told."""

    AUTH, OPEN, IDENTITY, LIST = 66, 1, 419, 283

    def __init__(self, path, answer, **replies):
        super().__init__(daemon=True)
        self.answer = answer  # of (Fake, socket, proc, serial, body): whether to go on
        self.replies = {'auth': struct.pack('>II', 1, 0), 'open': b'', 'identity': b'', **replies}
        self.calls = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(50)
        self.path = path
        self.start()

    def end(self):
        self.listener.close()
        os.unlink(self.path)

    @staticmethod
    def pack(proc, kind, serial, status, body=b'', length=None, prog=Wire.REMOTE, vers=1):
        return struct.pack('>IIIiIIi', 28 + len(body) if length is None else length, prog, vers, proc, kind, serial,
                           status) + body

    @staticmethod
    def error(code, message):
        text = b'\0\0\0\1' + Wire.text(message)
        return struct.pack('>ii', code, 0) + text + struct.pack('>i', 2) + bytes(16) + struct.pack('>iiI', -1, -1, 0)

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        stream = client.makefile('rb')
        with client:
            while True:
                head = stream.read(28)
                if len(head) < 28:
                    return
                length, _, _, proc, kind, serial, _ = struct.unpack('>IIIiIIi', head)
                body = stream.read(length - 28)
                self.calls.append((proc, body))
                step = {self.AUTH: 'auth', self.OPEN: 'open', self.IDENTITY: 'identity'}.get(proc) if kind == 0 else None
                try:
                    if step and isinstance(self.replies[step], bytes):
                        client.sendall(self.pack(proc, 1, serial, 0, self.replies[step]))
                    elif step:
                        if not self.replies[step](self, client, proc, serial, body):
                            return
                    elif not self.answer(self, client, proc, serial, body):
                        return
                except OSError:
                    return


class TestFake(Case):
    def fake(self, answer, name='virtnetworkd-sock', **replies):
        fake = Fake(f'{self.host.root}/run/libvirt/{name}', answer, **replies)
        self.addCleanup(fake.end)
        return fake

    @staticmethod
    def empty_list(fake, client, proc, serial, _body):
        client.sendall(fake.pack(proc, 1, serial, 0, bytes(8)))
        return True

    def list_fails(self, code, what, connection=None):
        self.assertRegex(self.fails(code, (connection or self.connect()).listAllNetworks), what)
        # It is nobody else's trouble.
        self.assertTrue(self.host.virsh('list')[0] == 0 and self.host.daemon.poll() is None)

    def test_family_s_own_comes_first(self):
        own = self.fake(self.empty_list)
        other = self.fake(self.empty_list, 'libvirt-sock')
        connection = self.connect()
        connection.listAllNetworks()
        connection.listAllSecrets()
        self.assertEqual(([proc for proc, _ in own.calls], [proc for proc, _ in other.calls]),
                         ([66, 1, 419, 283], [66, 1, 419, 287]))
        uri = Wire.optional(b'network:///' + (b'session' if os.geteuid() else b'system'))
        self.assertEqual(own.calls[1][1], uri + bytes(4))
        with open('/proc/self/stat') as f:
            began = int(f.read().rpartition(')')[2].split()[19])
        for field, value in ((b'unix-user-id', os.geteuid()), (b'unix-group-id', os.getegid()), (b'process-id', os.getpid()),
                             (b'process-time', began)):
            self.assertRegex(own.calls[2][1], re.escape(Wire.text(field)) + b'....' + re.escape(struct.pack('>Q', value)))

    def test_readonly_goes_to_its_own_socket(self):
        writable = self.fake(self.empty_list)
        readonly = self.fake(self.empty_list, 'virtnetworkd-sock-ro')
        connection = self.connect(readonly=True)
        connection.listAllNetworks()
        self.assertEqual((writable.calls, readonly.calls[1][1][-4:]), ([], b'\0\0\0\1'))
        self.fails(libvirt.VIR_ERR_OPERATION_DENIED, connection.networkCreateXML, NETWORK.format('n'))
        self.assertEqual(len(readonly.calls), 4)

    def test_what_comes_before_the_first_call(self):
        def say(status, body):
            return lambda fake, client, proc, serial, _: client.sendall(fake.pack(proc, 1, serial, status, body)) is None
        for step, reply, code, what in (
                ('auth', say(0, struct.pack('>II', 1, 2)), libvirt.VIR_ERR_OPERATION_FAILED, 'wants an authentication'),
                ('auth', say(0, b''), libvirt.VIR_ERR_OPERATION_FAILED, 'wants an authentication'),
                ('auth', say(0, struct.pack('>I', 2**31 - 1)), libvirt.VIR_ERR_OPERATION_FAILED, 'wants an authentication'),
                ('auth', lambda *_: False, libvirt.VIR_ERR_OPERATION_FAILED, 'hung up'),
                ('open', say(1, Fake.error(45, b'no, never')), 45, 'no, never'),
                ('open', say(1, Fake.error(5, b'no driver')), NO_SUPPORT, 'virConnectListAllNetworks'),
                ('open', say(1, b''), None, ''),
                ('identity', say(1, Fake.error(88, b'not for you')), 88, 'not for you')):
            with self.subTest(step=step, what=what):
                fake = Fake(f'{self.host.root}/run/libvirt/virtnetworkd-sock', self.empty_list, **{step: reply})
                try:
                    if code is None:
                        with self.assertRaises(libvirt.libvirtError):
                            self.connect().listAllNetworks()
                    else:
                        self.list_fails(code, what)
                finally:
                    fake.end()
        # A daemon from before there were identities goes without.
        for code in (NO_SUPPORT, libvirt.VIR_ERR_RPC):
            fake = Fake(f'{self.host.root}/run/libvirt/virtnetworkd-sock', self.empty_list,
                        identity=say(1, Fake.error(code, b'unknown procedure: 419')))
            self.assertEqual(self.connect().listAllNetworks(), [])
            fake.end()

    def test_nonsense(self):
        """What is no answer ends the connection to that daemon, not ours to the client."""
        def bytes_of(make):
            return lambda fake, client, proc, serial, _: client.sendall(make(fake, proc, serial)) is None
        for what, make in (
                ('impossible length', lambda f, p, s: f.pack(p, 1, s, 0, length=33554437)),
                ('impossible length', lambda f, p, s: f.pack(p, 1, s, 0, length=27)),
                ('impossible length', lambda f, p, s: f.pack(p, 1, s, 0, length=0)),
                ('nobody waits for', lambda f, p, s: f.pack(p, 1, s + 1, 0, bytes(8))),
                ('nobody waits for', lambda f, p, s: f.pack(p + 1, 1, s, 0, bytes(8))),
                ('another program', lambda f, p, s: f.pack(p, 1, s, 0, bytes(8), prog=0x20008087)),
                ('another program', lambda f, p, s: f.pack(p, 1, s, 0, bytes(8), vers=2)),
                ('type 0', lambda f, p, s: f.pack(p, 0, s, 0, bytes(8))),
                ('type 5', lambda f, p, s: f.pack(p, 5, s, 0, bytes(12))),
                ('type 77', lambda f, p, s: f.pack(p, 77, s, 0))):
            with self.subTest(what=what):
                fake = Fake(f'{self.host.root}/run/libvirt/virtnetworkd-sock', bytes_of(make))
                connection = self.connect()
                self.list_fails(libvirt.VIR_ERR_OPERATION_FAILED, what, connection)
                fake.answer = self.empty_list
                self.assertEqual(connection.listAllNetworks(), [])  # on a new connection
                fake.end()

    def test_stray_messages(self):
        """Events that nobody asked for, of other families, and packets of no stream are dropped."""
        def answer(fake, client, proc, serial, _body):
            if proc == 2:  # pong
                return True
            event = struct.pack('>i', 0) + Wire.text(b'n') + bytes(16) + bytes(8)
            for stray in ((315, 2, 1, 0, event), (370, 2, 1, 0, event), (318, 2, 1, 0, event), (315, 2, 1, 0, b''),
                          (999999, 2, 1, 0, event), (-5, 2, 1, 0, event), (proc, 3, serial, 2, b'data'), (209, 3, serial, 2, b'data')):
                client.sendall(fake.pack(*stray))
            client.sendall(struct.pack('>IIIiIIi', 28, 0x6b656570, 1, 1, 2, 0, 0))  # ping
            reply = fake.pack(proc, 1, serial, 0, bytes(8))
            for byte in reply:  # one at a time
                client.sendall(bytes([byte]))
            return True
        fake = self.fake(answer)
        with Wire(self.host) as wire:
            for _ in range(3):
                self.assertEqual(wire.call(283, bytes(8)), (0, bytes(8)))
            self.assertEqual(wire.events, [])
        wait_for(lambda: (2, b'') in fake.calls, 'the answer to its ping')

    def test_serials(self):
        """Replies in another order find their calls; each client has its own numbers."""
        held = []

        def answer(fake, client, proc, serial, body):
            held.append((proc, serial, body))
            if len(held) % 3 == 0:
                for its_proc, its_serial, its_body in reversed(held[-3:]):
                    client.sendall(fake.pack(its_proc, 1, its_serial, 0, its_body))
            return True
        self.fake(answer)
        with Wire(self.host) as wire:
            wire.serial = 1000
            sent = {wire.send(46, Wire.text(name)): Wire.text(name) for name in (b'a', b'bb', b'ccccc')}
            for _ in range(3):
                _, kind, serial, status, body = wire.receive()
                self.assertEqual((kind, status, sent.pop(serial)), (1, 0, body))

    def test_data_before_the_reply(self):
        """A stock daemon's I/O thread may send the first data before its worker has sent the reply."""
        def answer(fake, client, proc, serial, _body):
            if len(fake.calls) == 5:  # what the client answers to the end
                client.sendall(fake.pack(proc, 3, serial, 0))
                return True
            for status, kind, body in ((2, 3, b'one'), (2, 3, b'two'), (0, 1, b''), (2, 3, b'three'), (2, 3, b'')):
                client.sendall(fake.pack(proc, kind, serial, status, body))
            return True
        self.fake(answer, 'virtstoraged-sock')
        with Wire(self.host) as wire:
            serial = wire.send(209, bytes(40))
            for status, kind, body in ((2, 3, b'one'), (2, 3, b'two'), (0, 1, b''), (2, 3, b'three'), (2, 3, b'')):
                self.assertEqual(wire.receive(), (209, kind, serial, status, body))
            wire.socket.sendall(struct.pack('>IIIiIIi', 28, Wire.REMOTE, 1, 209, 3, serial, 0))
            self.assertEqual(wire.receive(), (209, 3, serial, 0, b''))

    def test_stream_ends_before_the_reply(self):
        def answer(fake, client, proc, serial, _body):
            client.sendall(fake.pack(proc, 3, serial, 1, fake.error(1, b'no more')))
            client.sendall(fake.pack(proc, 1, serial, 0))
            return True
        self.fake(answer, 'virtstoraged-sock')
        with Wire(self.host) as wire:
            for _ in range(100):  # none of them counts as open
                serial = wire.send(209, bytes(40))
                self.assertEqual(wire.receive()[1:4], (3, serial, 1))
                self.assertEqual(wire.receive(), (209, 1, serial, 0, b''))

    def test_streams_are_bounded(self):
        self.fake(lambda fake, client, proc, serial, _: client.sendall(fake.pack(proc, 1, serial, 0)) is None,
                  'virtstoraged-sock')
        with Wire(self.host) as wire:
            statuses = [wire.call(208, bytes(40))[0] for _ in range(70)]
            self.assertEqual(statuses, [0] * 64 + [1] * 6)

    def test_large(self):
        """A reply of the greatest length passes; it costs nobody else anything."""
        def answer(fake, client, proc, serial, _body):
            client.sendall(fake.pack(proc, 1, serial, 0, bytes(33554436 - 28)))
            return True
        self.fake(answer)
        with Wire(self.host) as wire:
            status, body = wire.call(43, Wire.text(b'n') + bytes(20))
            self.assertEqual((status, len(body)), (0, 33554436 - 28))
            # And so does such a call.
            status, body = wire.call(41, bytes(33554436 - 28))
            self.assertEqual((status, len(body)), (0, 33554436 - 28))

    def test_events_flood(self):
        """Who asks for events and reads none is cut off, as with our own."""
        def answer(fake, client, proc, serial, _body):
            client.sendall(fake.pack(proc, 1, serial, 0, struct.pack('>i', 7)))
            event = fake.pack(315, 2, 1, 0, struct.pack('>i', 7) + Wire.text(b'n' * 60000) + bytes(24))
            for _ in range(1000):
                client.sendall(event)
            return True
        self.fake(answer)
        with Wire(self.host) as wire:
            wire.send(313, bytes(8))
            wait_for(lambda: 'it does not read its events' in self.host.log_text(), 'the client to be cut off')
        self.virsh('list')

    def test_registrations_are_bounded(self):
        self.fake(lambda fake, client, proc, serial, _: client.sendall(
            fake.pack(proc, 1, serial, 0, struct.pack('>i', len(fake.calls)))) is None)
        with Wire(self.host) as wire:
            self.assertEqual(wire.error(313, bytes(9000))[0], libvirt.VIR_ERR_RPC)
            statuses = [wire.call(313, bytes(8))[0] for _ in range(1030)]
            self.assertEqual(statuses, [0] * 1024 + [1] * 6)

    def test_daemon_that_lets_nobody_stay(self):
        """It is asked again for the sake of events, but not all the time."""
        def answer(fake, client, proc, serial, _body):
            client.sendall(fake.pack(proc, 1, serial, 0, struct.pack('>i', 0)))
            return False
        fake = self.fake(answer)
        with Wire(self.host) as wire:
            self.assertEqual(wire.call(313, bytes(8))[0], 0)
            before, began = len(fake.calls), time.monotonic()
            wait_for(lambda: len(fake.calls) > before + 8, 'it to be asked again')
            time.sleep(1)
            n = len(fake.calls) - before
            # Steps of an opening, ten times a second.
            self.assertLess(n, 4 * (10 * (time.monotonic() - began) + 1))

    def test_client_goes(self):
        """A client that ends takes its connections with it, and what it waited for."""
        ended = threading.Event()

        def answer(_fake, client, *_):
            self.assertEqual(client.recv(1), b'')
            ended.set()
            return False
        fake = self.fake(answer)
        with Wire(self.host) as wire:
            wire.send(283, bytes(8))
            wait_for(lambda: 283 in [proc for proc, _ in fake.calls], 'the call to come through')
        self.assertTrue(ended.wait(harness.TIMEOUT))


class TestDeaf(Case):
    """A daemon that takes calls and says nothing is given up, by the rules of keepalive."""

    @classmethod
    def setUpClass(cls):
        cls.host = harness.Host()
        config = cls.host.file('virtxend.conf', 'keepalive_interval = 1\nkeepalive_count = 3\n')
        cls.host.start('--config', config)

    def test_given_up(self):
        fake = Fake(f'{self.host.root}/run/libvirt/libvirt-sock', lambda *_: True)
        self.assertIn('does not answer any more', self.fails(libvirt.VIR_ERR_OPERATION_FAILED, self.connect().listAllNetworks))
        self.assertEqual([proc for proc, _ in fake.calls][-4:], [283, 1, 1, 1])  # the call, and pings
        fake.end()

    def test_slow_is_not_deaf(self):
        def answer(fake, client, proc, serial, _body):
            if proc == 1:
                client.sendall(struct.pack('>IIIiIIi', 28, 0x6b656570, 1, 2, 2, 0, 0))
            else:
                threading.Timer(7, lambda: client.sendall(fake.pack(proc, 1, serial, 0, bytes(8)))).start()
            return True
        fake = Fake(f'{self.host.root}/run/libvirt/libvirt-sock', answer)
        with Wire(self.host) as wire:
            self.assertEqual(wire.call(283, bytes(8)), (0, bytes(8)))
        fake.end()


class TestOff(Case):
    """The setting: off, another folder, one socket."""

    def start(self, setting):
        self.host.end_daemon()
        self.host.start('--config', self.host.file('virtxend.conf', f'relay = "{setting}"\n'))

    def test_settings(self):
        fake = Fake(f'{self.host.root}/run/libvirt/libvirt-sock', TestFake.empty_list)
        os.makedirs(f'{self.host.root}/other')
        other = Fake(f'{self.host.root}/other/virtnetworkd-sock', TestFake.empty_list)
        self.start('off')
        self.fails(NO_SUPPORT, self.connect().listAllNetworks)
        self.start(f'{self.host.root}/other')
        self.connect().listAllNetworks()
        self.fails(NO_SUPPORT, self.connect().listAllSecrets)
        self.assertEqual((len(fake.calls), len(other.calls)), (0, 4))
        self.start(f'{self.host.root}/run/libvirt/libvirt-sock')
        self.connect().listAllNetworks()
        self.connect().listAllSecrets()
        self.assertEqual(len(fake.calls), 8)
        self.host.end_daemon()
        for bad in ('on', 'libvirt-sock'):
            config = self.host.file('bad.conf', f'relay = "{bad}"\n')
            done = subprocess.run([harness.XLVIRTD, '--engine', 'sim', '--root', self.host.root, '--config', config],
                                  text=True, capture_output=True, timeout=harness.TIMEOUT, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn('relay: must be "auto", "off" or an absolute path', done.stderr)
        fake.end()
        other.end()
        self.host.start()
        self.virsh('list')  # it is up, not only listening: the end of a start is another end


class TestAbsent(Case):
    """No stock daemon: each call says that it is not supported; look-ups find disks by path."""

    def install(self, disk, *options, status=0):
        done = subprocess.run(['virt-install', '--connect', self.host.uri(), '--name', 'vi', '--memory', '256', '--import',
                               '--disk', disk, '--network', 'none', '--graphics', 'none', '--osinfo', 'generic', *options],
                              stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=harness.TIMEOUT, check=False,
                              env=dict(os.environ, LC_ALL='C.UTF-8', HOME=self.host.root))
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def qcow2(self, name, size):
        """An image's head is all that is looked at."""
        path = f'{self.host.root}/{name}'
        with open(path, 'wb') as f:
            f.write((b'QFI\xfb' + struct.pack('>IQIIQ', 3, 0, 0, 16, size)).ljust(65536, b'\0'))
        return path

    def test_not_supported(self):
        connection = self.connect()
        for call, api in ((connection.listAllNetworks, 'virConnectListAllNetworks'), (connection.numOfNetworks, 'virConnectNumOfNetworks'),
                          (lambda: connection.listDevices(None), 'virNodeNumOfDevices|virNodeListDevices'),
                          (connection.listAllSecrets, 'virConnectListAllSecrets'), (connection.listAllInterfaces, 'virConnectListAllInterfaces'),
                          (connection.listAllNWFilters, 'virConnectListAllNWFilters'),
                          (lambda: connection.storagePoolCreateXML('<pool/>'), 'virStoragePoolCreateXML')):
            self.assertRegex(self.fails(NO_SUPPORT, call),
                             f'^this function is not supported by the connection driver: ({api})$')
        self.assertEqual(connection.listAllStoragePools(), [])
        self.assertEqual((connection.numOfStoragePools(), connection.numOfDefinedStoragePools()), (0, 0))

    def test_volume_by_path(self):
        connection = self.connect()
        path = self.qcow2('disk.img', 5 << 30)
        volume = connection.storageVolLookupByPath(path)
        self.assertEqual((volume.name(), volume.key(), volume.path()), ('disk.img', path, path))
        self.assertEqual(volume.info()[:2], [libvirt.VIR_STORAGE_VOL_FILE, 5 << 30])
        self.assertEqual(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2], 65536)
        self.assertIn("<format type='qcow2'/>", volume.XMLDesc())
        pool = volume.storagePoolLookupByVolume()
        self.assertEqual(pool.name(), self.host.root)
        self.assertIn(f'<path>{self.host.root}</path>', pool.XMLDesc())
        self.assertEqual(pool.UUIDString(), connection.storagePoolLookupByName(self.host.root).UUIDString())
        self.assertEqual((pool.isActive(), pool.isPersistent(), pool.autostart()), (1, 0, 0))
        pool.refresh()
        self.assertEqual(pool.info()[0], libvirt.VIR_STORAGE_POOL_RUNNING)
        self.assertEqual(pool.storageVolLookupByName('disk.img').path(), path)
        for name in ('none', '', '../' + os.path.basename(self.host.root) + '/disk.img'):
            self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, pool.storageVolLookupByName, name)
        for name in (path + 'x', self.host.root, '/dev/null', 'disk.img', ''):
            self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, connection.storageVolLookupByPath, name)
            self.fails(libvirt.VIR_ERR_NO_STORAGE_POOL, connection.storagePoolLookupByName, name + '/x')
        os.unlink(path)
        self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, volume.info)
        self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, volume.XMLDesc)

    def test_format_is_the_definition_s(self):
        """A guest that writes the head of another format into its raw disk changes nothing."""
        path = self.qcow2('raw.img', 1 << 50)
        disk = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/><target dev='xvda' bus='xen'/></disk>"
        xml = harness.domain_xml('owner').replace('<devices>', '<devices>' + disk)
        self.virsh('define', self.host.file('owner.xml', xml))
        volume = self.connect().storageVolLookupByPath(path)
        self.assertIn("<format type='raw'/>", volume.XMLDesc())
        self.assertEqual(volume.info()[1], 65536)
        self.virsh('undefine', 'owner')

    def test_readonly_finds_nothing(self):
        """Which files there are is not for everybody."""
        path = self.qcow2('secret.img', 1 << 30)
        connection = self.connect(readonly=True)
        self.assertEqual(connection.listAllStoragePools(), [])
        self.fails(libvirt.VIR_ERR_NO_STORAGE_VOL, connection.storageVolLookupByPath, path)
        self.fails(libvirt.VIR_ERR_NO_STORAGE_POOL, connection.storagePoolLookupByName, self.host.root)

    def test_virt_install(self):
        image = self.qcow2('install.img', 2 << 30)
        self.assertIn('<driver name="qemu" type="qcow2"/>', self.install(image, '--print-xml'))
        raw = f'{self.host.root}/raw disk.img'
        with open(raw, 'wb') as f:
            f.truncate(1 << 30)
        self.assertIn('type="raw"', self.install(f'path={raw}', '--print-xml'))
        self.install(image, '--noautoconsole')
        self.assertIn(image, self.virsh('domblklist', 'vi'))
        self.virsh('destroy', 'vi')
        self.virsh('undefine', 'vi')
        # A new one takes a storage daemon.
        self.assertIn('virStoragePoolDefineXML', self.install(f'{self.host.root}/new.img,size=1', '--print-xml', status=1))


if __name__ == '__main__':
    harness.run_events()
    tap.main()
