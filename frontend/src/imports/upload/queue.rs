//! The files that were chosen, in their order, with their states. One at a time is sent.

use chrono::{DateTime, Utc};

use super::super::throughput::Throughput;

/// Why a file was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadError {
    pub title: String,
    pub detail: String,
    /// Sending the same file again may succeed.
    pub retry: bool,
}

impl UploadError {
    /// An error that will not change, however often the file is sent.
    pub fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { title: title.into(), detail: detail.into(), retry: false }
    }
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// The user paused it.
    ByUser,
    /// The user has to sign in again.
    SignedOut,
}

/// The state of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its beginning is being checked.
    Checking,
    /// Other files come first.
    Waiting,
    /// The server is asked for the offset.
    Connecting,
    Sending,
    /// The connection is broken; it is retried automatically.
    Interrupted {
        why: String,
        retry_at: DateTime<Utc>,
    },
    Paused(PauseReason),
    Failed(UploadError),
    /// It is complete; this is the id of its import.
    Uploaded(i64),
}

impl State {
    /// Whether this is the file that is sent now.
    const fn is_current(&self) -> bool {
        matches!(self, Self::Connecting | Self::Sending | Self::Interrupted { .. } | Self::Paused(_))
    }

    /// The name of the state in the style sheet and in tests.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Sending => "sending",
            Self::Interrupted { .. } => "interrupted",
            Self::Paused(_) => "paused",
            Self::Failed(_) => "failed",
            Self::Uploaded(_) => "uploaded",
        }
    }

    /// Nothing more happens to the file by itself.
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Uploaded(_))
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
    pub throughput: Throughput,
    /// When bytes last left.
    pub progressed_at: DateTime<Utc>,
    /// It can be resumed after a reload.
    pub is_resumable: bool,
    pub state: State,
}

impl Upload {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    pub fn share(&self) -> f64 {
        if self.size > 0 { self.sent as f64 / self.size as f64 } else { 0.0 }
    }

    /// All bytes have left; the server has yet to respond.
    pub fn is_sent(&self) -> bool {
        self.sent >= self.size
    }

    /// The server is asked for the offset again.
    pub fn connect(&mut self) {
        self.state = State::Connecting;
        self.throughput = Throughput::default();
    }

    /// Records that bytes have left.
    pub fn advance_to(&mut self, sent: i64, now: DateTime<Utc>) {
        let sent = sent.min(self.size);
        // The server has less than was assumed: what was measured is no longer true.
        if sent < self.sent {
            self.throughput = Throughput::default();
        }
        (self.state, self.sent, self.progressed_at) = (State::Sending, sent, now);
        self.throughput.record(now, sent);
    }
}

/// All files of the tab since the last time that nothing was in progress.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    uploads: Vec<Upload>,
    last_id: u32,
}

impl Queue {
    pub fn uploads(&self) -> &[Upload] {
        &self.uploads
    }

    /// Adds a file. Files that ended before are removed if nothing is in progress.
    pub fn add(&mut self, file_name: String, size: i64, now: DateTime<Utc>) -> u32 {
        if self.is_finished() {
            self.uploads.clear();
        }
        self.last_id += 1;
        self.uploads.push(Upload {
            id: self.last_id,
            file_name,
            size,
            sent: 0,
            throughput: Throughput::default(),
            progressed_at: now,
            is_resumable: false,
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

    /// The file that is sent now.
    pub fn current(&self) -> Option<&Upload> {
        self.uploads.iter().find(|upload| upload.state.is_current())
    }

    /// The file that can be sent next. A paused one blocks those behind it: a user who pauses needs the bandwidth.
    pub fn next(&self) -> Option<u32> {
        if self.current().is_some() {
            return None;
        }
        self.uploads.iter().find(|upload| upload.state == State::Waiting).map(|upload| upload.id)
    }

    /// The file that the panel shows: the current one, or the next.
    pub fn displayed(&self) -> Option<&Upload> {
        self.current().or_else(|| self.uploads.iter().find(|upload| !upload.state.is_finished()))
    }

    /// Nothing is in progress.
    pub fn is_finished(&self) -> bool {
        self.uploads.iter().all(|upload| upload.state.is_finished())
    }

    /// The file, if it is the only one.
    pub fn only(&self) -> Option<&Upload> {
        match &self.uploads[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    pub fn uploaded(&self) -> usize {
        self.uploads.iter().filter(|upload| matches!(upload.state, State::Uploaded(_))).count()
    }

    /// Something would be lost if the tab were closed: files that wait are forgotten, and so is one whose upload the browser
    /// could not save.
    pub fn would_be_lost(&self) -> bool {
        let lost = |upload: &Upload| match upload.state {
            State::Checking | State::Waiting => true,
            State::Failed(_) | State::Uploaded(_) => false,
            _ => !upload.is_resumable && !upload.is_sent(),
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
        State::Failed(UploadError::new("1.csv cannot be imported", "It is a PDF."))
    }

    #[test]
    fn files_are_sent_one_after_another() {
        let mut queue = queue(&[State::Uploaded(1), State::Sending, State::Waiting, State::Checking]);
        assert_eq!(queue.next(), None);
        queue.get_mut(2).expect("there").state = failed();
        assert_eq!((queue.next(), queue.displayed().map(|u| u.id)), (Some(3), Some(3)));
        queue.remove(3);
        assert_eq!((queue.next(), queue.displayed().map(|u| u.id)), (None, Some(4)), "it is still being checked");
    }

    #[test]
    fn a_paused_or_interrupted_file_stays_current() {
        let retry_at = DateTime::UNIX_EPOCH;
        for state in
            [State::Paused(PauseReason::ByUser), State::Interrupted { why: "Connection lost".to_owned(), retry_at }]
        {
            let queue = queue(&[state, State::Waiting]);
            assert_eq!((queue.next(), queue.current().map(|u| u.id)), (None, Some(1)));
        }
    }

    #[test]
    fn new_files_replace_finished_ones() {
        let mut queue = queue(&[failed(), State::Uploaded(3)]);
        queue.add("new.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert_eq!(queue.only().map(|upload| upload.id), Some(3), "with an id of its own");
        queue.add("more.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert_eq!((queue.uploads().len(), queue.only()), (2, None));
    }

    #[test]
    fn an_upload_that_can_be_resumed_is_not_lost() {
        let mut queue = queue(&[State::Sending, State::Uploaded(1), failed()]);
        assert!(queue.would_be_lost());
        queue.get_mut(1).expect("there").is_resumable = true;
        assert!(!queue.would_be_lost());
        queue.add("next.csv".to_owned(), 1, DateTime::UNIX_EPOCH);
        assert!(queue.would_be_lost());
    }

    #[test]
    fn at_most_the_size_of_the_file_is_shown_as_sent() {
        let mut queue = queue(&[State::Connecting]);
        let upload = queue.get_mut(1).expect("there");
        upload.advance_to(260, DateTime::UNIX_EPOCH);
        assert_eq!((upload.sent, upload.is_sent(), upload.state.clone()), (200, true, State::Sending));
    }

    #[test]
    fn the_throughput_is_measured_again_if_the_server_has_less_than_assumed() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("a moment");
        let mut queue = queue(&[State::Connecting]);
        let upload = queue.get_mut(1).expect("there");
        for (second, sent) in [(0, 0), (1, 100), (2, 40), (3, 50)] {
            upload.advance_to(sent, at(second));
        }
        assert_eq!(upload.throughput.current(at(3)), Some(10.0));
    }
}
