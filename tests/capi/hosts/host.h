/* What the hosts share: a host whose units give their owner's number, a clock, and a wait for a slot. */
#ifndef HOST_H
#define HOST_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../programs/check.h"

static inline int plain(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    char text[200];
    (void)ctx;
    snprintf(text, sizeof text, "long %s(void) { return %ld; }\n", request->entry, (long)request->owner);
    return mjitcc_sink_puts(sink, text) != MJITCC_OK;
}

static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void sleep_ms(long ms)
{
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* Waits a minute for a slot to say anything but not ready. */
static inline int settled(const mjitcc_slot *slot)
{
    double until = now() + 60;
    while (mjitcc_slot_state(slot) == MJITCC_SLOT_NOT_READY && now() < until) {
        sleep_ms(1);
    }
    return mjitcc_slot_state(slot);
}

static inline long call(const mjitcc_slot *slot)
{
    char why[500] = "";
    union { void *address; long (*code)(void); } word;
    settled(slot);
    mjitcc_slot_failure(slot, why, sizeof why);
    word.address = mjitcc_slot_address(slot);
    if (!word.address) {
        fprintf(stderr, "no code: state %d %s\n", mjitcc_slot_state(slot), why);
        exit(1);
    }
    return word.code();
}

static inline const char *failure(const mjitcc_slot *slot)
{
    static char why[500];
    settled(slot);
    mjitcc_slot_failure(slot, why, sizeof why);
    return why;
}

static inline mjitcc_slot *submit(mjitcc_worker *worker, uint64_t owner)
{
    mjitcc_slot *slot;
    CHECK(mjitcc_worker_submit(worker, owner, NULL, 0, 0, &slot) == MJITCC_OK);
    return slot;
}

/* Reaps a child, which must have ended with 0. */
static inline void reap(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) {
        fprintf(stderr, "child: status %x\n", (unsigned)status);
        exit(1);
    }
}

#endif
