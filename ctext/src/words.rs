//! The keywords of C and its common dialects that the scanner distinguishes. Tables only.

/// Attributes that affect only the code or the type, and not the symbol or other code. Without the surrounding underscores.
const HARMLESS: [&[u8]; 46] = [
    b"access",
    b"aligned",
    b"alloc_align",
    b"alloc_size",
    b"always_inline",
    b"artificial",
    b"assume_aligned",
    b"cold",
    b"const",
    b"deprecated",
    b"dllexport",
    b"dllimport",
    b"fallthrough",
    b"flatten",
    b"format",
    b"format_arg",
    b"gnu_printf",
    b"hot",
    b"leaf",
    b"malloc",
    b"may_alias",
    b"maybe_unused",
    b"mode",
    b"no_sanitize",
    b"no_stack_protector",
    b"nodiscard",
    b"noclone",
    b"noinline",
    b"nonnull",
    b"noreturn",
    b"nothrow",
    b"packed",
    b"printf",
    b"pure",
    b"returns_nonnull",
    b"returns_twice",
    b"scanf",
    b"sentinel",
    b"strftime",
    b"transparent_union",
    b"unused",
    b"used",
    b"vector_size",
    b"visibility",
    b"warn_unused_result",
    b"zero_call_used_regs",
];

/// Attributes that let another definition replace a definition, or make it an alias.
const REPLACEABLE: [&[u8]; 9] =
    [b"weak", b"weakref", b"alias", b"ifunc", b"symver", b"gnu_inline", b"copy", b"selectany", b"weak_import"];

/// The meaning of an attribute for the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributeKind {
    Harmless,
    /// Another definition may replace the definition.
    Replaceable,
    /// Any other effect: a section, a constructor, or an attribute that the scanner does not know.
    Other,
}

/// Attributes that make a compiler emit an unused static definition.
const EMITTING: [&[u8]; 7] =
    [b"constructor", b"destructor", b"used", b"retain", b"init_priority", b"externally_visible", b"ifunc"];

fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"__").and_then(|name| name.strip_suffix(b"__")).unwrap_or(name)
}

/// True for an attribute that makes a compiler emit an unused static definition.
pub(crate) fn is_emitting(name: &[u8]) -> bool {
    EMITTING.contains(&bare(name))
}

pub(crate) fn attribute(name: &[u8]) -> AttributeKind {
    let bare = bare(name);
    if HARMLESS.contains(&bare) {
        AttributeKind::Harmless
    } else if REPLACEABLE.contains(&bare) {
        AttributeKind::Replaceable
    } else {
        AttributeKind::Other
    }
}

/// The meaning of an identifier for the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// An ordinary identifier.
    Name,
    Static,
    Extern,
    Typedef,
    Inline,
    ThreadLocal,
    /// A declaration specifier that the scanner ignores.
    Specifier,
    Const,
    Volatile,
    /// `restrict` and similar qualifiers: only after a `*`.
    Qualifier,
    /// A type of the language, or of a standard header.
    Type,
    /// `struct`, `union`.
    Record,
    Enum,
    /// `__attribute__`, `__declspec`, `_Alignas`: arguments in parentheses follow.
    Attribute,
    /// `typeof`, `_BitInt`: a type in parentheses follows.
    TypeOf,
    /// `_Atomic`, with or without a type in parentheses.
    Atomic,
    StaticAssert,
    Asm,
    /// A keyword of a statement or an expression.
    Statement,
    /// `__builtin_LINE` and other builtins that depend on the position in the text.
    SourcePosition,
    /// `__func__` and similar names.
    FunctionName,
    OffsetOf,
}

impl Word {
    pub(crate) fn of(word: &[u8]) -> Self {
        match word {
            b"static" => Self::Static,
            b"extern" => Self::Extern,
            b"typedef" => Self::Typedef,
            b"inline" | b"__inline" | b"__inline__" | b"__forceinline" => Self::Inline,
            b"_Thread_local" | b"__thread" | b"thread_local" => Self::ThreadLocal,
            b"register" | b"auto" | b"_Noreturn" | b"__extension__" | b"__cdecl" | b"__stdcall" | b"__fastcall"
            | b"__vectorcall" => Self::Specifier,
            b"const" | b"__const" | b"__const__" => Self::Const,
            b"volatile" | b"__volatile" | b"__volatile__" => Self::Volatile,
            b"restrict" | b"__restrict" | b"__restrict__" | b"_Nonnull" | b"_Nullable" | b"__ptr32" | b"__ptr64" => {
                Self::Qualifier
            }
            b"void" | b"char" | b"short" | b"int" | b"long" | b"float" | b"double" | b"signed" | b"unsigned"
            | b"__signed__" | b"__signed" | b"_Bool" | b"bool" | b"_Complex" | b"__complex__" | b"_Imaginary"
            | b"__int128" | b"__int128_t" | b"__uint128_t" | b"__int8" | b"__int16" | b"__int32" | b"__int64"
            | b"_Float16" | b"_Float32" | b"_Float64" | b"_Float128" | b"__float128" | b"__auto_type"
            | b"_Float32x" | b"_Float64x" | b"_Float128x" | b"__fp16" | b"_Decimal32" | b"_Decimal64"
            | b"_Decimal128" | b"__bf16" | b"__ibm128" | b"__float80" | b"__wchar_t" | b"__builtin_va_list" => {
                Self::Type
            }
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
            b"__builtin_LINE" | b"__builtin_FILE" | b"__builtin_COLUMN" | b"__builtin_source_location" => {
                Self::SourcePosition
            }
            b"__func__"
            | b"__FUNCTION__"
            | b"__PRETTY_FUNCTION__"
            | b"__FUNCSIG__"
            | b"__FUNCDNAME__"
            | b"__builtin_FUNCTION" => Self::FunctionName,
            b"offsetof" | b"__builtin_offsetof" => Self::OffsetOf,
            _ => Self::Name,
        }
    }

    /// True if a unit could define the name: it is no keyword and no builtin of the compiler.
    pub(crate) fn is_name(self) -> bool {
        matches!(self, Self::Name | Self::OffsetOf)
    }
}
