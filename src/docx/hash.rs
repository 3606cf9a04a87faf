//! Two hashes: a fast one for formatting and structure, and a strong one for stored bytes.
//!
//! This module knows nothing of documents.

use sha2::{Digest, Sha256};

/// FNV-1a of 64 bits: stable between runs and machines, not meant to withstand an attacker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes and a separator, so that `ab`,`c` differs from `a`,`bc`.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(std::iter::once(&0xff)) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

/// The first 128 bits of SHA-256, in hexadecimal.
pub(super) fn strong(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut text = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strong_hash_is_the_beginning_of_sha_256() {
        assert_eq!(strong(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
    }
}
