//! Compiles program text to bytecode in one pass: a register for each local variable, and the registers above for temporary values.
//!
//! A program is a list of statements:
//!
//! ```text
//! fn NAME(A, B) { … }   let NAME = E   NAME = E   A[I] = E   if E { … } else { … }   while E { … }   return E   E
//! ```
//!
//! Expressions are integers, `nil`, `true`, `false`, `[A, B]`, names, calls, `A[I]`, `fn (A) { … }`, and the operators
//! `or`, `and`, `not`, `== != < <= > >=`, `+ -`, `* / %`. A function captures the values, not the variables, of the functions
//! around it. Variables outside of all functions are global. `array(N, FILL)`, `len(A)`, `print(E)` and `gc()` are built in; the first
//! global is `scale`, which sets the amount of work of a program.

use crate::bytecode::{Op, Program, Register, Template};
use crate::lexer::{Token, tokens};
use crate::value::Value;

mod expression;

/// An error in a program, with its line.
type Wrong = (u32, String);

/// Compiles a program.
///
/// # Errors
/// A message with the file and the line.
pub(crate) fn compile(path: &str, text: &str) -> Result<Program, String> {
    let compile = || {
        let program = Program { path: path.to_owned(), ..Program::default() };
        let mut compiler =
            Compiler { tokens: tokens(text)?, at: 0, program, defined: Vec::new(), functions: Vec::new() };
        compiler.program.templates.push(Template::default());
        compiler.define("scale");
        compiler.begin("main", Vec::new());
        while *compiler.token() != Token::End {
            compiler.statement()?;
        }
        let (main, _) = compiler.end()?;
        compiler.program.templates[0] = main;
        let undefined = compiler.program.globals.iter().zip(&compiler.defined).find(|(_, defined)| !**defined);
        undefined.map_or(Ok(()), |(name, _)| Err((0, format!("{name} is never defined"))))?;
        Ok(compiler.program)
    };
    compile().map_err(|(line, why): Wrong| format!("{path}:{line}: {why}"))
}

struct Compiler {
    tokens: Vec<(Token, u32)>,
    at: usize,
    program: Program,
    /// For each global, true if a definition was seen.
    defined: Vec<bool>,
    /// The enclosing functions, the innermost last.
    functions: Vec<Function>,
}

/// A function that is being compiled.
#[derive(Default)]
struct Function {
    template: Template,
    locals: Vec<(String, Register)>,
    captures: Vec<String>,
    /// The lowest free register.
    free: Register,
    /// The number of open blocks.
    depth: usize,
    /// The last jump target, which is not only reached from the instruction before it.
    label: usize,
}

impl Function {
    /// True if the next instruction is reached only from the last one.
    fn last_alone(&self) -> bool {
        self.label < self.template.ops.len()
    }
}

enum Place {
    Local(Register),
    Capture(u8),
    Global(u16),
}

const MAX_REGISTERS: u8 = 64;

impl Compiler {
    fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn line(&self) -> u32 {
        self.tokens[self.at].1
    }

    fn wrong<T>(&self, why: impl Into<String>) -> Result<T, Wrong> {
        Err((self.line(), why.into()))
    }

    fn next(&mut self) -> Token {
        let token = self.token().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, text: &str) -> bool {
        let found = match self.token() {
            Token::Word(word) => word == text,
            Token::Sign(sign) => *sign == text,
            Token::Integer(_) | Token::End => false,
        };
        self.at += usize::from(found);
        found
    }

    fn want(&mut self, text: &str) -> Result<(), Wrong> {
        if self.take(text) { Ok(()) } else { self.wrong(format!("{text} is missing, not {:?}", self.token())) }
    }

    fn name(&mut self) -> Result<String, Wrong> {
        match self.next() {
            Token::Word(name) => Ok(name),
            other => self.wrong(format!("a name is missing, not {other:?}")),
        }
    }

    /// Parses a list with commas, up to a token.
    fn list(&mut self, end: &str, mut each: impl FnMut(&mut Self) -> Result<(), Wrong>) -> Result<u8, Wrong> {
        let mut count = 0;
        while !self.take(end) {
            if count > 0 {
                self.want(",")?;
            }
            each(self)?;
            count += 1;
        }
        Ok(count)
    }

    // ---- the current function

    fn function(&mut self) -> &mut Function {
        self.functions.last_mut().expect("the text outside of all functions is one")
    }

    fn begin(&mut self, name: &str, parameters: Vec<String>) {
        let count = u8::try_from(parameters.len()).unwrap_or(u8::MAX);
        let template = Template {
            name: name.to_owned(),
            line: self.line(),
            parameters: count,
            registers: count,
            ..Template::default()
        };
        let locals = parameters.into_iter().zip(0..).collect();
        self.functions.push(Function { template, locals, free: count, ..Function::default() });
    }

    fn end(&mut self) -> Result<(Template, Vec<String>), Wrong> {
        let nil = self.constant(Value::NIL, None)?;
        self.emit(Op::Return { from: nil });
        let line = self.line();
        let Function { template, captures, .. } = self.functions.pop().expect("begun");
        if template.ops.len() > usize::from(u16::MAX) {
            return Err((line, format!("{} is too long", template.name)));
        }
        Ok((template, captures))
    }

    fn emit(&mut self, op: Op) -> usize {
        let ops = &mut self.function().template.ops;
        ops.push(op);
        ops.len() - 1
    }

    /// Returns the index of the next instruction.
    fn here(&mut self) -> u16 {
        let function = self.function();
        function.label = function.template.ops.len();
        u16::try_from(function.label).unwrap_or(u16::MAX)
    }

    /// Sets the target of a jump to the next instruction.
    fn land(&mut self, jump: usize) {
        let here = self.here();
        match &mut self.function().template.ops[jump] {
            Op::Jump { target } | Op::JumpIf { target, .. } => *target = here,
            op => unreachable!("{op:?} does not jump"),
        }
    }

    fn register(&mut self) -> Result<Register, Wrong> {
        let function = self.function();
        let register = function.free;
        if register == MAX_REGISTERS {
            return self.wrong(format!("a function with more than {MAX_REGISTERS} registers"));
        }
        function.free += 1;
        function.template.registers = function.template.registers.max(function.free);
        Ok(register)
    }

    fn constant(&mut self, value: Value, to: Option<Register>) -> Result<Register, Wrong> {
        let to = to.map_or_else(|| self.register(), Ok)?;
        let constants = &mut self.function().template.constants;
        let known = constants.iter().position(|constant| *constant == value);
        let constant = known.unwrap_or_else(|| {
            constants.push(value);
            constants.len() - 1
        });
        self.emit(Op::Constant { to, constant: u16::try_from(constant).unwrap_or(u16::MAX) });
        Ok(to)
    }

    fn global(&mut self, name: &str) -> u16 {
        let known = self.program.globals.iter().position(|global| global == name);
        let global = known.unwrap_or_else(|| {
            self.program.globals.push(name.to_owned());
            self.defined.push(false);
            self.defined.len() - 1
        });
        u16::try_from(global).unwrap_or(u16::MAX)
    }

    fn define(&mut self, name: &str) -> u16 {
        let global = self.global(name);
        self.defined[usize::from(global)] = true;
        global
    }

    /// Looks up a name in the function at this depth.
    fn find(&mut self, name: &str, depth: usize) -> Place {
        let function = &self.functions[depth];
        if let Some((_, register)) = function.locals.iter().rev().find(|(local, _)| local == name) {
            return Place::Local(*register);
        }
        if let Some(index) = function.captures.iter().position(|capture| capture == name) {
            return Place::Capture(u8::try_from(index).unwrap_or(u8::MAX));
        }
        if depth == 0 || matches!(self.find(name, depth - 1), Place::Global(_)) {
            return Place::Global(self.global(name));
        }
        let captures = &mut self.functions[depth].captures;
        captures.push(name.to_owned());
        Place::Capture(u8::try_from(captures.len() - 1).unwrap_or(u8::MAX))
    }

    fn find_here(&mut self, name: &str) -> Place {
        self.find(name, self.functions.len() - 1)
    }

    // ---- statements

    fn block(&mut self) -> Result<(), Wrong> {
        self.want("{")?;
        let function = self.function();
        let (locals, free) = (function.locals.len(), function.free);
        function.depth += 1;
        while !self.take("}") {
            self.statement()?;
        }
        let function = self.function();
        function.depth -= 1;
        function.locals.truncate(locals);
        function.free = free;
        Ok(())
    }

    fn statement(&mut self) -> Result<(), Wrong> {
        let free = self.function().free;
        if self.take("let") {
            // The variable keeps its register.
            return self.declaration();
        }
        if self.take("if") {
            self.condition()?;
        } else if self.take("while") {
            let start = self.here();
            let condition = self.expression(None)?;
            let out = self.emit(Op::JumpIf { truth: false, condition, target: 0 });
            self.function().free = free;
            self.block()?;
            self.emit(Op::Loop { target: start });
            self.land(out);
        } else if self.take("return") {
            let from = self.expression(None)?;
            self.emit(Op::Return { from });
        } else if matches!((self.token(), self.following()), (Token::Word(word), Token::Word(_)) if word == "fn") {
            self.next();
            self.named_function()?;
        } else if !self.take(";") {
            self.assignment()?;
        }
        self.function().free = free;
        Ok(())
    }

    fn following(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].0
    }

    fn is_outside(&mut self) -> bool {
        self.functions.len() == 1 && self.function().depth == 0
    }

    fn declaration(&mut self) -> Result<(), Wrong> {
        let name = self.name()?;
        self.want("=")?;
        let free = self.function().free;
        if self.is_outside() {
            let from = self.expression(None)?;
            let global = self.define(&name);
            self.emit(Op::SetGlobal { global, from });
            self.function().free = free;
        } else {
            let register = self.register()?;
            self.expression(Some(register))?;
            self.function().locals.push((name, register));
        }
        Ok(())
    }

    fn named_function(&mut self) -> Result<(), Wrong> {
        if !self.is_outside() {
            return self.wrong("a function with a name belongs outside of blocks");
        }
        let name = self.name()?;
        let global = self.define(&name);
        let (template, _) = self.function_body(&name)?;
        self.program.functions.push((global, template));
        Ok(())
    }

    fn condition(&mut self) -> Result<(), Wrong> {
        let free = self.function().free;
        let condition = self.expression(None)?;
        let past = self.emit(Op::JumpIf { truth: false, condition, target: 0 });
        self.function().free = free;
        self.block()?;
        if !self.take("else") {
            self.land(past);
            return Ok(());
        }
        let out = self.emit(Op::Jump { target: 0 });
        self.land(past);
        if self.take("if") {
            self.condition()?
        } else {
            self.block()?
        }
        self.land(out);
        Ok(())
    }

    /// Parses an assignment or an expression.
    fn assignment(&mut self) -> Result<(), Wrong> {
        if let (Token::Word(name), Token::Sign("=")) = (self.token().clone(), self.following()) {
            self.at += 2;
            match self.find_here(&name) {
                Place::Local(register) => return self.assign(register),
                Place::Capture(_) => {
                    return self.wrong(format!("{name} is captured, and captured values do not change"));
                }
                Place::Global(global) => {
                    let from = self.expression(None)?;
                    self.emit(Op::SetGlobal { global, from });
                }
            }
            return Ok(());
        }
        self.expression(None)?;
        if self.take("=") {
            // The last element read is the one to write; its operands are still needed.
            let function = self.function();
            let Some(Op::Get { array, index, .. }) =
                function.last_alone().then(|| function.template.ops.pop()).flatten()
            else {
                return self.wrong("this cannot be assigned to");
            };
            function.free = function.free.max(array + 1).max(index + 1);
            let from = self.expression(None)?;
            self.emit(Op::Set { array, index, from });
        }
        Ok(())
    }

    /// Not directly into the register, since the expression may read the variable later.
    fn assign(&mut self, register: Register) -> Result<(), Wrong> {
        let free = self.function().free;
        let from = self.expression(None)?;
        let function = self.function();
        let just_computed = from >= free && function.last_alone();
        match function.template.ops.last_mut() {
            Some(Op::Combine { to, .. } | Op::Compare { to, .. } | Op::Get { to, .. } | Op::Constant { to, .. })
                if just_computed =>
            {
                *to = register;
            }
            _ => {
                self.emit(Op::Move { to: register, from });
            }
        }
        Ok(())
    }
}
