//! Takes secrets out of texts before anybody sees them. Refuses to know where a text comes from.

use std::sync::Arc;

/// Parts of a variable's name that say that its value is a secret.
const TELLING: [&str; 9] = [
    "TOKEN",
    "PASSWORD",
    "PASSWD",
    "SENHA",
    "SECRET",
    "KEY",
    "AUTH",
    "CREDENTIAL",
    "HEADERS",
];
/// What stands in the place of a secret.
pub const MASK: &str = "***";
/// Shorter values would mask ordinary text.
const SHORTEST: usize = 4;

/// The secrets of one run's environment.
#[derive(Debug, Clone, Default)]
pub struct Mask(Arc<[String]>);

impl Mask {
    /// Takes the values of those `variables` whose names say secret or stand in `marked`.
    pub fn new<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        marked: &[String],
    ) -> Self {
        let secrets = variables
            .into_iter()
            .filter(|(name, value)| value.len() >= SHORTEST && is_secret(name, marked));
        let mut values: Vec<_> = secrets.map(|(_, value)| value.to_owned()).collect();
        // A secret that holds another one is masked whole.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self(values.into())
    }

    /// `text` without secrets.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.0.iter().filter(|secret| !secret.is_empty()) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        text
    }
}

/// Whether the value of a variable is a secret: its name says so, or stands in `marked`.
#[must_use]
pub fn is_secret(name: &str, marked: &[String]) -> bool {
    let upper = name.to_ascii_uppercase();
    TELLING.iter().any(|part| upper.contains(part)) || marked.iter().any(|marked| marked == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_telling_and_of_marked_names_are_masked_and_others_are_not() {
        let variables = [
            ("API_TOKEN", "abcd1234"),
            ("PLAIN", "visible"),
            ("MARKED", "hidden-value"),
            ("db_password", "p4ss"),
        ];
        let mask = Mask::new(variables, &["MARKED".to_owned()]);
        assert_eq!(
            mask.apply("abcd1234 visible hidden-value p4ss"),
            "*** visible *** ***"
        );
    }

    #[test]
    fn a_secret_that_holds_another_one_leaves_nothing_of_itself() {
        let mask = Mask::new([("A_KEY", "abcd"), ("B_KEY", "abcd-efgh")], &[]);
        assert_eq!(mask.apply("x abcd-efgh y"), "x *** y");
    }
}
