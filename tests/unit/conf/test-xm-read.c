/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf.h>

#include <string.h>
#include <time.h>

static ConfNative *
read_with(const char *text, gsize len, const ConfNativeOptions *options, GError **error)
{
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XM, text, len, "a.cfg", options, error);

    if (natives == NULL)
        return NULL;
    g_assert_cmpuint(natives->len, ==, 1);
    g_ptr_array_set_free_func(natives, NULL);
    return natives->pdata[0];
}

static ConfNative *
read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    ConfNative *native = read_with(text, strlen(text), NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpint(native->format, ==, CONF_FORMAT_XM);
    return native;
}

/* A node as one word: "text", a list as [a|b]. */
static void
append_node(GString *out, const ConfNode *node)
{
    if (node->kind == CONF_NODE_OPAQUE)
        g_string_append_printf(out, "?%s", node->text);
    else if (node->kind == CONF_NODE_NONE)
        g_string_append(out, "None");
    else if (node->kind != CONF_NODE_LIST)
        g_string_append(out, node->text);
    else {
        g_string_append_c(out, '[');
        for (guint i = 0; i < node->items->len; i++) {
            if (i > 0)
                g_string_append_c(out, '|');
            append_node(out, node->items->pdata[i]);
        }
        g_string_append_c(out, ']');
    }
}

static char *
value_of(const ConfNative *native, const char *key)
{
    const ConfNode *node = conf_node_find(native->root, key);
    GString *out = g_string_new(NULL);

    g_assert_nonnull(node);
    append_node(out, node);
    return g_string_free(out, FALSE);
}

/* Programs that leave one thing in `r`. */
typedef struct Case {
    const char *text, *result;
} Case;

static void
run_cases(const Case *cases, gsize n, unsigned max_notes)
{
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ConfNative)
            native = read_with(cases[i].text, strlen(cases[i].text), NULL, &error);
        g_autofree char *value = NULL;

        if (error != NULL)
            g_test_message("%s: %s", cases[i].text, error->message);
        g_assert_no_error(error);
        value = value_of(native, "r");
        if (g_strcmp0(value, cases[i].result) != 0)
            g_test_message("%s", cases[i].text);
        g_assert_cmpstr(value, ==, cases[i].result);
        g_assert_cmpuint(native->notes->len, <=, max_notes);
    }
}

static void
test_expressions(void)
{
    static const Case cases[] = {
        /* numbers, as Python 2 has them */
        { "r = 7 / 2", "3" },
        { "r = -7 / 2", "-4" },
        { "r = -7 % 3", "2" },
        { "r = 7 // 2.0", "3.0" },
        { "r = 7 / 2.0", "3.5" },
        { "r = 2 ** 10 - 1", "1023" },
        { "r = -2 ** 2", "-4" },
        { "r = 1 + 2 * 3 - (4 - 5)", "8" },
        { "r = 0755", "0755" },
        { "r = 0x400", "0x400" },
        { "r = 0x400 + 0", "1024" },
        { "r = 0b101 + 0o17 + 10L", "30" },
        { "r = 1 << 4 | 3 & 2 ^ 1", "19" },
        { "r = ~5", "-6" },
        { "r = 1e3 + .5", "1000.5" },
        { "r = True", "1" },
        { "r = None", "None" },
        { "r = not 0 and 'x' or 'y'", "x" },
        { "r = 'a' if 1 > 2 else 'b'", "b" },
        { "r = 1 < 2 < 3", "1" },
        { "r = 1 < 3 < 2", "0" },
        { "r = 'b' in 'abc' and 2 not in [1, 3]", "1" },
        { "r = None is None and 1 is not None and 1 <> 2", "1" },
        { "r = min(3, 1, 2) + max([4, 5])", "6" },
        { "r = int('42') + int(3.9) + int('ff', 16)", "300" },
        { "r = float('1.5') * 2", "3.0" },
        { "r = hex(255) + oct(8)", "0xff010" },
        { "r = abs(-3) + sum([1, 2]) + ord('A')", "71" },
        { "r = str(1.0) + str(0.1) + str(None)", "1.00.1None" },
        { "r = repr('it\\'s')", "\"it's\"" },
        { "r = str([1, 'a', (2,)])", "[1, 'a', (2,)]" },
        /* strings */
        { "r = 'a' \"b\" '''c'''", "abc" },
        { "r = '''a\nb'''", "a\nb" },
        { "r = 'a\\\nb'", "ab" },
        { "r = r'a\\n' + 'b\\x41\\101\\q'", "a\\nbAA\\q" },
        { "r = u'\\u00e9'", "\xC3\xA9" },
        { "r = 'ab' * 3", "ababab" },
        { "r = 'VM%d' % 3", "VM3" },
        { "r = '%s:%05d:%x:%.2f:%-4s|%%' % ('a', 42, 255, 1.5, 'b')", "a:00042:ff:1.50:b   |%" },
        { "r = '%(a)s-%(b)03d' % {'a': 'x', 'b': 7}", "x-007" },
        { "r = '%r %s' % ('x', [1])", "'x' [1]" },
        { "r = '{0}-{1:02x}-{n}'.format('a', 10, n=3)", "a-0a-3" },
        { "r = '{}{{}}'.format(5)", "5{}" },
        { "r = ':'.join(['%02x' % i for i in [0, 22, 62]])", "00:16:3e" },
        { "r = ':'.join(map(lambda x: '%02x' % x, [1, 2]))", "01:02" },
        { "r = 'a,b,c'.split(',')", "[a|b|c]" },
        { "r = ' a  b '.split()", "[a|b]" },
        { "r = 'a-b-c'.replace('-', '+').upper()", "A+B+C" },
        { "r = '  x '.strip() + 'xay'.strip('xy')", "xa" },
        { "r = 'abc'.startswith('ab') and 'abc'.endswith(('x', 'c'))", "1" },
        { "r = 'abc'[0] + 'abc'[-1] + 'abcdef'[1:4:2]", "acbd" },
        { "r = 'abc'[::-1] + 'abc'[1:]", "cbabc" },
        { "r = 'abc'.find('c') + 'aXbX'.count('X')", "4" },
        /* lists, tuples, dicts */
        { "r = [1, 'a',]", "[1|a]" },
        { "r = [1] + [2] * 2", "[1|2|2]" },
        { "r = range(3) + range(5, 1, -2)", "[0|1|2|5|3]" },
        { "r = list('ab') + sorted([3, 1, 2])", "[a|b|1|2|3]" },
        { "r = [x * y for x in [1, 2] for y in [3, 4] if x != y]", "[3|4|6|8]" },
        { "r = filter(lambda x: x > 1, [1, 2, 3])", "[2|3]" },
        { "r = [k for k, v in {'a': 1, 'b': 2}.items() if v == 2]", "[b]" },
        { "r = {'x': 1}.get('y', 5) + {'x': 1}['x']", "6" },
        { "r = len((1, 2, 3)) + len('ab') + len({1: 2})", "6" },
        { "r = [['a', 1], []]", "[[a|1]|[]]" },
        /* old and new forms */
        { "r = `1` + `'a'`", "1'a'" },
        { "r = {k: v * 2 for k, v in [('a', 1), ('b', 2)]}['b']", "4" },
        { "r = dict(a=1).get('a') + dict([('b', 2)])['b'] + dict({'c': 3})['c']", "6" },
        { "r = ', '.join('%s' % i for i in range(3))", "0, 1, 2" },
        { "r = (lambda *a: len(a))(1, 2, 3)", "3" },
        { "r = map(lambda *a: sum(a), [(1, 2)[0]])", "[1]" },
        { "r = sorted(['bb', 'a'], key=len) + sorted([1, 3, 2], reverse=True)", "[a|bb|3|2|1]" },
        { "r = sorted([1, 3, 2], lambda a, b: cmp(b, a))", "[3|2|1]" },
        { "r = zip([1, 2], 'ab', [3, 4])[1][2]", "4" },
        { "r = [i + x for i, x in enumerate([5, 6], 1)]", "[6|8]" },
        { "r = reduce(lambda a, b: a * b, [1, 2, 3, 4])", "24" },
        { "r = list(divmod(7, 2)) + [pow(2, 5), cmp(1, 2), round(2.567, 1)]", "[3|1|32|-1|2.6]" },
        { "r = isinstance('a', str) and isinstance(1, (str, int)) and not isinstance(1, list)",
          "1" },
        { "r = type('a') == str and type([]) is list", "1" },
        { "r = apply(min, (3, 2))", "2" },
        { "r = min(*[3, 1]) + max(*(4, 5))", "6" },
        { "r = '%(a)s' % dict(**{'a': 'x'})", "x" },
        { "r = getattr('a-b', 'upper')()", "A-B" },
        { "r = callable(len) + callable('x')", "1" },
        { "r = 'abcabc'.rfind('b') + 'a'.rfind('x')", "3" },
        { "r = list('k=v=w'.partition('=')) + list('k=v=w'.rpartition('='))", "[k|=|v=w|k=v|=|w]" },
        { "r = 'a.b.c'.rsplit('.', 1)", "[a.b|c]" },
        { "r = 'a\\nb\\r\\nc'.splitlines()", "[a|b|c]" },
        { "r = '7'.rjust(3, '0') + '7'.ljust(2) + 'x'.center(3, '-')", "0077 -x-" },
        { "r = 'ab1'.isalnum() + 'ab'.isalpha() + ' '.isspace() + 'A'.isupper() + 'a'.islower()",
          "5" },
        { "r = 'web server'.title() + 'aB'.swapcase()", "Web ServerAb" },
        { "r = u'x'.encode('utf-8').decode('ascii')", "x" },
        { "import string\nr = string.join(['a', 'b'], '-') + string.upper('x') + string.digits[3]",
          "a-bX3" },
        { "import string\nr = string.split('a,b', ',') + [string.atoi('7'), string.zfill('3', 2)]",
          "[a|b|7|03]" },
        { "r = str.lower('X') + str.strip(' a ')", "xa" },
        { "import re\nr = re.sub('[^a-z]', '-', 'a.b c') + re.compile('b+').search('abbc').group()",
          "a-b-cbb" },
        { "import re\nr = re.split(', *', 'a, b,c') + re.findall('[0-9]+', 'a1b22')",
          "[a|b|c|1|22]" },
        { "import math\nr = int(math.ceil(2.1)) + int(math.floor(2.9))", "5" },
        { "import os.path\nr = os.path.normpath('/a/./b//../c') + os.path.abspath('/x/')",
          "/a/c/x" },
        { "import os\nr = list(os.path.split('/a/b')) + [os.path.isabs('/a')]", "[/a|b|1]" },
        { "from os.path import *\nr = basename('/a/b')", "b" },
        { "import sys\nsys.path.append('/etc/xen')\nsys.stderr.write('x')\nr = 1", "1" },
        { "import time\ntime.sleep(1)\nr = 1", "1" },
    };

    run_cases(cases, G_N_ELEMENTS(cases), 0);
}

static void
test_statements(void)
{
    static const Case cases[] = {
        { "a = b = 2; r = a + b", "4" },
        { "a, b = 1, 2\na, b = b, a\nr = [a, b]", "[2|1]" },
        { "r = 1\nr += 2\nr *= 5", "15" },
        { "r = ['a']\nr += ['b']\nr.append('c')\nr.insert(0, 'z')\nr.extend(['y'])",
          "[z|a|b|c|y]" },
        { "r = [1, 2, 3]\nr[0] = 5\nr[-1] += 1", "[5|2|4]" },
        { "d = {}\nd['a'] = 1\nd['a'] += 1\nr = d['a']", "2" },
        { "if 0:\n r = 1\nelif 1:\n r = 2\nelse:\n r = 3", "2" },
        { "if 0: r = 1\nelse: r = 3", "3" },
        { "if 1:\n\tif 1:\n\t\tr = 1\n        r = 2\n", "2" },
        { "r = []\nfor i in range(3):\n    r.append('x%d' % i)\n", "[x0|x1|x2]" },
        { "r = 0\nfor i in range(9):\n  if i == 2: continue\n  if i == 5: break\n  r += i\n", "8" },
        { "r = 0\nwhile r < 5:\n  r += 2\nelse:\n  r += 10\n", "16" },
        { "for r in 'ab':\n  pass\n", "b" },
        { "def f(a, b=2, c='x'):\n  return '%d%d%s' % (a, b, c)\nr = f(1, c='y')\n", "12y" },
        { "def f(n):\n  if n <= 1: return 1\n  return n * f(n - 1)\nr = f(10)\n", "3628800" },
        { "def f():\n  global r\n  r = 7\nr = 1\nf()\n", "7" },
        { "x = 1\ndef f():\n  x = 2\n  def g(): return x\n  return g()\nr = f() * 10 + x", "21" },
        { "r = (lambda a, b=3: a + b)(1)", "4" },
        { "try:\n  r = int('x')\nexcept ValueError, e:\n  r = 'bad'\n", "bad" },
        { "try:\n  r = {}['x']\nexcept (TypeError, LookupError):\n  r = 'no'\n", "no" },
        { "try:\n  r = 1\nexcept:\n  r = 2\nelse:\n  r += 2\nfinally:\n  r += 10\n", "13" },
        { "def f():\n  raise ValueError('x')\ntry:\n  f()\nexcept Exception as e:\n  r = str(e)\n",
          "x" },
        { "print 'a', 3\nprint >>x, 'b'\nprint('c')\nr = 1; print r\n", "1" },
        { "r = 1 + \\\n 2", "3" },
        { "r = [ # one\n 1,\n\n # two\n 2 ]", "[1|2]" },
        { "r = 'a' \\\n 'b'", "ab" },
        { "\xEF\xBB\xBF# -*- coding: utf-8 -*-\r\nif 1:\r\n\tr = 'x'\r\n", "x" },
        { "assert 1\ndel_me = 1\ndel del_me\nr = 1", "1" },
        { "import os, re\nfrom os import uname\nr = uname()[4]", "x86_64" },
        { "r = os.path.join('/a', 'b', 'c.img')", "/a/b/c.img" },
        { "r = os.path.basename('/a/b') + os.path.dirname('/a/b')", "b/a" },
        { "import os.path\nr = os.path.splitext('a/b.cfg')[0]", "a/b" },
        { "import re\nr = re.search('(i)[3-6]86', 'xi686').group(1)", "i" },
        { "import re\nr = re.match('64', 'x64') is None", "1" },
        { "def f(a, *rest, **named):\n  return [a] + list(rest) + sorted(named.keys())\n"
          "r = f(1, 2, 3, x=4, b=5)\n",
          "[1|2|3|b|x]" },
        { "def f(a, b):\n  return a - b\nr = f(*[5], **{'b': 2})\n", "3" },
        { "a = 'x'\nr = '%(a)s-%(b)d' % dict(vars(), b=2)\n", "x-2" },
        { "name = 'vm1'\nr = '/img/%(name)s.img' % globals()\n", "/img/vm1.img" },
        { "globals()['r'] = 5\n", "5" },
        { "vars().update({'r': 6})\n", "6" },
        { "r = 'a' in locals()\na = 1\nr = [r, 'a' in locals(), locals().has_key('b')]\n",
          "[0|1|0]" },
        { "def f(a):\n  b = 2\n  return '%(a)d%(b)d' % locals()\nr = f(1)\n", "12" },
        { "for i in ('a', 'b'):\n  vars()['n_' + i] = i * 2\nr = n_a + n_b\n", "aabb" },
        { "r = [1, 2, 3]\ndel r[1]\nd = {'a': 1}\ndel d['a']\nr.append(len(d))\n", "[1|3|0]" },
        { "d = {'a': 1}\nr = [d.setdefault('a', 5), d.setdefault('b', 6), d.pop('a'), "
          "len(d.copy())]\n",
          "[1|6|1|1]" },
        { "r = ['b', 'a']\nr.sort()\nr.sort(key=lambda x: x, reverse=True)\n", "[b|a]" },
        { "l = ['a']\nr = [l.index('a'), ('x', 'y').index('y')]\n", "[0|1]" },
        { "try:\n  import json\nexcept ImportError:\n  json = None\nr = 1\n", "1" },
    };

    run_cases(cases, G_N_ELEMENTS(cases), 1); /* "assigns it again" */
}

/* The switch by the machine that configs of HVM guests have carried since Xen 3.0. */
static void
test_machine(void)
{
    static const char text[] = "import os, re\n"
                               "arch = os.uname()[4]\n"
                               "if re.search('64', arch):\n"
                               "    libdir = 'lib64'\n"
                               "else:\n"
                               "    libdir = 'lib'\n"
                               "device_model = '/usr/' + libdir + '/xen/bin/qemu-dm'\n"
                               "builder = 'hvm'\n";
    ConfNativeOptions options = { NULL, "i686" };
    g_autoptr(ConfNative) wide = read_text(text);
    g_autoptr(ConfNative) narrow = read_with(text, strlen(text), &options, NULL);
    const ConfNode *node = conf_node_find(wide->root, "device_model");

    g_assert_cmpstr(node->text, ==, "/usr/lib64/xen/bin/qemu-dm");
    g_assert_cmpuint(node->line, ==, 7);
    g_assert_cmpuint(node->column, ==, 1);
    g_assert_cmpuint(node->value_column, ==, 16);
    g_assert_cmpint(node->fate, ==, CONF_FATE_UNSEEN);
    g_assert_cmpstr(conf_node_find(narrow->root, "device_model")->text, ==,
                    "/usr/lib/xen/bin/qemu-dm");
    /* What helped to compute is no loss; modules are no settings. */
    g_assert_cmpint(conf_node_find(wide->root, "arch")->fate, ==, CONF_FATE_DEFAULT);
    g_assert_cmpint(conf_node_find(wide->root, "libdir")->fate, ==, CONF_FATE_DEFAULT);
    g_assert_null(conf_node_find(wide->root, "os"));
    g_assert_cmpuint(wide->root->items->len, ==, 4);
    g_assert_cmpuint(wide->notes->len, ==, 0);
}

static const char parameterised[] = "def check_id(var, val):\n"
                                    "    val = int(val)\n"
                                    "    if val <= 0:\n"
                                    "        raise ValueError\n"
                                    "    return val\n"
                                    "xm_vars.var('vmid',\n"
                                    "            use=\"Number of the machine\",\n"
                                    "            check=check_id)\n"
                                    "xm_vars.check()\n"
                                    "name = \"VM%d\" % vmid\n"
                                    "disk = [ 'phy:sda%d,sda1,w' % (7+vmid),\n"
                                    "         'phy:sda6,sda6,r' ]\n";

static void
test_parameters(void)
{
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    ConfNativeOptions options = { set, NULL };
    g_autoptr(ConfNative) native = NULL;
    g_autoptr(GError) error = NULL;
    const ConfNode *disk;

    g_assert_null(read_with(parameterised, strlen(parameterised), &options, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==,
                    "a.cfg:9:14: this config needs a value for 'vmid' (Number of the machine): "
                    "give it with --set vmid=N");
    g_clear_error(&error);

    g_hash_table_insert(set, (char *)"vmid", (char *)"0");
    g_assert_null(read_with(parameterised, strlen(parameterised), &options, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==, "a.cfg:4:9: the config itself raises ValueError here");
    g_clear_error(&error);

    g_hash_table_insert(set, (char *)"vmid", (char *)"3");
    g_hash_table_insert(set, (char *)"memory", (char *)"256");
    native = read_with(parameterised, strlen(parameterised), &options, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(conf_node_find(native->root, "name")->text, ==, "VM3");
    disk = conf_node_find(native->root, "disk");
    g_assert_cmpstr(((ConfNode *)disk->items->pdata[0])->text, ==, "phy:sda10,sda1,w");
    g_assert_cmpuint(((ConfNode *)disk->items->pdata[1])->line, ==, 12);
    g_assert_cmpuint(((ConfNode *)disk->items->pdata[1])->column, ==, 10);
    /* What is no variable of the config is an option, as for "xm create". */
    g_assert_cmpint(conf_node_find(native->root, "memory")->number, ==, 256);
    g_assert_cmpint(conf_node_find(native->root, "vmid")->fate, ==, CONF_FATE_DEFAULT);
}

/* NAME=VALUE goes over what the config says. */
static void
test_set(void)
{
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    ConfNativeOptions options = { set, NULL };
    static const char text[] = "name = 'a'\nvif = ['', '']\n";
    g_autoptr(ConfNative) native = NULL;

    g_hash_table_insert(set, (char *)"name", (char *)"b");
    g_hash_table_insert(set, (char *)"vif", (char *)"bridge=br0");
    native = read_with(text, strlen(text), &options, NULL);
    g_assert_cmpuint(native->root->items->len, ==, 2);
    g_assert_cmpstr(conf_node_find(native->root, "name")->text, ==, "b");
    g_assert_cmpuint(conf_node_find(native->root, "vif")->items->len, ==, 1);
}

static void
test_override(void)
{
    g_autoptr(ConfNative) native = read_text("memory = 64\n"
                                             "a = 1\n"
                                             "b = a\n"
                                             "a = 2\n"
                                             "for i in [1, 2]:\n  c = i\n"
                                             "memory = 128\n");
    const ConfNote *note;

    g_assert_cmpint(conf_node_find(native->root, "memory")->number, ==, 128);
    g_assert_cmpuint(conf_node_find(native->root, "memory")->line, ==, 7);
    g_assert_cmpuint(native->notes->len, ==, 1);
    note = native->notes->pdata[0];
    g_assert_cmpuint(note->line, ==, 1);
    g_assert_cmpstr(note->text, ==, "memory: line 7 assigns it again, and that value holds");
}

/* What is outside the scope is named where it stands; what depends on it is not made up, and all
 * else is there. */
static void
test_outside(void)
{
    static const struct {
        const char *text, *result;
        unsigned line, column;
        const char *note;
    } cases[] = {
        { "import socket\nr = 'x-%s' % socket.gethostname()\n",
          "?the module socket is not evaluated (line 1)", 1, 8,
          "the module socket is not evaluated (line 1): what depends on it is not known" },
        { "import time\nr = 'x-%s' % time.time()\n", "?time.time is not evaluated (line 2)", 2, 19,
          "time.time is not evaluated: what depends on it is not known" },
        { "r = open('/etc/passwd').read()\n", "?open is not evaluated (line 1)", 1, 5,
          "open is not evaluated: what depends on it is not known" },
        { "r = os.popen('id').read()\n", "?os.popen is not evaluated (line 1)", 1, 8,
          "os.popen is not evaluated: what depends on it is not known" },
        { "r = 'a'\nif os.path.exists('/x'):\n  r = 'b'\n",
          "?os.path.exists is not evaluated (line 2)", 2, 12,
          "os.path.exists is not evaluated: what depends on it is not known" },
        { "r = ['a']\nfor f in os.listdir('/'):\n  r.append(f)\n",
          "[a|?os.listdir is not evaluated (line 2)]", 2, 13,
          "os.listdir is not evaluated: what depends on it is not known" },
        { "def f():\n  if os.path.isfile('x'):\n    return 1\n  return 2\nr = f()\n",
          "?os.path.isfile is not evaluated (line 2)", 2, 14,
          "os.path.isfile is not evaluated: what depends on it is not known" },
        { "r = os.environ['HOME'] + '/x'\n", "?reading os.environ is not evaluated (line 1)", 1, 15,
          "reading os.environ is not evaluated: what depends on it is not known" },
        { "r = os.environ.get('D', ':0')\n", ":0", 1, 19,
          "the environment is not looked into: the default of the config is taken" },
        { "r = 2 ** 64\n", "?a number larger than 64 bits is not evaluated (line 1)", 1, 10,
          "a number larger than 64 bits is not evaluated: what depends on it is not known" },
        { "r = 99999999999999999999\n", "?a number larger than 64 bits is not evaluated (line 1)",
          1, 5, "a number larger than 64 bits is not evaluated: what depends on it is not known" },
        { "class r:\n  x = 1\n", "?class is not evaluated (line 1)", 1, 1,
          "class is not evaluated: what depends on it is not known" },
        { "with open('x') as f:\n  r = 1\n", "?with is not evaluated (line 1)", 1, 1,
          "with is not evaluated: what depends on it is not known" },
        { "r = ['a', open('x'), 'b']\n", "[a|?open is not evaluated (line 1)|b]", 1, 11,
          "open is not evaluated: what depends on it is not known" },
        { "r = {1, 2}\n", "?a set is not evaluated (line 1)", 1, 5,
          "a set is not evaluated: what depends on it is not known" },
        { "def f((a, b), c):\n  return a\nr = f((1, 2), 3)\n",
          "?the function f is not evaluated (line 1)", 1, 1,
          "the function f is not evaluated (line 1): what depends on it is not known" },
        { "def f():\n  yield 1\nr = list(f())\n", "?the function f is not evaluated (line 1)", 1, 1,
          "the function f is not evaluated (line 1): what depends on it is not known" },
        { "r = 1\nexec 'r = 2'\nr = s\n", "?exec is not evaluated (line 2)", 2, 1,
          "exec is not evaluated: what depends on it is not known" },
        { "execfile('/etc/xen/site.py')\nr = site_bridge\n",
          "?another file (/etc/xen/site.py), and what it sets or changes, is not evaluated (line "
          "1)",
          1, 9,
          "another file (/etc/xen/site.py), and what it sets or changes, is not evaluated: what "
          "depends on it is not known" },
        { "include('/etc/xen/site.py')\nr = site_bridge + 'x'\n",
          "?another file (/etc/xen/site.py), and what it sets or changes, is not evaluated (line "
          "1)",
          1, 8,
          "another file (/etc/xen/site.py), and what it sets or changes, is not evaluated: what "
          "depends on it is not known" },
        { "from site_defaults import *\nr = site_bridge\n",
          "?the module site_defaults is not evaluated (line 1)", 1, 27,
          "the module site_defaults is not evaluated: what depends on it is not known" },
        { "r = 0\nif 'DISPLAY' in os.environ:\n  r = 1\n",
          "?looking into os.environ is not evaluated (line 2)", 2, 17,
          "looking into os.environ is not evaluated: what depends on it is not known" },
        { "import re\nr = re.search('(a+)+$', 'aaaa')\n",
          "?this search with a pattern is not evaluated (line 2)", 2, 14,
          "this search with a pattern is not evaluated: what depends on it is not known" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat(cases[i].text, "name = 'still here'\n", NULL);
        g_autoptr(ConfNative) native = read_text(text);
        g_autofree char *value = value_of(native, "r");
        const ConfNote *note;

        g_test_message("%s", text);
        g_assert_cmpstr(value, ==, cases[i].result);
        g_assert_cmpuint(native->notes->len, >=, 1);
        note = native->notes->pdata[0];
        g_assert_cmpstr(note->text, ==, cases[i].note);
        g_assert_cmpuint(note->line, ==, cases[i].line);
        g_assert_cmpuint(note->column, ==, cases[i].column);
        g_assert_cmpstr(conf_node_find(native->root, "name")->text, ==, "still here");
    }
}

#define IF_EXISTS "if os.path.exists('/x'):\n  "

/* What may have happened, and what may not have, is not known: under any name, in any way. What has
 * nothing to do with it is. */
static void
test_taint(void)
{
    static const struct {
        const char *text, *result; /* '?' alone: not known, whatever the reason */
    } cases[] = {
        { "r = 'a'\n" IF_EXISTS "r = 'b'\n", "?" },
        { "r = 'a'\n" IF_EXISTS "s = 'b'\n", "a" },
        { IF_EXISTS "r = 'b'\nelse:\n  r = 'c'\n", "?" },
        { IF_EXISTS "r = 'b'\nr = 'c'\n", "c" },
        { "s = 'a'\n" IF_EXISTS "s = 'b'\nr = '/img/' + s\n", "?" },
        /* lists: what is in them stays, what may have come is one item */
        { "r = ['a']\n" IF_EXISTS "r.append('b')\n", "[a|?]" },
        { "r = ['a']\n" IF_EXISTS "r += ['b', 'c']\nr.append('d')\n", "[a|?|d]" },
        { "r = ['a']\ns = r\n" IF_EXISTS "s.extend(['b'])\n", "[a|?]" },
        { "r = ['a']\n" IF_EXISTS "r.remove('a')\n", "?" },
        { "r = ['a']\ns = r\n" IF_EXISTS "s[0] = 'b'\n", "?" },
        { "r = ['a']\n" IF_EXISTS "del r[0]\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = len(s)\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = s[0]\n", "a" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = s[-1]\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = ','.join(s)\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = ['x' + i for i in s]\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = 0\nfor i in s:\n  r += 1\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = 'b' in s\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = 'a' in s\n", "1" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = s == ['a']\n", "?" },
        { "s = ['a']\n" IF_EXISTS "s.append('b')\nr = ['c'] + s\n", "[c|a|?]" },
        { "r = ['a']\n" IF_EXISTS "r.append('b')\nr.sort()\n", "?" },
        { "d = {'a': 1}\n" IF_EXISTS "d['a'] = 2\nr = d['a']\n", "?" },
        { "d = {'a': 1}\nr = 0\n" IF_EXISTS "s = d.get('a')\nr = d['a']\n", "1" },
        /* functions of the program */
        { "r = 'a'\ndef f():\n  global r\n  r = 'b'\n" IF_EXISTS "f()\n", "?" },
        { "r = 'a'\ndef f():\n  r = 'b'\n" IF_EXISTS "f()\n", "a" },
        { "r = ['a']\ndef f(x):\n  x.append('b')\n" IF_EXISTS "f(r)\n", "?" },
        { "r = ['a']\ndef f():\n  r.append('b')\n" IF_EXISTS "f()\n", "[a|?]" },
        { "r = ['a']\n" IF_EXISTS "s = len(r)\n", "[a]" },
        { "r = ['a']\n" IF_EXISTS "s = r.pop()\n", "?" },
        { "def f():\n  " IF_EXISTS "  return 'a'\n  return 'b'\nr = f()\n", "?" },
        { "r = ['a']\ndef f():\n  " IF_EXISTS "  return\n  r.append('b')\nf()\n", "[a|?]" },
        { "r = 'a'\ndef f():\n  global r\n  " IF_EXISTS "  return\n  r = 'b'\nf()\n", "?" },
        { "r = ['a']\nos.path.exists('/x') and r.append('b')\n", "[a|?]" },
        { "r = ['a']\nx = r.append('b') if os.path.exists('/x') else 1\n", "[a|?]" },
        { "r = ['a']\nmap(r.append, os.listdir('/x'))\n", "[a|?]" },
        { "r = 'a'\ndef f(x):\n  global r\n  r = x\nmap(f, os.listdir('/x'))\n", "?" },
        /* functions of others */
        { "from site import add_disks\nr = ['a']\nadd_disks(r)\n", "[a|?]" },
        { "from site import each\nr = ['a']\neach(r.append)\n", "[a|?]" },
        { "from site import fill\nd = {'a': 1}\nfill(d)\nr = d['a']\n", "?" },
        /* exceptions: whether there is one is not known */
        { "try:\n  open('/x')\n  r = 'a'\nexcept IOError:\n  r = 'b'\n", "?" },
        { "r = 'a'\ntry:\n  s = open('/x').read()\nexcept:\n  pass\n", "a" },
        { "r = ['a']\ntry:\n  open('/x')\nexcept:\n  r.append('b')\n", "[a|?]" },
        { "def f():\n  try:\n    open('/x')\n    return 'a'\n  except:\n    return 'b'\nr = f()\n",
          "?" },
        { "r = 'a'\ntry:\n  open('/x')\nfinally:\n  r = 'b'\n", "b" },
        { "for i in range(3):\n  try:\n    open('/x')\n    r = i\n    break\n  except:\n    pass\n",
          "?" },
        /* loops */
        { "r = 0\nfor i in open('/x'):\n  r += 1\n", "?" },
        { "r = 0\nfor i in [1, 2]:\n  if os.path.exists('/%d' % i): break\n  r += 1\n", "?" },
        { "r = 0\nwhile os.path.exists('/x'):\n  r += 1\n", "?" },
        { "r = ['a', open('/x')]\nr = 'b' in r\n", "?" },
        { "s = [open('/x')]\nr = s == ['b']\n", "?" },
        { "r = sorted([open('/x'), 'a'])\n", "?" },
        { "d = {}\nd[open('/x')] = 1\nr = 1\n", "1" },
        { "d = {open('/x'): 1, 'a': 2}\nr = d['a']\n", "?" },
        { "d = dict([(k, 1) for k in ('a', open('/x'))])\nr = d.get('a')\n", "?" },
        { "with open('/x') as f:\n  r = 'a'\n", "?" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat("import os\n", cases[i].text, "name = 'here'\n", NULL);
        g_autoptr(ConfNative) native = read_text(text);
        g_autofree char *found = value_of(native, "r");
        g_auto(GStrv) words = g_strsplit_set(found, "?", 2);
        bool unknown = words[1] != NULL;
        g_autofree char *shown = NULL;

        g_test_message("%s: %s", text, found);
        /* "[a|?why|b]" as "[a|?|b]" */
        if (unknown && *words[0] != '\0') {
            gsize end = strcspn(words[1], "|]");

            shown = g_strconcat(words[0], "?", words[1] + end, NULL);
        }
        g_assert_cmpstr(shown != NULL ? shown : unknown ? "?" : found, ==, cases[i].result);
        g_assert_cmpstr(conf_node_find(native->root, "name")->text, ==, "here");
    }
}

/* xm drew a MAC address at each start. One that is drawn from the text is the same each time, is
 * well-formed, and the report says that it was drawn. */
static void
test_random(void)
{
    static const char text[] =
        "import random\n"
        "def mac():\n"
        "    parts = [0x00, 0x16, 0x3e, random.randint(0x00, 0x7f),\n"
        "             random.randint(0x00, 0xff), random.randint(0x00, 0xff)]\n"
        "    return ':'.join(map(lambda x: '%02x' % x, parts))\n"
        "vif = ['bridge=xenbr0, mac=' + mac()]\n"
        "port = 5900 + random.choice(range(10)) + random.randrange(0, 10, 2)\n"
        "a = [1, 2, 3]\nrandom.shuffle(a)\nb = random.sample(a, 2)\nc = random.random() < 1.0\n";
    g_autoptr(ConfNative) native = read_text(text), again = read_text(text);
    g_autofree char *vif = value_of(native, "vif"), *vif_again = value_of(again, "vif");
    gint64 port = conf_node_find(native->root, "port")->number;
    const ConfNote *note = native->notes->pdata[0];

    g_assert_true(
        g_regex_match_simple("^\\[bridge=xenbr0, mac=00:16:3e(:[0-9a-f]{2}){3}\\]$", vif, 0, 0));
    g_assert_cmpstr(vif, ==, vif_again);
    g_assert_cmpint(port, >=, 5900);
    g_assert_cmpint(port, <, 5920);
    g_assert_cmpuint(conf_node_find(native->root, "a")->items->len, ==, 3);
    g_assert_cmpuint(conf_node_find(native->root, "b")->items->len, ==, 2);
    g_assert_cmpint(conf_node_find(native->root, "c")->number, ==, 1);
    g_assert_true(note->carried);
    g_assert_cmpuint(note->line, ==, 3);
    g_assert_true(g_str_has_prefix(note->text, "xm draws anew at each start"));
}

/* An import that nobody uses is no loss. */
static void
test_unused_import(void)
{
    g_autoptr(ConfNative) native = read_text("import time, random as rnd\nname = 'a'\n");

    g_assert_cmpuint(native->notes->len, ==, 0);
    g_assert_cmpuint(native->root->items->len, ==, 1);
}

/* xm takes strings, numbers and lists. */
static void
test_kinds(void)
{
    g_autoptr(ConfNative) native = read_text("disk = ('phy:a,b,w',)\nd = {'a': 1}\nt = 1.5\n");

    g_assert_cmpint(conf_node_find(native->root, "disk")->kind, ==, CONF_NODE_OPAQUE);
    g_assert_cmpint(conf_node_find(native->root, "d")->kind, ==, CONF_NODE_OPAQUE);
    g_assert_cmpint(conf_node_find(native->root, "t")->kind, ==, CONF_NODE_FLOAT);
    g_assert_cmpfloat(conf_node_find(native->root, "t")->real, ==, 1.5);
}

static void
test_errors(void)
{
    static const struct {
        ConfError code;
        const char *text, *message;
    } cases[] = {
        { CONF_ERROR_SYNTAX, "vif = [ 'a',\n'b'\n", "a.cfg:1:7: '[' opened here is never closed" },
        { CONF_ERROR_SYNTAX, "vif = [ 'a'\nname = 'b'\n",
          "a.cfg:1:7: '[' opened here is not closed before line 2" },
        { CONF_ERROR_SYNTAX, "vif = [ 'a',\nname = 'b'\n",
          "a.cfg:1:7: '[' opened here is not closed before line 2" },
        { CONF_ERROR_SYNTAX, "a = (1, [2)\n",
          "a.cfg:1:11: ')' does not close the '[' opened at "
          "1:9" },
        { CONF_ERROR_SYNTAX, "a = 1)\n", "a.cfg:1:6: no '(' was opened for this ')'" },
        { CONF_ERROR_SYNTAX, "\nname = 'a\n",
          "a.cfg:2:8: the string that opens here is not closed in this line" },
        { CONF_ERROR_SYNTAX, "name = '''a\n",
          "a.cfg:1:8: the string that opens here is never closed" },
        { CONF_ERROR_SYNTAX, "if 1:\nname = 'a'\n",
          "a.cfg:2:1: expected an indented block but found 'name'" },
        { CONF_ERROR_SYNTAX, "if 1\n", "a.cfg:1:5: expected ':' but found the end of the line" },
        { CONF_ERROR_SYNTAX, "a = 1\n  b = 2\n",
          "a.cfg:2:3: expected a line that begins where the lines above begin but found an "
          "indented line" },
        { CONF_ERROR_SYNTAX, "if 1:\n    a = 1\n  b = 2\n",
          "a.cfg:3:3: this line is indented like none of the blocks around it (a tab goes to the "
          "next multiple of 8)" },
        { CONF_ERROR_SYNTAX, "a = \n",
          "a.cfg:1:5: expected a value but found the end of the line" },
        { CONF_ERROR_SYNTAX, "a = 1 2\n",
          "a.cfg:1:7: expected the end of the line but found a "
          "number" },
        { CONF_ERROR_SYNTAX, "a 2\n",
          "a.cfg:1:3: expected the end of the line, '=' or an "
          "operator but found a number" },
        { CONF_ERROR_SYNTAX, "if 1: break\n",
          "a.cfg:1:7: expected a statement that makes sense "
          "outside of a loop but found 'break'" },
        { CONF_ERROR_SYNTAX, "a = f(*b=1)\n",
          "a.cfg:1:6: '(' opened here is not closed before line 1" },
        { CONF_ERROR_SYNTAX, "del .5\n", "a.cfg:1:5: nothing can be assigned to this" },
        { CONF_ERROR_SYNTAX, "1 = a\n", "a.cfg:1:1: nothing can be assigned to this" },
        { CONF_ERROR_SYNTAX, "a = 3 $ 4\n", "a.cfg:1:7: '$' means nothing in Python" },
        { CONF_ERROR_SYNTAX, "a = 0x\n", "a.cfg:1:5: this is no number" },
        { CONF_ERROR_INVALID, "name = vm\n", "a.cfg:1:8: NameError: the name 'vm' is not defined" },
        { CONF_ERROR_INVALID, "a = 'x' + 1\n",
          "a.cfg:1:11: TypeError: '+' does not work between str and int" },
        { CONF_ERROR_INVALID, "a = 1 / 0\n", "a.cfg:1:9: ZeroDivisionError: division by zero" },
        { CONF_ERROR_INVALID, "a = [1][3]\n",
          "a.cfg:1:8: IndexError: index 3 is not in a list of length 1" },
        { CONF_ERROR_INVALID, "a = int('x')\n",
          "a.cfg:1:8: ValueError: int() cannot read 'x' as a number" },
        { CONF_ERROR_INVALID, "if 1:\n  raise ValueError, 'no memory'\n",
          "a.cfg:2:3: the config itself raises ValueError here: no memory" },
        { CONF_ERROR_INVALID, "a = '%d' % 'x'\n",
          "a.cfg:1:12: TypeError: '%d' needs a number and not str" },
        { CONF_ERROR_INVALID, "a = '%s %s' % 1\n",
          "a.cfg:1:15: TypeError: there are fewer values than '%' in the string" },
        { CONF_ERROR_INVALID, "a, b = 1, 2, 3\n",
          "a.cfg:1:8: ValueError: 3 values cannot be given to 2 names" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(read_with(cases[i].text, strlen(cases[i].text), NULL, &error));
        g_assert_nonnull(error);
        g_assert_cmpstr(error->message, ==, cases[i].message);
        g_assert_error(error, CONF_ERROR, (int)cases[i].code);
    }
}

/* ---- hostile programs ---- */

static char *
repeat(const char *head, const char *unit, gsize count)
{
    GString *out = g_string_new(head);

    for (gsize i = 0; i < count; i++)
        g_string_append(out, unit);
    return g_string_free(out, FALSE);
}

/* Ends in an error or not, but soon. */
static void
assert_bounded(const char *text, gsize len)
{
    g_autoptr(GError) error = NULL;
    clock_t start = clock(); /* of this process: the machine may have others to run */
    g_autoptr(ConfNative) native = read_with(text, len, NULL, &error);

    g_assert_true((native != NULL) == (error == NULL));
    /* Generous for a slow machine under a sanitizer; without bounds it would be hours. */
    g_assert_cmpint(clock() - start, <, 30 * CLOCKS_PER_SEC);
}

static void
test_limits(void)
{
    static const char *const programs[] = {
        "while 1: pass\n",
        "while 1:\n  try:\n    x = 1/0\n  except:\n    pass\n",
        "def f(x): return f(x)\nf(1)\n",
        "f = lambda x: f(x)\nf(1)\n",
        "def f(): [f() for i in range(9)]\nf()\n",
        "x = 'a' * 10**9\n",
        "x = 'a'\nwhile 1: x = x + x\n",
        "x = 'a' * 8000000\ny = []\nwhile 1: y.append(x + 'b')\n",
        "x = []\nwhile 1: x.append(x)\n",
        "x = [0]\nwhile 1: x += x\n",
        "x = {}\ni = 0\nwhile 1:\n  x[i] = i\n  i += 1\n",
        "x = '%1000000000d' % 1\n",
        "x = '%s' % ('a' * 8000000)\nwhile 1: x == ('a' * 8000000)\n",
        "x = 'a' * 7000000\nwhile 1: x.count('b')\n",
        "import re\nwhile 1: re.search('a*a*a*b', 'a' * 500)\n",
        "x = '1' * 8000000\nwhile 1:\n  try: int(x)\n  except: pass\n",
        "x = ' ' * 8000000\nwhile 1: x.strip()\n",
        "x = 'z' * 8000000\nwhile 1: x.strip('y' * 4000000 + 'z')\n",
        "x = 'x' * 8000000\nwhile 1: x.startswith(x)\n",
        "x = 'x' * 8000000\nx[1:].startswith(tuple([x] * 50000))\nwhile 1: pass\n",
        "x = 2\nwhile x: x = x * x\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autoptr(GError) error = NULL;
        clock_t start = clock(); /* of this process: the machine may have others to run */
        g_autoptr(ConfNative) native = read_with(programs[i], strlen(programs[i]), NULL, &error);

        g_assert_true((native == NULL) == (error != NULL));
        /* The last one ends by itself: in a number that is not known. */
        if (i + 1 < G_N_ELEMENTS(programs)) {
            g_test_message("%s", programs[i]);
            g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
            g_assert_true(g_str_has_prefix(error->message, "a.cfg:"));
        } else {
            g_assert_no_error(error);
        }
        g_assert_cmpint(clock() - start, <, 30 * CLOCKS_PER_SEC);
    }
}

/* One huge value is not known; the file is read all the same. */
static void
test_huge_range(void)
{
    g_autoptr(ConfNative) native = read_text("a = range(10**9)\nb = 2\n");

    g_assert_cmpint(conf_node_find(native->root, "a")->kind, ==, CONF_NODE_OPAQUE);
    g_assert_cmpint(conf_node_find(native->root, "b")->number, ==, 2);
    g_assert_cmpuint(native->notes->len, ==, 1);
}

static void
test_hostile_text(void)
{
    static const struct {
        const char *head, *unit;
        gsize count;
    } cases[] = {
        { "a = ", "[", 1 << 20 },
        { "a = ", "(", 1 << 20 },
        { "a = ", "{", 1 << 20 },
        { "a = ", "-", 1 << 20 },
        { "a = ", "not ", 1 << 18 },
        { "a = 1", "+1", 1 << 18 },
        { "a = 2", "**2", 1 << 18 },
        { "a = x", "[0]", 1 << 18 },
        { "a = x", ".x", 1 << 18 },
        { "a = 1", " if 1 else 2", 1 << 16 },
        { "a = ", "lambda: ", 1 << 16 },
        { "", "a = ", 1 << 16 },
        { "", "a = 1\n", 1 << 17 },
        { "", "if 1:\n", 1 << 17 },
        { "a = ", "'a' ", 1 << 18 },
        { "", "@a\n", 1 << 17 },
        { "", "a;", 1 << 18 },
        { "a = [", "1,", 1 << 20 },
        { "f(", "a=1,", 1 << 18 },
        { "a = ", "f(", 1 << 18 },
        { "a = 0", "1", 1 << 20 },
        { "", "a", 1 << 20 },
        { "", "\n ", 1 << 20 },
        { "a = 1", " < 1", 1 << 18 },
        { "a = ", "`", 1 << 18 },
        { "a", ",a", 1 << 18 },
        { "x = ''.format(", "1,", 1 << 17 },
        { "for a in ", "a for ", 1 << 16 },
        { "a = [", "b for b in [", 1 << 16 },
        { "import a", ".a", 1 << 18 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = repeat(cases[i].head, cases[i].unit, cases[i].count);

        assert_bounded(text, strlen(text));
    }
    assert_bounded("a = 'x\0y'\n", 10);
    assert_bounded("\0", 1);
}

/* The tree may be far larger than the values that it is made of. */
static void
test_hostile_tree(void)
{
    static const char text[] = "a = [0] * 1000\nb = [a] * 1000\nc = [b] * 1000\n";
    static const char shared[] = "a = 'x' * 3000000\nb = [a, a]\n";
    static const char self[] = "a = [1]\na.append(a)\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfNative) native = NULL;

    g_assert_null(read_with(text, strlen(text), NULL, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_null(read_with(shared, strlen(shared), NULL, &error));
    g_assert_error(error, CONF_ERROR, CONF_ERROR_LIMIT);
    g_assert_true(g_str_has_prefix(error->message, "a.cfg:2:"));
    native = read_text(self);
    g_assert_cmpint(conf_node_find(native->root, "a")->kind, ==, CONF_NODE_LIST);
}

/* Real files, where the checkout has them beside it. */
static void
test_corpus(void)
{
    static const char *const formats[] = { "xm", "xl" };
    g_autoptr(GHashTable) set = g_hash_table_new(g_str_hash, g_str_equal);
    ConfNativeOptions options = { set, NULL };
    unsigned count = 0;

    g_hash_table_insert(set, (char *)"vmid", (char *)"1");
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autofree char *folder = g_build_filename(g_getenv("XLVIRT_SOURCE"), "..", "shared",
                                                   "corpus", formats[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        const char *name;

        while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *path = g_build_filename(folder, name, NULL);
            g_autofree char *text = NULL;
            g_autoptr(ConfNative) native = NULL;
            g_autoptr(GError) error = NULL;
            gsize len;

            g_assert_true(g_file_get_contents(path, &text, &len, NULL));
            native = read_with(text, len, &options, &error);
            g_assert_no_error(error);
            g_assert_nonnull(conf_node_find(native->root, "name"));
            g_assert_cmpuint(native->notes->len, ==, 0);
            count++;
        }
    }
    if (count == 0)
        g_test_skip("no corpus beside the checkout");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/xm/expressions", test_expressions);
    g_test_add_func("/conf/xm/statements", test_statements);
    g_test_add_func("/conf/xm/machine", test_machine);
    g_test_add_func("/conf/xm/parameters", test_parameters);
    g_test_add_func("/conf/xm/set", test_set);
    g_test_add_func("/conf/xm/override", test_override);
    g_test_add_func("/conf/xm/outside", test_outside);
    g_test_add_func("/conf/xm/taint", test_taint);
    g_test_add_func("/conf/xm/random", test_random);
    g_test_add_func("/conf/xm/unused-import", test_unused_import);
    g_test_add_func("/conf/xm/kinds", test_kinds);
    g_test_add_func("/conf/xm/errors", test_errors);
    g_test_add_func("/conf/xm/limits", test_limits);
    g_test_add_func("/conf/xm/huge-range", test_huge_range);
    g_test_add_func("/conf/xm/hostile-text", test_hostile_text);
    g_test_add_func("/conf/xm/hostile-tree", test_hostile_tree);
    g_test_add_func("/conf/xm/corpus", test_corpus);
    return g_test_run();
}
