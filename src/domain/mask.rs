//! Takes secrets out of texts before anybody sees them. Refuses to know where a text comes from.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

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
pub struct Mask {
    /// Longest first.
    secrets: Arc<[String]>,
    /// Finds them all in one pass; none when there are none.
    finder: Option<AhoCorasick>,
}

impl Mask {
    /// Takes the values of those `variables` whose names say secret or stand in `marked`.
    pub fn new<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        marked: &[String],
    ) -> Self {
        let secrets = variables
            .into_iter()
            .filter(|(name, value)| value.len() >= SHORTEST && is_secret(name, marked));
        Self::of(secrets.flat_map(|(_, value)| spellings(value)).collect())
    }

    /// The secrets of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        if other.secrets.is_empty() {
            return self.clone();
        }
        Self::of(
            self.secrets
                .iter()
                .chain(other.secrets.iter())
                .cloned()
                .collect(),
        )
    }

    /// Where secrets begin at one place, the longest is masked, so that nothing of it is left.
    fn of(mut secrets: Vec<String>) -> Self {
        if secrets.is_empty() {
            return Self::default();
        }
        secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.dedup();
        let builder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&secrets);
        // Building fails only beyond 2^31 bytes of secrets; `apply` hides everything then.
        Self {
            finder: builder.ok(),
            secrets: secrets.into(),
        }
    }

    /// `text` without secrets.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        match &self.finder {
            Some(finder) => finder.replace_all(text, &vec![MASK; self.secrets.len()]),
            None if self.secrets.is_empty() => text.to_owned(),
            None => MASK.to_owned(),
        }
    }

    /// Length of the longest secret, bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.secrets.first().map_or(0, String::len)
    }

    /// The last place at or before `wanted` where `bytes` can be cut without tearing a secret, if all that begin
    /// before `wanted` are whole in it.
    #[must_use]
    pub fn safe_cut(&self, bytes: &[u8], wanted: usize) -> usize {
        let mut cut = wanted;
        loop {
            let torn = self
                .secrets
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
    let has_lines = secret.lines().nth(1).is_some();
    let lines = secret
        .lines()
        .filter(|line| has_lines && line.trim().len() >= SHORTEST_LINE);
    let mut all: Vec<_> = lines
        .flat_map(|line| [line.to_owned(), line.trim().to_owned()])
        .collect();
    all.push(secret.to_owned());
    all.push(secret.trim().to_owned());
    for text in all.clone() {
        let (whole, path) = (in_url(&text, b"-._~"), in_url(&text, b"-._~/"));
        all.extend([
            in_json(&text),
            in_ascii_json(&text),
            whole.replace("%20", "+"),
            path.replace("%20", "+"),
            whole,
            path,
        ]);
    }
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

/// JSON as many writers spell it, with everything beyond ASCII as `\\uXXXX`.
fn in_ascii_json(text: &str) -> String {
    let mut units = [0; 2];
    let mut spelled = String::new();
    for character in in_json(text).chars() {
        if character.is_ascii() {
            spelled.push(character);
        } else {
            spelled.extend(
                character
                    .encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            );
        }
    }
    spelled
}

/// Letters, digits and `plain` as they are, every other byte as `%XX`.
fn in_url(text: &str, plain: &[u8]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || plain.contains(&byte);
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
