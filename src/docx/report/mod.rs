//! The report of a comparison: one HTML file, in Portuguese, that needs nothing else.
//!
//! No script, no image, no font from elsewhere, and a policy that forbids them. It is told names, dates and clauses;
//! it asks no clock and no store. Every text from a document is escaped.

mod document;
mod place;
mod policy;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::compare::{Category, Comparison, Modification};
use super::model::{Document, Warning};
use place::Places;

const STYLE: &str = include_str!("style.css");

/// What the report says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The heading: `Contrato 12/2024, versão 3`.
    pub title: String,
    /// The name of the old document.
    pub old_name: String,
    /// Its date, as it shall stand there; may be empty.
    pub old_date: String,
    /// The name of the new document.
    pub new_name: String,
    /// Its date, as it shall stand there; may be empty.
    pub new_date: String,
    /// When the report was made, as it shall stand there.
    pub generated_at: String,
    /// Further lines: name and value.
    pub facts: Vec<(String, String)>,
}

/// The clause that a modification was linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseNote {
    /// The clause's number and name.
    pub name: String,
    /// How it was found, with the score: `caminho, 0,93`.
    pub method: String,
    /// Whether a person should look at the link.
    pub needs_review: bool,
}

/// Renders the report.
///
/// `clauses` has an entry for each of [`Comparison::modifications`], in their order; a shorter list leaves the rest
/// without a clause. The result is a whole HTML document in UTF-8.
#[must_use]
pub fn render(
    comparison: &Comparison,
    (old, new): (&Document, &Document),
    header: &Header,
    clauses: &[Option<ClauseNote>],
) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="pt-BR" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy::policy(STYLE));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { "Comparação: " (visible(&header.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.pular href="#documento" { "Ir para o documento" }
                (top(comparison, header))
                main {
                    (warnings("antes", &old.warnings))
                    (warnings("depois", &new.warnings))
                    (modifications(&comparison.modifications, clauses, &Places::new(comparison, (old, new))))
                    (formatting(&comparison.formatting))
                    (document::document(&comparison.script, old, new))
                }
                footer { p { "Gerado em " (visible(&header.generated_at)) " pelo orquestrador." } }
            }
        }
    };
    page.into_string()
}

fn top(comparison: &Comparison, header: &Header) -> Markup {
    let with_date = |name: &str, date: &str| {
        if date.is_empty() {
            name.to_owned()
        } else {
            format!("{name} ({date})")
        }
    };
    html! {
        header {
            h1 { "Comparação: " (visible(&header.title)) }
            dl.dados {
                dt { "Antes" } dd { (visible(&with_date(&header.old_name, &header.old_date))) }
                dt { "Depois" } dd { (visible(&with_date(&header.new_name, &header.new_date))) }
                dt { "Gerado em" } dd { (visible(&header.generated_at)) }
                @for (name, value) in &header.facts {
                    dt { (visible(name)) } dd { (visible(value)) }
                }
            }
            h2 { "Resumo" }
            ul.resumo {
                @for category in Category::ALL {
                    @let count = comparison.summary.by_category.get(&category).copied().unwrap_or(0);
                    li { strong { (count) } " " (plural(category, count)) }
                }
                li { strong { (comparison.summary.revisions) } " revisões de conteúdo" }
                li { strong { (percent(comparison.summary.likeness)) } " de semelhança" }
            }
        }
    }
}

fn warnings(side: &str, warnings: &[Warning]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            section.avisos aria-label={ "Avisos do documento de " (side) } {
                h2 { "Avisos do documento de " (side) }
                ul { @for warning in warnings { li { (visible(&warning.message())) } } }
            }
        }
    }
}

fn modifications(
    entries: &[Modification],
    clauses: &[Option<ClauseNote>],
    places: &Places<'_>,
) -> Markup {
    html! {
        section {
            h2 #modificacoes { "Modificações (" (entries.len()) ")" }
            @if entries.is_empty() {
                p { "Nenhuma modificação de conteúdo." }
            } @else {
                table.lista {
                    thead { tr {
                        th scope="col" { "Nº" }
                        th scope="col" { "Categoria" }
                        th scope="col" { "Antes" }
                        th scope="col" { "Depois" }
                        th scope="col" { "Cláusula" }
                        th scope="col" { "Trecho" }
                    } }
                    tbody {
                        @for (index, entry) in entries.iter().enumerate() {
                            (row(index, (entry, &places.of(entry)), clauses.get(index).and_then(Option::as_ref)))
                        }
                    }
                }
            }
        }
    }
}

fn row(index: usize, (entry, place): (&Modification, &str), clause: Option<&ClauseNote>) -> Markup {
    html! {
        tr #{ "m" (index + 1) } {
            th scope="row" { (index + 1) }
            td { span.selo.(entry.category.as_str()) { (label(entry.category)) } }
            td { @if entry.before.is_empty() { span.vazio { "(nada)" } } @else { del { (visible(&entry.before)) } } }
            td {
                @if entry.after.is_empty() { span.vazio { "(nada)" } } @else { ins { (visible(&entry.after)) } }
                @if ![&entry.before, &entry.after].contains(&&entry.content) {
                    p.contexto { (visible(&entry.content)) }
                }
                @if entry.category == Category::Movimentacao { p.contexto { (visible(&entry.change)) } }
            }
            td {
                @if let Some(clause) = clause {
                    (visible(&clause.name))
                    p.contexto { (visible(&clause.method)) }
                    @if clause.needs_review { p.revisar { "conferir a ligação" } }
                } @else { span.vazio { "sem cláusula" } }
            }
            td {
                a href={ "#" (anchor(entry.story, entry.edit)) } { "ver no documento: " (entry.location) }
                @if !place.is_empty() { p.contexto { (visible(place)) } }
            }
        }
    }
}

fn formatting(entries: &[Modification]) -> Markup {
    html! {
        @if !entries.is_empty() {
            section {
                h2 { "Formatação (" (entries.len()) ")" }
                ul {
                    @for entry in entries {
                        li {
                            q { (visible(&entry.content)) } ": " (visible(&entry.change)) " "
                            a href={ "#" (anchor(entry.story, entry.edit)) } { "ver no documento: " (entry.location) }
                        }
                    }
                }
            }
        }
    }
}

/// The id of an edit's row.
fn anchor(story: usize, edit: usize) -> String {
    format!("e{story}-{edit}")
}

fn label(category: Category) -> &'static str {
    match category {
        Category::Inclusao => "+ Inclusão",
        Category::Remocao => "− Remoção",
        Category::Modificacao => "± Modificação",
        Category::Comentario => "✎ Comentário",
        Category::Formatacao => "¶ Formatação",
        Category::Movimentacao => "⇄ Movimentação",
    }
}

fn plural(category: Category, count: usize) -> &'static str {
    match (category, count) {
        (Category::Inclusao, 1) => "inclusão",
        (Category::Inclusao, _) => "inclusões",
        (Category::Remocao, 1) => "remoção",
        (Category::Remocao, _) => "remoções",
        (Category::Modificacao, 1) => "modificação",
        (Category::Modificacao, _) => "modificações",
        (Category::Comentario, 1) => "comentário",
        (Category::Comentario, _) => "comentários",
        (Category::Formatacao, 1) => "mudança de formatação",
        (Category::Formatacao, _) => "mudanças de formatação",
        (Category::Movimentacao, 1) => "movimentação",
        (Category::Movimentacao, _) => "movimentações",
    }
}

/// Thousandths as a Portuguese percentage.
fn percent(thousandths: u32) -> String {
    format!("{},{}%", thousandths / 10, thousandths % 10)
}

/// Text without characters that turn the direction of what follows, so that nothing in the report reads backwards.
fn visible(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            '\u{c}' => '\n',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::model::{Link, Paragraph, Story, StoryKind};
    use super::*;

    fn document(text: &str) -> Document {
        let mut story = Story::new(StoryKind::Body, "word/document.xml", "");
        story.paragraphs.push(Paragraph {
            text: text.to_owned(),
            ..Paragraph::default()
        });
        Document {
            stories: vec![story],
            ..Document::default()
        }
    }

    #[test]
    fn text_of_a_document_is_escaped_and_no_script_can_run() {
        let (old, new) = (
            document("<script>alert(1)</script> um"),
            document("<script>alert(1)</script> dois"),
        );
        let header = Header {
            title: "<b>".to_owned(),
            ..Header::default()
        };
        let html = render(&compare(&old, &new), (&old, &new), &header, &[]);
        assert!(!html.contains("<script"));
        assert!(html.contains("&lt;script&gt;"));
        assert!(html.contains("default-src 'none'"));
        assert!(!html.contains("<b>"));
    }

    #[test]
    fn only_web_and_mail_addresses_become_links() {
        let mut new = document("um dois tres");
        let link = |start, target: &str| Link {
            start,
            end: start + 2,
            target: target.to_owned(),
        };
        if let Some(paragraph) = new
            .stories
            .first_mut()
            .and_then(|story| story.paragraphs.first_mut())
        {
            paragraph.links = vec![
                link(0, "javascript:alert(1)"),
                link(3, "https://exemplo.com/\"x"),
            ];
        }
        let old = document("um dois");
        let html = render(&compare(&old, &new), (&old, &new), &Header::default(), &[]);
        assert!(!html.contains("href=\"javascript"));
        assert!(html.contains("href=\"https://exemplo.com/&quot;x\""));
    }

    #[test]
    fn every_entry_of_the_list_leads_to_a_place_in_the_document() {
        let (old, new) = (
            document("um texto que muda aqui"),
            document("um texto que mudou aqui"),
        );
        let comparison = compare(&old, &new);
        let html = render(&comparison, (&old, &new), &Header::default(), &[]);
        for entry in &comparison.modifications {
            assert!(html.contains(&format!("id=\"{}\"", anchor(entry.story, entry.edit))));
        }
        assert_eq!(comparison.modifications.len(), 1);
    }
}
