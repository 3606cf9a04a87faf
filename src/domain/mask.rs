//! Takes secrets out of texts before anybody sees them. Refuses to know where a text comes from.

use std::borrow::Cow;
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
/// Lines of a secret of several lines are secrets of their own from this length on.
const SHORTEST_LINE: usize = 8;

/// The secrets of one run's environment, in every spelling that programs print.
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
        Self::sorted(secrets.flat_map(|(_, value)| spellings(value)).collect())
    }

    /// The secrets of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        if other.0.is_empty() {
            return self.clone();
        }
        Self::sorted(self.0.iter().chain(other.0.iter()).cloned().collect())
    }

    /// A secret that holds another one is masked whole, so the longest come first.
    fn sorted(mut values: Vec<String>) -> Self {
        values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        values.dedup();
        Self(values.into())
    }

    /// `text` without secrets.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut masked = Cow::Borrowed(text);
        for secret in self.0.iter() {
            if masked.contains(secret.as_str()) {
                masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
            }
        }
        masked.into_owned()
    }

    /// Length of the longest secret, bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }

    /// The last place at or before `wanted` where `bytes` can be cut without tearing a secret, if all that begin
    /// before `wanted` are whole in it.
    #[must_use]
    pub fn safe_cut(&self, bytes: &[u8], wanted: usize) -> usize {
        let mut cut = wanted;
        loop {
            let torn = self
                .0
                .iter()
                .filter_map(|secret| torn_at(bytes, secret.as_bytes(), cut))
                .min();
            match torn {
                Some(begin) => cut = begin,
                None => return cut,
            }
        }
    }
}

/// Where an occurrence of `secret` begins that a cut at `cut` would tear.
fn torn_at(bytes: &[u8], secret: &[u8], cut: usize) -> Option<usize> {
    let first = cut.saturating_sub(secret.len() - 1);
    (first..cut).find(|begin| {
        bytes
            .get(*begin..)
            .is_some_and(|rest| rest.starts_with(secret))
    })
}

/// Whether the value of a variable is a secret: its name says so, or stands in `marked`.
#[must_use]
pub fn is_secret(name: &str, marked: &[String]) -> bool {
    let upper = name.to_ascii_uppercase();
    TELLING.iter().any(|part| upper.contains(part)) || marked.iter().any(|marked| marked == name)
}

/// A secret as it stands, its lines, and as it stands in JSON (RFC 8259) and in a URL (RFC 3986).
fn spellings(secret: &str) -> Vec<String> {
    let lines = secret
        .lines()
        .filter(|line| secret.lines().nth(1).is_some() && line.trim().len() >= SHORTEST_LINE);
    let mut all: Vec<_> = lines
        .flat_map(|line| [line.to_owned(), line.trim().to_owned()])
        .collect();
    all.push(secret.to_owned());
    all.push(secret.trim().to_owned());
    let plain = all.clone();
    all.extend(plain.iter().flat_map(|text| {
        [
            in_json(text),
            in_url(text),
            in_url(text).replace("%20", "+"),
        ]
    }));
    all.retain(|text| text.len() >= SHORTEST);
    all
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(&quoted)
        .to_owned()
}

fn in_url(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let spell = |byte: u8| {
        if is_plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(spell).collect()
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

    #[test]
    fn a_secret_is_known_in_json_in_a_url_and_by_each_of_its_lines() {
        let mask = Mask::new([("A_KEY", "se\"nha é\nsegunda linha")], &[]);
        for text in [
            "se\\\"nha é\\nsegunda linha",
            "se%22nha%20%C3%A9%0Asegunda%20linha",
            "segunda linha",
        ] {
            assert_eq!(mask.apply(text), MASK, "{text}");
        }
    }

    #[test]
    fn a_cut_never_tears_a_secret() {
        let mask = Mask::new([("A_KEY", "secret"), ("B_KEY", "xxsec")], &[]);
        assert_eq!(mask.safe_cut(b"..xxsecret..", 6), 2);
        assert_eq!(mask.safe_cut(b"....secret..", 4), 4);
        assert_eq!(mask.safe_cut(b"....secret..", 10), 10);
    }
}
