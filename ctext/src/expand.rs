//! Macro expansion by the C standard (6.10.3), with GNU's extensions. Where compilers may differ, the unit is refused. Knows no
//! directive.

use std::rc::Rc;

use crate::lexer::{Hidden, HiddenName, Token, TokenKind, lex};
use crate::macros::{Macro, Macros, Meaning, Parameters};
use crate::reason::Reason;

/// The size limit of an expansion, in tokens; a larger expansion is left to the compiler.
const MOST_TOKENS: usize = 1 << 20;

/// Expands all macros in tokens that contain no directive.
pub(crate) fn expand<'t>(tokens: Vec<Token<'t>>, macros: &mut Macros<'t>) -> Result<Vec<Token<'t>>, Reason> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut made = 0_usize;
    let mut expansion = Expansion { macros, made: &mut made };
    expansion.run(tokens, &mut out)?;
    Ok(out)
}

struct Expansion<'m, 't> {
    macros: &'m mut Macros<'t>,
    made: &'m mut usize,
}

type Argument<'t> = Vec<Token<'t>>;

impl<'t> Expansion<'_, 't> {
    fn run(&mut self, tokens: Vec<Token<'t>>, out: &mut Vec<Token<'t>>) -> Result<(), Reason> {
        // The tokens still to be read, the next token last.
        let mut input = tokens;
        input.reverse();
        while let Some(token) = input.pop() {
            if token.kind != TokenKind::Word || is_hidden(&token.hidden, &token.text) {
                out.push(token);
                continue;
            }
            if let Some(place) = self.expand_position_macro(&token)? {
                out.push(place);
                continue;
            }
            let definition = match self.macros.get(&token.text) {
                Meaning::NoMacro => {
                    out.push(token);
                    continue;
                }
                Meaning::Unreadable => return Err(refuse(&token)),
                Meaning::Macro(definition) => definition,
            };
            let mut torn = token.torn;
            let (arguments, hidden) = match &definition.parameters {
                None => (Vec::new(), token.hidden.clone()),
                Some(_) if !input.last().is_some_and(|next| next.is("(")) => {
                    out.push(token);
                    continue;
                }
                Some(parameters) => {
                    let mut given = arguments(&mut input, &token)?;
                    torn |= given.close.line != token.line;
                    given.each.iter_mut().flatten().for_each(|token| token.torn |= torn);
                    let hidden = common(&token.hidden, &given.close.hidden);
                    (given.assign(parameters).ok_or_else(|| refuse(&token))?, hidden)
                }
            };
            let hidden = Some(Rc::new(HiddenName { name: (&*token.text).into(), next: hidden }));
            let mut replaced = self.replace(&token, &definition, &arguments)?;
            *self.made += replaced.len();
            if *self.made > MOST_TOKENS {
                return Err(refuse(&token));
            }
            if let Some(first) = replaced.first_mut() {
                (first.space, first.first) = (token.space, token.first);
            } else if let Some(next) = input.last_mut() {
                // White space before an empty expansion still separates its neighbors.
                next.space = true;
            }
            for mut made in replaced.into_iter().rev() {
                made.hidden = join(&made.hidden, &hidden);
                (made.line, made.file, made.column) = (token.line, token.file, None);
                made.torn |= torn;
                input.push(made);
            }
        }
        Ok(())
    }

    /// Expands `__LINE__`. Keeps `__FILE__` for the compiler; refuses other macros that depend on the position in the text.
    fn expand_position_macro(&self, token: &Token<'t>) -> Result<Option<Token<'t>>, Reason> {
        match &*token.text {
            // Compilers disagree on the line of an invocation that spans several lines.
            b"__LINE__" if token.torn => Err(refuse(token)),
            b"__LINE__" => {
                let mut made = Token::synthetic(TokenKind::Number, token.line.to_string().into_bytes(), token);
                made.first = token.first;
                Ok(Some(made))
            }
            b"__COUNTER__" | b"__INCLUDE_LEVEL__" | b"__BASE_FILE__" | b"__FILE_NAME__" | b"__DATE__" | b"__TIME__"
            | b"__TIMESTAMP__" => Err(Reason::SourcePosition {
                line: token.line as usize,
                name: String::from_utf8_lossy(&token.text).into_owned(),
            }),
            // The compiler expands the name; the list of hidden names records that the name was met.
            b"__FILE__" => {
                let hidden = Some(Rc::new(HiddenName { name: (&*token.text).into(), next: token.hidden.clone() }));
                Ok(Some(Token { hidden, ..token.clone() }))
            }
            b"_Pragma" | b"__pragma" => Err(Reason::Pragma { line: token.line as usize }),
            b"__VA_OPT__" => Err(refuse(token)),
            _ => Ok(None),
        }
    }

    /// Substitutes the arguments in the macro's body.
    fn replace(
        &mut self,
        name: &Token<'t>,
        definition: &Macro<'t>,
        arguments: &[Argument<'t>],
    ) -> Result<Vec<Token<'t>>, Reason> {
        let body = &definition.body;
        let Some(parameters) = &definition.parameters else { return paste_all(name, body.clone()) };
        let index = |token: &Token<'_>| {
            (token.kind == TokenKind::Word)
                .then(|| parameters.names.iter().position(|name| name.text == token.text))
                .flatten()
        };
        let mut out: Vec<Token<'t>> = Vec::new();
        let mut at = 0;
        while let Some(token) = body.get(at) {
            if token.is_word("__VA_OPT__") {
                return Err(refuse(name));
            }
            if token.is("#") {
                let parameter = body.get(at + 1).and_then(index).ok_or_else(|| refuse(name))?;
                let mut text = stringify(token, &arguments[parameter]).ok_or_else(|| refuse(name))?;
                text.space = token.space;
                out.push(text);
                at += 2;
                continue;
            }
            let Some(parameter) = index(token) else {
                // GNU's `, ## __VA_ARGS__`: without variable arguments the comma is removed too.
                let last = parameters.names.len() - usize::from(!parameters.names.is_empty());
                if token.is(",")
                    && parameters.variadic
                    && body.get(at + 1).is_some_and(|next| next.is("##"))
                    && body.get(at + 2).and_then(index) == Some(last)
                {
                    if !arguments[last].is_empty() {
                        out.push(token.clone());
                        out.extend(self.expanded(&arguments[last], &body[at + 2])?);
                    } else if parameters.names.len() == 1 {
                        // Whether the comma is removed depends on the version of the language.
                        return Err(refuse(name));
                    }
                    at += 3;
                    if body.get(at).is_some_and(|next| next.is("##")) {
                        return Err(refuse(name));
                    }
                    continue;
                }
                out.push(token.clone());
                at += 1;
                continue;
            };
            let pasted = body.get(at + 1).is_some_and(|next| next.is("##"))
                || at.checked_sub(1).is_some_and(|before| body[before].is("##"));
            if pasted {
                // An empty argument takes part in `##` as an empty token.
                if arguments[parameter].iter().any(|token| token.is("##") || token.is_word("__FILE__")) {
                    return Err(refuse(name));
                }
                let mut argument = arguments[parameter].clone();
                if argument.is_empty() {
                    argument.push(Token::synthetic(TokenKind::Rest, Vec::new(), token));
                }
                argument[0].space = token.space;
                out.extend(argument);
            } else {
                out.extend(self.expanded(&arguments[parameter], token)?);
            }
            at += 1;
        }
        paste_all(name, out)
    }

    fn expanded(&mut self, argument: &[Token<'t>], parameter: &Token<'t>) -> Result<Vec<Token<'t>>, Reason> {
        let mut out = Vec::new();
        self.run(argument.to_vec(), &mut out)?;
        if out.iter().any(|token| token.is("##")) {
            return Err(refuse(parameter));
        }
        if let Some(first) = out.first_mut() {
            first.space = parameter.space;
        }
        Ok(out)
    }
}

fn refuse(token: &Token<'_>) -> Reason {
    Reason::Macro { line: token.line as usize, name: String::from_utf8_lossy(&token.text).into_owned() }
}

/// The text between the parentheses of an invocation.
struct Arguments<'t> {
    each: Vec<Argument<'t>>,
    /// The commas between the arguments.
    commas: Vec<Token<'t>>,
    close: Token<'t>,
}

/// Reads the arguments after a macro's name.
fn arguments<'t>(input: &mut Vec<Token<'t>>, name: &Token<'t>) -> Result<Arguments<'t>, Reason> {
    input.pop();
    let (mut each, mut commas) = (vec![Argument::new()], Vec::new());
    let mut depth = 0_usize;
    while let Some(mut token) = input.pop() {
        // A directive between the arguments is undefined behaviour.
        if token.first && token.is("#") {
            return Err(refuse(name));
        }
        // A line feed between arguments is white space.
        token.space |= token.first;
        token.first = false;
        match &*token.text {
            _ if token.kind != TokenKind::Punct => {}
            b"(" => depth += 1,
            b")" if depth == 0 => return Ok(Arguments { each, commas, close: token }),
            b")" => depth -= 1,
            b"," if depth == 0 => {
                commas.push(token);
                each.push(Argument::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = each.last_mut() {
            last.push(token);
        }
    }
    Err(refuse(name))
}

impl<'t> Arguments<'t> {
    /// Assigns the arguments to the parameters; `None` if the counts do not match.
    fn assign(mut self, parameters: &Parameters<'t>) -> Option<Vec<Argument<'t>>> {
        let count = parameters.names.len();
        if count == 0 {
            return (self.each.len() == 1 && self.each[0].is_empty()).then(Vec::new);
        }
        if parameters.variadic && self.each.len() >= count {
            let mut rest = self.each.split_off(count - 1).into_iter();
            let mut joined = rest.next()?;
            // GNU compilers distinguish one empty argument from no argument, some of them by the version of the language.
            if joined.is_empty() && count > 1 && rest.len() == 0 {
                return None;
            }
            for (comma, argument) in self.commas.drain(count - 1..).zip(rest) {
                joined.push(comma);
                joined.extend(argument);
            }
            self.each.push(joined);
        } else if parameters.variadic && self.each.len() + 1 == count {
            self.each.push(Argument::new());
        }
        (self.each.len() == count).then_some(self.each)
    }
}

/// Applies `#`: returns the argument's spelling as a string, or `None` if the spelling depends on the compiler.
fn stringify<'t>(hash: &Token<'t>, argument: &[Token<'t>]) -> Option<Token<'t>> {
    let mut text = vec![b'"'];
    for (place, token) in argument.iter().enumerate() {
        // The compiler would have stringified the name `__FILE__` itself.
        if token.is_word("__FILE__") && is_hidden(&token.hidden, &token.text) {
            return None;
        }
        if place > 0 && token.space {
            text.push(b' ');
        }
        let escapes = matches!(token.kind, TokenKind::Text | TokenKind::Char);
        for &byte in token.text.iter() {
            if byte == b'"' || (byte == b'\\' && escapes) {
                text.push(b'\\');
            } else if byte == b'\\' {
                return None;
            }
            text.push(byte);
        }
    }
    text.push(b'"');
    Some(Token::synthetic(TokenKind::Text, text, hash))
}

/// Applies `##` from left to right.
fn paste_all<'t>(name: &Token<'t>, tokens: Vec<Token<'t>>) -> Result<Vec<Token<'t>>, Reason> {
    if !tokens.iter().any(|token| token.is("##")) {
        return Ok(tokens.into_iter().filter(|token| !is_nothing(token)).collect());
    }
    let mut out: Vec<Token<'t>> = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        if !token.is("##") {
            out.push(token);
            continue;
        }
        let (Some(left), Some(right)) = (out.pop(), tokens.next()) else { return Err(refuse(name)) };
        out.push(paste(name, left, right)?);
    }
    Ok(out.into_iter().filter(|token| !is_nothing(token)).collect())
}

fn is_nothing(token: &Token<'_>) -> bool {
    token.kind == TokenKind::Rest && token.text.is_empty()
}

fn paste<'t>(name: &Token<'t>, left: Token<'t>, right: Token<'t>) -> Result<Token<'t>, Reason> {
    if is_nothing(&right) {
        return Ok(left);
    }
    if is_nothing(&left) {
        return Ok(Token { space: left.space, ..right });
    }
    let text = [&*left.text, &*right.text].concat();
    let kind = match lex(&text, true).as_deref() {
        Ok([only]) => only.kind,
        _ => return Err(refuse(name)),
    };
    if matches!(&*text, b"__VA_ARGS__" | b"__VA_OPT__" | b"defined" | b"//") {
        return Err(refuse(name));
    }
    let hidden = common(&left.hidden, &right.hidden);
    Ok(Token { hidden, ..Token::synthetic(kind, text, &left) })
}

fn is_hidden(hidden: &Hidden, name: &[u8]) -> bool {
    let mut at = hidden;
    while let Some(here) = at {
        if *here.name == *name {
            return true;
        }
        at = &here.next;
    }
    false
}

fn common(one: &Hidden, other: &Hidden) -> Hidden {
    let mut found = None;
    let mut at = one;
    while let Some(here) = at {
        if is_hidden(other, &here.name) {
            found = Some(Rc::new(HiddenName { name: here.name.clone(), next: found }));
        }
        at = &here.next;
    }
    found
}

fn join(one: &Hidden, other: &Hidden) -> Hidden {
    let mut found = other.clone();
    let mut at = one;
    while let Some(here) = at {
        if !is_hidden(&found, &here.name) {
            found = Some(Rc::new(HiddenName { name: here.name.clone(), next: found }));
        }
        at = &here.next;
    }
    found
}
