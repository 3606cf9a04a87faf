//! What happens to reports, good and hostile.

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Fault, Reports, parse};
use crate::telemetry::exposition::{Exemplars, Format, encode};

fn reports() -> Reports {
    let mut reports = Reports::default();
    reports.expose(["a", "b"].into_iter().map(str::to_owned));
    reports
}

fn take(reports: &mut Reports, name: &str, text: &str) -> Option<Fault> {
    let parsed = parse(text.as_bytes()).map_err(|(fault, _)| fault);
    reports.take(name, Timestamp::UNIX_EPOCH, parsed)
}

fn text(reports: &Reports) -> String {
    let families = reports.families();
    encode(
        &families,
        &Exemplars::default().snapshot(),
        (Format::Text, 0),
    )
}

const FULL: &str = "# HELP docs_total Documents \\\\ seen.\n# TYPE docs_total counter\ndocs_total{kind=\"model\"} 3\n\
    # TYPE queue gauge\nqueue 7\n# TYPE step_seconds histogram\nstep_seconds_bucket{le=\"0.5\"} 1\n\
    step_seconds_bucket{le=\"+Inf\"} 2\nstep_seconds_sum 1.25\nstep_seconds_count 2\n";

#[test]
fn counters_and_histograms_are_summed_and_gauges_replaced() {
    let mut reports = reports();
    assert_eq!(take(&mut reports, "a", FULL), None);
    assert_eq!(take(&mut reports, "b", FULL), None);
    let less = FULL.replace("queue 7", "queue 2").replace("} 3", "} 1");
    assert_eq!(take(&mut reports, "a", &less), None);
    let text = text(&reports);
    for line in [
        "# HELP docs_total Documents \\\\ seen.",
        "# TYPE docs_total counter",
        "docs_total{kind=\"model\",processor=\"a\"} 4",
        "docs_total{kind=\"model\",processor=\"b\"} 3",
        "queue{processor=\"a\"} 2",
        "queue{processor=\"b\"} 7",
        "step_seconds_bucket{processor=\"a\",le=\"0.5\"} 2",
        "step_seconds_bucket{processor=\"a\",le=\"+Inf\"} 4",
        "step_seconds_sum{processor=\"a\"} 2.5",
        "step_seconds_count{processor=\"a\"} 4",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn a_file_without_a_gauge_takes_it_away_and_its_name_is_free_again() {
    let mut reports = reports();
    take(&mut reports, "a", FULL);
    take(&mut reports, "a", "# TYPE other gauge\nother 1\n");
    let text = text(&reports);
    assert!(
        !text.contains("queue") && text.contains("other{processor=\"a\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("docs_total{kind=\"model\",processor=\"a\"} 3"),
        "{text}"
    );
    let now_a_counter = "# TYPE queue_total counter\nqueue_total 1\n";
    assert_eq!(take(&mut reports, "a", now_a_counter), None);
}

#[test]
fn a_bad_line_refuses_the_whole_file_and_what_was_kept_stays() {
    let mut reports = reports();
    take(&mut reports, "a", FULL);
    let before = text(&reports);
    let bad = format!("{FULL}this is no sample\n");
    assert_eq!(take(&mut reports, "a", &bad), Some(Fault::Syntax));
    assert_eq!(take(&mut reports, "a", &bad), None, "said once");
    assert_eq!(text(&reports), before);
    let which = Fault::ALL.iter().position(|fault| *fault == Fault::Syntax);
    assert_eq!(reports.processors()[0].rejected[which.expect("known")], 2);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_fault_is_told_by_its_reason() {
    let many: String = (0..100_000).fold("# TYPE x gauge\n".to_owned(), |text, n| {
        text + &format!("x{{n=\"{n}\"}} 1\n")
    });
    let histogram = |lines: &str| format!("# TYPE h histogram\n{lines}");
    let cases = [
        ("x 1\n".to_owned(), Fault::Unsupported),
        (
            "# TYPE x summary\nx_sum 1\nx_count 1\n".to_owned(),
            Fault::Unsupported,
        ),
        ("# TYPE x untyped\nx 1\n".to_owned(), Fault::Unsupported),
        ("# TYPE x counter\nx 1\n".to_owned(), Fault::Unsupported),
        (
            "# TYPE x gauge\nx 1 1795370647500\n".to_owned(),
            Fault::Unsupported,
        ),
        (
            "# TYPE x_total counter\nx_total -1\n".to_owned(),
            Fault::InvalidValue,
        ),
        (
            "# TYPE x_total counter\nx_total NaN\n".to_owned(),
            Fault::InvalidValue,
        ),
        (
            "# TYPE x_total counter\nx_total +Inf\n".to_owned(),
            Fault::InvalidValue,
        ),
        ("# TYPE x gauge\nx 1\nx 2\n".to_owned(), Fault::Syntax),
        ("x 1\n# TYPE x gauge\n".to_owned(), Fault::Unsupported),
        (
            "# TYPE x gauge\n# TYPE x gauge\nx 2\n".to_owned(),
            Fault::Syntax,
        ),
        (
            "# TYPE x gauge\nx{a=\"1\",job=\"a\"} 1\nx{a=\"1\",job=\"b\"} 1\n".to_owned(),
            Fault::Syntax,
        ),
        (
            "# TYPE x_total counter\nx_total 1\n# TYPE x gauge\nx 1\n".to_owned(),
            Fault::NameConflict,
        ),
        (
            histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
            Fault::Syntax,
        ),
        (
            histogram("h_bucket{le=\"+Inf\"} 1\nh_count 1\n"),
            Fault::Syntax,
        ),
        (
            histogram(
                "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
            ),
            Fault::Syntax,
        ),
        (
            histogram("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
            Fault::InvalidValue,
        ),
        (
            histogram("h_bucket{le=\"+Inf\"} 1.5\nh_sum 1\nh_count 1.5\n"),
            Fault::InvalidValue,
        ),
        (
            histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"),
            Fault::InvalidValue,
        ),
        (
            histogram("h_bucket{le=\"+Inf\"} 1\nh_sum NaN\nh_count 1\n"),
            Fault::InvalidValue,
        ),
        (many, Fault::TooManySeries),
    ];
    for (report, expected) in cases {
        let mut reports = reports();
        let start: String = report.chars().take(200).collect();
        assert_eq!(take(&mut reports, "a", &report), Some(expected), "{start}");
        assert_eq!(text(&reports), "", "{start}");
    }
    assert_eq!(parse(b"\x7fELF\xff\xfe"), Err((Fault::Syntax, 0)));
    assert_eq!(parse(b"\n# TYPE x gauge\nx y\n"), Err((Fault::Syntax, 3)));
}

#[test]
fn types_and_bounds_are_those_of_the_first_accepted_report() {
    let mut reports = reports();
    take(&mut reports, "a", FULL);
    let other_type =
        "# TYPE queue histogram\nqueue_bucket{le=\"+Inf\"} 1\nqueue_sum 1\nqueue_count 1\n";
    assert_eq!(
        take(&mut reports, "b", other_type),
        Some(Fault::TypeConflict)
    );
    let other_bounds = FULL.replace("0.5", "0.25");
    assert_eq!(
        take(&mut reports, "b", &other_bounds),
        Some(Fault::BucketMismatch)
    );
    take(&mut reports, "b", FULL);
    let within = "# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 1\nh_sum{a=\"1\"} 1\nh_count{a=\"1\"} 1\n\
        h_bucket{a=\"2\",le=\"+Inf\"} 1\nh_sum{a=\"2\"} 1\nh_count{a=\"2\"} 1\n";
    assert_eq!(take(&mut reports, "b", within), Some(Fault::BucketMismatch));
    for clash in [
        "# TYPE docs gauge\ndocs 1\n",
        "# TYPE step_seconds_count gauge\nstep_seconds_count 1\n",
    ] {
        assert_eq!(
            take(&mut reports, "b", clash),
            Some(Fault::NameConflict),
            "{clash}"
        );
        take(&mut reports, "b", "# TYPE fine gauge\nfine 1\n");
    }
}

#[test]
fn reserved_names_and_labels_are_left_out_and_the_rest_is_served() {
    let mut reports = reports();
    let report = "# TYPE orquestrador_runs_total counter\norquestrador_runs_total{processor=\"b\"} 9\n\
        # TYPE python_info gauge\npython_info 1\n# TYPE up gauge\nup 0\n# TYPE go_gc summary\ngo_gc_sum 1\n\
        # TYPE x_created gauge\nx_created 5\n# TYPE x_total counter\nx_total{job=\"j\",__name__=\"y\",a=\"1\"} 2\n";
    assert_eq!(take(&mut reports, "a", report), Some(Fault::Reserved));
    assert_eq!(
        text(&reports),
        "# TYPE x_total counter\nx_total{a=\"1\",processor=\"a\"} 2\n"
    );
}

#[test]
fn a_processor_has_at_most_200_series_however_many_attempts_report_new_ones() {
    let mut reports = reports();
    let report = |n: usize| {
        let lines = (0..100).map(|m| format!("x_total{{n=\"{n}-{m}\"}} 1\n"));
        format!("# TYPE x_total counter\n{}", lines.collect::<String>())
    };
    assert_eq!(take(&mut reports, "a", &report(0)), None);
    assert_eq!(take(&mut reports, "a", &report(1)), None);
    assert_eq!(
        take(&mut reports, "a", &report(2)),
        Some(Fault::TooManySeries)
    );
    assert_eq!(
        take(&mut reports, "a", &report(1)),
        None,
        "known series still count"
    );
    assert_eq!(text(&reports).lines().count(), 201);
}

#[test]
fn a_name_is_taken_as_long_as_anybody_has_it() {
    let mut reports = reports();
    let (gauge, none) = ("# TYPE x gauge\nx 1\n", "# TYPE y gauge\ny 1\n");
    let counter = "# TYPE x_total counter\nx_total 1\n";
    take(&mut reports, "a", gauge);
    take(&mut reports, "b", gauge);
    take(&mut reports, "a", none);
    assert_eq!(take(&mut reports, "a", counter), Some(Fault::NameConflict));
    take(&mut reports, "b", none);
    assert_eq!(take(&mut reports, "a", counter), None);
    assert_eq!(take(&mut reports, "b", gauge), Some(Fault::NameConflict));
}

#[test]
fn a_processor_that_is_dropped_frees_the_names_that_only_it_had() {
    let mut reports = reports();
    let other_type =
        "# TYPE queue histogram\nqueue_bucket{le=\"+Inf\"} 1\nqueue_sum 1\nqueue_count 1\n";
    assert_eq!(take(&mut reports, "a", FULL), None);
    assert_eq!(
        take(&mut reports, "b", other_type),
        Some(Fault::TypeConflict)
    );
    reports.expose(["b".to_owned()].into_iter());
    assert_eq!(text(&reports), "");
    assert_eq!(take(&mut reports, "b", other_type), None);
}

#[test]
fn a_sum_that_would_become_infinite_is_refused() {
    let mut reports = reports();
    let report = "# TYPE x_total counter\nx_total 1.7e308\n";
    assert_eq!(take(&mut reports, "a", report), None);
    assert_eq!(take(&mut reports, "a", report), Some(Fault::InvalidValue));
}

proptest! {
    #[test]
    fn no_bytes_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut reports = reports();
        let parsed = parse(&bytes).map_err(|(fault, _)| fault);
        reports.take("a", Timestamp::UNIX_EPOCH, parsed);
        text(&reports);
    }

    #[test]
    fn no_text_of_the_formats_own_pieces_does_any_harm(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "# TYPE ", "# HELP ", "x", "x_total", "h_bucket", "h", " ", "\n", "{", "}", "le=", "\"", "+Inf", "1", "\\",
            ",", "=", "counter", "gauge", "histogram", "NaN", "#", "é", "\r",
        ]), 0..60)
    ) {
        let mut reports = reports();
        take(&mut reports, "a", &pieces.concat());
        text(&reports);
    }
}
