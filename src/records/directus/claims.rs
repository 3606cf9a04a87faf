//! Whose a record is, in a store without conditional changes: a claim is written, left to settle, and read again.

use jiff::Timestamp;

use super::DirectusRecords;
use super::failure::Failure;
use super::items::{Record, at, record, text};
use crate::records::error::RecordsError;
use crate::records::observation::Observation;
use crate::records::values::{Claim, ClaimResult, RecordId};
use crate::records::vocabulary::{Collection, MAX_TRIES, State};

/// What decides whether a record is due, who has it, and what the work is about.
const HOLDING: [&str; 9] = [
    "id",
    "status",
    "date_created",
    "date_updated",
    "observacao",
    "arquivo",
    "arquivo_original",
    "arquivo_com_tags",
    "contrato",
];
/// The fields that the work is about; a collection has some of them.
const SUBJECT: [&str; 4] = [
    "arquivo",
    "arquivo_original",
    "arquivo_com_tags",
    "contrato",
];

/// What a record says about its turn.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    state: State,
    /// `date_updated` as it came; empty where there is none.
    stamp: String,
    /// When it was last changed, or made.
    changed: Option<Timestamp>,
    pub(super) observation: Observation,
    /// What the work is about.
    subject: Subject,
}

/// The values of [`SUBJECT`].
pub(super) type Subject = [String; SUBJECT.len()];

/// Whose a record is that we claimed.
enum Holding {
    Ours(Observation),
    /// Nobody took it, but what the work is about was changed while we worked.
    Changed(Observation),
    Lost,
}

impl DirectusRecords {
    pub(super) fn take(
        &mut self,
        collection: Collection,
        id: &RecordId,
        now: Timestamp,
    ) -> Result<ClaimResult, RecordsError> {
        self.prepare(collection)?;
        let Some(found) = self.standing(collection, id)? else {
            return Ok(ClaimResult::Taken);
        };
        // What changed since it was listed may have another file now; the next run lists it anew.
        let listed = self.listed.get(&(collection, id.clone()));
        let is_as_listed = listed.is_none_or(|stamp| *stamp == found.stamp);
        if !is_as_listed || !self.is_due(&found, now) {
            return Ok(ClaimResult::Taken);
        }
        // Whoever asks for work again starts the count anew.
        let is_anew = found.state == State::Waiting && found.observation.tries >= MAX_TRIES;
        let tries = if is_anew { 0 } else { found.observation.tries };
        if tries >= MAX_TRIES {
            let reason = format!("{MAX_TRIES} tentativas sem conclusão");
            self.close((collection, id), &found.observation.with_error(&reason))?;
            return Ok(ClaimResult::Exhausted);
        }
        let holder = holder();
        let held = Observation {
            holder: Some(holder.clone()),
            ..found.observation.tried(tries + 1)
        };
        let Some(stamp) = self.hold((collection, id), &found, &held)? else {
            return Ok(ClaimResult::Taken);
        };
        self.subject = Some((holder.clone(), found.subject));
        let claim = Claim {
            collection,
            id: id.clone(),
            stamp: format!("{stamp} {holder}"),
            tries: tries + 1,
        };
        match self.settled(&claim) {
            Ok(Holding::Ours(_)) => {
                self.keep_tries((collection, id), &held)?;
                Ok(ClaimResult::Ours(claim))
            }
            Ok(Holding::Changed(_)) => {
                self.at_the_end(|records| records.give_back(&claim))?;
                Ok(ClaimResult::Taken)
            }
            Ok(Holding::Lost) => Ok(ClaimResult::Taken),
            // It may be ours, and whoever has it can do nothing more with it now than give it back.
            Err(RecordsError::Interrupted) => Ok(ClaimResult::Ours(claim)),
            Err(error) => Err(error),
        }
    }

    fn settled(&mut self, claim: &Claim) -> Result<Holding, RecordsError> {
        let told = self.told("esperar");
        self.client.wait(self.settle).map_err(told)?;
        self.holding(claim)
    }

    /// Writes a claim and gives its stamp; none if the record is not there any more.
    fn hold(
        &mut self,
        (collection, id): (Collection, &RecordId),
        found: &Standing,
        held: &Observation,
    ) -> Result<Option<String>, RecordsError> {
        const ASKED: &str = "reservar um registro";
        let word = self.vocabulary.running.clone();
        let (told, name) = (self.told(ASKED), collection.as_str());
        let mut change = record([("status", word.into())]);
        self.observe(collection, held, &mut change);
        match self.change(name, (id, &HOLDING), change) {
            Ok(Some(changed)) => Ok(Some(stamp_of(&changed))),
            Ok(None) => {
                let now = self.at_the_end(|records| records.standing(collection, id))?;
                Ok(now.map(|now| now.stamp))
            }
            Err(failure) if failure.is_ambiguous() => {
                // The answer is lost; whether the claim is there stands in the record.
                let now = self.at_the_end(|records| records.standing(collection, id))?;
                let now = now.filter(|now| now.state == State::Running && now.stamp != found.stamp);
                let is_ours = |now: &Standing| {
                    !self.observes(collection) || now.observation.holder == held.holder
                };
                match now.filter(is_ours) {
                    Some(now) => Ok(Some(now.stamp)),
                    None => Err(told(failure)),
                }
            }
            Err(failure) => match self.standing(collection, id)? {
                // It is there, so it is the change that is refused.
                Some(_) => Err(told(failure)),
                None => Ok(None),
            },
        }
    }

    pub(super) fn give_back(&mut self, claim: &Claim) -> Result<(), RecordsError> {
        let observation = match self.holding(claim)? {
            Holding::Ours(observation) | Holding::Changed(observation) => observation,
            Holding::Lost => return Err(lost(claim)),
        };
        let observation = observation.tried(claim.tries.saturating_sub(1));
        self.wait_again(claim, &observation)
    }

    fn wait_again(&mut self, claim: &Claim, observation: &Observation) -> Result<(), RecordsError> {
        let word = self.vocabulary.trigger.clone();
        self.end(
            (claim.collection, &claim.id),
            (word, observation),
            "devolver um registro",
        )
    }

    pub(super) fn close_failed(&mut self, claim: &Claim, reason: &str) -> Result<(), RecordsError> {
        match self.holding(claim)? {
            Holding::Ours(observation) => self.close(
                (claim.collection, &claim.id),
                &observation.with_error(reason),
            ),
            Holding::Changed(observation) => {
                // What failed is not what lies there now.
                self.wait_again(claim, &observation.tried(claim.tries.saturating_sub(1)))
            }
            Holding::Lost => {
                let now = self.standing(claim.collection, &claim.id)?;
                let is_closed = now.is_some_and(|now| now.state == State::Failed);
                if is_closed { Ok(()) } else { Err(lost(claim)) }
            }
        }
    }

    /// Ends a record as failed, whoever has it.
    pub(super) fn close(
        &mut self,
        record: (Collection, &RecordId),
        observation: &Observation,
    ) -> Result<(), RecordsError> {
        let word = self.vocabulary.failed.clone();
        self.end(record, (word, observation), "marcar um registro com erro")
    }

    /// Sets status and observation; where there is too little room for the observation, the status alone.
    fn end(
        &mut self,
        (collection, id): (Collection, &RecordId),
        (word, observation): (String, &Observation),
        asked: &str,
    ) -> Result<(), RecordsError> {
        let told = self.told(asked);
        let mut change = record([("status", word.clone().into())]);
        self.observe(collection, observation, &mut change);
        let name = collection.as_str();
        let mut changed = self.change(name, (id, &["id"]), change);
        if let Err(Failure::Refused { status: 400, .. }) = &changed {
            let status = record([("status", word.clone().into())]);
            changed = self.change(name, (id, &["id"]), status);
        }
        match changed {
            Err(failure) if failure.is_ambiguous() => {
                let now = self.standing(collection, id)?;
                let state = self.vocabulary.read(&word);
                if !now.is_some_and(|now| now.state == state) {
                    return Err(told(failure));
                }
            }
            other => drop(other.map_err(told)?),
        }
        self.keep_tries((collection, id), observation)
    }

    /// The observation of a claimed record, if the claim still holds.
    ///
    /// A record that a person changed while we worked goes back to its trigger: what we have is not about it.
    pub(super) fn require(&mut self, claim: &Claim) -> Result<Observation, RecordsError> {
        match self.holding(claim)? {
            Holding::Ours(observation) => Ok(observation),
            Holding::Changed(observation) => {
                self.wait_again(claim, &observation.tried(claim.tries.saturating_sub(1)))?;
                Err(lost(claim))
            }
            Holding::Lost => Err(lost(claim)),
        }
    }

    fn holding(&mut self, claim: &Claim) -> Result<Holding, RecordsError> {
        let found = self.standing(claim.collection, &claim.id)?;
        let Some(found) = found.filter(|found| found.state == State::Running) else {
            return Ok(Holding::Lost);
        };
        let (stamp, holder) = stamp_and_holder(claim);
        let own = self.own_change.as_ref();
        let own = own.and_then(|(of, stamp)| (of == holder).then_some(stamp.as_str()));
        let is_same = found.stamp == own.unwrap_or(stamp);
        if !self.observes(claim.collection) {
            return Ok(if is_same {
                Holding::Ours(found.observation)
            } else {
                Holding::Lost
            });
        }
        if found.observation.holder.as_deref() != Some(holder) {
            return Ok(Holding::Lost);
        }
        // Others write to it, too: a flow of the installation, a person who names it anew.
        let subject = self.subject.as_ref();
        let is_about_the_same =
            subject.is_some_and(|(of, subject)| of == holder && *subject == found.subject);
        Ok(if is_same || is_about_the_same {
            Holding::Ours(found.observation)
        } else {
            Holding::Changed(found.observation)
        })
    }

    /// Makes a change of our own to a claimed record that stays in work. Its stamp is another one then.
    pub(super) fn change_claimed(
        &mut self,
        claim: &Claim,
        change: Record,
    ) -> Result<(), RecordsError> {
        let told = self.told_of_record("gravar os resultados");
        let name = claim.collection.as_str();
        let changed = self.change(name, (&claim.id, &HOLDING), change);
        let stamp = match &changed {
            Ok(Some(changed)) => Some(stamp_of(changed)),
            Err(failure) if !failure.is_ambiguous() => None,
            _ => {
                let now =
                    self.at_the_end(|records| records.standing(claim.collection, &claim.id))?;
                now.map(|now| now.stamp)
            }
        };
        if let Some(stamp) = stamp {
            let (_, holder) = stamp_and_holder(claim);
            self.own_change = Some((holder.to_owned(), stamp));
        }
        changed.map(drop).map_err(told)
    }

    pub(super) fn standing(
        &mut self,
        collection: Collection,
        id: &RecordId,
    ) -> Result<Option<Standing>, RecordsError> {
        let told = self.told("ler um registro");
        let found = self
            .read_one(collection.as_str(), (id, &HOLDING))
            .map_err(told)?;
        let Some(found) = found else {
            return Ok(None);
        };
        let field = |name: &str| text(at(&found, name));
        let observation = if self.observes(collection) {
            Observation::read(&field("observacao"))
        } else {
            self.kept_tries(collection, id)?
        };
        let dates = [field("date_updated"), field("date_created")];
        Ok(Some(Standing {
            state: self.vocabulary.read(&field("status")),
            stamp: stamp_of(&found),
            subject: SUBJECT.map(field),
            changed: dates.iter().find_map(|date| instant(date)),
            observation,
        }))
    }

    fn is_due(&self, found: &Standing, now: Timestamp) -> bool {
        match found.state {
            State::Waiting => true,
            State::Running => {
                let cutoff = self.cutoff(now);
                found.changed.is_some_and(|changed| changed < cutoff)
            }
            _ => false,
        }
    }
}

/// What claims are told apart by where two of them may fall on one instant.
fn holder() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    id.get(20..).unwrap_or(&id).to_owned()
}

fn stamp_and_holder(claim: &Claim) -> (&str, &str) {
    claim.stamp.rsplit_once(' ').unwrap_or_default()
}

pub(super) fn lost(claim: &Claim) -> RecordsError {
    RecordsError::ClaimLost {
        collection: claim.collection.label(),
        id: claim.id.clone(),
    }
}

pub(super) fn stamp_of(record: &Record) -> String {
    text(at(record, "date_updated"))
}

/// An instant as Directus writes it; without a zone it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let plain = || {
        text.parse::<jiff::civil::DateTime>()
            .ok()?
            .in_tz("UTC")
            .ok()
    };
    text.parse()
        .ok()
        .or_else(|| plain().map(|zoned| zoned.timestamp()))
}
