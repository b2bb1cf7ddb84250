/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a map of processors is inside: features are bits of words, a word is one register of one
 * leaf of CPUID, or half of a model specific register. */
#pragma once

#include "conf-private.h"

#include <conf/conf-cpu.h>

/* More than any map has; a hostile one cannot take memory without end. */
#define CPU_MAX_WORDS    128
#define CPU_MAX_FEATURES 4096
#define CPU_MAX_MODELS   1024
#define CPU_MAX_VENDORS  64
#define CPU_MAX_FILES    1024
#define CPU_MAX_STEPPING 256

typedef struct CpuBits {
    guint32 words[CPU_MAX_WORDS];
} CpuBits;

/* Where the bits of a word come from. */
typedef struct CpuWord {
    gboolean msr;
    guint32 leaf, subleaf;
    guint reg; /* eax, ebx, ecx, edx */
} CpuWord;

typedef struct CpuVendor {
    char *name;
    char *string; /* 12 characters, as CPUID has them */
} CpuVendor;

typedef struct CpuFeature {
    char *name;
    gboolean blocks_migration;
    CpuBits bits;
} CpuFeature;

typedef struct CpuSignature {
    guint family, number;
    ConfBitmap *steppings; /* NULL: any */
} CpuSignature;

typedef struct CpuModel {
    char *name;
    gboolean for_host, for_guest;    /* may be what a host's, a guest's features are called */
    const CpuVendor *vendor;         /* NULL: any */
    GArray *signatures;              /* CpuSignature */
    gboolean has_parents_signatures; /* until the first of its own */
    CpuBits bits;                    /* what it has */
    GPtrArray *removed; /* names: it had them once, and some hypervisors still give them to it */
} CpuModel;

struct ConfCpuMap {
    gatomicrefcount refs;
    GArray *words;        /* CpuWord */
    GPtrArray *vendors;   /* CpuVendor */
    GPtrArray *features;  /* CpuFeature */
    GPtrArray *models;    /* CpuModel */
    GHashTable *by_name;  /* features; the key is the feature's */
    GHashTable *by_model; /* models, likewise */
};

const CpuVendor *cpu_vendor_find(const ConfCpuMap *map, const char *name);
const CpuFeature *cpu_feature_find(const ConfCpuMap *map, const char *name);
const CpuModel *cpu_model_find(const ConfCpuMap *map, const char *name);

/* `a` is changed. */
void cpu_bits_add(CpuBits *a, const CpuBits *b);
void cpu_bits_subtract(CpuBits *a, const CpuBits *b);
void cpu_bits_intersect(CpuBits *a, const CpuBits *b);
gboolean cpu_bits_are_empty(const CpuBits *a);
gboolean cpu_bits_have(const CpuBits *a, const CpuBits *b); /* all of b */

/* Calls `func` for each feature of `bits`, in the order of the map. Bits that several features have
 * belong to the first. */
void cpu_bits_foreach(const ConfCpuMap *map, const CpuBits *bits,
                      void (*func)(const CpuFeature *feature, gpointer data), gpointer data);

/* ---- a <cpu> (conf-cpu-spec.c) ---- */

/* `feature` is copied. */
void cpu_spec_wish(ConfCpuSpec *spec, const char *feature, ConfCpuPolicy policy);
ConfCpuSpec *cpu_spec_new(gboolean host);
ConfCpuWish *cpu_spec_find(const ConfCpuSpec *spec, const char *feature);
/* A guest's, as libvirt lays it out. `fallback`: another model may take the place of this one. */
char *cpu_spec_format_guest(const ConfCpuSpec *spec, gboolean fallback);
