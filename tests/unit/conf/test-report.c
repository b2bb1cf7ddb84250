/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <conf/conf.h>

#include <string.h>

static ConfNode *
add(ConfNode *parent, ConfNodeKind kind, const char *key, const char *text, ConfFate fate,
    unsigned line)
{
    ConfNode *node = conf_node_new(kind, key, line, 1);

    node->text = g_strdup(text);
    node->fate = fate;
    g_ptr_array_add(parent->items, node);
    return node;
}

static const ConfReportRow *
find(const ConfReport *report, const char *path)
{
    const ConfReportRow *found = NULL;

    for (guint i = 0; i < report->rows->len; i++) {
        const ConfReportRow *row = report->rows->pdata[i];

        if (g_str_equal(row->path, path)) {
            g_assert_null(found);
            found = row;
        }
    }
    return found;
}

static const char *
why(const char *path)
{
    return g_str_equal(path, "shadow_memory") ? "libvirt has no place for it" : NULL;
}

/* One of everything: each node gets exactly one row, with its place. */
static void
test_close(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, "a.cfg");
    g_autoptr(ConfReport) report = conf_report_new("a.cfg");
    ConfNode *disk;

    add(native->root, CONF_NODE_INT, "shadow_memory", "8", CONF_FATE_UNSEEN, 9);
    add(native->root, CONF_NODE_INT, "memory", "64", CONF_FATE_CARRIED, 1);
    add(native->root, CONF_NODE_INT, "xyz", "1", CONF_FATE_UNSEEN, 3);
    add(native->root, CONF_NODE_INT, "acpi", "1", CONF_FATE_DEFAULT, 4);
    add(native->root, CONF_NODE_INT, "domid", "7", CONF_FATE_RUNTIME, 5);
    add(native->root, CONF_NODE_STRING, "vncpasswd", "geheim", CONF_FATE_LOST, 6);
    disk = add(native->root, CONF_NODE_LIST, "disk", NULL, CONF_FATE_CARRIED, 2);
    add(disk, CONF_NODE_STRING, NULL, "phy:/a,xvda,w", CONF_FATE_CARRIED, 2);
    add(disk, CONF_NODE_STRING, NULL, "phy:/b,xvdb,w", CONF_FATE_UNSEEN, 7);
    conf_native_add_note(native, 8, 2, "lambda is not supported");
    conf_report_add(report, CONF_OUTCOME_LOST, 2, 1, "disk[0].script", NULL, "no %s", "script");
    conf_report_close(report, native, why);

    g_assert_cmpint(find(report, "memory")->outcome, ==, CONF_OUTCOME_CARRIED);
    g_assert_cmpint(find(report, "acpi")->outcome, ==, CONF_OUTCOME_DEFAULT);
    g_assert_cmpint(find(report, "domid")->outcome, ==, CONF_OUTCOME_RUNTIME);
    g_assert_cmpint(find(report, "disk[0]")->outcome, ==, CONF_OUTCOME_CARRIED);
    g_assert_cmpint(find(report, "disk[1]")->outcome, ==, CONF_OUTCOME_LOST);
    g_assert_cmpstr(find(report, "disk[1]")->value, ==, "phy:/b,xvdb,w");
    g_assert_null(find(report, "disk"));
    g_assert_cmpstr(find(report, "vncpasswd")->value, ==, "***");
    g_assert_cmpuint(conf_report_count(report, CONF_OUTCOME_LOST), ==, 6);
    g_assert_cmpuint(conf_report_count(report, CONF_OUTCOME_CARRIED), ==, 2);

    g_autofree char *text = conf_report_format_text(report, false);

    g_assert_cmpstr(text, ==,
                    "a.cfg:2:1: disk[0].script: no script\n"
                    "a.cfg:3:1: xyz: unknown key\n"
                    "a.cfg:6:1: vncpasswd: unknown key\n"
                    "a.cfg:7:1: disk[1]: unknown key\n"
                    "a.cfg:8:2: lambda is not supported\n"
                    "a.cfg:9:1: shadow_memory: libvirt has no place for it\n");
}

static void
test_all(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, "a.cfg");
    g_autoptr(ConfReport) report = conf_report_new("a.cfg");

    add(native->root, CONF_NODE_INT, "memory", "64", CONF_FATE_CARRIED, 1);
    add(native->root, CONF_NODE_INT, "acpi", "1", CONF_FATE_DEFAULT, 2);
    conf_report_add(report, CONF_OUTCOME_CHANGED, 0, 0, "name", NULL, "made from the file's name");
    conf_report_close(report, native, NULL);

    g_autofree char *text = conf_report_format_text(report, true);

    g_assert_cmpstr(text, ==,
                    "a.cfg: name: made from the file's name\n"
                    "a.cfg:1:1: memory: carried\n"
                    "a.cfg:2:1: acpi: says what holds anyway\n");
}

static void
test_nothing_lost(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, "a.cfg");
    g_autoptr(ConfReport) report = conf_report_new("a.cfg");

    add(native->root, CONF_NODE_LIST, "vif", NULL, CONF_FATE_CARRIED, 1);
    conf_report_close(report, native, NULL);

    g_autofree char *text = conf_report_format_text(report, false);

    g_assert_cmpstr(text, ==, "");
    g_assert_cmpuint(report->rows->len, ==, 1);
}

/* sxp: groups in groups, the same key more than once, a subtree that nobody knew. */
static void
test_paths(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_SXP, "config.sxp");
    g_autoptr(ConfReport) report = conf_report_new("config.sxp");
    ConfNode *image = add(native->root, CONF_NODE_GROUP, "image", NULL, CONF_FATE_UNSEEN, 2);
    ConfNode *hvm = add(image, CONF_NODE_GROUP, "hvm", NULL, CONF_FATE_UNSEEN, 3);
    ConfNode *params;

    add(hvm, CONF_NODE_INT, "vnc", "1", CONF_FATE_CARRIED, 4);
    add(hvm, CONF_NODE_INT, "isa", "1", CONF_FATE_UNSEEN, 5);
    for (unsigned i = 0; i < 2; i++) {
        ConfNode *device = add(native->root, CONF_NODE_GROUP, "device", NULL, CONF_FATE_UNSEEN, 6);
        ConfNode *vif = add(device, CONF_NODE_GROUP, "vif", NULL, CONF_FATE_UNSEEN, 6);

        add(vif, CONF_NODE_STRING, "mac", "00:16:3e:00:00:01", CONF_FATE_CARRIED, 7 + i);
    }
    params = add(native->root, CONF_NODE_GROUP, "vcpus_params", NULL, CONF_FATE_UNSEEN, 9);
    add(params, CONF_NODE_INT, "weight", "256", CONF_FATE_UNSEEN, 9);
    add(params, CONF_NODE_INT, "cap", "0", CONF_FATE_UNSEEN, 9);
    conf_report_close(report, native, NULL);

    g_assert_nonnull(find(report, "image/hvm/vnc"));
    g_assert_cmpint(find(report, "image/hvm/isa")->outcome, ==, CONF_OUTCOME_LOST);
    g_assert_nonnull(find(report, "device[0]/vif/mac"));
    g_assert_nonnull(find(report, "device[1]/vif/mac"));
    g_assert_cmpstr(find(report, "vcpus_params")->value, ==, "(weight 256 cap 0)");
    g_assert_cmpuint(report->rows->len, ==, 5);
}

/* The mapping marks a node lost and names it by itself: one row, not two. */
static void
test_named_once(void)
{
    g_autoptr(ConfNative) native = conf_native_new(CONF_FORMAT_XL, "a.cfg");
    g_autoptr(ConfReport) report = conf_report_new("a.cfg");

    add(native->root, CONF_NODE_STRING, "tee", "optee", CONF_FATE_LOST, 1);
    add(native->root, CONF_NODE_STRING, "memory", "63", CONF_FATE_CARRIED, 2);
    conf_report_add(report, CONF_OUTCOME_LOST, 1, 1, "tee", "optee", "no place");
    conf_report_add(report, CONF_OUTCOME_CHANGED, 2, 1, "memory", "63", "rounded up");
    conf_report_close(report, native, NULL);
    g_assert_cmpuint(report->rows->len, ==, 2);
}

/* What a config says never reaches the terminal as anything but text. */
static void
test_hostile_text(void)
{
    g_autoptr(ConfReport) report = conf_report_new("a\n.cfg");
    g_autofree char *value = g_strnfill(1000, 'x');
    g_autofree char *text = NULL;

    conf_report_add(report, CONF_OUTCOME_LOST, 1, 1, "a\033[2J\xff", value, "b\nc");
    text = conf_report_format_text(report, false);
    g_assert_cmpstr(text, ==, "a\\n.cfg:1:1: a\\x1b[2J\xEF\xBF\xBD: b\\nc\n");
    g_assert_cmpuint(strlen(((ConfReportRow *)report->rows->pdata[0])->value), ==, 80);
    conf_report_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conf/report/close", test_close);
    g_test_add_func("/conf/report/all", test_all);
    g_test_add_func("/conf/report/nothing-lost", test_nothing_lost);
    g_test_add_func("/conf/report/paths", test_paths);
    g_test_add_func("/conf/report/named-once", test_named_once);
    g_test_add_func("/conf/report/hostile-text", test_hostile_text);
    return g_test_run();
}
