// Processes: what the sidecar needs from Linux and cannot say in Swift.
#pragma once

#include <stdint.h>
#include <sys/types.h>

/// fork(2); to be called only while the process has a single thread.
pid_t wvs_fork(void);

/// Closes every descriptor from `first` on.
int wvs_close_from(unsigned first);

int wvs_pidfd_getfd(int pidfd, int fd);
int wvs_pidfd_send_signal(int pidfd, int signal);

/// A pidfd of one thread (PIDFD_THREAD, Linux 6.9).
int wvs_pidfd_open_thread(pid_t tid);

/// kcmp(2): 0 when two threads share one descriptor table, above 0 when they do not, -1 with errno.
int wvs_compare_files(pid_t one, pid_t other);

/// The same for their memory.
int wvs_compare_memory(pid_t one, pid_t other);

/// PR_SET_CHILD_SUBREAPER: orphans below this process become its children.
int wvs_become_subreaper(void);


/// SCHED_FIFO at its lowest priority, not inherited by children.
int wvs_become_realtime(void);
/// The calling thread goes back to SCHED_OTHER, with the nice value that it had.
int wvs_leave_realtime(void);

struct wvs_identity {
    uint64_t device, inode;
    uint32_t mode;
};

/// statx(2) that does not ask the server of a network file system, so that a dead one cannot hang the caller.
int wvs_identify(int directory, const char *path, int follow, struct wvs_identity *out);

struct wvs_mapping {
    uint64_t start, end;
    uint64_t inode, device; // of the file system as a whole
    int shared, writable;
};

/// The first file mapping that ends after `address` (PROCMAP_QUERY, Linux 6.11), by an open `/proc/<pid>/maps`; only shared ones
/// where `shared_only`. -1 with ENOENT after the last, with ENOTTY where the kernel cannot be asked.
int wvs_next_mapping(int maps, uint64_t address, int shared_only, struct wvs_mapping *out);

/// O_PATH of open(2), which <fcntl.h> keeps behind _GNU_SOURCE.
enum { WVS_O_PATH = 010000000 };

/// `f_type` of statfs(2); -1 with errno.
int64_t wvs_file_system_type(const char *path);

/// Starts to write a file's dirty pages back, and does not wait: sync_file_range(2) with SYNC_FILE_RANGE_WRITE.
int wvs_start_writeback(int file);

/// How a program is started.
struct wvs_launch {
    char *const *argv; // looked up in PATH
    char *const *envp;
    int cgroup;     // directory of the cgroup2 it is born in; -1: the caller's own
    int procs;      // `cgroup.procs` of that cgroup, open for writing; for the way without clone3
    int directory;  // working directory; -1: the caller's own
    int set_user;   // whether uid and gid count
    uid_t uid;
    gid_t gid;
    int new_session; // whether it leads a session of its own
    int nice;       // the caller may have raised its own
    int use_clone3; // 0: _Fork, then a write to `procs`
    int set_output; // whether output and error count, which become its descriptors 1 and 2; 0 is then /dev/null
    int output, error;

    pid_t pid;         // result
    int pidfd;         // result; the caller closes it
    const char *step;  // result: the call that failed
};

/// Makes a terminal, 250 columns wide: ends[0] is what reads its screen, ends[1] what a program gets as its descriptors. Of
/// nobody's session.
int wvs_open_terminal(int ends[2]);

/// Starts a program with an empty signal mask and SIGPIPE at its default. 0, or the errno of `step`, in the parent or in
/// the child before exec(2). Between fork and exec only async-signal-safe calls are made.
int wvs_launch(struct wvs_launch *launch);
