/*
 * What generated C and the VM have in common: values, objects, and the way back into the VM. This is the header that the worker
 * precompiles, so it includes next to nothing.
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

/* What every object begins with. */
struct object {
    uint32_t kind;
    uint32_t length; /* of an array; otherwise 0 */
};

struct array {
    struct object head;
    value items[1]; /* as many as its length says */
};

struct vm;

/* Where generated code goes for all that is not quick. Registers are in the frame when it does. */
struct runtime {
    value (*call)(struct vm *vm, int32_t function, const value *arguments);
    void (*arithmetic)(struct vm *vm, int32_t op, value *frame, int32_t to, int32_t left, int32_t right);
    void (*new_array)(struct vm *vm, value *frame, int32_t to, int32_t length);
    void (*safe_point)(struct vm *vm);
    void (*bad_index)(struct vm *vm);
};

/* The part of the VM that generated code sees; it comes first in struct vm. */
struct vm_face {
    const struct runtime *runtime;
    uint64_t collections; /* whoever sees it change must look again where objects are */
    volatile int attention; /* somebody waits for a safe point */
};

#define FACE(vm) ((struct vm_face *)(vm))

/* What a unit gives back when it came to the function's end; otherwise the instruction that the interpreter goes on with. */
#define DONE (-1)

typedef int32_t unit(struct vm *vm, value *frame, value *result);

/* How a unit is wanted. */
#define SWITCH_WIDE 1u /* integers may be wide: an overflow is not the end of the unit */

#endif
