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

# What this tool costs beside the compilers.
bench:
    cargo bench --bench overhead

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
