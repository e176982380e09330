/* The options that have to do with the machine around the compilers, each with what a host sees of it. The argument is a directory. */
#include "check.h"

#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UNITS = 4 };

/* What a worker did, from its first thread to its last. */
struct life {
    const char *text; /* of each unit: its entry and its owner are filled in */
    unsigned hits, compiled, warnings;
    int enabled, at_once, most_at_once;
};

static char dir[512];

static const char *in_dir(const char *name, char *path)
{
    CHECK(snprintf(path, 1024, "%s/%s", dir, name) < 1024);
    return path;
}

static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    char text[512];
    const struct life *life = ctx;
    sprintf(text, life->text, request->entry, (int)request->owner);
    return mjitcc_sink_puts(sink, text);
}

static void add(void *counter)
{
    __atomic_fetch_add((unsigned *)counter, 1, __ATOMIC_SEQ_CST);
}

static void observe(void *ctx, const mjitcc_event *event)
{
    struct life *life = ctx;
    if (event->kind == MJITCC_EVENT_CACHE_HIT)
        add(&life->hits);
    if (event->kind == MJITCC_EVENT_PROCESS && strstr(event->line, " -c ") != NULL)
        add(&life->compiled);
    if (event->kind == MJITCC_EVENT_WARNING)
        add(&life->warnings);
}

static void reap_enter(void *ctx)
{
    struct life *life = ctx;
    int now = __atomic_add_fetch(&life->at_once, 1, __ATOMIC_SEQ_CST), most = life->most_at_once;
    while (now > most && !__atomic_compare_exchange_n(&life->most_at_once, &most, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

static int64_t reap(void *ctx, int64_t pid, int32_t *status)
{
    int raw;
    pid_t reaped = waitpid((pid_t)pid, &raw, 0);
    (void)ctx;
    *status = raw;
    return reaped;
}

static void reap_leave(void *ctx)
{
    __atomic_fetch_sub(&((struct life *)ctx)->at_once, 1, __ATOMIC_SEQ_CST);
}

#define TEXT "long %s(void) { return %d; }\n"

/* A worker makes some units, which give their owners; meanwhile is called when all are there. */
static struct life live(mjitcc_worker_options options, const char *text, void (*meanwhile)(void))
{
    struct life life = { text, 0, 0, 0, 0, 0, 0 };
    mjitcc_host host = { sizeof host, 0, &life, generate, NULL, NULL, NULL };
    mjitcc_reaper reaper = { sizeof reaper, 0, &life, reap_enter, reap, reap_leave, NULL };
    mjitcc_slot *slots[UNITS];
    mjitcc_worker *worker;
    int i;
    options.host = &host;
    options.cc = "gcc";
    options.compaction = MJITCC_COMPACT_NEVER;
    options.unity = MJITCC_UNITY_OFF;
    options.standby = MJITCC_STANDBY_OFF;
    options.observe = observe;
    options.observe_ctx = &life;
    options.reaper = &reaper;
    CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
    for (i = 0; i < UNITS; i++) {
        mjitcc_source_location place = { sizeof place, 7, "m", "options.rb" };
        CHECK(mjitcc_worker_submit(worker, (uint64_t)i, &place, 0, 0, &slots[i]) == MJITCC_OK);
    }
    CHECK(mjitcc_worker_pause(worker, 1) == MJITCC_OK);
    life.enabled = mjitcc_worker_is_enabled(worker) == MJITCC_OK;
    for (i = 0; i < UNITS && life.enabled; i++) {
        long (*function)(void);
        void *address = mjitcc_slot_address(slots[i]);
        CHECK(address != NULL);
        memcpy(&function, &address, sizeof function);
        CHECK(function() == i);
    }
    if (meanwhile != NULL)
        meanwhile();
    CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
    for (i = 0; i < UNITS; i++)
        mjitcc_slot_release(slots[i]);
    return life;
}

/* Whether a file is there and has this in it. */
static int has(const char *file, const char *words)
{
    static char text[1 << 20];
    size_t length;
    FILE *stream = fopen(file, "r");
    if (stream == NULL)
        return 0;
    length = fread(text, 1, sizeof text - 1, stream);
    text[length] = '\0';
    fclose(stream);
    return strstr(text, words) != NULL;
}

static void cache(void)
{
    char path[1024], usual[1024];
    struct life life;
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    life = live(options, TEXT, NULL);
    CHECK(life.enabled && life.hits == 0 && life.compiled == UNITS);

    options.cache = in_dir("objects", path);
    life = live(options, TEXT, NULL);
    CHECK(life.hits == 0 && life.compiled == UNITS);
    life = live(options, TEXT, NULL);
    CHECK(life.hits == UNITS && life.compiled == 0);

    /* No room for two: the next worker finds the last one at most. */
    options.cache = in_dir("small", path);
    options.cache_size = 4096;
    CHECK(live(options, TEXT, NULL).hits == 0);
    life = live(options, TEXT, NULL);
    CHECK(life.hits <= 1 && life.compiled >= UNITS - 1);

    /* The user's, and none. */
    CHECK(setenv("XDG_CACHE_HOME", in_dir("home", usual), 1) == 0);
    options.cache = "off";
    options.cache_size = 0;
    CHECK(live(options, TEXT, NULL).compiled == UNITS && access(usual, F_OK) != 0);
    options.cache = "on";
    CHECK(live(options, TEXT, NULL).compiled == UNITS);
    CHECK(access(in_dir("home/mjit-cc/CACHEDIR.TAG", path), F_OK) == 0);
    CHECK(live(options, TEXT, NULL).hits == UNITS);
    CHECK(unsetenv("XDG_CACHE_HOME") == 0);
}

static void launcher(void)
{
    char path[1024], command[2048];
    struct life life;
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    snprintf(command, sizeof command, "sh -c 'echo \"$0\" >> %s; exec \"$0\" \"$@\"'", in_dir("launched", path));
    options.launcher = command;
    life = live(options, TEXT, NULL);
    CHECK(life.enabled && life.compiled == UNITS && life.warnings == 0);
    CHECK(has(path, "/gcc\n"));

    options.launcher = "no-such-launcher";
    life = live(options, TEXT, NULL);
    CHECK(!life.enabled && life.compiled == 0 && life.warnings == 1);
}

static char page[1024], events[1024], map[64];

static void nothing_is_written_yet(void)
{
    CHECK(access(page, F_OK) != 0 && access(events, F_OK) != 0);
}

static void timings(void)
{
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    in_dir("timings.html", page);
    in_dir("trace.json", events);
    options.timings = page;
    live(options, TEXT, nothing_is_written_yet);
    CHECK(has(page, "m@options.rb:7") && access(events, F_OK) != 0);
    CHECK(remove(page) == 0);
    options.timings = NULL;
    options.trace = events;
    live(options, TEXT, nothing_is_written_yet);
    CHECK(has(events, "\"traceEvents\"") && has(events, "m@options.rb:7") && access(page, F_OK) != 0);
    options.trace = in_dir("launched/is-no-folder.json", events);
    CHECK(live(options, TEXT, NULL).warnings == 1);
}

static void watched(void)
{
    char objects[1024], file[1024], none[1024];
    const char *files[] = { in_dir("generator", file), NULL }, *missing[] = { in_dir("none", none), NULL };
    const char *names[] = { "MJITCC_TEST_WATCHED", NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    FILE *generator = fopen(file, "w");
    CHECK(generator != NULL && fputs("release 1", generator) >= 0 && fclose(generator) == 0);
    options.cache = in_dir("watched", objects);
    options.hash_files = files;
    options.hash_env = names;
    CHECK(live(options, TEXT, NULL).compiled == UNITS);
    CHECK(live(options, TEXT, NULL).compiled == 0);
    generator = fopen(file, "w");
    CHECK(generator != NULL && fputs("release 2", generator) >= 0 && fclose(generator) == 0);
    CHECK(live(options, TEXT, NULL).compiled == UNITS);
    CHECK(setenv("MJITCC_TEST_WATCHED", "1", 1) == 0);
    CHECK(live(options, TEXT, NULL).compiled == UNITS);
    CHECK(live(options, TEXT, NULL).compiled == 0);
    options.hash_files = missing;
    CHECK(!live(options, TEXT, NULL).enabled);
}

static void memory(void)
{
    /* Each compiler takes its time. */
    const char *slow = "#include \"slow.h\"\n" TEXT;
    const char *includes[] = { dir, NULL };
    char path[1024];
    int i;
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    FILE *header = fopen(in_dir("slow.h", path), "w");
    CHECK(header != NULL);
    for (i = 0; i < 20000; i++)
        fprintf(header, "static inline long f%d(long n) { return n * %d; }\n", i, i);
    CHECK(fclose(header) == 0);
    options.threads = UNITS;
    options.includes = includes;
    /* More than there is, but for no matter. */
    options.memfree = UINT64_MAX - 1;
    CHECK(live(options, slow, NULL).most_at_once == 1);
    options.memfree = MJITCC_NO_MEMFREE;
    CHECK(live(options, slow, NULL).most_at_once > 1);
}

#ifdef __linux__
static void perf_map(void)
{
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    sprintf(map, "/tmp/perf-%ld.map", (long)getpid());
    remove(map);
    live(options, TEXT, NULL);
    CHECK(access(map, F_OK) != 0);
    options.perf_map = 1;
    live(options, TEXT, NULL);
    CHECK(has(map, " m@options.rb:7\n"));
    CHECK(remove(map) == 0);
}
#endif

int main(int argc, char **argv)
{
    CHECK(argc == 2 && snprintf(dir, sizeof dir, "%s", argv[1]) < (int)sizeof dir);
    launcher();
    timings();
    memory();
#ifdef __linux__
    perf_map();
#endif
    cache();
    watched();
    puts("options hold");
    return 0;
}
