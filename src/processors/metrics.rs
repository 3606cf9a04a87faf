//! What a run of a document processor counts, for the file that the orchestrator reads after it. Every series of a closed
//! set is there from the start, also as 0. Refuses to know where the file lies.

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use tokio::time::Instant;

use super::reading::DocumentError;
use crate::docx::tags::{ProblemKind, Tags};
use crate::docx::{Category, Comparison, Limit, ReadError};
use crate::records::{Collection, QueueState, Records, RecordsError, RequestResult};

/// Seconds, for a document's stages and for requests to the store.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];
/// How a document's turn may end.
const OUTCOMES: [&str; 4] = ["done", "failed", "taken", "stopped"];
/// The steps of a document's work.
const STAGES: [&str; 6] = ["download", "parse", "extract", "compare", "report", "save"];
/// What a tag is: two marks around a text, or one mark.
const TAG_KINDS: [&str; 2] = ["pair", "single"];
/// What is asked of the store.
const OPERATIONS: [&str; 8] = [
    "pending",
    "queue",
    "claim",
    "release",
    "fail",
    "read_file",
    "read",
    "store",
];
/// How a modification came to its clause.
const METHODS: [&str; 3] = ["words", "words_review", "none"];

/// The metrics of one run. Without a collection it counts nothing.
#[derive(Debug, Default)]
pub struct WorkMetrics(Option<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    collection: &'static str,
    documents: IntCounterVec,
    durations: HistogramVec,
    bytes: IntCounter,
    queue: IntGaugeVec,
    tags: IntCounterVec,
    problems: IntCounterVec,
    modifications: IntCounterVec,
    links: IntCounterVec,
    requests: IntCounterVec,
    request_durations: HistogramVec,
    rejections: IntCounterVec,
}

impl WorkMetrics {
    /// The metrics of a run over `collection`, all 0.
    pub(super) fn of(collection: Collection) -> Self {
        // The names are constants that a test looks at, so this cannot fail.
        Self(Families::new(collection).ok())
    }

    /// The text exposition format (version 0.0.4); empty when nothing was counted.
    ///
    /// # Errors
    ///
    /// A family that cannot be written.
    pub fn text(&self) -> prometheus::Result<String> {
        let Some(families) = &self.0 else {
            return Ok(String::new());
        };
        TextEncoder::new().encode_to_string(&families.registry.gather())
    }

    /// A document's turn ended so.
    pub(super) fn ended(&self, outcome: &'static str) {
        self.with(|families| {
            let labels = [families.collection, outcome];
            families.documents.with_label_values(&labels).inc();
        });
    }

    /// A document failed; a limit that it passed is counted.
    pub(super) fn failed(&self, error: &DocumentError) {
        let limit = match error {
            DocumentError::Unreadable {
                source: ReadError::Limit { limit, .. },
                ..
            } => *limit,
            DocumentError::TooSlow { .. } => Limit::Time,
            DocumentError::Records(RecordsError::TooLarge { .. }) => Limit::FileBytes,
            _ => return,
        };
        self.with(|families| {
            families
                .rejections
                .with_label_values(&[limit.as_str()])
                .inc();
        });
    }

    /// So many bytes of a document were read.
    pub(super) fn read(&self, bytes: usize) {
        self.with(|families| families.bytes.inc_by(bytes as u64));
    }

    /// Does one step of a document's work and counts its time.
    pub(super) fn timed<T>(&self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.with(|families| {
            let labels = [families.collection, stage];
            let histogram = families.durations.with_label_values(&labels);
            histogram.observe(began.elapsed().as_secs_f64());
        });
        done
    }

    /// Asks the store for something and counts time and result: of each request that it made for it, if it makes any.
    pub(super) fn request<T>(
        &self,
        operation: &'static str,
        records: &mut dyn Records,
        ask: impl FnOnce(&mut dyn Records) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        let began = Instant::now();
        let answer = ask(records);
        let attempts = records.take_attempts();
        if attempts.is_empty() {
            let result = if answer.is_ok() { "ok" } else { "error" };
            self.requested(operation, result, began.elapsed().as_secs_f64());
        }
        for attempt in attempts {
            self.requested(operation, attempt.result.as_str(), attempt.seconds);
        }
        answer
    }

    fn requested(&self, operation: &'static str, result: &'static str, seconds: f64) {
        self.with(|families| {
            families
                .requests
                .with_label_values(&[operation, result])
                .inc();
            let histogram = families.request_durations.with_label_values(&[operation]);
            histogram.observe(seconds);
        });
    }

    /// What the collection holds now.
    pub(super) fn queue(&self, state: QueueState) {
        let counts = [
            ("waiting", state.waiting),
            ("running", state.running),
            ("stuck", state.stuck),
        ];
        self.with(|families| {
            for (state, count) in counts {
                let gauge = families
                    .queue
                    .with_label_values(&[families.collection, state]);
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        });
    }

    /// The tags of a document and what is wrong with them.
    pub(super) fn tags(&self, found: &Tags) {
        self.with(|families| {
            let kinds = [("pair", found.pairs.len()), ("single", found.singles.len())];
            for (kind, count) in kinds {
                families
                    .tags
                    .with_label_values(&[kind])
                    .inc_by(count as u64);
            }
            for problem in &found.problems {
                families
                    .problems
                    .with_label_values(&[problem.kind.as_str()])
                    .inc();
            }
        });
    }

    /// What a comparison found, by category.
    pub(super) fn modifications(&self, comparison: &Comparison) {
        let found = comparison
            .modifications
            .iter()
            .chain(&comparison.formatting);
        self.with(|families| {
            for modification in found {
                let category = modification.category.as_str();
                families.modifications.with_label_values(&[category]).inc();
            }
        });
    }

    /// How one modification was linked: whether a clause was found, and whether a person should look.
    pub(super) fn linked(&self, needs_review: Option<bool>) {
        let method = match needs_review {
            Some(false) => "words",
            Some(true) => "words_review",
            None => "none",
        };
        self.with(|families| families.links.with_label_values(&[method]).inc());
    }

    fn with(&self, count: impl FnOnce(&Families)) {
        if let Some(families) = &self.0 {
            count(families);
        }
    }
}

impl Families {
    fn new(collection: Collection) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let seconds = |name: &str, help: &str, labels: &[&str]| {
            HistogramVec::new(
                HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()),
                labels,
            )
        };
        let families = Self {
            registry: Registry::new(),
            collection: collection.as_str(),
            documents: counters(
                "docx_documents_total",
                "Documents whose turn ended, by how.",
                &["collection", "outcome"],
            )?,
            durations: seconds(
                "docx_document_duration_seconds",
                "Time of one step of a document's work.",
                &["collection", "stage"],
            )?,
            bytes: IntCounter::new("docx_bytes_total", "Bytes of documents that were read.")?,
            queue: IntGaugeVec::new(
                Opts::new(
                    "docx_queue_records",
                    "Records of a collection at the end of the last run; stuck: running, with a lease that has passed.",
                ),
                &["collection", "state"],
            )?,
            tags: counters("docx_tags_total", "Tags found in templates.", &["kind"])?,
            problems: counters(
                "docx_tag_problems_total",
                "Mistakes found in the tags of templates.",
                &["kind"],
            )?,
            modifications: counters(
                "docx_modifications_total",
                "Modifications found between versions.",
                &["category"],
            )?,
            links: counters(
                "docx_clause_links_total",
                "Modifications of content by how they were linked to a clause.",
                &["method"],
            )?,
            requests: counters(
                "records_requests_total",
                "Requests to the records' store, each try of its own; error: of a store on this machine.",
                &["operation", "result"],
            )?,
            request_durations: seconds(
                "records_request_duration_seconds",
                "Time that the records' store took to answer.",
                &["operation"],
            )?,
            rejections: counters(
                "docx_limit_rejections_total",
                "Documents that passed a limit.",
                &["limit"],
            )?,
        };
        families.begin(collection)?;
        Ok(families)
    }

    /// Registers what the collection's processor counts, and makes every series.
    fn begin(&self, collection: Collection) -> prometheus::Result<()> {
        let mut collectors: Vec<Box<dyn Collector>> = vec![
            Box::new(self.documents.clone()),
            Box::new(self.durations.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.queue.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.request_durations.clone()),
            Box::new(self.rejections.clone()),
        ];
        let own = match collection {
            Collection::Model => {
                zeros(&self.tags, TAG_KINDS);
                zeros(&self.problems, ProblemKind::ALL.map(ProblemKind::as_str));
                [&self.tags, &self.problems]
            }
            Collection::Version => {
                zeros(&self.modifications, Category::ALL.map(Category::as_str));
                zeros(&self.links, METHODS);
                [&self.modifications, &self.links]
            }
        };
        collectors.extend(own.map(|family| -> Box<dyn Collector> { Box::new(family.clone()) }));
        zeros(&self.rejections, Limit::ALL.map(Limit::as_str));
        for outcome in OUTCOMES {
            self.documents
                .with_label_values(&[self.collection, outcome]);
        }
        for operation in OPERATIONS {
            self.requests.with_label_values(&[operation, "error"]);
            for result in RequestResult::ALL {
                self.requests
                    .with_label_values(&[operation, result.as_str()]);
            }
            self.request_durations.with_label_values(&[operation]);
        }
        for stage in STAGES {
            self.durations.with_label_values(&[self.collection, stage]);
        }
        collectors
            .into_iter()
            .try_for_each(|collector| self.registry.register(collector))
    }
}

/// Makes the series of a family with one label.
fn zeros<const COUNT: usize>(family: &IntCounterVec, words: [&'static str; COUNT]) {
    for word in words {
        family.with_label_values(&[word]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_of_a_closed_set_is_there_before_anything_happened() {
        let lines = |collection| {
            let text = WorkMetrics::of(collection).text().expect("a text");
            let series = text.lines().filter(|line| !line.starts_with('#'));
            series.map(str::to_owned).collect::<Vec<_>>()
        };
        let model = lines(Collection::Model);
        let is_there =
            |line: &str| assert!(model.iter().any(|each| each == line), "{line}\n{model:#?}");
        is_there("docx_documents_total{collection=\"modelo_contrato\",outcome=\"failed\"} 0");
        is_there("docx_tag_problems_total{kind=\"unclosed\"} 0");
        is_there("docx_limit_rejections_total{limit=\"razao\"} 0");
        is_there("records_requests_total{operation=\"store\",result=\"error\"} 0");
        assert!(
            !model
                .iter()
                .any(|line| line.starts_with("docx_modifications_total"))
        );
        let version = lines(Collection::Version);
        assert!(
            version.contains(&"docx_modifications_total{category=\"movimentacao\"} 0".to_owned())
        );
        assert!(version.contains(&"docx_clause_links_total{method=\"none\"} 0".to_owned()));
        assert!(
            version.iter().all(|line| line.ends_with(" 0")),
            "{version:#?}"
        );
    }
}
