#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts and destroys guests on real Xen in QEMU, by xl, by libvirt's own Xen driver and by xlvirtd,
on one host under -icount, and writes what it took: xen.md, xen.svg and xen.json in the folder --out.

An emulated second takes two to ten real ones. So what takes longest, many guests at once by xl and the
stock driver (which run scripts, and unpack Debian's kernel each time), is measured --slow-runs times.
What was measured is written after each step; --add FILE takes what an earlier run, broken off maybe,
has written, and measures what is missing in it. Asserts nothing."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import report

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
XENLAB = os.path.join(TREE, "tools/xenlab/xenlab")
MAIN = ["xl", "stock", "xlvirtd"]
OPEN = ["stock-open", "xlvirtd-open"]
VARIANTS = ["xlvirtd-scripts", "xlvirtd-no-cache"]
PATIENT = "stock-patient"  # what the daemon takes where it is deaf for longer than clients wait
WITH_DEVICES = ["pv-tiny-devices", "pv-linux-devices"]
SCRIPTS_AT_ONCE = 8  # guests whose scripts are bearable in full; 16 take a minute a round
MEMORY = 6144  # 16 guests of 128 MB, and dom0
DOM0_MEMORY = 2048  # 16 of xl, each with Debian's kernel unpacked in its memory


def tools_of(case):
    patient = [PATIENT] if "linux" in case else []
    return MAIN + patient + OPEN + (VARIANTS if case in WITH_DEVICES else [])


def is_slow(tool, case):
    """Unpacks Debian's kernel for each guest."""
    return "linux" in case and tool not in ("xlvirtd", "xlvirtd-open", "xlvirtd-scripts")


def runs_of(tool, case, count, args):
    scripts = case in WITH_DEVICES and tool not in ("xlvirtd", "xlvirtd-open")
    slow = is_slow(tool, case) and count > 1 or scripts and count > SCRIPTS_AT_ONCE
    return args.slow_runs if slow else args.runs


def counts_of(tool, case, args):
    """Guests at once that this tool is measured with."""
    if tool == PATIENT:
        return [n for n in args.count if n > SCRIPTS_AT_ONCE]
    # The others tell nothing new for so much time.
    many = tool in MAIN or (tool, case) == ("xlvirtd-open", "pv-tiny-devices")
    return [n for n in args.count if n == 1 or many]


def items(args):
    """What is measured, as inside.py reads it; what is cheapest first."""
    plan = []
    for count in args.count:
        for case in args.case:
            for tool in tools_of(case):
                if tool not in args.tool or count not in counts_of(tool, case, args):
                    continue
                plan.append({
                    "tool": tool, "case": case, "counts": [count],
                    "runs": runs_of(tool, case, count, args),
                    "traced": 0 if count > 1 or tool in OPEN else 1 if is_slow(tool, case) else args.traced,
                    "warm_up": not is_slow(tool, case),  # what that would show is lost in four seconds
                    "idle": count == 1 and case == args.case[0],
                })
    return plan


# ---- results ----

def find_row(data, tool, case):
    for row in data["results"]:
        if (row["tool"], row["case"]) == (tool, case):
            return row
    data["results"].append({"tool": tool, "case": case, "counts": {}, "traces": []})
    return data["results"][-1]


def is_done(data, item):
    row = find_row(data, item["tool"], item["case"])
    return (all(len(row["counts"].get(str(n), {}).get("start", [])) >= item["runs"] for n in item["counts"])
            and len(row["traces"]) >= item["traced"])


def merge(data, item, result):
    data["host"] = result["host"]
    if result["idle"]:
        data["idle"][item["tool"]] = result["idle"]
    row, new = find_row(data, item["tool"], item["case"]), result["row"]
    row["counts"].update(new["counts"])
    row["traces"] = new["traces"] or row["traces"]
    row.pop("problem", None)
    if "problem" in new:
        row["problem"] = new["problem"]


class Lab:
    """A host of its own, in a folder of its own, that goes when we go."""

    def __init__(self, folder, build):
        self.folder, self.build = folder, build

    def call(self, *words, **more):
        return subprocess.run([XENLAB, words[0], "--dir", self.folder, *words[1:]], check=True, **more)

    def __enter__(self):
        try:
            self.call("up", "--icount", "--memory", str(MEMORY), "--dom0-memory", str(DOM0_MEMORY), "--no-daemon",
                      "--tree", TREE, "--build-dir", self.build, "--timeout", "900")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.call("down")

    def prepare(self):
        self.call("copy", *(os.path.join(HERE, name) for name in ("inside.py", "timeline.py")), "xen1:/tmp/")

    def measure(self, item):
        local = os.path.join(self.folder, "item.json")
        with open(local, "w", encoding="utf-8") as file:
            json.dump(item, file)
        self.call("copy", local, "xen1:/tmp/")
        self.call("run", "cd /tmp && python3 inside.py item.json result.json")
        self.call("copy", "xen1:/tmp/result.json", self.folder + "/")
        with open(os.path.join(self.folder, "result.json"), encoding="utf-8") as file:
            return json.load(file)


def measure_all(lab, plan, data, out):
    began = time.monotonic()
    for number, item in enumerate(plan, 1):
        say = f"{item['tool']}: {item['case']}, {item['counts'][0]} at once, {item['runs']} times"
        print(f"bench-xen: {(time.monotonic() - began) / 60:5.1f} min  {number} of {len(plan)}: {say}", flush=True)
        result = lab.measure(item)
        if "problem" in result["row"]:
            print(f"bench-xen: {say}: {result['row']['problem']}", file=sys.stderr, flush=True)
        merge(data, item, result)
        save(out, data)


def save(folder, data):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "xen.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.write("\n")
    os.rename(path + ".new", path)


def write(folder, data):
    save(folder, data)
    results = report.Results(data)
    for name, text in (("xen.md", report.markdown(results, data["runs"], "xen.svg")), ("xen.svg", report.svg(results))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        print(os.path.join(folder, name))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(TREE, "build"), help="meson's folder (default: build)")
    parser.add_argument("--out", metavar="DIR", help="where the figures go (default: BUILD/bench-xen)")
    parser.add_argument("--runs", type=int, default=5, help="rounds that a median is taken of (default: 5)")
    parser.add_argument("--traced", type=int, default=3, help="rounds that tell where the time goes (default: 3)")
    parser.add_argument("--slow-runs", type=int, default=5, help="rounds of what takes longest (default: 5)")
    parser.add_argument("--count", type=int, nargs="+", default=[1, 8, 16], metavar="N",
                        help="guests at once (default: 1 8 16)")
    parser.add_argument("--case", nargs="+", choices=report.CASES, default=list(report.CASES))
    parser.add_argument("--tool", nargs="+", choices=report.TOOLS, default=list(report.TOOLS))
    parser.add_argument("--quick", action="store_true", help="one guest at a time only")
    parser.add_argument("--add", metavar="JSON", help="measure what is missing in this earlier result")
    parser.add_argument("--again", metavar="JSON", help="measure nothing: report again on an earlier result")
    args = parser.parse_args()
    if args.quick:
        args.count = [1]
    return args


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    args = parse()
    # The lab goes with us, however we end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))
    args.build = os.path.abspath(args.build)
    out = args.out or os.path.join(args.build, "bench-xen")
    if args.again:
        write(out, load(args.again))
        return
    data = load(args.add) if args.add else {"host": {}, "idle": {}, "results": []}
    data["runs"] = args.runs
    plan = [item for item in items(args) if not is_done(data, item)]
    if plan:
        with tempfile.TemporaryDirectory(prefix="bench-xen-") as folder:
            with Lab(os.path.join(folder, "lab"), args.build) as lab:
                lab.prepare()
                measure_all(lab, plan, data, out)
    write(out, data)


if __name__ == "__main__":
    sys.exit(main())
