//! Sends the files of the queue, block by block, and goes on after whatever may happen to a line.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use leptos::prelude::*;
use shared::problem::ErrorCode;
use wasm_bindgen_futures::spawn_local;
use web_sys::File;

use super::blocks::pause_after;
use super::exchange::{Line, Request};
use super::kept::{self, Kept};
use super::queue::{Pause, Refusal, State, Upload};
use super::tabs::{self, Claim};
use super::tus::{self, Verdict};
use super::{Uploads, inspect};
use crate::auth;

/// A block that is not taken after this time is given up; what the server has of it stays there. The last one may have to
/// wait until the server has put the file together.
const BLOCK_PATIENCE: Duration = Duration::from_mins(2);
/// So many times the server may say that it knows nothing of an upload, before the file has failed.
const BEGINNINGS: u32 = 3;
/// So many answers in a row may leave the offset where it is.
const STANDSTILL: u32 = 2;

/// What is needed to send a file.
pub struct Job {
    pub file: File,
    pub fingerprint: String,
    /// Of the upload at the server, once there is one.
    pub url: Option<String>,
    /// Keeps other tabs from sending it, too.
    pub claim: Option<Claim>,
    /// Bytes that the server was heard to have.
    pub offset: i64,
    /// Tries in a row that did not get a byte further.
    failures: usize,
    /// Times that the upload was created.
    beginnings: u32,
}

impl Job {
    pub fn new(file: File) -> Self {
        Self { file, fingerprint: String::new(), url: None, claim: None, offset: 0, failures: 0, beginnings: 0 }
    }
}

/// One run of sending one file: from the first question to its end, or to the next break.
struct Run {
    uploads: Uploads,
    id: u32,
    number: u32,
    file: File,
    /// Of the file, in bytes.
    size: i64,
    line: Line,
}

impl Uploads {
    /// Sends the next file, unless one is being sent.
    pub(super) fn go(self) {
        if let Some(id) = self.queue.with_untracked(super::Queue::next) {
            self.start(id);
        }
    }

    /// Goes on with the file whose turn it is, where its state is one of these.
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
        let Some(file) = self.job(id, |job| job.file.clone()) else { return };
        self.update(id, Upload::connect);
        let size = inspect::size_of(&file);
        let (number, line) = (self.run.get_value(), self.line.get_value());
        spawn_local(async move { Run { uploads: self, id, number, file, size, line }.go_on().await });
    }

    /// Has the person asked to sign in again, and goes on then with the file that was cut off by it.
    fn go_on_after_sign_in(self) {
        spawn_local(async move {
            auth::still_in().await;
            self.start_where(|state| *state == State::Paused(Pause::SignedOut));
        });
    }

    /// Ends the run that is sending, if there is one.
    pub(super) fn stop(self) {
        self.run.update_value(|run| *run += 1);
        self.line.get_value().hang_up();
    }

    pub(super) fn job<T>(self, id: u32, act: impl FnOnce(&mut Job) -> T) -> Option<T> {
        self.jobs.try_update_value(|jobs| jobs.get_mut(&id).map(act)).flatten()
    }
}

impl Run {
    async fn go_on(self) {
        let begin = self.uploads.job(self.id, |job| (job.url.clone(), job.offset));
        let Some((url, offset)) = begin else { return };
        if let Err(refusal) = inspect::check(&self.file, offset.min(self.size - 1)).await {
            return self.unless_over(|| self.uploads.fail(self.id, refusal));
        }
        let mut verdict = match &url {
            Some(url) => self.ask(url).await,
            None => self.create().await,
        };
        let (mut at, mut standstill) = (-1, 0);
        while !self.is_over() {
            verdict = match verdict {
                Verdict::At(offset) => {
                    standstill = if offset == at { standstill + 1 } else { 0 };
                    at = offset;
                    self.has_come_to(offset);
                    match self.url() {
                        Some(url) if standstill <= STANDSTILL => self.next(&url, offset).await,
                        _ => Verdict::later("The server takes nothing more"),
                    }
                }
                Verdict::TooLarge => match self.url() {
                    Some(url) if self.smaller(at) => self.next(&url, at).await,
                    _ => return self.refuse("Something between this browser and the server takes no file.", true),
                },
                Verdict::Expired if self.begin_anew() => self.create().await,
                Verdict::Expired => return self.refuse("The server has lost what was sent, several times.", true),
                Verdict::Arrived(import) => {
                    if let Some(url) = self.url() {
                        kept::forget(&url);
                    }
                    return self.uploads.arrive(self.id, import);
                }
                Verdict::SignedOut => {
                    self.uploads.update(self.id, |upload| upload.state = State::Paused(Pause::SignedOut));
                    return self.uploads.go_on_after_sign_in();
                }
                Verdict::Later { why, after } => return self.break_off(why, after),
                Verdict::Refused(problem) => return self.refuse(&problem.detail, problem.code == ErrorCode::Unknown),
            };
        }
    }

    /// Another run has begun, or none shall.
    fn is_over(&self) -> bool {
        self.uploads.run.get_value() != self.number
    }

    fn unless_over(&self, act: impl FnOnce()) {
        if !self.is_over() {
            act();
        }
    }

    fn url(&self) -> Option<String> {
        self.uploads.job(self.id, |job| job.url.clone()).flatten()
    }

    /// Asks how much the server has.
    async fn ask(&self, url: &str) -> Verdict {
        Request::new("HEAD", url).send(&self.line, |_| ()).await.verdict(self.size)
    }

    /// Creates the upload at the server.
    async fn create(&self) -> Verdict {
        let url = tus::creation_url();
        let answer = Request::new("POST", &url)
            .header("Upload-Length", self.size.to_string())
            .header("Upload-Metadata", tus::metadata(&self.file.name()))
            .send(&self.line, |_| ())
            .await;
        let Some(location) = answer.location.as_deref().filter(|_| answer.status == 201) else {
            return match answer.verdict(self.size) {
                // The file as such is too large, or there is no such server.
                Verdict::TooLarge | Verdict::Expired => Verdict::Refused(answer.problem()),
                Verdict::At(_) => Verdict::later("The server's answer cannot be understood"),
                other => other,
            };
        };
        let url = tus::path_of(location).to_owned();
        let claim = tabs::claim(&url).await;
        let fingerprint = self.uploads.job(self.id, |job| {
            (job.url, job.claim, job.offset) = (Some(url.clone()), claim, 0);
            job.beginnings += 1;
            job.fingerprint.clone()
        });
        let Some(fingerprint) = fingerprint else {
            // It was taken out of the queue meanwhile.
            throw_away(url);
            return Verdict::Expired;
        };
        let is_kept = kept::keep(self.kept(fingerprint, url, 0));
        self.uploads.update(self.id, |upload| upload.is_kept = is_kept);
        match answer.import {
            Some(import) => Verdict::Arrived(import),
            None => Verdict::At(answer.offset.unwrap_or(0)),
        }
    }

    /// Sends the block after `offset`; after the last, asks for the import.
    async fn next(&self, url: &str, offset: i64) -> Verdict {
        if offset >= self.size {
            return self.ask(url).await;
        }
        let bytes = self.block_after(offset);
        let Ok(block) = inspect::slice(&self.file, offset, offset + bytes) else {
            return Verdict::later("The file cannot be read");
        };
        let (uploads, id, number) = (self.uploads, self.id, self.number);
        let begun = Utc::now();
        let mut request = Request::new("PATCH", url)
            .header("Upload-Offset", offset.to_string())
            .header("Content-Type", tus::BLOCK_TYPE);
        (request.body, request.timeout) = (Some(&block), BLOCK_PATIENCE);
        let moved = move |sent| {
            if uploads.run.get_value() == number {
                uploads.update(id, |upload| upload.move_to(offset + sent, Utc::now()));
            }
        };
        let answer = request.send(&self.line, moved).await;
        let seconds = (Utc::now() - begun).as_seconds_f64();
        self.uploads.blocks.update_value(|blocks| match answer.status {
            200..300 => blocks.taken(answer.offset.unwrap_or(offset) - offset, seconds),
            // 409, too: where a connection that it has used before breaks, Chromium sends the request again by itself, and the
            // server, which has kept a part of it, refuses that.
            0 | 408 | 409 | 502 | 504 if !self.is_over() => blocks.cut(seconds),
            _ => {}
        });
        answer.verdict(self.size)
    }

    fn block_after(&self, offset: i64) -> i64 {
        self.uploads.blocks.with_value(|blocks| blocks.next(self.size - offset))
    }

    /// The server has so many bytes.
    fn has_come_to(&self, offset: i64) {
        let kept = self.uploads.job(self.id, |job| {
            if offset > job.offset {
                job.failures = 0;
            }
            job.offset = offset;
            job.url.clone().map(|url| self.kept(job.fingerprint.clone(), url, offset))
        });
        if let Some(kept) = kept.flatten() {
            kept::keep(kept);
        }
        self.uploads.update(self.id, |upload| upload.move_to(offset, Utc::now()));
    }

    fn kept(&self, fingerprint: String, url: String, offset: i64) -> Kept {
        Kept { fingerprint, url, file_name: self.file.name(), size: self.size, offset }
    }

    /// The block after `offset` was too large. Gives whether a smaller one can be tried.
    fn smaller(&self, offset: i64) -> bool {
        let bytes = self.block_after(offset);
        self.uploads.blocks.try_update_value(|blocks| blocks.too_large(bytes)) == Some(true)
    }

    /// The server knows nothing of the upload. Gives whether it is worth another beginning.
    fn begin_anew(&self) -> bool {
        let Some((url, offset, beginnings)) =
            self.uploads.job(self.id, |job| (job.url.take(), job.offset, job.beginnings))
        else {
            return false;
        };
        if let Some(url) = url {
            kept::forget(&url);
        }
        if offset > 0 {
            let text = format!("What was sent of {} has expired at the server; it begins anew", self.file.name());
            self.uploads.toasts.warn(text);
        }
        beginnings < BEGINNINGS
    }

    /// Waits, and tries again.
    fn break_off(&self, why: String, after: Option<i64>) {
        let why = if window().navigator().on_line() { why } else { "You are offline".to_owned() };
        let failures = self.uploads.job(self.id, |job| {
            job.failures += 1;
            job.failures
        });
        let seconds = pause_after(failures.unwrap_or(1), js_sys::Math::random(), after);
        let pause = Duration::from_secs_f64(seconds);
        let again_at = Utc::now() + TimeDelta::from_std(pause).unwrap_or_default();
        self.uploads.update(self.id, |upload| upload.state = State::Broken { why, again_at });
        let (uploads, number) = (self.uploads, self.number);
        let again = move || {
            if uploads.run.get_value() == number {
                uploads.try_now();
            }
        };
        set_timeout(again, pause);
    }

    /// The file is given up. What the server has of it is kept only if it may be sent again.
    fn refuse(&self, detail: &str, retry: bool) {
        let title = format!("{} was not imported", self.file.name());
        if !retry && let Some(url) = self.uploads.job(self.id, |job| job.url.take()).flatten() {
            throw_away(url);
        }
        self.uploads.fail(self.id, Refusal { title, detail: detail.to_owned(), retry });
    }
}

/// Forgets an upload, here and at the server. Where the server does not hear of it, it expires.
pub fn throw_away(url: String) {
    kept::forget(&url);
    spawn_local(async move {
        Request::new("DELETE", &url).send(&Line::default(), |_| ()).await;
    });
}
