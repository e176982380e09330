//! The words of C and of its common dialects that the scanner has to tell apart. A table, nothing more.

/// Attributes that say something of the code or the type, and nothing of the symbol.
pub(super) const HARMLESS: [&[u8]; 40] = [
    b"always_inline",
    b"noinline",
    b"unused",
    b"const",
    b"pure",
    b"hot",
    b"cold",
    b"noreturn",
    b"aligned",
    b"packed",
    b"format",
    b"nonnull",
    b"returns_nonnull",
    b"flatten",
    b"warn_unused_result",
    b"malloc",
    b"alloc_size",
    b"nothrow",
    b"leaf",
    b"may_alias",
    b"sentinel",
    b"__always_inline__",
    b"__noinline__",
    b"__unused__",
    b"__const__",
    b"__pure__",
    b"__hot__",
    b"__cold__",
    b"__noreturn__",
    b"__aligned__",
    b"__packed__",
    b"__format__",
    b"__nonnull__",
    b"__flatten__",
    b"__malloc__",
    b"__nothrow__",
    b"__printf__",
    b"printf",
    b"__may_alias__",
    b"maybe_unused",
];

/// Attributes by which a definition may be replaced by, or is, another.
pub(super) const REPLACEABLE: [&[u8]; 12] = [
    b"weak",
    b"__weak__",
    b"weakref",
    b"__weakref__",
    b"alias",
    b"__alias__",
    b"ifunc",
    b"__ifunc__",
    b"symver",
    b"__symver__",
    b"gnu_inline",
    b"__gnu_inline__",
];

/// What a word means to the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Any identifier.
    Name,
    Static,
    Extern,
    Typedef,
    Inline,
    ThreadLocal,
    /// A word that may stand among a declaration's specifiers and says nothing of interest.
    Specifier,
    Const,
    Volatile,
    /// `restrict` and its like: only behind a `*`.
    Qualifier,
    /// A type of the language, or of a standard header.
    Type,
    /// `struct`, `union`.
    Record,
    Enum,
    /// `__attribute__`, `__declspec`, `_Alignas`: something in parentheses belongs to it.
    Attribute,
    /// `typeof`, `_BitInt`: a type in parentheses belongs to it.
    TypeOf,
    /// `_Atomic`, with or without a type in parentheses.
    Atomic,
    StaticAssert,
    Asm,
    /// A word of a statement or an expression.
    Statement,
    /// `_Pragma`, `__pragma`.
    Pragma,
    /// `__LINE__`, `__FILE__` and what else differs with the place in the text or the time.
    Place,
    /// `__func__` and its like.
    FunctionName,
    /// `__COUNTER__`.
    Counter,
    OffsetOf,
}

impl Word {
    pub(super) fn of(word: &[u8]) -> Self {
        match word {
            b"static" => Self::Static,
            b"extern" => Self::Extern,
            b"typedef" => Self::Typedef,
            b"inline" | b"__inline" | b"__inline__" | b"__forceinline" => Self::Inline,
            b"_Thread_local" | b"__thread" | b"thread_local" => Self::ThreadLocal,
            b"register" | b"auto" | b"_Noreturn" | b"__extension__" | b"__cdecl" | b"__stdcall" | b"__fastcall"
            | b"__vectorcall" | b"noreturn" => Self::Specifier,
            b"const" | b"__const" | b"__const__" => Self::Const,
            b"volatile" | b"__volatile" | b"__volatile__" => Self::Volatile,
            b"restrict" | b"__restrict" | b"__restrict__" | b"_Nonnull" | b"_Nullable" | b"__ptr32" | b"__ptr64" => {
                Self::Qualifier
            }
            b"void" | b"char" | b"short" | b"int" | b"long" | b"float" | b"double" | b"signed" | b"unsigned"
            | b"__signed__" | b"__signed" | b"_Bool" | b"bool" | b"_Complex" | b"__complex__" | b"_Imaginary"
            | b"__int128" | b"__int128_t" | b"__uint128_t" | b"__int8" | b"__int16" | b"__int32" | b"__int64"
            | b"_Float16" | b"_Float32" | b"_Float64" | b"_Float128" | b"__float128" | b"__auto_type" | b"int8_t"
            | b"int16_t" | b"int32_t" | b"int64_t" | b"uint8_t" | b"uint16_t" | b"uint32_t" | b"uint64_t"
            | b"intptr_t" | b"uintptr_t" | b"intmax_t" | b"uintmax_t" | b"size_t" | b"ptrdiff_t" | b"wchar_t"
            | b"ssize_t" | b"__builtin_va_list" => Self::Type,
            b"struct" | b"union" => Self::Record,
            b"enum" => Self::Enum,
            b"__attribute__" | b"__attribute" | b"__declspec" | b"_Alignas" | b"alignas" => Self::Attribute,
            b"typeof" | b"__typeof__" | b"__typeof" | b"typeof_unqual" | b"_BitInt" => Self::TypeOf,
            b"_Atomic" => Self::Atomic,
            b"_Static_assert" | b"static_assert" => Self::StaticAssert,
            b"asm" | b"__asm__" | b"__asm" => Self::Asm,
            b"if" | b"else" | b"for" | b"while" | b"do" | b"switch" | b"case" | b"default" | b"break" | b"continue"
            | b"return" | b"goto" | b"sizeof" | b"_Alignof" | b"alignof" | b"__alignof__" | b"_Generic"
            | b"__label__" | b"__try" | b"__except" | b"__finally" | b"__leave" | b"__real__" | b"__imag__" => {
                Self::Statement
            }
            b"_Pragma" | b"__pragma" => Self::Pragma,
            b"__LINE__" | b"__FILE__" | b"__FILE_NAME__" | b"__BASE_FILE__" | b"__INCLUDE_LEVEL__" | b"__DATE__"
            | b"__TIME__" | b"__TIMESTAMP__" | b"__builtin_LINE" | b"__builtin_FILE" => Self::Place,
            b"__func__"
            | b"__FUNCTION__"
            | b"__PRETTY_FUNCTION__"
            | b"__FUNCSIG__"
            | b"__FUNCDNAME__"
            | b"__builtin_FUNCTION" => Self::FunctionName,
            b"__COUNTER__" => Self::Counter,
            b"offsetof" | b"__builtin_offsetof" => Self::OffsetOf,
            _ => Self::Name,
        }
    }

    /// Whether a unit could define it: it is neither the language's nor the compiler's.
    pub(super) fn is_name(self) -> bool {
        matches!(self, Self::Name | Self::OffsetOf)
    }
}
