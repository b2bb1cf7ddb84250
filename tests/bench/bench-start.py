#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long xlvirtd takes with many definitions until the first client has its answer, and what
`virsh list --all` and the memory are then. Engine sim, a temporary root. Asserts nothing.

usage: bench-start.py [--build DIR] [N...]      default 1 1000 10000"""
import argparse
import os
import re
import subprocess
import tempfile
import time
import uuid

XML = """<domain type='xen'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>65536</memory>
  <currentMemory unit='KiB'>65536</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>/boot/vmlinuz</kernel>
  </os>
  <clock offset='utc' adjustment='reset'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/srv/{name}.img'/>
      <target dev='xvda' bus='xen'/>
    </disk>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:01'/>
      <source bridge='br0'/>
    </interface>
    <console type='pty'>
      <target type='xen' port='0'/>
    </console>
    <memballoon model='xen'/>
  </devices>
</domain>
"""


def fill(root, count):
    folder = os.path.join(root, "etc/libvirt/libxl")
    os.makedirs(folder)
    for i in range(count):
        name = f"bench-{i:05d}"
        with open(os.path.join(folder, name + ".xml"), "w", encoding="utf-8") as file:
            file.write(XML.format(name=name, uuid=uuid.UUID(int=i + 1)))


def status(pid, name, field):
    with open(f"/proc/{pid}/{name}", encoding="ascii") as file:
        return int(re.search(field + r":\s+(\d+)", file.read())[1])


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


def measure(build, count, root):
    socket = os.path.join(root, "run/libvirt/virtxend-sock")
    virsh = ["virsh", "-c", "xen+unix:///system?socket=" + socket]
    began = time.monotonic()
    with subprocess.Popen([os.path.join(build, "src/libvirt-driver/xlvirtd"), "--engine", "sim",
                           "--root", root], stderr=subprocess.DEVNULL) as daemon:
        try:
            while not os.path.exists(socket) and daemon.poll() is None:
                time.sleep(0.002)
            subprocess.run(virsh + ["uri"], check=True, stdout=subprocess.DEVNULL)
            ready, cpu = time.monotonic() - began, cpu_ms(daemon.pid)
            began = time.monotonic()
            subprocess.run(virsh + ["list", "--all"], check=True, stdout=subprocess.DEVNULL)
            listed = time.monotonic() - began
            memory = status(daemon.pid, "smaps_rollup", "Private_Dirty")
        finally:
            daemon.terminate()
    print(f"{count:8}{ready * 1000:12.0f}{cpu:12}{listed * 1000:14.0f}{memory:14}", flush=True)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.path.join(here, "../../build"))
    parser.add_argument("counts", nargs="*", type=int, default=[1, 1000, 10000])
    options = parser.parse_args()
    print(f"{'domains':>8}{'ready ms':>12}{'its CPU ms':>12}{'list --all ms':>14}{'private KiB':>14}")
    for count in options.counts:
        with tempfile.TemporaryDirectory(prefix="xlvirt-bench-") as root:
            fill(root, count)
            measure(options.build, count, root)


main()
