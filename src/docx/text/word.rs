//! The elements of a Word document (ECMA-376 part 1, 17.2 to 17.16) as they open.
//!
//! It knows one element at a time; the stack of open ones is the reader's.

use super::super::model::{Field, FieldKind, Object, WarningKind};
use super::super::xml::Element;
use super::field::merge_field;
use super::flow::Flow;
use super::{Open, Reader};

impl Reader<'_> {
    pub(super) fn open_word(&mut self, element: &Element<'_>) -> Open {
        match element.local() {
            "body" | "hdr" | "ftr" | "footnote" | "endnote" | "comment" => self.open_story(element),
            "p" if !self.flows.is_empty() => {
                self.with_flow(Flow::open_paragraph);
                Open::Paragraph
            }
            "pPr" => Open::ParagraphProperties,
            "rPr" if self.formula.is_none() => Open::RunProperties,
            "r" => {
                self.with_flow(Flow::open_run);
                Open::Plain
            }
            "t" => Open::Text,
            "delText" => Open::DeletedText,
            "instrText" => Open::Instruction,
            "del" | "moveFrom" => {
                self.with_flow(|flow| flow.deletions += 1);
                Open::Deletion
            }
            "rPr" | "tblPr" | "tblPrEx" | "tblGrid" | "sectPr" | "delInstrText" | "rt"
            | "sdtEndPr" | "sdtPlaceholder" => Open::Skip,
            _ => self.open_word_block(element),
        }
    }

    fn open_word_block(&mut self, element: &Element<'_>) -> Open {
        match element.local() {
            "tbl" => self.enter(Flow::open_table, Open::Table),
            "tr" => self.enter(Flow::open_row, Open::Row),
            "tc" => self.enter(Flow::open_cell, Open::CellOfRow),
            "trPr" => Open::RowProperties,
            "tcPr" => Open::CellProperties,
            "hyperlink" => {
                let target = self.link_target(element);
                self.enter(|flow| flow.open_link(target), Open::Link)
            }
            "fldSimple" => {
                let instruction = element.word("instr").unwrap_or_default();
                let place = self.place();
                self.document
                    .fields
                    .extend(merge_field(&instruction, place));
                Open::SimpleField
            }
            "sdtPr" => {
                self.control = (String::new(), String::new());
                Open::ControlProperties
            }
            "drawing" | "pict" | "object" => self.open_drawing(),
            "txbxContent" => self.open_text_box(),
            "altChunk" => {
                let target = self
                    .target(element, "id")
                    .map(|target| target.name)
                    .unwrap_or_default();
                self.warn(WarningKind::AltChunk, target);
                Open::Skip
            }
            _ => self.open_word_inline(element),
        }
    }

    fn open_word_inline(&mut self, element: &Element<'_>) -> Open {
        let id = || element.word("id").unwrap_or_default();
        match element.local() {
            "tab" | "ptab" => self.with_flow(|flow| flow.push_text("\t")),
            "cr" => self.with_flow(|flow| flow.push_text("\n")),
            "br" => {
                let is_page = matches!(element.word("type").as_deref(), Some("page" | "column"));
                self.with_flow(|flow| flow.push_text(if is_page { "\u{c}" } else { "\n" }));
            }
            "noBreakHyphen" => self.with_flow(|flow| flow.push_text("\u{2011}")),
            "softHyphen" => self.with_flow(|flow| flow.push_text("\u{ad}")),
            "sym" => self.with_flow(|flow| flow.push_text(&symbol(element).to_string())),
            "footnoteReference" => self.push_object(Object::Footnote { id: id() }),
            "endnoteReference" => self.push_object(Object::Endnote { id: id() }),
            "commentReference" => self.push_object(Object::Comment { id: id() }),
            "fldChar" => self.field_character(element),
            _ => {}
        }
        Open::Plain
    }

    fn field_character(&mut self, element: &Element<'_>) {
        let Some(flow) = self.flows.last_mut() else {
            return;
        };
        if flow.deletions > 0 {
            return;
        }
        match element.word("fldCharType").as_deref() {
            Some("begin") => flow.begin_field(),
            Some("separate") => flow.separate_field(&mut self.document.fields),
            Some("end") => flow.end_field(&mut self.document.fields),
            _ => {}
        }
    }

    pub(super) fn close_control(&mut self) {
        let (alias, tag) = std::mem::take(&mut self.control);
        let name = if tag.is_empty() { alias.clone() } else { tag };
        if !name.is_empty() {
            let place = self.place();
            self.document.fields.push(Field {
                kind: FieldKind::ContentControl,
                name,
                alias,
                place,
            });
        }
    }

    fn link_target(&self, element: &Element<'_>) -> String {
        let anchor = element
            .word("anchor")
            .map(|name| format!("#{name}"))
            .unwrap_or_default();
        self.target(element, "id")
            .map(|target| target.name)
            .unwrap_or_default()
            + &anchor
    }
}

/// The character of `w:sym` (17.3.3.30); fonts of symbols use the private use area.
fn symbol(element: &Element<'_>) -> char {
    let code = element
        .word("char")
        .and_then(|text| u32::from_str_radix(&text, 16).ok());
    code.and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}
