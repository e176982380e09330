//! The virtual machine: its memory, functions, calls and collections. `interpret` runs instructions, `native` runs machine code.
//!
//! A frame is a window of the stack that begins at `fp`. The word before it is the function itself, so that running functions live. Frames
//! overlap: arguments are in the lowest registers of the callee. A function that is no longer reachable dies, and its machine code is
//! unloaded.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytecode::{Operator, Order, Program, Template};
use crate::codegen::{Known, without};
use crate::heap::{Heap, Kind, Words, words};
use crate::jit::{Compiled, Jit, Source};
use crate::native::{Context, Outcome};
use crate::value::Value;

/// The program has failed; the VM has the reason. Small, so that results fit into registers.
#[derive(Debug)]
pub(crate) struct Failed;

/// The size of the stack in words: small enough that the machine's stack has room for all frames.
const STACK: usize = 1 << 15;

/// The options of the VM.
#[derive(Default)]
pub(crate) struct Config {
    /// Collect garbage at each allocation.
    pub(crate) gc_stress: bool,
    /// The value of the global `scale`.
    pub(crate) scale: u32,
    /// Compile hot functions.
    pub(crate) jit: Option<Jit>,
}

/// A function of the program: an owner for the JIT.
pub(crate) struct Function {
    /// The number of the owner, which is never used twice.
    owner: u64,
    pub(crate) template: u16,
    /// The object at its current address. A weak reference.
    object: Value,
    heat: Arc<AtomicU64>,
    /// The number of calls from which on the function is compiled.
    threshold: u64,
    pub(crate) compiled: Compiled,
    /// How often the code was cancelled.
    cancelled: u32,
}

/// A running program. Begins with [`Context`], which machine code accesses.
#[repr(C)]
pub(crate) struct Vm<'p> {
    pub(crate) context: Context,
    pub(crate) program: &'p Program,
    pub(crate) stack: Words,
    pub(crate) globals: Words,
    pub(crate) generations: Words,
    next_generation: u64,
    pub(crate) heap: Heap,
    pub(crate) functions: Vec<Option<Function>>,
    next_owner: u64,
    output: String,
    failure: String,
    gc_stress: bool,
    jit: Option<Jit>,
    pub(crate) statistics: Statistics,
}

/// Statistics.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) collections: u64,
    /// Functions that died.
    pub(crate) deaths: u64,
    /// How often machine code was left because an assumption failed.
    pub(crate) failed_assumptions: u64,
    /// How often code was cancelled because a global changed.
    pub(crate) cancelled: u64,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { collections, deaths, failed_assumptions, cancelled } = self;
        write!(
            f,
            "VM: {collections} collections, {deaths} functions died, {failed_assumptions} assumptions failed, \
             {cancelled} functions cancelled"
        )
    }
}

impl<'p> Vm<'p> {
    pub(crate) fn new(program: &'p Program, config: Config) -> Self {
        let Config { gc_stress, scale, jit } = config;
        let globals = program.globals.len();
        let mut vm = Self {
            context: Context::new(),
            program,
            stack: words(STACK, Value::NIL.0),
            globals: words(globals, Value::NIL.0),
            generations: words(globals, 0),
            next_generation: 1,
            heap: Heap::new(),
            functions: Vec::new(),
            next_owner: 1,
            output: String::new(),
            failure: String::new(),
            gc_stress,
            jit,
            statistics: Statistics::default(),
        };
        vm.globals[0].set(Value::index(scale as usize).0);
        for (global, template) in &program.functions {
            let function = vm.make_function(0, *template, 0, 0);
            vm.set_global(*global, function);
        }
        // The main function stays at the bottom of the stack.
        let main = vm.make_function(0, 0, 0, 0);
        vm.stack[0].set(main.0);
        vm
    }

    /// Runs the program once; returns its output, and its error if it failed. Globals keep their values between runs.
    pub(crate) fn run(&mut self) -> String {
        self.output.clear();
        if let Err(Failed) = self.call(0, 0) {
            let _ = writeln!(self.output, "error: {}", self.failure);
        }
        std::mem::take(&mut self.output)
    }

    /// Fails with a message.
    pub(crate) fn fail<T>(&mut self, why: impl Into<String>) -> Result<T, Failed> {
        self.failure = why.into();
        Err(Failed)
    }

    pub(crate) fn jit(&self) -> Option<&Jit> {
        self.jit.as_ref()
    }

    pub(crate) fn register(&self, fp: usize, register: u8) -> Value {
        Value(self.stack[fp + usize::from(register)].get())
    }

    /// Returns the number of the function whose frame begins at `fp`.
    pub(crate) fn running(&self, fp: usize) -> usize {
        self.function_at(fp - 1).expect("below a frame lies its function")
    }

    pub(crate) fn function(&self, number: usize) -> &Function {
        self.functions[number].as_ref().expect("who is referred to lives")
    }

    pub(crate) fn function_mut(&mut self, number: usize) -> &mut Function {
        self.functions[number].as_mut().expect("who is referred to lives")
    }

    pub(crate) fn template(&self, number: usize) -> &'p Template {
        &self.program.templates[usize::from(self.function(number).template)]
    }

    fn function_at(&self, at: usize) -> Option<usize> {
        self.function_number(Value(self.stack[at].get()))
    }

    fn function_number(&self, value: Value) -> Option<usize> {
        let (first, _) = self.heap.find(value, Kind::Function)?;
        self.heap.value(first).as_small().and_then(|number| usize::try_from(number).ok())
    }

    // ---- calls

    /// Calls the function at `at` on the stack, below its arguments.
    pub(crate) fn call(&mut self, at: usize, arguments: u8) -> Result<Value, Failed> {
        let Some(number) = self.function_at(at) else {
            return self.fail(format!("{} is called, and is no function", self.show(Value(self.stack[at].get()), 0)));
        };
        let (template, fp) = (self.template(number), at + 1);
        if template.parameters != arguments {
            return self.fail(format!("{} takes {} arguments, not {arguments}", template.name, template.parameters));
        }
        if fp + usize::from(template.registers) > self.stack.len() {
            return self.overflow();
        }
        self.warm_up(number, 1);
        match self.run_native(number, fp, 0) {
            Outcome::CodeError => self.interpret(number, fp, 0),
            Outcome::GoOn(pc) => self.interpret(number, fp, pc),
            Outcome::Returned(result) => result,
        }
    }

    pub(crate) fn overflow(&mut self) -> Result<Value, Failed> {
        self.fail("the stack is full")
    }

    /// Adds to the call counter of a function, and submits the function when it is hot.
    pub(crate) fn warm_up(&mut self, number: usize, rounds: u64) {
        let Some(function) = &mut self.functions[number] else { return };
        // No other thread writes the counter.
        let heat = function.heat.load(Ordering::Relaxed) + rounds;
        function.heat.store(heat, Ordering::Relaxed);
        if heat >= function.threshold && function.compiled.is_cold() {
            self.submit(number);
        }
    }

    #[cold]
    fn submit(&mut self, number: usize) {
        let Some(jit) = &self.jit else { return };
        let Some(Function { owner, template, object, heat, .. }) = &self.functions[number] else { return };
        let captures = self.heap.find(*object, Kind::Function).map(|(first, length)| {
            let words = (first + 1..first + length).map(|at| self.heap.value(at));
            words.map(|value| value.as_reference().is_none().then_some(value)).collect()
        });
        let source = Source { template: *template, captures: captures.unwrap_or_default() };
        let (owner, heat) = (*owner, Arc::clone(heat));
        if let Some(Function { compiled, .. }) = &mut self.functions[number] {
            jit.submit(compiled, owner, source, heat);
        }
    }

    /// Requests code without an assumption that failed.
    pub(crate) fn failed_assumption(&mut self, number: usize, why: u64) {
        if let (Some(jit), Some(function)) = (&self.jit, &mut self.functions[number])
            && why != 0
        {
            self.statistics.failed_assumptions += 1;
            jit.recompile(&mut function.compiled, why);
        }
    }

    // ---- globals

    pub(crate) fn set_global(&mut self, global: u16, value: Value) {
        let cell = &self.globals[usize::from(global)];
        let before = Value(cell.replace(value.0));
        let owner = self.function_number(value).map(|number| self.function(number).owner);
        if before == value || (owner.is_none() && self.function_number(before).is_none()) {
            return;
        }
        let generation = self.next_generation;
        self.next_generation += 1;
        let before = self.generations[usize::from(global)].replace(generation);
        let Some(jit) = &self.jit else { return };
        let owners = jit.redefine(global, Known { generation, owner }, before);
        for function in self.functions.iter_mut().flatten().filter(|function| owners.contains(&function.owner)) {
            function.compiled.forget();
            function.threshold = function.heat.load(Ordering::Relaxed) + jit.min_calls;
            function.cancelled += 1;
            self.statistics.cancelled += 1;
            if function.cancelled > 2 {
                function.compiled.without |= without::KNOWN_GLOBALS;
            }
        }
    }

    // ---- objects: a caller that makes an object passes the end of the stack, and keeps references only on the stack

    /// Makes room in the heap. References change if this collects garbage.
    fn make_room(&mut self, top: usize, length: usize) {
        if self.gc_stress || !self.heap.has_room(length) {
            self.collect(top, length);
        }
    }

    pub(crate) fn make_integer(&mut self, top: usize, integer: i128) -> Value {
        i64::try_from(integer).ok().and_then(Value::small).unwrap_or_else(|| {
            self.make_room(top, 2);
            let (object, fields) = self.heap.allocate(Kind::Integer, 2);
            fields[0].set(integer as u64);
            fields[1].set((integer >> 64) as u64);
            object
        })
    }

    /// Makes an array of values on the stack.
    pub(crate) fn make_array(&mut self, top: usize, first: usize, count: u8) -> Value {
        let count = usize::from(count);
        self.make_room(top, count);
        let (object, elements) = self.heap.allocate(Kind::Array, count);
        elements.iter().zip(&self.stack[first..first + count]).for_each(|(element, word)| element.set(word.get()));
        object
    }

    /// Makes an array of copies of one value on the stack.
    pub(crate) fn make_filled(&mut self, top: usize, length: Value, fill: usize) -> Result<Value, Failed> {
        const MOST: i64 = 1 << 28;
        let Some(length) = length.as_small().filter(|length| (0..=MOST).contains(length)) else {
            return self.fail(format!("{} is no length", self.show(length, 0)));
        };
        self.make_room(top, length as usize);
        let (object, elements) = self.heap.allocate(Kind::Array, length as usize);
        elements.iter().for_each(|element| element.set(self.stack[fill].get()));
        Ok(object)
    }

    /// Makes a function that captures values on the stack.
    pub(crate) fn make_function(&mut self, top: usize, template: u16, first: usize, count: u8) -> Value {
        let count = usize::from(count);
        self.make_room(top, count + 1);
        let number = self.functions.iter().position(Option::is_none).unwrap_or(self.functions.len());
        let (object, fields) = self.heap.allocate(Kind::Function, count + 1);
        fields[0].set(Value::index(number).0);
        fields[1..].iter().zip(&self.stack[first..first + count]).for_each(|(field, word)| field.set(word.get()));
        let function = Function {
            owner: self.next_owner,
            template,
            object,
            heat: Arc::default(),
            threshold: self.jit.as_ref().map_or(u64::MAX, |jit| jit.min_calls),
            compiled: Compiled::default(),
            cancelled: 0,
        };
        self.next_owner += 1;
        match self.functions.get_mut(number) {
            Some(free) => *free = Some(function),
            None => self.functions.push(Some(function)),
        }
        object
    }

    /// Collects garbage: all living objects move. The stack ends at `top`.
    pub(crate) fn collect(&mut self, top: usize, length: usize) {
        self.statistics.collections += 1;
        if let Some(jit) = &self.jit {
            jit.enter_gc();
        }
        let mut collection = self.heap.collect(length);
        self.stack[..top.max(1)].iter().for_each(|word| collection.root(word));
        self.globals.iter().for_each(|word| collection.root(word));
        for place in &mut self.functions {
            let Some(function) = place else { continue };
            match collection.survivor(function.object) {
                Some(object) => {
                    function.object = object;
                    function.compiled.let_go();
                }
                None => {
                    if let Some(jit) = &self.jit {
                        jit.owner_died(function.owner);
                    }
                    self.statistics.deaths += 1;
                    *place = None;
                }
            }
        }
        drop(collection);
        // Cleared, so that new frames find no old references and need not clear their registers.
        self.stack[top.max(1)..].iter().for_each(|word| word.set(Value::NIL.0));
        if let Some(jit) = &self.jit {
            jit.leave_gc();
        }
        self.context.share(&self.heap, &self.globals, &self.generations, &self.stack);
    }

    // ---- arithmetic, for the interpreter and for the slow paths of machine code

    pub(crate) fn combine(
        &mut self,
        top: usize,
        operator: Operator,
        left: Value,
        right: Value,
    ) -> Result<Value, Failed> {
        let small = || operator.combine_small(left.as_small()?, right.as_small()?);
        if let Some(result) = small() {
            return Ok(result);
        }
        let (Some(a), Some(b)) = (self.heap.integer(left), self.heap.integer(right)) else {
            return self.no_integers(left, right);
        };
        if b == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
            return self.fail("division by zero");
        }
        let result = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            Operator::Remainder => a.checked_rem(b),
        };
        match result {
            Some(integer) => Ok(self.make_integer(top, integer)),
            None => self.fail("an integer does not fit into 128 bits"),
        }
    }

    pub(crate) fn compare(&mut self, order: Order, left: Value, right: Value) -> Result<Value, Failed> {
        if let (Some(a), Some(b)) = (left.as_small(), right.as_small()) {
            return Ok(Value::boolean(if order == Order::Less { a < b } else { a <= b }));
        }
        match (order, self.heap.integer(left), self.heap.integer(right)) {
            (Order::Less, Some(a), Some(b)) => Ok(Value::boolean(a < b)),
            (Order::LessOrEqual, Some(a), Some(b)) => Ok(Value::boolean(a <= b)),
            _ => self.no_integers(left, right),
        }
    }

    fn no_integers(&mut self, left: Value, right: Value) -> Result<Value, Failed> {
        self.fail(format!("{} and {} are not both integers", self.show(left, 0), self.show(right, 0)))
    }

    /// Compares integers by value, objects by identity.
    pub(crate) fn equal(&self, left: Value, right: Value) -> Value {
        let integers = || Some(self.heap.integer(left)? == self.heap.integer(right)?);
        Value::boolean(left == right || integers().unwrap_or(false))
    }

    // ---- printing

    pub(crate) fn print(&mut self, value: Value) {
        let line = self.show(value, 0);
        let _ = writeln!(self.output, "{line}");
    }

    pub(crate) fn show(&self, value: Value, depth: usize) -> String {
        if let Some(integer) = self.heap.integer(value) {
            return integer.to_string();
        }
        if let Some(number) = self.function_number(value) {
            return format!("<{}>", self.template(number).name);
        }
        match value {
            Value::NIL => "nil".to_owned(),
            Value::FALSE => "false".to_owned(),
            Value::TRUE => "true".to_owned(),
            // An array may contain itself.
            _ if depth > 3 => "[...]".to_owned(),
            _ => {
                let (first, length) = self.heap.find(value, Kind::Array).unwrap_or_default();
                let elements = (first..first + length).map(|at| self.show(self.heap.value(at), depth + 1));
                format!("[{}]", elements.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
