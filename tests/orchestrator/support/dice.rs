//! Chance that can be told: what a random round needs to be repeated.

use std::fs;
use std::io::Read as _;

/// Rounds at a random moment; `make test-longo` sets more.
pub(crate) fn rounds() -> u64 {
    let text = std::env::var("ORQUESTRADOR_TEST_RODADAS").unwrap_or_default();
    text.parse().unwrap_or(20)
}

/// Numbers by chance, repeatable by the seed that is told.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    #[expect(clippy::print_stdout, reason = "shown when a test fails")]
    pub(crate) fn new() -> Self {
        let given = std::env::var("ORQUESTRADOR_TEST_SEMENTE").ok();
        let seed = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let mut bytes = [0; 8];
            let mut source = fs::File::open("/dev/urandom").unwrap();
            source.read_exact(&mut bytes).unwrap();
            u64::from_le_bytes(bytes) | 1
        });
        println!("ORQUESTRADOR_TEST_SEMENTE={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
