#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wvs_shims.h"

// Not netinet/tcp.h: its tcp_info ends before the byte counts.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

int wvs_pipe2(int ends[2], int flags) { return pipe2(ends, flags); }

int wvs_flush_stdout(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    // Of an earlier write only the mark has stayed.
    if (errno == 0) errno = EIO;
    return -1;
}

#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

int wvs_ioctl(int file, unsigned long request, void *argument) { return ioctl(file, request, argument); }

// 0 where both lie on one mount; else -1 with errno: EXDEV, or why that can not be seen.
static int same_mount(int one, int other) {
    struct statx status[2];
    const int files[] = {one, other};
    for (int i = 0; i < 2; i++) {
        if (statx(files[i], "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status[i]) != 0) return -1;
        if (!(status[i].stx_mask & STATX_MNT_ID)) {
            errno = ENOSYS;
            return -1;
        }
    }
    if (status[0].stx_mnt_id == status[1].stx_mnt_id) return 0;
    errno = EXDEV;
    return -1;
}

int wvs_openat2_beneath(int directory, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (uint64_t)flags,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    int descriptor = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (descriptor >= 0 || errno != ENOSYS || strchr(path, '/') || !strcmp(path, "..")) return descriptor;
    descriptor = openat(directory, path, flags | O_NOFOLLOW, mode);
    if (descriptor < 0 || same_mount(directory, descriptor) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

uint64_t wvs_tcp_bytes_received(int socket) {
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_bytes_received : 0;
}
