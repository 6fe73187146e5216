//! Inputs: a path or standard input becomes bytes.
//!
//! Comes in: a path, `-`, a folder or a glob. Goes out: bytes, memory-mapped where they can be,
//! decompressed where they must be. What the bytes mean is not known here. Bounds: a stream holds
//! only the window that its reader asks for.
