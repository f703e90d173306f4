#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wvs_tree.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

ssize_t wvs_getdents64(int directory, void *buffer, size_t size) {
    return syscall(SYS_getdents64, directory, buffer, size);
}

int wvs_ficlone(int target, int source) { return ioctl(target, FICLONE, source); }

int wvs_ficlonerange(int target, int source, off_t offset, uint64_t length) {
    struct file_clone_range range = {
        .src_fd = source, .src_offset = (uint64_t)offset, .src_length = length, .dest_offset = (uint64_t)offset};
    return ioctl(target, FICLONERANGE, &range);
}

ssize_t wvs_copy_file_range(int source, int target, size_t length) {
    return copy_file_range(source, NULL, target, NULL, length, 0);
}

int wvs_write_back(int file, off_t offset, off_t length) {
    return sync_file_range(file, offset, length,
                           SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

int wvs_punch_hole(int file, off_t offset, off_t length) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int wvs_join_until(pthread_t thread, int64_t deadline) {
    struct timespec time = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &time);
}

int wvs_own_umask(void) {
    if (unshare(CLONE_FS) != 0) return -1;
    umask(0);
    return 0;
}

int wvs_keep_capabilities(void) {
    const uint32_t needed = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID |
                            1u << CAP_SETGID | 1u << CAP_SETUID | 1u << CAP_SETPCAP;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    if ((data[0].effective & needed) != needed) {
        errno = EPERM;
        return -1;
    }
    int bits = prctl(PR_GET_SECUREBITS);
    return bits < 0 ? -1 : prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP);
}

int wvs_create_as(uid_t uid, gid_t gid) {
    setfsgid(gid);
    setfsuid(uid);
    // They answer what was before, whether or not they have changed it.
    if ((gid_t)setfsgid(-1) == gid && (uid_t)setfsuid(-1) == uid) return 0;
    errno = EPERM;
    return -1;
}

int wvs_is_dumpable(void) { return prctl(PR_GET_DUMPABLE) == 1; }

int wvs_become_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1); }

int wvs_sync_file_system(int descriptor) { return syncfs(descriptor); }

int wvs_refresh_status(int descriptor) {
    struct statx status;
    return statx(descriptor, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &status);
}

int wvs_mount_of(int descriptor, uint64_t *mount, int *is_root) {
    const unsigned unique = 0x4000; // STATX_MNT_ID_UNIQUE; glibc 2.36 does not know it.
    struct statx status;
    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_MNT_ID | unique, &status) != 0) return -1;
    *mount = status.stx_mask & (STATX_MNT_ID | unique) ? status.stx_mnt_id : 0;
    *is_root = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    return 0;
}

int wvs_make_mutable(int descriptor) {
    int flags = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0) return -1;
    int mutable = flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    if (mutable == flags) return 0;
    return ioctl(descriptor, FS_IOC_SETFLAGS, &mutable) != 0 ? -1 : 1;
}
