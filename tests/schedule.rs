//! The next instants of cron patterns beside those of another implementation: cronsim, which keeps Debian cron's rules.
//!
//! Its answers lie in `tests/schedule/instants.tsv`, with the script that made them beside them.

#![expect(clippy::expect_used, reason = "tests")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use orquestrador::schedule::Cron;

/// Patterns on which we differ, with the reason.
const DIFFERENT: &[(&str, &str)] = &[];

fn seconds(text: &str) -> i64 {
    text.parse().expect("seconds")
}

#[test]
fn five_hundred_random_patterns_in_six_zones_give_the_instants_of_another_implementation() {
    let mut count = 0;
    let mut different = Vec::new();
    for line in include_str!("schedule/instants.tsv").lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [pattern, zone, start, expected] = fields.as_slice() else {
            continue;
        };
        count += 1;
        let cron = Cron::new(pattern, TimeZone::get(zone).expect("a zone")).expect("a pattern");
        let start = Timestamp::from_second(seconds(start)).expect("in range");
        let expected: Vec<_> = expected.split_whitespace().map(seconds).collect();
        let found: Vec<_> =
            std::iter::successors(cron.next_after(start), |at| cron.next_after(*at))
                .take(6)
                .map(Timestamp::as_second)
                .collect();
        if found != expected && !DIFFERENT.iter().any(|(known, _)| known == pattern) {
            different.push(format!("{line}\n  found {found:?}"));
        }
    }
    assert_eq!(count, 500);
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
