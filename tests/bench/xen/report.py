# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bench-xen measured, as Markdown and as an SVG plot."""
import statistics
from xml.sax.saxutils import escape

CASES = {
    "pv-tiny": "PV, tiny kernel, no devices",
    "pv-tiny-devices": "PV, tiny kernel, disk and vif",
    "pvh-tiny": "PVH, tiny kernel, no devices",
    "pv-linux": "PV, Debian's kernel, no devices",
    "pv-linux-devices": "PV, Debian's kernel, disk and vif",
    "pvh-linux": "PVH, Debian's kernel, no devices",
}
TOOLS = {
    "xl": "xl",
    "stock": "libvirt's own driver",
    "xlvirtd": "xlvirtd",
    "stock-patient": "libvirt's own driver, virsh -k 0",
    "stock-open": "libvirt's own driver, open connection",
    "xlvirtd-open": "xlvirtd, open connection",
    "xlvirtd-scripts": "xlvirtd, with Xen's scripts",
    "xlvirtd-no-cache": "xlvirtd, without the kernel cache",
}
# phase -> what it is called, colour
PHASES = {
    "unpack": ("unpacking and parsing the kernel", "#4269d0"),
    "load": ("copying kernel and ramdisk", "#6cc5b0"),
    "memory": ("the guest's memory, boot", "#97bbf5"),
    "hotplug": ("scripts and helpers for devices", "#ff725c"),
    "client": ("the client comes up", "#efb118"),
    "xenstore": ("waiting for xenstore", "#a463f2"),
    "rest": ("all else: libxl, daemon, Xen, tracing", "#9c9c9c"),
}


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


class Results:
    """The rows of the measurement, to be looked up by tool and case."""

    def __init__(self, data):
        self.host, self.idle = data["host"], data["idle"]
        self.rows = {(row["tool"], row["case"]): row for row in data["results"]}
        self.tools = [tool for tool in TOOLS if any(key[0] == tool for key in self.rows)]
        self.cases = [case for case in CASES if any(key[1] == case for key in self.rows)]

    def counts(self, case):
        found = {int(n) for (_, c), row in self.rows.items() if c == case for n in row["counts"]}
        return sorted(found)

    def times(self, tool, case, count, what):
        row = self.rows.get((tool, case))
        return row["counts"].get(str(count), {}).get(what, []) if row else []

    def median(self, tool, case, count, what):
        times = self.times(tool, case, count, what)
        return statistics.median(times) if times else None

    def parts(self, tool, case, what):
        """Medians of the traced rounds, by phase; None without any."""
        traces = self.rows.get((tool, case), {}).get("traces")
        if not traces:
            return None
        return {key: statistics.median(t[what][key] for t in traces) for key in traces[0][what]}


# ---- Markdown ----

def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def cell(results, tool, case, count, what, runs):
    """Tells how many rounds it is of, where that is not the number that the head names."""
    times = results.times(tool, case, count, what)
    if not times:
        return "failed" if results.rows.get((tool, case), {}).get("problem") else "-"
    spread = (max(times) - min(times)) / statistics.median(times)
    text = number(statistics.median(times))
    if len(times) != runs:
        text += f" ({len(times)})"
    return text + (f" ±{spread * 50:.0f} %" if spread > 0.06 else "")


def times_table(results, runs):
    counts = sorted({n for case in results.cases for n in results.counts(case)})
    cells = [(what, n) for what in ("start", "destroy") for n in counts]
    rows = []
    for case in results.cases:
        if results.counts(case):
            rows.append([f"**{CASES[case]}**"] + [""] * len(cells))
        rows += [[TOOLS[tool]] + [cell(results, tool, case, n, what, runs) for what, n in cells]
                 for tool in results.tools if results.rows.get((tool, case), {}).get("counts")]
    return table(["ms"] + [f"{what}: {n}" for what, n in cells], rows)


def phases_table(results, what):
    rows = []
    for case in results.cases:
        for tool in results.tools:
            parts = results.parts(tool, case, what)
            if parts:
                rows.append([f"{CASES[case]}: {TOOLS[tool]}"] + [number(parts[phase]) for phase in PHASES]
                            + [number(parts["total"]), number(parts["programs"])])
    return table([f"{what}, ms"] + [name for name, _ in PHASES.values()] + ["traced, in all", "programs run"], rows)


def idle_table(results):
    rows = [[TOOLS[tool], number(statistics.median(times))] for tool, times in results.idle.items() if times]
    return table(["virsh uri, ms", "1 client"], rows)


def markdown(results, runs, svg):
    host = results.host
    problems = [f"* {TOOLS[tool]}: {CASES[case]}: {row['problem']}" for (tool, case), row in results.rows.items()
                if row.get("problem")]
    lines = [
        "# Start and destroy on real Xen", "",
        f"Written by `make bench-xen`. Xen {host['xen']}, Linux {host['linux']} in dom0, libvirt {host['libvirt']}, "
        f"{host['cpus']} CPU, {host['memory_mb']} MB ({host['dom0_mb']} MB dom0's), in QEMU under `-icount`: virtual time, "
        "in which an instruction takes a nanosecond and idle time is skipped. So the figures do not depend on what "
        "else the machine does; waiting for a disk is in them only by accident.", "",
        f"{f'Medians of {runs} rounds' if runs > 1 else 'One round each'}; a cell with another number of rounds tells "
        "it in brackets; ± where they differ by more than 6 %. Guests are started paused (a Linux that boots would take "
        "the CPU from the next one's start). One tool's daemon runs at a time. 8, 16: so many guests at once, by a "
        "client each, until the last client has ended, on one CPU. \"Open connection\": a client that is connected "
        "already, with a thread for each guest.", "",
        f"![Where the time of a start goes]({svg})", ""] + times_table(results, runs)
    lines += ["## virsh itself", "",
              "Part of each figure of the two daemons: to start virsh, to connect, to ask something trivial, to end.", ""]
    lines += idle_table(results)
    lines += ["## Where the time goes", "",
              "One guest, from three rounds of their own (one where Debian's kernel is unpacked): the kernel's trace of programs, and probes on libxenguest's and "
              "libxenstore's functions, make them slower by some percent. Each moment counts for one phase, the first "
              "of the columns that is under way.", ""]
    lines += phases_table(results, "start") + phases_table(results, "destroy")
    if problems:
        lines += ["## What failed", ""] + problems + [""]
    return "\n".join(lines)


# ---- SVG ----

WIDTH, LEFT, RIGHT, BAR, GAP = 900, 250, 110, 18, 6


def text(x, y, words, size=12, anchor="start", weight="normal", fill="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
            f'fill="{fill}">{escape(words)}</text>')


def bar(y, parts, total, scale, label):
    """Stacked phases; their sum is stretched to the time that was measured without tracing."""
    out, x = [], float(LEFT)
    whole = sum(parts[phase] for phase in PHASES) or 1.0
    for phase, (name, colour) in PHASES.items():
        width = parts[phase] / whole * total * scale
        if width >= 0.3:
            out.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}">'
                       f"<title>{escape(label)}: {escape(name)}, {number(parts[phase])} ms</title></rect>")
        x += width
    out.append(text(LEFT - 8, y + BAR - 5, label, anchor="end"))
    out.append(text(x + 6, y + BAR - 5, f"{number(total)} ms", weight="bold"))
    return out


def legend(y):
    out, x = [], 20.0
    for name, colour in PHASES.values():
        width = 24 + 6.3 * len(name)
        if x + width > WIDTH - 10:
            x, y = 20.0, y + 20
        out.append(f'<rect x="{x:.1f}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        out.append(text(x + 17, y, name, size=11))
        x += width
    return out, y


def panel(results, case, y):
    tools = [tool for tool in results.tools if results.parts(tool, case, "start")]
    totals = {tool: results.median(tool, case, 1, "start") for tool in tools}
    tools = [tool for tool in tools if totals[tool]]
    if not tools:
        return [], y
    out = [text(20, y, CASES[case], size=14, weight="bold")]
    scale = (WIDTH - LEFT - RIGHT) / max(totals[tool] for tool in tools)
    y += 10
    for tool in tools:
        out += bar(y, results.parts(tool, case, "start"), totals[tool], scale, TOOLS[tool])
        y += BAR + GAP
    return out, y + 26


def svg(results):
    out = [text(20, 28, "Where the time of a start goes", size=18, weight="bold"),
           text(20, 48, "One guest, virtual milliseconds (1 instruction = 1 ns). Each group has a scale of its own.", fill="#555")]
    more, y = legend(74)
    out += more
    y += 40
    for case in results.cases:
        more, y = panel(results, case, y)
        out += more
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" viewBox="0 0 {WIDTH} {y:.0f}" '
            'font-family="sans-serif">')
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y:.0f}" fill="#fff"/>'] + out + ["</svg>", ""])
