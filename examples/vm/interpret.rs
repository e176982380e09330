//! The interpreter: runs the instructions of one function until it returns.

use crate::bytecode::Op;
use crate::native::Outcome;
use crate::value::Value;
use crate::vm::{Failed, Vm};

/// The number of loop rounds after which the interpreter looks for machine code to continue in.
const ROUNDS: u64 = 64;

impl Vm<'_> {
    /// Runs the function whose frame begins at `fp`, from an instruction on.
    pub(crate) fn interpret(&mut self, number: usize, fp: usize, mut pc: usize) -> Result<Value, Failed> {
        let template = self.template(number);
        let top = fp + usize::from(template.registers);
        let mut rounds = 0;
        loop {
            let op = template.ops[pc];
            pc += 1;
            let value = |register| self.register(fp, register);
            let (to, result) = match op {
                Op::Constant { to, constant } => (to, template.constants[usize::from(constant)]),
                Op::Move { to, from } => (to, value(from)),
                Op::Combine { operator, to, left, right } => {
                    let (left, right) = (value(left), value(right));
                    (to, self.combine(top, operator, left, right)?)
                }
                Op::Compare { order, to, left, right } => {
                    let (left, right) = (value(left), value(right));
                    (to, self.compare(order, left, right)?)
                }
                Op::Equal { to, left, right } => (to, self.equal(value(left), value(right))),
                Op::Not { to, from } => (to, Value::boolean(!value(from).is_true())),
                Op::Jump { target } => {
                    pc = target.into();
                    continue;
                }
                Op::Loop { target } => {
                    pc = target.into();
                    rounds += 1;
                    if rounds == ROUNDS {
                        rounds = 0;
                        self.warm_up(number, ROUNDS);
                        match self.run_native(number, fp, pc) {
                            Outcome::CodeError => {}
                            Outcome::GoOn(at) => pc = at,
                            Outcome::Returned(result) => return result,
                        }
                    }
                    continue;
                }
                Op::JumpIf { truth, condition, target } => {
                    if value(condition).is_true() == truth {
                        pc = target.into();
                    }
                    continue;
                }
                Op::GetGlobal { to, global } => (to, Value(self.globals[usize::from(global)].get())),
                Op::SetGlobal { global, from } => {
                    let value = value(from);
                    self.set_global(global, value);
                    continue;
                }
                Op::GetCapture { to, index } => (to, self.capture(fp, index)),
                Op::Function { to, template, first, count } => {
                    (to, self.make_function(top, template, fp + usize::from(first), count))
                }
                Op::Array { to, first, count } => (to, self.make_array(top, fp + usize::from(first), count)),
                Op::Filled { to, length, fill } => {
                    let length = value(length);
                    (to, self.make_filled(top, length, fp + usize::from(fill))?)
                }
                Op::Length { to, array } => {
                    let array = value(array);
                    (to, self.length(array)?)
                }
                Op::Get { to, array, index } => {
                    let (array, index) = (value(array), value(index));
                    match self.heap.element(array, index) {
                        Some(element) => (to, Value(element.get())),
                        None => return self.no_element(array, index),
                    }
                }
                Op::Set { array, index, from } => {
                    let (array, index) = (value(array), value(index));
                    match self.heap.element(array, index) {
                        Some(element) => element.set(value(from).0),
                        None => return self.no_element(array, index),
                    }
                    continue;
                }
                Op::Call { base, arguments } => (base, self.call(fp + usize::from(base), arguments)?),
                Op::CallGlobal { base, global, arguments } => {
                    let at = fp + usize::from(base);
                    self.stack[at].set(self.globals[usize::from(global)].get());
                    (base, self.call(at, arguments)?)
                }
                Op::Return { from } => return Ok(value(from)),
                Op::Print { from } => {
                    let value = value(from);
                    self.print(value);
                    continue;
                }
                Op::Collect => {
                    self.collect(top, 0);
                    continue;
                }
            };
            self.stack[fp + usize::from(to)].set(result.0);
        }
    }

    fn capture(&self, fp: usize, index: u8) -> Value {
        let function = self.register(fp - 1, 0).as_reference().expect("below a frame lies its function");
        // After the first word and the number of the function.
        self.heap.value(function + 2 + usize::from(index))
    }

    fn length(&mut self, array: Value) -> Result<Value, Failed> {
        match self.heap.find(array, crate::heap::Kind::Array) {
            Some((_, length)) => Ok(Value::index(length)),
            None => self.fail(format!("{} is no array", self.show(array, 0))),
        }
    }

    fn no_element(&mut self, array: Value, index: Value) -> Result<Value, Failed> {
        self.length(array)?;
        self.fail(format!("there is no element {}", self.show(index, 0)))
    }
}
