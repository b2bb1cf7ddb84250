/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the simulated host's processors say of themselves: a server of either make, as CPUID answers
 * on it, and what Xen 4.17 leaves of that for guests that ask for nothing else (the letters beside
 * each feature in Xen's public arch-x86/cpufeatureset.h).
 */
#include <hv/sim/hvsim-cpu.h>

#define ALL  0xffffffffu
#define NONE 0

/* One register of one leaf. */
typedef struct Word {
    guint32 leaf, subleaf;
    guint reg; /* eax, ebx, ecx, edx */
    guint32 host[SIM_N_PROCESSORS];
    guint32 pv, hvm; /* of these bits a guest sees those that the host has */
} Word;

/* Rows of one leaf stand together. */
static const Word words[] = {
    /* the highest leaf, and the maker's name */
    { 0x0, 0, 0, { 0x00000016, 0x00000010 }, ALL, ALL },
    { 0x0, 0, 1, { 0x756e6547, 0x68747541 }, ALL, ALL },
    { 0x0, 0, 2, { 0x6c65746e, 0x444d4163 }, ALL, ALL },
    { 0x0, 0, 3, { 0x49656e69, 0x69746e65 }, ALL, ALL },
    /* family, model and stepping, and features */
    { 0x1, 0, 0, { 0x00050654, 0x00a00f11 }, ALL, ALL },
    { 0x1, 0, 2, { 0x7ffefbff, 0x7efa320b }, 0xf6d83203, 0xf7fa3203 },
    { 0x1, 0, 3, { 0xbfebfbff, 0x178bfbff }, 0x1fc9cbf5, 0x1fcbfbff },
    { 0x6, 0, 0, { 0x00000075, 0x00000004 }, NONE, NONE },
    { 0x7, 0, 1, { 0xd39ffffb, 0x219c97a9 }, 0xfdaf0b29, 0xfdbf0fab },
    { 0x7, 0, 2, { 0x00000008, 0x0040069c }, 0x02405f43, 0x02405f4f },
    { 0x7, 0, 3, { 0x9c000400, 0x00000010 }, 0xac00441c, 0xbc00441c },
    { 0xd, 1, 0, { 0x0000000f, 0x0000000f }, 0x00000007, 0x0000000f },
    { 0x80000001, 0, 2, { 0x00000121, 0x75c237ff }, 0x042109e3, 0x042109f3 },
    { 0x80000001, 0, 3, { 0x2c100800, 0x2fd3fbff }, 0xea500800, 0xee500800 },
    { 0x80000007, 0, 3, { 0x00000100, 0x000059ff }, NONE, NONE },
    { 0x80000008, 0, 1, { 0x00000000, 0x111ef657 }, 0x64001005, 0x751fd005 },
    { 0x8000000a, 0, 3, { 0x00000000, 0x119b9cff }, NONE, NONE },
};

/* Guests are told that they are some. */
#define HYPERVISOR_LEAF 0x1
#define HYPERVISOR_REG  2
#define HYPERVISOR_BIT  (1u << 31)

static guint32
value_for(const Word *word, SimProcessor processor, HvCpuView view)
{
    guint32 host = word->host[processor];

    if (view == HV_CPU_HOST)
        return host;
    if (word->leaf == HYPERVISOR_LEAF && word->reg == HYPERVISOR_REG)
        host |= HYPERVISOR_BIT;
    return host & (view == HV_CPU_PV ? word->pv : word->hvm);
}

GVariant *
sim_cpu_leaves(SimProcessor processor, HvCpuView view)
{
    GVariantBuilder rows;

    g_variant_builder_init(&rows, G_VARIANT_TYPE("a(uuuuuu)"));
    for (gsize i = 0; i < G_N_ELEMENTS(words);) {
        const Word *first = &words[i];
        guint32 regs[4] = { 0 };

        for (; i < G_N_ELEMENTS(words) && words[i].leaf == first->leaf &&
               words[i].subleaf == first->subleaf;
             i++)
            regs[words[i].reg] = value_for(&words[i], processor, view);
        g_variant_builder_add(&rows, "(uuuuuu)", first->leaf, first->subleaf, regs[0], regs[1],
                              regs[2], regs[3]);
    }
    return g_variant_builder_end(&rows);
}
