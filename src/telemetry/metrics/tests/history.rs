//! What the history did, and what it could not do.

use super::*;

#[test]
fn what_the_history_could_not_do_is_counted_apart_from_what_it_did() {
    let metrics = metrics();
    for (operation, is_ok) in [
        (HistoryOperation::Write, true),
        (HistoryOperation::Write, false),
        (HistoryOperation::Write, false),
        (HistoryOperation::Prune, false),
    ] {
        metrics.observe(&Event::HistoryOperated {
            operation,
            duration: Duration::from_millis(1),
            is_ok,
        });
    }
    let text = text(&metrics);
    for (labels, expected) in [
        ("operation=\"write\",result=\"success\"", 1.0),
        ("operation=\"write\",result=\"failure\"", 2.0),
        ("operation=\"prune\",result=\"success\"", 0.0),
        ("operation=\"prune\",result=\"failure\"", 1.0),
    ] {
        let series = format!("history_operations_total{{{labels}}}");
        assert_eq!(value(&text, &series), Some(expected), "{series}");
    }
}
