/* The collector: copies living objects to another space, so that all objects move. Finds the functions that died. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { FIRST_SPACE = 1 << 20 };

void list_add(struct list *list, void *item)
{
    if (list->count == list->room) {
        list->room = list->room * 2 + 16;
        list->items = realloc(list->items, list->room * sizeof *list->items);
        if (!list->items)
            vm_die("out of memory");
    }
    list->items[list->count++] = item;
}

static size_t size_of(const struct object *object)
{
    switch (object->kind) {
    case KIND_ARRAY:
        /* At least room for the new address. */
        return sizeof(struct object) + (object->length ? object->length : 1) * sizeof(value);
    case KIND_WIDE:
        return sizeof(struct wide);
    default:
        return sizeof(struct function);
    }
}

/* All objects have room for their new address after their head. */
static struct object **new_address(struct object *object)
{
    return (struct object **)(object + 1);
}

static struct object *copy(struct vm *vm, struct object *object)
{
    struct object *to;
    size_t size;
    if (!object)
        return NULL;
    if (object->kind == KIND_MOVED)
        return *new_address(object);
    size = size_of(object);
    to = (struct object *)vm->free;
    memcpy(to, object, size);
    vm->free += size;
    object->kind = KIND_MOVED;
    *new_address(object) = to;
    return to;
}

static void copy_value(struct vm *vm, value *place)
{
    if (!IS_SMALL(*place))
        *place = (value)(intptr_t)copy(vm, (struct object *)(intptr_t)*place);
}

static void copy_roots(struct vm *vm)
{
    struct frame *frame;
    value *one;
    int i;
    for (i = 0; i < MAX_FUNCTIONS; i++)
        vm->functions[i] = (struct function *)copy(vm, (struct object *)vm->functions[i]);
    for (i = 0; i < MAX_CONSTANTS; i++)
        copy_value(vm, &vm->constants[i]);
    for (frame = vm->frame; frame; frame = frame->caller)
        frame->function = (struct function *)copy(vm, (struct object *)frame->function);
    for (one = vm->stack; one < vm->top; one++)
        copy_value(vm, one);
}

/* Reports moved and dead functions to the worker, in which functions are owners with their address as the number. */
static void tell_of_functions(struct vm *vm)
{
    size_t i, living = 0;
    for (i = 0; i < vm->all_functions.count; i++) {
        struct function *function = vm->all_functions.items[i];
        if (function->head.kind == KIND_MOVED) {
            struct function *to = (struct function *)*new_address(&function->head);
            jit_function_moved(vm, function, to);
            vm->all_functions.items[living++] = to;
            vm->moved++;
        } else {
            jit_function_died(vm, function);
            free(function->code);
            vm->died++;
        }
    }
    vm->all_functions.count = living;
}

static void collect_into(struct vm *vm, size_t size)
{
    char *old = vm->space, *scan;
    uint32_t i;
    jit_before_collecting(vm);
    vm->space = vm->free = malloc(size);
    if (!vm->space)
        vm_die("out of memory");
    vm->end = vm->space + size;
    copy_roots(vm);
    for (scan = vm->space; scan < vm->free; scan += size_of((struct object *)scan)) {
        struct array *array = (struct array *)scan;
        if (array->head.kind == KIND_ARRAY)
            for (i = 0; i < array->head.length; i++)
                copy_value(vm, &array->items[i]);
    }
    tell_of_functions(vm);
    vm->face.collections++;
    jit_after_collecting(vm);
    free(old);
}

void vm_collect(struct vm *vm)
{
    collect_into(vm, (size_t)(vm->end - vm->space));
}

struct object *vm_allocate(struct vm *vm, enum kind kind, size_t size)
{
    struct object *object;
    if (!vm->space)
        collect_into(vm, FIRST_SPACE);
    if ((size_t)(vm->end - vm->free) < size) {
        size_t whole = (size_t)(vm->end - vm->space);
        vm_collect(vm);
        /* At least half of the space is free afterwards. */
        if ((size_t)(vm->end - vm->free) < whole / 2 + size)
            collect_into(vm, 2 * (whole + size));
    }
    object = (struct object *)vm->free;
    vm->free += size;
    memset(object, 0, size);
    object->kind = kind;
    return object;
}

value vm_new_integer(struct vm *vm, int64_t integer)
{
    struct wide *wide;
    if (integer >= INT64_MIN / 2 && integer <= INT64_MAX / 2)
        return SMALL(integer);
    wide = (struct wide *)vm_allocate(vm, KIND_WIDE, sizeof *wide);
    wide->integer = integer;
    return (value)(intptr_t)wide;
}
