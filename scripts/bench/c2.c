// The yardstick for the clone engine: two threads that do nothing but create and FICLONE the files of a two-level tree
// (a folder of folders of files). No owner, no times, no xattrs, no links: less than a clone has to do.
//   c2 SOURCE TARGET
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *names[100000];
static int count, source, target;
static atomic_int next;

static void *work(void *unused) {
    for (int index; (index = atomic_fetch_add(&next, 1)) < count;) {
        if (mkdirat(target, names[index], 0755) != 0) err(1, "mkdirat %s", names[index]);
        int from = openat(source, names[index], O_RDONLY | O_DIRECTORY);
        int to = openat(target, names[index], O_RDONLY | O_DIRECTORY);
        if (from < 0 || to < 0) err(1, "openat %s", names[index]);
        DIR *directory = fdopendir(from);
        for (struct dirent *entry; (entry = readdir(directory));) {
            if (entry->d_type != DT_REG) continue;
            int file = openat(from, entry->d_name, O_RDONLY);
            int copy = openat(to, entry->d_name, O_WRONLY | O_CREAT | O_EXCL, 0644);
            if (file < 0 || copy < 0 || ioctl(copy, FICLONE, file) != 0) err(1, "FICLONE %s", entry->d_name);
            close(file);
            close(copy);
        }
        closedir(directory);
        close(to);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 3) errx(2, "usage: c2 SOURCE TARGET");
    if (mkdir(argv[2], 0755) != 0) err(1, "mkdir %s", argv[2]);
    source = open(argv[1], O_RDONLY | O_DIRECTORY);
    target = open(argv[2], O_RDONLY | O_DIRECTORY);
    DIR *directory = opendir(argv[1]);
    if (source < 0 || target < 0 || !directory) err(1, "open");
    for (struct dirent *entry; (entry = readdir(directory)) && count < 100000;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    pthread_t threads[2];
    for (int index = 0; index < 2; index++) pthread_create(&threads[index], NULL, work, NULL);
    for (int index = 0; index < 2; index++) pthread_join(threads[index], NULL);
    return 0;
}
