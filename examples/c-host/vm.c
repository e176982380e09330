/* The interpreter and calls, which run machine code if there is any. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STACK = 1 << 16 };

_Noreturn void vm_die(const char *why)
{
    fprintf(stderr, "c-host: %s\n", why);
    exit(1);
}

struct vm *vm_new(void)
{
    struct vm *vm = calloc(1, sizeof *vm);
    int i;
    if (!vm)
        vm_die("out of memory");
    vm->face.runtime = &vm_runtime;
    vm->stack = vm->top = malloc(STACK * sizeof *vm->stack);
    if (!vm->stack)
        vm_die("out of memory");
    vm->limit = vm->stack + STACK - MAX_REGISTERS;
    for (i = 0; i < MAX_CONSTANTS; i++)
        vm->constants[i] = SMALL(0);
    return vm;
}

void vm_free(struct vm *vm)
{
    size_t i;
    for (i = 0; i < vm->all_functions.count; i++) {
        struct function *function = vm->all_functions.items[i];
        mjitcc_slot_release(function->slot);
        free(function->code);
    }
    for (i = 0; i < vm->old_slots.count; i++)
        mjitcc_slot_release(vm->old_slots.items[i]);
    free(vm->all_functions.items);
    free(vm->old_slots.items);
    free(vm->space);
    free(vm->stack);
    free(vm);
}

void vm_define(struct vm *vm, int32_t id, const char *name, int32_t arguments, int32_t registers,
               const struct instruction *code, int32_t count)
{
    struct function *function = (struct function *)vm_allocate(vm, KIND_FUNCTION, sizeof *function);
    function->id = id;
    function->arguments = arguments;
    function->registers = registers;
    function->count = count;
    function->code = malloc((size_t)count * sizeof *code);
    if (!function->code)
        vm_die("out of memory");
    memcpy(function->code, code, (size_t)count * sizeof *code);
    snprintf(function->name, sizeof function->name, "%s", name);
    list_add(&vm->all_functions, function);
    vm->functions[id] = function;
}

int64_t vm_integer(struct vm *vm, value number)
{
    struct wide *wide = (struct wide *)(intptr_t)number;
    (void)vm;
    if (IS_SMALL(number))
        return number >> 1;
    if (wide->head.kind != KIND_WIDE)
        vm_die("an integer was wanted");
    return wide->integer;
}

static void arithmetic(struct vm *vm, int32_t op, value *frame, int32_t to, int32_t left, int32_t right)
{
    int64_t one = vm_integer(vm, frame[left]), other = vm_integer(vm, frame[right]), result = 0;
    switch (op) {
    case OP_ADD:
        result = (int64_t)((uint64_t)one + (uint64_t)other);
        break;
    case OP_SUB:
        result = (int64_t)((uint64_t)one - (uint64_t)other);
        break;
    case OP_MUL:
        result = (int64_t)((uint64_t)one * (uint64_t)other);
        break;
    case OP_DIV:
    case OP_MOD:
        if (other == 0)
            vm_die("division by zero");
        if (other == -1)
            result = op == OP_DIV ? (int64_t)(0 - (uint64_t)one) : 0;
        else
            result = op == OP_DIV ? one / other : one % other;
        break;
    case OP_LESS:
        result = one < other;
        break;
    }
    frame[to] = vm_new_integer(vm, result);
}

static void new_array(struct vm *vm, value *frame, int32_t to, int32_t length)
{
    int64_t count = vm_integer(vm, frame[length]), i;
    struct array *array;
    if (count < 0 || count > INT32_MAX / 8)
        vm_die("no length for an array");
    array = (struct array *)vm_allocate(vm, KIND_ARRAY,
                                        sizeof(struct object) + (size_t)(count ? count : 1) * sizeof(value));
    array->head.length = (uint32_t)count;
    for (i = 0; i < count; i++)
        array->items[i] = SMALL(0);
    frame[to] = (value)(intptr_t)array;
}

static void bad_index(struct vm *vm)
{
    (void)vm;
    vm_die("no such element, or no array");
}

static value *element(struct vm *vm, value of, value index)
{
    struct array *array = (struct array *)(intptr_t)of;
    if (IS_SMALL(of) || !IS_SMALL(index) || array->head.kind != KIND_ARRAY || index < 0
        || (uint64_t)index >> 1 >= array->head.length)
        bad_index(vm);
    return &array->items[index >> 1];
}

static value interpret(struct vm *vm, struct frame *frame, value *r, int32_t pc)
{
    /* A function may move, but its bytecode does not; it cannot die while a frame has it. */
    const struct instruction *code = frame->function->code;
    for (;;) {
        const struct instruction *i = &code[pc++];
        switch (i->op) {
        case OP_INT:
            r[i->a] = SMALL(i->b);
            break;
        case OP_CONST:
            r[i->a] = vm->constants[i->b];
            break;
        case OP_MOVE:
            r[i->a] = r[i->b];
            break;
        case OP_ADD:
        case OP_SUB:
        case OP_MUL:
        case OP_DIV:
        case OP_MOD:
            arithmetic(vm, i->op, r, i->a, i->b, i->c);
            break;
        case OP_LESS:
            if (BOTH_SMALL(r[i->b], r[i->c]))
                r[i->a] = SMALL(r[i->b] < r[i->c]);
            else
                arithmetic(vm, i->op, r, i->a, i->b, i->c);
            break;
        case OP_JUMP:
            if (i->a < pc && vm->face.attention)
                jit_safe_point(vm);
            pc = i->a;
            break;
        case OP_UNLESS:
            if (r[i->a] == SMALL(0))
                pc = i->b;
            break;
        case OP_NEW:
            new_array(vm, r, i->a, i->b);
            break;
        case OP_GET:
            r[i->a] = *element(vm, r[i->b], r[i->c]);
            break;
        case OP_SET:
            *element(vm, r[i->a], r[i->b]) = r[i->c];
            break;
        case OP_CALL: {
            value result = vm_call(vm, i->b, &r[i->c]);
            r[i->a] = result;
            break;
        }
        case OP_RETURN:
            return r[i->a];
        }
    }
}

value vm_call(struct vm *vm, int32_t id, const value *arguments)
{
    struct frame frame = { vm->functions[id], vm->frame };
    const struct function *function = frame.function;
    value *registers = vm->top, result = 0;
    int32_t i, pc = 0;
    if (!function)
        vm_die("no such function");
    if (registers >= vm->limit)
        vm_die("the stack is full");
    for (i = 0; i < function->arguments; i++)
        registers[i] = arguments[i];
    for (; i < function->registers; i++)
        registers[i] = SMALL(0);
    vm->top = registers + function->registers;
    vm->frame = &frame;
    if (vm->face.attention)
        jit_safe_point(vm);
    if (vm->jit)
        pc = jit_enter(vm, &frame, registers, &result);
    if (pc != DONE)
        result = interpret(vm, &frame, registers, pc);
    vm->frame = frame.caller;
    vm->top = registers;
    return result;
}

int64_t vm_run(struct vm *vm, int32_t function, int64_t argument)
{
    value small = SMALL(argument);
    return vm_integer(vm, vm_call(vm, function, &small));
}

const struct runtime vm_runtime = { vm_call, arithmetic, new_array, jit_safe_point, bad_index };
