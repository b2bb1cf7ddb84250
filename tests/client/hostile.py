# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every procedure number, with arguments that are well-formed, cut off or noise, against a live daemon.

What the arguments look like comes from lvdprotocol.x, which calls change something from lvd-procs.tsv:
each call gets exactly one well-formed reply, and a read-only client no change. XLVIRT_SEED is the seed
of what is random, XLVIRT_ROUNDS how often each procedure is called in each way."""
import csv
import os
import random
import re
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ['XLVIRT_SOURCE'], 'tests'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import libvirt  # noqa: E402

import harness  # noqa: E402
import tap  # noqa: E402

DRIVER = os.path.join(os.environ['XLVIRT_SOURCE'], 'src/libvirt-driver')
REMOTE = 0x20008086
CALL, REPLY, MESSAGE, STREAM = range(4)
OK, ERROR, CONTINUE = range(3)
CLOSE, PING = 2, 157  # ends the connection; connect_get_lib_version
LARGEST = 33554436 - 28  # of arguments
RPC, DENIED = 39, 29  # VIR_ERR_RPC, VIR_ERR_OPERATION_DENIED
SEED = int(os.environ.get('XLVIRT_SEED', '20'))
ROUNDS = int(os.environ.get('XLVIRT_ROUNDS', '3'))

DOMAIN = """<domain type='xen'><name>{0}</name><uuid>{1}</uuid><memory>65536</memory><vcpu>2</vcpu>
<os><type>linux</type><kernel>/k</kernel></os><devices><console type='pty'/></devices></domain>"""
UUIDS = {name: bytes([i + 1] * 16) for i, name in enumerate(['web', 'db', 'gone'])}


def domain_xml(name):
    return DOMAIN.format(name, UUIDS[name].hex())


with open(os.path.join(DRIVER, 'lvd-procs.tsv')) as tsv:
    ROWS = list(csv.DictReader((line for line in tsv if not line.startswith('#')), delimiter='\t'))


class Types:
    """Makes XDR of the types in lvdprotocol.x: well-formed, mostly pointless."""
    NUMBERS = {'int': '>i', 'unsigned int': '>I', 'hyper': '>q', 'unsigned hyper': '>Q', 'double': '>d',
               'char': '>i', 'unsigned char': '>I', 'short': '>i', 'unsigned short': '>I', 'bool': '>I'}

    def __init__(self, rng, root):
        with open(os.path.join(DRIVER, 'lvdprotocol.x')) as f:
            text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
        self.rng = rng
        self.limits = {name: int(value) for name, value in re.findall(r'const (\w+) = (\d+);', text)}
        self.structs = {name: [field.strip() for field in body.split(';') if field.strip()]
                        for name, body in re.findall(r'struct (\w+) \{(.*?)\};', text, flags=re.S)}
        self.nth = None    # of the places of no fixed length in args(), counted as they come: that one is made
        self.how = None    # 'most': as long as it may be; 'over': one more; 'claim': of a length that is only said
        self.places = 0
        self.texts = ['', 'web', 'db', 'gone', 'x' * 5000, '<', '<domain/>', domain_xml('web'), domain_xml('gone'),
                      '<a><b/></a>', '/', root + '/saved', root + '/none', 'xen:///system', 'xen-xl', 'xen-sxpr',
                      "name='n'\nmemory=64\n", '(domain (name n) (memory 64))', '%s%n', '\u00e4\U0001f600', 'hvm',
                      'vda', 'xvda', 'credit2', 'x86_64', '/usr/lib/xen/bin/qemu-system-i386', '\x01']

    def chosen(self):
        """How to make this place of no fixed length, if it is the one."""
        self.places += 1
        return self.how if self.places - 1 == self.nth else None

    def count(self, most, usual):
        """(what the length word says, how many there are)"""
        how = self.chosen()
        if how == 'claim':
            return self.rng.choice([most + 1, 2**31, 2**32 - 1]), 0
        return (most + (how == 'over'),) * 2 if how else (usual,) * 2

    def text(self):
        data = self.rng.choice(self.texts).encode()
        how = self.chosen()
        if how == 'claim':
            return struct.pack('>I', self.rng.choice([self.limits['LVD_STRING_MAX'] + 1, 2**31, 2**32 - 1]))
        if how:
            return self.opaque(b'x' * (self.limits['LVD_STRING_MAX'] + (how == 'over')))
        if self.rng.random() < 0.05:
            data = self.rng.randbytes(self.rng.randrange(40))
        return self.opaque(data)

    @staticmethod
    def opaque(data):
        return struct.pack('>I', len(data)) + data + bytes(-len(data) % 4)

    def number(self, kind):
        form = self.NUMBERS[kind]
        if kind == 'double':
            return struct.pack(form, self.rng.choice([0.0, 1.5, -1.0, float('nan'), float('inf')]))
        size = struct.calcsize(form) * 8
        value = self.rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 8, 64, 255, 1024, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63,
                                 2**64 - 1, self.rng.getrandbits(64)]) % 2**size
        return value.to_bytes(size // 8, 'big')

    def value(self, kind):
        if kind == 'lvd_text':
            return self.text()
        if kind == 'lvd_opt_text':
            return struct.pack('>I', 1) + self.text() if self.rng.random() < 0.7 else bytes(4)
        if kind == 'lvd_uuid':
            return self.rng.choice([*UUIDS.values(), self.rng.randbytes(16)])
        if kind == 'lvd_nonnull_domain':
            name = self.rng.choice(['web', 'web', 'db', 'gone'])
            return self.opaque(name.encode()) + UUIDS[name] + self.number('int')
        if kind == 'lvd_typed_param_value':
            which = self.rng.randrange(1, 8)
            kinds = ['int', 'unsigned int', 'hyper', 'unsigned hyper', 'double', 'int', 'lvd_text']
            return struct.pack('>i', which) + self.value(kinds[which - 1])
        if kind in self.NUMBERS:
            return self.number(kind)
        return b''.join(self.field(field) for field in self.structs[kind])

    def field(self, field):
        kind, star, name, brackets, size = re.fullmatch(r'(.+?)\s*(\*?)\b(\w+)\s*(?:([<\[])(\w+)[>\]])?', field).groups()
        kind = kind.strip()
        if star:
            return struct.pack('>I', 1) + self.value(kind) if self.rng.random() < 0.5 else bytes(4)
        if name == 'flags' and self.rng.random() < 0.75:
            return bytes(struct.calcsize(self.NUMBERS[kind.strip()]))  # most others are refused before anything happens
        if not brackets:
            return self.value(kind)
        most = self.limits.get(size) or int(size)
        said, count = (most, most) if brackets == '[' else self.count(most, min(most, self.rng.choice([0, 1, 2, 5])))
        if kind == 'opaque':
            data = self.rng.randbytes(count)
            data += bytes(-len(data) % 4)
        else:
            data = b''.join(self.value(kind) for _ in range(count))
        return data if brackets == '[' else struct.pack('>I', said) + data

    def args(self, name, nth=None, how=None):
        self.nth, self.how, self.places = nth, how, 0
        return b''.join(self.field(field) for field in self.structs.get(f'lvd_{name}_args', []))

    def at_limits(self, name, how):
        """Arguments with each place of no fixed length made that way, one at a time."""
        state = self.rng.getstate()
        self.args(name)
        for nth in range(self.places):
            self.rng.setstate(state)  # so that the places up to this one are the same again
            yield self.args(name, nth, how)


class Client:
    def __init__(self, host, readonly):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(host.socket(readonly))
        self.serial = 0
        status, _ = self.call(1, bytes(4) + struct.pack('>I', readonly))
        assert status == OK

    def send(self, proc, kind, serial, status, body=b''):
        self.socket.sendall(struct.pack('>IIIiiIi', 28 + len(body), REMOTE, 1, proc, kind, serial, status) + body)

    def exactly(self, size):
        data = b''
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, f'the daemon hung up behind {len(data)} bytes of {size}'
            data += more
        return data

    def receive(self):
        """(proc, kind, serial, status, body) of the next message."""
        length, prog, vers, proc, kind, serial, status = struct.unpack('>IIIiiIi', self.exactly(28))
        assert 28 <= length <= 33554436 and (prog, vers) == (REMOTE, 1), (length, prog, vers)
        return proc, kind, serial, status, self.exactly(length - 28)

    def replies(self, proc, wanted):
        """Waits for one reply to each serial of {serial: proc}; any other is an error."""
        replies = {}
        while wanted.keys() - replies.keys():
            got, kind, serial, status, body = self.receive()
            if kind in (MESSAGE, STREAM):
                continue
            assert kind == REPLY and status in (OK, ERROR), (kind, status)
            assert wanted.get(serial) == got and serial not in replies, (proc, got, serial, wanted)
            replies[serial] = status, body
        return replies

    def call(self, proc, body):
        """The call and another one behind it, so that a second reply would be seen."""
        self.serial += 2
        call, ping = self.serial, self.serial + 1
        self.send(proc, CALL, call, OK, body)
        if proc == CLOSE:
            return self.replies(proc, {call: proc})[call]
        self.send(PING, CALL, ping, OK)
        replies = self.replies(proc, {call: proc, ping: PING})
        if replies[call][0] == OK and proc > 0 and proc <= len(ROWS) and ROWS[proc - 1]['stream'] != '-':
            self.send(proc, STREAM, call, ERROR)  # one console at a time is enough
        return replies[call]


def error_of(body):
    """(code, message) of an error reply, after a look at all of it."""
    code, _, has = struct.unpack_from('>iiI', body)
    assert has == 1
    length, = struct.unpack_from('>I', body, 12)
    message = body[16:16 + length].decode()
    assert code > 0 and message
    return code, message


class Hostile(unittest.TestCase):
    def setUp(self):
        self.host = harness.Host()
        self.addCleanup(self.host.end)
        self.host.control('[*]\nguest-boot-ms=1\nguest-shutdown-ms=1\n')
        self.host.start()
        for name in ('web', 'db'):
            self.assertEqual(self.host.virsh('define', self.host.file(name + '.xml', domain_xml(name)))[0], 0)
        self.assertEqual(self.host.virsh('start', 'web')[0], 0)
        self.rng = random.Random(SEED)
        self.types = Types(self.rng, self.host.root)

    def tearDown(self):
        self.assertEqual(self.host.end_daemon(), 0, self.host.log_text()[-3000:])  # a sanitizer's verdict, too

    def each(self, readonly, make_args):
        """(row, status, body) of each procedure, ROUNDS times over."""
        client = Client(self.host, readonly)
        for _ in range(ROUNDS):
            for row in ROWS:
                number = int(row['number'])
                args = make_args(row)
                try:
                    status, body = client.call(number, args)
                except (AssertionError, OSError) as problem:
                    raise AssertionError(f'{row["name"]}({args[:200].hex()}): {problem}\n'
                                         f'{self.host.log_text()[-3000:]}') from problem
                if status == ERROR:
                    error_of(body)
                if number == CLOSE:
                    client = Client(self.host, readonly)
                yield row, status, body
        self.assertIsNone(self.host.daemon.poll())
        self.assertEqual(self.host.virsh('version')[0], 0)

    def cut(self, row):
        args = self.types.args(row['name'])
        return args[:self.rng.randrange(len(args))] if args else b''

    def noise(self, row):
        args = bytearray(self.types.args(row['name']) or self.rng.randbytes(64))
        for _ in range(self.rng.randrange(1, 6)):
            args[self.rng.randrange(len(args))] = self.rng.choice([0, 1, 0x7f, 0x80, 0xff, self.rng.getrandbits(8)])
        return bytes(args)

    def test_well_formed(self):
        for row, status, body in self.each(False, lambda row: self.types.args(row['name'])):
            if status == ERROR and error_of(body)[1] == 'Unable to decode message payload':
                self.fail(f'{row["name"]}: arguments that lvdprotocol.x describes were not understood')
            if row['status'] not in ('done', 'relay-local'):
                self.assertEqual(status, ERROR, row['name'])

    def test_trailing(self):
        """What stands behind the arguments is passed over, as it is by a stock daemon."""
        for row, status, body in self.each(False, lambda row: self.types.args(row['name']) + bytes(self.rng.randrange(1, 9))):
            if status == ERROR:
                self.assertNotEqual(error_of(body)[1], 'Unable to decode message payload', row['name'])

    def at_limits(self, how):
        client = Client(self.host, False)
        for row in ROWS:
            number = int(row['number'])
            for args in self.types.at_limits(row['name'], how):
                if len(args) > LARGEST:
                    continue
                try:
                    status, body = client.call(number, args)
                except (AssertionError, OSError) as problem:
                    raise AssertionError(f'{row["name"]}({args[:200].hex()}): {problem}\n'
                                         f'{self.host.log_text()[-3000:]}') from problem
                if number == CLOSE:
                    client = Client(self.host, False)
                yield row, status, body
        self.assertIsNone(self.host.daemon.poll())

    def test_largest(self):
        """Texts and arrays as long as the protocol lets them be are read."""
        for row, status, body in self.at_limits('most'):
            if status == ERROR:
                self.assertNotEqual(error_of(body)[1], 'Unable to decode message payload', row['name'])

    def test_too_large(self):
        for how in ('over', 'claim'):
            for row, status, body in self.at_limits(how):
                self.assertEqual((row['name'], status, status and error_of(body)[0]), (row['name'], ERROR, RPC))

    def test_cut_off(self):
        for row, status, body in self.each(False, self.cut):
            if self.types.structs.get(f'lvd_{row["name"]}_args'):
                self.assertEqual((row['name'], status, error_of(body)[0]), (row['name'], ERROR, RPC))

    def test_noise(self):
        for _ in self.each(False, self.noise):
            pass

    def test_readonly(self):
        before = self.host.virsh('list', '--all')[1], self.host.virsh('dumpxml', 'web')[1]
        for row, status, body in self.each(True, lambda row: self.types.args(row['name'])):
            if row['readonly'] == 'no':
                code, message = error_of(body) if status == ERROR else (0, '')
                self.assertEqual((row['name'], code), (row['name'], DENIED), message)
                self.assertIn('read only access prevents', message)
        self.assertEqual(before, (self.host.virsh('list', '--all')[1], self.host.virsh('dumpxml', 'web')[1]))

    def test_readonly_by_arguments(self):
        """Calls that are refused for some flags only."""
        client = Client(self.host, True)
        conditional = [row for row in ROWS if row['readonly'] not in ('yes', 'no', '-')]
        self.assertGreater(len(conditional), 4)
        for row in conditional:
            if row['status'] != 'done':
                continue
            for name in re.findall(r'VIR_\w+', row['readonly']):
                number = getattr(libvirt, name)
                struct_ = self.types.structs[f'lvd_{row["name"]}_args']
                field = 'source' if row['readonly'].startswith('source') else 'flags'
                args = b''.join(struct.pack('>I', number if part.split()[-1] == field else 0)
                                if part.split()[-1] in ('flags', 'source') else self.types.field(part) for part in struct_)
                status, body = client.call(int(row['number']), args)
                self.assertEqual((row['name'], name, error_of(body)[0] if status else 0), (row['name'], name, DENIED))

    def test_readonly_noise(self):
        for row, status, _ in self.each(True, self.noise):
            if row['readonly'] == 'no':
                self.assertEqual((row['name'], status), (row['name'], ERROR))

    def test_numbers_beyond(self):
        client = Client(self.host, False)
        for number in (0, -1, len(ROWS) + 1, 2**31 - 1, -2**31):
            status, body = client.call(number, self.rng.randbytes(40))
            self.assertEqual((status, error_of(body)), (ERROR, (RPC, f'unknown procedure: {number}')))


if __name__ == '__main__':
    tap.main()
