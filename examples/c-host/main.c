/* Runs each program interpreted and as machine code, compares the results, and prints the times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef _WIN32
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "vm.h"

static double now_ms(void)
{
#ifdef _WIN32
    return clock() * 1e3 / CLOCKS_PER_SEC;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
#endif
}

struct program {
    const char *name;
    int32_t function;
    int64_t argument, small;
};

static const struct program programs[] = {
    { "fib", FIB, 27, 12 },
    { "sieve", SIEVE, 200000, 100 },
    { "sort", SORT_MAIN, 1500, 40 },
    { "collatz", COLLATZ, 300, 40 },
    { "mix", MIX, 300000, 500 },
};

/* Returns the result of a program, and the best time of several runs. */
static int64_t timed(struct vm *vm, const struct program *program, int64_t argument, double *ms)
{
    int64_t result = 0;
    int i;
    *ms = 1e99;
    for (i = 0; i < 3; i++) {
        double began = now_ms(), took;
        result = vm_run(vm, program->function, argument);
        took = now_ms() - began;
        if (took < *ms)
            *ms = took;
    }
    return result;
}

static int compare(struct vm *vm, bool quick)
{
    size_t i;
    int j, wrong = 0;
    printf("%-10s %14s %14s %8s  %s\n", "program", "interpreted ms", "compiled ms", "times", "result");
    for (i = 0; i < sizeof programs / sizeof *programs; i++) {
        const struct program *program = &programs[i];
        int64_t argument = quick ? program->small : program->argument, interpreted, compiled;
        double slow, fast;
        vm->jit = false;
        interpreted = timed(vm, program, argument, &slow);
        vm->jit = true;
        /* Often enough to become hot, and again after a failed speculation. */
        for (j = 0; j < 2 * HOT; j++)
            vm_run(vm, program->function, program->small);
        jit_settle(vm);
        vm_run(vm, program->function, argument);
        jit_settle(vm);
        compiled = timed(vm, program, argument, &fast);
        printf("%-10s %14.2f %14.2f %8.1f  %lld%s\n", program->name, slow, fast, slow / fast, (long long)compiled,
               compiled == interpreted ? "" : " WRONG");
        wrong += compiled != interpreted;
    }
    return wrong;
}

static int churn(struct vm *vm, int64_t rounds)
{
    int64_t interpreted, compiled;
    vm->jit = false;
    interpreted = programs_churn(vm, rounds);
    vm->jit = true;
    compiled = programs_churn(vm, rounds);
    printf("churn      %s\n", compiled == interpreted ? "right" : "WRONG");
    return compiled != interpreted;
}

/* Forks; both processes continue, each with a worker. */
static int fork_both(struct vm *vm)
{
#ifdef _WIN32
    (void)vm;
    return 0;
#else
    mjitcc_fork *fork_handle;
    int status = 0, wrong;
    pid_t child;
    fflush(stdout);
    if (mjitcc_worker_before_fork(vm->worker, &fork_handle) != MJITCC_OK)
        vm_die(mjitcc_last_error());
    child = fork();
    if (child < 0) {
        mjitcc_fork_failed(fork_handle);
        vm_die("cannot fork");
    }
    if (child == 0) {
        mjitcc_fork_in_child(fork_handle);
        /* Inherited code and new code. */
        wrong = compare(vm, true) + churn(vm, 6);
        jit_finish(vm);
        vm_free(vm);
        printf("child      %s\n", wrong ? "WRONG" : "right");
        exit(wrong != 0);
    }
    mjitcc_fork_in_parent(fork_handle);
    wrong = churn(vm, 6);
    waitpid(child, &status, 0);
    return wrong + (status != 0);
#endif
}

int main(int count, char **words)
{
    struct jit_options options = { NULL, "examples/c-host/runtime.h", NULL, false, 0, 1 };
    bool quick = false, forks = false;
    struct vm *vm;
    int i, wrong = 0;
    for (i = 1; i < count; i++) {
        bool last = i + 1 == count;
        if (!strcmp(words[i], "--wait"))
            options.wait = true;
        else if (!strcmp(words[i], "--quick"))
            quick = true;
        else if (!strcmp(words[i], "--fork"))
            forks = true;
        else if (!strcmp(words[i], "--verbose"))
            options.verbose = 2;
        else if (!strcmp(words[i], "--cc") && !last)
            options.cc = words[++i];
        else if (!strcmp(words[i], "--header") && !last)
            options.header = words[++i];
        else if (!strcmp(words[i], "--threads") && !last)
            options.threads = (uint32_t)atoi(words[++i]);
        else {
            fprintf(stderr, "usage: c-host [--wait] [--quick] [--fork] [--verbose] [--cc CC] [--header FILE] [--threads N]\n");
            return 2;
        }
    }
    if (mjitcc_abi() != MJITCC_ABI)
        vm_die("this is not the library that c-host was compiled for");
    vm = vm_new();
    jit_start(vm, &options);
    programs_define(vm);
    wrong = compare(vm, quick);
    wrong += churn(vm, quick ? 6 : 24);
    if (forks)
        wrong += fork_both(vm);
    jit_settle(vm);
    if (mjitcc_worker_is_enabled(vm->worker) != MJITCC_OK)
        vm_die("nothing was compiled");
    jit_finish(vm);
    printf("%llu collections, %llu functions moved, %llu died, %llu speculations failed\n",
           (unsigned long long)vm->face.collections, (unsigned long long)vm->moved, (unsigned long long)vm->died,
           (unsigned long long)vm->speculations_failed);
    if (!vm->died || !vm->speculations_failed)
        vm_die("too quiet to prove anything");
    vm_free(vm);
    return wrong != 0;
}
