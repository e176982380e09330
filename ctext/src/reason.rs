//! Why a unit is compiled alone.

/// Why a unit is compiled alone. All lines are the unit's own, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text can be read in more than one way, or not at all.
    #[error("line {line}: {what}")]
    Ambiguous {
        /// The line.
        line: usize,
        /// What is there.
        what: Ambiguity,
    },
    /// What stands before all units could not be read.
    #[error("the header could not be analyzed: {0}")]
    Header(String),
    /// The unit asks to be compiled alone.
    #[error("is marked to be compiled alone")]
    Marked,
    /// A pragma other than `once`, as a directive or as an operator: the code behind the pragma would feel it too.
    #[error("line {line}: a pragma, which would also hold for the units behind it")]
    Pragma {
        /// The line.
        line: usize,
    },
    /// A directive that the scanner does not follow.
    #[error("line {line}: #{name} is not a directive that the scanner follows")]
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
    /// A bracket or a conditional lacks its other end.
    #[error("line {line}: a bracket or conditional without its other end")]
    Unbalanced {
        /// The line.
        line: usize,
    },
    /// An `#include` elsewhere than at the top of the unit.
    #[error("line {line}: an #include below other code")]
    LateInclude {
        /// The line.
        line: usize,
    },
    /// The unit includes other files, or from another directory, than the units that were merged.
    #[error("includes other files than the units that were merged")]
    OtherIncludes,
    /// A macro that the scanner cannot expand for certain.
    #[error("line {line}: the macro {name} cannot be expanded for certain")]
    Macro {
        /// The line.
        line: usize,
        /// The macro.
        name: String,
    },
    /// Something at file scope is not a declaration that the scanner understands.
    #[error("line {line}: not a declaration that the scanner understands")]
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
    /// An attribute whose effect is not confined to its definition.
    #[error("line {line}: the attribute {name}")]
    Attribute {
        /// The line.
        line: usize,
        /// The attribute.
        name: String,
    },
    /// The unit does not define its entry symbol, or defines it only for itself.
    #[error("does not define its entry symbol {0}")]
    NoEntry(String),
    /// The unit defines an external symbol more than once.
    #[error("defines {0} more than once")]
    TwoEntries(String),
    /// The unit defines external symbols besides its entry symbol.
    #[error("defines the external symbol {0} besides its entry symbol")]
    ExtraSymbol(String),
    /// Another unit of the group defines one of its external symbols too.
    #[error("another unit defines {0} too")]
    EntryTaken(String),
    /// The unit mentions a symbol that another unit of the group defines.
    #[error("mentions {0}, which another unit defines")]
    OtherEntry(String),
    /// The header's own code mentions a symbol that the unit defines.
    #[error("defines {0}, which code of the header mentions")]
    HeaderMentions(String),
    /// A private function, which gets another name, asks for its name.
    #[error("line {line}: a private function asks for its own name")]
    FunctionName {
        /// The line.
        line: usize,
    },
    /// Something that differs with the place in the translation unit, such as `__COUNTER__`.
    #[error("line {line}: {name} depends on the translation unit")]
    Place {
        /// The line.
        line: usize,
        /// The word.
        name: String,
    },
    /// A name that the unit defines is a macro, a word of the language, a function that compilers know, or declared by the header.
    #[error("defines {name}, which {owner}")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has the name already.
        owner: Owner,
    },
    /// A name that the unit defines is used in a way that the scanner cannot tell apart.
    #[error("line {line}: {name} may mean several things")]
    SeveralMeanings {
        /// The line.
        line: usize,
        /// The name.
        name: String,
    },
    /// The unit declares something otherwise than the header or another unit.
    #[error("declares {0} otherwise than the header or another unit")]
    DeclaredOtherwise(String),
    /// The unit uses a name that only another unit declares.
    #[error("line {line}: uses {name} without a declaration")]
    Undeclared {
        /// The line.
        line: usize,
        /// The name.
        name: String,
    },
    /// A declaration of another's function or variable inside a function.
    #[error("line {line}: a declaration of an external function or variable in a block")]
    BlockDeclaration {
        /// The line.
        line: usize,
    },
    /// The unit uses state that the header or an included file defines: one copy would serve all merged units.
    #[error("line {line}: {name} of the header {why}")]
    HeaderState {
        /// The line.
        line: usize,
        /// The name.
        name: String,
        /// What a use of the name would show.
        why: String,
    },
    /// A weak definition, an alias, or an inline function whose real definition is elsewhere.
    #[error("line {line}: a definition that another definition may replace")]
    Replaceable {
        /// The line.
        line: usize,
    },
}

/// Who has a name that a unit defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Owner {
    /// A macro has the name.
    #[error("is a macro")]
    Macro,
    /// The compiler knows a function of the name.
    #[error("compilers know as a function of the C library")]
    Compiler,
    /// The header or an included file declares the name.
    #[error("the header or an included file declares")]
    Header,
}

/// What cannot be read for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ambiguity {
    /// A comment without end, or with the beginning of another in it.
    #[error("a comment without end, or with the beginning of another in it")]
    Comment,
    /// A string or character without end.
    #[error("a string or character without end")]
    Quote,
    /// A raw string of C++.
    #[error("a raw string")]
    RawString,
    /// A trigraph, which counts in some versions of the language only.
    #[error("a trigraph")]
    Trigraph,
    /// A digraph.
    #[error("a digraph")]
    Digraph,
    /// `//` in a version of the language that may not have such comments.
    #[error("// in a version of C without such comments")]
    LineComment,
    /// A line splice inside a token, or one that not all compilers take for one.
    #[error("a line splice within a token or with blanks behind it")]
    Splice,
    /// A byte that belongs to no token.
    #[error("a byte that belongs to no token")]
    StrayByte,
}
