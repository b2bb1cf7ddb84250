#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt-guests, as it is installed: what it does with guests when the host goes down and comes up again."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import tap  # noqa: E402
from harness import domain_xml  # noqa: E402

SCRIPT = next((path for path in ('/usr/lib/libvirt/libvirt-guests.sh', '/usr/libexec/libvirt-guests.sh') if os.path.exists(path)), None)
NEEDED = ('/usr/bin/gettext.sh', '/lib/lsb/init-functions')
MISSING = ('libvirt-guests.sh is not installed' if not SCRIPT else
           next((f'{path}, which libvirt-guests.sh reads, is not installed' for path in NEEDED if not os.path.exists(path)), None))
N = 8


@unittest.skipIf(MISSING, MISSING)
class TestGuests(harness.Case):
    def setUp(self):
        with open(SCRIPT) as f:
            text = f.read()
        # It has its folders from its build.
        for name, folder in ('sysconfdir', 'etc'), ('localstatedir', 'var'):
            text, n = re.subn(f'(?m)^{name}=.*$', f'{name}="{self.host.root}/{folder}"', text)
            self.assertEqual(n, 1, name)
        self.script = self.host.file('libvirt-guests.sh', text)
        for folder in 'etc/default', 'var/lock', 'var/lib/libvirt':
            os.makedirs(f'{self.host.root}/{folder}', exist_ok=True)
        self.list = f'{self.host.root}/var/lib/libvirt/libvirt-guests'
        self.names = [f'guest{i}' for i in range(N)]
        for name in self.names:
            self.virsh('define', self.host.file('guest.xml', domain_xml(name, os_type='linux')))

    def tearDown(self):
        for name in self.names:
            self.host.virsh('destroy', name)
            self.host.virsh('undefine', '--managed-save', name)
        self.host.virsh('destroy', 'once')
        if os.path.exists(self.list):
            os.unlink(self.list)

    def virsh(self, *args):
        status, out, err = self.host.virsh(*args)
        self.assertEqual(status, 0, (args, err))
        return out

    def configure(self, **settings):
        with open(f'{self.host.root}/etc/default/libvirt-guests', 'w') as f:
            f.write(f"URIS='{self.host.uri()}'\n" + ''.join(f'{key}={value}\n' for key, value in settings.items()))

    def run_script(self, what, says=''):
        done = subprocess.run(['sh', self.script, what], capture_output=True, text=True, timeout=200, env=harness.virsh_env())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, f'^({says})*$')
        return done.stdout

    def names_with(self, *flags):
        return sorted(set(self.virsh('list', '--name', *flags).split()) - {'Domain-0'})

    def start_all(self):
        for name in self.names:
            self.virsh('start', name)

    def reboot(self):
        """Of the host, with nothing but the disks kept."""
        self.host.end_daemon()
        self.host.end_host()
        self.host.start()
        self.assertEqual(self.names_with(), [])

    def test_suspend(self):
        self.configure(ON_SHUTDOWN='suspend', ON_BOOT='start')
        self.start_all()
        self.virsh('create', self.host.file('once.xml', domain_xml('once', os_type='linux')))
        out = self.run_script('stop')
        self.assertRegex(out, 'Not suspending transient guests on URI: .*: .*once')
        self.assertEqual(self.names_with('--all', '--with-managed-save'), self.names)
        self.assertEqual(self.names_with(), ['once'])
        self.reboot()
        out = self.run_script('start')
        for name in self.names:
            self.assertIn(f'Resuming guest {name}: done', out)
            self.assertEqual(self.virsh('domstate', '--reason', name).strip(), 'running (restored)')
        self.assertEqual(self.names_with('--all', '--with-managed-save'), [])
        self.assertFalse(os.path.exists(self.list))

    def test_shutdown(self):
        """Three at a time, and again without a limit of time."""
        for settings in ({'PARALLEL_SHUTDOWN': 3, 'SHUTDOWN_TIMEOUT': 120}, {'PARALLEL_SHUTDOWN': N, 'SHUTDOWN_TIMEOUT': 0}):
            with self.subTest(**settings):
                self.configure(ON_SHUTDOWN='shutdown', ON_BOOT='start', **settings)
                self.start_all()
                out = self.run_script('stop')
                self.assertEqual(out.count('Starting shutdown on guest: guest'), N)
                self.assertEqual(self.names_with(), [])
                for name in self.names:
                    self.assertIn(f'Shutdown of guest {name} complete.', out)
                    self.assertEqual(self.virsh('domstate', '--reason', name).strip(), 'shut off (shutdown)')
                self.reboot()
                self.assertEqual(self.run_script('start').count(': done'), N)
                self.assertEqual(self.names_with(), self.names)
                for name in self.names:
                    self.virsh('destroy', name)

    def test_one_by_one(self):
        """Also those that are transient; nothing is started again unless that was asked for."""
        self.configure(ON_SHUTDOWN='shutdown')
        self.virsh('start', self.names[0])
        self.virsh('create', self.host.file('once.xml', domain_xml('once', os_type='linux')))
        # virsh, about one that is gone with its guest.
        out = self.run_script('stop', says="error: failed to get domain '.*'\n")
        self.assertIn(f'Shutdown of guest {self.names[0]} complete.', out)
        self.assertEqual(self.names_with(), [])
        self.reboot()
        self.assertIn('configured not to start any guest', self.run_script('start'))
        self.assertEqual(self.names_with(), [])

    def test_in_time(self):
        """A guest that does not listen is given up."""
        self.host.control(f'[{self.names[0]}]\nguest-shutdown-ms=3600000\n')
        self.addCleanup(self.host.control, '')
        self.configure(ON_SHUTDOWN='shutdown', SHUTDOWN_TIMEOUT=2)
        self.virsh('start', self.names[0])
        self.assertIn('failed to complete in time', self.run_script('stop'))
        self.assertEqual(self.names_with(), self.names[:1])

    def test_status(self):
        self.configure()
        self.virsh('start', self.names[0])
        out = self.run_script('gueststatus')
        self.assertRegex(out, rf'{self.names[0]} +running')
        self.assertNotIn('Domain-0', out)


if __name__ == '__main__':
    tap.main()
