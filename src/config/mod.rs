//! Text, environment and flags in; settings, or every problem found, out. Starts nothing and writes nothing.

mod defaults;
mod difference;
mod distribution;
mod documents;
mod environment;
mod file;
mod instances;
mod options;
mod problem;
mod processors;
mod settings;
mod show;
mod table;
mod timing;
mod value;
mod web;

pub use difference::{difference, difference_from, unreloadable, unreloadable_from};
pub use distribution::{DistributionSettings, NatsCredentials};
pub use documents::{CATEGORIES, DocumentSettings, STATES, StoreRules, StoreWords};
pub use environment::Environment;
pub use options::Flags;
pub use problem::{ConfigError, Problem};
pub use settings::{Loaded, Settings, Source, StoreChoice, load};
pub use show::{hash, processor_hash, show};
pub use web::{ClientAuth, TlsConfig, WebConfig, WebSettings, web};
