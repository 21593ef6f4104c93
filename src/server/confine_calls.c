/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine_calls.c -- seccomp: the system calls that a server which has started makes, and no other.
 *
 * A call that isn't listed fails with EPERM. One that only an attacker makes ends the process, and
 * the kernel logs it. Names that this machine or an older libseccomp doesn't know are passed over.
 *
 * How a new line gets here: a test fails, `strace -f` shows a call that gives EPERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/confine_parts.h"

/* Levels of setsockopt(); net/ alone includes the sockets' headers. */
enum { LEVEL_SOCKET = 1, LEVEL_TCP = 6 };

static const char *const allowed[] = {
    /* Memory. */
    "brk", "madvise", "mremap", "munmap",
    /* Threads; a new one is below. */
    "exit", "exit_group", "futex", "getpid", "getpriority", "gettid", "membarrier",
    "restart_syscall", "rseq", "sched_getaffinity", "sched_yield", "set_robust_list",
    "set_tid_address",
    /* Signals that come; one that goes to ourselves is below. */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack",
    /* Clocks and chance. */
    "clock_getres", "clock_gettime", "clock_nanosleep", "getrandom", "gettimeofday", "nanosleep",
    "time",
    /* Who we are, and on what. */
    "getegid", "geteuid", "getgid", "getuid", "sysinfo", "uname",
    /* Waiting. */
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "pipe2",
    "poll", "ppoll",
    /* Open files. */
    "close", "dup", "fallocate", "fchown", "fdatasync", "flock", "fstat", "fsync", "ftruncate",
    "lseek", "pread64", "pwrite64", "read", "write", "writev",
    /* Files by name, where Landlock and the file system let us. */
    "access", "faccessat", "faccessat2", "getcwd", "lstat", "newfstatat", "readlink", "readlinkat",
    "rename", "renameat", "renameat2", "stat", "statx", "umask", "unlink", "unlinkat",
    /* Files that are watched. */
    "inotify_add_watch", "inotify_init1", "inotify_rm_watch",
    /* Connections that came in: none are made, nothing more is bound. */
    "accept", "accept4", "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmsg",
    "shutdown"};

/* Allowed only where an argument is so. */
static const struct {
    const char *name;
    struct scmp_arg_cmp only;
} limited[] = {
    /* A thread, not a process. */
    {"clone", {0, SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD}},
    /* Memory that doesn't become code. */
    {"mmap", {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {"mprotect", {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    /* Limits are asked for, not set. */
    {"prlimit64", {2, SCMP_CMP_EQ, 0, 0}},
    /* No file that gives whoever starts it our rights: it would be confined by nothing. */
    {"open", {2, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0}},
    {"openat", {3, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0}},
    {"fchmod", {1, SCMP_CMP_MASKED_EQ, S_ISUID | S_ISGID, 0}},
    /* Not F_SETOWN and F_SETSIG: by them a descriptor signals any process of this user. */
    {"fcntl", {1, SCMP_CMP_EQ, F_GETFD, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_SETFD, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_GETFL, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_SETFL, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_GETLK, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_SETLK, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_SETLKW, 0}},
    {"fcntl", {1, SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0}},
    /* No destination: with one, a closed socket could connect anew. */
    {"sendto", {4, SCMP_CMP_EQ, 0, 0}},
    {"setsockopt", {1, SCMP_CMP_EQ, LEVEL_SOCKET, 0}},
    {"setsockopt", {1, SCMP_CMP_EQ, LEVEL_TCP, 0}},
    /* Is it a terminal? And what libuv does to descriptors. */
    {"ioctl", {1, SCMP_CMP_EQ, TCGETS, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, FIONBIO, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, FIONREAD, 0}},
    {"ioctl", {1, SCMP_CMP_EQ, FIOCLEX, 0}},
};

/* What no fault of ours could lead to. */
static const char *const deadly[] = {
    "execve", "execveat",        "ptrace",      "process_vm_readv",  "process_vm_writev",
    "bpf",    "mount",           "umount2",     "pivot_root",        "chroot",
    "setns",  "unshare",         "init_module", "finit_module",      "kexec_load",
    "keyctl", "perf_event_open", "add_key",     "open_by_handle_at", "userfaultfd",
    "swapon", "kexec_file_load"};

/* Adds a rule, unless there is no such call here. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
               const struct scmp_arg_cmp *only)
{
    int number = seccomp_syscall_resolve_name(name);

    return number < 0 ? 0 : seccomp_rule_add_array(filter, action, number, count, only);
}

static int add_rules(scmp_filter_ctx filter)
{
    /* abort() signals its own thread; nobody else is signalled. */
    const struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
    /* Of the calling thread only: 0 stands for its group or its user as well. */
    const struct scmp_arg_cmp thread[] = {{0, SCMP_CMP_EQ, PRIO_PROCESS, 0},
                                          {1, SCMP_CMP_EQ, 0, 0}};
    int code = add(filter, SCMP_ACT_ALLOW, "tgkill", 1, &self);

    if (code == 0)
        code = add(filter, SCMP_ACT_ALLOW, "setpriority", 2, thread);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && code == 0; i++)
        code = add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; i < sizeof limited / sizeof *limited && code == 0; i++)
        code = add(filter, SCMP_ACT_ALLOW, limited[i].name, 1, &limited[i].only);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly && code == 0; i++)
        code = add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
    /* Its flags stand in memory, where no filter sees them. Threads are then made with clone(). */
    if (code == 0)
        code = add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
    return code;
}

/* Where this fails, so will the filter that counts, and that is told. */
void sl_confine_rings(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (filter != NULL && add(filter, SCMP_ACT_ERRNO(ENOSYS), "io_uring_setup", 0, NULL) == 0)
        (void)seccomp_load(filter);
    seccomp_release(filter);
}

bool sl_confine_calls(struct sl_confinement *confinement)
{
    uint32_t machine = seccomp_arch_native();
    scmp_filter_ctx filter;
    int code;

    if (machine != SCMP_ARCH_X86_64 && machine != SCMP_ARCH_AARCH64) {
        sl_confine_lack(confinement, "seccomp isn't used: its list is for x86-64 and arm64");
        return false;
    }
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        sl_confine_lack(confinement, "seccomp can't be used: no memory");
        return false;
    }
    /* Calls as another kind of processor would make them are an attack too. */
    code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code == 0)
        code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (code == 0)
        code = add_rules(filter);
    if (code == 0)
        code = seccomp_load(filter);
    seccomp_release(filter);
    if (code != 0)
        sl_confine_lack(confinement, "seccomp can't be used: %s", strerror(-code));
    return code == 0;
}
