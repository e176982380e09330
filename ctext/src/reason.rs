//! The reasons for compiling a unit alone.

/// The reason for compiling a unit alone. All lines are the unit's own, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text can be read in more than one way, or not at all.
    #[error("line {line}: {what}")]
    Ambiguous {
        /// The line.
        line: usize,
        /// The ambiguous text.
        what: Ambiguity,
    },
    /// The text before all units could not be parsed.
    #[error("the header could not be analyzed: {0}")]
    Header(String),
    /// The unit contains [`ALONE_MARK`](crate::ALONE_MARK).
    #[error("contains the text \"{}\"", crate::ALONE_MARK)]
    Marked,
    /// A pragma other than `once`, as a directive or as an operator: it would also apply to the units after it.
    #[error("line {line}: a pragma, which would also apply to the units after it")]
    Pragma {
        /// The line.
        line: usize,
    },
    /// A directive that the scanner does not support.
    #[error("line {line}: the directive #{name} is not supported in a merged unit")]
    Directive {
        /// The line.
        line: usize,
        /// The directive.
        name: String,
    },
    /// A condition that only the compiler can decide.
    #[error("line {line}: a condition that only the compiler can decide")]
    Condition {
        /// The line.
        line: usize,
    },
    /// A bracket or a conditional without its counterpart.
    #[error("line {line}: a bracket or conditional without its counterpart")]
    Unbalanced {
        /// The line.
        line: usize,
    },
    /// An `#include` that is not at the top of the unit.
    #[error("line {line}: an #include that is not at the top")]
    LateInclude {
        /// The line.
        line: usize,
    },
    /// The unit includes other files than the merged units, or includes them from another directory.
    #[error("includes other files than the units that were merged")]
    OtherIncludes,
    /// A macro whose expansion may differ between compilers.
    #[error("line {line}: the expansion of the macro {name} may differ between compilers")]
    Macro {
        /// The line.
        line: usize,
        /// The macro.
        name: String,
    },
    /// A declaration at file scope that the scanner does not understand.
    #[error("line {line}: a declaration that the scanner does not understand")]
    NotUnderstood {
        /// The line.
        line: usize,
    },
    /// An `asm` outside of functions, or one that names or defines symbols.
    #[error("line {line}: assembler code that names or defines symbols")]
    Asm {
        /// The line.
        line: usize,
    },
    /// An attribute that may affect more than its definition.
    #[error("line {line}: the attribute {name}, which may affect other code")]
    Attribute {
        /// The line.
        line: usize,
        /// The attribute.
        name: String,
    },
    /// The unit does not define its entry symbol, or defines it as a private symbol.
    #[error("does not define its entry symbol {0}")]
    NoEntry(String),
    /// The unit defines an external symbol more than once.
    #[error("defines {0} more than once")]
    TwoEntries(String),
    /// The unit defines external symbols besides its entry symbol.
    #[error("defines the external symbol {0} besides its entry symbol")]
    ExtraSymbol(String),
    /// Another unit of the group defines the same external symbol.
    #[error("defines {0}, which another unit defines too")]
    EntryTaken(String),
    /// The unit uses a symbol that another unit of the group defines.
    #[error("uses {0}, which another unit defines")]
    OtherEntry(String),
    /// The header's code uses a symbol that the unit defines.
    #[error("defines {0}, which the header's code uses")]
    HeaderMentions(String),
    /// A private function, which is renamed, uses its own name (`__func__`).
    #[error("line {line}: a private function, which is renamed, uses its own name")]
    FunctionName {
        /// The line.
        line: usize,
    },
    /// A macro or builtin whose value depends on the position in the translation unit, such as `__COUNTER__`.
    #[error("line {line}: {name} depends on the position in the translation unit")]
    SourcePosition {
        /// The line.
        line: usize,
        /// The macro or builtin.
        name: String,
    },
    /// A name that the unit defines is a macro, a keyword, a function that compilers know, or declared by the header.
    #[error("defines {name}, which {owner}")]
    NameTaken {
        /// The name.
        name: String,
        /// The owner of the name.
        owner: Owner,
    },
    /// A use of a name that the scanner cannot assign to a definition.
    #[error("line {line}: {name} has several possible meanings")]
    SeveralMeanings {
        /// The line.
        line: usize,
        /// The name.
        name: String,
    },
    /// The unit's declaration differs from the header's or another unit's.
    #[error("declares {0} differently than the header or another unit")]
    ConflictingDeclaration(String),
    /// The unit uses a name that only another unit declares.
    #[error("line {line}: uses {name} without a declaration")]
    Undeclared {
        /// The line.
        line: usize,
        /// The name.
        name: String,
    },
    /// A declaration of an external function or variable inside a function.
    #[error("line {line}: a declaration of an external function or variable in a block")]
    BlockDeclaration {
        /// The line.
        line: usize,
    },
    /// The unit uses a definition of the header or an included file that has state and cannot be copied.
    #[error("line {line}: the header's {name} {why}")]
    HeaderState {
        /// The line.
        line: usize,
        /// The name.
        name: String,
        /// How the use shows the state.
        why: String,
    },
    /// A weak definition, an alias, or an inline function whose external definition is elsewhere.
    #[error("line {line}: a definition that another definition may replace")]
    Replaceable {
        /// The line.
        line: usize,
    },
}

/// The owner of a name that a unit defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Owner {
    /// A macro has the name.
    #[error("is a macro")]
    Macro,
    /// A function of the C library that the compiler knows has the name.
    #[error("is a C library function that compilers know")]
    Compiler,
    /// The header or an included file declares the name.
    #[error("is declared by the header or an included file")]
    Header,
}

/// Text that compilers may read in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ambiguity {
    /// An unterminated comment, or a comment that contains `/*`.
    #[error("an unterminated comment, or a comment that contains /*")]
    Comment,
    /// An unterminated string or character constant.
    #[error("an unterminated string or character")]
    Quote,
    /// A C++ raw string.
    #[error("a raw string")]
    RawString,
    /// A trigraph, which only some versions of the language replace.
    #[error("a trigraph")]
    Trigraph,
    /// A digraph.
    #[error("a digraph")]
    Digraph,
    /// `//` in a version of the language that may not have such comments.
    #[error("// in a version of C without such comments")]
    LineComment,
    /// A line splice inside a token, or a splice that only some compilers recognise.
    #[error("a line splice within a token or followed by blanks")]
    Splice,
    /// A byte that belongs to no token.
    #[error("a byte that belongs to no token")]
    StrayByte,
}
