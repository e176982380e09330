//! The bytecode of a register machine. Immutable after compiling, so that the worker's threads may read it while the program runs.

use crate::value::Value;

/// A register, which is a word of the frame. A function has at most 64 registers, so that a set of registers fits in a word.
pub(crate) type Register = u8;

/// A set of registers.
pub(crate) type Registers = u64;

/// Arithmetic operators. `vm.h` has the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Operator {
    Add = 0,
    Subtract = 1,
    Multiply = 2,
    Divide = 3,
    Remainder = 4,
}

impl Operator {
    pub(crate) const ALL: [Self; 5] = [Self::Add, Self::Subtract, Self::Multiply, Self::Divide, Self::Remainder];

    /// Returns the result for small integers, if it is small.
    pub(crate) fn combine_small(self, a: i64, b: i64) -> Option<Value> {
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => a.checked_div(b),
            Self::Remainder => a.checked_rem(b),
        };
        result.and_then(Value::small)
    }
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Less,
    LessOrEqual,
}

/// An instruction. Jumps contain the index of an instruction; `Loop` is a jump back, at which the interpreter counts rounds and changes to
/// machine code. `Function` and `Array` take captured values and elements from the registers from `first` on. `Filled` is an array of
/// copies of one value. For a `Call` the function is in `base`, with its arguments above, which become the lowest registers of its frame;
/// the result goes to `base`. `CallGlobal` first copies a global to `base`. `Collect` collects garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Constant { to: Register, constant: u16 },
    Move { to: Register, from: Register },
    Combine { operator: Operator, to: Register, left: Register, right: Register },
    Compare { order: Order, to: Register, left: Register, right: Register },
    Equal { to: Register, left: Register, right: Register },
    Not { to: Register, from: Register },
    Jump { target: u16 },
    Loop { target: u16 },
    JumpIf { truth: bool, condition: Register, target: u16 },
    GetGlobal { to: Register, global: u16 },
    SetGlobal { global: u16, from: Register },
    GetCapture { to: Register, index: u8 },
    Function { to: Register, template: u16, first: Register, count: u8 },
    Array { to: Register, first: Register, count: u8 },
    Filled { to: Register, length: Register, fill: Register },
    Length { to: Register, array: Register },
    Get { to: Register, array: Register, index: Register },
    Set { array: Register, index: Register, from: Register },
    Call { base: Register, arguments: u8 },
    CallGlobal { base: Register, global: u16, arguments: u8 },
    Return { from: Register },
    Print { from: Register },
    Collect,
}

/// Returns the set of registers from `first` on.
pub(crate) fn range(first: Register, count: u8) -> Registers {
    (first..first + count).fold(0, |set, register| set | 1 << register)
}

impl Op {
    pub(crate) fn reads(self) -> Registers {
        let set = |registers: &[Register]| registers.iter().fold(0, |set, register| set | 1 << register);
        match self {
            Self::Constant { .. } | Self::Jump { .. } | Self::Loop { .. } | Self::Collect => 0,
            Self::GetGlobal { .. } | Self::GetCapture { .. } => 0,
            Self::Move { from, .. } | Self::Not { from, .. } | Self::SetGlobal { from, .. } => set(&[from]),
            Self::Return { from } | Self::Print { from } => set(&[from]),
            Self::Combine { left, right, .. } | Self::Compare { left, right, .. } => set(&[left, right]),
            Self::Equal { left, right, .. } => set(&[left, right]),
            Self::JumpIf { condition, .. } => set(&[condition]),
            Self::Function { first, count, .. } | Self::Array { first, count, .. } => range(first, count),
            Self::Filled { length, fill, .. } => set(&[length, fill]),
            Self::Length { array, .. } => set(&[array]),
            Self::Get { array, index, .. } => set(&[array, index]),
            Self::Set { array, index, from } => set(&[array, index, from]),
            Self::Call { base, arguments } => range(base, arguments + 1),
            Self::CallGlobal { base, arguments, .. } => range(base + 1, arguments),
        }
    }

    pub(crate) fn writes(self) -> Option<Register> {
        match self {
            Self::Constant { to, .. } | Self::Move { to, .. } | Self::Combine { to, .. } => Some(to),
            Self::Compare { to, .. } | Self::Equal { to, .. } | Self::Not { to, .. } => Some(to),
            Self::GetGlobal { to, .. } | Self::GetCapture { to, .. } | Self::Function { to, .. } => Some(to),
            Self::Array { to, .. } | Self::Filled { to, .. } | Self::Length { to, .. } | Self::Get { to, .. } => {
                Some(to)
            }
            Self::Call { base, .. } | Self::CallGlobal { base, .. } => Some(base),
            Self::Jump { .. } | Self::Loop { .. } | Self::JumpIf { .. } | Self::SetGlobal { .. } => None,
            Self::Set { .. } | Self::Return { .. } | Self::Print { .. } | Self::Collect => None,
        }
    }

    pub(crate) fn target(self) -> Option<u16> {
        match self {
            Self::Jump { target } | Self::Loop { target } | Self::JumpIf { target, .. } => Some(target),
            _ => None,
        }
    }

    pub(crate) fn falls_through(self) -> bool {
        !matches!(self, Self::Jump { .. } | Self::Loop { .. } | Self::Return { .. })
    }
}

/// The code of a function. Functions that the program makes from the same text share a template and differ in captured values.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// The name in messages.
    pub(crate) name: String,
    /// The line where the text begins.
    pub(crate) line: u32,
    /// The number of arguments, which are the lowest registers.
    pub(crate) parameters: u8,
    /// The number of registers.
    pub(crate) registers: u8,
    pub(crate) ops: Vec<Op>,
    /// Small integers, nil, true and false. No references, since objects move.
    pub(crate) constants: Vec<Value>,
}

/// A compiled program.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// The source file.
    pub(crate) path: String,
    /// The first template is the text outside of all functions.
    pub(crate) templates: Vec<Template>,
    /// The names of the globals.
    pub(crate) globals: Vec<String>,
    /// The globals that hold a function at the start, with its template.
    pub(crate) functions: Vec<(u16, u16)>,
}

/// Returns for each instruction the registers that live before it.
pub(crate) fn live_before(ops: &[Op]) -> Vec<Registers> {
    let mut live = vec![0; ops.len()];
    loop {
        let before = live.clone();
        for (at, op) in ops.iter().enumerate().rev() {
            let after = live_after(ops, &live, at);
            let written = op.writes().map_or(0, |register| 1 << register);
            live[at] = op.reads() | (after & !written);
        }
        if live == before {
            return live;
        }
    }
}

/// Returns the registers that live after an instruction.
pub(crate) fn live_after(ops: &[Op], live: &[Registers], at: usize) -> Registers {
    let next = if ops[at].falls_through() { live.get(at + 1).copied().unwrap_or_default() } else { 0 };
    ops[at].target().map_or(next, |target| next | live[usize::from(target)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loop_needs_lives_all_around_it() {
        let ops = [
            Op::Constant { to: 1, constant: 0 },
            Op::JumpIf { truth: false, condition: 0, target: 4 },
            Op::Combine { operator: Operator::Add, to: 1, left: 1, right: 0 },
            Op::Loop { target: 1 },
            Op::Return { from: 1 },
        ];
        assert_eq!(live_before(&ops), [0b01, 0b11, 0b11, 0b11, 0b10]);
        assert_eq!(live_after(&ops, &live_before(&ops), 0), 0b11);
    }
}
