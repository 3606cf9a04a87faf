//! From the bytes of a .docx to a [`Document`]: which parts are read, and in which order.
//!
//! It knows the parts and their relationships; what they say is `text`'s, how they are stored `package`'s.

use std::collections::HashMap;

use super::hash;
use super::limits::{Limits, ReadError};
use super::model::{Document, Object, Place, StoryKind, Warning, WarningKind};
use super::package::{Package, Relationship};
use super::text::{Part, Target, read_part};
use super::xml::{Budget, Item, Ns, Xml};

/// The parts that hold stories beside the body, by the types of their relationships, in the order of reading.
const STORY_PARTS: [(StoryKind, &str); 5] = [
    (StoryKind::Header, "header"),
    (StoryKind::Footer, "footer"),
    (StoryKind::Footnote, "footnotes"),
    (StoryKind::Endnote, "endnotes"),
    (StoryKind::Comment, "comments"),
];

/// Reads a document with nothing to stop it but the limits.
///
/// # Errors
/// See [`ReadError`]: what the file is not, what is broken in it, or which limit it passes.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Document, ReadError> {
    read_until(bytes, limits, &|| false)
}

/// Reads a document until `cancelled` answers true, which it is asked every few thousand steps.
///
/// # Errors
/// Those of [`read`], and [`ReadError::Cancelled`].
pub fn read_until(
    bytes: &[u8],
    limits: &Limits,
    cancelled: &dyn Fn() -> bool,
) -> Result<Document, ReadError> {
    let mut package = Package::open(bytes, limits)?;
    let mut budget = Budget {
        limits,
        cancelled,
        events: 0,
        paragraphs: 0,
    };
    let mut document = Document::default();
    let main = main_part(&mut package, &mut budget)?;
    let relationships = read_story_part(
        &mut package,
        &mut budget,
        &mut document,
        (&main, StoryKind::Body),
    )?;
    for (kind, name) in STORY_PARTS {
        let mut parts: Vec<&str> = targets_of(&relationships, name);
        parts.sort_unstable();
        parts.dedup();
        for part in parts {
            read_story_part(&mut package, &mut budget, &mut document, (part, kind))?;
        }
    }
    if let Some(name) = package.name_ending("vbaproject.bin") {
        document.warnings.push(Warning {
            kind: WarningKind::Macro,
            part: main,
            detail: name.to_owned(),
        });
    }
    anchor_notes(&mut document);
    Ok(document)
}

fn targets_of<'r>(relationships: &'r [Relationship], kind: &str) -> Vec<&'r str> {
    relationships
        .iter()
        .filter(|relationship| relationship.kind == kind && !relationship.external)
        .map(|relationship| relationship.target.as_str())
        .collect()
}

/// The main part: by the package's relationships, or by its usual name where those are missing.
fn main_part(package: &mut Package<'_>, budget: &mut Budget<'_>) -> Result<String, ReadError> {
    const USUAL: &str = "word/document.xml";
    let relationships = package.relationships("", budget)?;
    let named = targets_of(&relationships, "officeDocument")
        .first()
        .map(|name| (*name).to_owned());
    let name = named.unwrap_or_else(|| USUAL.to_owned());
    if package.contains(&name) {
        return Ok(name);
    }
    Err(ReadError::MissingPart { name })
}

fn read_story_part(
    package: &mut Package<'_>,
    budget: &mut Budget<'_>,
    document: &mut Document,
    (name, kind): (&str, StoryKind),
) -> Result<Vec<Relationship>, ReadError> {
    let Some(text) = package.read(name, budget.cancelled)? else {
        let warning = Warning {
            kind: WarningKind::MissingPart,
            part: name.to_owned(),
            detail: name.to_owned(),
        };
        document.warnings.push(warning);
        return Ok(Vec::new());
    };
    if kind == StoryKind::Body {
        refuse_other_roots(&text, name, budget)?;
    }
    let relationships = package.relationships(name, budget)?;
    warn(&relationships, name, document);
    let targets = targets(package, &relationships);
    read_part(
        &Part {
            name,
            kind,
            text: &text,
            targets: &targets,
        },
        budget,
        document,
    )?;
    Ok(relationships)
}

/// A workbook or a presentation is a package too.
fn refuse_other_roots(text: &str, name: &str, budget: &mut Budget<'_>) -> Result<(), ReadError> {
    let mut xml = Xml::new(text, name, budget);
    while let Some(item) = xml.next()? {
        let Item::Open(element) = item else { continue };
        if element.ns() == Ns::Word && element.local() == "document" {
            return Ok(());
        }
        break;
    }
    Err(ReadError::NotDocx {
        reason: format!("{name} não é um documento do Word"),
    })
}

fn targets(package: &mut Package<'_>, relationships: &[Relationship]) -> HashMap<String, Target> {
    let mut targets = HashMap::with_capacity(relationships.len());
    for relationship in relationships {
        let is_text = matches!(
            relationship.kind.as_str(),
            "styles" | "settings" | "theme" | "fontTable" | "hyperlink"
        );
        let stored = if relationship.external || is_text {
            None
        } else {
            package.stored_hash(&relationship.target)
        };
        let hash = stored.unwrap_or_else(|| hash::strong(relationship.target.as_bytes()));
        targets.insert(
            relationship.id.clone(),
            Target {
                name: relationship.target.clone(),
                hash,
            },
        );
    }
    targets
}

fn warn(relationships: &[Relationship], part: &str, document: &mut Document) {
    for relationship in relationships {
        let kind = match relationship.kind.as_str() {
            "hyperlink" => continue,
            _ if relationship.external => WarningKind::External,
            "oleObject" | "package" => WarningKind::Embedded,
            _ => continue,
        };
        document.warnings.push(Warning {
            kind,
            part: part.to_owned(),
            detail: relationship.target.clone(),
        });
    }
}

/// Tells notes and comments where they are referred to, the first time.
fn anchor_notes(document: &mut Document) {
    let mut places: HashMap<(StoryKind, String), Place> = HashMap::new();
    for (story, read) in document.stories.iter().enumerate() {
        for (paragraph, text) in read.paragraphs.iter().enumerate() {
            for inline in &text.objects {
                let place = Place {
                    story,
                    paragraph,
                    offset: inline.offset,
                };
                let key = match &inline.object {
                    Object::Footnote { id } => (StoryKind::Footnote, id.clone()),
                    Object::Endnote { id } => (StoryKind::Endnote, id.clone()),
                    Object::Comment { id } => (StoryKind::Comment, id.clone()),
                    _ => continue,
                };
                places.entry(key).or_insert(place);
            }
        }
    }
    for story in &mut document.stories {
        if let Some(place) = places.get(&(story.kind, story.id.clone())) {
            story.anchor = Some(*place);
        }
    }
}
