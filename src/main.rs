//! The program; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A log of a gigabyte is some ten million small pieces of text.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    bothends::cli::main()
}
