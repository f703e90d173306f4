// C for variadic calls, macros and system calls that Swift cannot see. No logic. Prefix wvs_.
#pragma once

// Without _GNU_SOURCE: Swift's own view of glibc has none, and the two must agree. What needs it lives in CShims.c.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

static inline int wvs_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

static inline int wvs_openat(int directory, const char *path, int flags, mode_t mode) {
    return openat(directory, path, flags, mode);
}

int wvs_pipe2(int ends[2], int flags);

// -1 also where an earlier write has failed.
int wvs_flush_stdout(void);

static inline int wvs_pidfd_open(pid_t pid, unsigned flags) { return (int)syscall(SYS_pidfd_open, pid, flags); }

// At most 15 bytes are kept.
static inline int wvs_set_thread_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

// openat2 without leaving the directory: no "..", links, magic links or other file systems. A single name may go to openat
// with O_NOFOLLOW, and a look at its mount, where the kernel or a container's filter has no openat2.
int wvs_openat2_beneath(int directory, const char *path, int flags, mode_t mode);

// Payload bytes that have come in on a connected TCP socket so far; 0 where the kernel does not say.
uint64_t wvs_tcp_bytes_received(int socket);

int wvs_ioctl(int file, unsigned long request, void *argument);

static inline int wvs_renameat2(int from, const char *old, int to, const char *name, unsigned flags) {
    return (int)syscall(SYS_renameat2, from, old, to, name, flags);
}
