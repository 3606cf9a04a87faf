//! Changes that no word shows: targets of links, and formatting of text that stayed.

use std::ops::Range;

use super::super::super::model::{Document, Link, Paragraph};
use super::super::formatting::{Reformat, describe, stretches};
use super::super::modification::Category;
use super::super::tokens::{line_text, readable};
use super::Lister;

/// A paragraph in which more stretches than this are reformatted is listed as far as that.
pub(super) const MANY: usize = 200;

impl Lister<'_> {
    /// Hyperlinks whose text stayed and whose target did not.
    pub(super) fn links(&mut self, index: usize, old: usize, new: usize) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old),
            self.new.1.paragraphs.get(new),
        ) else {
            return;
        };
        if targets(&left.links) == targets(&right.links) {
            return;
        }
        let count = left.links.len().max(right.links.len());
        for position in 0..count {
            let (one, other) = (left.links.get(position), right.links.get(position));
            let target = |link: Option<&Link>| {
                link.map_or("(nenhum)", |link| link.target.as_str())
                    .to_owned()
            };
            let (before, after) = (target(one), target(other));
            if before == after {
                continue;
            }
            let text = other.map_or_else(|| linked(left, one), |link| linked(right, Some(link)));
            let (start, end) = other.map_or((0, 0), |link| (link.start, link.end));
            let paths = (self.new.1.path(new, start), self.new.1.path(new, end));
            let change = format!("destino do link: \"{before}\" → \"{after}\"");
            self.push(
                index,
                (Category::Modificacao, text, change),
                paths,
                (before, after),
            );
        }
    }

    pub(super) fn paragraph_format(&mut self, index: usize, old: usize, new: usize) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old),
            self.new.1.paragraphs.get(new),
        ) else {
            return;
        };
        if left.format != right.format {
            let whole = Reformat {
                new: 0..right.text.len(),
                before: left.format,
                after: right.format,
            };
            self.push_format(index, new, &whole, "parágrafo: ");
        }
    }

    pub(super) fn run_formats(
        &mut self,
        index: usize,
        old: (usize, Range<usize>),
        new: (usize, usize),
    ) {
        let (Some(left), Some(right)) = (
            self.old.1.paragraphs.get(old.0),
            self.new.1.paragraphs.get(new.0),
        ) else {
            return;
        };
        for stretch in stretches(left, right, old.1, new.1).into_iter().take(MANY) {
            self.push_format(index, new.0, &stretch, "");
        }
    }

    fn push_format(&mut self, index: usize, new: usize, stretch: &Reformat, prefix: &str) {
        let name =
            |document: &Document, key: u64| document.formats.get(&key).cloned().unwrap_or_default();
        let (before, after) = (
            name(self.old.0, stretch.before),
            name(self.new.0, stretch.after),
        );
        let change = format!("{prefix}{}", describe(&before, &after));
        let paragraph = self.new.1.paragraphs.get(new);
        let text = paragraph
            .and_then(|paragraph| paragraph.text.get(stretch.new.clone()))
            .unwrap_or_default();
        let paths = (
            self.new.1.path(new, stretch.new.start),
            self.new.1.path(new, stretch.new.end),
        );
        self.push(
            index,
            (Category::Formatacao, text.to_owned(), change),
            paths,
            (before, after),
        );
    }
}

fn targets(links: &[Link]) -> Vec<&str> {
    links.iter().map(|link| link.target.as_str()).collect()
}

fn linked(paragraph: &Paragraph, link: Option<&Link>) -> String {
    let text = link.and_then(|link| paragraph.text.get(link.start..link.end));
    text.map_or_else(|| readable(&line_text(paragraph)), str::to_owned)
}
