/* Programs as bytecode: r0, r1, ... are registers, arguments first. */
#include "vm.h"

#define COUNT(code) ((int32_t)(sizeof(code) / sizeof *(code)))
#define DEFINE(vm, id, arguments, registers, code) vm_define(vm, id, #id, arguments, registers, code, COUNT(code))

enum { MULTIPLIER, MODULUS, INCREMENT };

/* fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2) */
static const struct instruction fib[] = {
    { OP_INT, 1, 2, 0 },     { OP_LESS, 2, 0, 1 },   { OP_UNLESS, 2, 4, 0 }, { OP_RETURN, 0, 0, 0 },
    { OP_INT, 2, 1, 0 },     { OP_SUB, 3, 0, 2 },    { OP_CALL, 4, FIB, 3 }, { OP_SUB, 3, 0, 1 },
    { OP_CALL, 5, FIB, 3 },  { OP_ADD, 4, 4, 5 },    { OP_RETURN, 4, 0, 0 },
};

/* The number of primes below n: r1 the array, r2 i, r3 j, r4 the count, r5 one. */
static const struct instruction sieve[] = {
    { OP_NEW, 1, 0, 0 },     { OP_INT, 2, 2, 0 },    { OP_INT, 5, 1, 0 },
    /* 3: for each i */
    { OP_LESS, 6, 2, 0 },    { OP_UNLESS, 6, 16, 0 }, { OP_GET, 6, 1, 2 },   { OP_LESS, 6, 6, 5 },
    { OP_UNLESS, 6, 14, 0 }, { OP_ADD, 4, 4, 5 },    { OP_ADD, 3, 2, 2 },
    /* 10: strike its multiples */
    { OP_LESS, 6, 3, 0 },    { OP_UNLESS, 6, 14, 0 }, { OP_SET, 1, 3, 5 },   { OP_JUMP, 17, 0, 0 },
    /* 14: next */
    { OP_ADD, 2, 2, 5 },     { OP_JUMP, 3, 0, 0 },   { OP_RETURN, 4, 0, 0 },
    /* 17 */
    { OP_ADD, 3, 3, 2 },     { OP_JUMP, 10, 0, 0 },
};

/* fill(array, n): numbers without order. r2 i, r3 x. */
static const struct instruction fill[] = {
    { OP_INT, 3, 12345, 0 }, { OP_INT, 4, 1, 0 },    { OP_INT, 5, 1103515245, 0 }, { OP_INT, 6, 65536, 0 },
    { OP_LESS, 7, 2, 1 },    { OP_UNLESS, 7, 12, 0 }, { OP_MUL, 3, 3, 5 },   { OP_ADD, 3, 3, 4 },
    { OP_MOD, 3, 3, 6 },     { OP_SET, 0, 2, 3 },    { OP_ADD, 2, 2, 4 },    { OP_JUMP, 4, 0, 0 },
    { OP_RETURN, 3, 0, 0 },
};

/* sort(array, n), by insertion: r2 i, r3 j, r4 x, r5 one. Gives the middle one. */
static const struct instruction sort[] = {
    { OP_INT, 2, 1, 0 },     { OP_INT, 5, 1, 0 },
    /* 2: for each i */
    { OP_LESS, 6, 2, 1 },    { OP_UNLESS, 6, 18, 0 }, { OP_GET, 4, 0, 2 },   { OP_MOVE, 3, 2, 0 },
    /* 6: make room */
    { OP_UNLESS, 3, 14, 0 }, { OP_SUB, 7, 3, 5 },    { OP_GET, 8, 0, 7 },    { OP_LESS, 6, 4, 8 },
    { OP_UNLESS, 6, 14, 0 }, { OP_SET, 0, 3, 8 },    { OP_MOVE, 3, 7, 0 },   { OP_JUMP, 6, 0, 0 },
    /* 14: put it there */
    { OP_SET, 0, 3, 4 },     { OP_ADD, 2, 2, 5 },    { OP_JUMP, 2, 0, 0 },   { OP_RETURN, 4, 0, 0 },
    /* 18 */
    { OP_INT, 2, 2, 0 },     { OP_MOD, 3, 1, 2 },    { OP_GET, 4, 0, 3 },    { OP_RETURN, 4, 0, 0 },
};

/* sort_main(n) */
static const struct instruction sort_main[] = {
    { OP_MOVE, 2, 0, 0 },    { OP_NEW, 1, 0, 0 },    { OP_CALL, 3, FILL, 1 }, { OP_CALL, 4, SORT, 1 },
    { OP_INT, 5, 65536, 0 }, { OP_MUL, 3, 3, 5 },    { OP_ADD, 3, 3, 4 },    { OP_RETURN, 3, 0, 0 },
};

/* chain(n): how many steps Collatz's rule takes from n to 1. r1 steps, r2 one. */
static const struct instruction chain[] = {
    { OP_INT, 2, 1, 0 },     { OP_LESS, 3, 2, 0 },   { OP_UNLESS, 3, 6, 0 }, { OP_CALL, 0, STEP, 0 },
    { OP_ADD, 1, 1, 2 },     { OP_JUMP, 1, 0, 0 },   { OP_RETURN, 1, 0, 0 },
};

/* step(n) = n even ? n / 2 : 3 n + 1 */
static const struct instruction step[] = {
    { OP_INT, 1, 2, 0 },     { OP_MOD, 2, 0, 1 },    { OP_UNLESS, 2, 8, 0 }, { OP_INT, 1, 3, 0 },
    { OP_MUL, 0, 0, 1 },     { OP_INT, 1, 1, 0 },    { OP_ADD, 0, 0, 1 },    { OP_RETURN, 0, 0, 0 },
    { OP_DIV, 0, 0, 1 },     { OP_RETURN, 0, 0, 0 },
};

/* collatz(n): the length of all chains from 1 to n together. r1 i, r2 sum. */
static const struct instruction collatz[] = {
    { OP_INT, 1, 1, 0 },     { OP_INT, 3, 1, 0 },    { OP_LESS, 4, 1, 0 },   { OP_UNLESS, 4, 8, 0 },
    { OP_CALL, 4, CHAIN, 1 }, { OP_ADD, 2, 2, 4 },   { OP_ADD, 1, 1, 3 },    { OP_JUMP, 2, 0, 0 },
    { OP_RETURN, 2, 0, 0 },
};

/* mix(n): h = (h * MULTIPLIER + i) mod MODULUS, n times, which now and then needs more than a small integer. */
static const struct instruction mix[] = {
    { OP_CONST, 3, MULTIPLIER, 0 }, { OP_CONST, 4, MODULUS, 0 }, { OP_INT, 5, 1, 0 }, { OP_INT, 1, 1, 0 },
    { OP_LESS, 6, 2, 0 },    { OP_UNLESS, 6, 11, 0 }, { OP_MUL, 1, 1, 3 },   { OP_ADD, 1, 1, 2 },
    { OP_MOD, 1, 1, 4 },     { OP_ADD, 2, 2, 5 },    { OP_JUMP, 4, 0, 0 },   { OP_RETURN, 1, 0, 0 },
};

void programs_define(struct vm *vm)
{
    DEFINE(vm, FIB, 1, 6, fib);
    DEFINE(vm, SIEVE, 1, 7, sieve);
    DEFINE(vm, FILL, 2, 8, fill);
    DEFINE(vm, SORT, 2, 9, sort);
    DEFINE(vm, SORT_MAIN, 1, 6, sort_main);
    DEFINE(vm, CHAIN, 1, 4, chain);
    DEFINE(vm, STEP, 1, 3, step);
    DEFINE(vm, COLLATZ, 1, 5, collatz);
    DEFINE(vm, MIX, 1, 7, mix);
    jit_set_constant(vm, MULTIPLIER, 2621440000);
    jit_set_constant(vm, MODULUS, 2147483647);
    jit_set_constant(vm, INCREMENT, 1);
}

int64_t programs_churn(struct vm *vm, int64_t rounds)
{
    int64_t round, sum = 0;
    int i;
    for (round = 0; round < rounds; round++) {
        /* temporary(x) = x * round + INCREMENT */
        struct instruction code[] = {
            { OP_INT, 1, (int32_t)round, 0 }, { OP_MUL, 0, 0, 1 }, { OP_CONST, 1, INCREMENT, 0 },
            { OP_ADD, 0, 0, 1 }, { OP_RETURN, 0, 0, 0 },
        };
        vm_define(vm, TEMPORARY, "temporary", 1, 2, code, COUNT(code));
        for (i = 0; i < 3 * HOT; i++)
            sum += vm_run(vm, TEMPORARY, i);
        if (round % 3 == 1)
            vm_collect(vm);
        if (round % 4 == 2) {
            jit_set_constant(vm, INCREMENT, round);
            sum += vm_run(vm, TEMPORARY, round);
        }
    }
    jit_set_constant(vm, INCREMENT, 1);
    return sum;
}
