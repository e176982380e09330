/* Runs a program and counts the system calls of all of its threads, and of its children until they execute another program. At one of these
 * calls the program is killed, or the call fails with an error that this tracer chose. strace counts for each thread alone, so that most calls
 * of a second thread are out of its reach. Knows nothing of the program.
 *
 *   inject LOG count -- PROGRAM…            a line a call: its place and its name
 *   inject LOG kill NAME N -- PROGRAM…          SIGKILL where the call of this name begins that is number N of them; `any` is each name
 *   inject LOG fail NAME N ERRNO -- PROGRAM…    this call is not made, and fails
 *   inject LOG stay NAME N ERRNO -- PROGRAM…    so do all later calls of the name
 *
 * In LOG is the name of the call that was hit. The exit code is the program's, or 128 and the number of the signal that ended the program. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode { COUNT, KILL, FAIL, STAY };

static enum mode mode;
static const char *wanted_name;
static long wanted, counted;
static int error;
static FILE *log_file;
static pid_t root;

/* Threads whose next stop is the end of a call that was not made. */
static pid_t skipped[256];
static int skips;

#define CALL(name) { SYS_##name, #name }
static const struct { long number; const char *name; } names[] = {
    CALL(read), CALL(write), CALL(open), CALL(openat), CALL(close), CALL(stat), CALL(fstat), CALL(lstat), CALL(newfstatat), CALL(statx),
    CALL(lseek), CALL(mmap), CALL(mprotect), CALL(munmap), CALL(brk), CALL(mremap), CALL(madvise), CALL(pread64), CALL(pwrite64),
    CALL(readv), CALL(writev), CALL(access), CALL(faccessat), CALL(pipe), CALL(pipe2), CALL(dup), CALL(dup2), CALL(dup3), CALL(clone),
    CALL(clone3), CALL(fork), CALL(vfork), CALL(execve), CALL(wait4), CALL(waitid), CALL(kill), CALL(fcntl), CALL(flock), CALL(fsync),
    CALL(ftruncate), CALL(getdents64), CALL(getcwd), CALL(chdir), CALL(rename), CALL(renameat), CALL(renameat2), CALL(mkdir), CALL(mkdirat),
    CALL(rmdir), CALL(unlink), CALL(unlinkat), CALL(link), CALL(linkat), CALL(symlink), CALL(readlink), CALL(readlinkat), CALL(chmod),
    CALL(fchmod), CALL(fchmodat), CALL(utimensat), CALL(statfs), CALL(fstatfs), CALL(poll), CALL(ppoll), CALL(futex), CALL(eventfd2),
    CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(inotify_init1), CALL(inotify_add_watch), CALL(memfd_create),
    CALL(copy_file_range), CALL(sendfile), CALL(splice), CALL(fallocate), CALL(prlimit64), CALL(pidfd_open), CALL(setpgid),
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(sigaltstack), CALL(socketpair), CALL(recvfrom), CALL(sendto), CALL(ioctl),
    CALL(getrandom), CALL(sched_getaffinity), CALL(clock_nanosleep), CALL(nanosleep), CALL(exit), CALL(exit_group), CALL(getpid), CALL(gettid),
    CALL(sched_yield), CALL(rseq), CALL(set_robust_list),
};

static const char *name_of(long number)
{
    static char text[20];
    size_t at;
    for (at = 0; at < sizeof names / sizeof *names; at++) {
        if (names[at].number == number) {
            return names[at].name;
        }
    }
    snprintf(text, sizeof text, "call-%ld", number);
    return text;
}

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(125);
    }
}

static int takes_skip(pid_t thread)
{
    int at;
    for (at = 0; at < skips; at++) {
        if (skipped[at] == thread) {
            skipped[at] = skipped[--skips];
            return 1;
        }
    }
    return 0;
}

static void skip(pid_t thread)
{
    struct user_regs_struct regs;
    if (skips < 256 && ptrace(PTRACE_GETREGS, thread, 0, &regs) == 0) {
        regs.orig_rax = (unsigned long long)-1;
        if (ptrace(PTRACE_SETREGS, thread, 0, &regs) == 0) {
            skipped[skips++] = thread;
        }
    }
}

static void fail(pid_t thread)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, thread, 0, &regs) == 0) {
        regs.rax = (unsigned long long)-(long)error;
        ptrace(PTRACE_SETREGS, thread, 0, &regs);
    }
}

/* A call begins or ends. Gives 1 once the program was killed. */
static int at_call(pid_t thread)
{
    struct ptrace_syscall_info info;
    long number;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) {
        return 0;
    }
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        if (takes_skip(thread)) {
            fail(thread);
        }
        return 0;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) {
        return 0;
    }
    number = (long)info.entry.nr;
    if (mode == COUNT) {
        fprintf(log_file, "%ld %s\n", ++counted, name_of(number));
        return 0;
    }
    if (strcmp(wanted_name, "any") != 0 && strcmp(wanted_name, name_of(number)) != 0) {
        return 0;
    }
    counted++;
    if (counted == wanted) {
        fprintf(log_file, "%s\n", name_of(number));
        fflush(log_file);
        if (mode == KILL) {
            kill(root, SIGKILL);
            return 1;
        }
        skip(thread);
    } else if (mode == STAY && counted > wanted) {
        skip(thread);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int go[2], status, started = 0, over = 0, code = 125, at = 3;
    char byte = 0;
    pid_t thread;
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC
        | PTRACE_O_EXITKILL;

    must(argc > (argc > 2 && strcmp(argv[2], "count") == 0 ? 4 : 6) && (log_file = fopen(argv[1], "w")), "inject: log");
    mode = strcmp(argv[2], "count") == 0 ? COUNT : strcmp(argv[2], "kill") == 0 ? KILL : strcmp(argv[2], "fail") == 0 ? FAIL : STAY;
    if (mode != COUNT) {
        wanted_name = argv[at++];
        wanted = atol(argv[at++]);
    }
    if (mode == FAIL || mode == STAY) {
        error = atoi(argv[at++]);
    }
    at++;
    must(at < argc && pipe(go) == 0, "inject: arguments");
    root = fork();
    must(root >= 0, "inject: fork");
    if (root == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) == 1) {
            close(go[0]);
            fclose(log_file);
            execvp(argv[at], argv + at);
        }
        _exit(125);
    }
    must(ptrace(PTRACE_SEIZE, root, 0, options) == 0, "inject: trace");
    must(write(go[1], &byte, 1) == 1, "inject: start");
    close(go[0]);
    close(go[1]);
    ptrace(PTRACE_INTERRUPT, root, 0, 0);
    while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        int event, signal = 0;
        if (thread <= 0) {
            continue;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            takes_skip(thread);
            if (thread == root) {
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                over = 1;
            }
            continue;
        }
        event = status >> 16;
        if (over) {
            /* What is left is a child that has not executed its program yet: nobody looks at that any more. */
            ptrace(PTRACE_DETACH, thread, 0, event || WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status));
            continue;
        }
        if (event == PTRACE_EVENT_EXEC) {
            if (thread != root || started) {
                ptrace(PTRACE_DETACH, thread, 0, 0);
                continue;
            }
            started = 1;
        } else if (event == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP) {
            ptrace(PTRACE_LISTEN, thread, 0, 0);
            continue;
        } else if (!event && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            over = started && at_call(thread);
        } else if (!event) {
            signal = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, thread, 0, signal);
    }
    fclose(log_file);
    return code;
}
