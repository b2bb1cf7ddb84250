# SPDX-License-Identifier: LGPL-2.1-or-later
"""As much of a xenstored as a client of libxenstore needs, without Xen: XENSTORED_PATH names its socket.

The messages are those of xen/io/xs_wire.h: type, request, transaction, length (32 bit each), payload."""
import os
import socket
import struct
import threading

DIRECTORY, READ, WRITE, ERROR = 1, 2, 11, 16
HOME = '/local/domain/0/'


class Store:
    """`values` maps paths to text. What a subclass overrides it does wrong on purpose."""

    def __init__(self, path, values=()):
        self.path = path
        self.values = dict(values)
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.requests = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()
        os.unlink(self.path)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection:
            while header := self.take(connection, 16):
                kind, request, transaction, length = struct.unpack('=IIII', header)
                payload = self.take(connection, length)
                if length and not payload:
                    return
                self.requests += 1
                try:
                    self.answer(connection, kind, request, transaction, payload)
                except OSError:
                    return

    @staticmethod
    def take(connection, length):
        data = b''
        while len(data) < length:
            try:
                more = connection.recv(length - len(data))
            except OSError:
                return b''
            if not more:
                return b''
            data += more
        return data

    def answer(self, connection, kind, request, transaction, payload):
        try:
            text = self.do(kind, payload)
        except KeyError as error:
            kind, text = ERROR, error.args[0] + b'\0'
        connection.sendall(struct.pack('=IIII', kind, request, transaction, len(text)) + text)

    def do(self, kind, payload):
        path, _, rest = payload.partition(b'\0')
        path = path.decode()
        if not path.startswith('/'):
            path = HOME + path
        with self.lock:
            if kind == READ:
                if path not in self.values:
                    raise KeyError(b'ENOENT')
                return self.values[path].encode()
            if kind == WRITE:
                self.values[path] = rest.decode()
                return b'OK\0'
            if kind == DIRECTORY:
                names = sorted({p[len(path) + 1:].split('/')[0] for p in self.values if p.startswith(path + '/')})
                if not names:
                    raise KeyError(b'ENOENT')
                return b''.join(name.encode() + b'\0' for name in names)
        raise KeyError(b'EINVAL')
