# `just` lists these.
_default:
    @just --list

# All tests; skipped ones say what they lack.
test:
    cargo test --workspace

# The command lines of every platform against fixtures/golden.
golden:
    cargo test -p mjit-cc-platforms --test golden

# Take the present command lines as right.
bless:
    SNAPSHOTS=overwrite cargo test -p mjit-cc-platforms --test golden
    SNAPSHOTS=overwrite cargo test --test cli messages

# The worker's protocol, explored by loom.
models:
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release --lib --no-default-features models

# The worker under everything at once, for MJIT_CC_SOAK_SECONDS or 10,000 units; MJIT_CC_SOAK_SEED repeats one.
soak:
    cargo build --example fake-cc
    MJIT_CC_SOAK_SECONDS=${MJIT_CC_SOAK_SECONDS:-600} cargo test --test soak -- --nocapture

# Programs of several units, merged and not: all must be equal. MJIT_CC_CAMPAIGN_SEED repeats one, _FROM goes on (tests/campaign/main.rs).
campaign programs="20000":
    MJIT_CC_CAMPAIGN_SEED="${MJIT_CC_CAMPAIGN_SEED:-$(date +%s)}" MJIT_CC_CAMPAIGN_PROGRAMS={{programs}} cargo test --release --test campaign -- --include-ignored --nocapture

# Damaged objects in front of the linker that is inside the process (tests/mutate/main.rs). MJIT_CC_MUTATE_SEED repeats a run.
mutate objects="100000":
    MJIT_CC_MUTATE_OBJECTS={{objects}} cargo test --release --test mutate -- --nocapture

# Strange bytes for everything that reads what others write, so many seconds a target (tests/fuzz/main.rs). MJIT_CC_FUZZ_SEED repeats a run.
fuzz seconds="60":
    MJIT_CC_FUZZ_SECONDS={{seconds}} cargo test --test fuzz -- --nocapture

# What this tool costs beside the compilers, and the worker a VM's threads.
bench:
    cargo bench

# Whether the benches work, not how fast.
bench-short:
    cargo bench -- --short

# The C libraries, shared and static, in target/release; include/mjitcc.h goes with them.
capi:
    cargo rustc --release --lib --no-default-features --features capi --crate-type cdylib,staticlib

# The VM in C, interpreted and compiled.
c-host: capi
    cc -std=c11 -O2 -D_POSIX_C_SOURCE=200809L -Iinclude examples/c-host/*.c -o target/release/c-host \
        -Ltarget/release -lmjitcc -Wl,-rpath,"$PWD/target/release"
    target/release/c-host --fork

# The Rust tests that cross unsafe code, and the VM in C, under the address sanitizer, leaks included. Rust's own library is not
# instrumented; the switch for that is a nightly one, which RUSTC_BOOTSTRAP allows.
asan:
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan
    cargo build --target {{arch()}}-unknown-linux-gnu --example fake-cc
    cargo test --target {{arch()}}-unknown-linux-gnu --lib --test capi --test worker

# All attacks of tests/attack, some hours; a part of it by its name, as in `just attack kills`. MJIT_CC_ATTACK_DEADLINE is what a run may
# take, in seconds.
attack part="":
    MJIT_CC_ATTACK=all cargo test --test attack -- --nocapture {{part}}

# The worker's tests and the library's own under the thread sanitizer. Rust's own library must be instrumented too, or each of its locks and
# channels looks like a race; so its source is needed: `rustup component add rust-src`.
tsan:
    #!/usr/bin/env bash
    set -euo pipefail
    [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] || { echo "no source of Rust's library: rustup component add rust-src"; exit 1; }
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/tsan TSAN_OPTIONS=halt_on_error=1 RUSTFLAGS=-Zsanitizer=thread
    cargo build -Zbuild-std --target {{arch()}}-unknown-linux-gnu --example fake-cc
    cargo test -Zbuild-std --target {{arch()}}-unknown-linux-gnu --lib --test worker

# The hosts in C that are no good citizens, with the sanitizers of addresses and of undefined behaviour in the hosts: what the library writes for
# them is checked. `just asan` has the library itself under them.
asan-hosts:
    MJIT_CC_HOST_FLAGS="-fsanitize=address,undefined" ASAN_OPTIONS=detect_leaks=0 cargo test --test capi -- hosts::

# The header and the hosts as musl's compiler reads them, and units that musl's compiler makes. The library itself needs Rust's own library
# for musl, which `rustup target add x86_64-unknown-linux-musl` brings where that may be downloaded.
musl:
    MJIT_CC_REQUIRE=musl-gcc cargo test --test real --test capi -- musl

# Forks, announced and not, for MJIT_CC_FORKS rounds of three and of one.
forks:
    MJIT_CC_FORKS=${MJIT_CC_FORKS:-100} cargo test --test capi --test worker -- fork

# The VM in C under valgrind.
valgrind:
    cargo test --test capi valgrind

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --lib --no-default-features -- -D warnings
    cargo clippy --lib --no-default-features --features capi -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The book as HTML, in target/book, after the checks of its links, examples and numbers. `cargo install mdbook` installs what makes HTML.
docs:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo test --test docs
    cargo test --doc
    if command -v mdbook >/dev/null; then
        mdbook build docs --dest-dir "$PWD/target/book"
    else
        echo "the book was checked and not built: cargo install mdbook"
    fi

# The picture of a terminal in README and the book, with what the tool prints now.
demo:
    cargo build --release
    docs/demo.sh target/release/mjit-cc

# Which compilers are here.
toolchains:
    cargo run --quiet -- doctor

# What the continuous integration does.
ci:
    bash .ci/run

# The tool as a Windows program, under Wine; installs what that takes.
windows:
    bash .ci/windows
