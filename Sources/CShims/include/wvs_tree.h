// What cloning, removing and syncing trees needs and Swift's view of glibc lacks. No logic.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

static const int WVS_O_NOATIME = __O_NOATIME;
static const int WVS_O_TMPFILE = __O_TMPFILE;
static const int WVS_SEEK_DATA = 3; // lseek(2)
static const int WVS_SEEK_HOLE = 4;

ssize_t wvs_getdents64(int directory, void *buffer, size_t size);
int wvs_ficlone(int target, int source);
// Clones `length` bytes; 0 means up to the end of the source.
int wvs_ficlonerange(int target, int source, off_t offset, uint64_t length);
// Both descriptors' offsets move.
ssize_t wvs_copy_file_range(int source, int target, size_t length);
// Writes dirty pages back and waits for them; length 0 means up to the end. No metadata, no barrier (sync_file_range(2)).
int wvs_write_back(int file, off_t offset, off_t length);
// The size stays (fallocate(2)).
int wvs_punch_hole(int file, off_t offset, off_t length);
// pthread_join(3) up to a time of CLOCK_MONOTONIC, in nanoseconds. 0, or ETIMEDOUT.
int wvs_join_until(pthread_t thread, int64_t deadline);
// Gives the calling thread a umask of its own, 0.
int wvs_own_umask(void);
// From now on the calling thread keeps its capabilities whoever it creates files as. -1 with EPERM where it lacks those that
// make the owner of a file irrelevant to it, and nothing is changed then.
int wvs_keep_capabilities(void);
// Whose the files are that the calling thread creates, and no other (setfsuid(2)). -1 with EPERM where that can not be.
int wvs_create_as(uid_t uid, gid_t gid);
// Whether the process may dump core (PR_GET_DUMPABLE of prctl(2)), which wvs_create_as takes away.
int wvs_is_dumpable(void);
int wvs_become_dumpable(void);
int wvs_sync_file_system(int descriptor);
// Has a network file system fetch what fstat(2) answers from then on.
int wvs_refresh_status(int descriptor);
// Which mount a file lies on (statx(2)): a number that no later mount has (Linux 6.8; before that it may be used again; 0 before
// 5.8), and whether the file is its root.
int wvs_mount_of(int descriptor, uint64_t *mount, int *is_root);
// Clears the immutable and append-only flags (chattr(1)). 1: there were some; 0: none; -1: errno.
int wvs_make_mutable(int descriptor);
