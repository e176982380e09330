//! The interface between the VM and its machine code, which `vm.h` has in C: shared structures, and calls in both directions. The only
//! `unsafe` of this program besides `fork`.
//!
//! A unit gets the VM, its frame and the first instruction. While a unit runs, Rust accesses the VM only in helpers, which return before
//! the unit continues: only one side uses the VM at a time.

#![expect(unsafe_code, reason = "machine code is called, and calls back")]

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use crate::bytecode::{Operator, Order};
use crate::heap::{Heap, Words};
use crate::value::Value;
use crate::vm::{Failed, Vm};

/// Results of machine code that are no values.
const FAILED: u64 = 0;
const EXIT: u64 = 4;

/// The function of a unit.
type Entry = unsafe extern "C" fn(vm: *mut Context, fp: *mut u64, pc: u64) -> u64;

/// The part of the VM that machine code accesses: `struct vm_state`.
#[repr(C)]
pub(crate) struct Context {
    heap: *const Cell<u64>,
    globals: *const Cell<u64>,
    generations: *const Cell<u64>,
    stack_end: *const Cell<u64>,
    exit_pc: u64,
    exit_why: u64,
    combine: unsafe extern "C" fn(*mut Self, *mut u64, u64, u64, u64) -> u64,
    compare: unsafe extern "C" fn(*mut Self, u64, u64, u64) -> u64,
    equal: unsafe extern "C" fn(*mut Self, u64, u64) -> u64,
    set_global: unsafe extern "C" fn(*mut Self, u64, u64),
    function: unsafe extern "C" fn(*mut Self, *mut u64, u64, u64, u64) -> u64,
    array: unsafe extern "C" fn(*mut Self, *mut u64, u64, u64) -> u64,
    filled: unsafe extern "C" fn(*mut Self, *mut u64, u64, u64) -> u64,
    call: unsafe extern "C" fn(*mut Self, *mut u64, u64, u64) -> u64,
    resume: unsafe extern "C" fn(*mut Self, *mut u64) -> u64,
    overflow: unsafe extern "C" fn(*mut Self) -> u64,
    print: unsafe extern "C" fn(*mut Self, u64),
    collect: unsafe extern "C" fn(*mut Self, *mut u64),
}

impl Context {
    pub(crate) fn new() -> Self {
        let nowhere = std::ptr::null();
        Self {
            heap: nowhere,
            globals: nowhere,
            generations: nowhere,
            stack_end: nowhere,
            exit_pc: 0,
            exit_why: 0,
            combine,
            compare,
            equal,
            set_global,
            function,
            array,
            filled,
            call,
            resume,
            overflow,
            print,
            collect,
        }
    }

    /// Sets the addresses of heap, stack and globals; again after each collection.
    pub(crate) fn share(&mut self, heap: &Heap, globals: &Words, generations: &Words, stack: &Words) {
        self.heap = heap.address();
        self.globals = globals.as_ptr();
        self.generations = generations.as_ptr();
        self.stack_end = stack.as_ptr_range().end;
    }
}

/// The result of machine code.
pub(crate) enum Outcome {
    /// There was no machine code.
    CodeError,
    /// The function returned.
    Returned(Result<Value, Failed>),
    /// The interpreter must continue with the frame, at this instruction.
    GoOn(usize),
}

impl Vm<'_> {
    /// Continues a frame in machine code at an instruction: at the beginning of the function, or in a loop.
    pub(crate) fn run_native(&mut self, number: usize, fp: usize, pc: usize) -> Outcome {
        let Some(address) = self.function_mut(number).compiled.enter() else { return Outcome::CodeError };
        self.context.share(&self.heap, &self.globals, &self.generations, &self.stack);
        let frame = self.stack.as_ptr().wrapping_add(fp).cast_mut().cast::<u64>();
        // SAFETY: the address is that of a unit, which has this type, and the library stays loaded until `leave`.
        let entry = unsafe { std::mem::transmute::<NonNull<c_void>, Entry>(address) };
        let context = (&raw mut *self).cast::<Context>();
        // SAFETY: the VM begins with its context, and is not accessed here until the unit returns. The frame is within the stack; heap,
        // stack and globals are cells, which machine code may write.
        let result = unsafe { entry(context, frame, pc as u64) };
        self.function_mut(number).compiled.leave();
        match result {
            FAILED => Outcome::Returned(Err(Failed)),
            EXIT => Outcome::GoOn(self.left(number)),
            value => Outcome::Returned(Ok(Value(value))),
        }
    }

    /// A unit was left early: returns where the interpreter continues.
    fn left(&mut self, number: usize) -> usize {
        self.failed_assumption(number, self.context.exit_why);
        self.context.exit_pc as usize
    }

    /// Converts the frame pointer of a unit to a stack index.
    fn index(&self, fp: *mut u64) -> usize {
        (fp.addr() - self.stack.as_ptr().addr()) / size_of::<u64>()
    }

    /// Returns the end of the frame, beyond which no value lives.
    fn top(&self, fp: usize) -> usize {
        fp + usize::from(self.template(self.running(fp)).registers)
    }
}

/// Converts a result for machine code.
fn word(result: Result<Value, Failed>) -> u64 {
    result.map_or(FAILED, |value| value.0)
}

/// Returns the VM of a helper's caller.
///
/// # Safety
/// The context is the one that the calling unit got, and no other code uses the VM until the helper returns.
unsafe fn vm<'a>(context: *mut Context) -> &'a mut Vm<'a> {
    // SAFETY: the context is where the VM begins, and `run_native` leaves the VM alone while a unit runs.
    unsafe { &mut *context.cast::<Vm<'a>>() }
}

/// Helpers. Each gets the VM, and the index of the frame if the unit passes a frame.
macro_rules! helpers {
    ($($name:ident($vm:ident $($fp:ident)?; $($argument:ident),*) $(-> $result:ty)? $body:block)*) => {$(
        unsafe extern "C" fn $name(context: *mut Context $(, $fp: *mut u64)? $(, $argument: u64)*) $(-> $result)? {
            // SAFETY: units pass on the context that they got.
            let $vm = unsafe { vm(context) };
            $(let $fp = $vm.index($fp);)?
            $body
        }
    )*};
}

helpers! {
    combine(vm fp; operator, left, right) -> u64 {
        word(vm.combine(vm.top(fp), Operator::ALL[operator as usize], Value(left), Value(right)))
    }

    compare(vm; or_equal, left, right) -> u64 {
        let order = if or_equal == 0 { Order::Less } else { Order::LessOrEqual };
        word(vm.compare(order, Value(left), Value(right)))
    }

    equal(vm; left, right) -> u64 {
        vm.equal(Value(left), Value(right)).0
    }

    set_global(vm; global, value) {
        vm.set_global(global as u16, Value(value));
    }

    function(vm fp; template, first, count) -> u64 {
        vm.make_function(vm.top(fp), template as u16, fp + first as usize, count as u8).0
    }

    array(vm fp; first, count) -> u64 {
        vm.make_array(vm.top(fp), fp + first as usize, count as u8).0
    }

    filled(vm fp; length, fill) -> u64 {
        word(vm.make_filled(vm.top(fp), vm.register(fp, length as u8), fp + fill as usize))
    }

    call(vm fp; base, arguments) -> u64 {
        word(vm.call(fp + base as usize, arguments as u8))
    }

    resume(vm fp;) -> u64 {
        let number = vm.running(fp);
        let pc = vm.left(number);
        word(vm.interpret(number, fp, pc))
    }

    overflow(vm;) -> u64 {
        word(vm.overflow())
    }

    print(vm; value) {
        vm.print(Value(value));
    }

    collect(vm fp;) {
        vm.collect(vm.top(fp), 0);
    }
}
