//! Says of each unit whether it can be merged behind a preprocessed header: `cargo run --example why -- HEADER.i UNIT.c…`
#![allow(clippy::print_stdout, missing_docs, reason = "an example")]

use std::fs;

use mjit_cc_ctext::{Member, Surroundings, merge};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let header = fs::read(arguments.next().expect("a preprocessed header")).expect("a readable header");
    let began = std::time::Instant::now();
    let surroundings = Surroundings::read(&header).expect("a header that can be analyzed");
    println!("header: {:?}", began.elapsed());
    let names: Vec<String> = arguments.collect();
    let texts: Vec<Vec<u8>> = names.iter().map(|name| fs::read(name).expect("a readable unit")).collect();
    let members: Vec<Member<'_>> =
        names.iter().zip(&texts).map(|(name, text)| Member { name, entries: None, text }).collect();
    let began = std::time::Instant::now();
    let group = merge(&members, &surroundings, b"");
    println!(
        "{} of {} units merged, {} bytes saved: {:?}",
        group.units.len(),
        members.len(),
        group.saved,
        began.elapsed()
    );
    for left_out in &group.left_out {
        println!("{}: {}", names[left_out.index], left_out.reason);
    }
}
