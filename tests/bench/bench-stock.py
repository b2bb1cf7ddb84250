#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xlvirtd on engine sim beside stock libvirtd on its test driver: calls a second and the server's
CPU time a call, seen from a raw client over Unix sockets. The two take turns, and the median of the
rounds is told with the ratio. Asserts nothing: the figures are for reading.

usage: bench-stock.py [--build DIR] [--rounds N] [--seconds S] [--domains N]

Without libvirtd (Debian: libvirt-daemon) only xlvirtd is measured. libvirtd must be run as root; it
loads none of its other drivers. All files and sockets of both are in a temporary folder."""
import argparse
import glob
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time
import uuid

OPEN, CLOSE, DEFINE, XML, INFO, LOOKUP, UNDEFINE, VERSION, STATE, LIST = (
    1, 2, 11, 14, 16, 23, 35, 157, 212, 273)


def text(string):
    data = string.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def domain_xml(kind, name, number):
    return f"""<domain type='{kind}'>
  <name>{name}</name>
  <uuid>{uuid.UUID(int=number + 1)}</uuid>
  <memory unit='KiB'>65536</memory>
  <vcpu>2</vcpu>
  <os><type>{'hvm' if kind == 'test' else 'linux'}</type><kernel>/boot/vmlinuz</kernel></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <source file='/srv/{name}.img'/><target dev='xvda' bus='xen'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:01'/><source bridge='br0'/>
    </interface>
  </devices>
</domain>"""


class Client:
    def __init__(self, path, uri):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(path)
        self.serial = 0
        self.call(OPEN, struct.pack(">I", 1) + text(uri) + struct.pack(">I", 0))

    def call(self, procedure, args=b""):
        self.serial += 1
        self.sock.sendall(struct.pack(">IIIIIII", 28 + len(args), 0x20008086, 1, procedure, 0,
                                      self.serial, 0) + args)
        reply = b""
        while len(reply) < 4 or len(reply) < struct.unpack_from(">I", reply)[0]:
            data = self.sock.recv(1 << 20)
            if not data:
                raise RuntimeError(f"procedure {procedure}: the server hung up")
            # Replies of thousands of domains come in many pieces.
            reply = reply + data if reply else data
        if struct.unpack_from(">I", reply, 24)[0] != 0:
            raise RuntimeError(f"procedure {procedure}: {reply[28:200]!r}")
        return reply[28:]

    def close(self):
        self.call(CLOSE)
        self.sock.close()


class Server:
    """A daemon of our own, in its own folder."""

    def __init__(self, name, argv, path, uri, kind, folder, env=None):
        self.name, self.path, self.uri, self.kind = name, path, uri, kind
        with open(os.path.join(folder, name + ".log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
        for _ in range(1000):
            try:
                self.client = Client(path, uri)
                return
            except OSError:
                time.sleep(0.01)
            if self.process.poll() is not None:
                break
        self.stop()
        raise RuntimeError(f"{name} did not start: see its log")

    def prepare(self, domains):
        for i in range(domains):
            self.client.call(DEFINE, text(domain_xml(self.kind, f"bench-{i:05d}", i)))
        self.domain = self.client.call(LOOKUP, text("bench-00000"))

    def cpu(self):
        """Nanoseconds on a CPU, of all threads that are still there."""
        total = 0
        for stat in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                with open(stat, encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def connect_close(server):
    Client(server.path, server.uri).close()


WORK = {
    "connect + open + close": connect_close,
    "getLibVersion": lambda s: s.client.call(VERSION),
    "lookupByName": lambda s: s.client.call(LOOKUP, text("bench-00000")),
    "getInfo": lambda s: s.client.call(INFO, s.domain),
    "getState": lambda s: s.client.call(STATE, s.domain + b"\0\0\0\0"),
    "dumpxml": lambda s: s.client.call(XML, s.domain + b"\0\0\0\0"),
    "define (changed)": lambda s: s.client.call(DEFINE, text(domain_xml(s.kind, "bench-00000", 0))),
    "listAllDomains": lambda s: s.client.call(LIST, struct.pack(">II", 1, 3)),
}


def measure(server, work, seconds):
    """Calls a second, server CPU microseconds a call."""
    work(server)
    cpu, began, calls = server.cpu(), time.monotonic(), 0
    while time.monotonic() - began < seconds:
        work(server)
        calls += 1
    return calls / (time.monotonic() - began), (server.cpu() - cpu) / 1000 / calls


def start_xlvirtd(build, folder):
    root = os.path.join(folder, "root")
    return Server("xlvirtd", [os.path.join(build, "src/libvirt-driver/xlvirtd"), "--engine", "sim",
                              "--root", root], os.path.join(root, "run/libvirt/virtxend-sock"),
                  "xen:///system", "xen", folder)


def start_libvirtd(folder):
    config = os.path.join(folder, "libvirtd.conf")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'unix_sock_dir = "{folder}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
                   f'log_outputs = "4:stderr"\n')
    drivers = os.path.join(folder, "no-drivers")
    os.mkdir(drivers)
    return Server("libvirtd", [shutil.which("libvirtd"), "-f", config, "-p", folder + "/libvirtd.pid"],
                  folder + "/libvirt-sock", "test:///default", "test", folder,
                  dict(os.environ, LIBVIRT_DRIVER_DIR=drivers))


def compare(servers, options):
    print(f"{options.domains} domains, median of {options.rounds} rounds of {options.seconds} s, "
          "one call at a time")
    print(f"{'':26}" + "".join(f"{s.name + ' calls/s':>18}{'CPU us':>9}" for s in servers)
          + ("   ratio: calls/s, CPU" if len(servers) > 1 else ""))
    for name, work in WORK.items():
        rounds = [[measure(server, work, options.seconds) for server in servers]
                  for _ in range(options.rounds)]
        line = f"{name:26}"
        for i in range(len(servers)):
            line += f"{statistics.median(r[i][0] for r in rounds):18.0f}"
            line += f"{statistics.median(r[i][1] for r in rounds):9.1f}"
        if len(servers) > 1:
            line += f"{statistics.median(r[0][0] / r[1][0] for r in rounds):17.2f}"
            line += f"{statistics.median(r[0][1] / r[1][1] for r in rounds):7.2f}"
        print(line, flush=True)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.path.join(here, "../../build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--domains", type=int, default=100)
    options = parser.parse_args()
    servers = []
    with tempfile.TemporaryDirectory(prefix="xlvirt-bench-") as folder:
        try:
            servers.append(start_xlvirtd(options.build, folder))
            if shutil.which("libvirtd") and os.geteuid() == 0:
                servers.append(start_libvirtd(folder))
            else:
                print("libvirtd is not here, or we are not root: xlvirtd alone is measured")
            for server in servers:
                server.prepare(options.domains)
            compare(servers, options)
        finally:
            for server in servers:
                server.stop()


main()
