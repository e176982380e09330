/*
 * The VM's interface to the worker: submits functions, generates their C, and handles failed speculation, moved and dead owners, and
 * changed constants. generate() runs on the worker's threads, all other functions on the VM's thread.
 */
#include "vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(mjitcc_status status)
{
    if (status < 0)
        vm_die(mjitcc_last_error());
}

/* ---- generating: on the worker's threads ---- */

struct unit_text {
    mjitcc_sink *sink;
    const struct instruction *code;
    int32_t count, registers;
    bool wide;
    value constants[MAX_CONSTANTS];
};

static void put(struct unit_text *unit, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mjitcc_sink_puts(unit->sink, text);
}

/* Arithmetic on small integers; the interpreter or the runtime handles wide integers. */
static void put_arithmetic(struct unit_text *unit, const struct instruction *i, int32_t pc)
{
    char fits[160];
    switch (i->op) {
    case OP_ADD:
        snprintf(fits, sizeof fits, "!__builtin_add_overflow(r%d - 1, r%d, &t)", i->b, i->c);
        break;
    case OP_SUB:
        snprintf(fits, sizeof fits, "!__builtin_sub_overflow(r%d, r%d - 1, &t)", i->b, i->c);
        break;
    case OP_MUL:
        snprintf(fits, sizeof fits, "!__builtin_mul_overflow(r%d - 1, r%d >> 1, &t) && (t += 1, 1)", i->b, i->c);
        break;
    case OP_DIV:
    case OP_MOD:
        /* Not for the divisors 0 and -1. */
        snprintf(fits, sizeof fits, "r%d > 1 && (t = SMALL((r%d >> 1) %c (r%d >> 1)), 1)", i->c, i->b,
                 i->op == OP_DIV ? '/' : '%', i->c);
        break;
    default:
        snprintf(fits, sizeof fits, "(t = SMALL(r%d < r%d), 1)", i->b, i->c);
    }
    put(unit, "  if (__builtin_expect(BOTH_SMALL(r%d, r%d) && %s, 1)) r%d = t;\n", i->b, i->c, fits, i->a);
    if (unit->wide)
        put(unit, "  else { SPILL; FACE(vm)->runtime->arithmetic(vm, %d, f, %d, %d, %d); RELOAD; }\n", i->op, i->a, i->b,
            i->c);
    else
        put(unit, "  else { SPILL; return %d; }\n", pc);
}

static void put_element(struct unit_text *unit, int32_t array, int32_t index)
{
    put(unit, "  if (__builtin_expect(IS_SMALL(r%d) || !IS_SMALL(r%d)", array, index);
    put(unit, " || ((struct array *)r%d)->head.kind != KIND_ARRAY || r%d < 0", array, index);
    put(unit, " || (uint64_t)r%d >> 1 >= ((struct array *)r%d)->head.length, 0)) FACE(vm)->runtime->bad_index(vm);\n", index,
        array);
}

static void put_instruction(struct unit_text *unit, int32_t pc)
{
    const struct instruction *i = &unit->code[pc];
    put(unit, " L%d:;\n", pc);
    switch (i->op) {
    case OP_INT:
        put(unit, "  r%d = SMALL(%d);\n", i->a, i->b);
        break;
    case OP_CONST:
        put(unit, "  r%d = INT64_C(%lld);\n", i->a, (long long)unit->constants[i->b]);
        mjitcc_sink_depend_on(unit->sink, (uint64_t)i->b);
        break;
    case OP_MOVE:
        put(unit, "  r%d = r%d;\n", i->a, i->b);
        break;
    case OP_JUMP:
        if (i->a <= pc)
            put(unit, "  if (FACE(vm)->attention) FACE(vm)->runtime->safe_point(vm);\n");
        put(unit, "  goto L%d;\n", i->a);
        break;
    case OP_UNLESS:
        put(unit, "  if (r%d == SMALL(0)) goto L%d;\n", i->a, i->b);
        break;
    case OP_NEW:
        put(unit, "  SPILL; FACE(vm)->runtime->new_array(vm, f, %d, %d); RELOAD;\n", i->a, i->b);
        break;
    case OP_GET:
        put_element(unit, i->b, i->c);
        put(unit, "  r%d = ((struct array *)r%d)->items[r%d >> 1];\n", i->a, i->b, i->c);
        break;
    case OP_SET:
        put_element(unit, i->a, i->b);
        put(unit, "  ((struct array *)r%d)->items[r%d >> 1] = r%d;\n", i->a, i->b, i->c);
        break;
    case OP_CALL:
        put(unit, "  SPILL; n = FACE(vm)->collections; t = FACE(vm)->runtime->call(vm, %d, f + %d);\n", i->b, i->c);
        put(unit, "  if (n != FACE(vm)->collections) RELOAD;\n  r%d = t;\n", i->a);
        break;
    case OP_RETURN:
        put(unit, "  *result = r%d;\n  return DONE;\n", i->a);
        break;
    default:
        put_arithmetic(unit, i, pc);
    }
}

/* A job for the VM's thread: only this thread may read the constants, since it writes them. */
struct errand {
    struct vm *vm;
    value constants[MAX_CONSTANTS];
};

static void read_constants(void *argument)
{
    struct errand *errand = argument;
    memcpy(errand->constants, errand->vm->constants, sizeof errand->constants);
}

/* Reads the values of constants. The collector may run meanwhile, so the function must not be accessed afterwards. */
static bool ask_for_constants(struct vm *vm, struct unit_text *unit)
{
    struct errand errand = { vm, { 0 } };
    int32_t pc;
    for (pc = 0; pc < unit->count; pc++) {
        int32_t number = unit->code[pc].b;
        if (unit->code[pc].op != OP_CONST)
            continue;
        if (!errand.constants[0] && mjitcc_sink_on_vm_thread(unit->sink, read_constants, &errand) != MJITCC_OK)
            return false;
        unit->constants[number] = errand.constants[number];
        /* A wide integer is an object and moves; machine code must not contain its address. */
        if (!IS_SMALL(unit->constants[number])) {
            mjitcc_sink_fail(unit->sink, "a constant is too large");
            return false;
        }
    }
    return true;
}

static int generate(void *ctx, const mjitcc_request *request, mjitcc_sink *sink)
{
    const struct function *function = (const struct function *)(uintptr_t)request->owner;
    struct instruction *code = malloc((size_t)function->count * sizeof *code);
    struct unit_text unit = { sink, code, function->count, function->registers, request->switches & SWITCH_WIDE, { 0 } };
    int32_t i;
    bool known;
    if (!code)
        return mjitcc_sink_fail(sink, "out of memory"), 1;
    memcpy(code, function->code, (size_t)function->count * sizeof *code);
    known = ask_for_constants(ctx, &unit);
    if (known) {
        put(&unit, "#define SPILL do {");
        for (i = 0; i < unit.registers; i++)
            put(&unit, " f[%d] = r%d;", i, i);
        put(&unit, " } while (0)\n#define RELOAD do {");
        for (i = 0; i < unit.registers; i++)
            put(&unit, " r%d = f[%d];", i, i);
        put(&unit, " } while (0)\n");
        put(&unit, "int32_t %s(struct vm *vm, value *f, value *result)\n{\n  value t;\n  uint64_t n;\n", request->entry);
        for (i = 0; i < unit.registers; i++)
            put(&unit, "  value r%d = f[%d];\n", i, i);
        put(&unit, "  (void)t; (void)n;\n");
        for (i = 0; i < unit.count; i++)
            put_instruction(&unit, i);
        /* Several units may be in one translation unit. */
        put(&unit, "}\n#undef SPILL\n#undef RELOAD\n");
    }
    free(code);
    return !known;
}

static void vm_jobs_wait(void *ctx)
{
    ((struct vm *)ctx)->face.attention = 1;
}

/* Every caller holds a guard. */
static void scan_stacks(void *ctx, mjitcc_code *code, size_t count)
{
    (void)ctx, (void)code, (void)count;
}

/* ---- all other functions: on the VM's thread ---- */

void jit_start(struct vm *vm, const struct jit_options *given)
{
    mjitcc_host host = { sizeof host, 0, vm, generate, NULL, scan_stacks, vm_jobs_wait };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    options.host = &host;
    options.header = given->header;
    options.cc = given->cc;
    options.temp_dir = given->temp_dir;
    options.wait = given->wait;
    options.verbose = given->verbose;
    options.threads = given->threads;
    options.warnings = 1;
    check(mjitcc_worker_start(&options, &vm->worker));
    vm->jit = true;
}

void jit_finish(struct vm *vm)
{
    check(mjitcc_worker_finish(vm->worker));
    vm->worker = NULL;
    vm->jit = false;
}

void jit_safe_point(struct vm *vm)
{
    vm->face.attention = 0;
    mjitcc_worker_run_vm_jobs(vm->worker);
}

void jit_settle(struct vm *vm)
{
    if (mjitcc_worker_pause(vm->worker, 1) == MJITCC_OK)
        mjitcc_worker_resume(vm->worker);
}

/* The number of the owner is its address, which is valid until the next collection; this function does not collect. */
static void submit(struct vm *vm, struct function *function)
{
    mjitcc_source_location place = { sizeof place, (uint32_t)function->id, function->name, "c-host" };
    check(mjitcc_worker_submit(vm->worker, (uint64_t)(uintptr_t)function, &place, function->calls, function->switches,
                               &function->slot));
}

int32_t jit_enter(struct vm *vm, struct frame *frame, value *registers, value *result)
{
    struct function *function = frame->function;
    mjitcc_slot *slot = function->slot;
    mjitcc_guard guard;
    unit *code;
    int32_t pc;
    if (!slot) {
        if (++function->calls < HOT)
            return 0;
        submit(vm, function);
        slot = function->slot;
    }
    /* No other thread writes the counter, so no call is lost. */
    {
        uint64_t *calls = mjitcc_slot_calls(slot);
        __atomic_store_n(calls, *calls + 1, __ATOMIC_RELAXED);
    }
    if (mjitcc_slot_enter(slot, &guard) != MJITCC_OK)
        return 0;
    memcpy(&code, &guard.address, sizeof code);
    pc = code(vm, registers, result);
    mjitcc_slot_leave(slot, &guard);
    if (pc != DONE) {
        /* The function may have moved, and may have another slot now. */
        function = frame->function;
        vm->speculations_failed++;
        if (function->slot == slot && !(function->switches & SWITCH_WIDE)) {
            function->switches |= SWITCH_WIDE;
            check(mjitcc_worker_recompile(vm->worker, slot, function->switches));
        }
    }
    return pc;
}

/* Frames may be inside the code, with a guard that needs the slot. */
void jit_forget(struct vm *vm, struct function *function)
{
    if (function->slot)
        list_add(&vm->old_slots, function->slot);
    function->slot = NULL;
    function->calls = 0;
}

void jit_before_collecting(struct vm *vm)
{
    if (vm->worker)
        check(mjitcc_worker_enter_gc(vm->worker));
}

void jit_after_collecting(struct vm *vm)
{
    if (vm->worker)
        check(mjitcc_worker_leave_gc(vm->worker));
}

void jit_function_moved(struct vm *vm, struct function *from, struct function *to)
{
    if (vm->worker && to->slot)
        check(mjitcc_worker_owner_moved(vm->worker, (uint64_t)(uintptr_t)from, (uint64_t)(uintptr_t)to));
}

void jit_function_died(struct vm *vm, struct function *function)
{
    if (vm->worker && function->slot)
        check(mjitcc_worker_owner_died(vm->worker, (uint64_t)(uintptr_t)function));
    /* No frame has the function, so no caller is inside. */
    mjitcc_slot_release(function->slot);
}

static void lost_its_code(void *ctx, uint64_t owner)
{
    jit_forget(ctx, (struct function *)(uintptr_t)owner);
}

void jit_set_constant(struct vm *vm, int32_t constant, int64_t integer)
{
    vm->constants[constant] = vm_new_integer(vm, integer);
    if (vm->worker)
        check(mjitcc_worker_invalidate(vm->worker, (uint64_t)constant, lost_its_code, vm));
}
