//! What stands in an observation beside the words of people: tries, the reason of a failure, who works on the record.

use super::vocabulary::{read_tries, write_tries};

/// What marks the line that says why the last try failed.
const ERROR_LINE: &str = "Erro: ";
/// What marks who works on the record; it stands before the tries.
const HOLDER: &str = "[POSSE:";
/// The longest reason, characters: an installation may have little room.
const LONGEST: usize = 500;

/// An observation, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observation {
    /// The words of people, and the reason of a failure.
    pub(super) text: String,
    /// How often the record was tried.
    pub(super) tries: u32,
    /// Who works on it, where the store cannot say it otherwise.
    pub(super) holder: Option<String>,
}

impl Observation {
    pub(super) fn read(observation: &str) -> Self {
        let (rest, tries) = read_tries(observation);
        let held = rest
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once(HOLDER));
        let held = held.filter(|(_, holder)| !holder.contains(['[', ']']));
        let (text, holder) = match held {
            Some((text, holder)) => (text.trim_end(), Some(holder.trim().to_owned())),
            None => (rest, None),
        };
        Self {
            text: text.to_owned(),
            tries,
            holder,
        }
    }

    /// The observation as it is stored: text, holder, tries.
    pub(super) fn written(&self) -> String {
        let Some(holder) = &self.holder else {
            return write_tries(&self.text, self.tries);
        };
        let held = format!("{} {HOLDER} {holder}]", self.text);
        write_tries(held.trim_start(), self.tries)
    }

    /// The same text, tried so often and held by nobody.
    pub(super) fn tried(&self, tries: u32) -> Self {
        Self {
            text: self.text.clone(),
            tries,
            holder: None,
        }
    }

    /// The text without the reason of an earlier failure; neither tries nor holder.
    pub(super) fn without_error(&self) -> Self {
        let is_kept = |line: &&str| !line.starts_with(ERROR_LINE);
        let lines: Vec<&str> = self.text.lines().filter(is_kept).collect();
        Self {
            text: lines.join("\n"),
            ..Self::default()
        }
    }

    /// The text with the reason of a failure on a line of its own; neither tries nor holder.
    pub(super) fn with_error(&self, reason: &str) -> Self {
        let reason: String = reason.replace('\n', " ").chars().take(LONGEST).collect();
        let line = format!("{ERROR_LINE}{reason}");
        let mut observation = self.without_error();
        observation.text = if observation.text.is_empty() {
            line
        } else {
            format!("{}\n{line}", observation.text)
        };
        observation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holder_and_tries_are_read_as_they_are_written_and_the_tries_stand_at_the_end() {
        for (text, tries, holder) in [
            ("", 0, None),
            ("Ver com o jurídico.", 2, None),
            ("", 1, Some("a1")),
            ("nota [sic]", 3, Some("a1")),
        ] {
            let observation = Observation {
                text: text.to_owned(),
                tries,
                holder: holder.map(str::to_owned),
            };
            let written = observation.written();
            assert_eq!(Observation::read(&written), observation, "{written}");
            assert!(
                tries == 0 || written.ends_with(&format!("[TENT: {tries}/3]")),
                "{written}"
            );
        }
    }

    #[test]
    fn the_reason_of_a_failure_has_one_line_and_goes_with_the_next_success() {
        let first = Observation::read("nota [POSSE: x] [TENT: 1/3]").with_error("a\nb");
        assert_eq!(first.written(), "nota\nErro: a b");
        let second = first.with_error("c");
        assert_eq!(second.written(), "nota\nErro: c");
        assert_eq!(second.without_error().written(), "nota");
    }
}
