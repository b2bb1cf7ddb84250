# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the time between two moments went, from the kernel's own trace: programs that ran (sched
events) and functions of libxenguest and libxenstore (uprobes), which every toolstack calls.

At each moment one phase is charged, the first of PHASES that is under way; so the phases of a start
add up to its time, also where things happen side by side."""
import os
import re
import struct
import subprocess

TRACING = "/sys/kernel/tracing"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
GROUP = "benchxen"

# phase -> functions of a library that are it, from call to return
PROBES = {
    "unpack": ("libxenguest.so.4.17", ["xc_dom_parse_image"]),
    "load": ("libxenguest.so.4.17", ["xc_dom_kernel_file", "xc_dom_module_file", "xc_dom_build_image"]),
    "memory": ("libxenguest.so.4.17", ["xc_dom_mem_init", "xc_dom_boot_mem_init", "xc_dom_boot_image",
                                       "xc_dom_gnttab_init", "xc_dom_release"]),
    "xenstore": ("libxenstore.so.4", ["xs_read", "xs_write", "xs_rm", "xs_mkdir", "xs_directory", "xs_watch",
                                      "xs_unwatch", "xs_get_permissions", "xs_set_permissions",
                                      "xs_transaction_start", "xs_transaction_end", "xs_introduce_domain",
                                      "xs_release_domain", "xs_get_domain_path", "xs_is_domain_introduced"]),
}
PHASES = ["unpack", "load", "memory", "hotplug", "client", "xenstore", "rest"]
HOTPLUG = re.compile(r"/xen/scripts/|/xlvirt-hotplug$")


# ---- where a function is ----

def read_sections(image):
    (offset,) = struct.unpack_from("<Q", image, 0x28)
    size, number = struct.unpack_from("<HH", image, 0x3A)
    return [struct.unpack_from("<IIQQQQIIQQ", image, offset + size * i) for i in range(number)]


def file_offset(image, address):
    """Of an address, by the program headers."""
    (offset,) = struct.unpack_from("<Q", image, 0x20)
    size, number = struct.unpack_from("<HH", image, 0x36)
    for i in range(number):
        kind, _, at, start, _, length = struct.unpack_from("<IIQQQQ", image, offset + size * i)
        if kind == 1 and start <= address < start + length:
            return address - start + at
    raise ValueError(f"address {address:#x} is in no segment")


def find_functions(path, wanted):
    """name -> offset in the file, out of an ELF64's dynamic symbols."""
    with open(path, "rb") as file:
        image = file.read()
    sections, found = read_sections(image), {}
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        names = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], 24):
            name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", image, at)
            text = image[names + name:image.index(b"\0", names + name)].decode()
            if text in wanted and index != 0:
                found[text] = file_offset(image, value)
    return found


# ---- the trace ----

def write(name, text, flags=os.O_TRUNC):
    fd = os.open(f"{TRACING}/{name}", os.O_WRONLY | flags)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def mount():
    """Once, before anything is measured: after a mount xlvirtd reads the kernels of guests again."""
    if not os.path.exists(f"{TRACING}/trace"):
        subprocess.run(["mount", "-t", "tracefs", "none", TRACING], check=True)


class Trace:
    """Takes the trace while it is entered. take() gives the events since the last one, as
    (seconds, process id, name, text)."""

    def __enter__(self):
        write("tracing_on", "0")
        write("trace_clock", "mono")
        write("buffer_size_kb", "8192")
        self.set_probes()
        for event in self.events():
            write(f"events/{event}/enable", "1")
        write("trace", "")
        write("tracing_on", "1")
        return self

    def __exit__(self, *_):
        write("tracing_on", "0")
        for event in self.events():
            write(f"events/{event}/enable", "0")
        self.remove_probes()

    @staticmethod
    def events():
        return ["sched/sched_process_fork", "sched/sched_process_exec", "sched/sched_process_exit",
                "syscalls/sys_enter_connect", GROUP]

    @staticmethod
    def set_probes():
        for library, names in PROBES.values():
            path = os.path.realpath(f"{LIBRARIES}/{library}")
            for name, offset in find_functions(path, set(names)).items():
                write("uprobe_events", f"p:{GROUP}/{name} {path}:{offset:#x}\n", os.O_APPEND)
                write("uprobe_events", f"r:{GROUP}/{name}__ret {path}:{offset:#x}\n", os.O_APPEND)

    @staticmethod
    def remove_probes():
        with open(f"{TRACING}/uprobe_events", encoding="ascii") as file:
            names = re.findall(rf"^.:{GROUP}/(\S+)", file.read(), re.M)
        for name in names:
            write("uprobe_events", f"-:{GROUP}/{name}\n", os.O_APPEND)

    @staticmethod
    def take():
        with open(f"{TRACING}/trace", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
        write("trace", "")
        return parse(lines)


def parse(lines):
    """The kernel's text as events. A name is followed by a colon, a system call's by its arguments."""
    events = []
    for line in lines:
        match = re.match(r"\s*.+-(\d+)\s+\[\d+\]\s+\S+\s+(\d+\.\d+): (\w+)(?:: |\()(.*)", line)
        if match:
            events.append((float(match[2]), int(match[1]), match[3], match[4]))
    return events


# ---- what it says ----

def spans_of_functions(events):
    phase_of = {name: phase for phase, (_, names) in PROBES.items() for name in names}
    open_calls, spans = {}, []
    for when, thread, name, _ in events:
        function = name.removesuffix("__ret")
        if function not in phase_of:
            continue
        if function == name:
            open_calls.setdefault((thread, function), []).append(when)
        elif open_calls.get((thread, function)):
            spans.append((phase_of[function], open_calls[thread, function].pop(), when))
    return spans


def spans_of_programs(events, began):
    """Hotplug scripts and helpers; and the client, until it first connects to somebody."""
    running, spans, client = {}, [], None
    for when, pid, name, text in events:
        if name == "sched_process_exec":
            path = re.search(r"filename=(\S+)", text)
            if client is None:
                client = pid
            if path and HOTPLUG.search(path[1]):
                running[pid] = when
        elif name == "sched_process_exit" and pid in running:
            spans.append(("hotplug", running.pop(pid), when))
        elif name == "sys_connect" and pid == client:
            spans.append(("client", began, when))
            client = 0
    return spans


def charge(spans, began, ended):
    """Seconds by phase: each moment goes to the first of PHASES that is under way."""
    moments = sorted({began, ended} | {t for _, a, b in spans for t in (a, b) if began < t < ended})
    result = dict.fromkeys(PHASES, 0.0)
    for start, end in zip(moments, moments[1:]):
        under_way = {phase for phase, a, b in spans if a <= start and b >= end}
        phase = next((phase for phase in PHASES if phase in under_way), "rest")
        result[phase] += end - start
    return result


def phases(events, began, ended):
    events = [event for event in events if began <= event[0] <= ended]
    spans = spans_of_functions(events) + spans_of_programs(events, began)
    result = {phase: seconds * 1e3 for phase, seconds in charge(spans, began, ended).items()}
    result["total"] = (ended - began) * 1e3
    result["programs"] = sum(event[2] == "sched_process_exec" for event in events)
    result["forks"] = sum(event[2] == "sched_process_fork" for event in events)
    return result
