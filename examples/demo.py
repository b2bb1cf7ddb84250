#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job from end to end on real Xen: a Xen host comes up in QEMU (tools/xenlab), the domains of
an old host are converted and imported into the xlvirtd in its dom0, guests of each kind run there, and
stock virsh on this machine sees it all. Nothing is left of it, however it ends.

usage: examples/demo.py [BUILDDIR]

Where this machine cannot run it, examples/demo-sim.sh is shown instead, on a simulated host.
Exits with 0 where all went well, else with 1; with 130 where it was interrupted."""
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
GUESTS = 'tools/xenlab/guests'
PATIENCE = 600  # seconds that a step may take: emulation, maybe on a busy machine
TOOLS = ['qemu-system-x86_64', 'qemu-img', 'mmdebstrap', 'ssh', 'virsh']
PROMPT = re.compile(r'[/~] # $')
ESCAPE = re.compile(r'\x1b(\[[0-9;?=]*[A-Za-z]|[^[])')  # what a shell or a firmware says to a terminal
BEGUN = re.compile(r'\x1b(\[[0-9;?=]*)?$')  # ... whose end has not come yet
BEGIN = time.monotonic()
BOLD, PLAIN = ('\033[1m', '\033[0m') if sys.stdout.isatty() else ('', '')


class Failed(Exception):
    """A step of the demo failed."""


def say(text):
    """What comes next, with the seconds since the start."""
    print(f'\n{BOLD}# {time.monotonic() - BEGIN:.0f} s: {text}{PLAIN}', flush=True)


def echo(line):
    """A command as a user would type it."""
    print(f'{BOLD}$ {line}{PLAIN}', flush=True)


def end(process):
    """Ends a program of ours that an end of the demo found running; xenlab takes down what it started.
    A Ctrl-C came to it, too: a second signal would disturb it while it cleans up."""
    try:
        process.wait(10)
        return
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(150)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def call(argv, seconds=PATIENCE, **options):
    """Runs a program to its end; gives (status, its stdout where it is a pipe)."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, text=True, errors='replace', **options)
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        raise Failed(f'{shlex.join(argv)}: not done within {seconds} s') from None
    except BaseException:
        end(process)
        raise
    return process.returncode, out


def show(*argv, shown=None, seconds=PATIENCE):
    """Prints a command, then runs it, its output as it comes."""
    echo(shown or shlex.join(argv))
    status, _ = call(argv, seconds)
    if status:
        raise Failed(f'{argv[0]} {argv[1]}: status {status}')


def ask(*argv):
    """The stdout of a command that is not shown, or '' where it fails."""
    return call(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)[1].strip()


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise Failed(f'waited {PATIENCE} s for {what}')
        time.sleep(0.5)


def wait_off(guest):
    wait_for(lambda: ask('virsh', 'domstate', guest) == 'shut off', f'{guest} to be off')


class Terminal:
    """A program on a terminal of its own, as `virsh console` wants it; what it says is printed as it
    comes."""

    def __init__(self, *argv):
        echo(shlex.join(argv))
        self.name = shlex.join(argv)
        self.said = ''  # since the last text that was waited for
        self.rest = ''  # the begin of an escape sequence
        self.blank = 0  # line ends in a row
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env={**os.environ, 'TERM': 'dumb'})
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.type('\x1d')  # Ctrl-]
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                pass
            print(flush=True)
        if self.process.poll() is None:
            self.process.kill()  # it has nothing to clean up, and virsh does not heed SIGTERM on a console
            self.process.wait()
        os.close(self.master)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """Prints what comes within the time; whether anything came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 4096)
        except OSError:  # its other end is closed
            data = b''
        if not data:
            raise Failed(f'{self.name} ended')
        text = ESCAPE.sub('', self.rest + data.decode(errors='replace').replace('\r', ''))
        begun = BEGUN.search(text)
        self.rest = begun.group() if begun else ''
        text = text.removesuffix(self.rest)
        # virsh looks for polkit on every terminal.
        text = re.sub(r'Authorization not available[^\n]*\n', '', text)
        print(self.without_gaps(text), end='', flush=True)
        self.said += text
        return True

    def without_gaps(self, text):
        """At most one empty line in a row; each console of a guest gets line ends of its own."""
        kept = []
        for char in text:
            self.blank = self.blank + 1 if char == '\n' else 0
            if self.blank <= 2:
                kept.append(char)
        return ''.join(kept)

    def wait(self, pattern, seconds=PATIENCE):
        """Until a regular expression was said."""
        until = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.said)
            if found:
                self.said = self.said[found.end():]
                return
            if time.monotonic() > until:
                raise Failed(f'{self.name}: no "{pattern}" within {seconds} s')
            self.read(1)

    def settle(self):
        """Until the shell waits for a line."""
        until = time.monotonic() + PATIENCE
        while not PROMPT.search(self.said):
            if time.monotonic() > until:
                raise Failed(f'{self.name}: its shell does not wait for a line after {PATIENCE} s')
            if not self.read(20):
                self.type('\r')

    def enter(self, line, answer):
        """Types a line to the shell; it has to answer so."""
        self.settle()
        self.said = ''
        self.type(line + '\r')
        self.wait(r'\n[^\n]*' + answer)
        self.settle()


def boot(guest, what):
    """Defines a guest of the lab, starts it, and watches it on its console until its shell answers."""
    say(f'{what} boots to its console')
    show('virsh', 'define', f'{GUESTS}/{guest}.xml')
    with Terminal('virsh', 'start', guest, '--console') as console:
        console.wait('guest: ready')
        console.enter('cat /sys/hypervisor/type /sys/hypervisor/guest_type', f'{guest.upper()}\n')
        if guest == 'pv':
            console.enter('note="written before the save"; echo "$note"', 'written before the save\n')


def import_old_host():
    say("The old host's domains: xend's sxp trees, xm files with Python, xl files. All of it or nothing.\n"
        '# Their disks never existed: the import says what they would need here')
    show('xen2libvirt', '--host', 'examples/old-host', '--atomic')
    say('Every client of libvirt sees them now')
    show('virsh', 'list', '--all', '--title')


def save_and_restore():
    say('One is saved and restored: its shell still knows what it knew')
    show('virsh', 'save', 'pv', '/var/lib/libvirt/libxl/save/demo.image')
    show('virsh', 'list')
    show('virsh', 'restore', '/var/lib/libvirt/libxl/save/demo.image')
    with Terminal('virsh', 'console', 'pv') as console:
        console.wait('Escape character')
        console.type('\r')
        console.enter('echo "$note"; cut -d " " -f 1 /proc/uptime', 'written before the save\n')


def destroy_from_aside():
    say('One dies by xl, past libvirt: virsh is told, and knows')
    echo('virsh event pvh lifecycle --loop &')
    with subprocess.Popen(['virsh', 'event', 'pvh', 'lifecycle', '--loop'], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as watch:
        try:
            time.sleep(5)  # until it watches: it does not say when
            show('xenlab', 'run', 'xl destroy pvh')
            wait_off('pvh')
            watch.send_signal(signal.SIGINT)  # a pipe gets all when it ends
            said, _ = watch.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed('virsh event: it does not end') from None
        finally:
            watch.terminate()
    print(said.strip())
    if 'Stopped' not in said:
        raise Failed('virsh event: not the event that was to come')
    show('virsh', 'domstate', '--reason', 'pvh')


def shut_down():
    say('The others are shut down')
    for guest in ('pv', 'hvm'):
        show('virsh', 'shutdown', guest)
    for guest in ('pv', 'hvm'):
        wait_off(guest)
    show('virsh', 'list', '--all')
    show('xenlab', 'run', 'xl list')


def check_running(*guests):
    """What virsh shows has to be what the demo is about."""
    there = ask('virsh', 'list', '--name').split()
    missing = [guest for guest in guests if guest not in there]
    if missing:
        raise Failed(f'virsh list does not show {", ".join(missing)}')


def play(build):
    say('A real Xen host in QEMU, xlvirtd in its dom0')
    show('xenlab', 'up', '--build-dir', str(build), '--timeout', str(PATIENCE), shown='xenlab up', seconds=3600)
    uri = ask('xenlab', 'uri')
    os.environ['LIBVIRT_DEFAULT_URI'] = uri
    show('xenlab', 'run', 'xl info | grep -E "^(xen_version|release|virt_caps|total_memory)"')
    echo("export LIBVIRT_DEFAULT_URI=$(xenlab uri)    # xlvirtd's socket, forwarded to this machine")
    show('virsh', 'version')
    import_old_host()
    boot('pv', 'A PV guest')
    boot('pvh', 'A PVH guest')
    boot('hvm', 'An HVM guest')
    say('All three, as virsh and as Xen have them')
    show('virsh', 'list')
    check_running('pv', 'pvh', 'hvm')
    show('xenlab', 'run', 'xl list')
    save_and_restore()
    destroy_from_aside()
    shut_down()


def show_logs():
    """What the host said last; a lab that did not come up has said it already."""
    for what in ('xlvirtd', 'guests', 'console'):
        said = ask('xenlab', 'logs', what, '-n', '20')
        if said:
            print(f'\ndemo: the end of its log: {what}\n{said}', file=sys.stderr, flush=True)


def take_down(folder):
    """Ends the lab and removes all that it wrote; no second Ctrl-C gets in between."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    done = subprocess.run(['xenlab', '-q', 'down'], stdin=subprocess.DEVNULL, start_new_session=True, check=False)
    if done.returncode:
        print(f'demo: the lab could not be taken down; it is in {folder}', file=sys.stderr)
        return False
    shutil.rmtree(folder)
    return True


def refusal(build):
    """Why this machine cannot show real Xen, or None."""
    subprocess.run(['tools/setup.sh', 'xenlab'], check=False)  # says what it may not install
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f'not installed: {", ".join(missing)} (tools/setup.sh xenlab)'
    if not (build / 'src/libxl/hv-engine-libxl.so').exists():
        return ("xlvirt was built without the engine libxl: Xen's headers were missing (Debian: libxen-dev); where they are "
                f'there now, meson setup --reconfigure {build}')
    return None


def show_simulation(build, reason):
    """In place of real Xen; the reason stands before and after it."""
    text = f'no real Xen here: {reason}'
    print(f'demo: {text}\ndemo: so this is the simulated host (make demo-sim)', flush=True)
    status, _ = call(['examples/demo-sim.sh', str(build)])
    print(f'\ndemo: that was the simulated host; {text}')
    return 1 if status else 0


def interrupted(number, frame):
    raise KeyboardInterrupt


def main():
    os.chdir(TREE)
    build = Path(sys.argv[1] if len(sys.argv) > 1 else 'build').absolute()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    reason = refusal(build)
    if reason:
        return show_simulation(build, reason)
    # The image comes first: it is kept, and made in minutes, once.
    os.environ['PATH'] = os.pathsep.join([str(build / 'tools/convert'), str(TREE / 'tools/xenlab'), os.environ['PATH']])
    say("The host's image, from the distribution's packages: the first time takes a minute or two, then it is kept")
    try:
        show('xenlab', 'build', '--build-dir', str(build), shown='xenlab build', seconds=3600)
    except Failed:
        return show_simulation(build, "the host's image cannot be made (xenlab build, above, says why)")
    folder = tempfile.mkdtemp(prefix='xlvirt-demo.', dir='/tmp')  # short: sockets are in it
    os.environ.update(XENLAB_DIR=f'{folder}/lab', XENLAB_TREE=str(TREE))
    begin = time.monotonic()
    try:
        play(build)
        print(f'\ndemo: all of it went well, in {time.monotonic() - begin:.0f} s', flush=True)
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            show_logs()
        raise
    finally:
        gone = take_down(folder)
    if gone:
        print('demo: the host is down, nothing is left')
    return 0 if gone else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except Failed as failure:
        print(f'demo: failed: {failure}\ndemo: make demo-sim shows the simulated host', file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print('demo: interrupted', file=sys.stderr)
        sys.exit(130)
