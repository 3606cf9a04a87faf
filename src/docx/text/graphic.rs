//! Formulas, pictures, drawings and text boxes: what stands in a paragraph without being characters of it.
//!
//! It never looks into a picture; a picture is the hash of its stored bytes.

use super::super::hash::Fnv;
use super::super::model::{Object, Story, StoryKind};
use super::super::xml::{Element, Ns};
use super::flow::Flow;
use super::{Drawing, Formula, Open, Reader};

impl Reader<'_> {
    pub(super) fn open_math(&mut self, element: &Element<'_>) -> Open {
        match element.local() {
            "oMath" if self.formula.is_none() => {
                self.formula = Some(Formula {
                    offset: self.place().offset,
                    hash: Fnv::new(),
                });
                self.with_flow(Flow::open_run);
                Open::Math
            }
            "t" => Open::Text,
            "ctrlPr" | "rPr" => Open::Skip,
            _ => {
                if let Some(formula) = &mut self.formula {
                    let value = element.get(Ns::Math, "val").unwrap_or_default();
                    formula.hash.add(value.as_bytes());
                }
                Open::Plain
            }
        }
    }

    pub(super) fn open_graphic(&mut self, ns: Ns, element: &Element<'_>) -> Open {
        let target = match (ns, element.local()) {
            (Ns::Drawing, "blip") => self
                .target(element, "embed")
                .or_else(|| self.target(element, "link")),
            (Ns::Vml, "imagedata") => self
                .target(element, "id")
                .or_else(|| self.target(element, "href")),
            _ => None,
        };
        if let Some(target) = target {
            if let Some(drawing) = self.drawings.last_mut() {
                drawing.pictures.push(target.hash);
            }
            return Open::Plain;
        }
        // Charts, diagrams and embedded objects are known by the part they lead to.
        let leads_to = self
            .target(element, "id")
            .or_else(|| self.target(element, "dm"));
        if let Some(drawing) = self.drawings.last_mut() {
            if let Some(target) = &leads_to {
                drawing.hash.add(target.hash.as_bytes());
            }
            if ns == Ns::WordDrawing && element.local() == "docPr" {
                let text = element.plain("descr").filter(|text| !text.is_empty());
                drawing.description = text.or_else(|| element.plain("name")).unwrap_or_default();
            }
        }
        Open::Plain
    }

    pub(super) fn open_drawing(&mut self) -> Open {
        if self.flows.last().is_none_or(|flow| flow.deletions > 0) {
            return Open::Skip;
        }
        self.drawings.push(Drawing {
            pictures: Vec::new(),
            description: String::new(),
            has_text_box: false,
            hash: Fnv::new(),
        });
        Open::Drawing
    }

    pub(super) fn close_drawing(&mut self) {
        let Some(drawing) = self.drawings.pop() else {
            return;
        };
        if drawing.pictures.is_empty() && !drawing.has_text_box {
            self.push_object(Object::Drawing {
                hash: format!("{:016x}", drawing.hash.value()),
            });
        }
        for hash in drawing.pictures {
            self.push_object(Object::Picture {
                hash,
                description: drawing.description.clone(),
            });
        }
    }

    pub(super) fn open_text_box(&mut self) -> Open {
        let Some(outer) = self.flows.last() else {
            return Open::Skip;
        };
        let anchor = outer.place();
        self.boxes += 1;
        let mut story = Story::new(StoryKind::TextBox, self.part.name, &self.boxes.to_string());
        story.anchor = Some(anchor);
        if let Some(drawing) = self.drawings.last_mut() {
            drawing.has_text_box = true;
        }
        let index = self.document.stories.len();
        self.push_object(Object::TextBox { story: index });
        self.push_story(story);
        Open::Story
    }
}
