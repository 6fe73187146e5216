//! The targets that are named after what they read: one for each row of the registry of protocols, and TLS.
#![no_main]

#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::dialogue(env!("CARGO_BIN_NAME"), data));
