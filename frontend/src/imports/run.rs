//! One import as the browser knows it: its figures, its log, its pace. Pure: events go in, views read it.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    event::{EventKind, ImportEvent, ImportState},
    import::{Import, ImportPhase, ImportStatus},
};

use super::log::{self, LogLine};
use super::pace::Pace;
use crate::live::Message;
use crate::ui::format::bytes;
use crate::ui::time::seconds_between;

/// A worker speaks at least every two seconds. A person hears of its silence after this time.
const SILENT: TimeDelta = TimeDelta::seconds(5);

/// How large its file is, as far as that is known: one that is fetched tells it when it is here.
pub fn size(import: &Import) -> String {
    if import.size_bytes == 0 { "Size not known yet".to_owned() } else { bytes(import.size_bytes) }
}

/// One import and what has been heard of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// With the newest figures.
    pub import: Import,
    pub log: Vec<LogLine>,
    /// Rows loaded over time, by the server's clock.
    pub rows: Pace,
    /// Bytes surveyed over time, by the server's clock.
    pub bytes: Pace,
    /// Number of the newest event that was heard; 0 before the first.
    seen: i64,
    heard_at: Option<DateTime<Utc>>,
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
            rows: Pace::default(),
            bytes: Pace::default(),
            seen: 0,
            heard_at: None,
            read: 0,
            clock_ahead: TimeDelta::zero(),
        }
    }

    /// Takes in a message that arrives at `now`, by the browser's clock.
    pub fn hear(&mut self, message: Message, now: DateTime<Utc>) {
        match message {
            Message::State(state) => self.hear_state(*state, now),
            Message::Event(event) => self.hear_event(*event),
        }
    }

    fn hear_state(&mut self, state: ImportState, now: DateTime<Utc>) {
        self.clock_ahead = state.now - now;
        if state.import.last_seq >= self.import.last_seq {
            self.import = state.import;
        }
    }

    fn hear_event(&mut self, event: ImportEvent) {
        // After a new connection the old ones come again.
        if event.seq <= self.seen {
            return;
        }
        self.seen = event.seq;
        self.heard_at = Some(event.at);
        if event.kind == EventKind::Started {
            self.import.started_at.get_or_insert(event.at);
        }
        self.log.extend(log::line(&event, self.read, self.import.started_at));
        self.read = event.counts.read;
        match event.phase {
            Some(ImportPhase::Survey) => self.bytes.record(event.at, event.bytes_surveyed),
            Some(ImportPhase::Load) => self.rows.record(event.at, event.counts.read),
            Some(ImportPhase::Fetch) | None => {}
        }
        if event.seq >= self.import.last_seq {
            self.take_figures(event);
        }
    }

    fn take_figures(&mut self, event: ImportEvent) {
        let import = &mut self.import;
        import.cancelling = event.kind == EventKind::Cancelling || (import.cancelling && !event.status.is_final());
        if event.status.is_final() {
            import.finished_at.get_or_insert(event.at);
        }
        import.last_seq = event.seq;
        import.status = event.status;
        import.phase = event.phase;
        import.rows_total = event.rows_total;
        if event.size_bytes > 0 {
            import.size_bytes = event.size_bytes;
        }
        import.bytes_fetched = event.bytes_fetched;
        import.bytes_surveyed = event.bytes_surveyed;
        import.counts = event.counts;
        import.error = event.error;
    }

    /// The import has ended and every event of it is here.
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

    /// Seconds since anything was heard of an import that should move; `None` while they are too few to worry.
    pub fn silence(&self, now: DateTime<Utc>) -> Option<i64> {
        if self.import.status.is_final() || !self.is_caught_up() {
            return None;
        }
        let since = self.server_time(now) - self.heard_at.unwrap_or(self.import.created_at);
        (since > SILENT).then(|| since.num_seconds())
    }

    /// Seconds since a worker first took it, until its end; `None` before.
    pub fn elapsed(&self, now: DateTime<Utc>) -> Option<f64> {
        let until = self.import.finished_at.unwrap_or_else(|| self.server_time(now));
        Some(seconds_between(self.import.started_at?, until).max(0.0))
    }

    /// Share done of the phase that runs: bytes of the fetch and of the survey, rows of the load. `None` before a worker has it.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    pub fn share(&self) -> Option<f64> {
        let import = &self.import;
        let (done, all) = match (import.status, import.phase, import.rows_total) {
            (ImportStatus::Completed, ..) => return Some(1.0),
            (ImportStatus::Queued, None, None) => return None,
            (_, Some(ImportPhase::Fetch), _) if import.size_bytes == 0 => return None,
            (_, Some(ImportPhase::Fetch), _) => (import.bytes_fetched, import.size_bytes),
            (_, Some(ImportPhase::Survey), _) | (_, None, None) => (import.bytes_surveyed, import.size_bytes),
            (_, _, rows) => (import.counts.read, rows.unwrap_or(0)),
        };
        Some(if all > 0 { done as f64 / all as f64 } else { 0.0 })
    }

    /// Rows per second: of the last seconds while it loads, of the whole run afterwards.
    pub fn rows_per_second(&self, now: DateTime<Utc>) -> Option<f64> {
        if self.import.status.is_final() {
            return log::average(self.import.counts.read, self.elapsed(now)?);
        }
        self.rows.current(self.server_time(now))
    }

    /// Seconds until the load is through; `None` while nobody can tell.
    pub fn time_left(&self, now: DateTime<Utc>) -> Option<f64> {
        if self.import.status != ImportStatus::Running || self.import.phase != Some(ImportPhase::Load) {
            return None;
        }
        self.rows.time_left(self.import.rows_total? - self.import.counts.read, self.server_time(now))
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
            size_bytes: 2_000,
            sha256: String::new(),
            status: ImportStatus::Queued,
            phase: None,
            cancelling: false,
            rows_total: None,
            bytes_surveyed: 0,
            counts: Counts::default(),
            last_seq: 1,
            error: None,
            created_at: at(0),
            started_at: None,
            finished_at: None,
            file_removed_at: None,
            source_url: None,
            bytes_fetched: 0,
        }
    }

    fn heard(events: impl IntoIterator<Item = ImportEvent>) -> Run {
        let mut run = Run::new(import());
        for event in events {
            run.hear(Message::Event(Box::new(event)), at(0));
        }
        run
    }

    fn of(status: ImportStatus, event: ImportEvent) -> ImportEvent {
        ImportEvent { status, phase: (status == ImportStatus::Running).then_some(ImportPhase::Load), ..event }
    }

    #[test]
    fn events_move_the_figures_and_a_repeated_one_changes_nothing() {
        let events = [event(1, EventKind::Started, 0), event(2, EventKind::Progress, 300)];
        let run = heard(events.clone());
        assert_eq!((run.import.counts.read, run.import.started_at, run.log.len()), (300, Some(at(1)), 2));
        let again = heard(events.clone().into_iter().chain(events));
        assert_eq!((again.import, again.log), (run.import, run.log));
    }

    #[test]
    fn while_old_events_are_replayed_the_figures_stay_those_of_now() {
        let mut run = Run::new(import());
        let import = Import { last_seq: 3, counts: event(3, EventKind::Progress, 900).counts, ..import() };
        run.hear(Message::State(Box::new(ImportState { now: at(3), import })), at(3));
        run.hear(Message::Event(Box::new(event(2, EventKind::Progress, 200))), at(3));
        assert_eq!(run.import.counts.read, 900);
        assert_eq!(run.silence(at(60)), None, "not all is heard yet");
    }

    #[test]
    fn silence_is_noticed_by_the_servers_clock() {
        let mut run = heard([event(1, EventKind::Progress, 10)]);
        run.hear(Message::State(Box::new(ImportState { now: at(4), import: run.import.clone() })), at(1_000));
        assert_eq!(run.silence(at(1_000)), None);
        assert_eq!(run.silence(at(1_005)), Some(8));
    }

    #[test]
    fn an_ended_import_is_never_silent_and_stands_still() {
        let run = heard([
            event(1, EventKind::Started, 0),
            of(ImportStatus::Completed, event(11, EventKind::Completed, 1_000)),
        ]);
        assert_eq!((run.silence(at(500)), run.elapsed(at(500)), run.share()), (None, Some(10.0), Some(1.0)));
        assert_eq!(run.rows_per_second(at(500)), Some(100.0));
        assert!(run.is_complete());
    }

    #[test]
    fn a_cancel_is_under_way_until_the_end() {
        let cancelling = event(2, EventKind::Cancelling, 10);
        let mut run = heard([cancelling, event(3, EventKind::Progress, 20)]);
        assert!(run.import.cancelling);
        run.hear(Message::Event(Box::new(of(ImportStatus::Cancelled, event(4, EventKind::Cancelled, 20)))), at(4));
        assert!(!run.import.cancelling);
    }

    #[test]
    fn the_share_is_of_bytes_in_the_survey_and_of_rows_afterwards() {
        assert_eq!(heard([]).share(), None);
        let survey = ImportEvent {
            phase: Some(ImportPhase::Survey),
            rows_total: None,
            bytes_surveyed: 500,
            ..event(2, EventKind::Progress, 0)
        };
        assert_eq!(heard([survey]).share(), Some(0.25));
        assert_eq!(heard([event(2, EventKind::Progress, 750)]).share(), Some(0.75));
    }
}
