//! One import as the page knows it: its figures, its log, its throughput. Pure: events go in, views read it.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    event::{EventKind, ImportEvent, ImportState},
    import::{Import, ImportPhase},
    job::JobStatus,
};

use super::log::{self, LogLine};
use super::status::is_waiting;
use super::stream::Message;
use super::throughput::Throughput;
use crate::ui::format::bytes;
use crate::ui::time::seconds_between;

/// A worker reports at least every two seconds; after this time without a report the page shows a notice.
const SILENT_AFTER: TimeDelta = TimeDelta::seconds(5);

/// Size of the file, if it is known: that of a file that is fetched may be unknown until it is stored.
pub fn size(import: &Import) -> String {
    import.size_bytes.map_or_else(|| "Size not known yet".to_owned(), bytes)
}

/// The higher of two rates. No rate is lower than any.
fn highest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

/// One import and what was received about it.
#[derive(Debug, Clone)]
pub struct Run {
    /// With the newest figures.
    pub import: Import,
    pub log: Vec<LogLine>,
    /// Rows loaded over time, by the server's clock.
    pub rows: Throughput,
    /// Bytes scanned over time, by the server's clock.
    pub bytes: Throughput,
    /// Highest rate so far, in rows per second.
    pub peak: Option<f64>,
    /// Number of the newest event that was received; 0 before the first.
    seen: i64,
    received_at: Option<DateTime<Utc>>,
    /// Rows read at the newest event: the figures of `import` run ahead while events are replayed.
    read: i64,
    /// How far the server's clock is ahead of the browser's.
    clock_ahead: TimeDelta,
}

impl Run {
    pub fn new(import: Import) -> Self {
        Self {
            import,
            log: Vec::new(),
            rows: Throughput::default(),
            bytes: Throughput::default(),
            peak: None,
            seen: 0,
            received_at: None,
            read: 0,
            clock_ahead: TimeDelta::zero(),
        }
    }

    /// Applies a message that arrives at `now`, by the browser's clock.
    pub fn apply(&mut self, message: Message, now: DateTime<Utc>) {
        match message {
            Message::State(state) => self.apply_state(*state, now),
            Message::Event(event) => self.apply_event(*event),
        }
    }

    fn apply_state(&mut self, state: ImportState, now: DateTime<Utc>) {
        self.clock_ahead = state.now - now;
        if state.import.last_seq >= self.import.last_seq {
            self.import = state.import;
        }
    }

    fn apply_event(&mut self, event: ImportEvent) {
        // After a reconnection, earlier events arrive again.
        if event.seq <= self.seen {
            return;
        }
        self.seen = event.seq;
        self.received_at = Some(event.at);
        if event.kind == EventKind::Started {
            self.import.started_at.get_or_insert(event.at);
        }
        self.log.extend(log::line(&event, self.read, self.import.started_at));
        self.read = event.counts.read;
        match event.phase {
            Some(ImportPhase::Scan) => self.bytes.record(event.at, event.bytes_scanned),
            Some(ImportPhase::Load) => {
                self.rows.record(event.at, event.counts.read);
                self.peak = highest(self.peak, self.rows.current(event.at));
            }
            Some(ImportPhase::Fetch | ImportPhase::Unknown) | None => {}
        }
        if event.seq >= self.import.last_seq {
            self.apply_figures(event);
        }
    }

    fn apply_figures(&mut self, event: ImportEvent) {
        let import = &mut self.import;
        import.cancelling = event.kind == EventKind::Cancelling || (import.cancelling && !event.status.is_final());
        if event.status.is_final() {
            import.finished_at.get_or_insert(event.at);
        } else {
            import.finished_at = None;
        }
        import.last_seq = event.seq;
        import.status = event.status;
        import.phase = event.phase;
        import.rows_total = event.rows_total;
        import.size_bytes = event.size_bytes;
        import.bytes_fetched = event.bytes_fetched;
        import.bytes_scanned = event.bytes_scanned;
        import.counts = event.counts;
        import.error = event.error;
        import.next_attempt_at = event.next_attempt_at;
    }

    /// The import has ended, and all of its events have arrived.
    pub fn is_complete(&self) -> bool {
        self.import.status.is_final() && self.is_caught_up()
    }

    fn is_caught_up(&self) -> bool {
        self.seen >= self.import.last_seq
    }

    /// The server's clock at the browser's `now`.
    pub fn server_time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.clock_ahead
    }

    /// Seconds since the last report on an import that should progress. `None` if that is not long, or if it waits for its
    /// next attempt.
    pub fn silence(&self, now: DateTime<Utc>) -> Option<i64> {
        if self.import.status.is_final() || is_waiting(&self.import) || !self.is_caught_up() {
            return None;
        }
        let since = self.server_time(now) - self.received_at.unwrap_or(self.import.created_at);
        (since > SILENT_AFTER).then(|| since.num_seconds())
    }

    /// Seconds from the first claim to the end, or until now. `None` before the first claim.
    pub fn elapsed(&self, now: DateTime<Utc>) -> Option<f64> {
        let until = self.import.finished_at.unwrap_or_else(|| self.server_time(now));
        Some(seconds_between(self.import.started_at?, until).max(0.0))
    }

    /// Share done of the current phase: bytes of the fetch and of the scan, rows of the load. `None` before the first claim,
    /// and while the size of the file is unknown.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    pub fn share(&self) -> Option<f64> {
        let import = &self.import;
        let (done, all) = match (import.status, import.phase, import.rows_total) {
            (JobStatus::Completed, ..) => return Some(1.0),
            (JobStatus::Queued, None, None) => return None,
            (_, Some(ImportPhase::Fetch), _) => (import.bytes_fetched, import.size_bytes?),
            (_, Some(ImportPhase::Scan), _) | (_, None, None) => (import.bytes_scanned, import.size_bytes.unwrap_or(0)),
            (_, _, rows) => (import.counts.read, rows.unwrap_or(0)),
        };
        Some(if all > 0 { done as f64 / all as f64 } else { 0.0 })
    }

    /// Rows per second: of the last seconds while it loads, of the whole import afterwards.
    pub fn rows_per_second(&self, now: DateTime<Utc>) -> Option<f64> {
        if self.import.status.is_final() {
            return log::average(self.import.counts.read, self.elapsed(now)?);
        }
        self.rows.current(self.server_time(now))
    }

    /// Estimated seconds until the end of the load; `None` without an estimate.
    pub fn time_left(&self, now: DateTime<Utc>) -> Option<f64> {
        let import = &self.import;
        let loads = import.status == JobStatus::Running && import.phase == Some(ImportPhase::Load);
        if !loads || import.cancelling || is_waiting(import) {
            return None;
        }
        self.rows.time_left(import.rows_total? - import.counts.read, self.server_time(now))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::import::Counts;

    use super::super::log::tests::{at, event};
    use super::*;

    pub fn import() -> Import {
        Import {
            id: 7,
            file_name: "products.csv".to_owned(),
            size_bytes: Some(2_000),
            sha256: None,
            status: JobStatus::Queued,
            phase: None,
            cancelling: false,
            rows_total: None,
            bytes_scanned: 0,
            counts: Counts::default(),
            last_seq: 1,
            error: None,
            next_attempt_at: None,
            created_at: at(0),
            started_at: None,
            finished_at: None,
            file_removed_at: None,
            details_removed_at: None,
            source_url: None,
            bytes_fetched: 0,
        }
    }

    fn received(events: impl IntoIterator<Item = ImportEvent>) -> Run {
        let mut run = Run::new(import());
        for event in events {
            run.apply(Message::Event(Box::new(event)), at(0));
        }
        run
    }

    fn of(status: JobStatus, event: ImportEvent) -> ImportEvent {
        ImportEvent { status, phase: (status == JobStatus::Running).then_some(ImportPhase::Load), ..event }
    }

    #[test]
    fn events_update_the_figures_and_a_second_delivery_changes_nothing() {
        let events = [event(1, EventKind::Started, 0), event(2, EventKind::Progress, 300)];
        let run = received(events.clone());
        assert_eq!((run.import.counts.read, run.import.started_at, run.log.len()), (300, Some(at(1)), 2));
        let again = received(events.clone().into_iter().chain(events));
        assert_eq!((again.import, again.log), (run.import, run.log));
    }

    #[test]
    fn while_old_events_are_replayed_the_figures_stay_those_of_now() {
        let mut run = Run::new(import());
        let import = Import { last_seq: 3, counts: event(3, EventKind::Progress, 900).counts, ..import() };
        run.apply(Message::State(Box::new(ImportState { now: at(3), import })), at(3));
        run.apply(Message::Event(Box::new(event(2, EventKind::Progress, 200))), at(3));
        assert_eq!(run.import.counts.read, 900);
        assert_eq!(run.silence(at(60)), None, "not all events have arrived");
    }

    #[test]
    fn silence_is_measured_by_the_servers_clock() {
        let mut run = received([event(1, EventKind::Progress, 10)]);
        run.apply(Message::State(Box::new(ImportState { now: at(4), import: run.import.clone() })), at(1_000));
        assert_eq!(run.silence(at(1_000)), None);
        assert_eq!(run.silence(at(1_005)), Some(8));
    }

    #[test]
    fn an_ended_import_is_never_silent_and_does_not_change() {
        let run = received([
            event(1, EventKind::Started, 0),
            of(JobStatus::Completed, event(11, EventKind::Completed, 1_000)),
        ]);
        assert_eq!((run.silence(at(500)), run.elapsed(at(500)), run.share()), (None, Some(10.0), Some(1.0)));
        assert_eq!(run.rows_per_second(at(500)), Some(100.0));
        assert!(run.is_complete());
    }

    #[test]
    fn cancelling_lasts_until_the_end() {
        let cancelling = event(2, EventKind::Cancelling, 10);
        let mut run = received([cancelling, event(3, EventKind::Progress, 20)]);
        assert!(run.import.cancelling);
        run.apply(Message::Event(Box::new(of(JobStatus::Cancelled, event(4, EventKind::Cancelled, 20)))), at(4));
        assert!(!run.import.cancelling);
    }

    #[test]
    fn the_share_is_of_bytes_in_the_scan_and_of_rows_afterwards() {
        assert_eq!(received([]).share(), None);
        let scan = ImportEvent {
            phase: Some(ImportPhase::Scan),
            rows_total: None,
            bytes_scanned: 500,
            ..event(2, EventKind::Progress, 0)
        };
        assert_eq!(received([scan]).share(), Some(0.25));
        assert_eq!(received([event(2, EventKind::Progress, 750)]).share(), Some(0.75));
    }

    #[test]
    fn the_peak_never_decreases() {
        let progress = |seq, seconds, read| ImportEvent { at: at(seconds), ..event(seq, EventKind::Progress, read) };
        let mut run = received([progress(1, 0, 0), progress(2, 1, 900)]);
        assert_eq!(run.peak, Some(900.0));
        run.apply(Message::Event(Box::new(progress(3, 30, 910))), at(30));
        assert_eq!(run.peak, Some(900.0));
    }

    #[test]
    fn a_cancelled_or_waiting_import_has_no_time_left() {
        let progress = |seq, read| event(seq, EventKind::Progress, read);
        let mut run = received([progress(1, 0), progress(2, 100)]);
        assert_eq!(run.time_left(at(0)), Some(9.0));
        run.apply(Message::Event(Box::new(event(3, EventKind::Cancelling, 100))), at(0));
        assert_eq!(run.time_left(at(0)), None);
        let mut run = received([progress(1, 0), progress(2, 100)]);
        let waits = ImportEvent { next_attempt_at: Some(at(60)), ..event(3, EventKind::Interrupted, 100) };
        run.apply(Message::Event(Box::new(waits)), at(0));
        assert_eq!((run.time_left(at(0)), run.silence(at(50))), (None, None));
    }

    #[test]
    fn a_retried_import_runs_again() {
        let failed = of(JobStatus::Failed, event(2, EventKind::Failed, 10));
        let mut run = received([event(1, EventKind::Started, 0), failed]);
        assert_eq!(run.import.finished_at, Some(at(2)));
        run.apply(Message::Event(Box::new(of(JobStatus::Queued, event(3, EventKind::Retried, 10)))), at(0));
        assert_eq!((run.import.finished_at, run.is_complete()), (None, false));
    }
}
