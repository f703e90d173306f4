#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wvs_btrfs.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int name_into(char *target, size_t size, const char *name) {
    if (strlen(name) < size) {
        strcpy(target, name);
        return 0;
    }
    errno = ENAMETOOLONG;
    return -1;
}

int wvs_btrfs_create(int parent, const char *name) {
    struct btrfs_ioctl_vol_args_v2 arguments = {0};
    if (name_into(arguments.name, sizeof arguments.name, name) != 0) return -1;
    return ioctl(parent, BTRFS_IOC_SUBVOL_CREATE_V2, &arguments);
}

int wvs_btrfs_snapshot(int source, int parent, const char *name, int read_only) {
    struct btrfs_ioctl_vol_args_v2 arguments = {.fd = source, .flags = read_only ? BTRFS_SUBVOL_RDONLY : 0};
    if (name_into(arguments.name, sizeof arguments.name, name) != 0) return -1;
    return ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &arguments);
}

int wvs_btrfs_destroy(int parent, const char *name) {
    struct btrfs_ioctl_vol_args arguments = {0};
    if (name_into(arguments.name, sizeof arguments.name, name) != 0) return -1;
    return ioctl(parent, BTRFS_IOC_SNAP_DESTROY, &arguments);
}

int wvs_btrfs_set_read_only(int subvolume, int read_only) {
    __u64 flags = 0;
    if (ioctl(subvolume, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) != 0) return -1;
    __u64 wanted = read_only ? flags | BTRFS_SUBVOL_RDONLY : flags & ~(__u64)BTRFS_SUBVOL_RDONLY;
    return wanted == flags ? 0 : ioctl(subvolume, BTRFS_IOC_SUBVOL_SETFLAGS, &wanted);
}

int wvs_btrfs_next_nested(int subvolume, uint64_t from, struct wvs_btrfs_nested *out) {
    struct btrfs_ioctl_get_subvol_rootref_args found = {.min_treeid = from};
    // EOVERFLOW: there are more than fit, and the first ones are there.
    if (ioctl(subvolume, BTRFS_IOC_GET_SUBVOL_ROOTREF, &found) != 0 && errno != EOVERFLOW) return -1;
    if (found.num_items == 0) return 0;
    struct btrfs_ioctl_ino_lookup_user_args place = {
        .dirid = found.rootref[0].dirid, .treeid = found.rootref[0].treeid};
    out->id = place.treeid;
    out->path[0] = 0;
    if (ioctl(subvolume, BTRFS_IOC_INO_LOOKUP_USER, &place) == 0)
        snprintf(out->path, sizeof out->path, "%s%s", place.path, place.name);
    return 1;
}
