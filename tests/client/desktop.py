#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-manager and virt-viewer against xlvirtd on the engine sim, on an X server without a screen.

They are driven as a screen reader drives them, by AT-SPI. What they show is kept as pictures in
BUILD/tests/client/artifacts for a person to look at. A guest's display is a VNC server of this test, in one
colour, which a window must show.

usage: desktop.py [WORD...] runs the cases whose names have one of the words in them."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml, wait_for  # noqa: E402
# GLib reads it as it is loaded. A program that leaves while AT-SPI asks it something makes that library
# say something critical, which is no reason to die here.
os.environ.pop('G_DEBUG', None)
try:
    import gi
    gi.require_version('Atspi', '2.0')
except (ImportError, ValueError):
    gi = None

ARTIFACTS = os.path.join(harness.BUILD, 'tests/client/artifacts')
PROGRAMS = ('Xvfb', 'dbus-daemon', 'import', 'convert', 'xdotool')
TIMEOUT = harness.TIMEOUT
UUID = 'deadbeef-2222-3333-4444-{:012d}'
WIDTH, HEIGHT, COLOUR = 320, 200, (51, 102, 204)


def missing(*programs):
    """What a case cannot do without, by name; '': nothing is missing."""
    names = [name for name in PROGRAMS + programs if not shutil.which(name)]
    return ', '.join(names + ([] if gi else ["AT-SPI's bindings (gir1.2-atspi-2.0, python3-gi)"]))


class Screen:
    """The picture of a guest: RFB 3.8 without a password, one colour."""

    def __init__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.shown = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, client.makefile('rb') as stream:
                self.talk(client, stream)
        except (OSError, IndexError, struct.error):
            pass

    def talk(self, client, stream):
        client.sendall(b'RFB 003.008\n')
        stream.read(12)
        client.sendall(b'\1\1')  # one way to authenticate: none
        stream.read(1)
        client.sendall(bytes(4))
        stream.read(1)
        form = struct.pack('>BBBBHHHBBB3x', 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        client.sendall(struct.pack('>HH', WIDTH, HEIGHT) + form + struct.pack('>I', 5) + b'guest')
        red, green, blue = 16, 8, 0
        while True:
            kind = stream.read(1)[0]
            if kind == 0:  # the client's own format of a pixel
                red, green, blue = struct.unpack('>3x4x6xBBB3x', stream.read(19))
            elif kind == 2:
                stream.read(4 * struct.unpack('>xH', stream.read(3))[0])
            elif kind == 3:
                if stream.read(9)[0] == 0:  # all of it, not only what changed
                    pixel = COLOUR[0] << red | COLOUR[1] << green | COLOUR[2] << blue
                    client.sendall(struct.pack('>BxHHHHHi', 0, 1, 0, 0, WIDTH, HEIGHT, 0) +
                                   struct.pack('<I', pixel) * (WIDTH * HEIGHT))
                    self.shown += 1
            else:
                stream.read({4: 7, 5: 5}[kind] if kind in (4, 5) else 7)


class Desktop:
    """An X server, and a D-Bus beside it for the programs and those who look at them."""

    def __init__(self):
        self.home = harness.tempfile.mkdtemp(prefix='xld')
        read, write = os.pipe()
        self.x = subprocess.Popen(['Xvfb', '-displayfd', str(write), '-screen', '0', '1280x960x24', '-nolisten', 'tcp'],
                                  pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as display:
            number = display.readline().strip()
        assert number, 'Xvfb does not start'
        os.environ.update(DISPLAY=':' + number, HOME=self.home, XDG_RUNTIME_DIR=self.home, GSETTINGS_BACKEND='memory',
                          NO_AT_BRIDGE='0', GTK_MODULES='gail:atk-bridge', LC_ALL='C.UTF-8', GDK_BACKEND='x11')
        # Of this machine's desktop, if it has one.
        for name in ('WAYLAND_DISPLAY', 'XAUTHORITY', 'AT_SPI_BUS_ADDRESS'):
            os.environ.pop(name, None)
        self.bus = subprocess.Popen(['dbus-daemon', '--session', '--nofork', '--print-address=1'], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.environ['DBUS_SESSION_BUS_ADDRESS'] = self.bus.stdout.readline().strip()
        from gi.repository import Atspi, GLib  # Atspi connects, so not before there is something to connect to
        self.atspi, self.error = Atspi, GLib.GError
        # A program that is busy for longer than 0.8 s would count as gone, and what it is told be done twice.
        Atspi.set_timeout(20000, 20000)

    def end(self):
        for process in (self.bus, self.x):
            process.kill()
            process.wait()
        self.bus.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)


desktop = None


def setUpModule():
    global desktop
    if not missing():
        os.makedirs(ARTIFACTS, exist_ok=True)
        desktop = Desktop()


def tearDownModule():
    if desktop:
        desktop.end()


def children(node):
    """Those that are still there when they are asked for."""
    return [child for child in map(node.get_child_at_index, range(node.get_child_count())) if child]


def nodes(node):
    """It and all below it that can be seen."""
    yield node
    for child in children(node):
        if child.get_state_set().contains(desktop.atspi.StateType.SHOWING):
            yield from nodes(child)


def names(node):
    """Its own, and those of the labels beside it."""
    yield node.get_name() or ''
    for relation in node.get_relation_set():
        if relation.get_relation_type() == desktop.atspi.RelationType.LABELLED_BY and relation.get_target(0):
            yield relation.get_target(0).get_name() or ''


def seen():
    """(node, role, names) of everything on the screen."""
    for application in children(desktop.atspi.get_desktop(0)):
        for window in children(application):
            for node in nodes(window):
                yield node, node.get_role_name(), list(names(node))


def unless_gone(question):
    """Its answer; None where what it is about goes away while it is asked, or does not answer yet."""
    try:
        return question()
    except desktop.error:
        return None


def find_now(role, name):
    return unless_gone(lambda: next((node for node, its_role, its_names in seen() if its_role == role and
                                     any(re.fullmatch(name, text, re.S) for text in its_names)), None))


def find(role, name):
    try:
        return wait_for(lambda: find_now(role, name), f'{role} {name!r} on the screen', TIMEOUT)
    except AssertionError as error:
        picture('missing')
        there = unless_gone(lambda: '\n'.join(f'{role} {names}' for _, role, names in seen() if any(names)))
        raise AssertionError(f'{error}; there are:\n{there}') from None


def use(role, name, how, what):
    """Until it was done to such a node, once: a window may build its nodes anew at any time."""
    def used():
        node = find_now(role, name)
        return node and node.get_state_set().contains(desktop.atspi.StateType.SENSITIVE) and how(node)
    find(role, name)
    wait_for(lambda: unless_gone(used), f'{role} {name!r} {what}', TIMEOUT)


def act(role, name):
    use(role, name, lambda node: node.do_action(0), 'to be of use')


def enter(role, name, text):
    use(role, name, lambda node: node.set_text_contents(text), 'to take text')


def click_at(role, name):
    """With the mouse: rows of a table have no action of their own. Where it is when it has come to rest."""
    def place():
        node = find_now(role, name)
        box = unless_gone(lambda: node and node.get_extents(desktop.atspi.CoordType.SCREEN))
        return (box.x, box.y, box.width, box.height) if box and box.width > 0 and box.height > 0 else None

    def at_rest():
        before = place()
        time.sleep(0.2)
        return before if before and before == place() else None
    find(role, name)
    x, y, width, height = wait_for(at_rest, f'{role} {name!r} to come to rest', TIMEOUT)
    subprocess.run(['xdotool', 'mousemove', str(x + min(width, 40) // 2), str(y + height // 2), 'click', '1'], check=True,
                   timeout=TIMEOUT)


def picture(name):
    path = os.path.join(ARTIFACTS, name + '.png')
    subprocess.run(['import', '-window', 'root', path], check=True, timeout=TIMEOUT)
    return path


def has_colour(path):
    """Whether a tenth of the guest's picture, at least, is on it."""
    colours = subprocess.run(['convert', path, '-depth', '8', '-format', '%c', 'histogram:info:-'], check=True, text=True,
                             capture_output=True, timeout=TIMEOUT).stdout
    wanted = '#%02X%02X%02X' % COLOUR
    counts = [int(line.split(':')[0]) for line in colours.splitlines() if wanted in line]
    return sum(counts) > WIDTH * HEIGHT / 10


class Case(harness.Case):
    def setUp(self):
        self.host.control('[*]\nguest-boot-ms=0\nguest-shutdown-ms=0\n')
        self.program = None

    def tearDown(self):
        if self.program:
            self.program.terminate()
            self.program.wait(TIMEOUT)
        for name in self.host.virsh('list', '--name')[1].split():
            if name != 'Domain-0':
                self.host.virsh('destroy', name)
        for name in self.host.virsh('list', '--all', '--name')[1].split():
            if name != 'Domain-0':
                self.host.virsh('undefine', name)

    def run_program(self, *words):
        self.log = os.path.join(ARTIFACTS, f'{words[0]}.log')
        with open(self.log, 'ab') as log:
            self.program = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def run_domain(self, name='web', port=None):
        graphics = f"<graphics type='vnc' port='{port}' autoport='no' listen='127.0.0.1'/>" if port else ''
        devices = "<disk type='file'><source file='/d/a.img'/><target dev='xvda' bus='xen'/></disk>" \
                  "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='xenbr0'/></interface>"
        xml = domain_xml(name, UUID.format(1)).replace('</devices>', devices + graphics + '</devices>')
        for words in (('define', self.host.file('d.xml', xml)), ('start', name)):
            code, _, err = self.host.virsh(*words)
            self.assertEqual(code, 0, err)

    def virsh(self, *words):
        code, out, err = self.host.virsh(*words)
        self.assertEqual(code, 0, err)
        return out

    def wait_shown(self, screen, name):
        """Until a window has the guest's picture in it."""
        wait_for(lambda: screen.shown, 'somebody to ask for the picture', TIMEOUT)
        wait_for(lambda: has_colour(picture(name)), 'the picture', TIMEOUT)


@tap.unittest.skipIf(missing('virt-viewer'), f'not installed: {missing("virt-viewer")}')
class TestViewer(Case):
    def test_viewer(self):
        screen = Screen()
        self.addCleanup(screen.end)
        self.run_domain(port=screen.port)
        self.run_program('virt-viewer', '-c', self.host.uri(), 'web')
        self.wait_shown(screen, 'virt-viewer')
        # It hears of the end of the guest.
        self.virsh('destroy', 'web')
        self.program.wait(TIMEOUT)

    def test_waits(self):
        """With --wait, for a domain that is not there yet."""
        screen = Screen()
        self.addCleanup(screen.end)
        self.run_program('virt-viewer', '-c', self.host.uri(), '--wait', 'web')
        find('frame', '.*')
        self.run_domain(port=screen.port)
        self.wait_shown(screen, 'virt-viewer-wait')


@tap.unittest.skipIf(missing('virt-manager'), f'not installed: {missing("virt-manager")}')
class TestManager(Case):
    def uri(self):
        """With xen+unix: virt-manager holds the host for a remote one, whose displays are out of its reach."""
        return f'xen:///system?socket={self.host.socket()}'

    def run_manager(self, *options):
        self.run_program('virt-manager', '--connect', self.uri(), '--no-fork', *options)

    def test_list(self):
        """Its list of domains follows what happens elsewhere."""
        self.run_domain()
        self.run_manager()
        find('frame', 'Virtual Machine Manager')
        find('table cell', r'web\nRunning')
        picture('virt-manager-list')
        self.virsh('suspend', 'web')
        find('table cell', r'web\nPaused')
        self.virsh('resume', 'web')
        self.virsh('shutdown', 'web')
        find('table cell', r'web\nShutoff')
        self.virsh('define', self.host.file('n.xml', domain_xml('new', UUID.format(2))))
        find('table cell', r'new\nShutoff')
        picture('virt-manager-list-later')
        self.virsh('undefine', 'web')
        wait_for(lambda: not find_now('table cell', r'web\n.*'), 'web to go', TIMEOUT)

    def test_host(self):
        self.run_manager('--show-host-summary')
        find('frame', '.*Connection Details')
        find('label', re.escape(self.uri()))
        picture('virt-manager-host')

    def test_details(self):
        self.run_domain()
        self.run_manager('--show-domain-editor', 'web')
        find('frame', 'web on Xen')
        for row in ('Overview', 'CPUs', 'Memory', 'Boot Options', 'Xen Disk 1', 'NIC :00:00:01', 'Serial 1'):
            with self.subTest(row):
                find('table cell', re.escape(row))
        picture('virt-manager-details')
        # What is changed there, the definition has.
        enter('text', 'Title:', 'The shop')
        act('push button', 'Apply|config-apply')
        wait_for(lambda: '<title>The shop</title>' in self.virsh('dumpxml', 'web', '--inactive'), 'the title', TIMEOUT)
        click_at('table cell', 'CPUs')
        find('label', 'Current allocation:|vCPU allocation:')
        picture('virt-manager-cpus')

    def test_console(self):
        screen = Screen()
        self.addCleanup(screen.end)
        self.run_domain(port=screen.port)
        self.run_manager('--show-domain-console', 'web')
        find('frame', 'web on Xen')
        self.wait_shown(screen, 'virt-manager-console')
        # Its buttons do what they say.
        act('toggle button', 'Pause')
        wait_for(lambda: self.virsh('domstate', 'web').strip() == 'paused', 'the domain to pause', TIMEOUT)
        picture('virt-manager-console-paused')

    def test_text_console(self):
        """Of a guest without a display: what virsh console shows, in both directions."""
        self.run_domain()
        self.run_manager('--show-domain-console', 'web')
        self.wait_text('web login:')
        click_at('terminal', '.*')
        subprocess.run(['xdotool', 'type', 'hello xlvirt'], check=True, timeout=TIMEOUT)
        self.wait_text('hello xlvirt')
        picture('virt-manager-text-console')

    def wait_text(self, text):
        def is_there():
            terminal = find_now('terminal', '.*')
            return terminal and text in desktop.atspi.Text.get_text(terminal, 0, -1)
        wait_for(lambda: unless_gone(is_there), f'{text!r} on the terminal', TIMEOUT)

    def test_create(self):
        """The wizard for a new domain, from its first page to its last."""
        # Without another window it may end when the wizard closes, before the new domain's opens.
        self.run_manager()
        find('tree table', 'vm-list')
        subprocess.run(['virt-manager', '--connect', self.uri(), '--show-domain-creator'], check=True, timeout=TIMEOUT,
                       capture_output=True)
        find('frame', 'New VM')
        picture('virt-manager-create-1')
        act('radio button', 'Manual install')
        act('push button', 'Forward')
        enter('text', 'oslist-entry', 'generic')
        click_at('table cell', 'Generic or unknown OS.*')
        picture('virt-manager-create-2')
        act('push button', 'Forward')
        find('label', 'Choose Memory and CPU settings:')
        picture('virt-manager-create-3')
        act('push button', 'Forward')
        act('check box', 'Enable storage for this virtual machine')
        picture('virt-manager-create-4')
        act('push button', 'Forward')
        enter('text', 'Name:', 'wizard')
        enter('text', 'Device name:', 'xenbr0')
        picture('virt-manager-create-5')
        act('push button', 'Finish')
        wait_for(lambda: self.host.virsh('domstate', 'wizard')[1].strip() == 'running', 'the new domain', TIMEOUT)
        find('frame', 'wizard on Xen')
        picture('virt-manager-created')


if __name__ == '__main__':
    tap.main()
