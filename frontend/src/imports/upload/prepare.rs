//! Checks before a file is sent: whether it can be imported, and whether the server already has a part of it.

use leptos::prelude::*;

use super::queue::{State, UploadError};
use super::request::{Connection, Request};
use super::resumable::{self, Resumable};
use super::session::Transfer;
use super::tab_locks;
use super::tus::Outcome;
use super::{Uploads, inspect};

impl Uploads {
    /// Checks a file that was chosen: whether it can be imported, and whether the server already has a part of it.
    pub(super) async fn prepare(self, id: u32) {
        let Some(file) = self.transfer(id, |transfer| transfer.file.clone()) else { return };
        let fingerprint = match inspect::inspect(&file).await {
            Ok(fingerprint) => fingerprint,
            Err(error) => return self.fail(id, error),
        };
        let is_listed = self.transfers.with_value(|transfers| {
            let same = |(other, transfer): (&u32, &Transfer)| *other != id && transfer.fingerprint == fingerprint;
            transfers.iter().any(same)
        });
        if is_listed {
            self.toasts.warn(format!("{} is already in the list", file.name()));
            return self.remove(id);
        }
        let known = resumable::all().into_iter().find(|stored| stored.fingerprint == fingerprint);
        self.transfer(id, |transfer| transfer.fingerprint = fingerprint);
        if let Some(stored) = known
            && let Err(error) = self.resume_stored(id, stored).await
        {
            return self.fail(id, error);
        }
        self.update(id, |upload| upload.state = State::Waiting);
    }

    /// Resumes an upload that was created earlier.
    async fn resume_stored(self, id: u32, stored: Resumable) -> Result<(), UploadError> {
        if self.transfer(id, |transfer| transfer.tab_lock.is_some()) == Some(true) {
            return Ok(());
        }
        let Some(tab_lock) = tab_locks::acquire(&stored.url).await else {
            let title = format!("{} is being sent in another tab", stored.file_name);
            let detail = "It continues there. If you close that tab, send the file again here to resume.";
            return Err(UploadError { retry: true, ..UploadError::new(title, detail) });
        };
        self.unfinished.update(|list| list.retain(|other| other.url != stored.url));
        self.transfer(id, |transfer| {
            (transfer.url, transfer.tab_lock, transfer.offset) = (Some(stored.url), Some(tab_lock), stored.offset);
        });
        self.update(id, |upload| (upload.sent, upload.is_resumable) = (stored.offset, true));
        Ok(())
    }

    /// Finds uploads that were created before this page was loaded, and asks the server for their offsets.
    pub(super) async fn find_unfinished(self) {
        let locked = tab_locks::held().await;
        let unfinished: Vec<_> = resumable::all().into_iter().filter(|stored| !locked.contains(&stored.url)).collect();
        // Show the stored offsets at once, so that the page does not jump when the server responds.
        self.unfinished.set(unfinished.clone());
        for stored in unfinished {
            let response = Request::new("HEAD", &stored.url).send(&Connection::default(), |_| ()).await;
            match response.outcome(stored.size) {
                Outcome::Offset(offset) => self.unfinished.update(|list| {
                    list.iter_mut().filter(|other| other.url == stored.url).for_each(|other| other.offset = offset);
                }),
                Outcome::Completed(_) | Outcome::Expired => {
                    resumable::remove(&stored.url);
                    self.unfinished.update(|list| list.retain(|other| other.url != stored.url));
                }
                // Unknown; the server is asked again when the file is chosen.
                _ => {}
            }
        }
    }
}
