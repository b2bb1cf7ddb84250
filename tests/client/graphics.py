#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's screen through the connection to the daemon: descriptors that go with calls and replies.

The display server is one of our own, where the live definition says that one listens."""
import array
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402

import harness  # noqa: E402
import tap  # noqa: E402
from harness import Wire, domain_xml, wait_for  # noqa: E402

UUID = 'e0e0e0e0-2222-3333-4444-000000000001'
RAW_UUID = bytes.fromhex(UUID.replace('-', ''))
CALL_FDS, REPLY_FDS = 4, 5
OPEN_GRAPHICS, OPEN_GRAPHICS_FD, CREATE_XML_WITH_FILES, CREATE_WITH_FILES = 249, 343, 309, 310
SKIP_AUTH = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
WIDTH, HEIGHT = 64, 48
NO_SUPPORT = libvirt.VIR_ERR_NO_SUPPORT
INVALID_ARG = libvirt.VIR_ERR_INVALID_ARG


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


class Screen(threading.Thread):
    """RFB 3.8 as far as it takes to show one colour; every word that came from clients is kept."""

    def __init__(self, listener):
        super().__init__(daemon=True)
        self.listener = listener
        self.listener.listen(20)
        self.seen = []
        self.start()

    def end(self):
        self.listener.close()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        stream = client.makefile('rb')

        def take(size):
            data = stream.read(size)
            if len(data) < size:
                raise EOFError
            return data
        try:
            client.sendall(b'RFB 003.008\n')
            self.seen.append(take(12))
            client.sendall(b'\1\1')  # one kind of authentication: none
            self.seen.append(take(1))
            client.sendall(bytes(4))
            self.seen.append(b'init' + take(1))
            pixel = struct.pack('>BBBBHHHBBBxxx', 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
            client.sendall(struct.pack('>HH', WIDTH, HEIGHT) + pixel + struct.pack('>I', 6) + b'screen')
            while True:
                kind = take(1)[0]
                if kind == 0:
                    take(19)
                elif kind == 2:
                    take(4 * struct.unpack('>xH', take(3))[0])
                elif kind == 3:
                    take(9)
                    client.sendall(struct.pack('>BxHHHHHi', 0, 1, 0, 0, WIDTH, HEIGHT, 0) + b'\x80\x40\x20\0' * (WIDTH * HEIGHT))
                elif kind in (4, 5):
                    take({4: 7, 5: 5}[kind])
                else:
                    take(struct.unpack('>xxxI', take(7))[0])
                self.seen.append(kind)
        except (EOFError, OSError):
            self.seen.append('end')
        finally:
            client.close()


def read_screen(fd):
    """A client of that: up to the first picture, over a descriptor."""
    with socket.socket(fileno=fd) as display:
        display.settimeout(harness.TIMEOUT)
        stream = display.makefile('rb')
        assert stream.read(12) == b'RFB 003.008\n'
        display.sendall(b'RFB 003.008\n')
        assert stream.read(2) == b'\1\1'
        display.sendall(b'\1')
        assert stream.read(4) == bytes(4)
        display.sendall(b'\1')
        width, height = struct.unpack('>HH', stream.read(20)[:4])
        assert stream.read(10) == b'\0\0\0\6screen'
        display.sendall(struct.pack('>BBHHHH', 3, 0, 0, 0, width, height))
        assert stream.read(16) == struct.pack('>BxHHHHHi', 0, 1, 0, 0, WIDTH, HEIGHT, 0)
        return stream.read(4 * width * height)


PICTURE = b'\x80\x40\x20\0' * (WIDTH * HEIGHT)


class TestGraphics(harness.Case):
    def setUp(self):
        self.connection = libvirt.open(self.host.uri())
        self.addCleanup(lambda: self.connection.close())
        self.host.control('[*]\nguest-boot-ms=10\n')

    def run_domain(self, *graphics):
        xml = domain_xml('g', UUID).replace('</devices>', ''.join(graphics) + '</devices>')
        domain = self.connection.createXML(xml)
        self.addCleanup(domain.destroy)
        return domain

    def on_socket(self):
        """A screen on a Unix socket, and the element that says so."""
        path = f'{self.host.root}/vnc'
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        screen = Screen(listener)
        self.addCleanup(os.unlink, path)
        self.addCleanup(screen.end)
        return screen, f"<graphics type='vnc' socket='{path}'/>"

    def fails(self, code, what, function, *args):
        with self.assertRaises(libvirt.libvirtError) as caught:
            function(*args)
        self.assertEqual(caught.exception.get_error_code(), code, caught.exception)
        self.assertIn(what, str(caught.exception))

    def no_descriptor_is_left(self):
        wait_for(lambda: descriptors(self.host.daemon.pid) == self.before, f'{self.before} descriptors: '
                 f'there are {descriptors(self.host.daemon.pid)}')

    def count(self):
        self.before = descriptors(self.host.daemon.pid)

    def test_returned(self):
        screen, element = self.on_socket()
        domain = self.run_domain(element)
        self.count()
        for flags in (0, SKIP_AUTH):
            self.assertEqual(read_screen(domain.openGraphicsFD(0, flags)), PICTURE)
        wait_for(lambda: screen.seen.count('end') == 2, 'the ends of both')
        self.no_descriptor_is_left()

    def test_given(self):
        screen, element = self.on_socket()
        domain = self.run_domain(element)
        self.count()
        ours, theirs = socket.socketpair()
        domain.openGraphics(0, theirs.fileno(), SKIP_AUTH)
        theirs.close()
        self.assertEqual(read_screen(ours.detach()), PICTURE)
        wait_for(lambda: 'end' in screen.seen, 'the end')
        self.no_descriptor_is_left()

    def test_tcp(self):
        for family, address, listen in ((socket.AF_INET, '127.0.0.1', '127.0.0.1'), (socket.AF_INET, '127.0.0.1', '0.0.0.0'),
                                        (socket.AF_INET6, '::1', '::')):
            listener = socket.socket(family)
            try:
                listener.bind((address, 0))
            except OSError:
                continue  # no IPv6 here
            screen = Screen(listener)
            domain = self.connection.createXML(domain_xml('t').replace('</devices>', (
                f"<graphics type='vnc' port='{listener.getsockname()[1]}' autoport='no' listen='{listen}'/></devices>")))
            self.assertEqual(read_screen(domain.openGraphicsFD(0)), PICTURE)
            domain.destroy()
            screen.end()

    def test_pumped(self):
        """Much, in both directions at once, through a descriptor that the client gave; half-closed at the end."""
        path = f'{self.host.root}/echo'
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(1)

        def echo():
            client, _ = listener.accept()
            with client:
                while True:
                    data = client.recv(100000)
                    if not data:
                        break
                    client.sendall(data)
                client.sendall(b'the end')
        threading.Thread(target=echo, daemon=True).start()
        domain = self.run_domain(f"<graphics type='spice' socket='{path}'/>")
        self.count()
        ours, theirs = socket.socketpair()
        domain.openGraphics(0, theirs.fileno())
        theirs.close()
        data = os.urandom(20 << 20)

        def write():
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
        threading.Thread(target=write, daemon=True).start()
        with ours, ours.makefile('rb') as stream:
            self.assertEqual(stream.read(), data + b'the end')
        self.no_descriptor_is_left()

    def test_refused(self):
        domain = self.run_domain("<graphics type='sdl'/>", f"<graphics type='vnc' socket='{self.host.root}/nobody'/>")
        self.count()
        for opened in (lambda index: domain.openGraphicsFD(index), lambda index: domain.openGraphics(index, ours.fileno())):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                self.fails(INVALID_ARG, 'no graphics of number 2', opened, 2)
                self.fails(NO_SUPPORT, "type 'sdl'", opened, 0)
                self.fails(libvirt.VIR_ERR_OPERATION_FAILED, 'cannot connect to the vnc server', opened, 1)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            self.fails(INVALID_ARG, 'stream socket', domain.openGraphics, 1, datagrams.fileno())
        self.fails(libvirt.VIR_ERR_OPERATION_INVALID, 'not running',
                   self.connection.defineXML(domain_xml('off')).openGraphicsFD, 0)
        self.fails(libvirt.VIR_ERR_OPERATION_INVALID, 'does not support', self.connection.lookupByID(0).openGraphicsFD, 0)
        self.connection.lookupByName('off').undefine()
        self.no_descriptor_is_left()

    # ---- what no stock client sends ----

    def call_with(self, wire, procedure, args, fds, claimed=None):
        """(kind, status, payload) of the reply to a call with these descriptors."""
        wire.serial += 1
        payload = struct.pack('>I', len(fds) if claimed is None else claimed) + args
        wire.socket.sendall(struct.pack('>IIIiIIi', 28 + len(payload), Wire.REMOTE, 1, procedure, CALL_FDS, wire.serial, 0)
                            + payload)
        for fd in fds:
            wire.socket.sendmsg([b'\0'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
        _, kind, serial, status, body = wire.receive()
        self.assertEqual(serial, wire.serial)
        return kind, status, body

    def test_numbers_of_descriptors(self):
        _, element = self.on_socket()
        self.run_domain(element)
        args = Wire.domain(RAW_UUID) + bytes(8)
        self.count()
        with Wire(self.host) as wire:
            for count in (0, 2, 32):
                pairs = [socket.socketpair() for _ in range(count)]
                kind, status, body = self.call_with(wire, OPEN_GRAPHICS, args, [pair[0].fileno() for pair in pairs])
                self.assertEqual((kind, status, struct.unpack_from('>i', body)[0]), (1, 1, INVALID_ARG))
                for ours, theirs in pairs:
                    ours.close()
                    theirs.settimeout(harness.TIMEOUT)
                    self.assertEqual(theirs.recv(1), b'')  # the daemon's copy is closed, too
                    theirs.close()
            # A call that takes none, one that is refused, and one whose arguments are cut off.
            for procedure, payload in ((157, b''), (CREATE_WITH_FILES, Wire.domain(RAW_UUID) + bytes(4)),
                                       (CREATE_XML_WITH_FILES, Wire.text(b'<domain/>') + bytes(4)), (OPEN_GRAPHICS, args[:9]),
                                       (283, bytes(8)), (97, Wire.text(b'/'))):
                ours, theirs = socket.socketpair()
                with theirs:
                    kind, status, body = self.call_with(wire, procedure, payload, [ours.fileno()])
                    ours.close()
                    self.assertEqual((kind, status), (1, 0 if procedure == 157 else 1), procedure)
                    theirs.settimeout(harness.TIMEOUT)
                    self.assertEqual(theirs.recv(1), b'')
                if procedure in (CREATE_WITH_FILES, CREATE_XML_WITH_FILES):
                    self.assertEqual(struct.unpack_from('>i', body)[0], NO_SUPPORT)
        with Wire(self.host) as wire:
            with self.assertRaises(ConnectionError):
                self.call_with(wire, OPEN_GRAPHICS, args, [], claimed=33)
        with Wire(self.host) as wire:  # announced, and the client goes
            ours, theirs = socket.socketpair()
            wire.socket.sendall(struct.pack('>IIIiIIi', 32 + len(args), Wire.REMOTE, 1, OPEN_GRAPHICS, CALL_FDS, 9, 0)
                                + struct.pack('>I', 2) + args)
            wire.socket.sendmsg([b'\0'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [ours.fileno()]))])
            ours.close()
        with theirs:
            theirs.settimeout(harness.TIMEOUT)
            self.assertEqual(theirs.recv(1), b'')
        self.no_descriptor_is_left()

    def test_reply_among_others(self):
        """The descriptor's byte comes right behind its reply, however many replies there are around it."""
        _, element = self.on_socket()
        self.run_domain(element)
        args = Wire.domain(RAW_UUID) + bytes(8)
        with Wire(self.host) as wire:
            for _ in range(30):
                asked = wire.send(OPEN_GRAPHICS_FD, args)
                others = {wire.send(157) for _ in range(4)}
                got = []
                while others or not got:
                    _, kind, serial, status, body = wire.receive()
                    self.assertEqual(status, 0)
                    others.discard(serial)
                    if serial != asked:
                        continue
                    self.assertEqual((kind, body), (REPLY_FDS, struct.pack('>I', 1)))
                    data, fds, _, _ = socket.recv_fds(wire.socket, 1, 1)
                    self.assertEqual((data, len(fds)), (b'\0', 1))
                    got = fds
                self.assertEqual(read_screen(got[0]), PICTURE)

    def test_readonly(self):
        _, element = self.on_socket()
        self.run_domain(element)
        reader = libvirt.openReadOnly(self.host.uri(True)).lookupByName('g')
        self.fails(libvirt.VIR_ERR_OPERATION_DENIED, 'virDomainOpenGraphicsFD', reader.openGraphicsFD, 0)

    @unittest.skipUnless(shutil.which('virt-viewer') and shutil.which('xvfb-run'), 'needs virt-viewer and xvfb')
    def test_virt_viewer(self):
        screen, element = self.on_socket()
        self.run_domain(element)
        with open(f'{self.host.root}/viewer.log', 'w+') as log:
            viewer = subprocess.Popen(['xvfb-run', '-a', 'virt-viewer', '--attach', '--wait', '-c', self.host.uri(), 'g'],
                                      stdout=log, stderr=log, start_new_session=True,
                                      env=dict(os.environ, HOME=self.host.root, NO_AT_BRIDGE='1', GDK_BACKEND='x11'))
            try:
                wait_for(lambda: 3 in screen.seen, 'the viewer to ask for a picture')
            except AssertionError as problem:
                log.seek(0)
                raise AssertionError(f'{problem}: {screen.seen}\n{log.read()}') from problem
            finally:
                os.killpg(viewer.pid, 15)
                viewer.wait(harness.TIMEOUT)


if __name__ == '__main__':
    libvirt.registerErrorHandler(lambda *_: None, None)
    tap.main()
