#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wvs_shims.h"

int wvs_pipe2(int ends[2], int flags) { return pipe2(ends, flags); }

#include <linux/openat2.h>
#include <string.h>

int wvs_openat2_beneath(int directory, const char *path, int flags, mode_t mode) {
    struct open_how how = {
        .flags = (uint64_t)flags,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    int descriptor = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (descriptor < 0 && errno == ENOSYS && !strchr(path, '/') && strcmp(path, ".."))
        descriptor = openat(directory, path, flags | O_NOFOLLOW, mode);
    return descriptor;
}
