// Subvolumes of btrfs, by open directory and name (ioctls of linux/btrfs.h). -1 with errno on failure. No logic.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int wvs_btrfs_create(int parent, const char *name);
// A snapshot of the subvolume whose root is open as `source`.
int wvs_btrfs_snapshot(int source, int parent, const char *name, int read_only);
// Removes a subvolume and all that is in it, but not one that holds others: ENOTEMPTY.
int wvs_btrfs_destroy(int parent, const char *name);
int wvs_btrfs_set_read_only(int subvolume, int read_only);

// A subvolume directly inside another.
struct wvs_btrfs_nested {
    uint64_t id;
    char path[4096]; // from the outer one's root, without a slash at the end; empty where it may not be looked up
};

// The nested subvolume with the lowest id from `from` on. 1: there is one; 0: none.
int wvs_btrfs_next_nested(int subvolume, uint64_t from, struct wvs_btrfs_nested *out);
