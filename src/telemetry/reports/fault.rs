//! Why a report is refused: a closed set, which is also a metric label.

use std::fmt;

/// Why a report, or a part of it, is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Fault {
    /// More bytes than are read, or a label longer than is kept.
    TooLarge,
    /// No plain file.
    Unreadable,
    /// A line that is not of text format 0.0.4, or a series twice.
    Syntax,
    /// No type, a type that we do not sum, a counter without `_total`, or a timestamp.
    Unsupported,
    /// A counter or a bucket that is negative, infinite, no number, or that decreases.
    InvalidValue,
    /// The family has another type already.
    TypeConflict,
    /// The histogram has other bounds already.
    BucketMismatch,
    /// The name would mean two things in OpenMetrics, such as `x` beside `x_total`.
    NameConflict,
    /// More series than a processor may have.
    TooManySeries,
    /// Reserved names or labels were left out; the rest is served.
    Reserved,
}

impl Fault {
    pub(in crate::telemetry) const ALL: [Self; 10] = [
        Self::TooLarge,
        Self::Unreadable,
        Self::Syntax,
        Self::Unsupported,
        Self::InvalidValue,
        Self::TypeConflict,
        Self::BucketMismatch,
        Self::NameConflict,
        Self::TooManySeries,
        Self::Reserved,
    ];

    /// The metric label.
    pub(in crate::telemetry) fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::Unsupported => "unsupported",
            Self::InvalidValue => "invalid_value",
            Self::TypeConflict => "type_conflict",
            Self::BucketMismatch => "bucket_mismatch",
            Self::NameConflict => "name_conflict",
            Self::TooManySeries => "too_many_series",
            Self::Reserved => "reserved",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}
