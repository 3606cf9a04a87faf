//! The families in parts, a registry each, which a scrape gathers one after the other: all families of 10,000 processors at
//! once take six times the memory of their text, and facts would wait until all are built. Refuses to know when a number
//! changes.

use std::sync::{Arc, Mutex};

use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::super::names;
use super::super::reports::{Fault, Reports};
use super::filling::{Filling, number, single, single_time};
use super::processor_families::FAMILIES;
use super::processors::Processors;
use super::{Group, State, locked};

/// What one registry gathers from.
struct Gathered {
    state: Arc<Mutex<State>>,
    part: Part,
}

/// What one registry holds.
enum Part {
    /// The program, its cycles, schedules and group.
    Program,
    /// One family of the processors.
    Family(fn(&Processors) -> MetricFamily),
    /// What processors reported, and what became of it.
    Reports,
}

impl Collector for Gathered {
    /// None: nothing else is registered that could have the same name, and what is reported cannot be told beforehand.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let state = locked(&self.state);
        match self.part {
            Part::Program => state.program(),
            Part::Family(family) => vec![family(&state.processors)],
            Part::Reports => state.reported(),
        }
    }
}

/// One registry for each part.
pub(super) type Registries = [Registry; FAMILIES.len() + 2];

/// Lets `registries` gather from `state`.
pub(super) fn register(
    registries: &Registries,
    state: &Arc<Mutex<State>>,
) -> prometheus::Result<()> {
    let families = FAMILIES.into_iter().map(Part::Family);
    let parts = [Part::Program].into_iter().chain(families);
    for (registry, part) in registries.iter().zip(parts.chain([Part::Reports])) {
        let state = Arc::clone(state);
        registry.register(Box::new(Gathered { state, part }))?;
    }
    Ok(())
}

/// Every family of `registries`, those of one after those of another; the number of all series is the last.
pub(super) fn gather(registries: &Registries) -> impl Iterator<Item = MetricFamily> {
    let mut families = registries.iter().flat_map(Registry::gather).fuse();
    let (mut count, mut last) = (1, Some(&names::EXPOSITION_SERIES));
    std::iter::from_fn(move || match families.next() {
        Some(family) => {
            count += series(&family);
            Some(family)
        }
        None => last.take().map(|last| single(last, number(count))),
    })
}

impl State {
    fn program(&self) -> Vec<MetricFamily> {
        let mut families = vec![single_time(&names::TICK, self.tick)];
        families.extend(self.cycles.families());
        families.extend(self.schedules.families());
        families.extend(self.itself.families());
        families.extend(self.group.iter().flat_map(Group::families));
        families
    }

    fn reported(&self) -> Vec<MetricFamily> {
        let mut families = reporting(&self.reports).to_vec();
        families.extend(self.reports.families());
        families
    }
}

/// What is told of the reports themselves.
fn reporting(reports: &Reports) -> [MetricFamily; 2] {
    let mut rejected = Filling::new(&names::METRICS_REJECTED);
    let mut last = Filling::new(&names::METRICS_LAST_REPORT);
    for of in reports.processors() {
        for (fault, count) in Fault::ALL.iter().zip(of.rejected) {
            rejected.count(&[&of.name, fault.label()], count);
        }
        last.time(&[&of.name], of.last_report);
    }
    [rejected.into_family(), last.into_family()]
}

/// How many series a family is to whoever stores it.
fn series(family: &MetricFamily) -> u64 {
    let of = |metric: &Metric| match family.get_field_type() {
        // The infinite bucket, the sum and the count stand beside the bounds.
        MetricType::HISTOGRAM => metric.get_histogram().get_bucket().len() + 3,
        _ => 1,
    };
    let sum = family.get_metric().iter().map(of).sum::<usize>();
    u64::try_from(sum).unwrap_or(u64::MAX)
}
