//! What is counted of the group of instances, when there is one: without `[distribuicao]` no family is served.

use jiff::Timestamp;
use prometheus::proto::MetricFamily;

use super::filling::{Filling, number, single};
use crate::domain::{Clock, GroupBoard, GroupStatus};
use crate::telemetry::names;

/// Where the group's status stands.
pub(super) struct Group {
    pub(super) board: GroupBoard,
    pub(super) clock: Clock,
}

impl Group {
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        families(&self.board.snapshot(), self.clock.now())
    }
}

fn families(status: &GroupStatus, now: Timestamp) -> Vec<MetricFamily> {
    let mut counters = [
        (&names::LEADER_CHANGES, status.leader_changes),
        (&names::RUN_REDELIVERIES, status.redeliveries),
        (&names::RUNS_IMPORTED, status.imported),
    ]
    .map(|(family, count)| {
        let mut filling = Filling::new(family);
        filling.count(&[], count);
        filling.into_family()
    })
    .to_vec();
    let flag = |is: bool| number(u64::from(is));
    let instances = u64::try_from(status.members.len()).unwrap_or(u64::MAX);
    counters.extend([
        single(&names::LEADER, flag(status.is_leader)),
        single(&names::NATS_CONNECTED, flag(status.is_connected)),
        single(&names::INSTANCES, number(instances)),
    ]);
    // Whoever cannot ask does not know.
    if let Some(waiting) = status.waiting {
        let age = status.oldest.map_or(0.0, |oldest| {
            now.duration_since(oldest).as_secs_f64().max(0.0)
        });
        counters.extend([
            single(&names::QUEUE_PENDING, number(waiting)),
            single(&names::QUEUE_OLDEST, age),
        ]);
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;

    #[test]
    fn the_age_of_the_queue_is_that_of_its_oldest_run_and_nothing_while_nobody_can_be_asked() {
        let now = samples::instant();
        let names = |status: &GroupStatus| -> Vec<(String, f64)> {
            let families = families(status, now);
            let gauge = |family: &MetricFamily| family.get_metric()[0].get_gauge().get_value();
            families
                .iter()
                .filter(|family| family.name().contains("queue"))
                .map(|family| (family.name().to_owned(), gauge(family)))
                .collect()
        };
        let mut status = GroupStatus::default();
        assert_eq!(names(&status), []);
        status.waiting = Some(2);
        status.oldest = Some(now - jiff::SignedDuration::from_secs(90));
        let expected = [("pending_runs", 2.0), ("oldest_seconds", 90.0)];
        let expected = expected.map(|(name, value)| (format!("orquestrador_queue_{name}"), value));
        assert_eq!(names(&status), expected);
    }
}
