//! A delay that spreads starts: always the same for the same name. Refuses chance.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Between zero and `most`, in whole milliseconds, by `name` alone: the same after every restart and on every machine.
#[must_use]
pub fn jitter(name: &str, most: Duration) -> Duration {
    let digest = Sha256::digest(name.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(digest.get(..8).unwrap_or(&[0; 8]));
    let span = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(u64::from_be_bytes(first) % span.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_always_gives_the_same_delay_within_the_bound_and_names_differ() {
        let most = Duration::from_mins(1);
        let delays: Vec<_> = (0..200).map(|i| jitter(&format!("p{i}"), most)).collect();
        assert!(delays.iter().all(|delay| *delay <= most));
        assert_eq!(delays[7], jitter("p7", most));
        let early = delays.iter().filter(|delay| **delay < most / 2).count();
        assert!(
            (60..=140).contains(&early),
            "{early} of 200 in the first half"
        );
        assert_eq!(jitter("p7", Duration::ZERO), Duration::ZERO);
    }
}
