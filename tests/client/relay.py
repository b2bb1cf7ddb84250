#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks, storage, node devices, interfaces, secrets and filters through xlvirtd: answered by a real
libvirtd, by one that misbehaves, and by none."""
import filecmp
import os
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
libvirt.virEventRegisterDefaultImpl()


def run_events():
    while True:
        libvirt.virEventRunDefaultImpl()


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
class TestStock(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stock = stock.Stock(cls.host.root)
        try:
            cls.stock.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stock.end()
        super().tearDownClass()

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

    def test_volumes(self):
        folder = self.pool('p1')
        up, down = f'{self.host.root}/up', f'{self.host.root}/down'
        with open(up, 'wb') as f:
            f.write(os.urandom(SIZE))
        self.virsh('vol-create-as', 'p1', 'v1', str(SIZE))
        self.virsh('vol-upload', '--pool', 'p1', 'v1', up)
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
        wait_for(event_arrives, 'an event of the second daemon', timeout=60)
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
        failed = []
        waiter = threading.Thread(target=lambda: failed.append(self.fails(
            libvirt.VIR_ERR_OPERATION_FAILED, self.connect().listAllStoragePools)))
        waiter.start()
        time.sleep(0.3)
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

    def test_many_clients(self):
        folder = self.pool('p6')
        problems = []

        def work(number):
            try:
                connection = libvirt.open(self.host.uri())
                pool = connection.storagePoolLookupByName('p6')
                for turn in range(5):
                    xml = f"<volume><name>v{number}-{turn}</name><capacity>300000</capacity></volume>"
                    volume = pool.createXML(xml)
                    data = os.urandom(300000)
                    stream = connection.newStream()
                    volume.upload(stream, 0, 0, 0)
                    stream.sendAll(lambda s, n, at: data[at[0]:(at.__setitem__(0, at[0] + n) or at[0])], [0])
                    stream.finish()
                    with open(f'{folder}/v{number}-{turn}', 'rb') as f:
                        assert f.read() == data, 'not what was uploaded'
                    connection.listAllDomains()
                    connection.listAllSecrets()
                    volume.delete()
                connection.close()
            except BaseException as problem:
                problems.append(problem)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(problems, [])


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
    threading.Thread(target=run_events, daemon=True).start()
    tap.main()
