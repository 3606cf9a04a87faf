//! A pull reader of XML within limits: namespaces resolved, entities replaced, DOCTYPE refused.
//!
//! It knows the namespaces of a Word document, and nothing of what its elements mean.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::errors::Error;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};

use super::limits::{Limit, Limits, ReadError};

/// What reading may still cost, over all parts.
pub(super) struct Budget<'a> {
    pub(super) limits: &'a Limits,
    pub(super) cancelled: &'a dyn Fn() -> bool,
    pub(super) events: u64,
    pub(super) paragraphs: u64,
}

/// The namespaces that matter, transitional and strict alike (ECMA-376 part 4, annex A; part 1, annex A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ns {
    Word,
    Math,
    Relations,
    Compatibility,
    Drawing,
    WordDrawing,
    Vml,
    Office,
    Other,
}

/// What comes next in a part.
pub(super) enum Item<'r> {
    /// An element opens; an empty one opens and closes.
    Open(Element<'r>),
    /// The innermost element closes.
    Close,
    /// Characters, possibly one piece of several.
    Text(Cow<'r, str>),
}

/// An opening element.
pub(super) struct Element<'r> {
    start: BytesStart<'r>,
    resolver: &'r NamespaceResolver,
}

/// A reader of one part.
pub(super) struct Xml<'x, 'b, 'l> {
    reader: NsReader<&'x [u8]>,
    text: &'x str,
    part: &'x str,
    depth: u64,
    steps: u64,
    budget: &'b mut Budget<'l>,
}

impl<'x, 'b, 'l> Xml<'x, 'b, 'l> {
    pub(super) fn new(text: &'x str, part: &'x str, budget: &'b mut Budget<'l>) -> Self {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            text,
            part,
            depth: 0,
            steps: 0,
            budget,
        }
    }

    /// Counts the part's tags and the texts between them, and refuses too many before any is read.
    pub(super) fn foresee(&mut self) -> Result<(), ReadError> {
        let (mut count, mut previous) = (0_u64, b'<');
        for byte in self.text.bytes() {
            count += u64::from(byte == b'<') + u64::from(previous == b'>' && byte != b'<');
            previous = byte;
        }
        self.budget.events = self.budget.events.saturating_add(count);
        self.check(Limit::Events, self.budget.events, self.budget.limits.events)
    }

    /// Counts a paragraph.
    pub(super) fn count_paragraph(&mut self) -> Result<(), ReadError> {
        self.budget.paragraphs += 1;
        self.check(
            Limit::Paragraphs,
            self.budget.paragraphs,
            self.budget.limits.paragraphs,
        )
    }

    /// The next item, or `None` at the end of a well-formed part.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        loop {
            self.watch()?;
            let event = self
                .reader
                .read_event()
                .map_err(|error| self.error(&error))?;
            match event {
                Event::Start(start) => {
                    self.depth += 1;
                    self.check(Limit::Depth, self.depth, self.budget.limits.depth)?;
                    self.check_attributes(&start)?;
                    return Ok(Some(Item::Open(Element {
                        start,
                        resolver: self.reader.resolver(),
                    })));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Item::Close));
                }
                Event::Text(text) => return self.text(text.xml10_content()).map(Some),
                Event::CData(text) => return self.text(text.xml10_content()).map(Some),
                Event::GeneralRef(reference) => return self.reference(&reference).map(Some),
                Event::DocType(_) => {
                    return Err(ReadError::Dtd {
                        part: self.part.to_owned(),
                    });
                }
                Event::Eof if self.depth > 0 => return Err(self.invalid("a parte termina no meio")),
                Event::Eof => return Ok(None),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    fn watch(&mut self) -> Result<(), ReadError> {
        self.steps += 1;
        if self.steps.is_multiple_of(4096) && (self.budget.cancelled)() {
            return Err(ReadError::Cancelled);
        }
        Ok(())
    }

    fn check(&self, limit: Limit, value: u64, allowed: u64) -> Result<(), ReadError> {
        if value <= allowed {
            return Ok(());
        }
        Err(ReadError::Limit {
            limit,
            allowed,
            part: self.part.to_owned(),
        })
    }

    fn check_attributes(&self, start: &BytesStart<'_>) -> Result<(), ReadError> {
        let limits = self.budget.limits;
        // An element shorter than the limit on one value cannot pass it, and few bytes cannot hold many attributes.
        if (start.len() as u64) < limits.attributes.min(limits.attribute_bytes) {
            return Ok(());
        }
        let mut count = 0;
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.invalid(&error.to_string()))?;
            count += 1;
            self.check(Limit::Attributes, count, limits.attributes)?;
            self.check(
                Limit::AttributeBytes,
                attribute.value.len() as u64,
                limits.attribute_bytes,
            )?;
        }
        Ok(())
    }

    fn text<'t>(&self, text: Cow<'t, str>) -> Result<Item<'t>, ReadError> {
        self.check(
            Limit::TextBytes,
            text.len() as u64,
            self.budget.limits.text_bytes,
        )?;
        Ok(Item::Text(text))
    }

    fn reference(&self, reference: &BytesRef<'_>) -> Result<Item<'static>, ReadError> {
        if let Some(character) = reference
            .resolve_char_ref()
            .map_err(|error| self.error(&error))?
        {
            return Ok(Item::Text(Cow::Owned(character.to_string())));
        }
        match resolve_predefined_entity(reference) {
            Some(text) => Ok(Item::Text(Cow::Borrowed(text))),
            None => Err(self.invalid("entidade desconhecida")),
        }
    }

    fn error(&self, error: &Error) -> ReadError {
        if let Error::Namespace(quick_xml::name::NamespaceError::TooManyBindings(_)) = error {
            return ReadError::Limit {
                limit: Limit::Attributes,
                allowed: self.budget.limits.attributes,
                part: self.part.to_owned(),
            };
        }
        self.invalid(&error.to_string())
    }

    fn invalid(&self, reason: &str) -> ReadError {
        ReadError::Xml {
            part: self.part.to_owned(),
            position: self.reader.buffer_position(),
            reason: reason.to_owned(),
        }
    }
}

impl Element<'_> {
    /// The namespace of the element.
    pub(super) fn ns(&self) -> Ns {
        known(&self.resolver.resolve_element(self.start.name()).0)
    }

    /// The name without its prefix.
    pub(super) fn local(&self) -> &str {
        self.start.name().local_name().into_inner()
    }

    /// The value of an attribute in a namespace.
    pub(super) fn get(&self, ns: Ns, local: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        attributes
            .with_checks(false)
            .flatten()
            .filter(|attribute| attribute.key.local_name().into_inner() == local)
            .find(|attribute| known(&self.resolver.resolve_attribute(attribute.key).0) == ns)
            .map(|attribute| value(&attribute.value))
    }

    /// The value of `w:NAME`.
    pub(super) fn word(&self, local: &str) -> Option<String> {
        self.get(Ns::Word, local)
    }

    /// The value of an attribute without a prefix.
    pub(super) fn plain(&self, name: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        let mut valid = attributes.with_checks(false).flatten();
        valid
            .find(|attribute| attribute.key.into_inner() == name)
            .map(|attribute| value(&attribute.value))
    }

    /// Local names and values of all attributes that are not declarations, as written.
    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        let mut attributes = self.start.attributes();
        attributes
            .with_checks(false)
            .flatten()
            .filter(|attribute| attribute.key.as_namespace_binding().is_none())
            .map(|attribute| {
                (
                    attribute.key.local_name().into_inner().to_owned(),
                    value(&attribute.value),
                )
            })
            .collect()
    }
}

/// An attribute's value with its entities replaced; an unknown entity leaves the value as written.
fn value(raw: &str) -> String {
    quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), Cow::into_owned)
}

fn known(resolved: &ResolveResult<'_>) -> Ns {
    let ResolveResult::Bound(Namespace(uri)) = resolved else {
        return Ns::Other;
    };
    match *uri {
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        | "http://purl.oclc.org/ooxml/wordprocessingml/main" => Ns::Word,
        "http://schemas.openxmlformats.org/officeDocument/2006/math"
        | "http://purl.oclc.org/ooxml/officeDocument/math" => Ns::Math,
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        | "http://purl.oclc.org/ooxml/officeDocument/relationships" => Ns::Relations,
        "http://schemas.openxmlformats.org/markup-compatibility/2006" => Ns::Compatibility,
        "http://schemas.openxmlformats.org/drawingml/2006/main"
        | "http://purl.oclc.org/ooxml/drawingml/main" => Ns::Drawing,
        "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
        | "http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing" => Ns::WordDrawing,
        "urn:schemas-microsoft-com:vml" => Ns::Vml,
        "urn:schemas-microsoft-com:office:office" => Ns::Office,
        _ => Ns::Other,
    }
}
