/* THREADS ROUNDS UNITY: forks by the protocol, with everything at its default, while units are made. Nothing may hang in either process. */
#include "host.h"

int main(int count, char **words)
{
    mjitcc_host host = { sizeof host, 0, NULL, plain, NULL, NULL, NULL };
    mjitcc_worker_options options = MJITCC_WORKER_OPTIONS_INIT;
    mjitcc_worker *worker;
    mjitcc_slot *slots[20];
    int round, rounds = count > 2 ? atoi(words[2]) : 20;

    options.host = &host;
    options.cc = "gcc";
    options.threads = count > 1 ? (uint32_t)atoi(words[1]) : 2;
    options.unity = count > 3 ? (uint32_t)atoi(words[3]) : MJITCC_UNITY_AUTO;
    options.memfree = MJITCC_NO_MEMFREE;
    for (round = 0; round < rounds; round++) {
        int turn, at;
        CHECK(mjitcc_worker_start(&options, &worker) == MJITCC_OK);
        for (at = 0; at < 20; at++) {
            slots[at] = submit(worker, (uint64_t)at + 1);
        }
        sleep_ms(20 + 13 * round % 150);
        alarm(120);
        for (turn = 0; turn < 3; turn++) {
            mjitcc_fork *fork_handle;
            pid_t child;
            CHECK(mjitcc_worker_before_fork(worker, &fork_handle) == MJITCC_OK);
            child = fork();
            if (child == 0) {
                alarm(100);
                CHECK(mjitcc_fork_in_child(fork_handle) == MJITCC_OK);
                CHECK(call(slots[19 - turn]) == 20 - turn);
                CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
                _exit(0);
            }
            CHECK(mjitcc_fork_in_parent(fork_handle) == MJITCC_OK);
            reap(child);
        }
        CHECK(call(slots[round % 20]) == round % 20 + 1);
        CHECK(mjitcc_worker_finish(worker) == MJITCC_OK);
        for (at = 0; at < 20; at++) {
            mjitcc_slot_release(slots[at]);
        }
    }
    puts("forks hold");
    return 0;
}
