/*
 * The definitions that generated C and the VM share: values, objects, and calls into the VM. The worker precompiles this header, so it
 * includes very little.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdint.h>

/* A small integer, shifted left by one, with the lowest bit set; or an object's address. */
typedef int64_t value;

#define SMALL(integer) ((value)((uint64_t)(integer) << 1 | 1))
#define IS_SMALL(value) ((value) & 1)
#define BOTH_SMALL(one, other) ((one) & (other) & 1)

enum kind { KIND_ARRAY, KIND_WIDE, KIND_FUNCTION, KIND_MOVED };

/* The head of every object. */
struct object {
    uint32_t kind;
    uint32_t length; /* of an array; otherwise 0 */
};

struct array {
    struct object head;
    value items[1]; /* length items */
};

struct vm;

/* The slow paths of generated code. All registers are in the frame during these calls. */
struct runtime {
    value (*call)(struct vm *vm, int32_t function, const value *arguments);
    void (*arithmetic)(struct vm *vm, int32_t op, value *frame, int32_t to, int32_t left, int32_t right);
    void (*new_array)(struct vm *vm, value *frame, int32_t to, int32_t length);
    void (*safe_point)(struct vm *vm);
    void (*bad_index)(struct vm *vm);
};

/* The part of the VM that generated code accesses; the first member of struct vm. */
struct vm_face {
    const struct runtime *runtime;
    uint64_t collections; /* after a change, objects have moved */
    volatile int attention; /* a thread waits for a safe point */
};

#define FACE(vm) ((struct vm_face *)(vm))

/* The result of a unit that reached the end of the function; otherwise the instruction at which the interpreter continues. */
#define DONE (-1)

typedef int32_t unit(struct vm *vm, value *frame, value *result);

/* The switches of a unit. */
#define SWITCH_WIDE 1u /* integers may be wide: the unit handles overflows */

#endif
