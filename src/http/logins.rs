//! Who may read: HTTP basic authentication (RFC 7617) against bcrypt hashes. Refuses to tell a wrong name from a wrong
//! password, by words or by time.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

/// Refused credentials that are remembered, so that a client that insists costs one hash.
const REMEMBERED: usize = 100;
/// Credentials that wait for the one that is being checked, at most.
const QUEUE: usize = 16;
/// The cost of the decoy without a user to take it from.
const USUAL_COST: u32 = 10;

/// The digest of a user's name with a password.
type Digest = [u8; 32];

/// Users, and what is known of credentials that were tried.
pub(super) struct Logins {
    /// The hash of each user's password.
    users: HashMap<String, String>,
    /// A hash of the highest cost among them that no password has.
    decoy: String,
    known: Mutex<Known>,
    /// Hashing is meant to be slow: one at a time, so that guessing takes one core at most.
    one: Semaphore,
    queue: Semaphore,
}

#[derive(Default)]
struct Known {
    granted: HashSet<Digest>,
    refused: HashSet<Digest>,
}

/// Why somebody may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// No credentials, or wrong ones.
    Unauthorized,
    /// Too many are being checked.
    Busy,
}

impl Logins {
    /// `users` are names with bcrypt hashes; without any, everybody may read.
    pub(super) fn new(users: &[(String, String)]) -> Self {
        let cost = |hash: &String| hash.split('$').nth(2)?.parse().ok();
        let cost = users.iter().filter_map(|(_, hash)| cost(hash)).max();
        Self {
            users: users.iter().cloned().collect(),
            decoy: format!("$2b${:02}${}", cost.unwrap_or(USUAL_COST), ".".repeat(53)),
            known: Mutex::default(),
            one: Semaphore::new(1),
            queue: Semaphore::new(QUEUE),
        }
    }

    /// Lets those through whose `Authorization` holds a user and that user's password.
    pub(super) async fn check(&self, authorization: Option<&str>) -> Result<(), Denial> {
        if self.users.is_empty() {
            return Ok(());
        }
        let Some((user, password)) = authorization.and_then(credentials) else {
            return Err(Denial::Unauthorized);
        };
        let digest = digest(&user, &password);
        if let Some(known) = self.known(&digest) {
            return known;
        }
        let _place = self.queue.try_acquire().map_err(|_| Denial::Busy)?;
        let _turn = self.one.acquire().await.map_err(|_| Denial::Busy)?;
        if let Some(known) = self.known(&digest) {
            return known;
        }
        let found = self.users.get(&user);
        let is_user = found.is_some();
        let hash = found.unwrap_or(&self.decoy).clone();
        let verified =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let is_right = verified.await.unwrap_or(false) && is_user;
        self.remember(digest, is_right);
        if is_right {
            Ok(())
        } else {
            Err(Denial::Unauthorized)
        }
    }

    fn known(&self, digest: &Digest) -> Option<Result<(), Denial>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.granted.contains(digest) {
            return Some(Ok(()));
        }
        known
            .refused
            .contains(digest)
            .then_some(Err(Denial::Unauthorized))
    }

    /// Only right credentials get into the first set, so that it stays as small as the list of users.
    fn remember(&self, digest: Digest, is_right: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right {
            known.granted.insert(digest);
            return;
        }
        if known.refused.len() >= REMEMBERED {
            known.refused.clear();
        }
        known.refused.insert(digest);
    }
}

/// The user and the password of `Basic` credentials.
fn credentials(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn digest(user: &str, password: &str) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(user.len().to_le_bytes());
    hasher.update(user);
    hasher.update(password);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    fn logins() -> Logins {
        let hash = bcrypt::hash("abre-te sésamo", 4).expect("a hash");
        Logins::new(&[("ana".to_owned(), hash)])
    }

    #[tokio::test]
    async fn the_right_password_opens_and_anything_else_does_not() {
        let logins = logins();
        let right = basic("ana", "abre-te sésamo");
        assert_eq!(logins.check(Some(&right)).await, Ok(()));
        assert_eq!(logins.check(Some(&right)).await, Ok(()), "remembered");
        let wrong = [
            basic("ana", "abre-te"),
            basic("bia", "abre-te sésamo"),
            basic("ana", ""),
            basic("", "abre-te sésamo"),
            "Basic ???".to_owned(),
            "Basic".to_owned(),
            format!("Bearer {}", STANDARD.encode("ana:abre-te sésamo")),
            format!("Basic {}", STANDARD.encode("sem dois pontos")),
        ];
        for credentials in &wrong {
            for _ in 0..2 {
                let denied = logins.check(Some(credentials)).await;
                assert_eq!(denied, Err(Denial::Unauthorized), "{credentials}");
            }
        }
        assert_eq!(logins.check(None).await, Err(Denial::Unauthorized));
        assert_eq!(
            Logins::new(&[]).check(None).await,
            Ok(()),
            "no users, no login"
        );
    }

    /// The time in which a wrong password is refused that nobody has tried.
    async fn refusal(logins: &Logins, user: &str, guess: usize) -> Duration {
        let wrong = basic(user, &format!("palpite {guess}"));
        let began = Instant::now();
        let denied = logins.check(Some(&wrong)).await;
        let elapsed = began.elapsed();
        assert_eq!(denied, Err(Denial::Unauthorized));
        elapsed
    }

    #[tokio::test]
    async fn an_unknown_user_costs_a_hash_like_a_known_one() {
        let logins = logins();
        let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
        for guess in 0..3 {
            known = known.min(refusal(&logins, "ana", guess).await);
            unknown = unknown.min(refusal(&logins, "bia", guess).await);
        }
        // Without a hash it would be some hundredth part.
        assert!(unknown * 4 >= known, "{unknown:?} instead of {known:?}");
        let parts: bcrypt::HashParts = logins.decoy.parse().expect("a hash");
        assert_eq!(parts.get_cost(), 4, "the cost of the users' hashes");
        for password in ["", "abre-te sésamo"] {
            assert!(
                matches!(bcrypt::verify(password, &logins.decoy), Ok(false)),
                "the decoy is worked through, and matches nothing"
            );
        }
    }

    #[tokio::test]
    async fn refused_credentials_are_remembered_in_bounds_and_never_push_out_granted_ones() {
        let logins = logins();
        let right = basic("ana", "abre-te sésamo");
        assert_eq!(logins.check(Some(&right)).await, Ok(()));
        let count = || {
            let known = logins.known.lock().expect("not poisoned");
            (known.granted.len(), known.refused.len())
        };
        for guess in 0..REMEMBERED {
            let guess = basic("ana", &guess.to_string());
            assert!(logins.check(Some(&guess)).await.is_err());
        }
        assert_eq!(count(), (1, REMEMBERED));
        let last = basic("ana", "a última");
        assert!(logins.check(Some(&last)).await.is_err());
        let (granted, refused) = count();
        assert_eq!(granted, 1);
        assert!((1..=REMEMBERED).contains(&refused), "{refused}");
        // Nothing can be hashed now, and both are known.
        let _turn = logins.one.acquire().await;
        let told = |credentials| logins.check(Some(credentials)).now_or_never();
        assert_eq!(told(&last), Some(Err(Denial::Unauthorized)));
        assert_eq!(told(&right), Some(Ok(())));
    }
}
