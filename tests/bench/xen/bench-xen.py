#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts and destroys guests on real Xen in QEMU, by xl, by libvirt's own Xen driver and by xlvirtd,
in one run under -icount, and writes what it took: xen.md, xen.svg and xen.json in the folder --out.

An emulated second takes five to ten real ones on an idle machine, so a whole run takes hours. By
default guests at once are measured with disk and vif only, and those with Debian's kernel once by xl
and the stock driver; --full measures everything, --quick one guest at a time. Asserts nothing."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import report

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
XENLAB = os.path.join(TREE, "tools/xenlab/xenlab")
MAIN = ["xl", "stock", "xlvirtd"]
VARIANTS = ["xlvirtd-scripts", "xlvirtd-no-cache"]
WITH_DEVICES = ["pv-tiny-devices", "pv-linux-devices"]
MEMORY = 4096  # 16 guests of 128 MB, and dom0


def items(cases, args):
    """What is measured, as inside.py reads it."""
    plan = []
    for case in cases:
        many = [] if args.quick or not (args.full or case in WITH_DEVICES) else args.at_once
        slow = case.endswith(("linux", "linux-devices")) and not args.full
        for tool in MAIN:
            plan.append({"tool": tool, "case": case, "counts": [1], "runs": args.runs, "traced": args.traced})
            if many:
                once = slow and tool != "xlvirtd"
                plan.append({"tool": tool, "case": case, "counts": many, "runs": 1 if once else args.runs, "traced": 0})
        if case in WITH_DEVICES:
            plan += [{"tool": tool, "case": case, "counts": [1], "runs": args.runs, "traced": args.traced}
                     for tool in VARIANTS]
    return [item for item in plan if item["tool"] in args.tool]


class Lab:
    """A host of its own, in a folder of its own, that goes when we go."""

    def __init__(self, folder, build):
        self.folder, self.build = folder, build

    def call(self, *words, **more):
        return subprocess.run([XENLAB, words[0], "--dir", self.folder, *words[1:]], check=True, **more)

    def __enter__(self):
        try:
            self.call("up", "--icount", "--memory", str(MEMORY), "--no-daemon", "--tree", TREE, "--build-dir",
                      self.build, "--timeout", "900")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.call("down")

    def measure(self, plan):
        local = os.path.join(self.folder, "plan.json")
        with open(local, "w", encoding="utf-8") as file:
            json.dump(plan, file)
        self.call("copy", *(os.path.join(HERE, name) for name in ("inside.py", "timeline.py")), local, "xen1:/tmp/")
        self.call("run", "cd /tmp && python3 inside.py plan.json result.json")
        self.call("copy", "xen1:/tmp/result.json", self.folder + "/")
        with open(os.path.join(self.folder, "result.json"), encoding="utf-8") as file:
            return json.load(file)


def write(folder, data, runs):
    os.makedirs(folder, exist_ok=True)
    results = report.Results(data)
    for name, text in (("xen.json", json.dumps(data, indent=1) + "\n"),
                       ("xen.md", report.markdown(results, runs, "xen.svg")), ("xen.svg", report.svg(results))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        print(os.path.join(folder, name))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(TREE, "build"), help="meson's folder (default: build)")
    parser.add_argument("--out", metavar="DIR", help="where the figures go (default: BUILD/bench-xen)")
    parser.add_argument("--runs", type=int, default=5, help="rounds that a median is taken of (default: 5)")
    parser.add_argument("--traced", type=int, default=3, help="rounds that tell where the time goes (default: 3)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[8, 16], metavar="N", help="default: 8 16")
    parser.add_argument("--case", nargs="+", choices=report.CASES, default=list(report.CASES))
    parser.add_argument("--tool", nargs="+", choices=report.TOOLS, default=list(report.TOOLS))
    parser.add_argument("--full", action="store_true", help="everything in full: for a night")
    parser.add_argument("--quick", action="store_true", help="one guest at a time only")
    parser.add_argument("--again", metavar="JSON", help="measure nothing: report again on an earlier run")
    return parser.parse_args()


def main():
    args = parse()
    args.build = os.path.abspath(args.build)
    out = args.out or os.path.join(args.build, "bench-xen")
    if args.again:
        with open(args.again, encoding="utf-8") as file:
            data = json.load(file)
        write(out, data, data.get("runs", args.runs))
        return
    with tempfile.TemporaryDirectory(prefix="bench-xen-") as folder:
        with Lab(os.path.join(folder, "lab"), args.build) as lab:
            data = lab.measure({"runs": args.runs, "items": items(args.case, args)})
    data["runs"] = args.runs
    write(out, data, args.runs)


if __name__ == "__main__":
    sys.exit(main())
