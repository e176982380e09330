/*
 * The VM for machine code: values, frames, and the inline operations of generated code. The header of every unit, which the worker
 * precompiles. value.rs, heap.rs and native.rs have the same definitions in Rust.
 *
 * No C library: a unit can only call what the table in vm_state leads to. So nothing need be exported by the executable.
 */
#ifndef VM_H
#define VM_H

#include <stdint.h>

#ifdef _WIN32
#define VM_CODE __declspec(dllexport)
#else
#define VM_CODE
#endif

/* clang-cl has these builtins too, cl and tcc do not; VM_PLAIN_C tests the versions for cl and tcc. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__TINYC__) && !defined(VM_PLAIN_C)
#define VM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define VM_ADD_OVERFLOWS(a, b, to) __builtin_add_overflow(a, b, to)
#define VM_SUBTRACT_OVERFLOWS(a, b, to) __builtin_sub_overflow(a, b, to)
#define VM_MULTIPLY_OVERFLOWS(a, b, to) __builtin_mul_overflow(a, b, to)
#else
#define VM_UNLIKELY(condition) (condition)
#define VM_ADD_OVERFLOWS(a, b, to) vm_add_overflows(a, b, to)
#define VM_SUBTRACT_OVERFLOWS(a, b, to) vm_subtract_overflows(a, b, to)
#define VM_MULTIPLY_OVERFLOWS(a, b, to) vm_multiply_overflows(a, b, to)

static inline int
vm_add_overflows(int64_t a, int64_t b, int64_t *to)
{
    *to = (int64_t)((uint64_t)a + (uint64_t)b);
    return ((a ^ *to) & (b ^ *to)) < 0;
}

static inline int
vm_subtract_overflows(int64_t a, int64_t b, int64_t *to)
{
    *to = (int64_t)((uint64_t)a - (uint64_t)b);
    return ((a ^ b) & (a ^ *to)) < 0;
}

/* May report an overflow that does not happen: the slow path is correct too. */
static inline int
vm_multiply_overflows(int64_t a, int64_t b, int64_t *to)
{
    if (a != (int32_t)a || b != (int32_t)b)
        return 1;
    *to = a * b;
    return 0;
}
#endif

/* ---- values: ...1 an integer of 63 bits, ..10 a constant, .000 a reference, the object's byte offset in the heap */

typedef uint64_t vm_value;

#define VM_NIL ((vm_value)2)
#define VM_FALSE ((vm_value)6)
#define VM_TRUE ((vm_value)10)

/* No values. A unit or a helper returns the first when the program has failed; a unit returns the second when the interpreter must
 * continue with its frame. */
#define VM_FAILED ((vm_value)0)
#define VM_EXIT ((vm_value)4)

/* The first word of an object has its length, and in the lowest byte its kind. */
#define VM_ARRAY 1

/* ---- the VM. Helpers that may collect garbage get the frame: all living values must be in it, and objects have moved afterwards. */

typedef struct vm_state vm_state;

struct vm_state {
    uint64_t *heap;
    vm_value *globals;
    /* For each global, a number that changes with its function. */
    const uint64_t *generations;
    vm_value *stack_end;
    /* With VM_EXIT: where to continue, and the assumption that failed. */
    uint64_t exit_pc;
    uint64_t exit_why;

    vm_value (*combine)(vm_state *, vm_value *fp, uint64_t operation, vm_value left, vm_value right);
    vm_value (*compare)(vm_state *, uint64_t or_equal, vm_value left, vm_value right);
    vm_value (*equal)(vm_state *, vm_value left, vm_value right);
    void (*set_global)(vm_state *, uint64_t global, vm_value value);
    vm_value (*function)(vm_state *, vm_value *fp, uint64_t code, uint64_t first, uint64_t count);
    vm_value (*array)(vm_state *, vm_value *fp, uint64_t first, uint64_t count);
    vm_value (*filled)(vm_state *, vm_value *fp, uint64_t length, uint64_t fill);
    vm_value (*call)(vm_state *, vm_value *fp, uint64_t base, uint64_t arguments);
    vm_value (*resume)(vm_state *, vm_value *fp);
    vm_value (*overflow)(vm_state *);
    void (*print)(vm_state *, vm_value value);
    void (*collect)(vm_state *, vm_value *fp);
};

static inline vm_value
vm_exit(vm_state *vm, uint64_t pc, uint64_t why)
{
    vm->exit_pc = pc;
    vm->exit_why = why;
    return VM_EXIT;
}

static inline int
vm_is_true(vm_value value)
{
    return value != VM_NIL && value != VM_FALSE;
}

static inline vm_value
vm_boolean(int truth)
{
    return truth ? VM_TRUE : VM_FALSE;
}

/* ---- arithmetic of small integers: returns 0 without an effect if an operand or the result is not small */

static inline int
vm_both_small(vm_value left, vm_value right)
{
    return (left & right & 1) != 0;
}

static inline int64_t
vm_integer(vm_value value)
{
    return (int64_t)value >> 1;
}

static inline int
vm_small(int64_t integer, vm_value *to)
{
    int64_t twice;
    if (VM_ADD_OVERFLOWS(integer, integer, &twice))
        return 0;
    *to = (vm_value)twice | 1;
    return 1;
}

static inline int
vm_add(vm_value left, vm_value right, vm_value *to)
{
    int64_t sum;
    if (!vm_both_small(left, right) || VM_ADD_OVERFLOWS((int64_t)left, (int64_t)(right - 1), &sum))
        return 0;
    *to = (vm_value)sum;
    return 1;
}

static inline int
vm_subtract(vm_value left, vm_value right, vm_value *to)
{
    int64_t difference;
    if (!vm_both_small(left, right) || VM_SUBTRACT_OVERFLOWS((int64_t)left, (int64_t)(right - 1), &difference))
        return 0;
    *to = (vm_value)difference;
    return 1;
}

static inline int
vm_multiply(vm_value left, vm_value right, vm_value *to)
{
    int64_t product;
    if (!vm_both_small(left, right) || VM_MULTIPLY_OVERFLOWS(vm_integer(left), (int64_t)(right - 1), &product))
        return 0;
    *to = (vm_value)product | 1;
    return 1;
}

static inline int
vm_divide(vm_value left, vm_value right, vm_value *to)
{
    if (!vm_both_small(left, right) || vm_integer(right) == 0)
        return 0;
    return vm_small(vm_integer(left) / vm_integer(right), to);
}

static inline int
vm_remainder(vm_value left, vm_value right, vm_value *to)
{
    if (!vm_both_small(left, right) || vm_integer(right) == 0)
        return 0;
    return vm_small(vm_integer(left) % vm_integer(right), to);
}

/* Different words can be equal values only if both are objects. */
static inline vm_value
vm_equal(vm_state *vm, vm_value left, vm_value right)
{
    if (left == right)
        return VM_TRUE;
    return ((left | right) & 7) != 0 ? VM_FALSE : vm->equal(vm, left, right);
}

/* ---- objects */

static inline uint64_t *
vm_object(const vm_state *vm, vm_value reference)
{
    return vm->heap + (reference >> 3);
}

static inline vm_value
vm_capture(const vm_state *vm, vm_value function, uint64_t index)
{
    /* After the first word and the number of the function. */
    return vm_object(vm, function)[2 + index];
}

static inline int
vm_is_array(const vm_state *vm, vm_value value)
{
    return (value & 7) == 0 && (*vm_object(vm, value) & 0xff) == VM_ARRAY;
}

static inline uint64_t
vm_length(const vm_state *vm, vm_value array)
{
    return *vm_object(vm, array) >> 8;
}

/* The address of an array's element; NULL if there is no such array or element. */
static inline vm_value *
vm_element(const vm_state *vm, vm_value array, vm_value index)
{
    /* A negative index is a very large one. */
    if (!vm_is_array(vm, array) || !(index & 1) || index >> 1 >= vm_length(vm, array))
        return 0;
    return vm_object(vm, array) + 1 + (index >> 1);
}

#endif
