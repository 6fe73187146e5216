//! The `bothends` program.

fn main() {}
