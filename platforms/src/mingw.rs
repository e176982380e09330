//! What PE wants of compilers with gcc's command line, MinGW's gcc and clang's: an entry point and its libraries.

/// Stands in every library in the place of MinGW's start-up files, which pull in a C runtime of their own: the entry point that
/// the loader calls, and the relocator that those files call. The relocator does nothing, so a host's variable must be
/// declared with `__declspec(dllimport)`.
pub(crate) const ENTRY: &str = "\
void _pei386_runtime_relocator(void) {}
int __stdcall DllMainCRTStartup(void *instance, unsigned reason, void *reserved)
{
    (void)instance, (void)reason, (void)reserved;
    return 1;
}
";

/// PE leaves no symbol open: C's library first, since libgcc calls nothing of it but units may.
pub(crate) const GCC_LIBRARIES: &[&str] = &["-lmsvcrt", "-lgcc"];
