//! `orquestrador`: a Prometheus-native, observability-first orchestrator of batch processors.
//!
//! The main path: `main.rs` -> [`app`] -> [`engine`]. `docs/DESIGN.md` tells the rest.

pub mod app;
pub mod cli;
pub mod config;
pub mod distributed;
pub mod docx;
pub mod domain;
pub mod engine;
pub mod history;
pub mod http;
pub mod instance;
pub mod process;
pub mod processors;
pub mod records;
pub mod schedule;
pub mod signals;
pub mod telemetry;
