//! Lines of the log. Pure.

use chrono::{DateTime, Utc};
use shared::{
    event::{EventKind, ImportEvent},
    import::ImportPhase,
};

use crate::ui::Tone;
use crate::ui::format::{bytes, counted, duration, rate, thousands};
use crate::ui::time::seconds_between;

/// The log has a line for each tenth of the rows, not for each event.
const MILESTONES: i64 = 10;
/// Shortest import with an average rate.
const MIN_SECONDS_FOR_AVERAGE: f64 = 0.5;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Number of its event.
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub tone: Tone,
    pub text: String,
}

/// The line that an event adds to the log, if any.
///
/// `read_before` is the number of rows read before it, `started_at` the time of the first claim.
pub fn line(event: &ImportEvent, read_before: i64, started_at: Option<DateTime<Utc>>) -> Option<LogLine> {
    let read = event.counts.read;
    let (tone, text) = match event.kind {
        EventKind::Queued => (Tone::Neutral, queued(event)),
        EventKind::Started => (Tone::Neutral, started(event)),
        EventKind::Resumed => (Tone::Neutral, resumed(read)),
        EventKind::Fetched => {
            (Tone::Neutral, format!("The file was fetched: {}", bytes(event.size_bytes.unwrap_or_default())))
        }
        EventKind::Scanned => (Tone::Neutral, scanned(event.rows_total)),
        EventKind::Progress => (Tone::Neutral, milestone(read_before, read, event.rows_total?)?),
        EventKind::Interrupted => (Tone::Warning, with_reason("Interrupted", event)),
        EventKind::Cancelling => (Tone::Warning, "Cancelling: finishing the batches in progress".to_owned()),
        EventKind::Retried => (Tone::Neutral, "Retrying from where it stopped".to_owned()),
        EventKind::Completed if event.counts.rejected > 0 => (Tone::Warning, completed(event, started_at)),
        EventKind::Completed => (Tone::Good, completed(event, started_at)),
        EventKind::Failed => (Tone::Bad, with_reason("Failed", event)),
        EventKind::Cancelled => (Tone::Warning, format!("Cancelled after {}", counted(read, "row"))),
        EventKind::Unknown => return None,
    };
    Some(LogLine { seq: event.seq, at: event.at, tone, text })
}

fn queued(event: &ImportEvent) -> String {
    if event.size_bytes.is_none() {
        return "Waiting for a worker to fetch the file".to_owned();
    }
    "The file is stored; waiting for a worker".to_owned()
}

fn started(event: &ImportEvent) -> String {
    let verb = if event.phase == Some(ImportPhase::Fetch) { "fetches" } else { "reads" };
    format!("A worker started and {verb} the file")
}

fn resumed(read: i64) -> String {
    if read == 0 {
        return "A worker resumed".to_owned();
    }
    format!("A worker resumed after {}", counted(read, "row"))
}

fn scanned(rows: Option<i64>) -> String {
    match rows {
        Some(rows) => format!("The file has {}; loading starts", counted(rows, "row")),
        None => "The file was read; loading starts".to_owned(),
    }
}

/// A line, if a milestone was passed between `before` and `read` rows.
fn milestone(before: i64, read: i64, total: i64) -> Option<String> {
    let tenths = |rows: i64| rows * MILESTONES / total.max(1);
    let reached = tenths(read);
    // The end has its own event.
    let passed = reached > tenths(before) && reached < MILESTONES;
    passed.then(|| format!("{} %: {} of {} rows", read * 100 / total.max(1), thousands(read), thousands(total)))
}

fn with_reason(what: &str, event: &ImportEvent) -> String {
    match &event.error {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    }
}

fn completed(event: &ImportEvent, started_at: Option<DateTime<Utc>>) -> String {
    let rows = counted(event.counts.read, "row");
    let Some(seconds) = started_at.map(|started| seconds_between(started, event.at)) else {
        return format!("Completed: {rows}");
    };
    match average(event.counts.read, seconds) {
        Some(average) => format!("Completed: {rows} in {}, {} rows/s on average", duration(seconds), rate(average)),
        None => format!("Completed: {rows} in {}", duration(seconds)),
    }
}

/// Rows per second over the whole import; `None` if it was too short for a meaningful figure.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn average(rows: i64, seconds: f64) -> Option<f64> {
    (seconds >= MIN_SECONDS_FOR_AVERAGE).then(|| rows as f64 / seconds)
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::TimeDelta;
    use shared::{import::Counts, job::JobStatus};

    use super::*;

    pub fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a moment")
    }

    pub fn event(seq: i64, kind: EventKind, read: i64) -> ImportEvent {
        ImportEvent {
            seq,
            kind,
            at: at(seq),
            status: JobStatus::Running,
            phase: Some(ImportPhase::Load),
            rows_total: Some(1_000),
            size_bytes: Some(2_000),
            bytes_fetched: 0,
            bytes_scanned: 0,
            counts: Counts { read, created: read, ..Counts::default() },
            error: None,
            next_attempt_at: None,
        }
    }

    fn text(event: &ImportEvent, before: i64) -> Option<String> {
        line(event, before, Some(at(0))).map(|line| line.text)
    }

    #[test]
    fn progress_is_logged_by_tenths() {
        let progress = |before, read| text(&event(5, EventKind::Progress, read), before);
        assert_eq!(progress(0, 99), None);
        assert_eq!(progress(99, 100).as_deref(), Some("10 %: 100 of 1,000 rows"));
        assert_eq!(progress(100, 420).as_deref(), Some("42 %: 420 of 1,000 rows"));
        assert_eq!(progress(900, 1_000), None);
    }

    #[test]
    fn progress_without_a_total_is_not_logged() {
        let scan = ImportEvent { rows_total: None, ..event(2, EventKind::Progress, 0) };
        assert_eq!(text(&scan, 0), None);
    }

    #[test]
    fn the_end_has_duration_and_rate() {
        let done =
            ImportEvent { at: at(0) + TimeDelta::milliseconds(9_400), ..event(9, EventKind::Completed, 500_000) };
        assert_eq!(text(&done, 0).as_deref(), Some("Completed: 500,000 rows in 9.4 s, 53,200 rows/s on average"));
    }

    #[test]
    fn a_failure_has_its_reason() {
        let failed = ImportEvent { error: Some("The disk is full.".to_owned()), ..event(9, EventKind::Failed, 1) };
        assert_eq!(text(&failed, 0).as_deref(), Some("Failed: The disk is full."));
    }
}
