/* A host that has three units compiled by a worker, calls them, and finishes. A line for each: its number and what it gave, or why there is no code.
 * A wrong number ends it with 1. What is asked for is always answered: there is no state in which a unit waits for ever. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mjitcc.h"

static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    char text[200];
    (void)ctx;
    snprintf(text, sizeof text, "long %s(void) { return twice(500) + %ld; }\n", request->entry, (long)request->owner);
    return mjitcc_sink_puts(sink, text) != MJITCC_OK;
}

int main(int argc, char **argv)
{
    mjitcc_host host = { sizeof host, 0, NULL, generate, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    mjitcc_slot *slots[3];
    long owner;
    int bad = 0;

    options.host = &host;
    options.cc = "gcc";
    options.threads = 2;
    options.header = argc > 1 ? argv[1] : NULL;
    if (mjitcc_worker_start(&options, &worker) != MJITCC_OK) {
        printf("no worker: %s\n", mjitcc_last_error());
        return 0;
    }
    for (owner = 0; owner < 3; owner++) {
        if (mjitcc_worker_submit(worker, (uint64_t)owner, NULL, 0, 0, &slots[owner]) != MJITCC_OK) {
            printf("%ld is not taken: %s\n", owner, mjitcc_last_error());
            slots[owner] = NULL;
        }
    }
    for (owner = 0; owner < 3; owner++) {
        union { void *address; long (*code)(void); } word;
        if (!slots[owner]) {
            continue;
        }
        while (mjitcc_slot_state(slots[owner]) == MJITCC_SLOT_NOT_READY) {
            struct timespec time = { 0, 1000000 };
            nanosleep(&time, NULL);
        }
        word.address = mjitcc_slot_address(slots[owner]);
        if (word.address) {
            long value = word.code();
            printf("%ld gives %ld\n", owner, value);
            bad |= value != 1000 + owner;
        } else {
            char why[500] = "";
            mjitcc_slot_failure(slots[owner], why, sizeof why);
            printf("%ld fails: %s\n", owner, why);
            bad |= !*why;
        }
    }
    bad |= mjitcc_worker_finish(worker) != MJITCC_OK;
    return bad;
}
