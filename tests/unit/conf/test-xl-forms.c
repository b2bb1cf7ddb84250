/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small languages inside xl's strings, against libxlutil: texts are put together from pieces,
 * so that many are nearly right. What xl takes we take; and what we write of it, xl understands
 * as it did the text that was read. The same texts each time.
 */
#include "xl-judge.h"

#include <conf/conf-private.h>
#include <string.h>

#define N_DISKS 12000
#define N_PCIS  4000
#define N_RATES 3000
#define N_VIFS  2000

#define PICK(rand, list) list[g_rand_int_range(rand, 0, (gint32)G_N_ELEMENTS(list))]

/* ---- one text through our converter ---- */

typedef struct Outcome {
    char *error; /* not converted */
    char *lost;  /* of the report */
    char *text;  /* the config that was written */
} Outcome;

static void
outcome_clear(Outcome *outcome)
{
    g_free(outcome->error);
    g_free(outcome->lost);
    g_free(outcome->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Outcome, outcome_clear)

static void
there_and_back(const char *key, const char *text, Outcome *ret)
{
    g_autoptr(GString) config = g_string_new("name = 'a'\nmemory = 64\ntype = 'hvm'\n");
    g_autoptr(ConfReport) report = conf_report_new("f"), back = conf_report_new("f");
    g_autoptr(GError) error = NULL;

    g_string_append_printf(config, "%s = [ \"%s\" ]\n", key, text);
    g_autoptr(GPtrArray)
        natives = conf_native_parse(CONF_FORMAT_XL, config->str, config->len, "f", NULL, &error);
    g_autoptr(ConfDomain) def = natives ? conf_domain_from_native(natives->pdata[0], report, &error)
                                        : NULL;
    if (def == NULL) {
        ret->error = g_strdup(error->message);
        return;
    }
    ret->lost = conf_report_format_text(report, false);
    ret->text = conf_domain_to_native(def, CONF_FORMAT_XL, back, &error);
    g_assert_no_error(error);
}

/* ---- disks ---- */

static const char *const targets[] = {
    "/dev/vg/a",
    "/img/a.qcow2",
    "vg/b",
    "phy:/dev/a",
    "file:/img/a",
    "tap:aio:/img/a",
    "tap2:/img/a",
    "aio:/img/a",
    "raw:/img/a",
    "qcow2:/img/a",
    "vhd:/img/a",
    "qcow:/img/a",
    "tap:qcow2:/img/a",
    "nbd:host 1",
    "iscsi:iqn=a,portal=b",
    "drbd:res",
    "enbd:x",
    "ioemu:/img/a",
    "tapdisk:/img/a",
    "/img/with blank",
    "",
    "/a=b",
    "rbd:pool/image",
    "script:x",
    "/img/a:b",
};
static const char *const formats[] = { "",    "raw",   "qcow", "qcow2", "vhd",
                                       "qed", "empty", "aio",  "RAW",   "zip" };
static const char *const vdevs[] = { "xvda",  "hda",    "sda1",      "xvdaa",       "hdc:cdrom",
                                     "d0p0",  "0xca00", "xvda:disk", "hdc:tapdisk", "vda",
                                     "xvdb2", "",       "51728" };
static const char *const accesses[] = { "", "r", "w", "ro", "rw", "w!", "x" };
static const char *const flags[] = {
    "cdrom",
    "devtype=cdrom",
    "devtype=disk",
    "devtype=",
    "backend=store",
    "backend=",
    "backendtype=phy",
    "backendtype=qdisk",
    "backendtype=tap",
    "backendtype=standalone",
    "backendtype=",
    "script=block-nbd",
    "script=/x/y",
    "script=block-iscsi",
    "direct-io-safe",
    "discard",
    "no-discard",
    "specification=xen",
    "specification=virtio",
    "colo",
    "no-colo",
    "colo-host=h",
    "colo-port=1",
    "colo-export=e",
    "active-disk=/a",
    "hidden-disk=/h",
    "sparse=1",
    "access=ro",
    "access=rw",
    "format=raw",
    "format=qcow2",
    "vdev=xvdc",
};
static const char *const ends[] = { "/last",      "/with,comma",
                                    "",           "iqn=a,portal=b:1",
                                    "h 10809",    "/img/a ",
                                    "phy:/dev/a", "rbd:pool/i:mon_host=a\\\\:1" };

static void
add(GString *spec, const char *word, GRand *rand)
{
    static const char *const commas[] = { ",", ",", ",", ", " };

    if (spec->len > 0)
        g_string_append(spec, PICK(rand, commas));
    g_string_append(spec, word);
}

static void
add_flags(GString *spec, GRand *rand, int most)
{
    for (int n = g_rand_int_range(rand, 0, most + 1); n > 0; n--)
        add(spec, PICK(rand, flags), rand);
}

static char *
make_disk(GRand *rand)
{
    GString *spec = g_string_new(NULL);
    int positional = g_rand_int_range(rand, 0, 6);

    add_flags(spec, rand, 2);
    if (positional > 0)
        add(spec, PICK(rand, targets), rand);
    if (positional > 1 && g_rand_int_range(rand, 0, 5) > 0)
        add(spec, PICK(rand, formats), rand);
    if (positional > 2)
        add(spec, PICK(rand, vdevs), rand);
    if (positional > 3)
        add(spec, PICK(rand, accesses), rand);
    add_flags(spec, rand, 3);
    if (positional == 0) {
        add(spec, "vdev=xvda", rand);
        g_string_append_printf(spec, ",target=%s", PICK(rand, ends));
    }
    return g_string_free(spec, FALSE);
}

static char *
out_spec(XlJudge *after, const char *key)
{
    XLU_ConfigList *list;
    int n;

    if (xlu_cfg_get_list(after->config, key, &list, &n, 1) != 0 || n < 1)
        return NULL;
    return g_strdup(xlu_cfg_get_listitem(list, 0));
}

/* ---- one meaning, one text ---- */

/* The text behind `name`, up to the quote; NULL: the JSON has none. */
static char *
json_string(const char *json, const char *name, const char **ret_start)
{
    g_autofree char *label = g_strdup_printf("\"%s\":\"", name);
    const char *at = strstr(json, label);

    if (at == NULL)
        return NULL;
    *ret_start = at + strlen(label);
    return g_strndup(*ret_start, strcspn(*ret_start, "\""));
}

static void
replace(char **json, const char *start, const char *old, const char *new)
{
    char *text = g_strdup_printf("%.*s%s%s", (int)(start - *json), *json, new, start + strlen(old));

    g_free(*json);
    *json = text;
}

static void
drop(char **json, const char *text)
{
    const char *at = strstr(*json, text);

    if (at)
        replace(json, at, text, "");
}

/* Names of virtual disks have many spellings, and xl puts /dev in front of paths. */
static char *
same_meaning(const char *from)
{
    char *json = g_strdup(from);
    const char *start;
    ConfPlace nowhere = { .report = NULL };
    g_autoptr(ConfDisk) disk = conf_disk_new();
    g_autofree char *vdev = json_string(json, "vdev", &start);

    if (vdev && conf_disk_set_vdev(disk, vdev, &nowhere, NULL))
        replace(&json, start, vdev, disk->target);
    g_autofree char *path = json_string(json, "pdev_path", &start);
    if (path && *path && *path != '/' && !g_str_has_prefix(path, "rbd:") &&
        strstr(json, "\"script\"") == NULL) {
        g_autofree char *whole = g_strconcat("/dev/", path, NULL);
        replace(&json, start, path, whole);
    }
    g_autofree char *now = json_string(json, "pdev_path", &start);
    bool empty = strstr(json, "\"format\":\"empty\"") && strstr(json, "\"script\"") == NULL;
    if (now && (empty || *now == '\0')) {
        g_autofree char *member = g_strdup_printf("\"pdev_path\":\"%s\",", now);
        drop(&json, member);
    }
    drop(&json, "\"backend_domname\":\"\",");
    drop(&json, ",\"specification\":\"xen\""); /* the default */
    return json;
}

/* Where we and libxlutil do not agree on purpose. */
static const struct Known {
    const char *error; /* part of our error */
    const char *why;
} known[] = {
    { "no vdev", "xl finds out later, when it starts the domain" },
    { "no virtual disk", "xl finds out later, when it starts the domain" },
    { "only a CD-ROM drive may be empty", "xl finds out later, when it starts the domain" },
};

static bool
is_known(const char *error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strstr(error, known[i].error))
            return true;
    }
    return false;
}

static void
check_form(const char *key, const char *text, char *(*judge)(XlJudge *, const char *),
           unsigned *ret_taken)
{
    g_auto(XlJudge) before = { NULL }, after = { NULL };
    g_auto(Outcome) ours = { NULL };
    g_autofree char *plain = g_strcompress(text);

    xl_judge_init(&before, "", 0);
    g_autofree char *theirs = judge(&before, plain);
    there_and_back(key, text, &ours);
    if (theirs == NULL)
        return; /* xl refuses it; what we make of it is our own business */
    if (strstr(theirs, "\"format\":\"empty\"") && strstr(theirs, "\"script\""))
        return; /* no disk to run a script for: libxl refuses it */
    if (ours.error && is_known(ours.error))
        return;
    if (ours.error) {
        g_test_message("%s: %s", text, ours.error);
        g_test_fail();
        return;
    }
    ++*ret_taken;
    xl_judge_init(&after, ours.text, strlen(ours.text));
    g_autofree char *spec = out_spec(&after, key);
    g_autofree char *again = spec ? judge(&after, spec) : NULL;
    g_autofree char *expected = same_meaning(theirs);
    g_autofree char *found = again ? same_meaning(again) : NULL;
    if (g_strcmp0(expected, found) != 0) {
        g_test_message("%s\n    xl read  %s\n    written  %s\n    xl reads %s\n    %s", text,
                       expected, spec ? spec : "(nothing)",
                       found ? found : xl_judge_complaint(&after), ours.lost);
        g_test_fail();
    }
}

static void
test_disks(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    unsigned taken = 0;

    for (int i = 0; i < N_DISKS; i++) {
        g_autofree char *text = make_disk(rand);

        check_form("disk", text, xl_judge_disk, &taken);
    }
    g_test_message("%u of %d are disks for xl", taken, N_DISKS);
    g_assert_cmpuint(taken, >, N_DISKS / 8);
}

/* ---- PCI ---- */

static const char *const bdfs[] = {
    "01:00.0",    "0000:01:00.0",    "0001:ff:1f.7", "bdf=03:00.1", "1:0.0",
    "04:00.*",    "bdf=04:00.*",     "01:00.8",      "x",           "",
    "01:00.0@05", "0000:01:00.0@1f", "01:00.0@20",   "name=card"
};
static const char *const pci_words[] = { "permissive=1",
                                         "permissive=0",
                                         "seize=1",
                                         "seize=0",
                                         "msitranslate=1",
                                         "power_mgmt=1",
                                         "rdm_policy=strict",
                                         "rdm_policy=relaxed",
                                         "vslot=5",
                                         "vslot=",
                                         "name=x",
                                         "permissive=yes",
                                         "unknown=1",
                                         "rdm_policy=x" };

static char *
make_pci(GRand *rand)
{
    GString *spec = g_string_new(PICK(rand, bdfs));

    for (int n = g_rand_int_range(rand, 0, 4); n > 0; n--)
        add(spec, PICK(rand, pci_words), rand);
    return g_string_free(spec, FALSE);
}

static void
test_pcis(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    unsigned taken = 0;

    for (int i = 0; i < N_PCIS; i++) {
        g_autofree char *text = make_pci(rand);

        check_form("pci", text, xl_judge_pci, &taken);
    }
    g_test_message("%u of %d are PCI devices for xl", taken, N_PCIS);
    g_assert_cmpuint(taken, >, N_PCIS / 10);
}

/* ---- rates ---- */

static char *
judge_rate(XlJudge *judge, const char *spec)
{
    g_autofree char *vif = g_strdup_printf("vif = [ \"%s\" ]\n", spec);
    g_auto(XlJudge) one = { NULL };

    xl_judge_init(&one, vif, strlen(vif));
    g_autofree char *told = xl_judge_value(&one, "vif");
    /* The words beside the rate are the business of test_vifs(). */
    const char *rate = strstr(told, "rate=");
    return rate && !g_str_has_prefix(rate, "rate=refused") ? g_strndup(rate, strcspn(rate, "}") + 1)
                                                           : NULL;
}

static char *
make_rate(GRand *rand)
{
    static const char *const numbers[] = { "1", "10", "250", "12345", "7", "01", "8191", "100" };
    static const char *const units[] = { "GB", "MB", "KB", "B", "Gb", "Mb", "Kb", "b", "kB" };
    static const char *const intervals[] = { "",       "",   "@50ms", "@20ms", "@1s",
                                             "@100us", "@2", "@0ms",  "@",     "@5000s" };

    return g_strdup_printf("mac=00:16:3e:00:00:01,bridge=b,rate=%s%s/s%s", PICK(rand, numbers),
                           PICK(rand, units), PICK(rand, intervals));
}

static void
test_rates(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);
    unsigned taken = 0;

    for (int i = 0; i < N_RATES; i++) {
        g_autofree char *text = make_rate(rand);

        check_form("vif", text, judge_rate, &taken);
    }
    g_assert_cmpuint(taken, >, N_RATES / 4);
}

/* ---- interfaces: all words come back ---- */

static const char *const vif_words[] = {
    "bridge=br0.100",
    "bridge=br0",
    "script=vif-openvswitch",
    "script=/etc/xen/scripts/vif-route",
    "ip=10.0.0.1",
    "ip=10.0.0.1/24 fd00::1/64",
    "vifname=v0",
    "backend=net",
    "model=e1000",
    "type=ioemu",
    "type=vif",
    "gatewaydev=eth0",
    "netdev=eth0",
    "devid=7",
    "mtu=9000",
    "trusted",
    "untrusted",
    "vlan=10",
    "vlan=10/20",
    "forwarddev=eth1",
    "colo_sock_mirror_id=1",
    "colo_filter_redirector0_queue=q",
    "rate=1MB/s",
};

static bool
comes_back(const char *word, char **out)
{
    if (g_str_equal(word, "model=e1000") && g_strv_contains((const char *const *)out, "type=vif"))
        return true; /* there is no emulated card */
    if (g_str_equal(word, "netdev=eth0"))
        word = "gatewaydev=eth0";
    return g_strv_contains((const char *const *)out, word);
}

static void
test_vifs(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(417);

    for (int i = 0; i < N_VIFS; i++) {
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GString) text = g_string_new("mac=00:16:3e:00:00:01");
        g_auto(XlJudge) after = { NULL };
        g_auto(Outcome) ours = { NULL };

        for (int n = g_rand_int_range(rand, 0, 6); n > 0; n--) {
            const char *word = PICK(rand, vif_words);
            size_t same = g_str_has_suffix(word, "trusted") || g_str_equal(word, "netdev=eth0");
            char *name = same ? g_strdup(strstr(word, "trusted") ? "trusted" : "gatewaydev")
                              : g_strndup(word, strcspn(word, "="));

            if (g_hash_table_add(names, name)) /* each once */
                g_string_append_printf(text, ",%s", word);
        }
        there_and_back("vif", text->str, &ours);
        g_test_message("%s: %s", text->str, ours.error ? ours.error : ours.text);
        g_assert_null(ours.error);
        if (ours.error)
            continue;
        xl_judge_init(&after, ours.text, strlen(ours.text));
        g_autofree char *spec = out_spec(&after, "vif");
        g_auto(GStrv) in = g_strsplit(text->str, ",", -1), out = g_strsplit(spec, ",", -1);
        for (char **word = in; *word; word++) {
            g_test_message("%s", *word);
            g_assert_true(comes_back(*word, out));
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    g_test_add_func("/conf/xl-forms/disk", test_disks);
    g_test_add_func("/conf/xl-forms/pci", test_pcis);
    g_test_add_func("/conf/xl-forms/rate", test_rates);
    g_test_add_func("/conf/xl-forms/vif", test_vifs);
    return g_test_run();
}
