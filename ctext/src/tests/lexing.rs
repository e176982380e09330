//! Texts that compilers may read in more than one way, and a similar unambiguous text for each.

use super::{expanded, words};
use crate::lexer::lex;
use crate::reason::{Ambiguity, Reason};

#[test]
fn what_compilers_may_read_in_two_ways_is_refused() {
    for (text, what) in [
        ("a /* b", Ambiguity::Comment),
        ("a /* /* */", Ambiguity::Comment),
        ("\"a", Ambiguity::Quote),
        ("'a\n'", Ambiguity::Quote),
        ("1'000", Ambiguity::Quote),
        ("R\"(a)\"", Ambiguity::RawString),
        ("u8R\"(a)\"", Ambiguity::RawString),
        ("a ??/ b", Ambiguity::Trigraph),
        ("\"??=\"", Ambiguity::Trigraph),
        ("<% %>", Ambiguity::Digraph),
        ("a<:1:>", Ambiguity::Digraph),
        ("%: define A", Ambiguity::Digraph),
        ("a\\\nb", Ambiguity::Splice),
        ("\"a\\\nb\"", Ambiguity::Splice),
        ("a \\ \nb", Ambiguity::Splice),
        ("+\\\n+", Ambiguity::Splice),
        ("/\\\n/ a", Ambiguity::Splice),
        ("// a \\\nb", Ambiguity::Splice),
        ("// a \\ \nb", Ambiguity::Splice),
        ("a \\", Ambiguity::Splice),
        ("a @ b", Ambiguity::StrayByte),
        ("`", Ambiguity::StrayByte),
        ("\u{1}", Ambiguity::StrayByte),
        ("a\rb", Ambiguity::StrayByte),
    ] {
        assert_eq!(lex(text.as_bytes(), true).err(), Some(Reason::Ambiguous { line: 1, what }), "{text:?}");
    }
    let line_comment = Reason::Ambiguous { line: 2, what: Ambiguity::LineComment };
    assert_eq!(lex(b"a\n// b", false).err(), Some(line_comment));
}

#[test]
fn what_is_read_in_one_way() {
    for (text, tokens) in [
        ("a+++b", "a ++ + b"),
        ("a<<=b>>=c", "a <<= b >>= c"),
        ("1.e+5f .5 0x1p-3 1..2 ...", "1.e+5f .5 0x1p-3 1..2 ..."),
        ("L\"a\" u8\"b\" L'c' u \"d\"", "L\"a\" u8\"b\" L'c' u \"d\""),
        ("'\\'' \"\\\\\" '\"'", "'\\'' \"\\\\\" '\"'"),
        ("a/* \" */b// '\nc", "a b c"),
        ("a \\\n b\\\r\n c", "a b c"),
        ("a\r\nb", "a b"),
        ("$a \u{e4}", "$a \u{e4}"),
        ("a ? b : c ?? d", "a ? b : c ? ? d"),
        ("p->q.r", "p -> q . r"),
        ("a::b", "a :: b"),
    ] {
        assert_eq!(words(text.as_bytes()).unwrap().join(" "), tokens, "{text:?}");
    }
}

#[test]
fn directives_in_their_ways() {
    for (text, tokens) in [
        ("#\n# /* a */ define A 1 /* b\n c */ + 2\nA", "1 + 2"),
        ("  #  define A \\\n 1\nA", "1"),
        ("#if 0\n#error don't\n'\n\"\n#endif\na", ""),
        ("#pragma once\na", "a"),
    ] {
        match expanded(text) {
            Ok(words) => assert_eq!(words.join(" "), tokens, "{text:?}"),
            // An unterminated quote is refused even in skipped text.
            Err(reason) => assert!(tokens.is_empty(), "{text:?}: {reason}"),
        }
    }
}
