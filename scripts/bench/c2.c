// The yardstick for the clone engine: makes all directories of a tree, then two threads that do nothing but create and FICLONE
// its files. No owner, no times, no xattrs, no links: less than a clone has to do.
//   c2 SOURCE TARGET
// Prints how many milliseconds it took, without the start of the process.
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char *names[200000];
static int count, source, target;
static atomic_int next;

// Makes what is below `name` in the target, and remembers it for the threads.
static void makeDirectories(const char *name) {
    if (count == sizeof names / sizeof *names) errx(1, "too many directories");
    names[count++] = strdup(name);
    int from = openat(source, name, O_RDONLY | O_DIRECTORY);
    DIR *directory = from < 0 ? NULL : fdopendir(from);
    if (!directory) err(1, "openat %s", name);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[4096];
        if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        if (mkdirat(target, path, 0755) != 0) err(1, "mkdirat %s", path);
        makeDirectories(path);
    }
    closedir(directory);
}

static void *work(void *unused) {
    for (int index; (index = atomic_fetch_add(&next, 1)) < count;) {
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

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 3) errx(2, "usage: c2 SOURCE TARGET");
    double start = now();
    if (mkdir(argv[2], 0755) != 0) err(1, "mkdir %s", argv[2]);
    source = open(argv[1], O_RDONLY | O_DIRECTORY);
    target = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (source < 0 || target < 0) err(1, "open");
    makeDirectories(".");
    pthread_t threads[2];
    for (int index = 0; index < 2; index++) pthread_create(&threads[index], NULL, work, NULL);
    for (int index = 0; index < 2; index++) pthread_join(threads[index], NULL);
    printf("%.3f\n", now() - start);
    return 0;
}
