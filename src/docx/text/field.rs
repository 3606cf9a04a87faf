//! Fields, simple and complex (ECMA-376 part 1, 17.16): their instructions, and what is known of them.

use super::super::model::{Field, FieldKind, Link, Place};
use super::flow::Flow;

/// A complex field that has begun.
pub(super) struct OpenField {
    instruction: String,
    begin: Place,
    pub(super) result: Option<Place>,
}

impl Flow {
    pub(super) fn begin_field(&mut self) {
        let begin = self.place();
        self.fields.push(OpenField {
            instruction: String::new(),
            begin,
            result: None,
        });
    }

    pub(super) fn push_instruction(&mut self, text: &str) {
        if let Some(field) = self
            .fields
            .iter_mut()
            .rev()
            .find(|field| field.result.is_none())
        {
            field.instruction.push_str(text);
        }
    }

    pub(super) fn separate_field(&mut self, fields: &mut Vec<Field>) {
        let here = self.place();
        if let Some(field) = self.fields.last_mut()
            && field.result.is_none()
        {
            field.result = Some(here);
            fields.extend(merge_field(&field.instruction, field.begin));
        }
    }

    pub(super) fn end_field(&mut self, fields: &mut Vec<Field>) {
        let here = self.place();
        let Some(field) = self.fields.pop() else {
            return;
        };
        let Some(result) = field.result else {
            fields.extend(merge_field(&field.instruction, field.begin));
            return;
        };
        if result.paragraph == here.paragraph
            && let Some(target) = hyperlink(&field.instruction)
            && let Some(paragraph) = &mut self.open
        {
            paragraph.links.push(Link {
                start: result.offset,
                end: here.offset,
                target,
            });
        }
    }
}

/// The merge field that an instruction describes, if it does.
pub(super) fn merge_field(instruction: &str, place: Place) -> Option<Field> {
    let name = argument(instruction, "MERGEFIELD")?;
    Some(Field {
        kind: FieldKind::MergeField,
        name,
        alias: String::new(),
        place,
    })
}

fn hyperlink(instruction: &str) -> Option<String> {
    let target = argument(instruction, "HYPERLINK")?;
    if target == "\\l" {
        let (_, anchor) = instruction.split_once("\\l")?;
        return Some(format!("#{}", anchor.trim().trim_matches('"')));
    }
    Some(target)
}

/// The first argument of a field of that type (ECMA-376 part 1, 17.16.2), without quotes.
fn argument(instruction: &str, kind: &str) -> Option<String> {
    let instruction = instruction.trim();
    let (word, rest) = instruction.split_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case(kind) {
        return None;
    }
    let rest = rest.trim_start();
    let name = match rest.strip_prefix(['"', '\u{201c}', '\u{201d}']) {
        Some(quoted) => quoted.split(['"', '\u{201c}', '\u{201d}']).next()?,
        None => rest.split_whitespace().next()?,
    };
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_merge_field_may_be_quoted() {
        assert_eq!(
            argument(" MERGEFIELD  \"nome do cliente\" \\* X", "MERGEFIELD").as_deref(),
            Some("nome do cliente")
        );
        assert_eq!(
            argument("mergefield Nome", "MERGEFIELD").as_deref(),
            Some("Nome")
        );
        assert_eq!(argument("PAGE", "MERGEFIELD"), None);
    }
}
