/* HEADER: forks that nothing announces, with a worker and an engine; followed, ignored, nested, in a thread, in a callback. */
#include "host.h"

static const char *header;

/* Forks from within a callback, on a thread of the worker's, when it is asked to. */
static int forks(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    mjitcc_worker *worker = *(mjitcc_worker **)ctx;
    if (request->owner == 100) {
        pid_t child = fork();
        if (child == 0) {
            mjitcc_slot *slot;
            alarm(60);
            REFUSED(mjitcc_worker_submit(worker, 1, NULL, 0, 0, &slot), MJITCC_MISUSE, "forked");
            CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
            _exit(0);
        }
        reap(child);
    }
    return plain(ctx, request, sink);
}

static mjitcc_worker *start(int ignore, mjitcc_worker **ctx, uint32_t threads)
{
    mjitcc_host host = { sizeof host, 0, ctx, forks, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    options.host = &host;
    options.cc = "gcc";
    options.header = header;
    options.threads = threads;
    options.ignore_forks = (uint8_t)ignore;
    CHECK(mjitcc_worker_start(&options, ctx) == MJITCC_OK);
    return *ctx;
}

static void a_worker_goes_on_in_the_child(void)
{
    mjitcc_worker *ctx, *worker = start(0, &ctx, 2);
    mjitcc_slot *first = submit(worker, 1), *waiting;
    int turn;
    CHECK(call(first) == 1);
    for (turn = 0; turn < 4; turn++) {
        pid_t child;
        waiting = submit(worker, 2);
        child = fork();
        if (child == 0) {
            pid_t grandchild;
            alarm(100);
            CHECK(call(first) == 1);
            if (turn == 1) {
                /* One that does nothing with it. */
                _exit(0);
            }
            if (turn == 2) {
                /* Or nothing but to give it back. */
                _exit(mjitcc_worker_finish(worker) != MJITCC_OK);
            }
            CHECK(call(submit(worker, 3)) == 3);
            CHECK(call(waiting) == 2);
            grandchild = fork();
            if (grandchild == 0) {
                alarm(100);
                CHECK(call(submit(worker, 4)) == 4);
                CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
                _exit(0);
            }
            reap(grandchild);
            CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
            _exit(0);
        }
        reap(child);
        CHECK(call(waiting) == 2);
        CHECK(call(submit(worker, 5)) == 5);
    }
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

static void a_worker_that_ignores_forks_is_refused_in_the_child(void)
{
    mjitcc_worker *ctx, *worker = start(1, &ctx, 1);
    pid_t child;
    CHECK(call(submit(worker, 1)) == 1);
    child = fork();
    if (child == 0) {
        mjitcc_slot *slot;
        mjitcc_fork *fork_handle;
        alarm(60);
        REFUSED(mjitcc_worker_submit(worker, 1, NULL, 0, 0, &slot), MJITCC_MISUSE, "forked");
        CHECK(slot == NULL);
        REFUSED(mjitcc_worker_pause(worker, 1), MJITCC_MISUSE, "forked");
        REFUSED(mjitcc_worker_enter_gc(worker), MJITCC_MISUSE, "forked");
        REFUSED(mjitcc_worker_cancel_all(worker, NULL, NULL), MJITCC_MISUSE, "forked");
        REFUSED(mjitcc_worker_before_fork(worker, &fork_handle), MJITCC_MISUSE, "forked");
        REFUSED(mjitcc_worker_is_enabled(worker), MJITCC_MISUSE, "forked");
        CHECK(mjitcc_worker_run_vm_jobs(worker) == 0);
        CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
        _exit(0);
    }
    reap(child);
    CHECK(call(submit(worker, 2)) == 2);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

/* The compiler that waits with the header reads a pipe, which must end though a child lives that was forked meanwhile. */
static void a_child_that_does_nothing_holds_nothing_up(void)
{
    mjitcc_worker *ctx, *worker = start(0, &ctx, 1);
    pid_t child;
    double began;
    CHECK(call(submit(worker, 1)) == 1);
    sleep_ms(500);
    child = fork();
    if (child == 0) {
        alarm(60);
        pause();
        _exit(1);
    }
    began = now();
    CHECK(call(submit(worker, 2)) == 2);
    CHECK(now() - began < 15);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

static void a_callback_may_fork(void)
{
    mjitcc_worker *ctx, *worker = start(0, &ctx, 1);
    CHECK(call(submit(worker, 100)) == 100);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

static void build(mjitcc_engine *engine, uint64_t id)
{
    mjitcc_built built = MJITCC_BUILT_INIT;
    const char *text = "long f(void) { return 3; }";
    const char *exports[] = { "f", NULL };
    CHECK(mjitcc_engine_build(engine, id, text, strlen(text), exports, &built) == MJITCC_OK);
    CHECK(mjitcc_engine_close(engine, built.handle) == MJITCC_OK);
}

static volatile int stops;

static void *builds(void *engine)
{
    uint64_t id = 1000;
    while (!stops) {
        build(engine, id++);
    }
    return NULL;
}

static void an_engine_goes_on_in_the_child(void)
{
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_engine *engine;
    pthread_t thread;
    int turn;
    options.cc = "gcc";
    options.header = header;
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);
    REFUSED(mjitcc_engine_fork_child(engine), MJITCC_MISUSE, "no child");
    CHECK(mjitcc_engine_build_pch(engine) == MJITCC_OK);
    build(engine, 1);
    /* Also while another thread is at work in it. */
    CHECK(pthread_create(&thread, NULL, builds, engine) == 0);
    for (turn = 0; turn < 6; turn++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(100);
            if (turn % 3 == 0) {
                build(engine, 2);
            }
            if (turn % 3 == 1) {
                CHECK(mjitcc_engine_fork_child(engine) == MJITCC_OK);
                build(engine, 2);
                CHECK(mjitcc_engine_fork_child(engine) == MJITCC_OK);
            }
            CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
            _exit(0);
        }
        reap(child);
        build(engine, 3);
    }
    stops = 1;
    pthread_join(thread, NULL);
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
}

static void an_engine_that_ignores_forks_is_refused_in_the_child(void)
{
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_engine *engine;
    pid_t child;
    options.cc = "gcc";
    options.ignore_forks = 1;
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);
    build(engine, 1);
    child = fork();
    if (child == 0) {
        mjitcc_built built = MJITCC_BUILT_INIT;
        alarm(60);
        REFUSED(mjitcc_engine_build(engine, 1, "", 0, NULL, &built), MJITCC_MISUSE, "forked");
        REFUSED(mjitcc_engine_cancel(engine), MJITCC_MISUSE, "forked");
        CHECK(mjitcc_engine_fork_child(engine) == MJITCC_OK);
        build(engine, 2);
        CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
        _exit(0);
    }
    reap(child);
    child = fork();
    if (child == 0) {
        _exit(mjitcc_engine_finish(engine, 1) != MJITCC_OK);
    }
    reap(child);
    build(engine, 3);
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
}

int main(int count, char **words)
{
    header = count > 1 ? words[1] : NULL;
    alarm(300);
    a_worker_goes_on_in_the_child();
    a_worker_that_ignores_forks_is_refused_in_the_child();
    a_child_that_does_nothing_holds_nothing_up();
    a_callback_may_fork();
    an_engine_goes_on_in_the_child();
    an_engine_that_ignores_forks_is_refused_in_the_child();
    puts("forks hold");
    return 0;
}
