/* Handles, structures and options that are not what they should be: errors in words, never a crash. */
#include "check.h"

static int no_text(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    (void)ctx, (void)request;
    return mjitcc_sink_fail(sink, "no text here") == MJITCC_OK;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void null_handles(void)
{
    mjitcc_source_location place = { sizeof place, 1, "m", "f" };
    mjitcc_slot *slot = (mjitcc_slot *)&place;
    mjitcc_fork *fork = (mjitcc_fork *)&place;
    mjitcc_guard guard = { NULL, 0 };
    mjitcc_built built = MJITCC_BUILT_INIT;
    void *address = &place;
    char text[8];
    size_t count;

    REFUSED(mjitcc_worker_submit(NULL, 1, &place, 0, 0, &slot), MJITCC_INVALID, "the worker is NULL");
    CHECK(slot == NULL);
    REFUSED(mjitcc_worker_recompile(NULL, NULL, 0), MJITCC_INVALID, "worker");
    CHECK(mjitcc_worker_run_vm_jobs(NULL) == 0);
    CHECK(mjitcc_worker_enter_gc(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_leave_gc(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_owner_died(NULL, 1) == MJITCC_INVALID);
    CHECK(mjitcc_worker_owner_moved(NULL, 1, 2) == MJITCC_INVALID);
    CHECK(mjitcc_worker_living_owners(NULL, NULL, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_invalidate(NULL, 1, NULL, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_cancel_all(NULL, NULL, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_is_enabled(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_pause(NULL, 1) == MJITCC_INVALID);
    CHECK(mjitcc_worker_resume(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_prepare_exec(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_worker_finish(NULL) == MJITCC_OK);
    CHECK(mjitcc_worker_before_fork(NULL, &fork) == MJITCC_INVALID && fork == NULL);
    CHECK(mjitcc_fork_in_parent(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_fork_in_child(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_fork_failed(NULL) == MJITCC_INVALID);
    REFUSED(mjitcc_slot_state(NULL), MJITCC_INVALID, "the slot is NULL");
    CHECK(mjitcc_slot_retain(NULL) == NULL);
    mjitcc_slot_release(NULL);
    CHECK(mjitcc_slot_address(NULL) == NULL && mjitcc_slot_word(NULL) == NULL && mjitcc_slot_calls(NULL) == NULL);
    CHECK(mjitcc_slot_failure(NULL, text, sizeof text) == 0);
    CHECK(mjitcc_slot_enter(NULL, &guard) == MJITCC_INVALID);
    CHECK(mjitcc_slot_leave(NULL, &guard) == MJITCC_INVALID);
    CHECK(mjitcc_sink_write(NULL, "x", 1) == MJITCC_INVALID);
    CHECK(mjitcc_sink_puts(NULL, "x") == MJITCC_INVALID);
    CHECK(mjitcc_sink_depend_on(NULL, 1) == MJITCC_INVALID);
    CHECK(mjitcc_sink_inlined(NULL, 1, &place) == MJITCC_INVALID);
    CHECK(mjitcc_sink_fail(NULL, "x") == MJITCC_INVALID);
    CHECK(mjitcc_sink_on_vm_thread(NULL, nothing, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_build_pch(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_pch_file(NULL, text, sizeof text) == 0);
    CHECK(mjitcc_engine_build(NULL, 1, "int x;", 6, NULL, &built) == MJITCC_INVALID);
    CHECK(mjitcc_engine_symbol(NULL, NULL, "x", &address) == MJITCC_INVALID && address == NULL);
    CHECK(mjitcc_engine_close(NULL, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_forget(NULL, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_remove(NULL, "x") == MJITCC_INVALID);
    CHECK(mjitcc_engine_log(NULL, 1, "x") == MJITCC_INVALID);
    CHECK(mjitcc_engine_file_name(NULL, 1, ".c", text, sizeof text) == 0);
    CHECK(mjitcc_engine_entry_name(NULL, 1, NULL, text, sizeof text) == 0);
    CHECK(mjitcc_engine_fork_child(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_cancel(NULL) == MJITCC_INVALID);
    CHECK(mjitcc_engine_finish(NULL, 1) == MJITCC_OK);
    REFUSED(mjitcc_should_compact(NULL), MJITCC_INVALID, "mjitcc_census is NULL");
    CHECK(mjitcc_pick_unloads(NULL, 3, NULL, 0, 10, NULL, &count) == MJITCC_INVALID);
    CHECK(mjitcc_pick_unloads(NULL, 0, NULL, 0, 10, NULL, NULL) == MJITCC_INVALID);
}

/* Options of a header that is newer than the library. */
struct newer_options {
    mjitcc_worker_options known;
    uint64_t unknown;
};

static void options(void)
{
    mjitcc_host host = { sizeof host, 0, NULL, no_text, NULL, NULL, NULL };
    mjitcc_reaper reaper = { sizeof reaper, 0, NULL, NULL, NULL, NULL, NULL };
    mjitcc_worker_options right = MJITCC_WORKER_OPTIONS_INIT, wrong;
    mjitcc_engine_options engine_options = MJITCC_ENGINE_OPTIONS_INIT;
    struct newer_options newer;
    mjitcc_worker *worker = (mjitcc_worker *)&host;
    mjitcc_engine *engine = (mjitcc_engine *)&host;
    right.host = &host;
    right.cc = "gcc";

    REFUSED(mjitcc_worker_start(NULL, &worker), MJITCC_INVALID, "mjitcc_worker_options is NULL");
    CHECK(worker == NULL);
    REFUSED(mjitcc_worker_start(&right, NULL), MJITCC_INVALID, "NULL");

#define WRONG(change, word) \
    do { \
        wrong = right; \
        change; \
        worker = (mjitcc_worker *)&host; \
        REFUSED(mjitcc_worker_start(&wrong, &worker), MJITCC_INVALID, word); \
        CHECK(worker == NULL); \
    } while (0)
    WRONG(wrong.size = 0, "mjitcc_worker_options.size is 0");
    WRONG(wrong.size = 8, "size is 8");
    WRONG(wrong.size = sizeof wrong - 4, "size is");
    WRONG(wrong.size = 0xcccccccc, "size is");
    WRONG(wrong.abi = MJITCC_ABI + 1, "compiled for ABI 3");
    WRONG(wrong.host = NULL, "mjitcc_host is NULL");
    WRONG(wrong.family = "turbo", "no compiler family turbo");
    WRONG(wrong.optimize = 6, "optimize 6");
    WRONG(wrong.unloading = 2, "unloading 2");
    WRONG(wrong.compaction = 9, "compaction 9");
    WRONG(wrong.tiers = 3, "tiers 3");
    WRONG(wrong.standby = 2, "standby 2");
    WRONG(wrong.linker = 7, "linker 7");
    WRONG(wrong.cache = "", "mjitcc_worker_options.cache is empty");
    WRONG(wrong.launcher = "", "launcher is empty");
    WRONG(wrong.timings = "", "timings is empty");
    WRONG(wrong.trace = "", "trace is empty");
    WRONG(wrong.reserved[5] = 1, "reserved is not zero");
    WRONG(wrong.reaper = &reaper, "mjitcc_reaper.wait is NULL");
    host.size = 8;
    WRONG((void)0, "mjitcc_host.size is 8");
    host.size = sizeof host;
    host.generate = NULL;
    WRONG((void)0, "mjitcc_host.generate is NULL");
    host.generate = no_text;

    memset(&newer, 0, sizeof newer);
    newer.known = right;
    newer.known.size = sizeof newer;
    newer.unknown = 1;
    REFUSED(mjitcc_worker_start(&newer.known, &worker), MJITCC_INVALID, "newer header");
    newer.unknown = 0;
    CHECK(mjitcc_worker_start(&newer.known, &worker) == MJITCC_OK);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);

    /* An older header's options end after host, say: all else takes its default. */
    wrong = right;
    memset(&wrong.header, 0xff, sizeof wrong - offsetof(mjitcc_worker_options, header));
    wrong.size = offsetof(mjitcc_worker_options, header);
    CHECK(mjitcc_worker_start(&wrong, &worker) == MJITCC_OK);
    CHECK(mjitcc_worker_leave_gc(worker) == MJITCC_MISUSE);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);

    /* One from before there was a cache. */
    wrong = right;
    memset(&wrong.cache, 0xff, sizeof wrong - offsetof(mjitcc_worker_options, cache));
    wrong.size = offsetof(mjitcc_worker_options, cache);
    CHECK(mjitcc_worker_start(&wrong, &worker) == MJITCC_OK);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);

    engine_options.abi = 77;
    REFUSED(mjitcc_engine_open(&engine_options, &engine), MJITCC_INVALID, "ABI 77");
    CHECK(engine == NULL);
    engine_options.abi = MJITCC_ABI;
    engine_options.cc = "no-such-compiler";
    REFUSED(mjitcc_engine_open(&engine_options, &engine), MJITCC_FAILED, "no-such-compiler");
    engine_options.cc = "gcc";
    CHECK(mjitcc_engine_open(&engine_options, &engine) == MJITCC_OK);
    REFUSED(mjitcc_engine_build_pch(engine), MJITCC_MISUSE, "without a header");
    REFUSED(mjitcc_engine_close(engine, &host), MJITCC_INVALID, "none of this engine's");
    REFUSED(mjitcc_engine_remove(engine, "/etc/passwd"), MJITCC_INVALID, "no file of this engine's");
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
}

/* A place that does not say its size fails the call, not the process; a unit that is refused says why. */
static void units(void)
{
    mjitcc_host host = { sizeof host, 0, NULL, no_text, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_source_location place = { 0, 1, "m", "f" };
    mjitcc_worker *worker;
    mjitcc_slot *slot;
    mjitcc_guard guard;
    char text[64], small[5];
    options.host = &host;
    options.cc = "gcc";
    options.wait = 1;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    REFUSED(mjitcc_worker_submit(worker, 1, &place, 0, 0, &slot), MJITCC_INVALID, "mjitcc_source_location.size is 0");
    CHECK(slot == NULL);
    REFUSED(mjitcc_worker_submit(worker, 1, NULL, 0, 0, NULL), MJITCC_INVALID, "NULL");
    CHECK(mjitcc_worker_submit(worker, 1, NULL, 0, 0, &slot) == MJITCC_OK);
    CHECK(mjitcc_slot_state(slot) == MJITCC_SLOT_FAILED);
    CHECK(mjitcc_slot_address(slot) == NULL);
    CHECK(mjitcc_slot_failure(slot, text, sizeof text) == 12 && strcmp(text, "no text here") == 0);
    CHECK(mjitcc_slot_failure(slot, small, sizeof small) == 12 && strcmp(small, "no t") == 0);
    CHECK(mjitcc_slot_failure(slot, NULL, 0) == 12);
    CHECK(mjitcc_slot_enter(slot, NULL) == MJITCC_INVALID);
    CHECK(mjitcc_slot_enter(slot, &guard) == MJITCC_NO && guard.address == NULL);
    REFUSED(mjitcc_slot_leave(slot, &guard), MJITCC_MISUSE, "not held");
    REFUSED(mjitcc_worker_recompile(worker, NULL, 0), MJITCC_INVALID, "the slot is NULL");
    CHECK(mjitcc_worker_enter_gc(worker) == MJITCC_OK);
    CHECK(mjitcc_worker_leave_gc(worker) == MJITCC_OK);
    REFUSED(mjitcc_worker_leave_gc(worker), MJITCC_MISUSE, "without being entered");
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
    /* A share outlives its worker. */
    CHECK(mjitcc_slot_state(slot) == MJITCC_SLOT_FAILED);
    mjitcc_slot_release(slot);
}

int main(void)
{
    CHECK(mjitcc_abi() == MJITCC_ABI);
    CHECK(mjitcc_version()[0] != '\0');
    CHECK(strcmp(mjitcc_last_error(), "") == 0);
    null_handles();
    options();
    units();
    puts("bounds hold");
    return 0;
}
