//! The page at `/runbooks`: what to do about each alert. Drawn once, from `docs/runbooks.md`, which is part of the program.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use super::layout::{self, Place};
use super::{answer, words};

/// What the page is made from.
const SOURCE: &str = include_str!("../../../docs/runbooks.md");

/// The whole page.
static PAGE: LazyLock<Markup> = LazyLock::new(|| page(SOURCE));

pub(super) async fn runbooks(asked: HeaderMap) -> Response {
    answer(StatusCode::OK, &PAGE, &asked)
}

fn page(source: &str) -> Markup {
    let (events, alerts) = anchored(source);
    let mut body = String::with_capacity(2 * source.len());
    pulldown_cmark::html::push_html(&mut body, events.into_iter());
    let content = html! {
        nav.indice aria-label=(words::ALERTS) {
            @for (anchor, name) in &alerts { a href={ "#" (anchor) } { (name) } " " }
        }
        article.texto { (PreEscaped(body)) }
    };
    layout::page(words::RUNBOOKS, Place::Runbooks, None, &content)
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
        let page = &PAGE.0;
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
            page("## A\n\n<script>alert(1)</script>\n\nb <img src=x onerror=alert(1)> c & d").0;
        let (_, article) = page.split_once("<article").expect("the text");
        assert!(
            !article.contains("<script") && !article.contains("<img"),
            "{article}"
        );
        assert!(article.contains("c &amp; d"), "{article}");
    }
}
