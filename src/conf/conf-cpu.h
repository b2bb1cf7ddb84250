/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processors of x86 by name: the models and features that libvirt's data files define
 * (cpu_map/index.xml and what it includes), what a host's CPUID says in their words, and whether
 * one processor can stand in for another. Answers are those of libvirt 9.0.
 *
 * Threads   A ConfCpuMap is immutable; everything here may be called from any thread.
 * Errors    CONF_CPU_ERROR, or CONF_ERROR (_SYNTAX, _LIMIT) for text that is no XML.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define CONF_CPU_ERROR (conf_cpu_error_quark())
GQuark conf_cpu_error_quark(void);

typedef enum ConfCpuError {
    CONF_CPU_ERROR_MAP,      /* the definitions are broken */
    CONF_CPU_ERROR_XML,      /* a <cpu> that lacks something, or has it twice */
    CONF_CPU_ERROR_VALUE,    /* a <cpu> with a word that nobody knows */
    CONF_CPU_ERROR_UNKNOWN,  /* no such model or feature; or no model for these features */
    CONF_CPU_ERROR_ARCH,     /* an architecture that has no definitions here */
    CONF_CPU_ERROR_ARGUMENT, /* no <cpu> at all, or one without a model where one must be */
    CONF_CPU_ERROR_MISMATCH, /* several <cpu> that have nothing in common */
    CONF_CPU_N_ERRORS,
} ConfCpuError;

/* ---- definitions ---- */

typedef struct ConfCpuMap ConfCpuMap;

/* The text of one file of the folder of definitions; `name` has no '/' and does not begin with a
 * dot. The caller's to free; NULL and *error of any domain. */
typedef char *(*ConfCpuMapRead)(const char *name, gpointer data, GError **error);

/* Begins with "index.xml". An include of an include is not followed; a model may stand on one that
 * was defined before it, on no other. Everything else than x86 is passed over. */
ConfCpuMap *conf_cpu_map_new(ConfCpuMapRead read, gpointer data, GError **error);
ConfCpuMap *conf_cpu_map_ref(ConfCpuMap *map);
void conf_cpu_map_unref(ConfCpuMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfCpuMap, conf_cpu_map_unref)

/* What is known of an architecture. UNKNOWN: no architecture has this name. */
typedef enum ConfCpuArch {
    CONF_CPU_ARCH_UNKNOWN,
    CONF_CPU_ARCH_OTHER, /* libvirt's name, no definitions */
    CONF_CPU_ARCH_ANY,   /* whatever model is named there is right */
    CONF_CPU_ARCH_X86,
} ConfCpuArch;
ConfCpuArch conf_cpu_arch(const char *name);

/* Names of the models of x86, NULL-terminated, in the order of the files. They live as long as the
 * map; free the array only. */
const char **conf_cpu_map_models(const ConfCpuMap *map);

/* ---- one processor ---- */

/* An answer of CPUID; with `msr` the model specific register number `leaf`, its halves in eax and
 * edx. */
typedef struct ConfCpuLeaf {
    gboolean msr;
    guint32 leaf, subleaf;
    guint32 eax, ebx, ecx, edx;
} ConfCpuLeaf;

typedef enum ConfCpuPolicy {
    CONF_CPU_FORCE,
    CONF_CPU_REQUIRE,
    CONF_CPU_OPTIONAL,
    CONF_CPU_DISABLE,
    CONF_CPU_FORBID,
    CONF_CPU_N_POLICIES,
} ConfCpuPolicy;

typedef struct ConfCpuWish {
    char *feature;
    ConfCpuPolicy policy; /* of a host: always REQUIRE */
} ConfCpuWish;

/* A <cpu>, as far as comparing goes. */
typedef struct ConfCpuSpec {
    gboolean host; /* it has an <arch>: a host's processor; else what a guest wants */
    gboolean strict;
    char *arch;         /* NULL: a guest's */
    char *model;        /* NULL: none */
    char *vendor;       /* NULL: any */
    GPtrArray *wishes;  /* ConfCpuWish: beside what the model has */
    gboolean is_signed; /* of conf_cpu_decode(): the next three are known */
    guint family, number, stepping;
} ConfCpuSpec;

void conf_cpu_spec_free(ConfCpuSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfCpuSpec, conf_cpu_spec_free)

/* One <cpu>; a <domain> or <capabilities> around it is refused. `must_host`: only a host's is
 * right. */
ConfCpuSpec *conf_cpu_spec_parse(const char *xml, gboolean must_host, GError **error);

/* The host whose processors say this: the model with the fewest features beside it, and those. A
 * model that has what this host lacks is none. No model at all: `model` is NULL, and the wishes are
 * all its features. */
ConfCpuSpec *conf_cpu_decode(const ConfCpuMap *map, const char *arch, const ConfCpuLeaf *leaves,
                             gsize n_leaves);

/* ---- two and more ---- */

typedef enum ConfCpuCompare { /* the numbers are libvirt's */
                              CONF_CPU_COMPARE_ERROR = -1,
                              CONF_CPU_COMPARE_INCOMPATIBLE = 0,
                              CONF_CPU_COMPARE_IDENTICAL = 1,
                              CONF_CPU_COMPARE_SUPERSET = 2, /* the host has more */
} ConfCpuCompare;

/* Whether `host` can be `cpu`. With *ret_why (may be NULL) the reason of INCOMPATIBLE. */
ConfCpuCompare conf_cpu_compare(const ConfCpuMap *map, const ConfCpuSpec *host,
                                const ConfCpuSpec *cpu, char **ret_why, GError **error);

typedef enum ConfCpuBaseline {
    CONF_CPU_BASELINE_EXPAND = 1 << 0,     /* the model's features, too */
    CONF_CPU_BASELINE_MIGRATABLE = 1 << 1, /* without what blocks a migration */
    CONF_CPU_BASELINE_FORBID = 1 << 2,     /* <model fallback='forbid'> always */
} ConfCpuBaseline;

/* <cpu> of a guest that runs on each of `cpus` (ConfCpuSpec), and with `limit` (may be NULL) has
 * nothing that this one lacks. */
char *conf_cpu_baseline(const ConfCpuMap *map, GPtrArray *cpus, const ConfCpuSpec *limit,
                        unsigned flags, GError **error);

G_END_DECLS
