//! The W3C trace context, as plain text-able values. Refuses to know any tracing library.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The trace and span that something belongs to (W3C Trace Context, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceContext {
    /// 16 bytes, not all zero.
    pub trace_id: u128,
    /// 8 bytes, not all zero.
    pub span_id: u64,
    /// Whether the span is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// A recorded span, by what [`Self::trace_id_hex`] and [`Self::span_id_hex`] gave.
    #[must_use]
    pub fn from_hex(trace_id: &str, span_id: &str) -> Option<Self> {
        Some(Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            sampled: true,
        })
    }

    /// What a `traceparent` header says (W3C Trace Context, section 3.2); none when it is not right. Versions to come
    /// may say more behind a hyphen.
    #[must_use]
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let is_hex = |part: &str, length| {
            let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            part.len() == length && part.bytes().all(digits)
        };
        let mut parts = text.trim().splitn(5, '-');
        let mut next = |length| parts.next().filter(|part| is_hex(part, length));
        let (version, trace_id, span_id, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let is_whole = parts.next().is_none();
        if version == "ff" || (version == "00" && !is_whole) {
            return None;
        }
        let context = Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// The trace id in 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The span id in 16 hexadecimal digits.
    #[must_use]
    pub fn span_id_hex(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

impl From<TraceContext> for String {
    fn from(context: TraceContext) -> Self {
        context.to_string()
    }
}

impl TryFrom<String> for TraceContext {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_traceparent(&text).ok_or("no traceparent")
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent` header's value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(
            formatter,
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.span_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_form_is_the_traceparent_header() {
        let context = TraceContext {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(
            context.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        );
    }

    #[test]
    fn a_traceparent_is_read_back_and_one_that_the_standard_forbids_is_none() {
        let right = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::from_traceparent(right).expect("right");
        assert_eq!(context.to_string(), right);
        let unsampled = right.replace("-01", "-00");
        assert!(
            !TraceContext::from_traceparent(&unsampled)
                .expect("right")
                .sampled
        );
        let later = right.replace("00-4", "cc-4") + "-what-the-future-will-be-like";
        assert!(TraceContext::from_traceparent(&later).is_some());
        for wrong in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::from_traceparent(wrong), None, "{wrong}");
        }
    }
}
