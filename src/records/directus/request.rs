//! What is sent to Directus. Knows neither time nor connection.

use std::borrow::Cow;

use reqwest::Method;
use serde_json::Value;

/// The largest answer that is read, bytes; a file has a limit of its own.
pub(super) const ANSWER_LIMIT: u64 = 32 * 1024 * 1024;

/// Which failures a request is made again after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// After every passing one: doing it twice is as good as once.
    Always,
    /// Only if it surely was not carried out.
    Undone,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The parts of the path below the base address, as they are.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(Cow<'static, str>, String)>,
    /// Media type and bytes.
    pub(super) body: Option<(String, Vec<u8>)>,
    pub(super) repeat: Repeat,
    /// The largest answer, bytes.
    pub(super) limit: u64,
}

impl Request {
    pub(super) fn new(method: Method, path: &[&str]) -> Self {
        let repeat = if method == Method::GET {
            Repeat::Always
        } else {
            Repeat::Undone
        };
        Self {
            method,
            path: path.iter().map(|&part| part.to_owned()).collect(),
            query: Vec::new(),
            body: None,
            repeat,
            limit: ANSWER_LIMIT,
        }
    }

    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn query(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    pub(super) fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json".to_owned(), body.to_string().into_bytes()));
        self
    }

    /// What it is told by.
    pub(super) fn name(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}
