/* The engine: a VM with a worker of its own lends the parts. The header is the first argument. */
#include "check.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int reaped;

static int64_t reap(void *ctx, int64_t pid, int32_t *status)
{
    int raw;
    pid_t gone = waitpid((pid_t)pid, &raw, 0);
    *status = raw;
    ++*(int *)ctx;
    return gone;
}

static int exists(const char *path)
{
    struct stat ignored;
    return stat(path, &ignored) == 0;
}

/* Builds a unit that gives a number of the header's, and calls it. */
static long build_and_call(mjitcc_engine *engine, uint64_t id, mjitcc_built *built)
{
    char entry[64], text[256];
    const char *exports[2] = { entry, NULL };
    long (*function)(void);
    void *address;
    CHECK(mjitcc_engine_entry_name(engine, id, "block in <main>", entry, sizeof entry) < sizeof entry);
    sprintf(text, "long %s(void) { return NUMBER + %d; }\n", entry, (int)id);
    CHECK(mjitcc_engine_build(engine, id, text, strlen(text), exports, built) == MJITCC_OK);
    CHECK(built->handle != NULL && built->ms > 0);
    CHECK(mjitcc_engine_symbol(engine, built->handle, entry, &address) == MJITCC_OK);
    memcpy(&function, &address, sizeof function);
    return function();
}

static void in_child(mjitcc_engine *engine)
{
    mjitcc_built built = MJITCC_BUILT_INIT;
    char pch[4096];
    CHECK(mjitcc_engine_fork_child(engine) == MJITCC_OK);
    CHECK(mjitcc_engine_pch_file(engine, pch, sizeof pch) > 0 && exists(pch));
    CHECK(build_and_call(engine, 50, &built) == 1050);
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
}

struct heard {
    char file[64], text[256], unit[64];
    uint32_t count, line, column, severity, hits;
};

static void hear(void *ctx, const mjitcc_diagnostic *diagnostic)
{
    struct heard *heard = ctx;
    CHECK(diagnostic->size == sizeof *diagnostic);
    if (heard->count++ > 0)
        return;
    snprintf(heard->file, sizeof heard->file, "%s", diagnostic->file);
    snprintf(heard->text, sizeof heard->text, "%s", diagnostic->text);
    snprintf(heard->unit, sizeof heard->unit, "%s", diagnostic->unit);
    heard->line = diagnostic->line;
    heard->column = diagnostic->column;
    heard->severity = diagnostic->severity;
}

static void observe(void *ctx, const mjitcc_event *event)
{
    ((struct heard *)ctx)->hits += event->kind == MJITCC_EVENT_CACHE_HIT;
}

static void keep(void *ctx, const void *bytes, size_t length)
{
    *(int *)ctx = length > 64 && memcmp(bytes, "\177ELF", 4) == 0;
}

static mjitcc_unit unit_of(const char *name, const char *text, struct heard *heard)
{
    mjitcc_unit unit = MJITCC_UNIT_INIT;
    unit.name = name;
    unit.text = text;
    unit.length = strlen(text);
    unit.diagnostic = hear;
    unit.ctx = heard;
    return unit;
}

/* Units by name, with diagnostics as data, the object cache, and an object that is not loaded. */
static void units(const char *header, const char *cache)
{
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    struct heard heard = { { 0 }, { 0 }, { 0 }, 0, 0, 0, 0, 0 };
    mjitcc_built built = MJITCC_BUILT_INIT;
    mjitcc_engine *engine;
    mjitcc_unit good = unit_of("good.c", "long a(void) { return NUMBER + 1; }\nlong b(void) { return 2; }\n", &heard);
    mjitcc_unit bad = unit_of("bad.c", "\nint f(void) { return nothing; }\n", &heard);
    long (*function)(void);
    void *address;
    int is_object = 0, round;

    options.header = header;
    options.cc = "gcc";
    options.cache = cache;
    options.standby = 1;
    options.linker = MJITCC_LINKER_DRIVER;
    options.observe = observe;
    options.observe_ctx = &heard;
    options.linker = 99;
    REFUSED(mjitcc_engine_open(&options, &engine), MJITCC_INVALID, "there is no linker 99");
    options.linker = MJITCC_LINKER_AUTO;
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);
    CHECK(mjitcc_engine_build_pch(engine) == MJITCC_OK);
    for (round = 0; round < 2; round++) {
        CHECK(mjitcc_engine_compile(engine, &good, &built) == MJITCC_OK && heard.count == 0);
        CHECK(heard.hits == (uint32_t)round);
        CHECK(mjitcc_engine_symbol(engine, built.handle, "a", &address) == MJITCC_OK);
        memcpy(&function, &address, sizeof function);
        CHECK(function() == 1001);
        CHECK(mjitcc_engine_symbol(engine, built.handle, "b", &address) == MJITCC_OK);
    }
    REFUSED(mjitcc_engine_compile(engine, &bad, &built), MJITCC_FAILED, "nothing");
    CHECK(heard.count > 0 && heard.line == 2 && heard.column > 0 && heard.severity == MJITCC_SEVERITY_ERROR);
    CHECK(strcmp(heard.file, "bad.c") == 0 && strcmp(heard.unit, "bad.c") == 0 && strstr(heard.text, "nothing"));
    CHECK(built.handle == NULL);
    CHECK(mjitcc_engine_object(engine, &good, keep, &is_object) == MJITCC_OK && is_object);
    REFUSED(mjitcc_engine_object(engine, &good, NULL, NULL), MJITCC_INVALID, "NULL");
    REFUSED(mjitcc_engine_object(engine, &bad, keep, &is_object), MJITCC_FAILED, "nothing");
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
}

static void names_and_policy(void)
{
    mjitcc_unit_heat loaded[4] = { { 5, 0, 0 }, { 99, 0, 1 }, { 1, 0, 0 }, { 0, 1, 0 } };
    mjitcc_census census = { sizeof census, 0, 2, 0, 100, 0, 0 };
    uint64_t queued[1] = { 20 };
    uint32_t picked[4];
    size_t count = 9;
    char text[64], small[6];
    CHECK(mjitcc_file_name("/tmp", NULL, 12, 3, ".c", text, sizeof text) == 18);
    CHECK(strcmp(text, "/tmp/_mjit_p12u3.c") == 0);
    CHECK(mjitcc_file_name(NULL, "_ruby_", 12, 3, NULL, small, sizeof small) == 11 && strcmp(small, "_ruby") == 0);
    CHECK(mjitcc_entry_name(NULL, 3, "block in <main>", text, sizeof text) == 20);
    CHECK(strcmp(text, "_mjit3_block_in_main") == 0);
    CHECK(mjitcc_entry_name("f", 3, NULL, text, sizeof text) == 2 && strcmp(text, "f3") == 0);
    CHECK(mjitcc_pick_unloads(loaded, 4, queued, 1, 3, picked, &count) == MJITCC_OK);
    CHECK(count == 2 && picked[0] == 1 && picked[1] == 2);
    CHECK(mjitcc_pick_unloads(loaded, 1, NULL, 0, 1, picked, &count) == MJITCC_NO && count == 0);
    CHECK(mjitcc_should_compact(&census) == MJITCC_OK);
    census.queued = 1;
    CHECK(mjitcc_should_compact(&census) == MJITCC_NO);
}

int main(int argc, char **argv)
{
    mjitcc_engine_options options = MJITCC_ENGINE_OPTIONS_INIT;
    mjitcc_reaper reaper = { sizeof reaper, 0, &reaped, NULL, reap, NULL, NULL };
    mjitcc_built one = MJITCC_BUILT_INIT, two = MJITCC_BUILT_INIT, wrong = MJITCC_BUILT_INIT;
    mjitcc_engine *engine;
    void *address;
    char path[4096], dir[4096];
    int status;
    pid_t child;

    CHECK(argc == 3);
    names_and_policy();
    units(argv[1], argv[2]);
    options.header = argv[1];
    options.cc = "gcc";
    options.prefix = "_vm_";
    options.verbose = 1;
    options.reaper = &reaper;
    CHECK(mjitcc_engine_open(&options, &engine) == MJITCC_OK);

    /* Before there is a PCH, the header is text. */
    CHECK(mjitcc_engine_pch_file(engine, path, sizeof path) == 0);
    CHECK(build_and_call(engine, 1, &one) == 1001);
    CHECK(mjitcc_engine_build_pch(engine) == MJITCC_OK);
    CHECK(mjitcc_engine_pch_file(engine, path, sizeof path) > 0 && exists(path));
    CHECK(build_and_call(engine, 2, &two) == 1002 && two.handle != one.handle);
    CHECK(reaped >= 4);

    /* What goes wrong says so, and leaves nothing. */
    REFUSED(mjitcc_engine_build(engine, 3, "int f(", 6, NULL, &wrong), MJITCC_FAILED, "error");
    CHECK(wrong.handle == NULL);
    REFUSED(mjitcc_engine_build(engine, 3, " ", 1, NULL, &wrong), MJITCC_FAILED, "empty");
    wrong.size = 4;
    REFUSED(mjitcc_engine_build(engine, 3, "int x;", 6, NULL, &wrong), MJITCC_INVALID, "mjitcc_built.size is 4");
    wrong.size = sizeof wrong;
    REFUSED(mjitcc_engine_symbol(engine, one.handle, "nothing", &address), MJITCC_FAILED, "nothing");
    CHECK(mjitcc_engine_file_name(engine, 3, ".c", path, sizeof path) > 0 && strstr(path, "/_vm_p") != NULL);
    CHECK(!exists(path));
    strcpy(dir, path);
    *strrchr(dir, '/') = '\0';
    CHECK(exists(dir));

    /* Files of the directory's, lines in one write. */
    fclose(fopen(path, "w"));
    CHECK(mjitcc_engine_remove(engine, path) == MJITCC_OK && !exists(path));
    CHECK(mjitcc_engine_remove(engine, path) == MJITCC_OK);
    CHECK(mjitcc_engine_log(engine, 1, "JIT success (1.0ms): a line") == MJITCC_OK);
    CHECK(mjitcc_engine_log(engine, 2, "not this one") == MJITCC_NO);

    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        in_child(engine);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(exists(dir) && build_and_call(engine, 4, &wrong) == 1004);

    /* Raw handles: the host may close one by itself. */
    CHECK(mjitcc_engine_forget(engine, one.handle) == MJITCC_OK && dlclose(one.handle) == 0);
    REFUSED(mjitcc_engine_symbol(engine, one.handle, "_mjit1", &address), MJITCC_INVALID, "none of this engine's");
    CHECK(mjitcc_engine_close(engine, two.handle) == MJITCC_OK);
    REFUSED(mjitcc_engine_close(engine, two.handle), MJITCC_INVALID, "none of this engine's");

    CHECK(mjitcc_engine_cancel(engine) == MJITCC_OK);
    REFUSED(mjitcc_engine_build(engine, 5, "int x;", 6, NULL, &two), MJITCC_FAILED, "interrupted");
    CHECK(mjitcc_engine_finish(engine, 1) == MJITCC_OK);
    CHECK(!exists(dir));
    puts("engine holds");
    return 0;
}
