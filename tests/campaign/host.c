/*
 * Loads libraries in order, calls entries twice each, and prints what can be seen: `host N LIBRARY... ENTRY...`. The calls run in a
 * child process that goes on with the next entry in a new child after a crash or a time-out. Lines: `entry NAME FIRST,SECOND`,
 * `key NAME ADDRESS`, `note NAME`, `crash NAME SIGNAL`, `dlopen REASON`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int calls;
static const char *current = "load";
int host_next(void) { return ++calls; }
int host_id(int x) { return x; }
int host_two(int a, int b) { return a * 10 + b; }
int host_null(const char *text) { return text == 0; }
long host_big(long x) { return x + (1L << 33); }
double host_half(double x) { return x / 2; }
int host_array[10] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3 };
int host_value = 42;
void host_key(const void *address) { printf("key %s %p\n", current, address); }
void host_note(const char *name) { printf("note %s\n", name); }
int host_sum(const char *text) { unsigned sum = 7; while (*text) sum = sum * 31 + (unsigned char)*text++; return (int)(sum >> 1); }
int host_many(int count, ...)
{
    va_list list; int sum = 0;
    va_start(list, count);
    while (count--) sum = sum * 3 + va_arg(list, int);
    va_end(list);
    return sum;
}
#define ALIASES(n) \
    int host_next_##n(void) __attribute__((alias("host_next"))); \
    int host_id_##n(int) __attribute__((alias("host_id"))); \
    int host_two_##n(int, int) __attribute__((alias("host_two"))); \
    int host_null_##n(const char *) __attribute__((alias("host_null"))); \
    long host_big_##n(long) __attribute__((alias("host_big"))); \
    double host_half_##n(double) __attribute__((alias("host_half"))); \
    extern int host_array_##n[10] __attribute__((alias("host_array"))); \
    extern int host_value_##n __attribute__((alias("host_value"))); \
    void host_key_##n(const void *) __attribute__((alias("host_key"))); \
    void host_note_##n(const char *) __attribute__((alias("host_note"))); \
    int host_sum_##n(const char *) __attribute__((alias("host_sum"))); \
    int host_many_##n(int, ...) __attribute__((alias("host_many")));
#include "aliases.h"

static void call_from(char **entries, int count, volatile int *at)
{
    for (; *at < count; ++*at) {
        int (*entry)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, entries[*at]);
        current = entries[*at];
        if (!entry) {
            printf("entry %s none\n", current);
            continue;
        }
        calls = 0;
        alarm(5);
        int first = entry(), second = entry();
        printf("entry %s %d,%d\n", current, first, second);
        fflush(stdout);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    int libraries = atoi(argv[1]), status;
    volatile int *at = mmap(0, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    setvbuf(stdout, 0, _IOLBF, 1 << 12);
    for (int i = 0; i < libraries; i++) {
        if (!dlopen(argv[2 + i], RTLD_LAZY | RTLD_GLOBAL)) {
            const char *said = dlerror(), *reason = strchr(said, ':');
            printf("dlopen %s\n", reason ? reason : said);
        }
    }
    char **entries = argv + 2 + libraries;
    int count = argc - 2 - libraries;
    while (*at < count) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            call_from(entries, count, at);
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && *at >= count)
            break;
        printf("crash %s %d\n", entries[*at], WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        ++*at;
    }
    _exit(0);
}
