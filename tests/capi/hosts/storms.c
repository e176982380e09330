/* A host whose other threads start processes in all ways, interrupt every system call by signals, and end what they are not asked to wait for, while
 * the worker compiles. */
#include <spawn.h>
#include <sys/time.h>

#include "host.h"

extern char **environ;
static volatile int over;
static volatile int rings;

static void ring(int signal)
{
    (void)signal;
    rings++;
}

static void *signals(void *main_thread)
{
    while (!over) {
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
        kill(getpid(), SIGUSR1);
        sleep_ms(1);
    }
    return NULL;
}

static void *processes(void *arg)
{
    char *words[] = { "true", NULL };
    int turn;
    (void)arg;
    for (turn = 0; !over; turn++) {
        pid_t child = -1;
        int status = 0;
        switch (turn % 4) {
        case 0:
            CHECK(posix_spawnp(&child, "true", NULL, NULL, words, environ) == 0);
            break;
        case 1:
            child = vfork();
            if (child == 0) {
                execvp("true", words);
                _exit(1);
            }
            break;
        case 2:
            CHECK(system("true") != -1);
            continue;
        default: {
            FILE *pipe = popen("echo x", "r");
            char text[10] = "";
            CHECK(pipe);
            while (!fgets(text, sizeof text, pipe) && ferror(pipe) && errno == EINTR) {
                clearerr(pipe);
            }
            pclose(pipe);
            continue;
        }
        }
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        CHECK(status == 0);
    }
    return NULL;
}

/* Forks twice in a new session, as daemons do, and lives on there. */
static void *daemons(void *worker)
{
    while (!over) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            pid_t grandchild;
            alarm(100);
            setsid();
            grandchild = fork();
            if (grandchild == 0) {
                alarm(100);
                _exit(call(submit(worker, 9)) != 9 || mjitcc_worker_finish(worker) != MJITCC_OK);
            }
            reap(grandchild);
            _exit(0);
        }
        reap(child);
        sleep_ms(20);
    }
    return NULL;
}

int main(void)
{
    mjitcc_host host = { sizeof host, 0, NULL, plain, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    struct sigaction action;
    pthread_t main_thread = pthread_self(), threads[3];
    uint64_t owner;
    int at;

    alarm(240);
    memset(&action, 0, sizeof action);
    action.sa_handler = ring; /* without SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    options.host = &host;
    options.cc = "gcc";
    options.threads = 2;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    CHECK(pthread_create(&threads[0], NULL, signals, &main_thread) == 0);
    CHECK(pthread_create(&threads[1], NULL, processes, NULL) == 0);
    CHECK(pthread_create(&threads[2], NULL, daemons, worker) == 0);
    for (owner = 1; owner <= 40; owner++) {
        CHECK(call(submit(worker, owner)) == (long)owner);
    }
    over = 1;
    for (at = 0; at < 3; at++) {
        CHECK(pthread_join(threads[at], NULL) == 0);
    }
    CHECK(rings > 0);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
    puts("storms hold");
    return 0;
}
