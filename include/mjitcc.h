/*
 * mjit-cc: compiles generated C to loaded machine code with the C compilers of the machine.
 *
 * This header has two parts: the worker, which compiles units in the background and publishes their code in words (slots) that the VM
 * reads; and the engine, which compiles on the calling thread, for a VM that has a worker of its own.
 *
 * C99 and C++. Licensed under MIT or Apache-2.0, at your option.
 *
 * TERMS
 *
 * Unit: the C text of one function (its entry symbol) and the helpers of that function.  Owner: the object of the VM that a unit is
 * generated from, such as a method; the host names owners by 64-bit numbers.  Slot: the word that holds the address of a unit's code.
 * Group: units that are compiled as one translation unit.  PCH: a precompiled header.
 *
 * RULES FOR ALL FUNCTIONS
 *
 * Threads. Any thread may call any function, also several threads at once, unless the function's comment says otherwise.
 *
 * Ownership. The caller owns each handle (mjitcc_worker, mjitcc_slot, ...) that a function returns, and gives the handle back with the
 * function that the handle's type names. A NULL handle gives MJITCC_INVALID; the functions that give a handle back ignore NULL. A
 * worker or engine that was given back gives MJITCC_MISUSE.
 *
 * Strings end with NUL. The library copies strings that you pass before the call returns. Strings that a callback gets are valid until
 * the callback returns. Strings are UTF-8; paths on POSIX systems may be any bytes.
 *
 * Structures begin with their size: set size to sizeof the structure (the *_INIT macros do this). Later versions may add fields at the
 * end. A field that your structure does not have yet counts as zero, and zero means the default. A field that the library does not have
 * yet must be zero. Fields called "reserved" must be zero.
 *
 * Errors. Functions return a mjitcc_status: MJITCC_OK; MJITCC_NO if the answer is "no" without an error; or a negative number. After a
 * negative number mjitcc_last_error() returns the message, and results by pointer are NULL.
 *
 * Callbacks get the ctx that was registered with them. No lock of the library is held during a callback, so a callback may call the
 * library unless its comment forbids that. A C++ exception that leaves a callback is caught, and the operation that needed the callback
 * fails (Linux on x86-64; on other systems the process ends). longjmp out of a callback is not allowed; longjmp within a callback is. A
 * panic inside the library does not leave the library: the function returns MJITCC_PANICKED.
 *
 * Ended threads. A callback may end its thread with pthread_exit or by cancellation (Linux with glibc on x86-64; on other systems the
 * process may end). Then the unit that the thread worked on fails and the other threads continue; after the last thread ended, all units
 * fail. Threads of the library can be cancelled only in callbacks.
 *
 * Forks. Workers and engines follow forks by pthread_atfork unless their option ignore_forks is set: in the child they continue in a
 * new private directory as soon as the child calls them. With ignore_forks, or if a thread of the worker was in a callback for more than
 * five seconds at the fork, their functions return MJITCC_MISUSE in the child and remove no file of the parent. See
 * mjitcc_worker_before_fork.
 *
 * Environment. mjitcc_worker_start and mjitcc_engine_open read the environment of the process once, on the calling thread, unless their
 * option envp is set. Compilers run with this environment. The host may change its environment afterwards.
 *
 * Exit. A process may exit without giving handles back. The next process that uses the library with the same temporary directory
 * removes the files that are left.
 *
 * Units of measure. Sizes are bytes, unless a comment says "units". Times are milliseconds.
 */
#ifndef MJITCC_H
#define MJITCC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ABI number of this header. A library with another ABI number refuses options that were made with this header. */
#define MJITCC_ABI 2u

/* Returns the ABI number of the library. */
uint32_t mjitcc_abi(void);

/* Returns the version of the library, such as "0.1.0". The string is static. */
const char *mjitcc_version(void);

typedef int32_t mjitcc_status;

enum {
    MJITCC_OK = 0,
    /* The answer is no, and this is no error: the worker was not paused, the slot has no code, ... */
    MJITCC_NO = 1,
    /* An argument is NULL or wrong. Nothing was done. */
    MJITCC_INVALID = -1,
    /* The operation failed. */
    MJITCC_FAILED = -2,
    /* The call is not allowed now: the handle was given back, leave_gc without enter_gc, a fork that is not followed. Nothing was done. */
    MJITCC_MISUSE = -3,
    /* A bug in the library. The process may continue, but should finish the handle that was used. */
    MJITCC_PANICKED = -4
};

/*
 * Returns the message of the last failure on this thread, with the compiler's output if there is any; "" before the first failure. The
 * string is valid until the next failure on this thread.
 */
const char *mjitcc_last_error(void);

/* ---------------------------------------------------------------------------------------------- host and callbacks */

/* The name of a unit in messages: "label@path:line". */
typedef struct mjitcc_source_location {
    uint32_t size;
    uint32_t line;
    const char *label; /* such as "block in <main>"; NULL is "" */
    const char *path;  /* NULL is "" */
} mjitcc_source_location;

/* Identifies the unit whose C text generate has to write. */
typedef struct mjitcc_request {
    uint32_t size;     /* the size that the library knows */
    uint32_t reserved;
    uint64_t id;       /* the number of the unit */
    uint64_t owner;    /* the current number of the owner, after all mjitcc_worker_owner_moved */
    uint64_t switches; /* the switches of mjitcc_worker_submit or mjitcc_worker_recompile */
    const char *entry; /* the required name of the function */
} mjitcc_request;

/* Loaded code, for scan_stacks. */
typedef struct mjitcc_code {
    uint64_t owner;    /* may be dead, or its number reused, if the code is being unloaded: do not access the owner */
    void *address;     /* the entry of the code */
    uint64_t on_stack; /* zero before the call; scan_stacks sets another value if the code may be on a stack */
} mjitcc_code;

/*
 * Receives the C text of a request. Valid until generate returns. Only one thread at a time may use the sink: the thread in generate,
 * or the thread that runs a job while the thread in generate waits in mjitcc_sink_on_vm_thread.
 */
typedef struct mjitcc_sink mjitcc_sink;

/* Appends to the C text. May be called repeatedly. */
mjitcc_status mjitcc_sink_write(mjitcc_sink *sink, const char *text, size_t length);

/* Appends a string to the C text. */
mjitcc_status mjitcc_sink_puts(mjitcc_sink *sink, const char *text);

/* The code depends on this assumption: mjitcc_worker_invalidate cancels the code when the assumption no longer holds. */
mjitcc_status mjitcc_sink_depend_on(mjitcc_sink *sink, uint64_t assumption);

/* The code contains inlined code of this owner: mjitcc_worker_living_owners reports the owner as long as the unit lives. */
mjitcc_status mjitcc_sink_inlined(mjitcc_sink *sink, uint64_t owner, const mjitcc_source_location *location);

/* The text cannot be generated, and words is the reason: the unit fails, whatever generate returns. */
mjitcc_status mjitcc_sink_fail(mjitcc_sink *sink, const char *words);

/*
 * Runs job(arg) on the VM's thread, in mjitcc_worker_run_vm_jobs, and waits for the end of the job. Use this to read state that only the
 * VM's thread may read. The collector may run during the wait: the owner may move, and may die unless the host marks
 * mjitcc_worker_living_owners. Only the thread in generate may call this. MJITCC_NO if the job did not run and will not run, because the
 * worker stops or pauses or the unit is no longer needed: then return from generate with another value than 0. After a pause, generate is
 * called again for the unit.
 */
mjitcc_status mjitcc_sink_on_vm_thread(mjitcc_sink *sink, void (*job)(void *arg), void *arg);

/* The callbacks of a host. The worker's threads call them, until the worker is finished. */
typedef struct mjitcc_host {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /*
     * Required. Writes the C text of a unit, which defines the function request->entry, into the sink. Returns 0 on success. During the
     * call the collector cannot run (mjitcc_worker_enter_gc waits) and the owner lives. Must not allocate from the collected heap, call
     * into the VM, or call any mjitcc_worker function.
     */
    int (*generate)(void *ctx, const mjitcc_request *request, mjitcc_sink *sink);
    /*
     * May be NULL. The code of a unit was published in its slot or moved to another address. During the call the owner lives and the
     * collector cannot run.
     */
    void (*published)(void *ctx, uint64_t owner, void *address);
    /*
     * Sets on_stack for all code that may be on the stack of a thread, fiber or continuation. During the call the collector cannot run. A
     * host whose callers all hold a guard (mjitcc_slot_enter) passes a function that does nothing. With NULL any code may be on a stack,
     * so no code is unloaded before the worker is finished.
     */
    void (*scan_stacks)(void *ctx, mjitcc_code *code, size_t count);
    /*
     * A job waits for the VM's thread, which must call mjitcc_worker_run_vm_jobs at its next safe point. May be NULL if generate never
     * calls mjitcc_sink_on_vm_thread.
     */
    void (*vm_jobs_wait)(void *ctx);
} mjitcc_host;

/*
 * Waits for child processes in place of the library, for a host whose SIGCHLD handler or waitpid(-1) would otherwise take the exit
 * status of compilers. Without a reaper the library infers a lost status from the compiler's output files. The callbacks are called in
 * the order of the fields, on the thread that runs the process; several threads may call them at once.
 */
typedef struct mjitcc_reaper {
    uint32_t size;
    uint32_t reserved;
    void *ctx;
    /* May be NULL. A process is about to start: from now on the host must not wait for children that the host does not know. */
    void (*enter)(void *ctx);
    /*
     * Required. Waits for the end of the process and reaps the process. Returns pid and sets *status as waitpid does (on Windows: to the
     * exit code). Returns another number if the status is not known.
     */
    int64_t (*wait)(void *ctx, int64_t pid, int32_t *status);
    /* May be NULL. The process has ended, or could not be started. */
    void (*leave)(void *ctx);
    /*
     * May be NULL. Called in the child of a fork, by mjitcc_fork_in_child. The fork may happen between enter and leave or during wait: hold
     * no lock there, or initialize the lock again here.
     */
    void (*forked)(void *ctx);
} mjitcc_reaper;

/* Kinds of events. Each comment names the fields that are set besides line; the other fields are NULL or 0. */
enum {
    MJITCC_EVENT_SUCCESS = 1,            /* the code of a unit was published: location, file (the C source), ms */
    MJITCC_EVENT_FAILURE = 2,            /* a unit failed and gets no code: location, file, ms, detail */
    MJITCC_EVENT_COMPACTED = 3,          /* loaded units were linked into one library: count, file (the library), ms */
    MJITCC_EVENT_NOT_COMPACTED = 4,      /* linking loaded units into one library failed: ms, detail */
    MJITCC_EVENT_UNLOADED = 5,           /* cold code was unloaded: count */
    MJITCC_EVENT_CACHE_GROWN = 6,        /* no code could be unloaded, so the limit grew: count (the new max_cache_size) */
    MJITCC_EVENT_CANCELLED = 7,          /* code was cancelled: location */
    MJITCC_EVENT_RECOMPILED = 8,         /* a unit is compiled again with other switches: location */
    MJITCC_EVENT_INLINED = 9,            /* a unit contains code of another owner: location, inlined */
    MJITCC_EVENT_WARNING = 10,           /* a problem that the user can fix */
    MJITCC_EVENT_COMPILER = 11,          /* the compiler that was found */
    MJITCC_EVENT_TEMP_DIR = 12,          /* the private directory was made: file */
    MJITCC_EVENT_START = 13,             /* a thread begins to build a unit: location, file */
    MJITCC_EVENT_PCH_START = 14,         /* the header is about to be precompiled */
    MJITCC_EVENT_PROCESS = 15,           /* a process is about to start */
    MJITCC_EVENT_NO_LIBRARY = 16,        /* a unit or a compaction has no library: file (where the library would be) */
    MJITCC_EVENT_UNLOADING = 17,         /* code is being unloaded: location, count (the number of the unit) */
    MJITCC_EVENT_STOPPING = 18,          /* the threads are told to end */
    MJITCC_EVENT_GC_WAITED = 19,         /* mjitcc_worker_enter_gc had to wait: ms */
    MJITCC_EVENT_FINISH = 20,            /* all threads have ended */
    MJITCC_EVENT_GROUP_STARTED = 21,     /* a group is about to be compiled: count, file */
    MJITCC_EVENT_IMPROVED = 22,          /* optimized code replaced the quick code of a unit: location, file, ms */
    MJITCC_EVENT_NOT_IMPROVED = 23,      /* optimizing failed, and the unit keeps its quick code: location, ms, detail */
    MJITCC_EVENT_BASELINE_FAILED = 24,   /* the first tier failed, and the second tier compiles the unit: location, detail */
    MJITCC_EVENT_QUICK = 25,             /* the compiler of the first tier was chosen */
    MJITCC_EVENT_LINKER_FALLBACK = 26,   /* the linker inside this process could not link, so the driver links: detail */
    MJITCC_EVENT_CACHE_HIT = 27,         /* the object of a unit came from the object cache */
    MJITCC_EVENT_CACHE_UNUSABLE = 28     /* the object cache cannot be used, and units are compiled regardless: file (its directory) */
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
    uint32_t size;  /* the size that the library knows */
    uint32_t kind;  /* MJITCC_EVENT_*; later versions may add kinds */
    uint32_t level; /* the verbosity from which on the line is printed */
    uint32_t reserved;
    const char *line;   /* the event as text, in the form of Ruby's MJIT */
    const char *detail; /* the reason, with the compiler's output if there is any */
    const mjitcc_source_location *location;
    const mjitcc_source_location *inlined;
    const char *file;
    double ms;
    uint64_t count;
} mjitcc_event;

/* For optimize: 1, 2 and 3 mean -O1, -O2 and -O3. */
enum {
    MJITCC_OPTIMIZE_DEFAULT = 0, /* -O3 */
    MJITCC_OPTIMIZE_O1 = 1,
    MJITCC_OPTIMIZE_O2 = 2,
    MJITCC_OPTIMIZE_O3 = 3,
    MJITCC_OPTIMIZE_O0 = 4,
    MJITCC_OPTIMIZE_SIZE = 5     /* -Os */
};

/* For unloading: whether cold code is unloaded when max_cache_size units are loaded. */
enum {
    MJITCC_UNLOAD_COLDEST = 0, /* code that is on no stack is unloaded if it is colder than a queued unit */
    MJITCC_UNLOAD_NEVER = 1    /* no code is unloaded, and queued units wait */
};

/* For compaction: whether loaded units are linked into one library, so that their code is close together in memory. */
enum {
    MJITCC_COMPACT_THROTTLED = 0, /* when the queue is empty, or max_cache_size units are loaded */
    MJITCC_COMPACT_NEVER = 1
};

/* For unity: whether queued units are compiled in groups, so that the compiler processes their common parts once. Other numbers are the
 * largest size of a group. */
enum {
    MJITCC_UNITY_AUTO = 0, /* the group size that was fastest in measurements */
    MJITCC_UNITY_OFF = 1   /* each unit alone */
};

/*
 * For standby: whether compilers are started in advance and wait with the header loaded, so that a single unit compiles faster. They are
 * child processes: a host that waits for all of its children waits for them too. Off if a reaper is set.
 */
enum {
    MJITCC_STANDBY_EVERY_THREAD = 0, /* one for each thread; one that is not used for twenty seconds ends */
    MJITCC_STANDBY_OFF = 1
};

/* For linker: which linker to use. */
enum {
    MJITCC_LINKER_AUTO = 0,   /* wild if possible, else the compiler's driver */
    MJITCC_LINKER_WILD = 1,   /* wild, inside this process */
    MJITCC_LINKER_DRIVER = 2, /* the compiler's driver with its default linker; with the linkers below the driver links too */
    MJITCC_LINKER_LLD = 3,
    MJITCC_LINKER_MOLD = 4,
    MJITCC_LINKER_GOLD = 5,
    MJITCC_LINKER_BFD = 6
};

/* For tiers: whether a unit first gets quick code, and later optimized code in the same slot, when no unit waits for its first code. */
enum {
    MJITCC_TIERS_OFF = 0,
    MJITCC_TIERS_QUICKEST = 1,      /* quick code by tcc if tcc is installed and accepts the header, else as SAME_COMPILER */
    MJITCC_TIERS_SAME_COMPILER = 2  /* quick code by the same compiler with -O1 */
};

/* For timeout_ms: no limit. */
#define MJITCC_NO_TIMEOUT UINT64_MAX

/* For output_limit: no limit. */
#define MJITCC_NO_OUTPUT_LIMIT UINT64_MAX

/* For memfree: no check. */
#define MJITCC_NO_MEMFREE UINT64_MAX

/* ---------------------------------------------------------------------------------------------------- the worker */

/* The options of a worker. Initialize with MJITCC_WORKER_OPTIONS_INIT and set host. */
typedef struct mjitcc_worker_options {
    uint32_t size;
    uint32_t abi;                /* MJITCC_ABI */
    const mjitcc_host *host;     /* required; copied */
    const char *header;          /* the header in front of every unit, which is precompiled; NULL: none */
    const char *cc;              /* the compiler, with arguments if any; NULL: CC of the environment, else the best that is installed */
    const char *family;          /* "gcc", "clang", "mingw", "msvc", "clang-cl", "tcc"; NULL: any */
    const char *const *cflags;   /* arguments for the compiler, with a NULL at the end, as in the next three fields; NULL: none */
    const char *const *ldflags;  /* arguments for the compiler when it links, such as libraries */
    const char *const *includes; /* directories for #include */
    const char *const *defines;  /* NAME or NAME=VALUE */
    const char *temp_dir;        /* the parent of the private directory; NULL: TMPDIR, TMP, TEMP, else the usual directories */
    const char *prefix;          /* the prefix of temporary files; NULL: "_mjit_" */
    const char *entry_prefix;    /* the prefix of entry symbols; NULL: "_mjit" */
    const char *host_library;    /* on Windows, the import library of the program that units call; NULL: none */
    uint64_t timeout_ms;         /* the time limit for building one unit; 0: 60000; MJITCC_NO_TIMEOUT */
    uint64_t max_cache_size;     /* how many units may be loaded at once; 0: 10000 */
    uint32_t threads;            /* how many units are built at once; 0: the number of processors minus one, at least 1 and at most 4 */
    uint32_t optimize;           /* MJITCC_OPTIMIZE_* */
    uint32_t unloading;          /* MJITCC_UNLOAD_* */
    uint32_t compaction;         /* MJITCC_COMPACT_* */
    uint32_t verbose;            /* what is printed on standard error if observe is NULL: 0 nothing to 3 everything */
    uint8_t warnings;            /* print warnings also if verbose is 0 */
    uint8_t save_temps;          /* keep C sources, libraries and the private directory */
    uint8_t wait;                /* mjitcc_worker_submit waits until the unit is built, at most a minute; for tests of hosts */
    uint8_t debug;               /* generate debug information, and use readable entry symbols */
    const mjitcc_reaper *reaper; /* copied; NULL: none */
    /* Receives events instead of printing them, on any thread. Must not call mjitcc functions. NULL: none. */
    void (*observe)(void *ctx, const mjitcc_event *event);
    void *observe_ctx;
    uint32_t unity;              /* MJITCC_UNITY_*, or the largest size of a group */
    uint32_t tiers;              /* MJITCC_TIERS_* */
    uint32_t standby;            /* MJITCC_STANDBY_* */
    uint32_t linker;             /* MJITCC_LINKER_* */
    /*
     * The directory of the object cache, which other processes share. "on": the user's cache directory (a warning if the user has no
     * home directory). "off" or NULL: no cache. So the host can pass on the value of MJIT_CC_CACHE. The cache finds a unit by its text;
     * the entry symbol, and names that begin with it (ENTRY_helper), are replaced in the text first. Units of a group are found one by
     * one. The cache is not used with save_temps, debug or perf_map. Code of the cache is executed: a directory that belongs to another
     * user, or that other users may write to, is not used, with a warning.
     */
    const char *cache;
    uint64_t cache_size;         /* the size limit of the cache; the least recently used objects are removed; 0: 5 GiB */
    /*
     * A program that runs the compilers of units, with arguments if any, such as "distcc". A launcher that cannot use a PCH gets the
     * header as text. A launcher that does not exist disables compiling. NULL: none.
     */
    const char *launcher;
    /*
     * A file for an HTML page that shows how long each step of the latest 10000 units took. Written by mjitcc_worker_finish and
     * mjitcc_worker_prepare_exec. The child of a fork writes a file of its own, with its process id before the suffix. An error is a
     * warning. NULL: none.
     */
    const char *timings;
    const char *trace;           /* a file for the same data as Chrome trace events, which Perfetto shows; NULL: none */
    uint64_t memfree;            /* free memory that a further compiler needs to start (Linux only); 0: 400 MiB; MJITCC_NO_MEMFREE */
    /*
     * Write the names of loaded code to /tmp/perf-PID.map for perf (Linux only). For this the code is copied out of the mapping of its
     * file, which costs its size in memory. The library does not remove the file.
     */
    uint8_t perf_map;
    uint8_t ignore_forks;        /* follow only forks that mjitcc_worker_before_fork announces */
    uint8_t reserved[6];
    const char *const *envp;     /* the environment of compilers, in the form of environ; copied; NULL: the environment of the process */
    /*
     * Files that the code depends on but does not include, with a NULL at the end. The cache returns no object that was stored with
     * other contents of these files. A file that does not exist disables compiling. NULL: none.
     */
    const char *const *hash_files;
    const char *const *hash_env; /* environment variables that the code depends on, with a NULL at the end; NULL: none */
    uint64_t output_limit;       /* a compiler that writes more messages is ended, and its unit fails; 0: 1 MiB; MJITCC_NO_OUTPUT_LIMIT */
} mjitcc_worker_options;

#define MJITCC_WORKER_OPTIONS_INIT { sizeof(mjitcc_worker_options), MJITCC_ABI, \
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, \
    NULL, 0, NULL, NULL, NULL, 0, 0, 0, {0, 0, 0, 0, 0, 0}, NULL, NULL, NULL, 0 }

/* A worker. Given back with mjitcc_worker_finish. */
typedef struct mjitcc_worker mjitcc_worker;

/* A reference to a slot, the word that holds the address of a unit's code. Given back with mjitcc_slot_release. */
typedef struct mjitcc_slot mjitcc_slot;

/*
 * Starts the worker's threads, which first find a compiler and precompile the header. If that fails, a warning event has the reason,
 * compiling is disabled, and mjitcc_worker_submit returns failed slots. MJITCC_INVALID if an option is wrong.
 */
mjitcc_status mjitcc_worker_start(const mjitcc_worker_options *options, mjitcc_worker **worker);

/*
 * Submits a unit, and returns a reference to the slot in which the code will be published. owner is the host's number of the object that
 * the unit is generated from. location may be NULL. calls is the initial heat: see mjitcc_slot_calls. switches say how to generate the
 * unit; the request has them again. Takes a lock for a short time. Never waits for a compiler unless the option wait is set; then this
 * call also runs jobs for the VM's thread.
 */
mjitcc_status mjitcc_worker_submit(mjitcc_worker *worker, uint64_t owner, const mjitcc_source_location *location, uint64_t calls,
                                   uint64_t switches, mjitcc_slot **slot);

/*
 * Requests new code for a slot, such as code without a speculation that failed. The slot is not ready from now on until the new code is
 * published. The old code is never published in the slot again, and is unloaded when no caller is inside; the calling code may be the
 * old code. MJITCC_NO if the slot has no unit that can be compiled again: then submit the owner anew.
 */
mjitcc_status mjitcc_worker_recompile(mjitcc_worker *worker, const mjitcc_slot *slot, uint64_t switches);

/* Runs the jobs that wait for the VM's thread, and returns their number. Call this on the VM's thread, at a safe point. */
size_t mjitcc_worker_run_vm_jobs(mjitcc_worker *worker);

/*
 * The host begins to collect garbage or to move objects. Waits for running generate callbacks, never for a compiler. May be nested.
 * Nothing is generated or published until the matching mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_enter_gc(mjitcc_worker *worker);

/* The collection has ended. MJITCC_MISUSE without a matching mjitcc_worker_enter_gc. */
mjitcc_status mjitcc_worker_leave_gc(mjitcc_worker *worker);

/*
 * The host frees an owner: no code is published for the owner any more, its slots become failed, and its code is unloaded when no caller
 * is inside. Call this between mjitcc_worker_enter_gc and mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_owner_died(mjitcc_worker *worker, uint64_t owner);

/*
 * The number of an owner changes, for example because the number is an address and the owner moved. Call this between
 * mjitcc_worker_enter_gc and mjitcc_worker_leave_gc.
 */
mjitcc_status mjitcc_worker_owner_moved(mjitcc_worker *worker, uint64_t from, uint64_t to);

/*
 * Calls each for all owners that the worker still needs, inlined owners included. The list is a snapshot, so each may do anything, also
 * collect garbage. each may get an owner twice. A host that marks these owners keeps them and their code alive.
 */
mjitcc_status mjitcc_worker_living_owners(mjitcc_worker *worker, void (*each)(void *ctx, uint64_t owner), void *ctx);

/*
 * Invalidates an assumption. Units that depend on the assumption are not published, and their loaded code is cancelled. Calls each for
 * the owners of cancelled code; the host may submit them again. Frames inside cancelled code may return into it. each may be NULL.
 */
mjitcc_status mjitcc_worker_invalidate(mjitcc_worker *worker, uint64_t assumption, void (*each)(void *ctx, uint64_t owner),
                                       void *ctx);

/*
 * Cancels all units, loaded, being built or queued, for example when tracing begins. Calls each for the owners of loaded code. Frames
 * inside cancelled code may return into it. Owners that are submitted later are compiled again. each may be NULL.
 */
mjitcc_status mjitcc_worker_cancel_all(mjitcc_worker *worker, void (*each)(void *ctx, uint64_t owner), void *ctx);

/* MJITCC_NO if no compiler was found, if the header does not compile, or after mjitcc_worker_prepare_exec. */
mjitcc_status mjitcc_worker_is_enabled(const mjitcc_worker *worker);

/*
 * Stops taking units from the queue, and returns when the threads have finished their current units. If drain is not zero, first waits
 * until the queue is empty and compaction has ended; this call then runs jobs for the VM's thread. Code stays callable. MJITCC_NO if the
 * worker was paused already.
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

/* Continues after mjitcc_worker_pause. MJITCC_NO if the worker was not paused. */
mjitcc_status mjitcc_worker_resume(mjitcc_worker *worker);

/*
 * Ends all compilers and threads and removes all files; loaded code stays callable. Call this before exec, which may fail and return to
 * the code. Nothing is compiled afterwards. mjitcc_worker_finish is still required.
 */
mjitcc_status mjitcc_worker_prepare_exec(mjitcc_worker *worker);

/*
 * Ends all compilers and threads, removes all files and unloads all code. No code may be on a stack, no other function may use the
 * worker, and no guard may be held. Slots may be released before or after. Must not be called in a callback. NULL is ignored.
 */
mjitcc_status mjitcc_worker_finish(mjitcc_worker *worker);

/* ------------------------------------------------------------------------------------------------------- forking */

/* A worker that is stopped for a fork. Given back with one of the three functions below, on the thread that got the mjitcc_fork. */
typedef struct mjitcc_fork mjitcc_fork;

/*
 * Call this just before fork. Waits for running generate callbacks and for short sections of the worker's threads, not for compilers.
 * Until the mjitcc_fork is given back, this thread must not call other functions with this worker, and calls of other threads wait.
 * Must not be called between mjitcc_worker_enter_gc and mjitcc_worker_leave_gc. A process with several workers calls this for all of
 * them before the fork: the child would inherit the state of another worker's threads half changed.
 *
 * A fork without this call is followed too, unless ignore_forks is set. Then the child has no threads and no files of the worker until
 * the child first calls the worker; units that were queued at the fork wait until then. A child that executes another program at once
 * has no such cost.
 */
mjitcc_status mjitcc_worker_before_fork(mjitcc_worker *worker, mjitcc_fork **fork);

/* After a fork, in the parent. */
mjitcc_status mjitcc_fork_in_parent(mjitcc_fork *fork);

/*
 * After a fork, in the child: the worker gets threads and a private directory of its own, and keeps the loaded code and the queue. From
 * now on the child's worker does not depend on the parent. The child must call mjitcc_worker_finish too.
 */
mjitcc_status mjitcc_fork_in_child(mjitcc_fork *fork);

/* fork failed. */
mjitcc_status mjitcc_fork_failed(mjitcc_fork *fork);

/* --------------------------------------------------------------------------------------------------------- slots */

/* The states of a slot. */
enum {
    MJITCC_SLOT_NOT_READY = 0, /* the unit is queued or being built */
    MJITCC_SLOT_FAILED = 1,    /* the unit failed: mjitcc_slot_failure has the reason */
    MJITCC_SLOT_UNLOADED = 2,  /* the code was unloaded in favour of hotter units */
    MJITCC_SLOT_CALLABLE = 3   /* the code is loaded */
};

/* A word of a slot below this is MJITCC_SLOT_NOT_READY, MJITCC_SLOT_FAILED or MJITCC_SLOT_UNLOADED; any other word is an address. */
#define MJITCC_SLOT_FIRST_ADDRESS 4096u

/* Adds a reference to the slot. Returns the same handle. */
mjitcc_slot *mjitcc_slot_retain(mjitcc_slot *slot);

/* Releases a reference to the slot. The worker keeps references of its own. NULL is ignored. */
void mjitcc_slot_release(mjitcc_slot *slot);

/* Returns MJITCC_SLOT_*, or MJITCC_INVALID. One atomic load. */
int32_t mjitcc_slot_state(const mjitcc_slot *slot);

/*
 * Returns the address of the code, or NULL. One atomic load. The code may be called only while the host prevents unloading, by
 * scan_stacks or MJITCC_UNLOAD_NEVER; otherwise use mjitcc_slot_enter.
 */
void *mjitcc_slot_address(const mjitcc_slot *slot);

/*
 * Returns a pointer to the word of the slot, for generated code: load the word atomically with acquire order, and never write it. The
 * pointer is valid while any reference to the slot is held. A word below MJITCC_SLOT_FIRST_ADDRESS means that there is no code.
 */
const uintptr_t *mjitcc_slot_word(const mjitcc_slot *slot);

/*
 * Returns a pointer to the call counter of the owner. The host adds to the counter from any thread; the worker compiles the units with
 * the highest counters first. Access the counter atomically, in any order, if several threads write it. The pointer is valid while a
 * reference to the slot is held.
 */
uint64_t *mjitcc_slot_calls(const mjitcc_slot *slot);

/*
 * Copies the reason why the unit failed to buffer as snprintf does: at most room bytes with the NUL; returns the full length. The text
 * is empty unless the state is MJITCC_SLOT_FAILED.
 */
size_t mjitcc_slot_failure(const mjitcc_slot *slot, char *buffer, size_t room);

/* Tells each diagnostic of the compiler about a failed unit, on the calling thread; none for another failure. unit in these is empty. */
mjitcc_status mjitcc_slot_diagnostics(const mjitcc_slot *slot,
                                      void (*each)(void *ctx, const mjitcc_diagnostic *diagnostic), void *ctx);

/* Keeps code loaded while a caller is inside. */
typedef struct mjitcc_guard {
    void *address; /* the code; NULL: the guard is not held */
    uintptr_t generation;
} mjitcc_guard;

/*
 * Sets guard->address and keeps this code loaded until mjitcc_slot_leave with the same guard, which any thread may call. MJITCC_NO and
 * NULL if there is no code, or if the code is being replaced at this moment; then do not call mjitcc_slot_leave. Never waits. Does not
 * change mjitcc_last_error.
 */
mjitcc_status mjitcc_slot_enter(const mjitcc_slot *slot, mjitcc_guard *guard);

/* Ends mjitcc_slot_enter. The reference to the slot must still be held. MJITCC_MISUSE if the guard is not held. */
mjitcc_status mjitcc_slot_leave(const mjitcc_slot *slot, mjitcc_guard *guard);

/* ------------------------------------------------------------------------------------------ names and policies */

/*
 * Copies the path of a temporary file, "dir/PREFIXpPROCESSuIDsuffix", to buffer as snprintf does. dir NULL: the name alone. prefix NULL:
 * "_mjit_". suffix NULL: none.
 */
size_t mjitcc_file_name(const char *dir, const char *prefix, uint32_t process, uint64_t id, const char *suffix,
                        char *buffer, size_t room);

/*
 * Copies the entry symbol of a unit to buffer as snprintf does: prefix (NULL: "_mjit"), the number of the unit, and for debuggers the
 * characters of label that a C name may have (NULL: none).
 */
size_t mjitcc_entry_name(const char *prefix, uint64_t id, const char *label, char *buffer, size_t room);

/* A loaded unit, for mjitcc_pick_unloads. */
typedef struct mjitcc_unit_heat {
    uint64_t calls;
    uint32_t in_use; /* not zero: the code may be on a stack */
    uint32_t dead;   /* not zero: the owner was freed */
} mjitcc_unit_heat;

/*
 * Chooses the loaded units to unload when max_active units may be loaded: all units whose owner was freed, then the coldest units that
 * are colder than the hottest queued unit, until a tenth of max_active is free. Never chooses a unit in use. Writes indexes into loaded
 * to picked, which must have room for loaded_count, and their number to *picked_count. MJITCC_NO if no unit was chosen.
 */
mjitcc_status mjitcc_pick_unloads(const mjitcc_unit_heat *loaded, size_t loaded_count, const uint64_t *queued,
                                  size_t queued_count, uint64_t max_active, uint32_t *picked, size_t *picked_count);

/* The numbers that decide about compaction. */
typedef struct mjitcc_census {
    uint32_t size;
    uint32_t wait;        /* not zero: the host waits for each unit */
    uint64_t active;      /* units with loaded code */
    uint64_t queued;      /* units in the queue */
    uint64_t max_active;  /* how many units may be loaded */
    uint64_t compactions; /* compactions so far */
    uint64_t unloads;     /* units that were unloaded so far because max_active was reached */
} mjitcc_census;

/* MJITCC_OK if compaction should run now, else MJITCC_NO. */
mjitcc_status mjitcc_should_compact(const mjitcc_census *census);

/* ---------------------------------------------------------------------------------------------------- the engine */

/* The options of an engine. Initialize with MJITCC_ENGINE_OPTIONS_INIT. The fields mean the same as in mjitcc_worker_options. */
typedef struct mjitcc_engine_options {
    uint32_t size;
    uint32_t abi;
    const char *header;
    const char *pch; /* a file for the PCH, with the compiler's suffix (.gch, .pch), which is kept; NULL: in the private directory */
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
    uint32_t verbose; /* what is printed on standard error: from 2 on processes; see mjitcc_engine_log */
    uint8_t warnings;
    uint8_t save_temps;
    uint8_t debug;
    uint8_t ignore_forks;
    uint8_t reserved[4];
    const mjitcc_reaper *reaper;
    const char *const *envp;
    const char *const *hash_files; /* a kept PCH is built again if the contents of these files change */
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

/* A compiler, a private directory and a header. Given back with mjitcc_engine_finish. */
typedef struct mjitcc_engine mjitcc_engine;

/* The result of mjitcc_engine_build. Initialize with MJITCC_BUILT_INIT. */
typedef struct mjitcc_built {
    uint32_t size;
    uint32_t reserved;
    void *handle; /* the library, as returned by dlopen or LoadLibrary */
    double ms;    /* how long building took */
} mjitcc_built;

#define MJITCC_BUILT_INIT { sizeof(mjitcc_built), 0, NULL, 0 }

/* Makes the private directory and finds a compiler. Starts processes and waits for them. */
mjitcc_status mjitcc_engine_open(const mjitcc_engine_options *options, mjitcc_engine **engine);

/*
 * Precompiles the header unless the PCH is up to date, and tests that the compiler uses the PCH. Before this call, and with a compiler
 * without PCHs, units include the header as text. This call and mjitcc_engine_build wait for each other. MJITCC_FAILED if the header
 * does not compile.
 */
mjitcc_status mjitcc_engine_build_pch(mjitcc_engine *engine);

/* Copies the path of the PCH to buffer as snprintf does. The path is empty before mjitcc_engine_build_pch. */
size_t mjitcc_engine_pch_file(const mjitcc_engine *engine, char *buffer, size_t room);

/*
 * Compiles, links and loads C text on the calling thread, and removes all temporary files. id is the number of the unit, which no other
 * unit that is being built may have. exports are the symbols to look up, with a NULL at the end; required on Windows, elsewhere exports
 * may be NULL. After MJITCC_FAILED mjitcc_last_error has the compiler's output.
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

/* Looks up a symbol in a library that this engine loaded. MJITCC_FAILED if the library has no such symbol. */
mjitcc_status mjitcc_engine_symbol(const mjitcc_engine *engine, void *library, const char *name, void **address);

/* Unloads a library. None of its code may be on a stack. */
mjitcc_status mjitcc_engine_close(mjitcc_engine *engine, void *library);

/* Transfers the ownership of a library to the host: the engine will not unload the library. */
mjitcc_status mjitcc_engine_forget(mjitcc_engine *engine, void *library);

/* Removes a file of the private directory, or the PCH. MJITCC_OK also if the file does not exist. MJITCC_INVALID for other files. */
mjitcc_status mjitcc_engine_remove(mjitcc_engine *engine, const char *file);

/* Prints a line on standard error, in one write, if the option verbose is at least level; else MJITCC_NO. */
mjitcc_status mjitcc_engine_log(const mjitcc_engine *engine, uint32_t level, const char *line);

/* Copies the path of a file of a unit to buffer as snprintf does. With suffix ".c": the source that mjitcc_engine_build writes. */
size_t mjitcc_engine_file_name(const mjitcc_engine *engine, uint64_t id, const char *suffix, char *buffer, size_t room);

/* Copies the entry symbol of a unit to buffer as snprintf does. label is used only if the option debug is set. */
size_t mjitcc_engine_entry_name(const mjitcc_engine *engine, uint64_t id, const char *label, char *buffer, size_t room);

/*
 * Continues in the child of a fork with a private directory of its own; the files of the parent stay. The first call of any other
 * function does the same unless ignore_forks is set. With ignore_forks no thread may have used the engine during the fork.
 * MJITCC_MISUSE if a thread did, or in the process that opened the engine. MJITCC_NO if the PCH was already removed: call
 * mjitcc_engine_build_pch again.
 */
mjitcc_status mjitcc_engine_fork_child(mjitcc_engine *engine);

/* Ends all processes of the engine: calls that wait for them fail. The engine cannot start processes afterwards. */
mjitcc_status mjitcc_engine_cancel(mjitcc_engine *engine);

/*
 * Removes the private directory. If close_libraries is not zero, also unloads the libraries that the engine still owns. No other
 * function may use the engine. NULL is ignored.
 */
mjitcc_status mjitcc_engine_finish(mjitcc_engine *engine, int32_t close_libraries);

#ifdef __cplusplus
}
#endif

#endif
