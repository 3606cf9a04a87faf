//! Which rows of an earlier run stay: what is the same keeps its id, whatever the store. Knows no store and no request.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use unicode_normalization::UnicodeNormalization;

use super::values::{NewModification, NewTag};
use super::vocabulary::Vocabulary;

/// The rows of a model's tags before this run, taken one by one. `Id` is the store's key.
pub(super) struct EarlierTags<Id> {
    by_content: HashMap<(String, String), VecDeque<Id>>,
    by_name: HashMap<String, VecDeque<Id>>,
    order: Vec<Id>,
    taken: HashMap<Id, bool>,
}

impl<Id: Clone + Eq + Hash> EarlierTags<Id> {
    /// Takes over rows in their order: key, name, content.
    pub(super) fn new(rows: impl IntoIterator<Item = (Id, String, String)>) -> Self {
        let mut earlier = Self {
            by_content: HashMap::new(),
            by_name: HashMap::new(),
            order: Vec::new(),
            taken: HashMap::new(),
        };
        for (id, name, content) in rows {
            let named = earlier.by_name.entry(name.clone()).or_default();
            named.push_back(id.clone());
            let same = earlier.by_content.entry((name, content)).or_default();
            same.push_back(id.clone());
            earlier.order.push(id.clone());
            earlier.taken.insert(id, false);
        }
        earlier
    }

    /// The row of each tag, and whether it is wholly the same. Those that are take their rows first; a changed tag must
    /// not take the row of an unchanged one.
    pub(super) fn assign(&mut self, tags: &[NewTag]) -> Vec<(Option<Id>, bool)> {
        let same: Vec<Option<Id>> = tags.iter().map(|tag| self.take_same(tag)).collect();
        let assigned = tags.iter().zip(same).map(|(tag, same)| match same {
            Some(id) => (Some(id), true),
            None => (self.take_named(&tag.name), false),
        });
        assigned.collect()
    }

    fn take_same(&mut self, tag: &NewTag) -> Option<Id> {
        let id = self
            .by_content
            .get_mut(&(tag.name.clone(), tag.content.clone()))?
            .pop_front()?;
        self.taken.insert(id.clone(), true);
        Some(id)
    }

    fn take_named(&mut self, name: &str) -> Option<Id> {
        let ids = self.by_name.get_mut(name)?;
        while let Some(id) = ids.pop_front() {
            if self.taken.insert(id.clone(), true) == Some(false) {
                return Some(id);
            }
        }
        None
    }

    /// The rows that no tag took.
    pub(super) fn rest(&self) -> Vec<Id> {
        let is_left = |id: &&Id| self.taken.get(*id) == Some(&false);
        self.order.iter().filter(is_left).cloned().collect()
    }
}

type Identity = (String, String, String);

/// The rows of a version's modifications before this run, by what they say; a category in whatever spelling counts as
/// ours.
pub(super) struct EarlierModifications<Id>(HashMap<Identity, VecDeque<Id>>);

impl<Id> EarlierModifications<Id> {
    /// Takes over rows in their order: key, and category, content and change as stored.
    pub(super) fn new(
        vocabulary: &Vocabulary,
        rows: impl IntoIterator<Item = (Id, Identity)>,
    ) -> Self {
        let mut earlier: HashMap<Identity, VecDeque<Id>> = HashMap::new();
        for (id, (category, content, change)) in rows {
            let identity = (
                vocabulary.read_category(&category).to_owned(),
                content,
                change,
            );
            earlier.entry(identity).or_default().push_back(id);
        }
        Self(earlier)
    }

    /// The row that says the same, if one is left. `category` is what the store is given for it, if not ours.
    pub(super) fn take(&mut self, modification: &NewModification, category: &str) -> Option<Id> {
        let mut take = |category: &str| {
            let identity = (
                category.to_owned(),
                modification.content.clone(),
                modification.change.clone(),
            );
            self.0.get_mut(&identity)?.pop_front()
        };
        take(&modification.category).or_else(|| take(category))
    }

    /// The rows that no modification took.
    pub(super) fn rest(self) -> impl Iterator<Item = Id> {
        self.0.into_values().flatten()
    }
}

/// A clause's number or name in the form in which tags are stored.
pub(super) fn fold(name: &str) -> String {
    let name: String = name.trim().nfc().collect::<String>().to_lowercase();
    name.strip_prefix("tag-").unwrap_or(&name).to_owned()
}
