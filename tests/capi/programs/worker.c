/* The worker, through all of its life: what a host may ask of it, each thing once. */
#include "check.h"

#include <pthread.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 32 };

struct host {
    mjitcc_worker *worker;
    pthread_mutex_t lock;
    int events[EVENTS];
    int published, scanned, jobs_wait, entered, reaped, left;
    uint64_t published_owner;
    char success[512], detail[4096], place[64];
    int base; /* what only the VM's thread may read */
};

struct errand {
    struct host *host;
    int base;
};

static void job(void *arg)
{
    struct errand *errand = arg;
    errand->base = errand->host->base;
}

/* Owners say what is wanted: 1 plain, 2 refused, 3 bad C, 4 with a job, 5 with another inlined, all with an assumption of their own. */
static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    char text[256];
    struct errand errand = { ctx, 0 };
    mjitcc_source_location place = { sizeof place, 9, "callee", "lib.rb" };
    unsigned long long owner = request->owner, switches = request->switches;
    CHECK(request->size == sizeof *request);
    CHECK(mjitcc_sink_depend_on(sink, 1000 + owner) == MJITCC_OK);
    switch (owner) {
    case 2:
        return 7;
    case 3:
        return mjitcc_sink_puts(sink, "int f(void) { return undeclared_thing; }\n");
    case 4:
        if (mjitcc_sink_on_vm_thread(sink, job, &errand) != MJITCC_OK)
            return 1;
        break;
    case 5:
        CHECK(mjitcc_sink_inlined(sink, 55, &place) == MJITCC_OK);
        break;
    }
    sprintf(text, "{ return %llu + %llu * 100 + %d; }\n", owner, switches, errand.base);
    CHECK(mjitcc_sink_write(sink, "long ", 5) == MJITCC_OK);
    CHECK(mjitcc_sink_puts(sink, request->entry) == MJITCC_OK);
    CHECK(mjitcc_sink_puts(sink, "(void)") == MJITCC_OK);
    return mjitcc_sink_puts(sink, text);
}

static void published(void *ctx, uint64_t owner, void *address)
{
    struct host *host = ctx;
    CHECK(address != NULL);
    pthread_mutex_lock(&host->lock);
    host->published++;
    host->published_owner = owner;
    pthread_mutex_unlock(&host->lock);
}

static void scan_stacks(void *ctx, mjitcc_code *code, size_t count)
{
    size_t i;
    struct host *host = ctx;
    for (i = 0; i < count; i++)
        CHECK(code[i].on_stack == 0 && code[i].address != NULL);
    host->scanned++;
}

static void vm_jobs_wait(void *ctx)
{
    ((struct host *)ctx)->jobs_wait++;
}

static void observe(void *ctx, const mjitcc_event *event)
{
    struct host *host = ctx;
    CHECK(event->size == sizeof *event && event->kind > 0 && event->kind < EVENTS && event->line != NULL);
    pthread_mutex_lock(&host->lock);
    host->events[event->kind]++;
    if (event->kind == MJITCC_EVENT_SUCCESS) {
        CHECK(event->level == 1 && event->ms > 0 && event->file != NULL && strstr(event->line, event->file) != NULL);
        snprintf(host->success, sizeof host->success, "%s", event->line);
        snprintf(host->place, sizeof host->place, "%s@%s:%u", event->location->label, event->location->path,
                 (unsigned)event->location->line);
    }
    if (event->kind == MJITCC_EVENT_FAILURE)
        snprintf(host->detail, sizeof host->detail, "%s", event->detail);
    if (event->kind == MJITCC_EVENT_INLINED)
        CHECK(strcmp(event->inlined->label, "callee") == 0 && event->inlined->line == 9);
    pthread_mutex_unlock(&host->lock);
}

static int events(struct host *host, int kind)
{
    int count;
    pthread_mutex_lock(&host->lock);
    count = host->events[kind];
    pthread_mutex_unlock(&host->lock);
    return count;
}

static void reap_enter(void *ctx)
{
    ((struct host *)ctx)->entered++;
}

static int64_t reap(void *ctx, int64_t pid, int32_t *status)
{
    int raw;
    pid_t reaped = waitpid((pid_t)pid, &raw, 0);
    *status = raw;
    ((struct host *)ctx)->reaped++;
    return reaped;
}

static void reap_leave(void *ctx)
{
    ((struct host *)ctx)->left++;
}

/* Counts the errors about the name that a unit does not declare. */
static void hear(void *ctx, const mjitcc_diagnostic *diagnostic)
{
    *(int *)ctx += diagnostic->severity == MJITCC_SEVERITY_ERROR && strstr(diagnostic->text, "undeclared_thing") != NULL;
}

static void wait_until_settled(mjitcc_worker *worker, mjitcc_slot *slot)
{
    CHECK(mjitcc_worker_wait_slot(worker, slot, 60000) != MJITCC_SLOT_NOT_READY);
    CHECK(mjitcc_worker_wait_slot(worker, slot, MJITCC_NO_TIMEOUT) == mjitcc_slot_state(slot));
}

static mjitcc_slot *submit(mjitcc_worker *worker, uint64_t owner, uint64_t switches)
{
    mjitcc_slot *slot;
    mjitcc_source_location place = { sizeof place, 7, "m", "test.rb" };
    CHECK(mjitcc_worker_submit(worker, owner, &place, 3, switches, &slot) == MJITCC_OK);
    return slot;
}

static long call(mjitcc_slot *slot)
{
    mjitcc_guard guard;
    long (*function)(void), result;
    CHECK(mjitcc_slot_enter(slot, &guard) == MJITCC_OK);
    CHECK(*mjitcc_slot_word(slot) == (uintptr_t)guard.address && *mjitcc_slot_word(slot) >= MJITCC_SLOT_FIRST_ADDRESS);
    memcpy(&function, &guard.address, sizeof function);
    result = function();
    CHECK(mjitcc_slot_leave(slot, &guard) == MJITCC_OK);
    return result;
}

struct owners {
    uint64_t owner[16];
    int count;
};

static void note(void *ctx, uint64_t owner)
{
    struct owners *owners = ctx;
    CHECK(owners->count < 16);
    owners->owner[owners->count++] = owner;
}

static int names(const struct owners *owners, uint64_t owner)
{
    int i, count = 0;
    for (i = 0; i < owners->count; i++)
        count += owners->owner[i] == owner;
    return count;
}

int main(void)
{
    static struct host host = { .lock = PTHREAD_MUTEX_INITIALIZER };
    static const char *const flags[] = { "-DUNUSED=1", NULL };
    mjitcc_host callbacks = { sizeof callbacks, 0, &host, generate, published, scan_stacks, vm_jobs_wait };
    mjitcc_reaper reaper = { sizeof reaper, 0, &host, reap_enter, reap, reap_leave, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_slot *plain, *refused, *bad, *jobs, *inlining, *again, *late;
    struct owners owners = { { 0 }, 0 };
    int heard = 0;
    mjitcc_guard guard;
    mjitcc_worker *worker;
    char text[4096];
    int i;

    options.host = &callbacks;
    options.cc = "gcc";
    options.cflags = flags;
    options.optimize = MJITCC_OPTIMIZE_O1;
    options.prefix = "_vm_";
    options.entry_prefix = "vm_unit";
    options.compaction = MJITCC_COMPACT_NEVER;
    options.unity = 8;
    options.tiers = MJITCC_TIERS_SAME_COMPILER;
    options.reaper = &reaper;
    options.observe = observe;
    options.observe_ctx = &host;
    host.base = 4000;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    host.worker = worker;

    plain = submit(worker, 1, 0);
    CHECK(*mjitcc_slot_calls(plain) == 3);
    *mjitcc_slot_calls(plain) += 1;
    wait_until_settled(worker, plain);
    CHECK(mjitcc_slot_state(plain) == MJITCC_SLOT_CALLABLE && call(plain) == 1);
    CHECK(mjitcc_slot_address(plain) == (void *)*mjitcc_slot_word(plain));
    CHECK(mjitcc_worker_is_enabled(worker) == MJITCC_OK);
    CHECK(mjitcc_worker_pause(worker, 1) == MJITCC_OK && mjitcc_worker_pause(worker, 1) == MJITCC_NO);
    CHECK(mjitcc_worker_resume(worker) == MJITCC_OK && mjitcc_worker_resume(worker) == MJITCC_NO);
    CHECK(host.published == 1 && host.published_owner == 1);
    CHECK(strstr(host.success, "JIT success (") == host.success && strstr(host.success, "/_vm_p") != NULL);
    CHECK(strcmp(host.place, "m@test.rb:7") == 0);
    CHECK(host.entered > 0 && host.entered == host.reaped && host.left == host.entered);

    /* Why there is no code. */
    refused = submit(worker, 2, 0);
    bad = submit(worker, 3, 0);
    wait_until_settled(worker, refused);
    wait_until_settled(worker, bad);
    CHECK(mjitcc_slot_failure(refused, text, sizeof text) > 0 && strstr(text, "gave no reason") != NULL);
    CHECK(mjitcc_slot_failure(bad, text, sizeof text) > 0 && strstr(text, "undeclared_thing") != NULL);
    CHECK(*mjitcc_slot_word(bad) == MJITCC_SLOT_FAILED);
    CHECK(mjitcc_slot_diagnostics(bad, hear, &heard) == MJITCC_OK && heard > 0);
    heard = 0;
    CHECK(mjitcc_slot_diagnostics(refused, hear, &heard) == MJITCC_OK && heard == 0);
    CHECK(mjitcc_worker_wait(worker, MJITCC_NO_TIMEOUT) == MJITCC_OK);
    CHECK(mjitcc_worker_pause(worker, 1) == MJITCC_OK && mjitcc_worker_resume(worker) == MJITCC_OK);
    CHECK(strstr(host.detail, "undeclared_thing") != NULL && events(&host, MJITCC_EVENT_FAILURE) == 2);
    CHECK(mjitcc_worker_recompile(worker, bad, 0) == MJITCC_NO);

    /* What only the VM's thread may read. */
    jobs = submit(worker, 4, 0);
    wait_until_settled(worker, jobs);
    CHECK(call(jobs) == 4004 && host.jobs_wait == 1);

    /* Owners: living, inlined, moved, dead. */
    inlining = submit(worker, 5, 0);
    wait_until_settled(worker, inlining);
    CHECK(mjitcc_worker_living_owners(worker, note, &owners) == MJITCC_OK);
    CHECK(names(&owners, 1) == 1 && names(&owners, 4) == 1 && names(&owners, 5) == 1 && names(&owners, 55) == 1);
    CHECK(names(&owners, 2) == 0 && events(&host, MJITCC_EVENT_INLINED) == 1);
    CHECK(mjitcc_worker_enter_gc(worker) == MJITCC_OK && mjitcc_worker_enter_gc(worker) == MJITCC_OK);
    CHECK(mjitcc_worker_owner_moved(worker, 5, 6) == MJITCC_OK);
    CHECK(mjitcc_worker_owner_died(worker, 4) == MJITCC_OK);
    CHECK(mjitcc_worker_leave_gc(worker) == MJITCC_OK && mjitcc_worker_leave_gc(worker) == MJITCC_OK);
    CHECK(mjitcc_slot_state(jobs) == MJITCC_SLOT_FAILED);
    mjitcc_slot_failure(jobs, text, sizeof text);
    CHECK(strcmp(text, "the owner was freed") == 0);
    owners.count = 0;
    CHECK(mjitcc_worker_living_owners(worker, note, &owners) == MJITCC_OK);
    CHECK(names(&owners, 6) == 1 && names(&owners, 5) == 0 && names(&owners, 4) == 0);

    /* Other switches, while somebody is inside of the old code. */
    CHECK(mjitcc_slot_enter(plain, &guard) == MJITCC_OK);
    CHECK(mjitcc_worker_recompile(worker, plain, 2) == MJITCC_OK);
    wait_until_settled(worker, plain);
    CHECK(call(plain) == 201 && mjitcc_slot_address(plain) != guard.address);
    { /* Still loaded: it can be called. */
        long (*old)(void);
        memcpy(&old, &guard.address, sizeof old);
        CHECK(old() == 1);
    }
    CHECK(mjitcc_slot_leave(plain, &guard) == MJITCC_OK);
    CHECK(mjitcc_slot_leave(plain, &guard) == MJITCC_MISUSE);
    CHECK(events(&host, MJITCC_EVENT_RECOMPILED) == 1);

    /* Facts, and everything at once. */
    owners.count = 0;
    CHECK(mjitcc_worker_invalidate(worker, 1001, note, &owners) == MJITCC_OK);
    CHECK(owners.count == 1 && owners.owner[0] == 1 && mjitcc_slot_state(plain) == MJITCC_SLOT_FAILED);
    CHECK(mjitcc_worker_invalidate(worker, 1001, NULL, NULL) == MJITCC_OK);
    again = submit(worker, 1, 1);
    wait_until_settled(worker, again);
    CHECK(call(again) == 101);
    owners.count = 0;
    CHECK(mjitcc_worker_cancel_all(worker, note, &owners) == MJITCC_OK);
    CHECK(owners.count == 2 && names(&owners, 1) == 1 && names(&owners, 6) == 1);
    CHECK(mjitcc_slot_address(again) == NULL);

    /* What was given up leaves memory, once nobody is inside. */
    for (i = 0; i < 60000 && events(&host, MJITCC_EVENT_UNLOADING) < 5; i++) {
        struct timespec moment = { 0, 1000000 };
        nanosleep(&moment, NULL);
    }
    CHECK(events(&host, MJITCC_EVENT_UNLOADING) == 5 && host.scanned > 0);

    /* exec that may fail: code stays, nothing new comes. */
    late = submit(worker, 1, 3);
    wait_until_settled(worker, late);
    CHECK(mjitcc_worker_prepare_exec(worker) == MJITCC_OK);
    CHECK(call(late) == 301 && mjitcc_worker_is_enabled(worker) == MJITCC_NO);
    CHECK(mjitcc_slot_retain(late) == late);
    mjitcc_slot_release(late);
    CHECK(call(late) == 301);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
    CHECK(events(&host, MJITCC_EVENT_FINISH) == 1 && events(&host, MJITCC_EVENT_STOPPING) == 1);

    mjitcc_slot_release(plain);
    mjitcc_slot_release(refused);
    mjitcc_slot_release(bad);
    mjitcc_slot_release(jobs);
    mjitcc_slot_release(inlining);
    mjitcc_slot_release(again);
    mjitcc_slot_release(late);
    puts("worker holds");
    return 0;
}
