#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the walls of docs/ARCHITECTURE.md: who may include whom, and which outside headers where."""
import re
import subprocess
import sys

# folder -> (prefixes of our own headers it may include, outside headers that only it may include)
MAY = {
    'src/conf/': ({'conf'}, set()),
    'src/hv/': ({'conf', 'hv'}, set()),
    'src/libxl/': ({'conf', 'hv'}, {'libxl', 'xenstore.h', 'xentoollog.h', 'xenctrl.h', 'xenguest.h'}),
    'src/libvirt-driver/': ({'conf', 'hv'}, {'rpc/', 'libvirt/'}),
    'tools/convert/': ({'conf'}, {'libvirt/', 'archive', 'xxhash.h'}),
}
OURS = {'conf', 'hv', 'libxl', 'libvirt-driver'}
PUBLIC = {'conf': {'conf.h', 'conf-cpu.h', 'conf-model.h', 'conf-native.h', 'conf-report.h', 'conf-xlext.h'}, 'hv': {'hv.h', 'engine.h'}}
LIMIT = 1000  # lines of a file
# They end the process, or forget, where no thread is to be had.
THREADS = re.compile(r'\bg_thread_(new|pool_new\w*)\([^)]')

bad = []
files = subprocess.run(['git', 'ls-files', '*.c', '*.h'], capture_output=True, text=True, check=True).stdout.split()
for path in files:
    with open(path) as source:
        text = source.readlines()
    if len(text) > LIMIT:
        bad.append(f'{path}: {len(text)} lines; split it by concern (at most {LIMIT})')
    folder = next((f for f in MAY if path.startswith(f)), None)
    if not folder:
        continue
    ours, outside = MAY[folder]
    own = folder.rstrip('/').split('/')[-1]
    for number, line in enumerate(text, 1):
        if THREADS.search(line):
            bad.append(f'{path}:{number}: hv_thread_new() or an HvCrew makes threads')
        match = re.match(r'\s*#\s*include\s*[<"]([^">]+)[">]', line)
        if not match:
            continue
        header = match[1]
        first = header.split('/')[0]
        if '/' in header and first in OURS:
            if first not in ours:
                bad.append(f'{path}:{number}: {folder} may not include <{header}>')
            elif first != own and header.split('/', 1)[1] not in PUBLIC.get(first, set()):
                bad.append(f'{path}:{number}: <{header}> is private to {first}')
        for other, (_, theirs) in MAY.items():
            for prefix in theirs:
                if header.startswith(prefix) and prefix not in outside:
                    bad.append(f'{path}:{number}: <{header}> belongs to {other}')
print('\n'.join(sorted(set(bad))))
sys.exit(1 if bad else 0)
