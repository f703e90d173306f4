#define _GNU_SOURCE
#include "wvs_process.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

pid_t wvs_fork(void) { return fork(); }

int wvs_close_from(unsigned first) { return close_range(first, ~0U, 0); }

int wvs_pidfd_getfd(int pidfd, int fd) { return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0); }

int wvs_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int wvs_pidfd_open_thread(pid_t tid) { return (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD); }

int wvs_compare_files(pid_t one, pid_t other) { return (int)syscall(SYS_kcmp, one, other, KCMP_FILES, 0, 0); }

int wvs_compare_memory(pid_t one, pid_t other) { return (int)syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0); }

int wvs_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }


int wvs_become_realtime(void) {
    struct sched_param parameter = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
}

int wvs_leave_realtime(void) {
    struct sched_param parameter = {0};
    return sched_setscheduler(0, SCHED_OTHER, &parameter);
}

int wvs_identify(int directory, const char *path, int follow, struct wvs_identity *out) {
    struct statx status;
    int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (statx(directory, path, flags, STATX_TYPE | STATX_MODE | STATX_INO, &status) == -1) return -1;
    out->device = makedev(status.stx_dev_major, status.stx_dev_minor);
    out->inode = status.stx_ino;
    out->mode = status.stx_mode;
    return 0;
}

// <linux/fs.h> of Linux 6.11; older headers lack it.
struct map_query {
    uint64_t size, query_flags, query_addr, vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    uint64_t vma_name_addr, build_id_addr;
};
#define MAP_QUERY _IOWR('f', 17, struct map_query)
enum { MAP_WRITABLE = 0x02, MAP_IS_SHARED = 0x08, MAP_COVERING_OR_NEXT = 0x10, MAP_FILE_BACKED = 0x20 };

int wvs_next_mapping(int maps, uint64_t address, int shared_only, struct wvs_mapping *out) {
    struct map_query query = {.size = sizeof query, .query_addr = address};
    query.query_flags = MAP_COVERING_OR_NEXT | MAP_FILE_BACKED | (shared_only ? MAP_IS_SHARED : 0);
    if (ioctl(maps, MAP_QUERY, &query) == -1) return -1;
    out->start = query.vma_start;
    out->end = query.vma_end;
    out->inode = query.inode;
    out->device = makedev(query.dev_major, query.dev_minor);
    out->shared = (query.vma_flags & MAP_IS_SHARED) != 0;
    out->writable = (query.vma_flags & MAP_WRITABLE) != 0;
    return 0;
}

_Static_assert(WVS_O_PATH == O_PATH, "as the kernel has it");

int64_t wvs_file_system_type(const char *path) {
    struct statfs status;
    return statfs(path, &status) == -1 ? -1 : (int64_t)status.f_type;
}

int wvs_start_writeback(int file) { return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE); }

int wvs_open_terminal(int ends[2]) {
    struct winsize size = {.ws_row = 24, .ws_col = 250};
    char name[64];
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (ends[0] == -1) return -1;
    if (grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0 && ptsname_r(ends[0], name, sizeof name) == 0 &&
        ioctl(ends[0], TIOCSWINSZ, &size) == 0) {
        ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (ends[1] != -1) return 0;
    }
    int error = errno;
    close(ends[0]);
    errno = error;
    return -1;
}

struct failure {
    int errno_;
    const char *step; // the child shares the parent's image until exec, so a literal's address holds in both
};

__attribute__((noreturn)) static void fail(int report, const char *step) {
    struct failure failure = {errno, step};
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

__attribute__((noreturn)) static void become(const struct wvs_launch *launch, int joined, int report) {
    if (launch->cgroup >= 0 && !joined && write(launch->procs, "0", 1) != 1) fail(report, "write cgroup.procs");
    signal(SIGPIPE, SIG_DFL); // the one that the sidecar ignores; what its own parent ignores stays so
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, launch->nice);
    if (launch->set_output) {
        int null = open("/dev/null", O_RDONLY);
        if (null == -1 || dup2(null, 0) == -1) fail(report, "dup2");
        if (dup2(launch->output, 1) == -1 || dup2(launch->error, 2) == -1) fail(report, "dup2");
        if (null > 2) close(null);
    }
    if (launch->new_session && setsid() == -1) fail(report, "setsid");
    if (launch->directory >= 0 && fchdir(launch->directory) == -1) fail(report, "fchdir");
    if (launch->set_user) {
        if (setgroups(1, &launch->gid) == -1) fail(report, "setgroups");
        if (setresgid(launch->gid, launch->gid, launch->gid) == -1) fail(report, "setresgid");
        if (setresuid(launch->uid, launch->uid, launch->uid) == -1) fail(report, "setresuid");
    }
    execvpe(launch->argv[0], launch->argv, launch->envp);
    fail(report, "exec");
}

int wvs_launch(struct wvs_launch *launch) {
    int report[2], pidfd = -1;
    launch->pid = launch->pidfd = -1;
    launch->step = "pipe2";
    if (pipe2(report, O_CLOEXEC) == -1) return errno;
    pid_t pid;
    if (launch->use_clone3) {
        launch->step = "clone3";
        struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
        if (launch->cgroup >= 0) {
            arguments.flags |= CLONE_INTO_CGROUP;
            arguments.cgroup = launch->cgroup;
        }
        pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    } else {
        launch->step = "fork";
        pid = _Fork();
    }
    if (pid == 0) become(launch, launch->use_clone3, report[1]);
    int error = pid == -1 ? errno : 0;
    close(report[1]);
    if (!error && !launch->use_clone3) {
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd == -1) { // without it the child can be neither watched nor frozen safely
            launch->step = "pidfd_open";
            error = errno;
            kill(pid, SIGKILL);
        }
    }
    struct failure failure;
    ssize_t count = 0;
    while (!error && (count = read(report[0], &failure, sizeof failure)) == -1 && errno == EINTR) {}
    close(report[0]);
    if (count == sizeof failure) {
        launch->step = failure.step;
        error = failure.errno_;
    }
    if (error) {
        if (pid > 0) while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) {}
        if (pidfd >= 0) close(pidfd);
        return error;
    }
    launch->pid = pid;
    launch->pidfd = pidfd;
    launch->step = NULL;
    return 0;
}
