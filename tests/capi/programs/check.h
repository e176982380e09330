/* What the programs share: a check that ends the program in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mjitcc.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\nlast error: %s\n", __FILE__, __LINE__, #condition, mjitcc_last_error()); \
            exit(1); \
        } \
    } while (0)

/* An answer, and a word of what is said about it. */
#define REFUSED(call, status, word) \
    do { \
        CHECK((call) == (status)); \
        CHECK(strstr(mjitcc_last_error(), word) != NULL); \
    } while (0)
