/* Loads a library and calls functions of it: a line for each name and argument. A library that is damaged ends this process alone. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int at;
    if (!library) {
        fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "no library is named");
        return 1;
    }
    for (at = 2; at < argc; at++) {
        union { void *address; long (*code)(long); } word;
        word.address = dlsym(library, argv[at]);
        if (!word.address) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        printf("%s %ld %ld\n", argv[at], word.code(1), word.code(1000));
    }
    return 0;
}
