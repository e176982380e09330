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

# What this tool costs beside the compilers, and the worker a VM's threads.
bench:
    cargo bench --bench overhead
    cargo bench --bench latency

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --lib --no-default-features -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Which compilers are here.
toolchains:
    cargo run --quiet -- doctor

# What the continuous integration does.
ci:
    bash .ci/run

# The tool as a Windows program, under Wine; installs what that takes.
windows:
    bash .ci/windows
