#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One call about a thousand domains. XLVIRT_BULK=N takes another number; the times are figures, no test.

usage: bulk.py [WORD...] runs the cases whose names have one of the words in them."""
import os
import re
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import Wire, domain_xml  # noqa: E402
try:
    import libvirt
except ImportError:
    libvirt = None

N = int(os.environ.get('XLVIRT_BULK', 1000))
UUID = 'b0b0b0b0-2222-3333-4444-{:012d}'
MESSAGE_MAX = 32 << 20  # of the protocol
DEVICES = "<disk type='file'><source file='/d/a.img'/><target dev='xvda' bus='xen'/></disk>" \
          "<interface type='bridge'><mac address='00:16:3e:00:{:02x}:{:02x}'/><source bridge='xenbr0'/></interface>"


@tap.unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
class TestBulk(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        numbers = iter(range(N))
        lock = threading.Lock()

        def work():
            connection = libvirt.open(cls.host.uri())
            while True:
                with lock:
                    i = next(numbers, None)
                if i is None:
                    break
                xml = domain_xml(f'n{i}', UUID.format(i + 1), memory=16384)
                connection.createXML(xml.replace('</devices>', DEVICES.format(i >> 8 & 255, i & 255) + '</devices>'))
            connection.close()
        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def figure(self, what, begin):
        print(f'# {what} of {N} domains: {(time.monotonic() - begin) * 1000:.0f} ms', flush=True)

    def test_virsh(self):
        begin = time.monotonic()
        code, out, err = self.host.virsh('domstats')
        self.figure('virsh domstats', begin)
        self.assertEqual(code, 0, err)
        blocks = re.split(r"^Domain: ", out, flags=re.M)[1:]
        self.assertEqual(len(blocks), N + 1)
        for block in blocks:
            name = block.split("'")[1]
            if name == 'Domain-0':
                continue
            for line in ('state.state=1', 'balloon.current=16384', 'vcpu.current=2', 'net.count=1', 'block.count=1'):
                self.assertIn(f'  {line}\n', block, name)
            self.assertRegex(block, r'block\.0\.rd\.bytes=\d+\n')

    def test_one_message(self):
        """The answer is one message; it is within the protocol's bound, and every domain is in it once."""
        with Wire(self.host) as wire:
            begin = time.monotonic()
            status, body = wire.call(344, struct.pack('>III', 0, 0, 0))
            self.figure('the call', begin)
        self.assertEqual(status, 0)
        self.assertLess(len(body), MESSAGE_MAX)
        count, = struct.unpack('>I', body[:4])
        self.assertEqual(count, N + 1)
        print(f'# the answer has {len(body)} bytes', flush=True)

    def test_lists(self):
        begin = time.monotonic()
        code, out, _ = self.host.virsh('list', '--name')
        self.figure('virsh list', begin)
        self.assertEqual((code, len(out.split())), (0, N + 1))


if __name__ == '__main__':
    tap.main()
