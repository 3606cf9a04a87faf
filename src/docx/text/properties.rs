//! Formatting as a short text in a fixed order, so that equal formatting has an equal key.
//!
//! It leaves out what no reader sees: revision ids, proofing language, spelling state.

use std::collections::BTreeMap;

use super::super::hash::Fnv;
use super::super::xml::Element;

/// The properties of one run or paragraph while they are being read.
#[derive(Debug, Default)]
pub(super) struct Properties(Vec<String>);

impl Properties {
    pub(super) fn add(&mut self, element: &Element<'_>) {
        let name = element.local();
        let is_unseen = matches!(
            name,
            "lang"
                | "noProof"
                | "ins"
                | "del"
                | "moveFrom"
                | "moveTo"
                | "proofErr"
                | "rPrChange"
                | "pPrChange"
                | "cnfStyle"
        );
        if is_unseen {
            return;
        }
        let mut text = name.to_owned();
        let mut values = element.attributes();
        values.retain(|(key, _)| !key.starts_with("rsid") && key != "hint");
        values.sort();
        for (key, value) in values {
            let is_on = key == "val" && matches!(value.as_str(), "1" | "true" | "on");
            if is_on {
                continue;
            }
            let value = if matches!(value.as_str(), "false" | "off") {
                "0"
            } else {
                value.as_str()
            };
            text.push(if text == name { '=' } else { ',' });
            if key != "val" {
                text.push_str(&key);
                text.push(':');
            }
            text.push_str(value);
        }
        self.0.push(text);
    }

    /// Enters the properties in the table and gives their key; none at all is 0.
    pub(super) fn intern(mut self, formats: &mut BTreeMap<u64, String>) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.sort();
        let text = self.0.join("; ");
        let mut hash = Fnv::new();
        hash.add(text.as_bytes());
        formats.entry(hash.value()).or_insert(text);
        hash.value()
    }
}
