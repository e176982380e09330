/*
 * mjit-cc: turns generated C into running machine code with the C compilers that a machine already has.
 *
 * Two things are here: the worker, which compiles in the background what a VM submits and publishes the code in a word
 * that the VM reads; and below it the engine, the worker's parts alone, for a VM that has a worker of its own.
 *
 * C99 and C++. Licensed under MIT or Apache-2.0, as you like.
 *
 * RULES THAT HOLD EVERYWHERE
 *
 * Threads. Every function may be called from any thread, and from several at once, unless it says otherwise.
 *
 * Handles (mjitcc_worker, mjitcc_slot, ...) belong to whoever got them, until they are given back with the function that
 * their type names. A NULL handle is refused with MJITCC_INVALID, but for functions that give back: there it does nothing.
 *
 * Strings end with NUL. Those that you pass are copied before the call returns; those that you are given are good until
 * the callback returns. They are UTF-8; paths on POSIX systems are any bytes.
 *
 * Structures begin with their size: set it to sizeof (the *_INIT macros do). Fields may be added at their end: what
 * your structure is too short for takes its default, which is what zero means; if it is longer than the library's, the rest
 * must be zero. Fields called "reserved" are zero.
 *
 * Errors. Functions give a mjitcc_status: MJITCC_OK, or MJITCC_NO where the answer is no and nothing is wrong, or something
 * below zero; then mjitcc_last_error() has the words. Results by pointer are NULL then.
 *
 * Callbacks get the ctx that you gave with them. None is called with a lock of this library held, so that they may call
 * it, but for what each says. A C++ exception that leaves a callback is caught and fails what it was called for (on Linux with
 * x86-64; elsewhere it ends the process). longjmp out of a callback is not allowed; within a callback it is. No panic of the
 * library's leaves it: it becomes MJITCC_PANICKED.
 *
 * Ended threads. A callback may end the thread that it is called on, by pthread_exit or by a cancellation that was asked for
 * (on Linux with glibc and x86-64; elsewhere the process may end): the unit that the thread was at fails, the worker goes on with the threads that
 * are left, and without any it fails all units. Threads of the library can be cancelled in callbacks only.
 *
 * Forks. A worker and an engine follow a fork that nothing announced, by pthread_atfork, unless their option ignore_forks is set: the
 * child that calls them goes on with them, in a directory of its own. With ignore_forks, or where a thread of the worker's was in a
 * callback for more than five seconds, their functions give MJITCC_MISUSE in the child, and remove nothing of the parent's. See
 * mjitcc_worker_before_fork.
 *
 * The environment is read by mjitcc_worker_start and mjitcc_engine_open, on the thread that calls them, unless their option envp gives
 * one. Compilers get that environment. The library does not read the environment later, so that a host may change its own.
 *
 * Ends. A process may end without giving anything back: what is left in the temporary directory is removed by the next process
 * that uses the library there. Handles that were given back are refused with MJITCC_MISUSE.
 */
#ifndef MJITCC_H
#define MJITCC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this header describes. A library with another number refuses options that were made with this one. */
#define MJITCC_ABI 2u

/* The library's own ABI number. */
uint32_t mjitcc_abi(void);

/* The library's version, such as "0.1.0". Static. */
const char *mjitcc_version(void);

typedef int32_t mjitcc_status;

enum {
    MJITCC_OK = 0,
    /* No: it was not paused, there was nothing to compile again, there is no code, ... */
    MJITCC_NO = 1,
    /* An argument is NULL or not what it should be. Nothing was done. */
    MJITCC_INVALID = -1,
    /* It was tried and failed. */
    MJITCC_FAILED = -2,
    /*
     * Not now, or not here: the collector is left without being entered, the handle was given back, the process was forked. Nothing
     * was done.
     */
    MJITCC_MISUSE = -3,
    /* A fault in this library. The process may go on; the handle that was used had better be finished. */
    MJITCC_PANICKED = -4
};

/*
 * Why a function last failed on this thread, in words, with the compiler's own where it had any; "" before the first time. Good
 * until the next failure on this thread.
 */
const char *mjitcc_last_error(void);

/* ------------------------------------------------------------------------------------------------ what passes by */

/* What a unit is called in messages: "label@path:line". */
typedef struct mjitcc_source_location {
    uint32_t size;
    uint32_t line;
    const char *label; /* such as "block in <main>"; NULL is "" */
    const char *path;  /* NULL is "" */
} mjitcc_source_location;

/* Which unit's C text is wanted. */
typedef struct mjitcc_request {
    uint32_t size; /* the library's */
    uint32_t reserved;
    uint64_t id;       /* the unit's number */
    uint64_t owner;    /* what it is generated from, as the host calls it now */
    uint64_t switches; /* as they were given to submit or recompile */
    const char *entry; /* what the function must be called */
} mjitcc_request;

/* Loaded code that the worker asks about. */
typedef struct mjitcc_code {
    uint64_t owner; /* of code that is going it may have died, and another be called so: look into nothing by it */
    void *address; /* where its entry is */
    uint64_t on_stack; /* the answer: not zero if it may be on a stack. Zero when asked */
} mjitcc_code;

/*
 * Where a host puts what it makes of a request. Good until generate returns, and for one thread at a time: the one that
 * generates, or while that waits in mjitcc_sink_on_vm_thread, the one that runs the job.
 */
typedef struct mjitcc_sink mjitcc_sink;

/* Adds to the C text. May be called any number of times. */
mjitcc_status mjitcc_sink_write(mjitcc_sink *sink, const char *text, size_t length);

/* As mjitcc_sink_write, for a string. */
mjitcc_status mjitcc_sink_puts(mjitcc_sink *sink, const char *text);

/* The text takes this assumption for granted: when it turns untrue, mjitcc_worker_invalidate takes the code back. */
mjitcc_status mjitcc_sink_depend_on(mjitcc_sink *sink, uint64_t assumption);

/* The text has this owner's code inside: mjitcc_worker_living_owners names it as long as the unit lives. */
mjitcc_status mjitcc_sink_inlined(mjitcc_sink *sink, uint64_t owner, const mjitcc_source_location *location);

/* There will be no text, and why. */
mjitcc_status mjitcc_sink_fail(mjitcc_sink *sink, const char *words);

/*
 * Runs job(arg) on the VM's thread, in mjitcc_worker_run_vm_jobs, and waits for it: for what may only be read there. The collector may run
 * meanwhile, so that the owner may move, and may die unless the host marks mjitcc_worker_living_owners. Only on the
 * thread that generates. MJITCC_NO if the job did not run and never will, because the worker stops or pauses or the unit is
 * not wanted any more: then return from generate, with anything but 0; a unit that a pause interrupted is asked for again.
 */
mjitcc_status mjitcc_sink_on_vm_thread(mjitcc_sink *sink, void (*job)(void *arg), void *arg);

/* What the worker asks of the host. Called on the worker's threads; must be good until the worker is finished. */
typedef struct mjitcc_host {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /*
     * Writes a unit's C text, which defines a function called request->entry, into the sink. 0 if it did. The
     * collector is held off meanwhile (mjitcc_worker_enter_gc waits) and the owner lives; nothing else is promised, so do not allocate from
     * the collected heap, nor call into the VM, nor call any mjitcc_worker function. Required.
     */
    int (*generate)(void *ctx, const mjitcc_request *request, mjitcc_sink *sink);
    /*
     * A unit's code was published in its slot just now, or moved to a better place. The owner lives and the collector is held off.
     * May be NULL.
     */
    void (*published)(void *ctx, uint64_t owner, void *address);
    /*
     * Sets on_stack for all code that may be on a stack: of a thread, a fiber, a continuation. The collector is held off. A
     * host all of whose callers hold a guard (mjitcc_slot_enter) gives a function that does nothing. NULL means that any code
     * may be on a stack, so that none is unloaded before the worker is finished.
     */
    void (*scan_stacks)(void *ctx, mjitcc_code *code, size_t count);
    /*
     * A job waits for the VM's thread: let it call mjitcc_worker_run_vm_jobs at its next safe point. May be NULL, if generate sends
     * no jobs.
     */
    void (*vm_jobs_wait)(void *ctx);
} mjitcc_host;

/*
 * A host's own way to wait for children, for one whose SIGCHLD handler or waitpid(-1) would otherwise take the exit status of compilers.
 * Without one, a status that was taken is found out from what the compiler left. Called on the thread that runs the process,
 * several at once if there are several, in this order.
 */
typedef struct mjitcc_reaper {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /* A process is about to be started: from here on the host leaves children that it does not know alone. May be NULL. */
    void (*enter)(void *ctx);
    /*
     * Waits for the process's end and reaps it. Gives pid and sets *status as waitpid does (on Windows: to the exit code), or
     * gives anything else if nobody can say how it ended. Required.
     */
    int64_t (*wait)(void *ctx, int64_t pid, int32_t *status);
    /* The process is through, or was not started. May be NULL. */
    void (*leave)(void *ctx);
    /*
     * This is the child of a fork, in mjitcc_fork_in_child. The process may be forked between enter and leave, and while wait blocks: hold no
     * lock then, or make it anew here. May be NULL.
     */
    void (*forked)(void *ctx);
} mjitcc_reaper;

/* What happened. The fields beyond line that each has are named; the others are NULL or 0. */
enum {
    MJITCC_EVENT_SUCCESS = 1,            /* a unit's code was published: location, file (its C), ms */
    MJITCC_EVENT_FAILURE = 2,            /* a unit will have no code: location, file, ms, detail */
    MJITCC_EVENT_COMPACTED = 3,          /* loaded units were put together: count, file (the library), ms */
    MJITCC_EVENT_NOT_COMPACTED = 4,      /* they could not be: ms, detail */
    MJITCC_EVENT_UNLOADED = 5,           /* cold code was given up: count */
    MJITCC_EVENT_CACHE_GROWN = 6,        /* nothing could be unloaded and somebody waits: count is the new max_cache_size */
    MJITCC_EVENT_CANCELLED = 7,          /* code was taken back: location */
    MJITCC_EVENT_RECOMPILED = 8,         /* a unit is wanted with other switches: location */
    MJITCC_EVENT_INLINED = 9,            /* a unit has another owner's code inside: location, inlined */
    MJITCC_EVENT_WARNING = 10,           /* something the user should know */
    MJITCC_EVENT_COMPILER = 11,          /* the compiler that was found */
    MJITCC_EVENT_TEMP_DIR = 12,          /* where temporary files go: file */
    MJITCC_EVENT_START = 13,             /* a unit's turn came: location, file */
    MJITCC_EVENT_PCH_START = 14,         /* the header is about to be precompiled */
    MJITCC_EVENT_PROCESS = 15,           /* a process is about to start */
    MJITCC_EVENT_NO_LIBRARY = 16,        /* a library was not made: file */
    MJITCC_EVENT_UNLOADING = 17,         /* code leaves memory: location, count is the unit's number */
    MJITCC_EVENT_STOPPING = 18,          /* the threads are told to end */
    MJITCC_EVENT_GC_WAITED = 19,         /* the collector had to wait: ms */
    MJITCC_EVENT_FINISH = 20,            /* all threads ended well */
    MJITCC_EVENT_GROUP_STARTED = 21,     /* units are about to be compiled as one translation unit: count, file */
    MJITCC_EVENT_IMPROVED = 22,          /* a unit that had quick code has optimised code now: location, file, ms */
    MJITCC_EVENT_NOT_IMPROVED = 23,      /* there is none, and it keeps what it has: location, ms, detail */
    MJITCC_EVENT_BASELINE_FAILED = 24,   /* the first tier could not make a unit, and the other one does: location, detail */
    MJITCC_EVENT_QUICK = 25,             /* what makes the first code of units */
    MJITCC_EVENT_LINKER_FALLBACK = 26,   /* the driver links, since the linker inside this process did not serve: detail */
    MJITCC_EVENT_CACHE_HIT = 27,         /* a unit's object is taken from the object cache */
    MJITCC_EVENT_CACHE_UNUSABLE = 28     /* the object cache does not serve, units are compiled all the same: file (its directory) */
};

/* How bad a diagnostic is. */
enum {
    MJITCC_SEVERITY_NOTE = 0,    /* belongs to the diagnostic before it */
    MJITCC_SEVERITY_WARNING = 1, /* the code was made all the same */
    MJITCC_SEVERITY_ERROR = 2    /* no code was made */
};

/* A diagnostic of a compiler or linker. The strings are valid until the function that is told returns. */
typedef struct mjitcc_diagnostic {
    uint32_t size; /* the library's */
    uint32_t severity;
    uint32_t line;    /* from 1; 0: not known */
    uint32_t column;  /* from 1, in bytes; 0: not known */
    const char *file; /* as the compiler names the file; may be empty */
    const char *text; /* without place and severity */
    const char *unit; /* the name of the unit */
} mjitcc_diagnostic;

typedef struct mjitcc_event {
    uint32_t size;  /* the library's */
    uint32_t kind;  /* MJITCC_EVENT_*; there may be new ones */
    uint32_t level; /* from which verbosity on the line is worth printing */
    uint32_t reserved;
    const char *line;   /* in the form that Ruby's MJIT gave it */
    const char *detail; /* what a person wants to know beyond the line: why, in the compiler's words */
    const mjitcc_source_location *location;
    const mjitcc_source_location *inlined;
    const char *file;
    double ms;
    uint64_t count;
} mjitcc_event;

/* For optimize. */
enum {
    MJITCC_OPTIMIZE_DEFAULT = 0, /* -O3 */
    MJITCC_OPTIMIZE_O0 = 1,
    MJITCC_OPTIMIZE_O1 = 2,
    MJITCC_OPTIMIZE_O2 = 3,
    MJITCC_OPTIMIZE_O3 = 4,
    MJITCC_OPTIMIZE_SIZE = 5
};

/* For unloading: what becomes of cold code when the cache is full. */
enum {
    MJITCC_UNLOAD_COLDEST = 0, /* it goes, if it is colder than something that waits and on no stack */
    MJITCC_UNLOAD_NEVER = 1    /* what waits goes on waiting */
};

/* For compaction: whether loaded units are put together into one library, whose code lies close together. */
enum {
    MJITCC_COMPACT_THROTTLED = 0, /* when there is nothing else to do, or the cache is full */
    MJITCC_COMPACT_NEVER = 1
};

/* For unity: whether units that wait become one translation unit, in which what they have in common is compiled once. Other numbers are
 * how many at most. */
enum {
    MJITCC_UNITY_AUTO = 0, /* as many as have paid off where that was measured */
    MJITCC_UNITY_OFF = 1   /* each by itself */
};

/*
 * For standby: whether compilers are started ahead, and wait with the header loaded, so that a unit that comes alone waits for neither. They are
 * children of the process: a host that waits for all children there are would wait for these. Not with a reaper.
 */
enum {
    MJITCC_STANDBY_EVERY_THREAD = 0, /* as many as there are threads; those that wait in vain for twenty seconds end */
    MJITCC_STANDBY_OFF = 1
};

/* For linker: who links. */
enum {
    MJITCC_LINKER_AUTO = 0,   /* inside this process where that serves, else the compiler's driver */
    MJITCC_LINKER_WILD = 1,   /* inside this process */
    MJITCC_LINKER_DRIVER = 2, /* the driver, with the linker that it takes by itself; the others by it too */
    MJITCC_LINKER_LLD = 3,
    MJITCC_LINKER_MOLD = 4,
    MJITCC_LINKER_GOLD = 5,
    MJITCC_LINKER_BFD = 6
};

/* For tiers: whether units get quick code first, and better code in the same slot later, when no unit waits for its first. */
enum {
    MJITCC_TIERS_OFF = 0,
    MJITCC_TIERS_QUICKEST = 1,      /* first by tcc, where it is installed and takes the header; else as the next */
    MJITCC_TIERS_SAME_COMPILER = 2  /* first by the same compiler with -O1 */
};

/* For timeout_ms. */
#define MJITCC_NO_TIMEOUT UINT64_MAX

/* For output_limit: all that compilers write is kept. */
#define MJITCC_NO_OUTPUT_LIMIT UINT64_MAX

/* For memfree: however little memory is left. */
#define MJITCC_NO_MEMFREE UINT64_MAX

/* ---------------------------------------------------------------------------------------------------- the worker */

/* How a worker works. Begin with MJITCC_WORKER_OPTIONS_INIT and set host. */
typedef struct mjitcc_worker_options {
    uint32_t size;
    uint32_t abi;               /* MJITCC_ABI */
    const mjitcc_host *host;    /* required; copied */
    const char *header;         /* what stands before every unit, to be precompiled; NULL: nothing */
    const char *cc;             /* a program, perhaps with words that come first; NULL: CC of the environment, then the best there is */
    const char *family;         /* "gcc", "clang", "mingw", "msvc", "clang-cl", "tcc"; NULL: any */
    const char *const *cflags;  /* further words for the compiler, a NULL at the end; so the next three. NULL: none */
    const char *const *ldflags; /* further words for the linker's driver, libraries among them */
    const char *const *includes; /* directories for #include */
    const char *const *defines; /* NAME or NAME=VALUE */
    const char *temp_dir;       /* where the private directory is made; NULL: TMPDIR, TMP, TEMP, and the usual places */
    const char *prefix;         /* what temporary files' names begin with; NULL: "_mjit_" */
    const char *entry_prefix;   /* what entry symbols' names begin with; NULL: "_mjit" */
    const char *host_library;   /* on Windows, the import library of the program that units call into; NULL: none */
    uint64_t timeout_ms;        /* how long making one unit may take; 0: a minute; MJITCC_NO_TIMEOUT */
    uint64_t max_cache_size;    /* how many units may be loaded at once; 0: 10000 */
    uint32_t threads;           /* how many units are made at once; 0: one */
    uint32_t optimize;          /* MJITCC_OPTIMIZE_* */
    uint32_t unloading;         /* MJITCC_UNLOAD_* */
    uint32_t compaction;        /* MJITCC_COMPACT_* */
    uint32_t verbose;           /* 0 nothing to 3 everything: printed on standard error where there is no observer */
    uint8_t warnings;           /* print warnings at any verbosity */
    uint8_t save_temps;         /* keep C sources and libraries, and the directory that they are in */
    uint8_t wait;               /* submitting waits until the unit is through, a minute at most; for tests of hosts */
    uint8_t debug;              /* debug information, and entry symbols that a person can read */
    const mjitcc_reaper *reaper; /* NULL: none; copied */
    /* Takes the place of printing; on whatever thread it happens. Must not call mjitcc functions. NULL: none. */
    void (*observe)(void *ctx, const mjitcc_event *event);
    void *observe_ctx;
    uint32_t unity;             /* MJITCC_UNITY_*, or how many units become one translation unit at most */
    uint32_t tiers;             /* MJITCC_TIERS_* */
    uint32_t standby;           /* MJITCC_STANDBY_* */
    uint32_t linker;            /* MJITCC_LINKER_* */
    /*
     * Objects are kept in this directory, which survives the process and is shared with others, and are taken from there: by the text
     * of a unit, in which its entry, and what is called after that (ENTRY_helper), has another name. "on" is the user's usual
     * directory (none, with a warning, for a user without a home), "off" and NULL none, so that a host may pass on what its users
     * say in MJIT_CC_CACHE. Code in the cache is run: a directory that belongs to another user, or that other users may write to, is
     * not used, with a warning. Units that were merged are found again one by one. Nothing is kept with save_temps, debug or perf_map.
     */
    const char *cache;
    uint64_t cache_size;        /* how many bytes the cache may have; what was used least lately goes. 0: 5 GiB */
    /*
     * Another program, with words that come first if any, that starts the compilers of units: "distcc". One that cannot carry a
     * precompiled header gets the header as text. One that is not there disables compiling. NULL: none.
     */
    const char *launcher;
    /*
     * Where an HTML page goes that shows what took how long, when the worker is finished or an exec prepared: the latest 10000 units.
     * The child of a fork writes one of its own, with its process id before the suffix. What goes wrong is a warning. NULL: none.
     */
    const char *timings;
    const char *trace;          /* the same as Chrome trace events, which Perfetto reads */
    uint64_t memfree;           /* bytes that must be free for each compiler beside another, on Linux; 0: 400 MiB; MJITCC_NO_MEMFREE */
    /*
     * Names loaded code for Linux's perf, in /tmp/perf-PID.map: entries by the place of their unit. The code is taken out of its file's
     * mapping for that, which costs its size in memory. Who profiles removes the file.
     */
    uint8_t perf_map;
    uint8_t ignore_forks;       /* follow no fork but those that mjitcc_worker_before_fork announces */
    uint8_t reserved[6];
    const char *const *envp;    /* the environment of compilers, as environ has it; copied. NULL: the process's, as it is now */
    /*
     * Files that the code depends on in a way that no tool can see, a NULL at the end: what the cache has kept with other contents of
     * them is not taken. One that is not there disables compiling. NULL: none.
     */
    const char *const *hash_files;
    const char *const *hash_env; /* names of environment variables that the code depends on in such a way */
    uint64_t output_limit;      /* how many bytes of messages a compiler may write before it is ended and its unit fails; 0: 1 MiB;
                                   MJITCC_NO_OUTPUT_LIMIT */
} mjitcc_worker_options;

#define MJITCC_WORKER_OPTIONS_INIT { sizeof(mjitcc_worker_options), MJITCC_ABI, \
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, \
    NULL, 0, NULL, NULL, NULL, 0, 0, 0, {0, 0, 0, 0, 0, 0}, NULL, NULL, NULL, 0 }

/* Compiles in the background. Given back with mjitcc_worker_finish. */
typedef struct mjitcc_worker mjitcc_worker;

/* A share in a slot: the word that says where a unit's code is. Given back with mjitcc_slot_release. */
typedef struct mjitcc_slot mjitcc_slot;

/*
 * Starts the worker's threads; they find a compiler and precompile the header first of all. What goes wrong there disables
 * compiling and is told as a warning: submitting gives failed slots from then on. MJITCC_INVALID if an option is wrong.
 */
mjitcc_status mjitcc_worker_start(const mjitcc_worker_options *options, mjitcc_worker **worker);

/*
 * Hands over a unit, and gives the slot that its code will be published in, with one share in it. owner is what the host calls
 * the thing that it is generated from. location may be NULL. calls is how hot it is so far: see mjitcc_slot_calls. switches say how the host wants
 * it generated; they are handed back in the request. Takes a lock for a moment, and never waits for a compiler, unless the worker's
 * option wait is set: then jobs for the VM's thread run in here.
 */
mjitcc_status mjitcc_worker_submit(mjitcc_worker *worker, uint64_t owner, const mjitcc_source_location *location, uint64_t calls,
                                   uint64_t switches, mjitcc_slot **slot);

/*
 * Wants other code in the same slot, such as without a speculation that failed. The slot is not ready from now on, until the new code
 * is there; the old code can never be published in it again, and goes when nobody is inside: the caller may be. MJITCC_NO
 * when the slot has nothing that could be compiled again: then submit anew.
 */
mjitcc_status mjitcc_worker_recompile(mjitcc_worker *worker, const mjitcc_slot *slot, uint64_t switches);

/* Runs the jobs that wait for the VM's thread, and says how many. To be called on that thread, at a safe point. */
size_t mjitcc_worker_run_vm_jobs(mjitcc_worker *worker);

/*
 * The host begins to collect garbage, or to move things. Waits only while C text is being generated, never for a compiler. May be
 * nested. Nothing is generated or published until as many mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_enter_gc(mjitcc_worker *worker);

/* The host has collected. MJITCC_MISUSE if it had not begun to. */
mjitcc_status mjitcc_worker_leave_gc(mjitcc_worker *worker);

/*
 * An owner is freed: nothing is published for it any more, and its code goes when nobody is inside. Its slots say failed. Between
 * mjitcc_worker_enter_gc and mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_owner_died(mjitcc_worker *worker, uint64_t owner);

/* The host calls an owner something else from now on, such as its new address. As mjitcc_worker_owner_died. */
mjitcc_status mjitcc_worker_owner_moved(mjitcc_worker *worker, uint64_t from, uint64_t to);

/*
 * Names the owners that the worker still needs, with those that were inlined, one call each: from a snapshot, so that each may do
 * anything, collect among it. One may be named twice. A host that marks them keeps them, and their code, alive.
 */
mjitcc_status mjitcc_worker_living_owners(mjitcc_worker *worker, void (*each)(void *ctx, uint64_t owner), void *ctx);

/*
 * An assumption is untrue from now on. Units that rely on it are not published; code that does is taken back, and its owners are named: they
 * may be submitted again. Frames that are inside may return. each may be NULL.
 */
mjitcc_status mjitcc_worker_invalidate(mjitcc_worker *worker, uint64_t assumption, void (*each)(void *ctx, uint64_t owner),
                                       void *ctx);

/*
 * Takes all code back, loaded, being made or waiting, as when tracing begins. Names the owners of what was loaded; frames that are
 * inside may return. What is submitted from now on is compiled again. each may be NULL.
 */
mjitcc_status mjitcc_worker_cancel_all(mjitcc_worker *worker, void (*each)(void *ctx, uint64_t owner), void *ctx);

/* MJITCC_NO where no compiler was found, or the header does not compile, or after mjitcc_worker_prepare_exec. */
mjitcc_status mjitcc_worker_is_enabled(const mjitcc_worker *worker);

/*
 * Takes up nothing more, and returns when the threads are through with what they hold. If drain is not zero, first waits until there is
 * nothing left to do, compaction included; jobs for the VM's thread run in here. Code stays callable. MJITCC_NO when it was paused already.
 */
mjitcc_status mjitcc_worker_pause(mjitcc_worker *worker, int32_t drain);

/*
 * Waits until the worker has nothing left to do, timeout_ms at most (MJITCC_NO_TIMEOUT: no limit). MJITCC_NO if the time is over, or the worker is
 * paused or finished. Runs the jobs for the VM's thread: call it there if the host has such jobs. Not between mjitcc_worker_enter_gc and
 * mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_wait(mjitcc_worker *worker, uint64_t timeout_ms);

/* Waits until the slot's unit has code or will have none, and returns the slot's state (MJITCC_SLOT_*). Otherwise as mjitcc_worker_wait. */
mjitcc_status mjitcc_worker_wait_slot(mjitcc_worker *worker, const mjitcc_slot *slot, uint64_t timeout_ms);

/* Goes on. MJITCC_NO when it was not paused. */
mjitcc_status mjitcc_worker_resume(mjitcc_worker *worker);

/*
 * Ends every compiler and every thread and removes all files, and leaves code loaded and callable: for exec, which may fail and
 * return into it. Nothing is compiled afterwards. The worker is still to be finished.
 */
mjitcc_status mjitcc_worker_prepare_exec(mjitcc_worker *worker);

/*
 * Ends every compiler and every thread, removes all files and unloads all code: none of it may be on a stack, no other function may be
 * using the worker, and no guard may be held. Slots may be released before or after. Not from a callback. NULL does nothing.
 */
mjitcc_status mjitcc_worker_finish(mjitcc_worker *worker);

/* ------------------------------------------------------------------------------------------------------- forking */

/* The worker held still for a fork. Given back with one of the three functions below, on the thread that got it. */
typedef struct mjitcc_fork mjitcc_fork;

/*
 * To be called just before fork. Waits while C text is being generated and while a thread of the worker's runs, which is short; not for
 * compilers. Until the mjitcc_fork is given back no other function may be called on this thread with this worker, and
 * on other threads they wait. Not between mjitcc_worker_enter_gc and mjitcc_worker_leave_gc. A process with several workers holds
 * all of them: what another one's threads are at would be half done in the child.
 *
 * A fork that was not announced is followed too, unless ignore_forks is set. Then the child has no threads and no files of the worker's
 * before it first calls a function with the worker; units that waited at the fork wait until then. A child that executes another
 * program at once pays for neither.
 */
mjitcc_status mjitcc_worker_before_fork(mjitcc_worker *worker, mjitcc_fork **fork);

/* This is the parent, and there is a child. */
mjitcc_status mjitcc_fork_in_parent(mjitcc_fork *fork);

/*
 * This is the child: the worker gets threads and a directory of its own, and keeps the code and the queue that it inherited. It
 * is to be finished here too; it needs nothing of the parent's any more.
 */
mjitcc_status mjitcc_fork_in_child(mjitcc_fork *fork);

/* There is no child. */
mjitcc_status mjitcc_fork_failed(mjitcc_fork *fork);

/* --------------------------------------------------------------------------------------------------------- slots */

/* What a slot says. */
enum {
    MJITCC_SLOT_NOT_READY = 0, /* the unit waits, or is being compiled */
    MJITCC_SLOT_FAILED = 1,    /* there will be no code: mjitcc_slot_failure says why */
    MJITCC_SLOT_UNLOADED = 2,  /* there was code, and it was given up for hotter one */
    MJITCC_SLOT_CALLABLE = 3   /* the code is here */
};

/* A word below this is MJITCC_SLOT_NOT_READY, MJITCC_SLOT_FAILED or MJITCC_SLOT_UNLOADED; any other is an address. */
#define MJITCC_SLOT_FIRST_ADDRESS 4096u

/* Makes one more share in the slot. Gives the same handle. */
mjitcc_slot *mjitcc_slot_retain(mjitcc_slot *slot);

/* Gives one share back. NULL does nothing. The worker keeps what it needs itself. */
void mjitcc_slot_release(mjitcc_slot *slot);

/* MJITCC_SLOT_*, or MJITCC_INVALID. One atomic load. */
int32_t mjitcc_slot_state(const mjitcc_slot *slot);

/*
 * Where the code is, or NULL: one atomic load. It may be called as long as the host keeps the worker from unloading it, by
 * scan_stacks or by unloading nothing; else see mjitcc_slot_enter.
 */
void *mjitcc_slot_address(const mjitcc_slot *slot);

/*
 * The word itself, for generated code: to be loaded atomically, with acquire order, and never written. It stays where it is as long as
 * any share in the slot is held. Below MJITCC_SLOT_FIRST_ADDRESS there is no code.
 */
const uintptr_t *mjitcc_slot_word(const mjitcc_slot *slot);

/*
 * How hot the owner is: the host adds to it, from any thread, and the worker reads it when it chooses what to do next. To be
 * accessed atomically, in any order, if other threads than one write. It stays where it is as long as a share is held.
 */
uint64_t *mjitcc_slot_calls(const mjitcc_slot *slot);

/*
 * Why there will be no code, copied as snprintf does: at most room bytes with the NUL, and the length of the whole is given. Empty while
 * the slot does not say failed.
 */
size_t mjitcc_slot_failure(const mjitcc_slot *slot, char *buffer, size_t room);

/* Tells each diagnostic of the compiler about a failed unit, on the calling thread; none for another failure. unit in these is empty. */
mjitcc_status mjitcc_slot_diagnostics(const mjitcc_slot *slot,
                                      void (*each)(void *ctx, const mjitcc_diagnostic *diagnostic), void *ctx);

/* Keeps code loaded while a caller is inside. */
typedef struct mjitcc_guard {
    void *address; /* NULL: not held */
    uintptr_t generation;
} mjitcc_guard;

/*
 * Sets guard->address, and keeps that code loaded until mjitcc_slot_leave with the same guard, which may be on another thread. MJITCC_NO
 * and NULL where there is no code, or where it is being replaced at this very moment: then there is nothing to leave. Never waits; leaves mjitcc_last_error as it was.
 */
mjitcc_status mjitcc_slot_enter(const mjitcc_slot *slot, mjitcc_guard *guard);

/* Ends mjitcc_slot_enter. The share in the slot that it was entered by is still held. MJITCC_MISUSE if the guard is not held. */
mjitcc_status mjitcc_slot_leave(const mjitcc_slot *slot, mjitcc_guard *guard);

/* ------------------------------------------------------------------------------------------ the parts, by themselves */

/*
 * What the path of a temporary file is: "dir/PREFIXpPROCESSuIDsuffix". dir may be NULL for the name alone, prefix for "_mjit_", suffix for
 * none. Copied as snprintf does.
 */
size_t mjitcc_file_name(const char *dir, const char *prefix, uint32_t process, uint64_t id, const char *suffix,
                        char *buffer, size_t room);

/*
 * What a unit's function is called: prefix (NULL: "_mjit"), the unit's number, and for a person in a debugger what of label is good in a
 * C name (NULL: nothing). Copied as snprintf does.
 */
size_t mjitcc_entry_name(const char *prefix, uint64_t id, const char *label, char *buffer, size_t room);

/* A loaded unit, as mjitcc_pick_unloads sees it. */
typedef struct mjitcc_unit_heat {
    uint64_t calls;
    uint32_t in_use; /* its code may be on a stack */
    uint32_t dead;   /* its owner is gone */
} mjitcc_unit_heat;

/*
 * Which of the loaded units should go when max_active may be loaded: all whose owner is gone, then the coldest, only such as are colder
 * than the hottest of the queued, until a tenth of the cache is free; never one in use. Their places in loaded go to picked,
 * which has room for loaded_count, and how many they are to *picked_count. MJITCC_NO if there are none.
 */
mjitcc_status mjitcc_pick_unloads(const mjitcc_unit_heat *loaded, size_t loaded_count, const uint64_t *queued,
                                  size_t queued_count, uint64_t max_active, uint32_t *picked, size_t *picked_count);

/* What compaction is decided by. */
typedef struct mjitcc_census {
    uint32_t size;
    uint32_t wait;       /* the host waits for every unit */
    uint64_t active;     /* units with loaded code */
    uint64_t queued;     /* units that wait */
    uint64_t max_active; /* how many may be loaded */
    uint64_t compactions; /* so far */
    uint64_t unloads;    /* units unloaded so far for want of room */
} mjitcc_census;

/* MJITCC_OK: compact now. MJITCC_NO: do not. */
mjitcc_status mjitcc_should_compact(const mjitcc_census *census);

/* ---------------------------------------------------------------------------------------------------- the engine */

/*
 * Begin with MJITCC_ENGINE_OPTIONS_INIT. The fields mean what they mean in mjitcc_worker_options.
 */
typedef struct mjitcc_engine_options {
    uint32_t size;
    uint32_t abi;
    const char *header;
    const char *pch; /* where the PCH goes, with the suffix of the compiler's PCHs (.gch, .pch), and stays; NULL: the private directory */
    const char *cc;
    const char *family;
    const char *const *cflags;
    const char *const *ldflags;
    const char *const *includes;
    const char *const *defines;
    const char *temp_dir;
    const char *prefix;
    const char *entry_prefix;
    const char *host_library;
    uint64_t timeout_ms;
    uint32_t optimize;
    uint32_t verbose; /* what is printed on standard error: 2 for processes, and mjitcc_engine_log */
    uint8_t warnings;
    uint8_t save_temps;
    uint8_t debug;
    uint8_t ignore_forks;
    uint8_t reserved[4];
    const mjitcc_reaper *reaper;
    const char *const *envp;
    const char *const *hash_files; /* as in mjitcc_worker_options: with other contents of them a PCH that stays is built again */
    const char *const *hash_env;
    uint64_t output_limit;
    const char *cache;  /* for mjitcc_engine_compile and mjitcc_engine_object; mjitcc_engine_build always compiles */
    uint64_t cache_size;
    const char *launcher;
    uint64_t memfree;
    uint32_t linker;
    uint32_t standby; /* how many compilers wait for a unit with the header loaded; 0: none */
    /* Takes the place of printing, but for mjitcc_engine_log; on the thread on which the event happens. Must not call mjitcc functions. */
    void (*observe)(void *ctx, const mjitcc_event *event);
    void *observe_ctx;
} mjitcc_engine_options;

#define MJITCC_ENGINE_OPTIONS_INIT { sizeof(mjitcc_engine_options), MJITCC_ABI, \
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0}, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0, 0, 0, NULL, NULL }

/* A compiler, a private directory, a header: what a worker of the host's own needs. Given back with mjitcc_engine_finish. */
typedef struct mjitcc_engine mjitcc_engine;

/* A unit that was built. Set size. */
typedef struct mjitcc_built {
    uint32_t size;
    uint32_t reserved;
    void *handle; /* of the library: what dlopen or LoadLibrary gave */
    double ms;    /* how long it took */
} mjitcc_built;

#define MJITCC_BUILT_INIT { sizeof(mjitcc_built), 0, NULL, 0 }

/* Makes the directory and finds a compiler; starts processes and waits for them. */
mjitcc_status mjitcc_engine_open(const mjitcc_engine_options *options, mjitcc_engine **engine);

/*
 * Precompiles the header, or finds that the PCH of last time is still good, and proves that it is used. Before that, and where
 * a compiler has no PCH, units have the header as text. Waits for units that are being built, and they for it. MJITCC_FAILED if
 * the header does not compile.
 */
mjitcc_status mjitcc_engine_build_pch(mjitcc_engine *engine);

/* Where the PCH is, copied as snprintf does. Empty while there is none. */
size_t mjitcc_engine_pch_file(const mjitcc_engine *engine, char *buffer, size_t room);

/*
 * C text to loaded code, on this thread: one file is written, compiled, linked, loaded, and all files are removed again. id is the
 * unit's number, and no other unit that is being built has it. exports are the symbols to be looked up, a NULL at the end: on
 * Windows no others can be; elsewhere NULL will do. MJITCC_FAILED with the compiler's words.
 */
mjitcc_status mjitcc_engine_build(mjitcc_engine *engine, uint64_t id, const char *text, size_t length,
                                  const char *const *exports, mjitcc_built *built);

/* A unit of C. Begin with MJITCC_UNIT_INIT. */
typedef struct mjitcc_unit {
    uint32_t size;
    uint32_t reserved;
    const char *name; /* in diagnostics, in __FILE__ and in debug information; NULL: unit.c */
    const char *text; /* length bytes of C; need not end with a NUL */
    size_t length;
    /* Is told each diagnostic of the compiler, on the calling thread, before the function returns. Must not call mjitcc functions. May be NULL. */
    void (*diagnostic)(void *ctx, const mjitcc_diagnostic *diagnostic);
    void *ctx;
} mjitcc_unit;

#define MJITCC_UNIT_INIT { sizeof(mjitcc_unit), 0, NULL, NULL, 0, NULL, NULL }

/*
 * Compiles a unit and loads the code, on this thread; with a cache, takes the unit's object from there if it is there. Each symbol that the text
 * defines for others can be looked up. MJITCC_FAILED with the compiler's words.
 */
mjitcc_status mjitcc_engine_compile(mjitcc_engine *engine, const mjitcc_unit *unit, mjitcc_built *built);

/*
 * Compiles a unit to an object file in memory, for a host that links or loads the code elsewhere, such as in another process. object gets the
 * file's bytes, on the calling thread; they are valid until object returns. Must not call mjitcc functions.
 */
mjitcc_status mjitcc_engine_object(mjitcc_engine *engine, const mjitcc_unit *unit,
                                   void (*object)(void *ctx, const void *bytes, size_t length), void *ctx);

/* Looks a symbol up in a library that this engine loaded. MJITCC_FAILED if it is not there. */
mjitcc_status mjitcc_engine_symbol(const mjitcc_engine *engine, void *library, const char *name, void **address);

/* Unloads a library: none of its code may be on a stack. */
mjitcc_status mjitcc_engine_close(mjitcc_engine *engine, void *library);

/* The host closes this library itself, or never: the engine forgets it. */
mjitcc_status mjitcc_engine_forget(mjitcc_engine *engine, void *library);

/* Removes a file of the private directory's, or the PCH. One that is not there is as good as removed. MJITCC_INVALID for any other. */
mjitcc_status mjitcc_engine_remove(mjitcc_engine *engine, const char *file);

/* Prints a line, in one write, if verbose is at least level. MJITCC_NO if it is not. */
mjitcc_status mjitcc_engine_log(const mjitcc_engine *engine, uint32_t level, const char *line);

/* The path of a unit's file, with suffix ".c" of the file that mjitcc_engine_build writes. Copied as snprintf does. */
size_t mjitcc_engine_file_name(const mjitcc_engine *engine, uint64_t id, const char *suffix, char *buffer, size_t room);

/* What a unit's function should be called: with its label only if the engine's option debug is set. Copied as snprintf does. */
size_t mjitcc_engine_entry_name(const mjitcc_engine *engine, uint64_t id, const char *label, char *buffer, size_t room);

/*
 * This is the child of a fork: what is on disk is left to the parent, and the engine goes on in a directory of its own. Any other function
 * does the same when it is called first, unless ignore_forks is set: then no thread may have been at work in the engine when the
 * process forked. MJITCC_MISUSE if one was, and in the process that opened the engine. MJITCC_NO if the PCH was gone already: build it
 * again.
 */
mjitcc_status mjitcc_engine_fork_child(mjitcc_engine *engine);

/* Ends every process of the engine's: what waits for them fails. No more can be started. */
mjitcc_status mjitcc_engine_cancel(mjitcc_engine *engine);

/*
 * Removes the private directory, and if close_libraries is not zero unloads what was neither closed nor forgotten. No other function
 * may be using the engine. NULL does nothing.
 */
mjitcc_status mjitcc_engine_finish(mjitcc_engine *engine, int32_t close_libraries);

#ifdef __cplusplus
}
#endif

#endif
