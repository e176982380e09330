/* Exceptions of C++ out of callbacks: what they were called for fails, and the worker goes on. And longjmp within one. */
#include <csetjmp>
#include <exception>
#include <stdexcept>
#include <string>

#include "host.h"

static int alive;

struct Counted {
    Counted() { alive++; }
    Counted(const Counted &) { alive++; }
    ~Counted() { alive--; }
};

struct Thrown : std::runtime_error {
    Counted counted;
    Thrown() : std::runtime_error("thrown on purpose") {}
};

static void job(void *) { throw Thrown(); }

static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    Counted here;
    switch (request->owner) {
    case 1:
        throw Thrown();
    case 2:
        throw 7;
    case 3: {
        std::jmp_buf back;
        if (setjmp(back) == 0) {
            std::longjmp(back, 1);
        }
        return plain(ctx, request, sink);
    }
    case 4:
        CHECK(mjitcc_sink_on_vm_thread(sink, job, nullptr) == MJITCC_FAILED);
        return mjitcc_sink_fail(sink, mjitcc_last_error());
    }
    CHECK(std::uncaught_exceptions() == 0);
    return plain(ctx, request, sink);
}

static void published(void *, uint64_t, void *) { throw Thrown(); }
static void scan(void *, mjitcc_code *, size_t) { throw Thrown(); }
static void observe(void *, const mjitcc_event *) { throw Thrown(); }
static void each(void *, uint64_t) { throw Thrown(); }

int main()
{
    mjitcc_host host = { sizeof host, 0, nullptr, generate, published, scan, nullptr };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    alarm(120);
    options.host = &host;
    options.cc = "gcc";
    options.unity = MJITCC_UNITY_OFF;
    options.observe = observe;
    options.wait = 1;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    CHECK(strstr(failure(submit(worker, 1)), "panicked") || strstr(failure(submit(worker, 1)), "threw"));
    CHECK(strstr(failure(submit(worker, 2)), "panicked") || strstr(failure(submit(worker, 2)), "threw"));
    CHECK(call(submit(worker, 3)) == 3);
    CHECK(strstr(failure(submit(worker, 4)), "the job threw"));
    CHECK(call(submit(worker, 5)) == 5);
    REFUSED(mjitcc_worker_living_owners(worker, each, nullptr), MJITCC_FAILED, "exception");
    CHECK(std::uncaught_exceptions() == 0);
    CHECK(call(submit(worker, 6)) == 6);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
    CHECK(alive == 0);
    puts("exceptions hold");
    return 0;
}
