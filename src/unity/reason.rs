//! Why a unit is left out of a merged text.

/// Why a unit is left out. All lines are the unit's own, from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It has something that cannot be read for sure.
    #[error("line {line}: {what}")]
    Doubt {
        /// Where.
        line: usize,
        /// What.
        what: Doubt,
    },
    /// It has a pragma other than `once`, as a directive or as an operator: what follows it would feel it too.
    #[error("line {line}: a pragma would reach the units behind it")]
    Pragma {
        /// Where.
        line: usize,
    },
    /// It has a directive that not all compilers know.
    #[error("line {line}: #{name} is not a directive of C")]
    Directive {
        /// Where.
        line: usize,
        /// Which.
        name: String,
    },
    /// A bracket or a conditional lacks its other end, or the two cross.
    #[error("line {line}: a bracket or conditional has no other end, or crosses another")]
    Unbalanced {
        /// Where.
        line: usize,
    },
    /// It includes a file somewhere else than at its top. The same file may not do the same when it is included again.
    #[error("line {line}: an #include below other code")]
    LateInclude {
        /// Where.
        line: usize,
    },
    /// It includes other files, or from another folder, than most units do.
    #[error("includes other files than the units that were merged")]
    OtherIncludes,
    /// Something at file scope is not a declaration that the scanner understands.
    #[error("line {line}: not a declaration that can be understood for sure")]
    NotUnderstood {
        /// Where.
        line: usize,
    },
    /// It has an `asm` outside of functions, or one that names symbols of the unit or defines some.
    #[error("line {line}: assembler that speaks of symbols")]
    Asm {
        /// Where.
        line: usize,
    },
    /// It does not define one of its entry symbols, or only for itself.
    #[error("does not define its entry {0} for others")]
    NoEntry(String),
    /// It defines an entry symbol more than once, or under a condition and without it.
    #[error("defines its entry {0} more than once")]
    TwoEntries(String),
    /// An earlier unit has one of its entry symbols.
    #[error("an earlier unit has the entry {0} too")]
    EntryTaken(String),
    /// It mentions the entry of another unit, and what it means by it, the host's or the other's, is not known.
    #[error("mentions {0}, the entry of another unit")]
    OtherEntry(String),
    /// A function that gets another name asks for its name.
    #[error("line {line}: a private function asks for its own name")]
    FunctionName {
        /// Where.
        line: usize,
    },
    /// It uses `__COUNTER__`, which goes on counting from unit to unit.
    #[error("uses __COUNTER__")]
    Counter,
    /// It defines or undefines a macro with the name of a word of the language or of the compiler.
    #[error("a macro called {0}")]
    Keyword(String),
    /// A name that it defines is a macro too, or is asked for by a conditional.
    #[error("{0} is a name and a macro")]
    MacroToo(String),
    /// A name that it defines, and would get another, may be turned into text.
    #[error("{0} gets another name, and may be turned into text")]
    Stringified(String),
    /// A name that it defines has another meaning elsewhere, and the two cannot be told apart.
    #[error("{0} has several meanings")]
    Ambiguous(String),
    /// It declares what an earlier unit declared in other words.
    #[error("declares {0} otherwise than an earlier unit")]
    DeclaredOtherwise(String),
    /// A weak definition, an alias, or an inline function whose real definition is elsewhere.
    #[error("line {line}: a definition that another one elsewhere may stand for")]
    Replaceable {
        /// Where.
        line: usize,
    },
}

/// What cannot be read for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// A comment without end.
    #[error("a comment without end")]
    Comment,
    /// A string or character without end.
    #[error("a string or character without end")]
    Quote,
    /// A raw string of C++.
    #[error("a raw string")]
    RawString,
    /// A trigraph, which is one or not by the language's version.
    #[error("a trigraph")]
    Trigraph,
    /// A digraph.
    #[error("a digraph")]
    Digraph,
    /// A line splice inside a token, or one that is none for all compilers.
    #[error("a line that goes on within a word")]
    Splice,
    /// A byte that belongs to no token.
    #[error("a byte that is not C")]
    StrayByte,
}
