/*
 * A small virtual machine: registers, integers of 64 bits, arrays, calls, a moving collector. Functions are objects of the collected heap:
 * they move, and die when they are no longer reachable. One thread runs the VM; the worker's threads access only the data of jit.c.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>

#include "mjitcc.h"
#include "runtime.h"

enum op {
    OP_INT,   /* a = the integer b */
    OP_CONST, /* a = the constant b, which may change */
    OP_MOVE,  /* a = b */
    OP_ADD,   /* a = b + c, and so on; integers wrap around at 64 bits */
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_LESS,  /* a = b < c, as 1 or 0 */
    OP_JUMP,  /* to instruction a */
    OP_UNLESS, /* to instruction b, if a is 0 */
    OP_NEW,   /* a = an array of b zeros */
    OP_GET,   /* a = b[c] */
    OP_SET,   /* a[b] = c */
    OP_CALL,  /* a = the function b, given registers from c on */
    OP_RETURN /* a */
};

struct instruction {
    int32_t op, a, b, c;
};

enum { MAX_REGISTERS = 24, MAX_FUNCTIONS = 32, MAX_CONSTANTS = 4, HOT = 30 };

/* A function: an owner for the worker, with its address as the number. */
struct function {
    struct object head;
    struct function *moved; /* the new address, if the kind is KIND_MOVED */
    int32_t id, arguments, registers, count;
    struct instruction *code; /* owned by the function, outside the heap */
    char name[24];
    uint64_t calls; /* calls before the function had a slot; then the slot counts */
    uint64_t switches;
    mjitcc_slot *slot;
};

/* An integer that is not small. */
struct wide {
    struct object head;
    int64_t integer;
};

/* An activation. The collector finds the function here, and its registers on the stack. */
struct frame {
    struct function *function;
    struct frame *caller;
};

/* Grows as needed. */
struct list {
    void **items;
    size_t count, room;
};

struct vm {
    struct vm_face face; /* first */
    struct function *functions[MAX_FUNCTIONS];
    value constants[MAX_CONSTANTS];
    value *stack, *top, *limit;
    struct frame *frame;

    char *space, *free, *end; /* the heap: objects, one after the other */
    struct list all_functions; /* living functions, and functions that died since the last collection */
    uint64_t moved, died;

    bool jit; /* use machine code */
    mjitcc_worker *worker; /* NULL: interpret only */
    struct list old_slots; /* slots whose code frames may still be inside */
    uint64_t speculations_failed;
};

/* vm.c */
struct vm *vm_new(void);
void vm_free(struct vm *vm);
/* Gives a function a new body. The old function dies when no frame runs it any more. */
void vm_define(struct vm *vm, int32_t id, const char *name, int32_t arguments, int32_t registers,
               const struct instruction *code, int32_t count);
value vm_call(struct vm *vm, int32_t function, const value *arguments);
int64_t vm_run(struct vm *vm, int32_t function, int64_t argument);
int64_t vm_integer(struct vm *vm, value number);
_Noreturn void vm_die(const char *why);
extern const struct runtime vm_runtime;

/* heap.c */
struct object *vm_allocate(struct vm *vm, enum kind kind, size_t size);
value vm_new_integer(struct vm *vm, int64_t integer);
void vm_collect(struct vm *vm);
void list_add(struct list *list, void *item);

/* jit.c */
struct jit_options {
    const char *cc, *header, *temp_dir;
    bool wait;
    uint32_t verbose, threads;
};
void jit_start(struct vm *vm, const struct jit_options *options);
void jit_finish(struct vm *vm);
/* Runs the machine code of a function, if there is any; returns DONE, or the instruction at which to continue. */
int32_t jit_enter(struct vm *vm, struct frame *frame, value *registers, value *result);
void jit_forget(struct vm *vm, struct function *function);
/* Waits until all submitted functions are compiled. */
void jit_settle(struct vm *vm);
/* Called by the collector. */
void jit_before_collecting(struct vm *vm);
void jit_function_moved(struct vm *vm, struct function *from, struct function *to);
void jit_function_died(struct vm *vm, struct function *function);
void jit_after_collecting(struct vm *vm);
void jit_set_constant(struct vm *vm, int32_t constant, int64_t integer);
void jit_safe_point(struct vm *vm);

/* programs.c */
enum { FIB, SIEVE, SORT, FILL, SORT_MAIN, CHAIN, COLLATZ, MIX, STEP, TEMPORARY };
void programs_define(struct vm *vm);
/* Makes functions, runs them until they are hot, replaces them, and changes their constants. Returns a sum. */
int64_t programs_churn(struct vm *vm, int64_t rounds);

#endif
