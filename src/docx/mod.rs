//! Pure document logic: reading a .docx, its tags, comparing two documents, reporting the difference.
//!
//! Bytes in, values out: nothing here touches the disk, the network, the clock or the records' store.

pub mod compare;
mod hash;
pub mod limits;
pub mod model;
mod package;
mod read;
pub mod report;
pub mod tags;
mod text;
mod xml;

pub use compare::{Category, Comparison, Modification, compare, compare_until};
pub use limits::{Limit, Limits, ReadError};
pub use model::Document;
pub use read::{read, read_until};
