//! What every page has: head, navigation, the shapes of outcomes, footer; and the one way in which an outcome is shown.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{assets, words};
use crate::domain::Outcome;

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Documents,
    Runbooks,
    Elsewhere,
}

/// The entries of the navigation.
const NAVIGATION: [(Place, &str, &str); 4] = [
    (Place::Overview, "/", words::OVERVIEW),
    (Place::Documents, "/documentos", words::DOCUMENTS),
    (Place::Runbooks, "/runbooks", words::RUNBOOKS),
    (Place::Elsewhere, "/metrics", words::METRICS),
];

/// A whole page; `events` is the address of its live events, if it has any.
pub(super) fn page(title: &str, place: Place, events: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="pt-BR" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (words::SHORT_PRODUCT) }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
                link rel="stylesheet" href=(assets::STYLE.address());
                script src=(assets::SCRIPT.address()) defer {}
            }
            body data-eventos=[events] data-desconectado=(words::DISCONNECTED) {
                a.pular href="#conteudo" { (words::SKIP_LINK) }
                (shapes())
                header.topo {
                    a.marca href="/" { (mark("cycle")) (words::SHORT_PRODUCT) }
                    nav aria-label=(words::MAIN_NAVIGATION) {
                        @for (entry, address, name) in NAVIGATION {
                            a href=(address) aria-current=[(entry == place && place != Place::Elsewhere).then_some("page")] { (name) }
                        }
                    }
                    @if events.is_some() { span #vivo role="status" hidden { (words::LIVE) } }
                }
                main #conteudo { (content) }
                footer {
                    p {
                        (words::PRODUCT) " " (env!("CARGO_PKG_VERSION")) " · "
                        a href="/status" { (words::STATUS_JSON) } " · "
                        a href="/health" { (words::HEALTH_JSON) } " · "
                        a href="/logs" { (words::OUTPUTS_JSON) }
                    }
                    @if events.is_some() { noscript { p { (words::WITHOUT_SCRIPT) } } }
                }
            }
        }
    }
}

/// Where a page stands below the overview.
pub(super) fn path(steps: &[(&str, &str)]) -> Markup {
    html! {
        nav.caminho aria-label=(words::PATH) {
            @for (number, (address, name)) in steps.iter().enumerate() {
                @if number > 0 { span aria-hidden="true" { "›" } }
                a href=(address) { (name) }
            }
        }
    }
}

/// A page that says what is not there, and why.
pub(super) fn absence(title: &str, reason: &str) -> Markup {
    let content = html! {
        div.vazio {
            h1 { (title) }
            p { (reason) }
            p { a href="/" { (words::BACK) } }
        }
    };
    page(title, Place::Elsewhere, None, &content)
}

/// A name with its value, in a list of facts.
pub(super) fn fact(name: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// One of the shapes.
pub(super) fn mark(name: &str) -> Markup {
    html! { svg.sinal aria-hidden="true" width="16" height="16" { use href={ "#s-" (name) } {} } }
}

/// An outcome with shape, colour and word.
pub(super) fn badge(label: &str) -> Markup {
    html! { span.selo.(class(label)) { (mark(label)) (words::outcome(label)) } }
}

/// The same for what has not ended.
pub(super) fn running_badge() -> Markup {
    html! { span.selo.correndo { (mark("running")) (words::RUNNING) } }
}

/// The same for a run of any state: none has not ended.
pub(super) fn badge_of(label: Option<&str>) -> Markup {
    label.map_or_else(running_badge, badge)
}

/// The class of an outcome's colour.
pub(super) fn class(label: &str) -> &'static str {
    match label {
        "success" => "bom",
        "failure" | "timeout" | "error" => "ruim",
        _ => "neutro",
    }
}

/// Outcome and reason of what was written down, as one value where it is known.
pub(super) fn outcome_of(
    label: Option<&str>,
    reason: Option<&str>,
    exit_code: Option<i32>,
) -> Option<Outcome> {
    Outcome::from_words(label?, reason, exit_code)
}

/// The shapes, each of its own form, so that nobody needs colour to tell them apart.
fn shapes() -> Markup {
    const SHAPES: &str = concat!(
        "<symbol id=\"s-success\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7\" fill=\"currentColor\"/><path d=\"M4.6 8.3l2.3 2.3 4.5-4.9\" fill=\"none\" stroke=\"var(--fundo)\" stroke-width=\"1.8\"/></symbol>",
        "<symbol id=\"s-failure\" viewBox=\"0 0 16 16\"><path d=\"M5 1h6l4 4v6l-4 4H5l-4-4V5z\" fill=\"currentColor\"/><path d=\"M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2\" stroke=\"var(--fundo)\" stroke-width=\"1.8\"/></symbol>",
        "<symbol id=\"s-timeout\" viewBox=\"0 0 16 16\"><path d=\"M2 1h12L9.6 8 14 15H2l4.4-7z\" fill=\"currentColor\"/></symbol>",
        "<symbol id=\"s-error\" viewBox=\"0 0 16 16\"><path d=\"M8 1l7.4 13.6H.6z\" fill=\"currentColor\"/><path d=\"M8 6v4m0 1.4v1.6\" stroke=\"var(--fundo)\" stroke-width=\"1.8\"/></symbol>",
        "<symbol id=\"s-cancellation\" viewBox=\"0 0 16 16\"><rect x=\"2\" y=\"2\" width=\"12\" height=\"12\" rx=\"1\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/><path d=\"M5 8h6\" stroke=\"currentColor\" stroke-width=\"2\"/></symbol>",
        "<symbol id=\"s-skip\" viewBox=\"0 0 16 16\"><path d=\"M3 3l5 5-5 5m5-10l5 5-5 5\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/></symbol>",
        "<symbol id=\"s-running\" viewBox=\"0 0 16 16\"><path d=\"M4 2l10 6-10 6z\" fill=\"currentColor\"/></symbol>",
        "<symbol id=\"s-none\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"6\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" stroke-dasharray=\"3 2.6\"/></symbol>",
        "<symbol id=\"s-warning\" viewBox=\"0 0 16 16\"><path d=\"M8 1l7.4 13.6H.6z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\"/><path d=\"M8 6v4m0 1.2v1.4\" stroke=\"currentColor\" stroke-width=\"1.8\"/></symbol>",
        "<symbol id=\"s-cycle\" viewBox=\"0 0 16 16\"><path d=\"M14 8a6 6 0 1 1-2-4.5\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.2\"/><path d=\"M14.6.8v4.4h-4.4z\" fill=\"currentColor\"/></symbol>",
    );
    html! { svg.formas aria-hidden="true" width="0" height="0" { (PreEscaped(SHAPES)) } }
}
