#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many instructions each step of a conversion takes: the same on a busy machine as on an idle
one, so that two versions can be compared. Needs valgrind. Asserts nothing.

usage: instructions.py build/tests/bench/bench-convert FILE..."""
import os
import re
import subprocess
import sys
import tempfile

STEPS = ("read", "map", "format", "parse_xml", "copy", "free")
LOOPS = 10


def count(bench, path):
    """Instructions a call, by step. Each step runs LOOPS times and a few more, so calls are counted."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, bench, "-r", "1",
                        "-l", str(LOOPS), path], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as lines:
            return per_call(lines)


def per_call(lines):
    """A call in the file of callgrind: "cfn=(ID) NAME", "calls=COUNT LINE", "LINE COST"."""
    names, total, calls = {}, {}, {}
    callee, n = None, 0
    for line in lines:
        found = re.match(r"c?fn=\((\d+)\)(?: (\S+))?", line)
        if found:
            if found[2]:
                names[found[1]] = found[2].split("'")[0]
            if line.startswith("c"):
                callee = names[found[1]]
        elif line.startswith("calls="):
            n = int(line[6:].split()[0])
        elif n:
            total[callee] = total.get(callee, 0) + int(line.split()[-1])
            calls[callee] = calls.get(callee, 0) + n
            n = 0
    return {step: total["step_" + step] // calls["step_" + step] for step in STEPS
            if "step_" + step in calls}


def main():
    bench, paths = sys.argv[1], sys.argv[2:]
    print("".join("%11s" % step for step in STEPS) + "%11s  file" % "to XML")
    for path in paths:
        cost = count(bench, path)
        whole = sum(cost.get(step, 0) for step in ("read", "map", "format"))
        print("".join("%11s" % format(cost.get(step, 0), ",") for step in STEPS)
              + "%11s  %s" % (format(whole, ","), os.path.basename(path)), flush=True)


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
