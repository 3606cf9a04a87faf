//! What the `OTEL_*` variables ask for (OpenTelemetry specification: SDK environment variables, OTLP exporter).

use std::time::Duration;

use super::TraceError;

/// Time for one batch, all attempts; the specification's default of 10 s is longer than our shutdown.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Spans that may wait; the specification's default.
const QUEUE: usize = 2048;
/// Room for more would be taken whether it is used or not.
const LARGEST_QUEUE: usize = 1 << 20;

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// One kind of telemetry, in the variables' words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    pub(super) exporter: &'static str,
    pub(super) endpoint: &'static str,
    pub(super) protocol: &'static str,
    pub(super) timeout: &'static str,
    pub(super) queue: &'static str,
}

pub(super) const TRACES: Signal = Signal {
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    queue: "OTEL_BSP_MAX_QUEUE_SIZE",
};

pub(super) const LOGS: Signal = Signal {
    exporter: "OTEL_LOGS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
    queue: "OTEL_BLRP_MAX_QUEUE_SIZE",
};

/// An export that is asked for. Endpoint, headers and compression are read by the exporter itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
    pub(super) queue: usize,
    /// User and password in the endpoint's address, which no error may show.
    pub(super) credentials: Option<String>,
}

/// What is asked for; none when nothing is.
///
/// # Errors
///
/// A setting that is wrong, or that this version cannot honour.
pub(super) fn read<'a>(
    signal: Signal,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<Option<Asked>, TraceError> {
    let either = |own, general| {
        let found = variable(own).map(|value| (own, value));
        found.or_else(|| variable(general).map(|value| (general, value)))
    };
    let is_disabled =
        variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match variable(signal.exporter) {
        Some("none") => return Ok(None),
        None | Some("otlp") => {}
        Some(other) => {
            return Err(TraceError::UnknownExporter(
                signal.exporter,
                other.to_owned(),
            ));
        }
    }
    let endpoint = either(signal.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT");
    let Some((name, endpoint)) = endpoint.filter(|_| !is_disabled) else {
        return Ok(None);
    };
    if endpoint.starts_with("https:") {
        return Err(TraceError::Https(name));
    }
    let protocol = match either(signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL") {
        None | Some((_, "http/protobuf")) => Protocol::Http,
        Some((_, "grpc")) => Protocol::Grpc,
        Some((name, other)) => return Err(TraceError::UnknownProtocol(name, other.to_owned())),
    };
    let timeout = either(signal.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT")
        .and_then(|(_, value)| value.parse().ok())
        .filter(|milliseconds| *milliseconds > 0)
        .map_or(TIMEOUT, Duration::from_millis);
    let queue = variable(signal.queue)
        .and_then(|value| value.parse().ok())
        .filter(|size| (1..=LARGEST_QUEUE).contains(size))
        .unwrap_or(QUEUE);
    let authority = endpoint.split("//").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let credentials = authority.rsplit_once('@').map(|(user, _)| user.to_owned());
    Ok(Some(Asked {
        protocol,
        timeout,
        queue,
        credentials,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &'static str)]) -> Result<Option<Asked>, TraceError> {
        let variable = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value)
        };
        read(TRACES, variable)
    }

    const ENDPOINT: (&str, &str) = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://um:dois@coletor:4318/x",
    );

    #[test]
    fn without_an_endpoint_or_when_switched_off_nothing_is_asked_for() {
        for pairs in [
            vec![],
            vec![ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(asked(&pairs).expect("right"), None, "{pairs:?}");
        }
    }

    #[test]
    fn a_variable_of_the_signal_wins_over_the_general_one_and_nonsense_in_a_number_leaves_the_default()
     {
        let pairs = [
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "700"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "-7"),
        ];
        let expected = Asked {
            protocol: Protocol::Grpc,
            timeout: Duration::from_millis(1500),
            queue: QUEUE,
            credentials: Some("um:dois".to_owned()),
        };
        assert_eq!(asked(&pairs).expect("right"), Some(expected));
        let default = asked(&[ENDPOINT]).expect("right").expect("asked");
        assert_eq!(
            (default.protocol, default.timeout),
            (Protocol::Http, TIMEOUT)
        );
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_the_variable_that_says_it() {
        for (pair, name) in [
            (("OTEL_TRACES_EXPORTER", "zipkin"), "OTEL_TRACES_EXPORTER"),
            (
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ),
            (
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://coletor"),
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            ),
        ] {
            let error = asked(&[ENDPOINT, pair]).expect_err("refused").to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}
