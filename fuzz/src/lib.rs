//! The document logic alone, compiled from the program's own files.
//!
//! It depends on nothing else of the program, so a fuzzer need not build the rest with its instruments.

#[path = "../../src/docx/mod.rs"]
pub mod docx;
