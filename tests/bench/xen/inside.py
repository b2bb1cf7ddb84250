#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The half of bench-xen that runs in dom0: starts and destroys guests by xl, by stock libvirt and by
xlvirtd, and writes what it took as JSON. Needs root, the programs of xenlab's image, and tracefs.

usage: inside.py ITEM.json RESULT.json"""
import ctypes
import json
import os
import re
import subprocess
import sys
import threading
import time

import timeline

URI = "xen:///system"
GUESTS = "/srv/guests"
WORK = "/tmp/bench-xen"
SETTLE = 1.0  # virtual seconds; idle ones cost nothing under -icount

# name -> what it boots, how, with how much memory (MB) and with which devices
CASES = {
    "pv-tiny": ("pv", "stub", 8, False),
    "pv-tiny-devices": ("pv", "stub", 8, True),
    "pvh-tiny": ("pvh", "stub", 32, False),
    "pv-linux": ("pv", "vmlinuz", 128, False),
    "pv-linux-devices": ("pv", "vmlinuz", 128, True),
    "pvh-linux": ("pvh", "vmlinuz", 128, False),
}


def call(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout.strip()[-400:]}")
    return done.stdout


# ---- guests ----

class Guest:
    """One guest of a case, in both languages."""

    def __init__(self, case, number):
        self.name = f"bench{number}"
        self.case, self.number = case, number
        self.kind, self.kernel, self.memory, self.devices = CASES[case]

    def is_linux(self):
        return self.kernel == "vmlinuz"

    def loop(self):
        return f"/dev/loop{20 + self.number}"

    def mac(self):
        return f"00:16:3e:0b:00:{self.number:02x}"

    def cfg(self):
        lines = [f'name = "{self.name}"', f'type = "{self.kind}"', f'kernel = "{GUESTS}/{self.kernel}"',
                 f"memory = {self.memory}", "vcpus = 1"]
        if self.is_linux():
            lines += [f'ramdisk = "{GUESTS}/initramfs"', 'extra = "console=hvc0 quiet"']
        if self.devices:
            lines += [f'disk = [ "phy:{self.loop()},xvda,w" ]', f'vif = [ "mac={self.mac()},bridge=xenbr0" ]']
        return "\n".join(lines) + "\n"

    def xml(self):
        kind = "linux" if self.kind == "pv" else "xenpvh"
        boot = f"<kernel>{GUESTS}/{self.kernel}</kernel>"
        if self.is_linux():
            boot += f"<initrd>{GUESTS}/initramfs</initrd><cmdline>console=hvc0 quiet</cmdline>"
        devices = "<console type='pty'><target type='xen' port='0'/></console>"
        if self.devices:
            devices += (f"<disk type='block' device='disk'><driver name='phy'/><source dev='{self.loop()}'/>"
                        "<target dev='xvda' bus='xen'/></disk>"
                        f"<interface type='bridge'><mac address='{self.mac()}'/><source bridge='xenbr0'/></interface>")
        return (f"<domain type='xen'><name>{self.name}</name><memory unit='MiB'>{self.memory}</memory><vcpu>1</vcpu>"
                f"<os><type arch='x86_64' machine='xen{self.kind}'>{kind}</type>{boot}</os>"
                f"<devices>{devices}</devices></domain>\n")

    def prepare(self):
        if not self.devices or os.path.exists(f"{WORK}/{self.name}.img"):
            return
        with open(f"{WORK}/{self.name}.img", "wb") as disk:
            disk.truncate(1 << 20)
        if not os.path.exists(self.loop()):
            call("mknod", self.loop(), "b", "7", str(20 + self.number))
        call("losetup", self.loop(), f"{WORK}/{self.name}.img")

    def write(self, suffix, text):
        path = f"{WORK}/{self.name}.{suffix}"
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path


# ---- who starts them ----

class Programs:
    """A program of its own for each start and each destroy, as people type them."""

    def start_all(self, guests):
        return at_once([self.start(guest) for guest in guests])

    def destroy_all(self, guests):
        return at_once([self.destroy(guest) for guest in guests])


class Xl(Programs):
    """xl itself; no daemon of libvirt runs beside it."""

    def begin(self):
        pass

    def end(self):
        pass

    def define(self, guest):
        guest.write("cfg", guest.cfg())

    def undefine(self, guest):
        pass

    # Paused: a Linux that boots would take the CPU from the next ones' starts.
    def start(self, guest):
        return ["xl", "create", "-p", "-q", f"{WORK}/{guest.name}.cfg"]

    def destroy(self, guest):
        return ["xl", "destroy", guest.name]

    def idle(self):
        return None


class Virsh(Programs):
    """The same virsh, to one daemon or the other."""

    def __init__(self, daemon, settings="", options=()):
        self.daemon, self.settings, self.options = daemon, settings, options

    def begin(self):
        if self.daemon == "lab-xlvirtd":
            os.makedirs("/etc/libvirt", exist_ok=True)
            with open(f"{WORK}/virtxend.conf", "w", encoding="ascii") as file:
                file.write(self.settings)
            with open("/etc/default/xlvirtd", "w", encoding="ascii") as file:
                file.write(f"XLVIRTD_ARGS='--config {WORK}/virtxend.conf'\n")
        call(self.daemon, "start")
        call("virsh", "-c", URI, "list")

    def end(self):
        call(self.daemon, "stop")

    def define(self, guest):
        call("virsh", "-c", URI, "define", guest.write("xml", guest.xml()))

    def undefine(self, guest):
        call("virsh", "-c", URI, "undefine", guest.name)

    def start(self, guest):
        return ["virsh", "-q", *self.options, "-c", URI, "start", "--paused", guest.name]

    def destroy(self, guest):
        return ["virsh", "-q", *self.options, "-c", URI, "destroy", guest.name]

    def idle(self):
        return ["virsh", "-q", "-c", URI, "uri"]


class Library(Virsh):
    """libvirt's client library in this process, on one connection that is open: as virt-manager, or
    whatever else goes on running, has it."""

    START_PAUSED = 1

    def begin(self):
        super().begin()
        # Here, so that xl can be measured where ctypes is not.
        self.lib = ctypes.CDLL("libvirt.so.0")
        for name in ("virConnectOpen", "virDomainLookupByName"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.connection = ctypes.c_void_p(self.lib.virConnectOpen(URI.encode()))
        if not self.connection:
            raise RuntimeError(f"cannot connect to {URI}")

    def end(self):
        self.lib.virConnectClose(self.connection)
        super().end()

    def each(self, guests, function):
        """Calls the function with the domain of each guest, in a thread of its own where there are several."""
        domains = [ctypes.c_void_p(self.lib.virDomainLookupByName(self.connection, guest.name.encode()))
                   for guest in guests]
        codes = [None] * len(domains)

        def call_one(i):
            codes[i] = function(domains[i])

        threads = [threading.Thread(target=call_one, args=(i,)) for i in range(1, len(domains))]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        call_one(0)
        for thread in threads:
            thread.join()
        ended = time.monotonic()
        for domain in domains:
            self.lib.virDomainFree(domain)
        if any(codes):
            raise RuntimeError(f"{codes.count(-1)} of {len(codes)} calls failed")
        return began, ended

    def start_all(self, guests):
        return self.each(guests, lambda domain: self.lib.virDomainCreateWithFlags(domain, self.START_PAUSED))

    def destroy_all(self, guests):
        return self.each(guests, self.lib.virDomainDestroy)

    def idle(self):
        return None


TOOLS = {
    "xl": Xl(),
    "stock": Virsh("lab-stock"),
    "xlvirtd": Virsh("lab-xlvirtd"),
    # clients that wait for as long as it takes
    "stock-patient": Virsh("lab-stock", options=["-k", "0"]),
    # without the client's own start
    "stock-open": Library("lab-stock"),
    "xlvirtd-open": Library("lab-xlvirtd"),
    # one of its gains taken away
    "xlvirtd-scripts": Virsh("lab-xlvirtd", 'hotplug = "scripts"\n'),
    "xlvirtd-no-cache": Virsh("lab-xlvirtd", "kernel_cache = 0\n"),
}


# ---- measuring ----

def at_once(commands):
    """Runs them side by side. When they began and when the last had ended; an error if one failed."""
    logs = [open(f"{WORK}/out{i}", "w+", encoding="utf-8", errors="replace") for i in range(len(commands))]
    began = time.monotonic()
    running = [subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
               for argv, log in zip(commands, logs)]
    codes = [process.wait() for process in running]
    ended = time.monotonic()
    for argv, log, code in zip(commands, logs, codes):
        log.seek(0)
        text = log.read().strip()
        log.close()
        if code != 0:
            raise RuntimeError(f"{' '.join(argv)}: {text[-400:]}")
    return began, ended


def list_domains():
    return re.findall(r"^(bench\d+|\(null\)) ", call("xl", "list"), re.M)


def wait_until_gone():
    for _ in range(200):
        if not list_domains():
            break
        time.sleep(0.1)
    else:
        raise RuntimeError(f"left over: {list_domains()}")
    time.sleep(SETTLE)


def sweep():
    for name in list_domains():
        subprocess.run(["xl", "destroy", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    wait_until_gone()


def one_round(tool, guests):
    """Milliseconds of a start and of a destroy of all these guests at once."""
    began, ended = tool.start_all(guests)
    time.sleep(SETTLE)
    destroy_began, destroy_ended = tool.destroy_all(guests)
    wait_until_gone()
    return (ended - began) * 1e3, (destroy_ended - destroy_began) * 1e3


def traced_round(tool, guest):
    """A start and a destroy, each as phases (milliseconds) and the number of programs run in it."""
    parts = {}
    with timeline.Trace() as trace:
        began, ended = tool.start_all([guest])
        parts["start"] = timeline.phases(trace.take(), began, ended)
        time.sleep(SETTLE)
        trace.take()
        began, ended = tool.destroy_all([guest])
        parts["destroy"] = timeline.phases(trace.take(), began, ended)
    wait_until_gone()
    return parts


def measure(tool, case, counts, runs, traced, warm_up):
    result = {"counts": {}, "traces": []}
    guests = [Guest(case, number) for number in range(1, max(counts) + 1)]
    for guest in guests:
        guest.prepare()
        tool.define(guest)
    try:
        if warm_up:
            one_round(tool, guests[:1])  # whatever is cold
        for count in counts:
            rounds = [one_round(tool, guests[:count]) for _ in range(runs)]
            result["counts"][str(count)] = {"start": [r[0] for r in rounds], "destroy": [r[1] for r in rounds]}
        result["traces"] = [traced_round(tool, guests[0]) for _ in range(traced)]
    finally:
        sweep()
        for guest in guests:
            tool.undefine(guest)
    return result


def measure_idle(tool, runs):
    if not tool.idle():
        return None
    times = [at_once([tool.idle()]) for _ in range(runs)]
    return [(ended - began) * 1e3 for began, ended in times]


def about_host():
    info = dict(re.findall(r"^(\S+)\s*: (.*)$", call("xl", "info"), re.M))
    return {"xen": info["xen_version"], "linux": info["release"], "cpus": info["nr_cpus"],
            "memory_mb": info["total_memory"], "dom0_mb": call("xl", "list", "0").split("\n")[1].split()[2],
            "libvirt": call("virsh", "--version").strip(),
            "hotplug_helper": os.access("/usr/libexec/xlvirt/xlvirt-hotplug", os.X_OK)}


def run_item(item):
    """One tool with one case: what was measured, or the problem, and about the host."""
    tool = TOOLS[item["tool"]]
    result = {"host": about_host(), "idle": None,
              "row": {"tool": item["tool"], "case": item["case"], "counts": {}, "traces": []}}
    tool.begin()
    try:
        if item["idle"]:
            result["idle"] = measure_idle(tool, item["runs"])
        result["row"].update(measure(tool, item["case"], item["counts"], item["runs"], item["traced"],
                                     item["warm_up"]))
    except RuntimeError as problem:
        result["row"]["problem"] = str(problem)
    finally:
        tool.end()
    return result


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        item = json.load(file)
    os.makedirs(WORK, exist_ok=True)
    timeline.mount()
    subprocess.run(["lab-xlvirtd", "stop"], stdout=subprocess.DEVNULL, check=True)
    result = run_item(item)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file)


main()
