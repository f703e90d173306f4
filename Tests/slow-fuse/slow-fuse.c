/* A file system whose one file, `slow`, is read only once a file elsewhere exists: whoever reads it before waits in the kernel, where no
 * signal and no freezer reaches it.
 *
 * usage: slow-fuse MOUNTPOINT RELEASE
 */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fuse3/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *release;
static const char content[] = "at last\n";

static int slow_getattr(const char *path, struct stat *status, struct fuse_file_info *file) {
    (void)file;
    memset(status, 0, sizeof *status);
    if (strcmp(path, "/") == 0) {
        status->st_mode = S_IFDIR | 0755;
        status->st_nlink = 2;
        return 0;
    }
    if (strcmp(path, "/slow") != 0) return -ENOENT;
    status->st_mode = S_IFREG | 0444;
    status->st_nlink = 1;
    status->st_size = sizeof content - 1;
    return 0;
}

static int slow_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
                        enum fuse_readdir_flags flags) {
    (void)offset, (void)file, (void)flags;
    if (strcmp(path, "/") != 0) return -ENOENT;
    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    fill(buffer, "slow", NULL, 0, 0);
    return 0;
}

static int slow_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
    (void)path, (void)file;
    while (access(release, F_OK) != 0) usleep(5000);
    size_t length = sizeof content - 1;
    if ((size_t)offset >= length) return 0;
    if (size > length - (size_t)offset) size = length - (size_t)offset;
    memcpy(buffer, content + offset, size);
    return (int)size;
}

static const struct fuse_operations operations = {
    .getattr = slow_getattr,
    .readdir = slow_readdir,
    .read = slow_read,
};

int main(int count, char **arguments) {
    if (count != 3) return 2;
    release = arguments[2];
    char *words[] = {arguments[0], "-f", "-o", "allow_other", arguments[1]};
    return fuse_main(5, words, &operations, NULL);
}
