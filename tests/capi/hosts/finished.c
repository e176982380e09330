/* Handles that were given back: every call is refused with words, and none is another's. */
#include "host.h"

static void each(void *ctx, uint64_t owner)
{
    (void)ctx, (void)owner;
}

static void workers(void)
{
    mjitcc_host host = { sizeof host, 0, NULL, plain, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker, *next;
    mjitcc_slot *slot, *none;
    mjitcc_fork *held;

    options.host = &host;
    options.cc = "gcc";
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    slot = submit(worker, 1);
    CHECK(call(slot) == 1);
    CHECK(mjitcc_worker_before_fork(worker, &held) == MJITCC_OK);
    CHECK(mjitcc_fork_failed(held) == MJITCC_OK);
    REFUSED(mjitcc_fork_failed(held), MJITCC_MISUSE, "given back");
    REFUSED(mjitcc_fork_in_parent(held), MJITCC_MISUSE, "given back");
    REFUSED(mjitcc_fork_in_child(held), MJITCC_MISUSE, "given back");
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);

    /* Another one is not taken for it. */
    CHECK(mjitcc_worker_start(&options, &next) == MJITCC_OK);
    CHECK(next != worker);
    REFUSED(mjitcc_worker_submit(worker, 1, NULL, 0, 0, &none), MJITCC_MISUSE, "finished");
    CHECK(none == NULL);
    REFUSED(mjitcc_worker_recompile(worker, slot, 0), MJITCC_MISUSE, "finished");
    CHECK(mjitcc_worker_run_vm_jobs(worker) == 0);
    REFUSED(mjitcc_worker_enter_gc(worker), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_leave_gc(worker), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_owner_died(worker, 1), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_owner_moved(worker, 1, 2), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_living_owners(worker, each, NULL), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_invalidate(worker, 1, each, NULL), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_cancel_all(worker, each, NULL), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_is_enabled(worker), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_pause(worker, 1), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_resume(worker), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_prepare_exec(worker), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_before_fork(worker, &held), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_worker_finish(worker), MJITCC_MISUSE, "finished");

    /* A share in a slot is good until it is given back: it has no code any more. */
    CHECK(mjitcc_slot_address(slot) == NULL);
    CHECK(mjitcc_slot_state(slot) == MJITCC_SLOT_FAILED);
    mjitcc_slot_release(slot);
    CHECK(call(submit(next, 2)) == 2);
    CHECK(mjitcc_worker_finish(next) == MJITCC_OK);
}

static void engines(void)
{
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_engine *engine;
    mjitcc_built built = MJITCC_BUILT_INIT;
    const char *text = "long f(void) { return 3; }";
    char room[100];
    void *address;

    options.cc = "gcc";
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);
    CHECK(mjitcc_engine_build(engine, 1, text, strlen(text), NULL, &built) == MJITCC_OK);
    CHECK(mjitcc_engine_finish(engine, 0) == MJITCC_OK);
    REFUSED(mjitcc_engine_build(engine, 1, text, strlen(text), NULL, &built), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_build_pch(engine), MJITCC_MISUSE, "finished");
    CHECK(mjitcc_engine_pch_file(engine, room, sizeof room) == 0);
    REFUSED(mjitcc_engine_symbol(engine, built.handle, "f", &address), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_close(engine, built.handle), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_forget(engine, built.handle), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_remove(engine, "f"), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_log(engine, 0, "f"), MJITCC_MISUSE, "finished");
    CHECK(mjitcc_engine_file_name(engine, 1, ".c", room, sizeof room) == 0);
    CHECK(mjitcc_engine_entry_name(engine, 1, "f", room, sizeof room) == 0);
    REFUSED(mjitcc_engine_fork_child(engine), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_cancel(engine), MJITCC_MISUSE, "finished");
    REFUSED(mjitcc_engine_finish(engine, 1), MJITCC_MISUSE, "finished");
}

int main(void)
{
    alarm(120);
    workers();
    engines();
    puts("finished holds");
    return 0;
}
