# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases of tuning share."""
import re
import tempfile
import unittest

import xenhost

REFUSAL = xenhost.refusal()


@unittest.skipIf(REFUSAL, REFUSAL)
class TuneCase(unittest.TestCase):
    UP = ()

    @classmethod
    def setUpClass(cls):
        cls.xen = xenhost.Lab(*cls.UP)
        cls.xen.__enter__()
        cls.addClassCleanup(cls.xen.__exit__)

    def define(self, guest, name, **changes):
        """A guest of the lab with other words in its definition, under another name."""
        xml = self.xen.run(f'cat /srv/guests/{guest}.xml').replace(f'<name>{guest}<', f'<name>{name}<')
        for before, after in changes.values():
            self.assertIn(before, xml)
            xml = xml.replace(before, after)
        with tempfile.NamedTemporaryFile('w', suffix='.xml') as file:
            file.write(xml)
            file.flush()
            self.xen.virsh('define', file.name)
        self.addCleanup(self.xen.virsh, f'destroy {name}; undefine {name}', check=False)

    def matches(self, command, *patterns):
        out = self.xen.virsh(command)
        for pattern in patterns:
            self.assertRegex(out, re.compile(pattern, re.M))
        return out

    def refused(self, command, pattern):
        with self.assertRaises(xenhost.Failed) as caught:
            self.xen.virsh(command)
        self.assertRegex(str(caught.exception), pattern)
