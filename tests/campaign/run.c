/* Calls a unit of the fixtures in a fresh frame, as fixtures/host.c does, and makes one number of all that it left behind. */
#include "vm.h"

static vm_value_t dispatch(vm_state_t *vm, vm_value_t receiver, int32_t selector, int32_t argc, const vm_value_t *argv)
{
    (void)vm;
    if (selector == VM_SELECTOR_ABS && argc == 0)
        return vm_to_int64(receiver) < 0 ? VM_INT(-vm_to_int64(receiver)) : receiver;
    if (selector == VM_SELECTOR_MIN && argc == 1)
        return receiver < argv[0] ? receiver : argv[0];
    if (selector == VM_SELECTOR_CLAMP && argc == 2)
        return receiver < argv[0] ? argv[0] : receiver > argv[1] ? argv[1] : receiver;
    return VM_UNDEF;
}

int host_run(vm_unit_t unit)
{
    vm_value_t items[16], scratch_items[128], nine[9], other_nine[9];
    static const uint8_t bytes[] = "the quick brown fox", other_bytes[] = "a quick brown dog";
    vm_array_t array = {{VM_TYPE_ARRAY, 0}, 16, items}, scratch = {{VM_TYPE_ARRAY, 0}, 128, scratch_items};
    vm_array_t left = {{VM_TYPE_ARRAY, 0}, 9, nine}, right = {{VM_TYPE_ARRAY, 0}, 9, other_nine};
    vm_string_t text = {{VM_TYPE_STRING, 0}, sizeof bytes - 1, bytes};
    vm_string_t other = {{VM_TYPE_STRING, 0}, sizeof other_bytes - 1, other_bytes};
    const vm_value_t arguments[] = {
        VM_INT(12), VM_INT(84), vm_from_object(&array.object), vm_from_object(&text.object), vm_from_object(&left.object),
        vm_from_object(&right.object), vm_from_object(&scratch.object), vm_from_object(&other.object),
    };
    vm_state_t vm = {0};
    vm_frame_t frame = {0};
    uint64_t sum;
    int i;

    for (i = 0; i < 128; i++)
        scratch_items[i] = VM_INT(0);
    for (i = 0; i < 16; i++)
        items[i] = VM_INT(i * 37 % 23 - 4);
    for (i = 0; i < 9; i++) {
        nine[i] = VM_INT(i);
        other_nine[i] = VM_INT(9 - i);
    }
    vm.max_depth = 50;
    vm.send = dispatch;
    frame.sp = frame.stack;
    frame.self = VM_NIL;
    for (i = 0; i < VM_LOCAL_COUNT; i++)
        frame.locals[i] = i < 8 ? arguments[i] : VM_NIL;
    sum = (uint64_t)unit(&vm, &frame);
    sum = sum * 31 + frame.pc * 7 + vm.deopts + vm.deopt_pc * 3;
    for (i = 0; i < 16; i++)
        sum = sum * 31 + (uint64_t)items[i];
    for (i = 0; i < 128; i++)
        sum = sum * 31 + (uint64_t)scratch_items[i];
    return (int)((sum ^ sum >> 29) & 0x7fffffff);
}
