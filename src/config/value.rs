//! One parser for each kind of value, the same for flags, variables and file. Refuses to know which key it reads.
//!
//! Each error is a fragment in Portuguese that says what was found and what was expected.

use std::net::IpAddr;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::domain::{LogFormat, Mode, OnFailure, ProcessorName};
use crate::schedule::{self, Cron};

/// The longest duration that is taken for serious.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A value, or what was expected instead.
pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "sim" => Ok(true),
        "false" | "0" | "nao" | "não" => Ok(false),
        _ => Err(format!(
            "{text:?} não é um booleano; esperado true, false, 1, 0, sim ou nao"
        )),
    }
}

pub(super) fn mode(text: &str) -> Parsed<Mode> {
    [Mode::Parallel, Mode::Sequential]
        .into_iter()
        .find(|mode| mode.word() == text)
        .ok_or_else(|| format!("{text:?} não é um modo; esperado paralelo ou sequencial"))
}

pub(super) fn on_failure(text: &str) -> Parsed<OnFailure> {
    [OnFailure::Stop, OnFailure::Continue]
        .into_iter()
        .find(|choice| choice.word() == text)
        .ok_or_else(|| format!("{text:?} não é uma opção; esperado parar ou continuar"))
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    [LogFormat::Console, LogFormat::Json]
        .into_iter()
        .find(|format| format.word() == text)
        .ok_or_else(|| format!("{text:?} não é um formato; esperado console ou json"))
}

pub(super) fn name(text: &str) -> Parsed<ProcessorName> {
    ProcessorName::try_from(text.to_owned())
        .map_err(|error| format!("{text:?} não é um nome; {error}"))
}

pub(super) fn port(text: &str) -> Parsed<u16> {
    text.parse().map_err(|_| {
        format!("{text:?} não é uma porta; esperado de 0 a 65535 (0: uma porta livre)")
    })
}

pub(super) fn address(text: &str) -> Parsed<IpAddr> {
    text.parse().map_err(|_| {
        format!("{text:?} não é um endereço IP; esperado por exemplo 127.0.0.1 ou 0.0.0.0")
    })
}

/// A bare number is seconds; `90s`, `5m`, `1h30m`, `500ms` too. Never negative, at most a year.
pub(super) fn duration(text: &str) -> Parsed<Duration> {
    let expected = "esperado um número de segundos ou um texto como 90s, 5m ou 1h30m";
    let seconds = text.parse().ok().map(SignedDuration::from_secs);
    let parsed = seconds
        .or_else(|| text.parse().ok())
        .ok_or_else(|| format!("{text:?} não é uma duração; {expected}"))?;
    let duration =
        Duration::try_from(parsed).map_err(|_| format!("{text:?} é negativo; {expected}"))?;
    if duration > LONGEST {
        return Err(format!("{text:?} é tempo demais; o máximo são 366 dias"));
    }
    Ok(duration)
}

/// A duration that is not zero.
pub(super) fn positive_duration(text: &str) -> Parsed<Duration> {
    let duration = duration(text)?;
    if duration.is_zero() {
        Err(format!("{text:?} é zero; esperado mais do que zero"))
    } else {
        Ok(duration)
    }
}

/// A cron pattern, as it was written.
pub(super) fn cron(text: &str) -> Parsed<String> {
    match Cron::new(text, TimeZone::UTC) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("{text:?} {error}")),
    }
}

/// The IANA name of a time zone.
pub(super) fn zone(text: &str) -> Parsed<String> {
    match schedule::zone(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(format!(
            "{text:?} não é um fuso conhecido; esperado por exemplo America/Sao_Paulo ou UTC"
        )),
    }
}

/// Bytes of a buffer: a bare number, or one with KiB, MiB or GiB; at most 1 GiB.
pub(super) fn size(text: &str) -> Parsed<usize> {
    let bytes = bytes(text)
        .filter(|bytes| *bytes <= 1 << 30)
        .and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| {
        format!("{text:?} não é um tamanho; esperado por exemplo 65536, 64KiB ou 10MiB, até 1GiB")
    })
}

/// Bytes of a limit: as [`size`], but not zero.
pub(super) fn limit_size(text: &str) -> Parsed<u64> {
    match size(text)? {
        0 => Err(format!("{text:?} é zero; esperado mais do que zero")),
        bytes => Ok(bytes as u64),
    }
}

/// A word of a documents' store, in lower case.
pub(super) fn store_word(text: &str) -> Parsed<String> {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    if (1..=64).contains(&text.chars().count()) && text.chars().all(is_word) {
        return Ok(text.to_lowercase());
    }
    Err(format!(
        "{text:?} não é uma palavra; esperadas de 1 a 64 letras, dígitos, _ ou -"
    ))
}

/// Bytes of memory, from 1 MiB to 1 TiB.
pub(super) fn memory(text: &str) -> Parsed<u64> {
    let bytes = bytes(text).filter(|bytes| (1 << 20..=1 << 40).contains(bytes));
    bytes.ok_or_else(|| {
        format!(
            "{text:?} não é uma memória; esperado por exemplo 512MiB ou 2GiB, de 1MiB a 1024GiB"
        )
    })
}

fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let with_unit = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = with_unit.unwrap_or((text, 0));
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The word of a documents' store.
pub(super) fn store_kind(text: &str) -> Parsed<String> {
    match text {
        "embutido" | "directus" => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} não é um armazenamento; esperado embutido ou directus"
        )),
    }
}

/// The address of a Directus instance.
pub(super) fn backend_url(text: &str) -> Parsed<()> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
        _ => Err(
            "não é um endereço; esperado por exemplo https://directus.exemplo.com.br".to_owned(),
        ),
    }
}

/// An address with a place for a trace's id; empty for none.
pub(super) fn trace_link(text: &str) -> Parsed<String> {
    let is_address = ["http://", "https://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    if text.is_empty() || (is_address && is_plain && text.contains("{trace_id}")) {
        return Ok(text.to_owned());
    }
    Err("esperado um endereço http:// ou https:// que contenha {trace_id}, ou vazio".to_owned())
}

/// Where alerts can be seen.
pub(super) fn alerts<'a>(words: impl Iterator<Item = &'a str>) -> Parsed<Vec<String>> {
    let known = ["maquina", "webhook", "email", "batimento"];
    let words: Vec<_> = words.map(|word| word.trim().to_owned()).collect();
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        None => Ok(words),
        Some(word) => Err(format!(
            "{word:?} não é um lugar de alertas; esperados {}",
            known.join(", ")
        )),
    }
}

/// The address of a Pushgateway.
pub(super) fn pushgateway(text: &str) -> Parsed<String> {
    let rest = text.strip_prefix("http://").unwrap_or_default();
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_graphic() && !"?#".contains(c));
    if rest.is_empty() || rest.starts_with('/') || !is_plain {
        let expected = "não é um endereço http:// de um Pushgateway; esperado por exemplo http://localhost:9091";
        return Err(expected.to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds_and_units_are_understood() {
        for (text, seconds) in [
            ("60", 60.0),
            ("90s", 90.0),
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("500ms", 0.5),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn negative_zero_absurd_and_senseless_durations_are_refused_with_the_text_in_the_message() {
        for bad in [
            "-5",
            "0",
            "-1m",
            "abc",
            "",
            "400d",
            "99999999999999999999",
            "1 fortnight",
        ] {
            let message = positive_duration(bad).expect_err(bad);
            assert!(message.contains(bad), "{bad}: {message}");
        }
    }

    #[test]
    fn booleans_are_read_in_any_case_and_anything_else_is_refused() {
        for (text, value) in [
            ("TRUE", true),
            ("Sim", true),
            ("1", true),
            ("false", false),
            ("NAO", false),
            ("0", false),
        ] {
            assert_eq!(boolean(text), Ok(value), "{text}");
        }
        assert!(boolean("yes").is_err());
    }

    #[test]
    fn a_port_lies_between_0_and_65535() {
        assert_eq!(port("0"), Ok(0));
        assert_eq!(port("65535"), Ok(65535));
        for bad in ["-1", "65536", "http"] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_know_binary_units_and_their_limit() {
        assert_eq!(size("64KiB"), Ok(65536));
        assert_eq!(size("10"), Ok(10));
        for bad in ["2GiB", "64KB", "-1", "", "99999999999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
