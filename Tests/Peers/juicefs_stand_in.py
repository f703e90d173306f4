#!/usr/bin/env python3
"""Stands in for the `juicefs` program in tests, over any file system that can share blocks.

It takes the command lines, prints what the real program prints and where it prints it, and fails as it fails:
  - `--version`, `clone --help`, and the complaint of releases that have no `clone` (seen with 0.14.2)
  - `clone [-p] [--threads N] SRC DST` and `rmr PATH` (cmd/clone.go, cmd/rmr.go of juicedata/juicefs)
  - progress on standard output, drawn over and over, and only on a terminal (pkg/utils/progress.go)
  - errors as `<FATAL>` lines on standard error, with exit code 1
  - the work is done by another process, the mount's, which gives up and cleans up when the command is killed; the clone
    appears under its name only when it is complete
  - hard links become files of their own; what vanishes meanwhile is left out, with success

How it behaves is told by `.juicefs-settings`, lines of NAME=VALUE in the folder it is called from (by a link: a script that was just
written may be busy), or by the environment: JUICEFS_ROOT (the mount point), JUICEFS_VERSION, JUICEFS_MODE (`partial`: leaves out
the first entry; `slow`: a tenth of a second for each; `fail`: an error in the middle; `killed`: SIGKILL from outside in the
middle; `log`: appends its words to JUICEFS_LOG).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

SETTINGS = os.path.join(os.path.dirname(sys.argv[0]), ".juicefs-settings")
if os.path.exists(SETTINGS):
    with open(SETTINGS) as lines:
        os.environ.update(line.rstrip("\n").split("=", 1) for line in lines)

VERSION = os.environ.get("JUICEFS_VERSION", "1.4.0+2026-05-12.8f0a1b2")
ROOT = os.environ.get("JUICEFS_ROOT", "/nowhere")
MODE = os.environ.get("JUICEFS_MODE", "")


def release():
    numbers = VERSION.split(".")
    return int(numbers[0]), int("".join(c for c in numbers[1] if c.isdigit()))


def fatal(text):
    stamp = time.strftime("%Y/%m/%d %H:%M:%S.000000")
    print(f"{stamp} juicefs[{os.getpid()}] <FATAL>: {text} [main.go:31]", file=sys.stderr)
    sys.exit(1)


def draw(label, done, total=None):
    if not sys.stdout.isatty():
        return
    count = f"{done}/{total}" if total is not None else f"{done}"
    sys.stdout.write(f"\r\x1b[K{label}: {count} [======>-------]  218.3/s ETA: 1s")
    sys.stdout.flush()


def entries(path):
    return sum(len(folders) + len(files) for _, folders, files in os.walk(path))


class MountProcess:
    """Does the work in a process of its own, which reports counts and dies with the command that asked for it."""

    def __init__(self, work):
        asked, command = os.pipe()
        self.counts, counts = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(asked)
            os.close(counts)
            self.command = command
            return
        # Signals for the command's group are not for the mount.
        os.setsid()
        os.close(command)
        os.close(self.counts)
        gone = threading.Event()
        threading.Thread(target=lambda: (os.read(asked, 1), gone.set()), daemon=True).start()

        def report(done):
            if gone.is_set():
                raise InterruptedError
            os.write(counts, f"{done}\n".encode())

        try:
            work(report)
            code = 0
        except (InterruptedError, BrokenPipeError):
            code = 4
        except OSError:
            code = 5
        os._exit(code)

    def follow(self, show):
        with os.fdopen(self.counts) as lines:
            for line in lines:
                show(int(line))
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def copy(source, target, preserve, report):
    """One top-level entry after the other, so that there is progress."""
    hidden = os.fsencode(f"{ROOT}/.cloning-{os.getpid()}")
    source = os.fsencode(source)
    flags = ["-a", "--no-preserve=links"] if preserve else ["-r", "--no-preserve=all"]
    os.mkdir(hidden, 0o700)
    try:
        names = sorted(os.listdir(source))
        done = 0
        report(0)
        for index, name in enumerate(names):
            if MODE == "partial" and index == 0:
                continue
            if MODE == "fail" and index == len(names) // 2:
                raise OSError
            if MODE in ("slow", "killed"):
                time.sleep(0.1)
            path = os.path.join(source, name)
            subprocess.run(["cp", *flags, "--reflink=auto", "--", path, hidden + b"/"], check=True)
            done += 1 + (entries(path) if os.path.isdir(path) and not os.path.islink(path) else 0)
            report(done)
        if preserve:
            status = os.stat(source)
            os.chown(hidden, status.st_uid, status.st_gid)
            shutil.copystat(source, hidden)
        os.rename(hidden, os.fsencode(target))
    except BaseException:
        shutil.rmtree(hidden)
        raise


def clone(words):
    if release() < (1, 1):
        # What urfave/cli says to a command it does not have.
        print("No help topic for 'clone'", file=sys.stderr)
        sys.exit(3)
    if "--help" in words:
        print("NAME:\n   juicefs clone - clone a file or directory without copying the underlying data\n")
        print("USAGE:\n   juicefs clone [command options] SRC DST\n\nOPTIONS:")
        print("   --preserve, -p   preserve the uid, gid, and mode of the file (default: false)")
        if release() >= (1, 4):
            print("   --threads value  number of concurrent workers for cloning directories (default: 4)")
        return
    preserve, paths = False, []
    while words:
        word = words.pop(0)
        if word in ("-p", "--preserve"):
            preserve = True
        elif word == "--threads" and release() >= (1, 4):
            int(words.pop(0))
        elif word.startswith("-"):
            print(f"Incorrect Usage: flag provided but not defined: {word}", file=sys.stderr)
            sys.exit(1)
        else:
            paths.append(word)
    if len(paths) != 2:
        fatal("This command requires at least 2 arguments")
    source, target = (os.path.abspath(path) for path in paths)
    if not os.path.exists(source):
        fatal(f"lookup inode for {source}: no such file or directory")
    if os.path.exists(target):
        fatal(f"{target} already exists")
    for path in (source, target):
        if not path.startswith(ROOT + "/"):
            fatal(f"{path} is not inside JuiceFS")
    total = entries(source)
    work = MountProcess(lambda report: copy(source, target, preserve, report))

    def show(done):
        draw("Cloning entries", done, total)
        if MODE == "killed" and done > 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if work.follow(show) != 0:
        fatal("clone failed: input/output error")


def remove(words):
    for path in words:
        path = os.path.abspath(path)
        if not path.startswith(ROOT + "/"):
            fatal(f'Open control file for "{os.path.dirname(path)}": no such file or directory')
        if MODE == "fail":
            fatal(f'RMR "{path}": operation not permitted')
        total = entries(path)
        shutil.rmtree(os.fsencode(path))
        draw("Removing entries", total + 1)


def main():
    words = sys.argv[1:]
    if "JUICEFS_LOG" in os.environ:
        with open(os.environ["JUICEFS_LOG"], "a") as log:
            log.write(" ".join(words) + "\n")
    if words == ["--version"]:
        print(f"juicefs version {VERSION}")
    elif words[:1] == ["clone"]:
        clone(words[1:])
    elif words[:1] == ["rmr"]:
        remove(words[1:])
    else:
        print(f"No help topic for '{words[0] if words else ''}'", file=sys.stderr)
        sys.exit(3)


signal.signal(signal.SIGINT, signal.SIG_DFL)
main()
