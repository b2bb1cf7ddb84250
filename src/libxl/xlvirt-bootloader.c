/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: xlvirt-bootloader --xlvirt-cache=FOLDER --xlvirt-cache-mib=N --xlvirt-run=PROGRAM
 *                          [--output=FILE] [--output-directory=FOLDER] ARGUMENT...
 *
 * What libxl runs in place of a bootloader like pygrub: PROGRAM does the work, with the arguments
 * that libxl gives (xl.cfg(5)), and the kernel that it took from the guest's disk goes through the
 * cache of unpacked kernels (docs/KERNEL-CACHE.md) before libxl gets to know of it. Whatever goes
 * wrong with that, the kernel is used as PROGRAM left it.
 */
#include "hvxl-kernel-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024) /* names and a command line */
#define KERNEL     "kernel "

typedef struct Run {
    const char *cache_dir;
    guint64 cache_bytes;
    const char *program;
    const char *output;    /* where libxl listens */
    const char *directory; /* libxl's, for what the bootloader brings */
    GPtrArray *argv;       /* of PROGRAM */
    char *draft;           /* where PROGRAM writes to; NULL: there is no --output */
} Run;

/* ---- arguments ---- */

static const char *
value_of(const char *arg, const char *option)
{
    return g_str_has_prefix(arg, option) ? arg + strlen(option) : NULL;
}

static gboolean
take_own(Run *run, const char *arg)
{
    const char *value;

    if ((value = value_of(arg, "--xlvirt-cache=")))
        run->cache_dir = value;
    else if ((value = value_of(arg, "--xlvirt-cache-mib=")))
        run->cache_bytes = g_ascii_strtoull(value, NULL, 10) << 20;
    else if ((value = value_of(arg, "--xlvirt-run=")))
        run->program = value;
    return value != NULL;
}

static gboolean
parse(Run *run, int argc, char **argv)
{
    run->argv = g_ptr_array_new();
    g_ptr_array_add(run->argv, NULL);
    for (int i = 1; i < argc; i++) {
        const char *output = value_of(argv[i], "--output=");
        const char *directory = value_of(argv[i], "--output-directory=");

        if (take_own(run, argv[i]))
            continue;
        if (output)
            run->output = output;
        if (directory)
            run->directory = directory;
        g_ptr_array_add(run->argv, argv[i]);
    }
    g_ptr_array_add(run->argv, NULL);
    if (!run->program)
        return FALSE;
    run->argv->pdata[0] = (char *)run->program;
    return TRUE;
}

/* PROGRAM writes to a file of ours, which has to be there: it expects libxl's pipe. */
static gboolean
divert_output(Run *run)
{
    int fd;

    if (!run->output || !run->directory || !run->cache_dir)
        return TRUE;
    run->draft = g_build_filename(run->directory, "xlvirt-output", NULL);
    fd = open(run->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_printerr("xlvirt-bootloader: cannot create '%s': %s\n", run->draft, g_strerror(errno));
        return FALSE;
    }
    close(fd);
    for (guint i = 1; i + 1 < run->argv->len; i++) {
        if (value_of(run->argv->pdata[i], "--output="))
            run->argv->pdata[i] = g_strconcat("--output=", run->draft, NULL);
    }
    return TRUE;
}

/* ---- the bootloader ---- */

/* Its status as a program's. */
static int
run_program(const Run *run)
{
    pid_t parent = getpid(), pid = fork();
    int status;

    if (pid == 0) {
        /* libxl ends us, and means it. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
        execv(run->program, (char **)run->argv->pdata);
        fprintf(stderr, "xlvirt-bootloader: cannot run '%s': %s\n", run->program, strerror(errno));
        _exit(127);
    }
    if (pid < 0) {
        g_printerr("xlvirt-bootloader: cannot start a process: %s\n", g_strerror(errno));
        return 1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- its answer ---- */

/* libxl removes each file when it has it open: a link, so that it is not the cache's own. */
static char *
replace_kernel(const Run *run, const HvxlKernel *kernel, const char *path)
{
    char *link = g_build_filename(run->directory, "xlvirt-kernel", NULL);

    if (symlink(hvxl_kernel_path(kernel), link) == 0) {
        unlink(path);
        return link;
    }
    g_free(link);
    return g_strdup(path);
}

/* The answer is words that end in NUL each: "kernel PATH", "ramdisk PATH", "args TEXT". */
static void
edit(const Run *run, HvxlKernelCache *cache, HvxlKernel **ret_kernel, const GString *draft,
     GString *ret_answer)
{
    for (gsize at = 0; at < draft->len; at += strlen(draft->str + at) + 1) {
        const char *word = draft->str + at;
        const char *path = value_of(word, KERNEL);
        g_autofree char *other = NULL;

        if (path && !*ret_kernel)
            *ret_kernel = hvxl_kernel_cache_get(cache, path, NULL, NULL);
        if (path && *ret_kernel && !hvxl_kernel_why_packed(*ret_kernel))
            other = replace_kernel(run, *ret_kernel, path);
        g_string_append_printf(ret_answer, "%s%s", path ? KERNEL : "", path ? "" : word);
        if (path)
            g_string_append(ret_answer, other ? other : path);
        g_string_append_c(ret_answer, '\0');
    }
}

static gboolean
read_draft(const Run *run, GString *draft)
{
    char chunk[4096];
    int fd = open(run->draft, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0 && draft->len <= OUTPUT_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0)
        g_string_append_len(draft, chunk, n);
    if (fd >= 0)
        close(fd);
    unlink(run->draft);
    return n == 0;
}

static gboolean
write_answer(const Run *run, const GString *answer)
{
    int fd = open(run->output, O_WRONLY | O_CLOEXEC);
    gsize done = 0;
    ssize_t n = 0;

    while (fd >= 0 && done < answer->len &&
           ((n = write(fd, answer->str + done, answer->len - done)) > 0 || errno == EINTR))
        done += n > 0 ? (gsize)n : 0;
    if (fd >= 0)
        close(fd);
    return fd >= 0 && done == answer->len;
}

static gboolean
hand_on(const Run *run)
{
    g_autoptr(HvxlKernelCache)
        cache = hvxl_kernel_cache_new(run->cache_dir, run->cache_bytes, HVXL_KERNEL_CACHE_ENTRIES);
    g_autoptr(HvxlKernel) kernel = NULL;
    g_autoptr(GString) draft = g_string_new(NULL);
    g_autoptr(GString) answer = g_string_new(NULL);

    if (!read_draft(run, draft)) {
        g_printerr("xlvirt-bootloader: cannot read what '%s' says\n", run->program);
        return FALSE;
    }
    edit(run, cache, &kernel, draft, answer);
    if (write_answer(run, answer))
        return TRUE;
    g_printerr("xlvirt-bootloader: cannot write to '%s': %s\n", run->output, g_strerror(errno));
    return FALSE;
}

int
main(int argc, char **argv)
{
    static Run run = { .cache_bytes = HVXL_KERNEL_CACHE_BYTES }; /* to the end of the process */
    int status;

    if (!parse(&run, argc, argv)) {
        fputs("xlvirt-bootloader: it is run by libxl: see docs/KERNEL-CACHE.md\n", stderr);
        return 2;
    }
    if (!divert_output(&run))
        return 1;
    status = run_program(&run);
    if (!run.draft || status != 0)
        return status;
    return hand_on(&run) ? 0 : 1;
}
