# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is in a dom0, told by dom0 itself, and whether it is what the daemon says. For soak.py."""
import re
import time
from xml.etree import ElementTree

# One program, since each command costs a connection and each process is slow there. A section begins with "== NAME".
LOOK = r"""
import glob, os, subprocess
def show(name, lines):
    print('== ' + name)
    for line in lines: print(line)
def run(*argv):
    try: return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors='replace').stdout.splitlines()
    except OSError: return []
def read(path):
    try:
        with open(path, errors='replace') as file: return file.read()
    except OSError: return ''
show('xl', run('xl', 'list')[1:])
nodes = [line.split(' = ', 1) for line in run('xenstore-ls', '-f') if ' = ' in line]
show('xenstore', (path for path, _ in nodes))
show('names', (path.split('/')[3] + ' ' + value.strip('"') for path, value in nodes if path.count('/') == 4 and path.endswith('/vm')))
show('loops', (read(path) for path in glob.glob('/sys/block/loop*/loop/backing_file')))
show('links', os.listdir('/sys/class/net'))
show('rules', (line for tool in ('iptables-save', 'ebtables-save') for line in run(tool) if line.startswith('-A')))
show('files', (os.path.join(folder, name) for top in FOLDERS for folder, _, names in os.walk(top) for name in names))
print('== processes')
for path in glob.glob('/proc/[0-9]*'):
    name, line = read(path + '/comm').strip(), read(path + '/cmdline').replace('\0', ' ')[:70]
    if line: print(line)
    elif any(part in name for part in ('xvd', 'vif', '.hd')): print('[' + name + ']')
show('memory', (line.split()[-1] for line in run('xl', 'info') if line.startswith('free_memory')))
print('== daemon')
pid = read('/run/xlvirtd.pid').strip()
if pid and os.path.isdir('/proc/' + pid):
    print('pid', pid)
    for line in read('/proc/' + pid + '/status').splitlines():
        word = line.split()
        if word[0] in ('VmRSS:', 'Threads:'): print({'VmRSS:': 'rss', 'Threads:': 'threads'}[word[0]], word[1])
    for fd in glob.glob('/proc/' + pid + '/fd/*'):
        try: print('fd', os.readlink(fd).split(':')[0])
        except OSError: pass
    for task in glob.glob('/proc/' + pid + '/task/*'): print('thread', read(task + '/comm').strip())
"""
FOLDERS = ('/run/libvirt', '/run/xlvirt', '/run/xen', '/run/xen-hotplug', '/var/lib/xen', '/var/lib/libvirt', '/etc/libvirt')
# What comes and goes by itself, or stays on purpose.
PASSING = re.compile(r'/run/xlvirt/starting\.lock|/var/lib/xen/userdata-d\.0\.|libxl-lock$|/usr/sbin/xlvirtd|^xl |'
                     r'^sshd|^python3 -|^init|^(/bin/)?sh |^\(null\)|/run/xen/domid-history|'
                     r'^/(libxl|vm|local/domain/0/(device-model|backend(/\w+)?))$')
COMPARED = ('xenstore', 'loops', 'links', 'rules', 'files', 'processes')


class View:
    """A look at dom0."""

    def __init__(self, text):
        self.sections = {}
        lines = None
        for line in text.splitlines():
            if line.startswith('== '):
                lines = self.sections.setdefault(line[3:], [])
            elif lines is not None:
                lines.append(line.strip())
        self.domains = {}
        self.doubles = []
        for line in self.sections['xl']:
            name, domid, letters = line.split()[0], line.split()[1], line.split()[4]
            if domid == '0':
                continue
            if name in self.domains or name == '(null)':
                self.doubles.append(line)
            self.domains[name] = (int(domid), 'p' in letters, letters)
        self.uuids = {int(line.split()[0]): line.split()[1].removeprefix('/vm/') for line in self.sections['names']
                      if len(line.split()) == 2}
        self.memory = int((self.sections['memory'] or ['0'])[0])
        daemon = [line.split(' ', 1) for line in self.sections['daemon']]
        self.daemon = {key: int(value) for key, value in daemon if key in ('pid', 'rss', 'threads')}
        self.fds = sorted(value for key, value in daemon if key == 'fd')
        self.thread_names = sorted(value for key, value in daemon if key == 'thread')

    def devices(self, domid, kind):
        """How many of a kind ('vbd', 'vif') a domain has in xenstore."""
        at = re.compile(rf'/local/domain/{domid}/device/{kind}/\d+$')
        return sum(1 for path in self.sections['xenstore'] if at.match(path))

    def state_files(self):
        """Names of domains in the daemon's folder of states."""
        return {match[1] for path in self.sections['files'] if (match := re.fullmatch(r'/run/libvirt/libxl/([^/]+)\.xml', path))}

    def definitions(self):
        return {match[1] for path in self.sections['files'] if (match := re.fullmatch(r'/etc/libvirt/libxl/([^/]+)\.xml', path))}


def look(xen):
    return View(xen.run('python3 -', timeout=300, input=f'FOLDERS = {FOLDERS!r}\n{LOOK}'))


def counted(lines):
    """Lines with a number: [a, a, b] is {(a, 1), (a, 2), (b, 1)}."""
    seen, result = {}, set()
    for line in lines:
        if not PASSING.search(line):
            seen[line] = seen.get(line, 0) + 1
            result.add((line, seen[line]))
    return result


def left_over(before, now):
    """What there is now and was not before, and the other way round."""
    found = []
    for section in COMPARED:
        old, new = counted(before.sections[section]), counted(now.sections[section])
        found += [f'{section}: + {line}' for line, _ in sorted(new - old)]
        found += [f'{section}: - {line}' for line, _ in sorted(old - new)]
    found += [f'domain: {name} {what}' for name, what in now.domains.items()] + now.doubles
    if now.memory < before.memory - 1:
        found.append(f'memory: {before.memory} MB were free, now {now.memory}')
    return found


def compare(view, connection):
    """How the daemon's view differs from Xen's."""
    found = [f'Xen has a double: {line}' for line in view.doubles]
    said = {}
    for domain in connection.listAllDomains():
        if domain.ID() != 0:
            said[domain.name()] = domain
    active = {name: domain for name, domain in said.items() if domain.isActive()}
    for name in sorted(set(view.domains) ^ set(active)):
        found.append(f'{name}: {"Xen" if name in view.domains else "the daemon"} only: {view.domains.get(name)}')
    for name in set(view.domains) & set(active):
        found += compare_one(view, name, active[name])
    persistent = {name for name, domain in said.items() if domain.isPersistent()}
    for what, files, names in (('state', view.state_files(), set(active)), ('definition', view.definitions(), persistent)):
        found += [f'{name}: {what} file without domain' for name in files - names]
        found += [f'{name}: domain without {what} file' for name in names - files]
    return found


def compare_one(view, name, domain):
    domid, paused, letters = view.domains[name]
    tree = ElementTree.fromstring(domain.XMLDesc())
    state = domain.state()[0]
    pairs = (('id', domid, domain.ID()), ('id in XML', domid, int(tree.get('id', -1))),
             ('uuid', view.uuids.get(domid), domain.UUIDString()), ('paused', paused, state == 3),
             ('disks', view.devices(domid, 'vbd'), len(tree.findall("devices/disk"))),
             ('interfaces', view.devices(domid, 'vif'), len(tree.findall('devices/interface'))))
    return [f'{name} ({letters}): {what}: Xen {xen}, the daemon {ours}' for what, xen, ours in pairs if xen != ours]


def settle(check, seconds):
    """Asks for differences until there are none; what is left after some seconds."""
    until = time.monotonic() + seconds
    while True:
        found = check()
        if not found or time.monotonic() > until:
            return found
        time.sleep(1)
