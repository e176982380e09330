//! Expressions. Each function returns the register of the value, which is `to` if given.

use super::{Compiler, MAX_REGISTERS, Place, Wrong};
use crate::bytecode::{Op, Operator, Order, Register};
use crate::lexer::Token;
use crate::value::Value;

impl Compiler {
    pub(super) fn expression(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        self.either("or", true, to, |this, to| this.either("and", false, to, Self::comparison))
    }

    /// `and` and `or`: the result is the left side if it decides.
    fn either(
        &mut self,
        word: &str,
        truth: bool,
        to: Option<Register>,
        side: fn(&mut Self, Option<Register>) -> Result<Register, Wrong>,
    ) -> Result<Register, Wrong> {
        let free = self.function().free;
        let mut value = side(self, to)?;
        while self.take(word) {
            if to.is_none() {
                self.function().free = free;
                let own = self.register()?;
                if own != value {
                    self.emit(Op::Move { to: own, from: value });
                }
                value = own;
            }
            let past = self.emit(Op::JumpIf { truth, condition: value, target: 0 });
            side(self, Some(value))?;
            self.land(past);
        }
        Ok(value)
    }

    fn comparison(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        let left = self.sum(to)?;
        let Some(sign) = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|sign| self.take(sign)) else {
            return Ok(left);
        };
        let left = self.origin(left, to);
        let right = self.sum(None)?;
        let to = self.result(to, free)?;
        match sign {
            "<" => self.emit(Op::Compare { order: Order::Less, to, left, right }),
            "<=" => self.emit(Op::Compare { order: Order::LessOrEqual, to, left, right }),
            ">" => self.emit(Op::Compare { order: Order::Less, to, left: right, right: left }),
            ">=" => self.emit(Op::Compare { order: Order::LessOrEqual, to, left: right, right: left }),
            _ => self.emit(Op::Equal { to, left, right }),
        };
        if sign == "!=" {
            self.emit(Op::Not { to, from: to });
        }
        Ok(to)
    }

    fn sum(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        self.chain(&[("+", Operator::Add), ("-", Operator::Subtract)], to, Self::product)
    }

    fn product(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let signs = [("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)];
        self.chain(&signs, to, Self::unary)
    }

    fn chain(
        &mut self,
        signs: &[(&str, Operator)],
        to: Option<Register>,
        side: fn(&mut Self, Option<Register>) -> Result<Register, Wrong>,
    ) -> Result<Register, Wrong> {
        let free = self.function().free;
        let mut left = side(self, to)?;
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.take(sign)) {
            left = self.origin(left, to);
            let right = side(self, None)?;
            let to = self.result(to, free)?;
            self.emit(Op::Combine { operator: *operator, to, left, right });
            left = to;
        }
        Ok(left)
    }

    /// Returns the variable that was just copied to `to`, and removes the copy.
    fn origin(&mut self, operand: Register, to: Option<Register>) -> Register {
        let function = self.function();
        let copied = to == Some(operand) && function.last_alone();
        match function.template.ops.last() {
            Some(&Op::Move { to, from }) if copied && to == operand && from < function.free => {
                function.template.ops.pop();
                from
            }
            _ => operand,
        }
    }

    /// Returns the register for a result whose operands began at `free`.
    fn result(&mut self, to: Option<Register>, free: Register) -> Result<Register, Wrong> {
        self.function().free = free;
        to.map_or_else(|| self.register(), Ok)
    }

    fn unary(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        if self.take("not") {
            let from = self.unary(None)?;
            let to = self.result(to, free)?;
            self.emit(Op::Not { to, from });
            return Ok(to);
        }
        if self.take("-") {
            let left = self.constant(Value::index(0), None)?;
            let right = self.unary(None)?;
            let to = self.result(to, free)?;
            self.emit(Op::Combine { operator: Operator::Subtract, to, left, right });
            return Ok(to);
        }
        self.postfix(to)
    }

    fn postfix(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        let mut value = self.primary(to)?;
        loop {
            if self.take("(") {
                let base = self.result(None, free)?;
                if base != value {
                    self.emit(Op::Move { to: base, from: value });
                }
                let arguments = self.arguments()?;
                self.emit(Op::Call { base, arguments });
                value = self.called(base, to)?;
            } else if self.take("[") {
                let index = self.expression(None)?;
                self.want("]")?;
                let to = self.result(to, free)?;
                self.emit(Op::Get { to, array: value, index });
                value = to;
            } else {
                return Ok(value);
            }
        }
    }

    /// Compiles arguments into the next free registers.
    fn arguments(&mut self) -> Result<u8, Wrong> {
        self.list(")", |this| {
            let register = this.register()?;
            this.expression(Some(register)).map(drop)
        })
    }

    /// The result of a call is in `base`; all registers above are free again.
    fn called(&mut self, base: Register, to: Option<Register>) -> Result<Register, Wrong> {
        let Some(to) = to else {
            self.function().free = base + 1;
            return Ok(base);
        };
        self.function().free = base;
        self.emit(Op::Move { to, from: base });
        Ok(to)
    }

    fn primary(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        if self.take("(") {
            let value = self.expression(to)?;
            self.want(")")?;
            return Ok(value);
        }
        if self.take("[") {
            let count = self.list("]", |this| {
                let register = this.register()?;
                this.expression(Some(register)).map(drop)
            })?;
            let to = self.result(to, free)?;
            self.emit(Op::Array { to, first: free, count });
            return Ok(to);
        }
        match self.next() {
            Token::Integer(integer) => match Value::small(integer) {
                Some(value) => self.constant(value, to),
                None => self.wrong("a literal is too large"),
            },
            Token::Word(word) => match word.as_str() {
                "nil" => self.constant(Value::NIL, to),
                "true" => self.constant(Value::TRUE, to),
                "false" => self.constant(Value::FALSE, to),
                "fn" => self.anonymous(to),
                _ => self.named(&word, to),
            },
            other => self.wrong(format!("a value is missing, not {other:?}")),
        }
    }

    fn named(&mut self, name: &str, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        match self.find_here(name) {
            Place::Local(register) => Ok(match to {
                Some(to) => {
                    self.emit(Op::Move { to, from: register });
                    to
                }
                None => register,
            }),
            Place::Capture(index) => {
                let to = self.result(to, free)?;
                self.emit(Op::GetCapture { to, index });
                Ok(to)
            }
            Place::Global(global) if self.take("(") => {
                // The register of the function, below its arguments.
                let base = self.register()?;
                let arguments = self.arguments()?;
                if let Some(built_in) = built_in(name, base, arguments) {
                    // A name that is only called needs no definition yet.
                    self.define(name);
                    self.emit(built_in);
                    if matches!(built_in, Op::Print { .. } | Op::Collect) {
                        self.constant(Value::NIL, Some(base))?;
                    }
                } else {
                    self.emit(Op::CallGlobal { base, global, arguments });
                }
                self.called(base, to)
            }
            Place::Global(global) => {
                let to = self.result(to, free)?;
                self.emit(Op::GetGlobal { to, global });
                Ok(to)
            }
        }
    }

    fn anonymous(&mut self, to: Option<Register>) -> Result<Register, Wrong> {
        let free = self.function().free;
        let (template, captures) = self.function_body("fn")?;
        let count = u8::try_from(captures.len()).unwrap_or(u8::MAX);
        for name in captures {
            let register = self.register()?;
            match self.find_here(&name) {
                Place::Local(from) => self.emit(Op::Move { to: register, from }),
                Place::Capture(index) => self.emit(Op::GetCapture { to: register, index }),
                Place::Global(_) => unreachable!("globals are not captured"),
            };
        }
        let to = self.result(to, free)?;
        self.emit(Op::Function { to, template, first: free, count });
        Ok(to)
    }

    /// Compiles parameters and body to a template, and returns the variables to capture.
    pub(super) fn function_body(&mut self, name: &str) -> Result<(u16, Vec<String>), Wrong> {
        self.want("(")?;
        let mut parameters = Vec::new();
        self.list(")", |this| {
            parameters.push(this.name()?);
            Ok(())
        })?;
        if parameters.len() >= usize::from(MAX_REGISTERS) {
            return self.wrong("too many parameters");
        }
        self.begin(name, parameters);
        self.block()?;
        let (template, captures) = self.end()?;
        self.program.templates.push(template);
        Ok((u16::try_from(self.program.templates.len() - 1).unwrap_or(u16::MAX), captures))
    }
}

/// Returns the instruction of a call. Its arguments are above `base`.
fn built_in(name: &str, base: Register, arguments: u8) -> Option<Op> {
    let first = base + 1;
    Some(match (name, arguments) {
        ("array", 2) => Op::Filled { to: base, length: first, fill: first + 1 },
        ("len", 1) => Op::Length { to: base, array: first },
        ("print", 1) => Op::Print { from: first },
        ("gc", 0) => Op::Collect,
        _ => return None,
    })
}
