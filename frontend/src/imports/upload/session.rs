//! Sends the files of the queue, chunk by chunk, and resumes after every interruption.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use leptos::prelude::*;
use shared::problem::ErrorCode;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

use super::chunk_size::retry_delay;
use super::queue::{PauseReason, State, Upload, UploadError};
use super::request::{Connection, Request};
use super::resumable::{self, Resumable};
use super::tab_locks::{self, TabLock};
use super::tus::{self, Outcome};
use super::{Uploads, inspect};
use crate::auth;

/// Time after which a chunk without a response is aborted; the server stores what it has received of it. The last chunk may
/// have to wait until the server has completed the file.
const CHUNK_TIMEOUT: Duration = Duration::from_mins(2);
/// Times that the upload of a file is created because the server does not know it, before the file has failed.
const MAX_CREATIONS: u32 = 3;
/// Responses in a row that may leave the offset unchanged.
const MAX_STALLED_RESPONSES: u32 = 2;

/// What is needed to send a file.
pub struct Transfer {
    pub file: File,
    pub fingerprint: String,
    /// Of the upload at the server, once it is created.
    pub url: Option<String>,
    /// Keeps other tabs from sending the same upload.
    pub tab_lock: Option<TabLock>,
    /// Bytes that the server has, as far as is known.
    pub offset: i64,
    /// Attempts in a row that did not advance the offset.
    failures: usize,
    /// Times that the upload was created.
    creations: u32,
}

impl Transfer {
    pub fn new(file: File) -> Self {
        Self { file, fingerprint: String::new(), url: None, tab_lock: None, offset: 0, failures: 0, creations: 0 }
    }
}

/// One session of sending one file: from the first request to its end, or to the next interruption.
struct Session {
    uploads: Uploads,
    id: u32,
    number: u32,
    file: File,
    /// Size of the file, in bytes.
    size: i64,
    connection: Connection,
}

impl Uploads {
    /// Sends the next file, unless one is being sent.
    pub(super) fn send_next(self) {
        if let Some(id) = self.queue.with_untracked(super::Queue::next) {
            self.start(id);
        }
    }

    /// Continues the current file if its state is one of these.
    pub(super) fn start_where(self, state: impl Fn(&State) -> bool) {
        let current = self
            .queue
            .with_untracked(|queue| queue.current().filter(|upload| state(&upload.state)).map(|upload| upload.id));
        if let Some(id) = current {
            self.start(id);
        }
    }

    fn start(self, id: u32) {
        self.stop();
        let Some(file) = self.transfer(id, |transfer| transfer.file.clone()) else { return };
        self.update(id, Upload::connect);
        let size = inspect::size_of(&file);
        let (number, connection) = (self.session.get_value(), self.connection.get_value());
        spawn_local(async move { Session { uploads: self, id, number, file, size, connection }.run().await });
    }

    /// Asks the user to sign in again, and then continues the file that was interrupted.
    fn resume_after_sign_in(self) {
        spawn_local(async move {
            auth::ensure_signed_in().await;
            self.start_where(|state| *state == State::Paused(PauseReason::SignedOut));
        });
    }

    /// Ends the session that is sending, if there is one.
    pub(super) fn stop(self) {
        self.session.update_value(|session| *session += 1);
        self.connection.get_value().abort();
    }

    pub(super) fn transfer<T>(self, id: u32, act: impl FnOnce(&mut Transfer) -> T) -> Option<T> {
        self.transfers.try_update_value(|transfers| transfers.get_mut(&id).map(act)).flatten()
    }
}

impl Session {
    async fn run(self) {
        let start = self.uploads.transfer(self.id, |transfer| (transfer.url.clone(), transfer.offset));
        let Some((url, offset)) = start else { return };
        if let Err(error) = inspect::check(&self.file, offset.min(self.size - 1)).await {
            return self.unless_ended(|| self.uploads.fail(self.id, error));
        }
        let mut outcome = match &url {
            Some(url) => self.get_offset(url).await,
            None => self.create().await,
        };
        let (mut current, mut stalled) = (-1, 0);
        while !self.has_ended() {
            outcome = match outcome {
                Outcome::Offset(offset) => {
                    stalled = if offset == current { stalled + 1 } else { 0 };
                    current = offset;
                    self.record_offset(offset);
                    match self.url() {
                        Some(url) if stalled <= MAX_STALLED_RESPONSES => self.send_chunk(&url, offset).await,
                        _ => Outcome::retry("The server accepts no more bytes"),
                    }
                }
                Outcome::TooLarge => match self.url() {
                    Some(url) if self.shrink_chunk(current) => self.send_chunk(&url, current).await,
                    _ => return self.fail("A proxy between this browser and the server does not accept files.", true),
                },
                Outcome::Expired if self.restart() => self.create().await,
                Outcome::Expired => return self.fail("The server has lost the upload several times.", true),
                Outcome::Completed(import) => {
                    if let Some(url) = self.url() {
                        resumable::remove(&url);
                    }
                    return self.uploads.complete(self.id, import);
                }
                Outcome::SignedOut => {
                    self.uploads.update(self.id, |upload| upload.state = State::Paused(PauseReason::SignedOut));
                    return self.uploads.resume_after_sign_in();
                }
                Outcome::Retry { why, after } => return self.schedule_retry(why, after),
                Outcome::Rejected(problem) => return self.fail(&problem.detail, may_be_retried(problem.code)),
            };
        }
    }

    /// Another session has started, or this one was stopped.
    fn has_ended(&self) -> bool {
        self.uploads.session.get_value() != self.number
    }

    fn unless_ended(&self, act: impl FnOnce()) {
        if !self.has_ended() {
            act();
        }
    }

    fn url(&self) -> Option<String> {
        self.uploads.transfer(self.id, |transfer| transfer.url.clone()).flatten()
    }

    /// Asks the server for the offset.
    async fn get_offset(&self, url: &str) -> Outcome {
        Request::new("HEAD", url).send(&self.connection, |_| ()).await.outcome(self.size)
    }

    /// Creates the upload at the server.
    async fn create(&self) -> Outcome {
        let url = tus::creation_url();
        let response = Request::new("POST", &url)
            .header("Upload-Length", self.size.to_string())
            .header("Upload-Metadata", tus::metadata(&self.file.name()))
            .send(&self.connection, |_| ())
            .await;
        let Some(location) = response.location.as_deref().filter(|_| response.status == 201) else {
            return match response.outcome(self.size) {
                // The file itself is too large, or there is no such server.
                Outcome::TooLarge | Outcome::Expired => Outcome::Rejected(response.problem()),
                Outcome::Offset(_) => Outcome::retry("The response of the server is not valid"),
                other => other,
            };
        };
        let url = tus::path_of(location).to_owned();
        let tab_lock = tab_locks::acquire(&url).await;
        let fingerprint = self.uploads.transfer(self.id, |transfer| {
            (transfer.url, transfer.tab_lock, transfer.offset) = (Some(url.clone()), tab_lock, 0);
            transfer.creations += 1;
            transfer.fingerprint.clone()
        });
        let Some(fingerprint) = fingerprint else {
            // It was removed from the queue in the meantime.
            terminate(url);
            return Outcome::Expired;
        };
        let is_resumable = resumable::save(self.resumable(fingerprint, url, 0));
        self.uploads.update(self.id, |upload| upload.is_resumable = is_resumable);
        match response.import {
            Some(import) => Outcome::Completed(import),
            None => Outcome::Offset(response.offset.unwrap_or(0)),
        }
    }

    /// Sends the chunk at `offset`; after the last one, asks for the import.
    async fn send_chunk(&self, url: &str, offset: i64) -> Outcome {
        if offset >= self.size {
            return self.get_offset(url).await;
        }
        let bytes = self.chunk_size_at(offset);
        let Ok(chunk) = inspect::slice(&self.file, offset, offset + bytes) else {
            return Outcome::retry("The file cannot be read");
        };
        let (uploads, id, number) = (self.uploads, self.id, self.number);
        let started = Utc::now();
        let mut request = Request::new("PATCH", url)
            .header("Upload-Offset", offset.to_string())
            .header("Content-Type", tus::CHUNK_CONTENT_TYPE);
        (request.body, request.timeout) = (Some(&chunk), CHUNK_TIMEOUT);
        let on_progress = move |sent| {
            if uploads.session.get_value() == number {
                uploads.update(id, |upload| upload.advance_to(offset + sent, Utc::now()));
            }
        };
        let response = request.send(&self.connection, on_progress).await;
        let seconds = (Utc::now() - started).as_seconds_f64();
        self.uploads.chunk_sizer.update_value(|chunk_sizer| match response.status {
            200..300 => chunk_sizer.stored(response.offset.unwrap_or(offset) - offset, seconds),
            // 409, too: if a connection that it has used before breaks, Chromium sends the request again by itself, and the
            // server, which has stored a part of it, rejects that.
            0 | 408 | 409 | 502 | 504 if !self.has_ended() => chunk_sizer.interrupted(seconds),
            _ => {}
        });
        response.outcome(self.size)
    }

    fn chunk_size_at(&self, offset: i64) -> i64 {
        self.uploads.chunk_sizer.with_value(|chunk_sizer| chunk_sizer.next(self.size - offset))
    }

    /// Records how many bytes the server has.
    fn record_offset(&self, offset: i64) {
        let stored = self.uploads.transfer(self.id, |transfer| {
            if offset > transfer.offset {
                transfer.failures = 0;
            }
            transfer.offset = offset;
            transfer.url.clone().map(|url| self.resumable(transfer.fingerprint.clone(), url, offset))
        });
        if let Some(stored) = stored.flatten() {
            resumable::save(stored);
        }
        self.uploads.update(self.id, |upload| upload.advance_to(offset, Utc::now()));
    }

    fn resumable(&self, fingerprint: String, url: String, offset: i64) -> Resumable {
        Resumable { fingerprint, url, file_name: self.file.name(), size: self.size, offset }
    }

    /// The chunk at `offset` was too large. Returns whether a smaller one can be tried.
    fn shrink_chunk(&self, offset: i64) -> bool {
        let bytes = self.chunk_size_at(offset);
        self.uploads.chunk_sizer.try_update_value(|chunk_sizer| chunk_sizer.too_large(bytes)) == Some(true)
    }

    /// The server does not know the upload. Returns whether it is to be created again.
    fn restart(&self) -> bool {
        let Some((url, offset, creations)) =
            self.uploads.transfer(self.id, |transfer| (transfer.url.take(), transfer.offset, transfer.creations))
        else {
            return false;
        };
        if let Some(url) = url {
            resumable::remove(&url);
        }
        if offset > 0 {
            let text = format!("The upload of {} has expired on the server; sending it again", self.file.name());
            self.uploads.toasts.warn(text);
        }
        creations < MAX_CREATIONS
    }

    /// Waits, and tries again.
    fn schedule_retry(&self, why: String, after: Option<i64>) {
        let why = if window().navigator().on_line() { why } else { "You are offline".to_owned() };
        let failures = self.uploads.transfer(self.id, |transfer| {
            transfer.failures += 1;
            transfer.failures
        });
        let seconds = retry_delay(failures.unwrap_or(1), js_sys::Math::random(), after);
        let delay = Duration::from_secs_f64(seconds);
        let retry_at = Utc::now() + TimeDelta::from_std(delay).unwrap_or_default();
        self.uploads.update(self.id, |upload| upload.state = State::Interrupted { why, retry_at });
        let (uploads, number) = (self.uploads, self.number);
        let retry = move || {
            if uploads.session.get_value() == number {
                uploads.try_now();
            }
        };
        set_timeout(retry, delay);
    }

    /// The file has failed. What the server has of it stays there only if the file may be sent again.
    fn fail(&self, detail: &str, retry: bool) {
        let title = format!("{} was not imported", self.file.name());
        if !retry && let Some(url) = self.uploads.transfer(self.id, |transfer| transfer.url.take()).flatten() {
            terminate(url);
        }
        self.uploads.fail(self.id, UploadError { title, detail: detail.to_owned(), retry });
    }
}

/// Whether sending the same file again may succeed, for example because the user has made room for it.
const fn may_be_retried(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unknown | ErrorCode::UserQuotaExceeded | ErrorCode::StorageQuotaExceeded | ErrorCode::DiskFull
    )
}

/// Removes an upload, here and at the server. If the server cannot be reached, it expires.
pub fn terminate(url: String) {
    resumable::remove(&url);
    spawn_local(async move {
        Request::new("DELETE", &url).send(&Connection::default(), |_| ()).await;
    });
}
