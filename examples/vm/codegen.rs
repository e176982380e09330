//! Translates bytecode to C: one C function for a function of the program, with a C variable for each register. Knows nothing about the
//! worker and the running VM; works on any thread, on immutable data.
//!
//! Living registers are written to the frame only before calls that may collect, run other code, or leave to the interpreter. If an
//! assumption fails, the instruction has had no effect yet: the code leaves, and the interpreter repeats the instruction.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::bytecode::{Op, Operator, Order, Register, Registers, Template, live_after, live_before};
use crate::value::Value;

/// Assumptions of generated code, as bits. Code makes no assumption whose bit is set.
pub(crate) mod without {
    /// Integers are small, and results fit.
    pub(crate) const SMALL_INTEGERS: u64 = 1;
    /// A global keeps its function.
    pub(crate) const KNOWN_GLOBALS: u64 = 2;
}

/// The function in a global, on which code may depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Changes with the function. No two globals have the same generation.
    pub(crate) generation: u64,
    /// The function's owner number, if it is a function.
    pub(crate) owner: Option<u64>,
}

/// The unit to generate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) template: &'a Template,
    /// The function's own owner number.
    pub(crate) owner: u64,
    /// The captured values that are no references, which are constants.
    pub(crate) captures: &'a [Option<Value>],
    pub(crate) globals: &'a [Known],
    /// See [`without`].
    pub(crate) without: u64,
    /// The name of the C function.
    pub(crate) entry: &'a str,
}

/// C text, and the generations that the text depends on.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) c: String,
    pub(crate) depends_on: Vec<u64>,
}

/// Generates a unit.
pub(crate) fn generate(unit: &Unit<'_>) -> Text {
    let mut generator = Generator {
        unit,
        live: live_before(&unit.template.ops),
        c: String::new(),
        known: BTreeSet::new(),
        exits: BTreeSet::new(),
    };
    generator.find_known();
    generator.entries();
    for at in 0..unit.template.ops.len() {
        generator.op(at);
    }
    generator.leave();
    Text { c: generator.c, depends_on: generator.known.into_iter().map(|(_, generation)| generation).collect() }
}

struct Generator<'a> {
    unit: &'a Unit<'a>,
    live: Vec<Registers>,
    c: String,
    /// The globals that the code depends on, with their generations.
    known: BTreeSet<(u16, u64)>,
    /// The exits to the interpreter, with their reasons.
    exits: BTreeSet<(usize, u64)>,
}

fn each(registers: Registers) -> impl Iterator<Item = Register> {
    (0..64).filter(move |register| registers >> register & 1 == 1)
}

/// Adds a line of C.
macro_rules! line {
    ($this:expr, $($text:tt)*) => {{
        // Writing to a string cannot fail.
        let _ = writeln!($this.c, $($text)*);
    }};
}

impl Generator<'_> {
    fn assumes(&self, what: u64) -> bool {
        self.unit.without & what == 0
    }

    /// True if a global holds the function itself, which can then call itself directly.
    fn is_itself(&self, global: u16) -> bool {
        self.assumes(without::KNOWN_GLOBALS) && self.unit.globals[usize::from(global)].owner == Some(self.unit.owner)
    }

    fn find_known(&mut self) {
        for op in &self.unit.template.ops {
            if let Op::CallGlobal { global, .. } = *op
                && self.is_itself(global)
            {
                self.known.insert((global, self.unit.globals[usize::from(global)].generation));
            }
        }
    }

    fn is_target(&self, at: usize) -> bool {
        self.unit.template.ops.iter().any(|op| op.target().map(usize::from) == Some(at))
    }

    /// Writes the beginning of the function. The interpreter enters at the top or in a loop.
    fn entries(&mut self) {
        let Unit { template, entry, .. } = self.unit;
        line!(self, "/* {} */", template.name);
        line!(self, "VM_CODE vm_value {entry}(vm_state *vm, vm_value *fp, uint64_t pc)\n{{");
        for register in 0..template.registers {
            line!(self, "    vm_value r{register} = VM_NIL;");
        }
        line!(self, "    if (pc == 0 && VM_UNLIKELY(fp + {} > vm->stack_end))", template.registers);
        line!(self, "        return vm->overflow(vm);");
        let loops: BTreeSet<usize> = template
            .ops
            .iter()
            .filter_map(|op| if let Op::Loop { target } = op { Some(usize::from(*target)) } else { None })
            .collect();
        line!(self, "    switch (pc) {{");
        for at in loops {
            line!(self, "    case {at}:");
            self.load(self.live[at]);
            line!(self, "        goto at{at};");
        }
        line!(self, "    }}");
        self.load(self.live[0]);
    }

    /// Writes the exits to the interpreter.
    fn leave(&mut self) {
        for (at, why) in std::mem::take(&mut self.exits) {
            line!(self, "exit{at}_{why}:");
            self.store(self.live[at]);
            line!(self, "    return vm_exit(vm, {at}, {why});");
        }
        line!(self, "}}");
    }

    fn store(&mut self, registers: Registers) {
        each(registers).for_each(|register| line!(self, "        fp[{register}] = r{register};"));
    }

    fn load(&mut self, registers: Registers) {
        each(registers).for_each(|register| line!(self, "        r{register} = fp[{register}];"));
    }

    /// Returns a jump to the exit before the instruction at `at`.
    fn exit(&mut self, at: usize, why: u64) -> String {
        self.exits.insert((at, why));
        format!("goto exit{at}_{why};")
    }

    /// Writes a call of a helper that may collect or run other code: living registers go through the frame. The result goes to a register,
    /// if there is one.
    fn helper(&mut self, at: usize, call: &str) {
        self.store(self.live[at]);
        let to = self.unit.template.ops[at].writes();
        let after = live_after(&self.unit.template.ops, &self.live, at);
        match to {
            Some(to) => {
                line!(self, "        r{to} = {call};");
                line!(self, "        if (VM_UNLIKELY(r{to} == VM_FAILED)) return VM_FAILED;");
                self.load(after & !(1 << to));
            }
            None => {
                line!(self, "        {call};");
                self.load(after);
            }
        }
    }

    /// Writes the check, after other code ran, that the assumptions of the code still hold; if not, the code leaves.
    fn check_known(&mut self, at: usize) {
        for (global, generation) in self.known.clone() {
            let exit = self.exit(at + 1, 0);
            line!(self, "    if (VM_UNLIKELY(vm->generations[{global}] != {generation}u)) {exit}");
        }
    }

    fn op(&mut self, at: usize) {
        if self.is_target(at) {
            line!(self, "at{at}:;");
        }
        match self.unit.template.ops[at] {
            Op::Constant { to, constant } => {
                let word = self.unit.template.constants[usize::from(constant)].0;
                line!(self, "    r{to} = {word:#x}u;");
            }
            Op::Move { to, from } => line!(self, "    r{to} = r{from};"),
            Op::Combine { operator, to, left, right } => self.combine(at, operator, to, left, right),
            Op::Compare { order, to, left, right } => self.compare(at, order, to, left, right),
            Op::Equal { to, left, right } => line!(self, "    r{to} = vm_equal(vm, r{left}, r{right});"),
            Op::Not { to, from } => line!(self, "    r{to} = vm_boolean(!vm_is_true(r{from}));"),
            Op::Jump { target } | Op::Loop { target } => line!(self, "    goto at{target};"),
            Op::JumpIf { truth, condition, target } => {
                let not = if truth { "" } else { "!" };
                line!(self, "    if ({not}vm_is_true(r{condition})) goto at{target};");
            }
            Op::GetGlobal { to, global } => line!(self, "    r{to} = vm->globals[{global}];"),
            Op::SetGlobal { global, from } => {
                line!(self, "    if (vm_both_small(vm->globals[{global}], r{from})) vm->globals[{global}] = r{from};");
                line!(self, "    else vm->set_global(vm, {global}, r{from});");
                self.check_known(at);
            }
            Op::GetCapture { to, index } => match self.unit.captures[usize::from(index)] {
                Some(value) => line!(self, "    r{to} = {:#x}u;", value.0),
                None => line!(self, "    r{to} = vm_capture(vm, fp[-1], {index});"),
            },
            Op::Function { template, first, count, .. } => {
                self.helper(at, &format!("vm->function(vm, fp, {template}, {first}, {count})"));
            }
            Op::Array { first, count, .. } => self.helper(at, &format!("vm->array(vm, fp, {first}, {count})")),
            Op::Filled { length, fill, .. } => self.helper(at, &format!("vm->filled(vm, fp, {length}, {fill})")),
            Op::Length { to, array } => {
                let exit = self.exit(at, 0);
                line!(self, "    if (VM_UNLIKELY(!vm_is_array(vm, r{array}))) {exit}");
                line!(self, "    r{to} = vm_length(vm, r{array}) << 1 | 1;");
            }
            Op::Get { to, array, index } => {
                let exit = self.exit(at, 0);
                line!(self, "    {{\n        const vm_value *element = vm_element(vm, r{array}, r{index});");
                line!(self, "        if (VM_UNLIKELY(!element)) {exit}\n        r{to} = *element;\n    }}");
            }
            Op::Set { array, index, from } => {
                let exit = self.exit(at, 0);
                line!(self, "    {{\n        vm_value *element = vm_element(vm, r{array}, r{index});");
                line!(self, "        if (VM_UNLIKELY(!element)) {exit}\n        *element = r{from};\n    }}");
            }
            Op::Call { base, arguments } => {
                self.helper(at, &format!("vm->call(vm, fp, {base}, {arguments})"));
                self.check_known(at);
            }
            Op::CallGlobal { base, global, arguments } => {
                line!(self, "    fp[{base}] = vm->globals[{global}];");
                if self.is_itself(global) && arguments == self.unit.template.parameters {
                    self.call_itself(at, base);
                } else {
                    self.helper(at, &format!("vm->call(vm, fp, {base}, {arguments})"));
                }
                self.check_known(at);
            }
            Op::Return { from } => line!(self, "    return r{from};"),
            Op::Print { from } => line!(self, "    vm->print(vm, r{from});"),
            Op::Collect => self.helper(at, "vm->collect(vm, fp)"),
        }
    }

    /// Writes a direct recursive call. If the callee leaves early, the interpreter finishes the call.
    fn call_itself(&mut self, at: usize, base: Register) {
        let (entry, frame) = (self.unit.entry, base + 1);
        self.store(self.live[at]);
        line!(self, "    r{base} = {entry}(vm, fp + {frame}, 0);");
        line!(self, "    if (VM_UNLIKELY(r{base} == VM_EXIT)) r{base} = vm->resume(vm, fp + {frame});");
        line!(self, "    if (VM_UNLIKELY(r{base} == VM_FAILED)) return VM_FAILED;");
        self.load(live_after(&self.unit.template.ops, &self.live, at) & !(1 << base));
    }

    fn combine(&mut self, at: usize, operator: Operator, to: Register, left: Register, right: Register) {
        let name = match operator {
            Operator::Add => "vm_add",
            Operator::Subtract => "vm_subtract",
            Operator::Multiply => "vm_multiply",
            Operator::Divide => "vm_divide",
            Operator::Remainder => "vm_remainder",
        };
        line!(self, "    if (VM_UNLIKELY(!{name}(r{left}, r{right}, &r{to}))) {{");
        let call = format!("vm->combine(vm, fp, {}, r{left}, r{right})", operator as u64);
        self.slow(at, &call);
        line!(self, "    }}");
    }

    fn compare(&mut self, at: usize, order: Order, to: Register, left: Register, right: Register) {
        let (sign, or_equal) = match order {
            Order::Less => ("<", 0),
            Order::LessOrEqual => ("<=", 1),
        };
        line!(self, "    if (VM_UNLIKELY(!vm_both_small(r{left}, r{right}))) {{");
        self.slow(at, &format!("vm->compare(vm, {or_equal}, r{left}, r{right})"));
        line!(self, "    }} else r{to} = vm_boolean((int64_t)r{left} {sign} (int64_t)r{right});");
    }

    /// Writes the path for integers that are not small.
    fn slow(&mut self, at: usize, call: &str) {
        if self.assumes(without::SMALL_INTEGERS) {
            let exit = self.exit(at, without::SMALL_INTEGERS);
            line!(self, "        {exit}");
        } else {
            self.helper(at, call);
        }
    }
}
