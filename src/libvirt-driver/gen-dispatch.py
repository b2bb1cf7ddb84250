# SPDX-License-Identifier: LGPL-2.1-or-later
"""Turns lvd-procs.tsv into the dispatch table.

usage: gen-dispatch.py lvd-procs.tsv lvdprotocol.x lvd-dispatch.c lvd-dispatch.h

A row that says "done" and has no function lvd_do_NAME does not link."""
import csv
import re
import sys

tsv, protocol, out_c, out_h = sys.argv[1:]
BEFORE_OPEN = {1, 2, 60, 66, 67, 68, 69, 70}
with open(protocol) as f:
    structs = set(re.findall(r'^struct lvd_(\w+) \{', f.read(), re.M))
with open(tsv) as f:
    rows = list(csv.DictReader((line for line in f if not line.startswith('#')), delimiter='\t'))
FAMILIES = {'network', 'storage', 'nodedev', 'interface', 'secret', 'nwfilter'}
# status: whether we have a handler, whether the call is relayed
HANDLER = {'done', 'relay-local'}
RELAY = {'relay', 'relay-local'}
numbers = [int(row['number']) for row in rows]
if numbers != list(range(1, len(rows) + 1)):
    sys.exit(f'{tsv}: numbers are not 1..N in order')


def xdr(name, kind):
    full = f'{name}_{kind}'
    if full not in structs:
        return 'NULL', '0'
    return f'(xdrproc_t)xdr_lvd_{full}', f'sizeof(lvd_{full})'


with open(out_h, 'w') as h:
    h.write('/* Made by gen-dispatch.py from lvd-procs.tsv. */\n#pragma once\n\n#include "lvd.h"\n\n')
    for row in rows:
        h.write(f'#define LVD_PROC_{row["name"].upper()} {row["number"]}\n')
    h.write(f'#define LVD_N_PROCS {len(rows)}\n\n')
    for row in rows:
        if row['status'] in HANDLER:
            h.write(f'gboolean lvd_do_{row["name"]}(LvdCall *call, const void *args, void *ret, GError **error);\n')

with open(out_c, 'w') as c:
    c.write('/* Made by gen-dispatch.py from lvd-procs.tsv. */\n#include "lvd-dispatch.h"\n\n')
    c.write('static const LvdProc procs[LVD_N_PROCS + 1] = {\n')
    for row in rows:
        flags = [flag for flag, on in (
            ('LVD_PROC_HIGH', row['priority'] == 'high'),
            ('LVD_PROC_READONLY', row['readonly'] not in ('no', '-')),
            ('LVD_PROC_BEFORE_OPEN', int(row['number']) in BEFORE_OPEN),
            ('LVD_PROC_EVENT', row['status'] == 'event'),
            ('LVD_PROC_STREAM', row['stream'] != '-'),
            ('LVD_PROC_RELAY', row['status'] in RELAY),
            ('LVD_PROC_REGISTER', row['status'] in RELAY and row['name'].endswith('_event_register_any')),
            ('LVD_PROC_DEREGISTER', row['status'] in RELAY and row['name'].endswith('_event_deregister_any'))) if on]
        api = 'NULL' if row['api'] == '-' else f'"{row["api"]}"'
        handler = f'lvd_do_{row["name"]}' if row['status'] in HANDLER else 'NULL'
        family = f'LVD_FAMILY_{row["family"].upper()}' if row['family'] in FAMILIES else 'LVD_FAMILY_OURS'
        args, args_size = xdr(row['name'], 'args')
        ret, ret_size = xdr(row['name'], 'ret')
        c.write(f'    [{row["number"]}] = {{ {row["number"]}, "{row["name"]}", {api}, {handler}, {args}, {ret}, '
                f'{args_size}, {ret_size}, {" | ".join(flags) or "0"}, {family} }},\n')
    c.write('};\n\nconst LvdProc *\nlvd_proc_find(gint32 number)\n{\n'
            '    return number >= 1 && number <= LVD_N_PROCS ? &procs[number] : NULL;\n}\n')
