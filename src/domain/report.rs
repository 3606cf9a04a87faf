//! What a processor reports of itself: the text of its metrics file, unread. Refuses to know the format.

use std::sync::Arc;

/// The longest report that is read, bytes.
pub const MAX_REPORT: usize = 1 << 20;

/// What one attempt left in its metrics file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The content, at most [`MAX_REPORT`] bytes.
    Content(Arc<[u8]>),
    /// It is longer than that.
    TooLarge,
    /// Something stands there that is no plain file, or cannot be read.
    Unreadable,
}
