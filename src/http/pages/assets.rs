//! Style, script and icon, which are part of the program. Their addresses name their content, so browsers may keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use crate::http::encoding;
use crate::http::problem::Problem;

/// The route of all of them.
pub(in crate::http) const ROUTE: &str = "/estatico/{arquivo}";

/// Browsers need not ask again.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// One of them.
pub(super) struct Asset {
    text: &'static str,
    kind: &'static str,
    address: LazyLock<String>,
}

pub(super) static STYLE: Asset = Asset {
    text: include_str!("pagina.css"),
    kind: "text/css; charset=utf-8",
    address: LazyLock::new(|| address(include_str!("pagina.css"), "css")),
};
pub(super) static SCRIPT: Asset = Asset {
    text: include_str!("pagina.js"),
    kind: "text/javascript; charset=utf-8",
    address: LazyLock::new(|| address(include_str!("pagina.js"), "js")),
};
pub(super) static ICON: Asset = Asset {
    text: include_str!("icone.svg"),
    kind: "image/svg+xml",
    address: LazyLock::new(|| address(include_str!("icone.svg"), "svg")),
};

impl Asset {
    /// Its address, which changes with its content.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}

fn address(text: &str, extension: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let first = hash.iter().take(8);
    let short = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("/estatico/{short:016x}.{extension}")
}

/// Answers one of them.
pub(in crate::http) async fn serve(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let found = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| {
        let address = asset.address();
        address.strip_prefix("/estatico/") == Some(name.as_str())
    });
    let Some(asset) = found else {
        return Problem::not_found("não há arquivo com este nome nesta versão").into_response();
    };
    let mut response = encoding::answer(asset.text.as_bytes().to_vec(), asset.kind, &asked);
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    response
}
