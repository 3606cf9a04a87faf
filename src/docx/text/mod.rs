//! From the XML of a part to stories (ECMA-376 part 1, chapter 17).
//!
//! One loop over the items of a part with a stack of open elements: nothing here calls itself on the input's nesting.
//! It knows what the elements mean; it does not know where the part's bytes come from.

mod field;
mod flow;
mod graphic;
mod properties;
mod table;
mod word;

use std::collections::HashMap;

use self::flow::Flow;
use self::properties::Properties;
use super::hash::Fnv;
use super::limits::ReadError;
use super::model::{Document, Object, Place, Story, StoryKind, Warning, WarningKind};
use super::xml::{Budget, Element, Item, Ns, Xml};

/// What a relationship id of a part leads to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The part's name or the address.
    pub(super) name: String,
    /// The hash of the stored bytes, or of the address.
    pub(super) hash: String,
}

/// A part to read.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    /// The kind of its stories.
    pub(super) kind: StoryKind,
    pub(super) text: &'a str,
    pub(super) targets: &'a HashMap<String, Target>,
}

/// An open element, as far as its end or its children matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Plain,
    Skip,
    Story,
    Paragraph,
    ParagraphProperties,
    MarkProperties,
    RunProperties,
    Property,
    Text,
    DeletedText,
    Instruction,
    Deletion,
    Table,
    Row,
    RowProperties,
    CellOfRow,
    CellProperties,
    Link,
    SimpleField,
    ControlProperties,
    Alternate { taken: bool },
    Drawing,
    Math,
}

/// A drawing or picture element while it is open.
struct Drawing {
    pictures: Vec<String>,
    description: String,
    has_text_box: bool,
    hash: Fnv,
}

/// A formula while it is open.
struct Formula {
    offset: usize,
    hash: Fnv,
}

struct Reader<'a> {
    part: &'a Part<'a>,
    document: &'a mut Document,
    stack: Vec<Open>,
    flows: Vec<Flow>,
    drawings: Vec<Drawing>,
    formula: Option<Formula>,
    properties: Properties,
    control: (String, String),
    boxes: usize,
}

/// Reads one part into `document`.
///
/// # Errors
/// A limit, a DOCTYPE, or XML that is not well-formed; `document` then holds half of the part.
pub(super) fn read_part(
    part: &Part<'_>,
    budget: &mut Budget<'_>,
    document: &mut Document,
) -> Result<(), ReadError> {
    let mut xml = Xml::new(part.text, part.name, budget);
    xml.foresee()?;
    let mut reader = Reader {
        part,
        document,
        stack: Vec::new(),
        flows: Vec::new(),
        drawings: Vec::new(),
        formula: None,
        properties: Properties::default(),
        control: (String::new(), String::new()),
        boxes: 0,
    };
    while let Some(item) = xml.next()? {
        match item {
            Item::Open(element) => {
                let open = reader.open(&element);
                reader.stack.push(open);
                if open == Open::Paragraph {
                    xml.count_paragraph()?;
                }
            }
            Item::Close => reader.close(),
            Item::Text(text) => reader.text(&text),
        }
    }
    Ok(())
}

impl Reader<'_> {
    fn open(&mut self, element: &Element<'_>) -> Open {
        match self.stack.last().copied().unwrap_or(Open::Plain) {
            Open::Skip => Open::Skip,
            Open::RunProperties | Open::Property => {
                self.properties.add(element);
                Open::Property
            }
            Open::ParagraphProperties => self.open_paragraph_property(element),
            Open::MarkProperties => {
                if matches!(element.local(), "del" | "moveFrom") {
                    self.with_flow(Flow::delete_mark);
                }
                Open::Skip
            }
            Open::RowProperties => {
                if element.local() == "del" {
                    self.with_flow(Flow::delete_row);
                }
                Open::Skip
            }
            Open::CellProperties => {
                if element.local() == "cellDel" {
                    self.with_flow(Flow::delete_cell);
                }
                Open::Skip
            }
            Open::ControlProperties => {
                match element.local() {
                    "alias" => self.control.0 = element.word("val").unwrap_or_default(),
                    "tag" => self.control.1 = element.word("val").unwrap_or_default(),
                    _ => {}
                }
                Open::Skip
            }
            Open::Alternate { taken } => self.open_alternative(element, taken),
            _ => self.open_content(element),
        }
    }

    fn open_paragraph_property(&mut self, element: &Element<'_>) -> Open {
        match element.local() {
            "rPr" => Open::MarkProperties,
            "sectPr" | "pPrChange" => Open::Skip,
            name => {
                if name == "pStyle" {
                    let style = element.word("val").unwrap_or_default();
                    self.with_flow(|flow| flow.set_style(style));
                }
                self.properties.add(element);
                Open::Property
            }
        }
    }

    /// The first `mc:Choice` is read; later ones and the fallback only if there is none (part 3, 9.3).
    fn open_alternative(&mut self, element: &Element<'_>, taken: bool) -> Open {
        if taken || !matches!(element.local(), "Choice" | "Fallback") {
            return Open::Skip;
        }
        if let Some(top) = self.stack.last_mut() {
            *top = Open::Alternate { taken: true };
        }
        Open::Plain
    }

    fn open_content(&mut self, element: &Element<'_>) -> Open {
        let ns = element.ns();
        if let Some(drawing) = self.drawings.last_mut() {
            drawing.hash.add(element.local().as_bytes());
        }
        if let Some(formula) = &mut self.formula {
            formula.hash.add(element.local().as_bytes());
        }
        match ns {
            Ns::Word => self.open_word(element),
            Ns::Math => self.open_math(element),
            Ns::Compatibility if element.local() == "AlternateContent" => {
                Open::Alternate { taken: false }
            }
            Ns::Drawing | Ns::WordDrawing | Ns::Vml | Ns::Office | Ns::Other => {
                self.open_graphic(ns, element)
            }
            Ns::Relations | Ns::Compatibility => Open::Plain,
        }
    }

    fn open_story(&mut self, element: &Element<'_>) -> Open {
        let is_separator = element.word("type").is_some_and(|kind| kind != "normal");
        if is_separator || !self.flows.is_empty() {
            return Open::Skip;
        }
        let id = element.word("id").unwrap_or_default();
        let mut story = Story::new(self.part.kind, self.part.name, &id);
        story.author = element.word("author").unwrap_or_default();
        self.push_story(story);
        Open::Story
    }

    fn push_story(&mut self, story: Story) {
        let index = self.document.stories.len();
        self.document
            .stories
            .push(Story::new(story.kind, &story.part, &story.id));
        self.flows.push(Flow::new(index, story));
    }

    fn close(&mut self) {
        match self.stack.pop() {
            Some(Open::Story) => {
                if let Some(flow) = self.flows.pop() {
                    flow.finish(self.document);
                }
            }
            Some(Open::Paragraph) => self.with_flow(Flow::close_paragraph),
            Some(Open::ParagraphProperties) => {
                let format = self.intern();
                self.with_flow(|flow| flow.set_paragraph_format(format));
            }
            Some(Open::RunProperties) => {
                let format = self.intern();
                self.with_flow(|flow| flow.set_run_format(format));
            }
            Some(Open::Deletion) => {
                self.with_flow(|flow| flow.deletions = flow.deletions.saturating_sub(1));
            }
            Some(Open::Table) => self.with_flow(Flow::close_table),
            Some(Open::Row) => self.with_flow(Flow::close_row),
            Some(Open::CellOfRow) => self.with_flow(Flow::close_cell),
            Some(Open::Link) => self.with_flow(Flow::close_link),
            Some(Open::ControlProperties) => self.close_control(),
            Some(Open::Drawing) => self.close_drawing(),
            Some(Open::Math) => {
                if let Some(formula) = self.formula.take() {
                    let hash = format!("{:016x}", formula.hash.value());
                    self.with_flow(|flow| flow.push_formula(formula.offset, hash));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        match self.stack.last() {
            Some(Open::Text) => {
                if let Some(formula) = &mut self.formula {
                    formula.hash.add(text.as_bytes());
                }
                self.with_flow(|flow| flow.push_text(text));
            }
            Some(Open::DeletedText) => self.with_flow(|flow| flow.push_deleted(text)),
            Some(Open::Instruction) => self.with_flow(|flow| flow.push_instruction(text)),
            _ => {}
        }
    }

    fn intern(&mut self) -> u64 {
        std::mem::take(&mut self.properties).intern(&mut self.document.formats)
    }

    fn enter(&mut self, change: impl FnOnce(&mut Flow), open: Open) -> Open {
        self.with_flow(change);
        open
    }

    fn with_flow(&mut self, change: impl FnOnce(&mut Flow)) {
        if let Some(flow) = self.flows.last_mut() {
            change(flow);
        }
    }

    fn push_object(&mut self, object: Object) {
        self.with_flow(|flow| flow.push_object(object));
    }

    fn place(&self) -> Place {
        self.flows.last().map_or(
            Place {
                story: 0,
                paragraph: 0,
                offset: 0,
            },
            Flow::place,
        )
    }

    fn target(&self, element: &Element<'_>, attribute: &str) -> Option<Target> {
        self.part
            .targets
            .get(&element.get(Ns::Relations, attribute)?)
            .cloned()
    }

    fn warn(&mut self, kind: WarningKind, detail: String) {
        self.document.warnings.push(Warning {
            kind,
            part: self.part.name.to_owned(),
            detail,
        });
    }
}
