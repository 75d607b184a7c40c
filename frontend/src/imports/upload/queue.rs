//! The files that were chosen, in their order, and where each stands. One at a time is sent.

use chrono::{DateTime, Utc};

use super::super::throughput::Throughput;

/// Why a file was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub title: String,
    pub detail: String,
    /// Sending the same file again may go better.
    pub retry: bool,
}

impl Refusal {
    /// One that stays the same however often the file is sent.
    pub fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { title: title.into(), detail: detail.into(), retry: false }
    }
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The person wants it so.
    Asked,
    /// One has to sign in again.
    SignedOut,
}

/// Where a file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is looked at.
    Checking,
    /// Others are before it.
    Waiting,
    /// The server is asked where to go on.
    Connecting,
    Sending,
    /// The line is broken; it goes on by itself.
    Broken {
        why: String,
        again_at: DateTime<Utc>,
    },
    Paused(Pause),
    Failed(Refusal),
    /// It has become this import.
    Arrived(i64),
}

impl State {
    /// It is this file's turn.
    const fn is_current(&self) -> bool {
        matches!(self, Self::Connecting | Self::Sending | Self::Broken { .. } | Self::Paused(_))
    }

    /// The word that the style sheet and the tests know it by.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Sending => "sending",
            Self::Broken { .. } => "broken",
            Self::Paused(_) => "paused",
            Self::Failed(_) => "failed",
            Self::Arrived(_) => "arrived",
        }
    }

    /// Nothing will become of it any more by itself.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Arrived(_))
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    pub id: u32,
    pub file_name: String,
    /// Size of the file, in bytes.
    pub size: i64,
    /// Bytes that have left the browser.
    pub sent: i64,
    pub pace: Throughput,
    /// When bytes last left.
    pub moved_at: DateTime<Utc>,
    /// It goes on after a reload.
    pub is_kept: bool,
    pub state: State,
}

impl Upload {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    pub fn share(&self) -> f64 {
        if self.size > 0 { self.sent as f64 / self.size as f64 } else { 0.0 }
    }

    /// All bytes are gone; the server has yet to answer.
    pub fn is_sent(&self) -> bool {
        self.sent >= self.size
    }

    /// The server is asked anew how much it has.
    pub fn connect(&mut self) {
        self.state = State::Connecting;
        self.pace = Throughput::default();
    }

    /// Bytes have left.
    pub fn move_to(&mut self, sent: i64, now: DateTime<Utc>) {
        let sent = sent.min(self.size);
        // The server has less than was thought: what was measured is no more true.
        if sent < self.sent {
            self.pace = Throughput::default();
        }
        (self.state, self.sent, self.moved_at) = (State::Sending, sent, now);
        self.pace.record(now, sent);
    }
}

/// All files of the tab since the last time that nothing was under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    uploads: Vec<Upload>,
    last_id: u32,
}

impl Queue {
    pub fn uploads(&self) -> &[Upload] {
        &self.uploads
    }

    /// Adds a file. What ended before anything else was under way is forgotten.
    pub fn add(&mut self, file_name: String, size: i64, now: DateTime<Utc>) -> u32 {
        if self.is_settled() {
            self.uploads.clear();
        }
        self.last_id += 1;
        self.uploads.push(Upload {
            id: self.last_id,
            file_name,
            size,
            sent: 0,
            pace: Throughput::default(),
            moved_at: now,
            is_kept: false,
            state: State::Checking,
        });
        self.last_id
    }

    pub fn get(&self, id: u32) -> Option<&Upload> {
        self.uploads.iter().find(|upload| upload.id == id)
    }

    pub fn get_mut(&mut self, id: u32) -> Option<&mut Upload> {
        self.uploads.iter_mut().find(|upload| upload.id == id)
    }

    pub fn remove(&mut self, id: u32) {
        self.uploads.retain(|upload| upload.id != id);
    }

    /// The file whose turn it is.
    pub fn current(&self) -> Option<&Upload> {
        self.uploads.iter().find(|upload| upload.state.is_current())
    }

    /// The file that can be sent now. One that is paused holds up those behind it: who pauses wants the line.
    pub fn next(&self) -> Option<u32> {
        if self.current().is_some() {
            return None;
        }
        self.uploads.iter().find(|upload| upload.state == State::Waiting).map(|upload| upload.id)
    }

    /// The file that is shown large: the one whose turn it is, or will be.
    pub fn shown(&self) -> Option<&Upload> {
        self.current().or_else(|| self.uploads.iter().find(|upload| !upload.state.is_settled()))
    }

    /// Nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.uploads.iter().all(|upload| upload.state.is_settled())
    }

    /// The file, where it is the only one.
    pub fn only(&self) -> Option<&Upload> {
        match &self.uploads[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    pub fn arrived(&self) -> usize {
        self.uploads.iter().filter(|upload| matches!(upload.state, State::Arrived(_))).count()
    }

    /// Something would have to be done anew if the tab were closed: files that wait are forgotten, and so is one whose
    /// upload the browser did not keep.
    pub fn would_be_lost(&self) -> bool {
        let lost = |upload: &Upload| match upload.state {
            State::Checking | State::Waiting => true,
            State::Failed(_) | State::Arrived(_) => false,
            _ => !upload.is_kept && !upload.is_sent(),
        };
        self.uploads.iter().any(lost)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Files of 200 bytes with these states.
    pub fn queue(states: &[State]) -> Queue {
        let mut queue = Queue::default();
        let ids: Vec<_> =
            (1..=states.len()).map(|number| queue.add(format!("{number}.csv"), 200, DateTime::UNIX_EPOCH)).collect();
        for (id, state) in ids.into_iter().zip(states) {
            queue.get_mut(id).expect("just added").state = state.clone();
        }
        queue
    }

    fn failed() -> State {
        State::Failed(Refusal::new("1.csv cannot be imported", "It is a PDF."))
    }

    #[test]
    fn files_are_sent_one_after_another() {
        let mut queue = queue(&[State::Arrived(1), State::Sending, State::Waiting, State::Checking]);
        assert_eq!(queue.next(), None);
        queue.get_mut(2).expect("there").state = failed();
        assert_eq!((queue.next(), queue.shown().map(|u| u.id)), (Some(3), Some(3)));
        queue.remove(3);
        assert_eq!((queue.next(), queue.shown().map(|u| u.id)), (None, Some(4)), "it is still looked at");
    }

    #[test]
    fn one_that_is_paused_or_cut_off_keeps_its_turn() {
        let again_at = DateTime::UNIX_EPOCH;
        for state in [State::Paused(Pause::Asked), State::Broken { why: "Connection lost".to_owned(), again_at }] {
            let queue = queue(&[state, State::Waiting]);
            assert_eq!((queue.next(), queue.current().map(|u| u.id)), (None, Some(1)));
        }
    }

    #[test]
    fn a_new_choice_takes_the_place_of_what_has_ended() {
        let mut queue = queue(&[failed(), State::Arrived(3)]);
        queue.add("new.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert_eq!(queue.only().map(|upload| upload.id), Some(3), "and has a number of its own");
        queue.add("more.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert_eq!((queue.uploads().len(), queue.only()), (2, None));
    }

    #[test]
    fn what_goes_on_after_a_reload_is_not_lost() {
        let mut queue = queue(&[State::Sending, State::Arrived(1), failed()]);
        assert!(queue.would_be_lost());
        queue.get_mut(1).expect("there").is_kept = true;
        assert!(!queue.would_be_lost());
        queue.add("next.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert!(queue.would_be_lost());
    }

    #[test]
    fn more_bytes_on_the_wire_than_in_the_file_are_not_shown() {
        let mut queue = queue(&[State::Connecting]);
        let upload = queue.get_mut(1).expect("there");
        upload.move_to(260, DateTime::UNIX_EPOCH);
        assert_eq!((upload.sent, upload.is_sent(), upload.state.clone()), (200, true, State::Sending));
    }

    #[test]
    fn the_speed_is_measured_anew_where_the_server_has_less_than_was_thought() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a moment");
        let mut queue = queue(&[State::Connecting]);
        let upload = queue.get_mut(1).expect("there");
        for (second, sent) in [(0, 0), (1, 100), (2, 40), (3, 50)] {
            upload.move_to(sent, at(second));
        }
        assert_eq!(upload.pace.current(at(3)), Some(10.0));
    }
}
