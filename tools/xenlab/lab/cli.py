# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of xenlab."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from . import image, util
from .lab import Lab, lab_folder, labs_folder
from .util import LabError, say, size, tool


def add_tree_options(parser):
    group = parser.add_argument_group("what goes into the image")
    group.add_argument("--tree", metavar="DIR", help="the source tree of xlvirt (default: the one that you stand in)")
    group.add_argument("--build-dir", metavar="DIR", help="its meson build folder (default: TREE/build)")
    group.add_argument("--no-xlvirt", dest="xlvirt", action="store_false", help="Xen only, without xlvirt")
    group.add_argument("--debug", action="store_true", help="keep the programs' debug information")


def add_lab_option(parser):
    parser.add_argument("--dir", metavar="DIR", help="folder of the lab (default: one for each tree, or XENLAB_DIR)")


def add_cache_option(parser):
    parser.add_argument("--cache", metavar="DIR", help="folder of the images (default: ~/.cache/xlvirt/xenlab)")


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def host_count(text):
    number = positive(text)
    if number > 32:
        raise argparse.ArgumentTypeError("at most 32 hosts")
    return number


def make_parser():
    parser = argparse.ArgumentParser(prog="xenlab", description="Real Xen hosts inside QEMU, with xlvirt in them.",
                                     epilog="docs/XENLAB.md tells how to use it.")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what goes wrong")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, function, text, lab=True):
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(function=function)
        if lab:
            add_lab_option(sub)
        return sub

    sub = command("build", do_build, "make the images, or see that they are there", lab=False)
    add_tree_options(sub)
    add_cache_option(sub)
    sub.add_argument("--fresh", action="store_true", help="make the base image anew, with the archive's present packages")

    sub = command("up", do_up, "start hosts and wait until they are ready")
    add_tree_options(sub)
    add_cache_option(sub)
    sub.add_argument("--hosts", type=host_count, default=1, metavar="N", help="so many hosts: xen1, xen2 ... (default: 1)")
    sub.add_argument("--memory", type=positive, default=2048, metavar="MB", help="of each host (default: 2048)")
    sub.add_argument("--dom0-memory", type=positive, default=768, metavar="MB", help="of it, dom0's (default: 768)")
    sub.add_argument("--cpus", type=positive, default=1, metavar="N", help="of each host (default: 1)")
    sub.add_argument("--accel", choices=["auto", "tcg", "kvm"], default="auto",
                     help="auto: KVM where it can nest, else emulation")
    sub.add_argument("--icount", action="store_true",
                     help="for benchmarks: emulation in which time counts instructions")
    sub.add_argument("--no-daemon", action="store_true", help="do not start xlvirtd")
    sub.add_argument("--xen-args", default="", metavar="ARGS", help="more for Xen's command line")
    sub.add_argument("--linux-args", default="", metavar="ARGS", help="more for dom0's kernel command line")
    sub.add_argument("--qemu-args", default="", metavar="ARGS", help="more for QEMU, as for a shell: other devices")
    sub.add_argument("--timeout", type=positive, default=300, metavar="SECS", help="until they must be up (default: 300)")

    sub = command("push", do_push, "build xlvirt and bring what changed into running hosts; restarts xlvirtd")
    add_tree_options(sub)
    sub.add_argument("--no-restart", dest="restart", action="store_false", help="leave xlvirtd alone")
    sub.add_argument("host", nargs="*", metavar="HOST", help="default: all")

    for name, text in (("run", "run a command in a host's dom0"), ("ssh", "a shell in a host's dom0, or a command")):
        sub = command(name, do_run if name == "run" else do_ssh, text)
        sub.add_argument("words", nargs="*", metavar="[HOST] COMMAND...",
                         help="HOST may be left out (the first host is taken)")

    sub = command("copy", do_copy, "copy files, as scp does; HOST:PATH is in a host")
    sub.add_argument("paths", nargs="+", metavar="PATH")

    sub = command("virsh", do_virsh, "virsh on this machine, connected to the xlvirtd of a host")
    sub.add_argument("--stock", action="store_true", help="to libvirt's own daemon there (lab-stock start)")
    sub.add_argument("words", nargs="*", metavar="[HOST] VIRSH-ARGUMENT...")

    sub = command("uri", do_uri, "print the URI by which clients on this machine reach a host's daemon")
    sub.add_argument("--stock", action="store_true", help="of libvirt's own daemon there")
    sub.add_argument("--readonly", action="store_true", help="of the socket for questions")
    sub.add_argument("host", nargs="?", metavar="HOST")

    sub = command("logs", do_logs, "show the logs of a host")
    sub.add_argument("what", nargs="?", default="console", choices=["console", "qemu", "xen", "xlvirtd", "guests"],
                     help="console (default): Xen's and dom0's; qemu; xen: xl dmesg; xlvirtd; guests: their consoles")
    sub.add_argument("--host", metavar="HOST")
    sub.add_argument("-n", "--lines", type=positive, default=100, help="the last N lines (default: 100)")

    sub = command("console", do_console, "connect to the console of a host (Ctrl-] ends it)")
    sub.add_argument("host", nargs="?", metavar="HOST")

    sub = command("restart", do_restart, "cut a host's power and start it again; its disk stays")
    sub.add_argument("--timeout", type=positive, default=300, metavar="SECS")
    sub.add_argument("host", nargs="?", metavar="HOST")

    command("status", do_status, "tell what runs here")
    sub = command("list", do_list, "list all labs of this user", lab=False)
    sub = command("down", do_down, "end the hosts and remove all that they wrote")
    sub.add_argument("--all", action="store_true", help="all labs of this user in the default place")

    sub = command("clean", do_clean, "remove images that this version does not use", lab=False)
    add_cache_option(sub)
    sub.add_argument("--all", action="store_true", help="the one that it uses, too")
    return parser


def tree_of(args):
    return image.find_tree(getattr(args, "tree", None))


def lab_of(args):
    return Lab(lab_folder(args.dir, tree_of(args)))


def split_host(lab, words):
    """(host, the rest) of a command line that may start with a host's name."""
    if words and words[0] in lab.machines:
        return lab.machine(words[0]), words[1:]
    return lab.machine(), words


def do_build(args):
    tree, cache = tree_of(args), image.cache_folder(args.cache)
    base = image.build_base(cache, args.fresh)
    with tempfile.TemporaryDirectory(prefix="xenlab-") as folder:
        layer, files = image.build_layer(base, Path(folder), tree, args.build_dir, args.xlvirt, args.debug)
        say(f"base image: {base.root} ({size(base.root)})")
        say(f"layer {layer}: {len(files)} files, {size(Path(folder) / 'layer.tar')}"
            + (f", xlvirt of {tree}" if args.xlvirt else ", without xlvirt"))


def do_up(args):
    if args.icount and args.accel == "kvm":
        raise LabError("--icount needs emulation: it cannot go with --accel kvm")
    if args.icount:
        args.cpus = 1
    if args.dom0_memory + 128 > args.memory:
        raise LabError(f"--memory {args.memory}: Xen needs 128 MB beside dom0's {args.dom0_memory} (--dom0-memory)")
    lab = lab_of(args)
    lab.up(args, tree_of(args), image.cache_folder(args.cache))
    for machine in lab.machines.values():
        print(f"{machine.name}  {machine.uri()}")


def do_push(args):
    lab = lab_of(args)
    machines = [lab.machine(name) for name in args.host] or list(lab.machines.values())
    lab.machine()
    lab.push(machines, args, tree_of(args))


def become(argv):
    """Goes on as another program, so that its status, signals and terminal are its own."""
    sys.stdout.flush()
    os.execv(argv[0], argv)


def do_run(args):
    machine, words = split_host(lab_of(args), args.words)
    if not words:
        raise LabError("run: which command?")
    machine.connect()
    become(machine.shell_argv(words, False))


def do_ssh(args):
    machine, words = split_host(lab_of(args), args.words)
    machine.connect()
    become(machine.shell_argv(words, True if sys.stdin.isatty() else None))


def do_copy(args):
    if len(args.paths) < 2:
        raise LabError("copy: from where and to where?")
    lab = lab_of(args)
    machine, paths = None, []
    for path in args.paths:
        host, colon, rest = path.partition(":")
        if colon and "/" not in host:
            this = lab.machine(host)
            if machine not in (None, this):
                raise LabError("copy: one host at a time")
            machine = this
            paths.append(f"root@127.0.0.1:{rest}")
        else:
            paths.append(os.path.abspath(path) if ":" in path else path)
    if not machine:
        raise LabError("copy: no path is in a host (HOST:PATH)")
    machine.connect()
    options = [{"-p": "-P"}.get(word, word) for word in machine.ssh_options()]
    become([tool("scp"), *options, "-q", "-r", "-p", *paths])


def do_virsh(args):
    machine, words = split_host(lab_of(args), args.words)
    machine.connect()
    become([tool("virsh"), "-c", machine.uri(args.stock), *words])


def do_uri(args):
    machine = lab_of(args).machine(args.host)
    machine.connect()
    print(machine.uri(args.stock, args.readonly))


def do_logs(args):
    machine = lab_of(args).machine(args.host)
    if args.what in ("console", "qemu"):
        path = machine.console if args.what == "console" else machine.folder / "qemu.log"
        text = path.read_bytes().decode(errors="replace").replace("\r", "")
        print("\n".join(text.splitlines()[-args.lines:]))
        return
    command = {"xen": f"xl dmesg | tail -n {args.lines}",
               "xlvirtd": f"lab-xlvirtd log {args.lines}; tail -n {args.lines} /var/log/libvirt/libxl/*.log",
               "guests": f"tail -n {args.lines} /var/log/xen/console/*"}[args.what]
    machine.connect()
    become(machine.shell_argv([command], False))


def do_console(args):
    lab_of(args).machine(args.host).talk()


def do_restart(args):
    lab = lab_of(args)
    lab.restart(lab.machine(args.host), args.timeout)


def show(lab):
    for machine in lab.machines.values():
        state = "runs" if machine.running() else "does not run"
        print(f"{machine.name}  {state}  ssh port {machine.spec.get('port')}  {machine.uri()}")


def do_status(args):
    lab = lab_of(args)
    if not lab.there():
        print(f"no lab is up here ({lab.folder})")
        return
    options = lab.options
    print(f"{lab.folder}  tree {options['tree']}  {options['accel']}  {options['cpus']} CPUs, {options['memory']} MB each")
    show(lab)


def all_labs():
    folder = labs_folder()
    found = [Lab(path.parent) for path in sorted(folder.glob("*/lab.json"))]
    return [lab for lab in found if lab.there()]


def do_list(args):
    for lab in all_labs():
        state = ", ".join(f"{m.name} {'runs' if m.running() else 'does not run'}" for m in lab.machines.values())
        print(f"{lab.folder}  {lab.options['tree']}  {state}")


def do_down(args):
    labs = all_labs() if args.all else [lab_of(args)]
    for lab in labs:
        say(f"{lab.folder} is down" if lab.down() else f"no lab is up here ({lab.folder})")


def do_clean(args):
    used = {lab.options["root"] for lab in all_labs()}
    image.clean(image.cache_folder(args.cache), None if args.all else image.base_key(), used)


# Commands whose further words are another program's, options and all; with xenlab's own options that
# may stand before them (True: with a value).
PASSED_ON = {"run": {"--dir": True}, "ssh": {"--dir": True}, "virsh": {"--dir": True, "--stock": False}}


def split_passed_on(argv):
    """(what argparse reads, what is passed on as it is)."""
    i = 0
    while i < len(argv) and argv[i] in ("-q", "--quiet"):
        i += 1
    own = PASSED_ON.get(argv[i]) if i < len(argv) else None
    if own is None:
        return argv, []
    i += 1
    while i < len(argv):
        name = argv[i].split("=")[0]
        if argv[i] in ("-h", "--help"):
            return argv, []
        if name not in own:
            break
        i += 2 if own[name] and "=" not in argv[i] else 1
    return argv[:i], argv[i:]


def terminated(number, frame):
    raise KeyboardInterrupt


def main(argv=None):
    # An end from outside takes down what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGHUP, terminated)
    mine, passed_on = split_passed_on(sys.argv[1:] if argv is None else argv)
    args = make_parser().parse_args(mine)
    if passed_on:
        args.words = passed_on
    util.quiet = args.quiet
    try:
        args.function(args)
    except LabError as error:
        print(f"xenlab: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("xenlab: interrupted", file=sys.stderr)
        return 130
    except (OSError, subprocess.SubprocessError) as error:
        print(f"xenlab: error: {error}", file=sys.stderr)
        return 1
    return 0
