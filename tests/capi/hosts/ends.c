/*
 * HOW: a process that ends without finishing, while units are made: exit, _exit, quick_exit, return, exec, abort, segv, kill, term, in a callback.
 * Says what it must not: nothing of the library's is printed, and no signal but its own ends it.
 */
#include "host.h"

static const char *how;

static void ends(void)
{
    if (strcmp(how, "exit") == 0) {
        exit(0);
    } else if (strcmp(how, "_exit") == 0) {
        _exit(0);
    } else if (strcmp(how, "quick_exit") == 0) {
        quick_exit(0);
    } else if (strcmp(how, "exec") == 0) {
        execl("/bin/true", "true", (char *)NULL);
    } else if (strcmp(how, "thread") == 0) {
        pthread_exit(NULL);
    } else if (strcmp(how, "term") == 0) {
        raise(SIGTERM);
    } else if (strcmp(how, "kill") == 0) {
        raise(SIGKILL);
    } else if (strcmp(how, "abort") == 0) {
        abort();
    }
}

static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    if (request->owner == 100) {
        if (strcmp(how, "callback") == 0) {
            exit(0);
        }
    }
    return plain(ctx, request, sink);
}

static void *ends_soon(void *arg)
{
    (void)arg;
    sleep_ms(200);
    exit(0);
}

int main(int count, char **words)
{
    mjitcc_host host = { sizeof host, 0, NULL, generate, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    int at;

    how = count > 1 ? words[1] : "return";
    options.host = &host;
    options.cc = "gcc";
    if (getenv("HOST_CC")) {
        options.cc = getenv("HOST_CC");
        options.standby = MJITCC_STANDBY_OFF;
        options.unity = MJITCC_UNITY_OFF;
    }
    options.threads = 2;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    CHECK(call(submit(worker, 1)) == 1);
    for (at = 2; at < 60; at++) {
        submit(worker, (uint64_t)at);
    }
    submit(worker, 100);
    if (strcmp(how, "callback") == 0) {
        for (;;) {
            sleep(1);
        }
    }
    if (strcmp(how, "thread") == 0) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, ends_soon, NULL) == 0);
    }
    sleep_ms(getenv("HOST_CC") ? 2000 : 20);
    ends();
    return 0;
}
