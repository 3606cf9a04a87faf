//! The page at `/runbooks`: what to do about each alert. Drawn once, from `docs/runbooks.md`, which is part of the program.

use std::sync::LazyLock;

use maud::{DOCTYPE, PreEscaped, html};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

/// What the page is made from.
const SOURCE: &str = include_str!("../../docs/runbooks.md");

/// The whole page.
static PAGE: LazyLock<String> = LazyLock::new(|| page(SOURCE));

/// The whole page, the same for everybody.
pub(super) fn index() -> &'static str {
    &PAGE
}

fn page(source: &str) -> String {
    let (events, alerts) = anchored(source);
    let mut body = String::with_capacity(2 * source.len());
    pulldown_cmark::html::push_html(&mut body, events.into_iter());
    let page = html! {
        (DOCTYPE)
        html lang="pt-BR" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Runbooks · Orquestrador de Processadores" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                header { p { a href="/" { "Orquestrador de Processadores" } } }
                nav aria-label="Alertas" {
                    @for (anchor, name) in &alerts { a href={ "#" (anchor) } { (name) } " " }
                }
                main { (PreEscaped(body)) }
            }
        }
    };
    page.into_string()
}

/// The events of the text, each alert's heading with its anchor; and anchor and name of each alert. HTML in the text is
/// left out.
fn anchored(source: &str) -> (Vec<Event<'_>>, Vec<(String, String)>) {
    let is_html = |event: &Event<'_>| {
        matches!(
            event,
            Event::Html(_)
                | Event::InlineHtml(_)
                | Event::Start(Tag::HtmlBlock)
                | Event::End(TagEnd::HtmlBlock)
        )
    };
    let mut events = Vec::new();
    let mut alerts = Vec::new();
    let mut heading = None;
    for event in Parser::new(source).filter(|event| !is_html(event)) {
        match &event {
            Event::Start(Tag::Heading {
                level: HeadingLevel::H2,
                ..
            }) => heading = Some((events.len(), String::new())),
            Event::Text(text) => {
                if let Some((_, name)) = &mut heading {
                    name.push_str(text);
                }
            }
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => {
                if let Some((start, name)) = heading.take() {
                    let anchor = anchor(&name);
                    if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(start) {
                        *id = Some(anchor.clone().into());
                    }
                    alerts.push((anchor, name));
                }
            }
            _ => {}
        }
        events.push(event);
    }
    (events, alerts)
}

/// The name of a heading as a part of an address, as `runbook_url` has it.
fn anchor(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_of_an_alert_has_its_anchor_and_stands_in_the_list() {
        let page = index();
        assert!(page.contains("<h2 id=\"ProcessorStale\">ProcessorStale</h2>"));
        assert!(page.contains("<a href=\"#ProcessorStale\">ProcessorStale</a>"));
        assert_eq!(
            page.matches("<h2 id=\"").count(),
            SOURCE.matches("\n## ").count()
        );
    }

    #[test]
    fn html_in_the_text_is_left_out() {
        let page =
            page("## A\n\n<script>alert(1)</script>\n\nb <img src=x onerror=alert(1)> c & d");
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert!(page.contains("c &amp; d"), "{page}");
    }
}
