/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small map of processors, in the format of libvirt's. */
#pragma once

#include <glib.h>

typedef struct CpuMapFile {
    const char *name, *text;
} CpuMapFile;

#define CPU_FEATURE(name, leaf, bits)                                                              \
    "<feature name='" name "'><cpuid eax_in='" leaf "' " bits "/></feature>"

static const CpuMapFile cpu_map_files[] = {
    { "index.xml", "<cpus>"
                   "<arch name='power'><include filename='not-there.xml'/></arch>"
                   "<arch name='x86'>"
                   "<include filename='vendors.xml'/><include filename='features.xml'/>"
                   "<group name='old'><include filename='old.xml'/></group>"
                   "<include filename='new.xml'/>"
                   "</arch></cpus>" },
    { "vendors.xml", "<cpus><vendor name='Acme' string='AcmeAcmeAcme'/>"
                     "<vendor name='Other' string='OtherOtherOt'/>"
                     "<vendor name='Intel' string='GenuineIntel'/></cpus>" },
    /* clang-format off */
    { "features.xml", "<cpus>"
      CPU_FEATURE("fpu", "0x01", "edx='0x00000001'")
      CPU_FEATURE("sse", "0x01", "edx='0x00000002'")
      CPU_FEATURE("aes", "0x01", "ecx='0x00000002'")
      CPU_FEATURE("vmx", "0x01", "ecx='0x00000020'")
      CPU_FEATURE("avx", "0x07", "ecx_in='0x00' ebx='0x00000001'")
      CPU_FEATURE("hle", "0x07", "ebx='0x00000010'")
      CPU_FEATURE("rtm", "0x07", "ebx='0x00000800'")
      CPU_FEATURE("p1", "0x07", "ecx_in='0x01' eax='0x00000001'")
      CPU_FEATURE("p2", "0x07", "ecx_in='0x01' eax='0x00000002'")
      CPU_FEATURE("p3", "0x07", "ecx_in='0x01' eax='0x00000004'")
      CPU_FEATURE("p4", "0x07", "ecx_in='0x01' eax='0x00000008'")
      CPU_FEATURE("both", "0x09", "eax='0x00000003'")
      CPU_FEATURE("half", "0x09", "eax='0x00000001'")
      "<feature name='clock' migratable='no'><cpuid eax_in='0x80000007' edx='0x100'/></feature>"
      "<feature name='safe'><alias name='secure'/><msr index='0x10a' edx='0x0' eax='0x1'/></feature>"
      "</cpus>" },
    /* clang-format on */
    { "old.xml", "<cpus><model name='Base'><decode host='on' guest='on'/>"
                 "<feature name='fpu'/><feature name='sse'/></model></cpus>" },
    { "new.xml",
      "<cpus>"
      "<model name='Quick'><model name='Base'/>"
      "<signature family='6' model='26'/><vendor name='Acme'/><feature name='aes'/></model>"
      "<model name='QuickSafe'><model name='Quick'/><feature name='safe'/></model>"
      "<model name='Quicker'><model name='Quick'/>"
      "<signature family='6' model='42' stepping='3-5,9'/>"
      "<feature name='avx'/><feature name='p1'/><feature name='p2'/>"
      "<feature name='vmx' removed='yes'/></model>"
      "<model name='Hidden'><decode host='off' guest='off'/><model name='Base'/>"
      "<feature name='avx'/></model>"
      "<model name='Foreign'><model name='Base'/><vendor name='Other'/>"
      "<feature name='p3'/></model>"
      "<later/></cpus>" },
};
