//! Which format and which encoding a reader asks for (RFC 9110, sections 12.4.2, 12.5.1 and 12.5.3).

/// A text format of the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4, the default.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The exact `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header prefers. OpenMetrics only when it is named; text for whatever we do not know.
    #[must_use]
    pub fn negotiated(accept: &str) -> Self {
        // The most specific range that matches text counts for it.
        let mut text = (0, 0.0);
        let mut open_metrics = 0.0_f64;
        for range in accept.split(',').map(Range::parse) {
            let specific = match range.media.as_str() {
                "application/openmetrics-text" if range.has_version("1.0.0") => {
                    open_metrics = range.quality.max(open_metrics);
                    continue;
                }
                "text/plain" if range.has_version("0.0.4") => 3,
                "text/*" => 2,
                "*/*" => 1,
                _ => continue,
            };
            if specific > text.0 {
                text = (specific, range.quality);
            }
        }
        // Of equal worth, the richer one.
        if open_metrics > 0.0 && open_metrics >= text.1 {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// Whether an `Accept-Encoding` header asks for gzip.
#[must_use]
pub fn accepts_gzip(accept_encoding: &str) -> bool {
    let ranges: Vec<_> = accept_encoding.split(',').map(Range::parse).collect();
    let named = |name: &str| ranges.iter().find(|range| range.media == name);
    let range = named("gzip")
        .or_else(|| named("x-gzip"))
        .or_else(|| named("*"));
    range.is_some_and(|range| range.quality > 0.0)
}

/// One element of such a header, in lower case.
struct Range {
    media: String,
    version: Option<String>,
    /// Between 0 and 1.
    quality: f64,
}

impl Range {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        let mut range = Self {
            media: parts.next().unwrap_or_default(),
            version: None,
            quality: 1.0,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "version" => range.version = Some(value.to_owned()),
                // A weight that cannot be read asks for nothing.
                "q" => {
                    let weight = value.parse().unwrap_or(0.0_f64);
                    range.quality = if weight.is_nan() {
                        0.0
                    } else {
                        weight.clamp(0.0, 1.0)
                    };
                }
                _ => {}
            }
        }
        range
    }

    fn has_version(&self, version: &str) -> bool {
        self.version.as_deref().is_none_or(|asked| asked == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_answered_when_it_is_named_and_nothing_is_preferred_to_it() {
        let open_metrics = [
            // Prometheus 2.42 and 3.x.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text",
            "text/plain, Application/OpenMetrics-Text; version=\"1.0.0\"",
        ];
        for accept in open_metrics {
            assert_eq!(Format::negotiated(accept), Format::OpenMetrics, "{accept}");
        }
        let text = [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0.5, */*",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=abc",
            "application/openmetrics-text;version=2.0.0",
            "application/json",
        ];
        for accept in text {
            assert_eq!(Format::negotiated(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn gzip_is_used_only_when_it_is_asked_for() {
        for header in ["gzip", "deflate, gzip;q=0.5", "*", "GZIP"] {
            assert!(accepts_gzip(header), "{header}");
        }
        for header in ["", "identity", "gzip;q=0", "br", "gzip;q=0, *"] {
            assert!(!accepts_gzip(header), "{header}");
        }
    }
}
