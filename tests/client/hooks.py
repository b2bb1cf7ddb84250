#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hook scripts: when they run, with what, what their failure does, and that one that hangs harms nobody else."""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import unittest
import xml.etree.ElementTree as ET

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import SIMHOST, TIMEOUT, domain_xml, wait_for  # noqa: E402
try:
    import libvirt
except ImportError:
    libvirt = None

HOOK_FAILED = 70
START = ['prepare begin -', 'start begin -', 'started begin -']
END = ['stopped end -', 'release end -']
# What the stock driver calls where one of START has failed.
UNDONE = [[], END, END]
LIVE = ('started', 'stopped', 'reconnect')  # whose XML has the domain's id
# Writes down what it was called with, its stdin and when it was done; then does what the test wants.
SCRIPT = '''#!/bin/sh
in=$(mktemp {dir}/in.XXXXXX)
cat >$in
echo "{who} $1 $2 $3 $4 $in" >>{dir}/calls
[ ! -x "{dir}/do-$2-$1" ] || "{dir}/do-$2-$1" "$@" <$in || exit
echo "{who} $1 $2" >>{dir}/done
'''


class Hooks:
    """The scripts of a host, and what they have written down."""

    def __init__(self, host):
        self.host = host
        self.dir = f'{host.root}/heard'
        self.folder = f'{host.root}/etc/libvirt/hooks'
        os.makedirs(self.dir)
        os.makedirs(self.folder)

    def write(self, path, text, mode=0o755):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + '.new', 'w') as f:
            f.write(text)
        os.chmod(path + '.new', mode)
        os.rename(path + '.new', path)

    def add(self, name='libxl', text=None, mode=0o755):
        self.write(f'{self.folder}/{name}', text or SCRIPT.format(dir=self.dir, who=name), mode)

    def do(self, operation, domain, text):
        """What the scripts do at this operation of this domain."""
        self.write(f'{self.dir}/do-{operation}-{domain}', '#!/bin/sh\n' + text)

    def forget(self):
        """As if there had never been any."""
        for folder in self.folder, self.dir:
            # A script that goes on writes between the look into the folder and its end.
            wait_for(lambda folder=folder: self.is_gone(folder), f'{folder} to go')
            os.makedirs(folder)

    @staticmethod
    def is_gone(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return not os.path.exists(folder)

    def lines(self, what):
        try:
            with open(f'{self.dir}/{what}') as f:
                return [line.split() for line in f]
        except FileNotFoundError:
            return []

    def heard(self, domain, who='libxl'):
        return [' '.join(words[2:5]) for words in self.lines('calls') if words[:2] == [who, domain]]

    def forget_calls(self):
        for name in 'calls', 'done':
            if os.path.exists(f'{self.dir}/{name}'):
                os.unlink(f'{self.dir}/{name}')

    def stdin(self, domain, operation, who='libxl'):
        for words in self.lines('calls'):
            if words[:3] == [who, domain, operation]:
                with open(words[5]) as f:
                    return f.read()
        raise AssertionError(f'{who} did not hear {operation} of {domain}')

    def wait(self, domain, operation, who='libxl'):
        wait_for(lambda: any(words[:3] == [who, domain, operation] for words in self.lines('calls')),
                 f'{operation} of {domain}')

    def wait_heard(self, domain, wanted):
        wait_for(lambda: len(self.heard(domain)) >= len(wanted), f'{len(wanted)} calls for {domain}')


def processes_with(mark):
    """The ids of those whose command line has this word."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as f:
                if mark.encode() in f.read().split(b'\0'):
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Case(harness.Case):
    OPTIONS = ()
    CONFIG = ''
    marks = 0

    @classmethod
    def setUpClass(cls):
        cls.host = harness.Host()
        cls.hooks = Hooks(cls.host)
        if cls.CONFIG:
            cls.OPTIONS = ('--config', cls.host.file('xlvirtd.conf', cls.CONFIG))
        try:
            cls.host.start(*cls.OPTIONS)
        except BaseException:
            cls.host.end()
            raise

    def setUp(self):
        self.hooks.forget()
        self.hooks.add()

    def tearDown(self):
        self.hooks.forget()
        for name in self.virsh('list', '--all', '--name').split():
            if name != 'Domain-0':
                self.host.virsh('destroy', name)
                self.host.virsh('undefine', '--managed-save', '--snapshots-metadata', name)
        self.host.control('')

    def virsh(self, *args):
        status, out, err = self.host.virsh(*args)
        self.assertEqual(status, 0, (args, err))
        return out

    def refused(self, *args):
        """What virsh says."""
        status, out, err = self.host.virsh(*args)
        self.assertNotEqual(status, 0, (args, out))
        return err

    def define(self, name, **how):
        self.virsh('define', self.host.file(f'{name}.xml', domain_xml(name, os_type='linux', **how)))

    def start(self, name, **how):
        self.define(name, **how)
        self.virsh('start', name)

    def domid(self, name):
        return self.virsh('domid', name).strip()

    def state(self, name):
        return self.virsh('domstate', name).strip()

    def sim(self, *args):
        done = subprocess.run([SIMHOST, '--root', self.host.root, *args], capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def background(self, *args):
        """virsh, of which nobody waits for the end."""
        virsh = subprocess.Popen(['virsh', '-c', self.host.uri(), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, env=harness.virsh_env())
        self.addCleanup(self.end_process, virsh)
        return virsh

    @staticmethod
    def end_process(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def mark(self):
        """A word for a command line that no other process has: an argument of sleep."""
        Case.marks += 1
        return f'10{os.getpid()}.{Case.marks}'

    def hang(self, operation, name, more=''):
        """The script sleeps at this operation; its mark."""
        mark = self.mark()
        self.hooks.do(operation, name, f'{more}sleep {mark}\n')
        return mark

    def gone(self, mark):
        wait_for(lambda: not processes_with(mark), f'the end of sleep {mark}')

    def check_xml(self, domain, operation, who='libxl'):
        text = self.hooks.stdin(domain, operation, who)
        root = ET.fromstring(text)
        self.assertEqual(root.find('name').text, domain)
        self.assertTrue(root.find('uuid').text)
        self.assertEqual('id' in root.attrib, operation in LIVE, (operation, text))
        if shutil.which('virt-xml-validate') and shutil.which('xmllint'):
            done = subprocess.run(['virt-xml-validate', self.host.file('heard.xml', text), 'domain'], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)


class TestLife(Case):
    def test_start_and_destroy(self):
        self.start('web')
        self.assertEqual(self.hooks.heard('web'), START)
        self.virsh('destroy', 'web')
        self.assertEqual(self.hooks.heard('web'), START + END)
        for call in START + END:
            self.check_xml('web', call.split()[0])

    def test_transient(self):
        self.virsh('create', self.host.file('once.xml', domain_xml('once', os_type='linux')))
        self.virsh('destroy', 'once')
        self.assertEqual(self.hooks.heard('once'), START + END)
        for call in START + END:
            self.check_xml('once', call.split()[0])

    def test_paused(self):
        self.define('still')
        self.virsh('start', '--paused', 'still')
        self.assertEqual(self.hooks.heard('still'), START)
        self.virsh('resume', 'still')
        self.assertEqual(self.hooks.heard('still'), START)

    def test_guest_shuts_down(self):
        self.start('web')
        self.virsh('shutdown', 'web')
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')
        self.assertEqual(self.hooks.heard('web'), START + END)

    def test_guest_reboots(self):
        for name, persistent in ('web', True), ('once', False):
            with self.subTest(name):
                if persistent:
                    self.start(name)
                else:
                    self.virsh('create', self.host.file('once.xml', domain_xml(name, os_type='linux')))
                before = self.domid(name)
                self.virsh('reboot', name)
                self.hooks.wait_heard(name, START + END + START)
                wait_for(lambda: self.domid(name) not in (before, '-'), 'the next life')
                self.assertEqual(self.hooks.heard(name), START + END + START)

    def test_reset(self):
        self.start('web')
        self.virsh('reset', 'web')
        self.assertEqual(self.hooks.heard('web'), START + END + START)

    def test_crash(self):
        self.start('web')
        self.sim('--exit', self.domid('web'), '3')
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')
        self.assertEqual(self.hooks.heard('web'), START + END)

    def test_preserved(self):
        """What is kept for inspection is not gone."""
        self.define('web')
        text = self.virsh('dumpxml', '--inactive', 'web')
        self.virsh('define', self.host.file('web.xml', re.sub('<on_crash>.*</on_crash>', '', text).replace(
            '<on_reboot>', '<on_crash>preserve</on_crash><on_reboot>')))
        self.virsh('start', 'web')
        self.sim('--exit', self.domid('web'), '3')
        wait_for(lambda: self.state('web') == 'crashed', 'the crash')
        self.assertEqual(self.hooks.heard('web'), START)
        self.virsh('destroy', 'web')
        self.assertEqual(self.hooks.heard('web'), START + END)

    def test_destroyed_by_others(self):
        """xl destroy"""
        self.start('web')
        self.sim('--destroy', self.domid('web'))
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')
        self.assertEqual(self.hooks.heard('web'), START + END)

    def test_of_others(self):
        """xl create: its scripts hear of it when it ends."""
        domid = self.sim('--create', 'wild', '64').strip()
        wait_for(lambda: 'wild' in self.virsh('list', '--name'), 'wild')
        self.assertEqual(self.hooks.heard('wild'), [])
        self.sim('--destroy', domid)
        self.hooks.wait_heard('wild', END)
        self.assertEqual(self.hooks.heard('wild'), END)

    def test_save_and_restore(self):
        self.start('web')
        image = f'{self.host.root}/web.image'
        self.virsh('save', 'web', image)
        self.assertEqual(self.hooks.heard('web'), START + END)
        self.hooks.forget_calls()
        self.virsh('restore', image)
        self.assertEqual(self.hooks.heard('web'), ['restore begin -'] + START)
        self.check_xml('web', 'restore')

    def test_managed_save(self):
        self.start('web')
        self.virsh('managedsave', 'web')
        self.assertEqual(self.hooks.heard('web'), START + END)
        self.hooks.forget_calls()
        self.virsh('start', 'web')
        self.assertEqual(self.hooks.heard('web'), ['restore begin -'] + START)

    def test_snapshot(self):
        """Memory of a snapshot is no saved image; the domain ends and starts."""
        self.start('web')
        self.virsh('snapshot-create-as', 'web', 'before')
        self.hooks.forget_calls()
        self.virsh('snapshot-revert', 'web', 'before')
        self.assertEqual(self.hooks.heard('web'), END + START)

    def test_dump(self):
        self.start('web')
        self.virsh('dump', '--crash', 'web', f'{self.host.root}/web.core')
        self.assertEqual(self.hooks.heard('web'), START + END)

    def test_engine_fails(self):
        """What prepare has made is given back."""
        self.host.control('[web]\nstart-fail=no\n')
        self.define('web')
        self.refused('start', 'web')
        self.assertEqual(self.hooks.heard('web'), START[:2] + END)

    def test_prepare_makes_the_disk(self):
        """It comes before anybody looks whether a disk is there."""
        image = f'{self.host.root}/san.img'
        self.hooks.do('prepare', 'web', f': >{image}\n')
        disk = (f"<disk type='file' device='disk'><source file='{image}' startupPolicy='optional'/>"
                "<target dev='xvda' bus='xen'/></disk>")
        self.virsh('define', self.host.file('web.xml', domain_xml('web', os_type='linux').replace('<devices>', '<devices>' + disk)))
        self.virsh('start', 'web')
        self.assertIn(image, self.virsh('domblklist', 'web'))

    def test_state_while_it_ends(self):
        """Whoever asks sees it going down, and gets an answer."""
        self.start('web')
        self.hooks.do('stopped', 'web', f'virsh -c "{self.host.uri()}" domstate web >{self.hooks.dir}/state\n')
        self.virsh('destroy', 'web')
        with open(f'{self.hooks.dir}/state') as f:
            self.assertEqual(f.read().strip(), 'in shutdown')
        self.assertEqual(self.state('web'), 'shut off')


class TestScripts(Case):
    def test_which(self):
        """The file, then those of the folder by their names; nothing that cannot be executed."""
        for name in 'libxl.d/20-san', 'libxl.d/10-net', 'libxl.d/B', 'libxl.d/.quiet', 'libxl.d/a b':
            self.hooks.add(name)
        self.hooks.add('libxl.d/30-off', mode=0o644)
        os.mkdir(f'{self.hooks.folder}/libxl.d/40-folder')
        os.symlink('/nowhere', f'{self.hooks.folder}/libxl.d/50-dangling')
        os.symlink('10-net', f'{self.hooks.folder}/libxl.d/60-link')
        os.mkfifo(f'{self.hooks.folder}/libxl.d/70-fifo', 0o777)
        self.hooks.add('qemu')
        self.hooks.add('qemu.d/1')
        self.start('web')
        prepare = [line[0] for line in self.hooks.lines('done') if line[-1] == 'prepare']
        self.assertEqual(prepare, ['libxl', 'libxl.d/.quiet', 'libxl.d/10-net', 'libxl.d/20-san', 'libxl.d/10-net',
                                   'libxl.d/B', 'libxl.d/a'])

    def test_folder_only(self):
        os.unlink(f'{self.hooks.folder}/libxl')
        self.hooks.add('libxl.d/one')
        self.start('web')
        self.assertEqual(self.hooks.heard('web', 'libxl.d/one'), START)

    def test_none(self):
        self.hooks.forget()
        self.start('web')
        self.virsh('destroy', 'web')
        self.assertEqual(self.hooks.lines('calls'), [])

    def test_process(self):
        """A clean environment, nothing inherited, signals as a program expects them."""
        self.hooks.add(text=f'''#!/bin/sh
[ $2 = prepare ] || exit 0
cd {self.hooks.dir}
env >env
umask >umask
cat /proc/self/status >status
exec ls -l /proc/self/fd >fds
''')
        self.start('web')

        def read(name):
            with open(f'{self.hooks.dir}/{name}') as f:
                return f.read()
        self.assertIn('LC_ALL=C\n', read('env'))
        self.assertRegex(read('env'), '(?m)^PATH=/')
        self.assertEqual({line.split('=')[0] for line in read('env').splitlines()} -
                         {'LC_ALL', 'PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'PWD', 'SHLVL', '_', 'OLDPWD'}, set())
        # ls has the folder open that it reads.
        self.assertEqual(re.findall(r' (\d+) -> (?!/proc/\d+/fd)', read('fds')), ['0', '1', '2'])
        status = dict(line.split(':\t') for line in read('status').splitlines() if line.startswith('Sig'))
        # 32 and 33 are the C library's own: nobody else can set them, and they are inherited as they are.
        own = 3 << 31
        self.assertEqual([int(status[key], 16) & ~own for key in ('SigBlk', 'SigIgn')], [0, 0])
        self.assertEqual(read('umask').strip(), '0022')

    def test_reads_nothing(self):
        """A large definition is no pipe that blocks, nor one that breaks."""
        self.hooks.add(text='#!/bin/sh\nexit 0\n')
        self.start('web', extra=f'<description>{"x" * 1000000}</description>')
        self.hooks.add(text=f'#!/bin/sh\nwc -c >{self.hooks.dir}/size\n')
        self.virsh('destroy', 'web')
        with open(f'{self.hooks.dir}/size') as f:
            self.assertGreater(int(f.read()), 1000000)

    def test_output_goes_nowhere(self):
        self.hooks.do('started', 'web', 'head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2\n')
        self.start('web')
        self.assertEqual(self.state('web'), 'running')

    def test_leaves_a_child(self):
        """Nobody waits for what a script has put into the background, and nobody ends it."""
        mark = self.mark()
        self.hooks.do('started', 'web', f'sleep {mark} &\n')
        self.start('web')
        self.assertEqual(self.hooks.heard('web'), START)
        left = wait_for(lambda: processes_with(mark), 'the child')
        os.kill(left[0], signal.SIGKILL)

    def test_asks_for_its_domain(self):
        """Questions are answered while a script runs, also about the domain of the script."""
        uri = self.host.uri()
        for operation in 'prepare', 'start', 'started', 'stopped', 'release':
            self.hooks.do(operation, 'web', f'virsh -c "{uri}" dominfo web && virsh -c "{uri}" dumpxml web && virsh -c "{uri}" list --all\n')
        self.start('web')
        self.virsh('destroy', 'web')
        self.assertEqual([line[2] for line in self.hooks.lines('done')], [call.split()[0] for call in START + END])


class TestFailure(Case):
    def fails(self, i, how):
        operation = START[i].split()[0]
        name = f'{how}-{operation}'
        self.hooks.do(operation, name, 'echo no volume >&2\nexit 3\n')
        path = self.host.file('fails.xml', domain_xml(name, os_type='linux'))
        if how == 'start':
            self.virsh('define', path)
        err = self.refused(how, name if how == 'start' else path)
        self.assertIn(f'Hook script execution failed: {self.hooks.folder}/libxl {name} {operation} begin -: exit status 3: no volume', err)
        self.assertEqual(self.hooks.heard(name), START[:i + 1] + UNDONE[i])
        self.assertNotIn(name, self.sim('--status'))
        for call in UNDONE[i]:
            self.assertNotIn(' id=', self.hooks.stdin(name, call.split()[0]).splitlines()[0])
        if how == 'start':
            self.assertEqual(self.virsh('domstate', '--reason', name).strip(), 'shut off (failed)')
            self.assertFalse(os.path.exists(f'{self.host.root}/run/libvirt/libxl/{name}.xml'))
        else:
            self.assertNotIn(name, self.virsh('list', '--all', '--name').split())

    def test_start(self):
        for i, call in enumerate(START):
            for how in 'start', 'create':
                with self.subTest(call, how=how):
                    self.fails(i, how)

    @unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
    def test_code(self):
        self.hooks.do('prepare', 'web', 'exit 1\n')
        self.define('web')
        with libvirt.open(self.host.uri()) as connection:
            with self.assertRaises(libvirt.libvirtError) as caught:
                connection.lookupByName('web').create()
        self.assertEqual(caught.exception.get_error_code(), HOOK_FAILED)
        self.assertEqual(caught.exception.get_error_domain(), libvirt.VIR_FROM_HOOK)

    def test_starts_again(self):
        """A failure leaves nothing behind."""
        self.hooks.do('started', 'web', 'exit 1\n')
        self.define('web')
        self.refused('start', 'web')
        self.hooks.do('started', 'web', 'exit 0\n')
        self.virsh('start', 'web')
        self.assertEqual(self.state('web'), 'running')

    def test_at_reboot(self):
        """The next life is refused: the domain is shut off, or gone."""
        for name, persistent in ('web', True), ('once', False):
            with self.subTest(name):
                if persistent:
                    self.start(name)
                else:
                    self.virsh('create', self.host.file('once.xml', domain_xml(name, os_type='linux')))
                self.hooks.do('started', name, 'exit 1\n')
                self.virsh('reboot', name)
                wanted = START + END + START + END
                self.hooks.wait_heard(name, wanted)
                wait_for(lambda: name not in self.virsh('list', '--name').split(), 'the end')
                self.assertEqual(self.hooks.heard(name), wanted)
                wait_for(lambda: (name in self.virsh('list', '--all', '--name').split()) == persistent, 'what is left')

    def test_all_are_run(self):
        """Those after one that fails, too; the first one's words count."""
        self.hooks.add('libxl.d/1')
        self.hooks.add('libxl.d/2')
        self.hooks.do('prepare', 'web', 'echo "$0" broken >&2\nexit 1\n')
        self.define('web')
        self.assertIn('hooks/libxl web prepare', self.refused('start', 'web'))
        for who in 'libxl', 'libxl.d/1', 'libxl.d/2':
            self.assertEqual(self.hooks.heard('web', who), START[:1])

    def test_end(self):
        """What has ended stays so; the log tells."""
        self.start('web')
        for operation in 'stopped', 'release':
            self.hooks.do(operation, 'web', f'echo {operation} broken >&2\nexit 1\n')
        self.virsh('destroy', 'web')
        self.assertEqual(self.hooks.heard('web'), START + END)
        for call in END:
            self.assertIn(f'libxl web {call}: exit status 1: {call.split()[0]} broken', self.host.log_text())
        self.assertEqual(self.state('web'), 'shut off')

    def test_cannot_be_run(self):
        self.hooks.add(text='#!/no/such/shell\n')
        self.define('web')
        self.assertIn('Hook script execution failed', self.refused('start', 'web'))
        self.hooks.add()

    def test_ended_by_a_signal(self):
        self.hooks.do('prepare', 'web', 'kill -SEGV $$\n')
        self.define('web')
        self.assertIn('exit status 139', self.refused('start', 'web'))

    def test_many_words(self):
        self.hooks.do('prepare', 'web', 'head -c 5000000 /dev/zero | tr "\\0" x >&2\nexit 1\n')
        self.define('web')
        err = self.refused('start', 'web')
        self.assertIn('xxxx', err)
        self.assertLess(len(err), 10000)

    def test_managed_image(self):
        """One of whose guest nothing ran is still there; else it is set aside, not lost."""
        self.start('web')
        self.virsh('managedsave', 'web')
        image = f'{self.host.root}/var/lib/libvirt/libxl/save/web.save'
        for operation in 'restore', 'prepare', 'start':
            with self.subTest(operation):
                self.hooks.do(operation, 'web', 'exit 1\n')
                self.refused('start', 'web')
                self.assertIn('web', self.virsh('list', '--all', '--with-managed-save', '--name'))
                self.assertTrue(os.path.exists(image))
                self.hooks.do(operation, 'web', 'exit 0\n')
        self.hooks.do('started', 'web', 'exit 1\n')
        self.refused('start', 'web')
        self.assertFalse(os.path.exists(image))
        self.assertTrue(os.path.exists(image + '.stale'))


class TestRestore(Case):
    def setUp(self):
        super().setUp()
        self.image = f'{self.host.root}/web.image'
        self.start('web')
        self.virsh('save', 'web', self.image)
        self.hooks.forget_calls()

    def test_replaces(self):
        """What the first writes is what the second reads, and what runs."""
        self.hooks.add('libxl.d/1')
        self.hooks.write(f'{self.hooks.dir}/do-restore-web', "#!/bin/sh\nsed 's,<devices>,<description>by hook</description><devices>,;s,by hook</desc.*by hook,twice,'\n")
        self.virsh('restore', self.image)
        self.assertNotIn('by hook', self.hooks.stdin('web', 'restore'))
        self.assertIn('by hook', self.hooks.stdin('web', 'restore', 'libxl.d/1'))
        self.assertIn('<description>', self.virsh('dumpxml', 'web'))
        self.assertIn('<description>', self.hooks.stdin('web', 'prepare'))

    def test_managed(self):
        self.virsh('restore', self.image)
        self.virsh('managedsave', 'web')
        self.hooks.do('restore', 'web', "sed 's,<devices>,<title>moved</title><devices>,'\n")
        self.virsh('start', 'web')
        self.assertIn('<title>moved</title>', self.virsh('dumpxml', 'web'))

    def test_nothing_written(self):
        self.hooks.do('restore', 'web', 'echo; echo " "\n')
        self.virsh('restore', self.image)
        self.assertEqual(self.state('web'), 'running')

    def test_rubbish(self):
        for text, wanted in (('echo "<domain"', 'hook script'), ("sed 's,<name>web<,<name>other<,'", 'the name of the XML'),
                             (f"sed 's,<uuid>.*<,<uuid>{'1' * 32}<,'", 'uuid'), ("sed 's/<memory.*//'", ''),
                             ('cat; exit 1', 'exit status 1'), ('yes', 'writes more than')):
            with self.subTest(text):
                self.hooks.do('restore', 'web', text + '\n')
                self.hooks.forget_calls()
                err = self.refused('restore', self.image)
                self.assertIn(wanted, err)
                self.assertEqual(self.hooks.heard('web'), ['restore begin -'])
                self.assertEqual(self.state('web'), 'shut off')
                self.assertNotIn('web', self.sim('--status'))
        self.hooks.do('restore', 'web', 'exit 0\n')
        self.virsh('restore', self.image)

    def test_password(self):
        """A script that changes one thing does not lose what others may not see."""
        xml = self.virsh('dumpxml', '--inactive', 'web').replace(
            '</devices>', "<graphics type='vnc' port='-1' autoport='yes' passwd='secret'/></devices>")
        self.virsh('define', self.host.file('web.xml', xml))
        self.virsh('start', 'web')
        self.virsh('save', 'web', self.image)
        self.hooks.do('restore', 'web', "sed 's,<devices>,<title>moved</title><devices>,'\n")
        self.virsh('restore', self.image)
        self.assertIn('secret', self.virsh('dumpxml', '--security-info', 'web'))
        self.assertNotIn('secret', self.hooks.stdin('web', 'prepare'))


class TestHang(Case):
    def test_destroy_ends_it(self):
        """At each of the three, with the children of the script; others go on meanwhile."""
        marks, starting = {}, {}
        for call in START:
            name = f'hang-{call.split()[0]}'
            marks[name] = self.hang(call.split()[0], name)
            self.define(name)
            starting[name] = self.background('start', name)
        for name in marks:
            self.hooks.wait(name, name.removeprefix('hang-'))
        self.start('other')
        self.assertIn('hang-prepare', self.virsh('list', '--all'))
        ending = [self.background('destroy', name) for name in marks]
        for virsh in ending:
            self.assertIn('destroyed', virsh.communicate(timeout=TIMEOUT)[0])
        for i, name in enumerate(marks):
            with self.subTest(name):
                self.assertIn('cancelled', starting[name].communicate(timeout=TIMEOUT)[0])
                self.gone(marks[name])
                self.assertEqual(self.state(name), 'shut off')
                self.assertEqual(self.hooks.heard(name), START[:i + 1] + UNDONE[i])
                self.assertNotIn(name, self.sim('--status'))

    def test_deaf(self):
        """One that does not hear SIGTERM."""
        mark = self.hang('prepare', 'web', "trap '' TERM\n")
        self.define('web')
        self.background('start', 'web')
        self.hooks.wait('web', 'prepare')
        self.virsh('destroy', 'web')
        self.gone(mark)

    def test_time_to_end(self):
        """A script that comes to its end by itself is not ended."""
        self.hooks.do('prepare', 'web', f': >{self.hooks.dir}/waits\nwhile [ ! -e {self.hooks.dir}/go ]; do sleep 0.05; done\n: >{self.hooks.dir}/whole\n')
        self.define('web')
        starting = self.background('start', 'web')
        wait_for(lambda: os.path.exists(f'{self.hooks.dir}/waits'), 'prepare')
        ending = self.background('destroy', 'web')
        wait_for(lambda: 'domain_destroy' in self.host.log_text() or ending.poll() is not None, 'destroy')
        self.hooks.write(f'{self.hooks.dir}/go', '')
        self.assertNotEqual(starting.communicate(timeout=TIMEOUT)[0], '')
        ending.communicate(timeout=TIMEOUT)
        self.assertEqual(self.state('web'), 'shut off')

    def test_abort(self):
        mark = self.hang('start', 'web')
        self.define('web')
        starting = self.background('start', 'web')
        self.hooks.wait('web', 'start')
        self.virsh('domjobabort', 'web')
        starting.communicate(timeout=TIMEOUT)
        self.assertNotEqual(starting.returncode, 0)
        self.gone(mark)

    def test_end(self):
        """The scripts of an end: another destroy makes way."""
        marks, ending = {}, {}
        for operation in 'stopped', 'release':
            name = f'hang-{operation}'
            self.start(name)
            marks[name] = self.hang(operation, name)
            ending[name] = self.background('destroy', name)
        for name in marks:
            self.hooks.wait(name, name.removeprefix('hang-'))
            self.assertEqual(self.state(name), 'in shutdown')
        self.start('other')
        again = [self.background('destroy', name) for name in marks]
        for name in marks:
            with self.subTest(name):
                self.assertIn('destroyed', ending[name].communicate(timeout=TIMEOUT)[0])
                self.gone(marks[name])
                self.assertEqual(self.hooks.heard(name), START + END)
                self.assertEqual(self.state(name), 'shut off')
        for virsh in again:
            virsh.communicate(timeout=TIMEOUT)

    def test_after_shutdown(self):
        """The guest has gone by itself, and nobody has called for it."""
        self.start('web')
        mark = self.hang('stopped', 'web')
        self.virsh('shutdown', 'web')
        self.hooks.wait('web', 'stopped')
        self.assertEqual(self.state('web'), 'in shutdown')
        self.host.virsh('destroy', 'web')
        self.gone(mark)
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')


class TestWorkers(Case):
    CONFIG = 'min_workers = 2\nmax_workers = 2\nprio_workers = 2\n'

    def test_all_hang(self):
        """Questions and destroy still come through."""
        marks = {}
        for name in 'one', 'two', 'more':
            marks[name] = self.mark()
            self.hooks.do('prepare', name, f'sleep {marks[name]}\n')
            self.define(name)
        starting = {name: self.background('start', name) for name in marks}
        wait_for(lambda: len(self.hooks.lines('calls')) == 2, 'as many scripts as there are workers')
        self.assertIn('more', self.virsh('list', '--all'))
        first = self.hooks.lines('calls')[0][1]
        self.virsh('destroy', first)
        self.gone(marks.pop(first))
        self.assertIn('cancelled', starting.pop(first).communicate(timeout=TIMEOUT)[0])

        def let_go():
            for mark in marks.values():
                for pid in processes_with(mark):
                    os.kill(pid, signal.SIGTERM)
            return all(virsh.poll() is not None for virsh in starting.values())
        wait_for(let_go, 'the others')


class TestInside(Case):
    """A script that changes its own domain, which hooks.html forbids."""
    CONFIG = 'job_timeout = 2\n'

    def test_changes_its_domain(self):
        uri = self.host.uri()
        self.hooks.do('prepare', 'web', f'virsh -c "{uri}" start web 2>{self.hooks.dir}/said; virsh -c "{uri}" setmem web 64M --config; exit 0\n')
        self.define('web')
        self.virsh('start', 'web')
        with open(f'{self.hooks.dir}/said') as f:
            self.assertIn('cannot acquire state change lock (held by start', f.read())

    def test_destroys_its_domain(self):
        """It waits for itself, until it is ended."""
        self.hooks.do('started', 'web', f'exec virsh -c "{self.host.uri()}" destroy web\n')
        self.define('web')
        self.refused('start', 'web')
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')
        self.assertEqual(self.hooks.heard('web'), START + END)


class TestDaemon(Case):
    def setUp(self):
        super().setUp()
        self.host.end_daemon()
        self.host.log = f'{self.host.root}/daemon.log'

    def tearDown(self):
        self.hooks.forget()
        if not self.host.daemon:
            self.host.start()
        super().tearDown()

    def test_hears_of_itself(self):
        self.hooks.add('daemon')
        self.hooks.add('daemon.d/more')
        self.host.start()
        self.virsh('list')
        for who in 'daemon', 'daemon.d/more':
            self.assertEqual(self.hooks.heard('-', who), ['start - start'])
        for n in 1, 2:
            self.host.daemon.send_signal(signal.SIGHUP)
            wait_for(lambda: len(self.hooks.heard('-', 'daemon.d/more')) == 1 + n, 'reload')
        self.assertEqual(self.host.end_daemon(), 0)
        for who in 'daemon', 'daemon.d/more':
            self.assertEqual(self.hooks.heard('-', who), ['start - start'] + 2 * ['reload begin SIGHUP'] + ['shutdown - shutdown'])
        self.assertEqual(self.hooks.stdin('-', 'start', 'daemon'), '')

    def test_fails(self):
        """The log tells, the daemon runs."""
        self.hooks.add('daemon', '#!/bin/sh\necho broken >&2\nexit 1\n')
        self.host.start()
        self.virsh('list')
        self.assertIn('hooks/daemon - start - start: exit status 1: broken', self.host.log_text())

    def test_before_autostart(self):
        """What the guests need may be made by it."""
        self.hooks.forget()
        self.host.start()
        self.define('web')
        self.virsh('autostart', 'web')
        self.host.end_daemon()
        self.host.end_host()
        self.hooks.add('daemon')
        self.hooks.add()
        self.host.start()
        self.hooks.wait('web', 'started')
        self.assertEqual([line[0] for line in self.hooks.lines('calls')][:2], ['daemon', 'libxl'])

    def test_reload_hangs(self):
        """The daemon serves on, and its end is that of the script."""
        mark = self.mark()
        self.hooks.add('daemon')
        self.hooks.do('reload', '-', f'sleep {mark}\n')
        self.host.start()
        self.host.daemon.send_signal(signal.SIGHUP)
        self.hooks.wait('-', 'reload', 'daemon')
        self.virsh('list')
        self.assertEqual(self.host.end_daemon(), 0)
        self.gone(mark)

    def test_start_hangs(self):
        """It can be ended."""
        mark = self.mark()
        self.hooks.add('daemon')
        self.hooks.do('start', '-', f'sleep {mark}\n')
        with open(self.host.log, 'ab') as log:
            daemon = subprocess.Popen([harness.XLVIRTD, '--engine', 'sim', '--root', self.host.root], stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log, env=dict(os.environ, XLVIRT_SIMHOST=os.path.abspath(SIMHOST)))
        self.addCleanup(self.end_process, daemon)
        self.hooks.wait('-', 'start', 'daemon')
        daemon.terminate()
        daemon.wait(TIMEOUT)
        self.gone(mark)

    def kill(self):
        self.host.end_daemon(signal.SIGKILL)

    def test_reconnect(self):
        self.host.start()
        self.start('web')
        self.start('db')
        self.define('off')
        self.virsh('suspend', 'db')
        self.kill()
        self.hooks.forget_calls()
        self.host.start()
        for name in 'web', 'db':
            self.hooks.wait(name, 'reconnect')
            self.assertEqual(self.hooks.heard(name), ['reconnect begin -'])
            self.check_xml(name, 'reconnect')
        self.virsh('destroy', 'web')
        self.assertEqual(self.hooks.heard('web'), ['reconnect begin -'] + END)
        self.assertEqual(self.hooks.heard('off'), [])
        self.assertEqual(self.hooks.heard('Domain-0'), [])

    def test_reconnect_fails(self):
        """As the stock driver: it is ended."""
        self.host.start()
        self.start('web')
        self.start('db')
        self.kill()
        self.hooks.forget_calls()
        self.hooks.do('reconnect', 'web', 'exit 1\n')
        self.host.start()
        self.hooks.wait('db', 'reconnect')
        wait_for(lambda: self.state('web') == 'shut off', 'the end of web')
        self.assertEqual(self.hooks.heard('web'), ['reconnect begin -'] + END)
        self.assertNotIn('web', self.sim('--status'))
        self.assertEqual(self.state('db'), 'running')

    def test_reconnect_hangs(self):
        """The daemon is there, the domain answers, destroy ends both; so does the daemon's end, but not its guest."""
        self.host.start()
        self.start('web')
        self.start('db')
        marks = {name: self.mark() for name in ('web', 'db')}
        for name, mark in marks.items():
            self.hooks.do('reconnect', name, f'sleep {mark}\n')
        self.kill()
        self.host.start()
        self.hooks.wait('web', 'reconnect')
        self.hooks.wait('db', 'reconnect')
        self.assertEqual(self.state('web'), 'running')
        self.virsh('destroy', 'web')
        self.assertEqual(self.state('web'), 'shut off')
        self.gone(marks['web'])
        self.assertEqual(self.host.end_daemon(), 0)
        self.gone(marks['db'])
        self.hooks.forget()
        self.host.start()
        self.assertEqual(self.state('db'), 'running')

    def test_gone_meanwhile(self):
        """Who ended while no daemon ran; of one that is transient nothing else is left."""
        self.host.start()
        self.start('web')
        self.virsh('create', self.host.file('once.xml', domain_xml('once', os_type='linux')))
        ids = self.domid('web'), self.domid('once')
        self.kill()
        for domid in ids:
            self.sim('--destroy', domid)
        self.hooks.forget_calls()
        self.host.start()
        for name in 'web', 'once':
            self.hooks.wait_heard(name, END)
            self.assertEqual(self.hooks.heard(name), END)
            wait_for(lambda: not os.path.exists(f'{self.host.root}/run/libvirt/libxl/{name}.xml'), 'the state file to go')
        self.assertNotIn('once', self.virsh('list', '--all'))
        self.virsh('start', 'web')
        self.assertEqual(self.hooks.heard('web'), END + START)

    def test_killed_with_its_scripts(self):
        """What they have begun is not gone on with: neither the script nor what it has started."""
        mark = self.mark()
        self.host.start()
        self.hooks.do('prepare', 'web', f'(while :; do echo x >>{self.hooks.dir}/wrote; sleep 0.02; done) & (sleep {mark}; :) | cat\n')
        self.define('web')
        self.background('start', 'web')
        wait_for(lambda: processes_with(mark) and os.path.exists(f'{self.hooks.dir}/wrote'), 'prepare')
        self.kill()
        self.gone(mark)
        guards = [pid for pid in processes_with(self.host.root) if pid != self.host.daemon]
        wait_for(lambda: not self.scripts_left(), 'the end of the script')
        self.assertEqual(self.scripts_left(), [], guards)
        os.unlink(f'{self.hooks.dir}/wrote')
        self.host.start()
        self.assertFalse(os.path.exists(f'{self.hooks.dir}/wrote'))
        self.assertEqual(self.state('web'), 'shut off')

    def scripts_left(self):
        return processes_with(f'{self.hooks.dir}/do-prepare-web')

    def test_killed_in_stopped(self):
        """The next daemon tells it again: better twice than never."""
        mark = self.mark()
        self.host.start()
        self.start('web')
        self.hooks.do('stopped', 'web', f'sleep {mark}\n')
        self.background('destroy', 'web')
        self.hooks.wait('web', 'stopped')
        self.kill()
        self.gone(mark)
        self.hooks.do('stopped', 'web', 'exit 0\n')
        self.hooks.forget_calls()
        self.host.start()
        self.hooks.wait_heard('web', END)
        self.assertEqual(self.hooks.heard('web'), END)

    def hang_in(self, operation):
        """A start of web gets as far as this script, which sleeps; its mark."""
        mark = self.hang(operation, 'web')
        self.host.start()
        self.define('web')
        self.background('start', 'web')
        self.hooks.wait('web', operation)
        return mark

    def test_killed_in_started(self):
        """The guest runs, and is found."""
        mark = self.hang_in('started')
        self.kill()
        self.gone(mark)
        self.host.start()
        self.hooks.wait('web', 'reconnect')
        self.assertEqual(self.state('web'), 'running')

    def test_ends_in_started(self):
        """The daemon's end is not the guest's."""
        mark = self.hang_in('started')
        self.assertEqual(self.host.end_daemon(), 0)
        self.gone(mark)
        self.host.start()
        self.assertEqual(self.state('web'), 'running')

    def test_ends_in_start(self):
        """What was begun is undone first."""
        mark = self.hang_in('start')
        self.assertEqual(self.host.end_daemon(), 0)
        self.gone(mark)
        self.assertEqual(self.hooks.heard('web'), START[:2] + END)


@unittest.skipUnless(libvirt, 'python3-libvirt is not installed')
class TestMany(Case):
    N = 100

    def test_side_by_side(self):
        """Each domain's calls are its own, in order, and they do not wait for each other."""
        self.hooks.add(text=f'''#!/bin/sh
echo "libxl $1 $2 $3 $4" >>{self.hooks.dir}/calls
[ "$2" = prepare ] || exit 0
echo + >>{self.hooks.dir}/running
sleep 0.5
echo - >>{self.hooks.dir}/running
''')
        connections = [libvirt.open(self.host.uri()) for _ in range(10)]
        failed = []

        def start(i):
            try:
                connections[i % 10].createXML(domain_xml(f'many{i}', memory=4096, os_type='linux'), 0)
            except libvirt.libvirtError as error:
                failed.append(error)
        threads = [threading.Thread(target=start, args=(i,)) for i in range(self.N)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        running = most = 0
        for sign, in self.hooks.lines('running'):
            running += 1 if sign == '+' else -1
            most = max(most, running)
        self.assertEqual(running, 0)
        self.assertGreater(most, 4)
        for i in range(self.N):
            self.assertEqual(self.hooks.heard(f'many{i}'), START)
        for connection in connections:
            connection.close()


if __name__ == '__main__':
    tap.main()
