/* longjmp out of callbacks that name owners on the host's own thread, which the header forbids: no lock is held there, so that the host loses
 * memory at the most. All later calls work, and finishing comes back. A job is left out: who asked for the job waits for its end. */
#include <setjmp.h>

#include "host.h"

static jmp_buf back;
static int jumped;

static void leave(void *ctx, uint64_t owner)
{
    (void)ctx, (void)owner;
    jumped++;
    longjmp(back, 1);
}

enum way { LIVING, CANCEL, WAYS };

static void jump(mjitcc_worker *worker, enum way way)
{
    if (setjmp(back)) {
        return;
    }
    switch (way) {
    case LIVING:
        mjitcc_worker_living_owners(worker, leave, NULL);
        break;
    default:
        mjitcc_worker_pause(worker, 0);
        submit(worker, 50);
        mjitcc_worker_cancel_all(worker, leave, NULL);
    }
}

static void one(enum way way)
{
    mjitcc_host host = { sizeof host, 0, NULL, plain, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    options.host = &host;
    options.cc = "gcc";
    options.threads = 2;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    CHECK(call(submit(worker, 1)) == 1);
    jumped = 0;
    jump(worker, way);
    CHECK(jumped);
    mjitcc_worker_resume(worker);
    CHECK(call(submit(worker, 2)) == 2);
    CHECK(mjitcc_worker_is_enabled(worker) >= 0);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

int main(void)
{
    int way;
    alarm(240);
    for (way = LIVING; way < WAYS; way++) {
        one((enum way)way);
    }
    puts("jumps hold");
    return 0;
}
