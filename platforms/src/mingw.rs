//! Requirements of PE for compilers with gcc's command line (MinGW's gcc and clang): an entry point, a relocator and libraries.

/// C source that replaces MinGW's start-up files, which link a C runtime, in every library: the entry point that the loader calls,
/// and the relocator that the start-up files would call.
///
/// The address of a host variable that is declared without `__declspec(dllimport)` is known only to the linker's list of
/// pseudo-relocations (ld's manual, "--enable-runtime-pseudo-reloc"); unless the list is processed, the code reads the import table
/// instead of the variable. MinGW's own relocator ends the process if the variable is out of reach of a 32-bit reference
/// (`-mcmodel=small`); this relocator makes the load fail. The list: `{0, 0, 1}`, then for each reference the import's slot and the
/// reference's address, both relative to the image, and the number of bits to change.
pub(crate) const ENTRY: &str = r#"typedef __INTPTR_TYPE__ mjit_cc_word __attribute__((aligned(1), may_alias));
typedef int mjit_cc_half __attribute__((aligned(1), may_alias));
typedef struct { unsigned slot, place, bits; } mjit_cc_reloc;
extern mjit_cc_reloc __RUNTIME_PSEUDO_RELOC_LIST__[], __RUNTIME_PSEUDO_RELOC_LIST_END__[];
#ifdef __i386__
#define MJIT_CC_PROTECT "__imp__VirtualProtect@16"
#else
#define MJIT_CC_PROTECT "__imp_VirtualProtect"
#endif
extern int (__stdcall *mjit_cc_protect)(void *, __SIZE_TYPE__, unsigned, unsigned *) __asm__(MJIT_CC_PROTECT);
void _pei386_runtime_relocator(void) {}
static int mjit_cc_relocate(char *image)
{
    mjit_cc_reloc *reloc = __RUNTIME_PSEUDO_RELOC_LIST__;
    mjit_cc_reloc *end = __RUNTIME_PSEUDO_RELOC_LIST_END__;
    if (reloc >= end)
        return 1;
    if (reloc->slot || reloc->place || reloc->bits != 1)
        return 0;
    while (++reloc < end) {
        mjit_cc_word *slot = (mjit_cc_word *)(image + reloc->slot);
        char *place = image + reloc->place;
        mjit_cc_word move = *slot - (mjit_cc_word)slot;
        unsigned bits = reloc->bits & 255;
        unsigned before;
        mjit_cc_word value = bits == 32 ? *(mjit_cc_half *)place + move : 0;
        if (bits != 8 * sizeof(void *) && (bits != 32 || value != (int)value))
            return 0;
        if (!mjit_cc_protect(place, bits / 8, 0x40 /* PAGE_EXECUTE_READWRITE */, &before))
            return 0;
        if (bits == 32)
            *(mjit_cc_half *)place = (int)value;
        else
            *(mjit_cc_word *)place += move;
        mjit_cc_protect(place, bits / 8, before, &before);
    }
    return 1;
}
int __stdcall DllMainCRTStartup(void *instance, unsigned reason, void *reserved)
{
    (void)reserved;
    return reason != 1 /* DLL_PROCESS_ATTACH */ || mjit_cc_relocate(instance);
}
"#;

/// PE leaves no symbol open. C's library comes first: units may call it, and libgcc does not. The relocator calls kernel32.
pub(crate) const GCC_LIBRARIES: &[&str] = &["-lmsvcrt", "-lgcc", "-lkernel32"];
