/*
 * The environment: a thread changes it all the time, with 17000 variables in it, while units compile; and one that is given is what
 * compilers get. TEMP: an empty directory. The driver links: wild asks for variables of its own by getenv, one by one.
 */
#include "host.h"

extern char **environ;

static volatile int stops;

/* A list of its own, in place of the one before, which is freed as soon as nothing leads to it: readers must not be in there. */
static void moves_it(void)
{
    static char **before;
    size_t count = 0;
    char **list;
    while (environ[count]) {
        count++;
    }
    list = malloc((count + 1) * sizeof *list);
    CHECK(list);
    memcpy(list, environ, (count + 1) * sizeof *list);
    environ = list;
    if (before) {
        memset(before, 0x5a, sizeof *before * 17000);
        free(before);
    }
    before = list;
}

static void *changes(void *arg)
{
    unsigned number = 0;
    (void)arg;
    while (!stops) {
        char name[40], value[40];
        snprintf(name, sizeof name, "CHANGING_%u", number++ % 17000);
        snprintf(value, sizeof value, "%u", number);
        setenv(name, value, 1);
        /* The list grows and moves, and shrinks again. */
        snprintf(name, sizeof name, "COMES_AND_GOES_%u", number % 5000);
        number / 5000 % 2 == 0 ? setenv(name, value, 1) : unsetenv(name);
        moves_it();
    }
    return NULL;
}

static void others_may_change_it(void)
{
    mjitcc_host host = { sizeof host, 0, NULL, plain, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_engine_options parts = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_worker *worker;
    mjitcc_engine *engine;
    mjitcc_slot *slots[40];
    pthread_t thread;
    const char *const by_driver[] = { "-Wl,-O1", NULL };
    int at;

    for (at = 0; at < 17000; at++) {
        char name[40];
        snprintf(name, sizeof name, "CHANGING_%d", at);
        setenv(name, "a value of some length, as they have", 1);
    }
    options.host = &host;
    options.cc = "gcc";
    options.threads = 2;
    options.unity = MJITCC_UNITY_OFF;
    options.linker = MJITCC_LINKER_DRIVER;
    parts.ldflags = by_driver;
    parts.cc = "gcc";
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    CHECK(mjitcc_engine_open(&parts, &engine) == MJITCC_OK);
    CHECK(pthread_create(&thread, NULL, changes, NULL) == 0);
    for (at = 0; at < 40; at++) {
        slots[at] = submit(worker, (uint64_t)at + 1);
    }
    for (at = 0; at < 10; at++) {
        mjitcc_built built = MJITCC_BUILT_INIT;
        const char *text = "long f(void) { return 3; }";
        CHECK(mjitcc_engine_build(engine, (uint64_t)at, text, strlen(text), NULL, &built) == MJITCC_OK);
    }
    for (at = 0; at < 40; at++) {
        CHECK(call(slots[at]) == at + 1);
        mjitcc_slot_release(slots[at]);
    }
    stops = 1;
    pthread_join(thread, NULL);
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
}

/* A compiler that writes its environment into a file and goes on as gcc. */
static void the_given_one_is_what_compilers_get(const char *temp)
{
    char program[500], list[500], line[2000], dir[600], path[3000];
    const char *envp[] = { path, "GIVEN=yes", "EMPTY=", "no variable", dir, NULL };
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_engine *engine;
    mjitcc_built built = MJITCC_BUILT_INIT;
    const char *text = "long f(void) { return 3; }";
    int given = 0, empty = 0, other = 0;
    FILE *file;

    snprintf(program, sizeof program, "%s/tells-cc", temp);
    snprintf(list, sizeof list, "%s/list", temp);
    snprintf(dir, sizeof dir, "TMPDIR=%s", temp);
    snprintf(path, sizeof path, "PATH=%s", getenv("PATH"));
    file = fopen(program, "w");
    CHECK(file && fprintf(file, "#!/bin/sh\nenv > %s\nexec gcc \"$@\"\n", list) > 0 && fclose(file) == 0);
    CHECK(system("exit 0") == 0);
    snprintf(line, sizeof line, "chmod 700 %s", program);
    CHECK(system(line) == 0);
    setenv("OF_THE_PROCESS", "1", 1);
    options.cc = program;
    options.envp = envp;
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);
    setenv("OF_LATER", "1", 1);
    CHECK(mjitcc_engine_build(engine, 1, text, strlen(text), NULL, &built) == MJITCC_OK);
    file = fopen(list, "r");
    CHECK(file);
    while (fgets(line, sizeof line, file)) {
        given += strcmp(line, "GIVEN=yes\n") == 0;
        empty += strcmp(line, "EMPTY=\n") == 0;
        other += strncmp(line, "OF_", 3) == 0 || strncmp(line, "CHANGING", 8) == 0;
    }
    fclose(file);
    CHECK(given == 1 && empty == 1 && other == 0);
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
    remove(program);
    remove(list);
}

int main(int count, char **words)
{
    alarm(300);
    others_may_change_it();
    the_given_one_is_what_compilers_get(count > 1 ? words[1] : "/tmp");
    puts("environment holds");
    return 0;
}
