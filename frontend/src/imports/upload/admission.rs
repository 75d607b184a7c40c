//! What is done before a file is sent: whether it can be imported, and whether a part of it is at the server already.

use leptos::prelude::*;

use super::exchange::{Line, Request};
use super::kept::{self, Kept};
use super::queue::{Refusal, State};
use super::sender::Job;
use super::tabs;
use super::tus::Verdict;
use super::{Uploads, inspect};

impl Uploads {
    /// Looks at a file that was chosen: whether it can be imported, whether a part of it is at the server already.
    pub(super) async fn admit(self, id: u32) {
        let Some(file) = self.job(id, |job| job.file.clone()) else { return };
        let fingerprint = match inspect::inspect(&file).await {
            Ok(fingerprint) => fingerprint,
            Err(refusal) => return self.fail(id, refusal),
        };
        let is_there = self.jobs.with_value(|jobs| {
            let same = |(other, job): (&u32, &Job)| *other != id && job.fingerprint == fingerprint;
            jobs.iter().any(same)
        });
        if is_there {
            self.toasts.warn(format!("{} is in the list already", file.name()));
            return self.remove(id);
        }
        let known = kept::all().into_iter().find(|kept| kept.fingerprint == fingerprint);
        self.job(id, |job| job.fingerprint = fingerprint);
        if let Some(kept) = known
            && let Err(refusal) = self.take_up(id, kept).await
        {
            return self.fail(id, refusal);
        }
        self.update(id, |upload| upload.state = State::Waiting);
    }

    /// The file is one whose upload has begun earlier.
    async fn take_up(self, id: u32, kept: Kept) -> Result<(), Refusal> {
        if self.job(id, |job| job.claim.is_some()) == Some(true) {
            return Ok(());
        }
        let Some(claim) = tabs::claim(&kept.url).await else {
            let title = format!("{} is being sent in another tab", kept.file_name);
            let detail = "It goes on there. Where that tab is closed, send it again here: it goes on where it was.";
            return Err(Refusal { retry: true, ..Refusal::new(title, detail) });
        };
        self.unfinished.update(|list| list.retain(|other| other.url != kept.url));
        self.job(id, |job| (job.url, job.claim, job.offset) = (Some(kept.url), Some(claim), kept.offset));
        self.update(id, |upload| (upload.sent, upload.is_kept) = (kept.offset, true));
        Ok(())
    }

    /// Finds what was begun before this page was loaded, and asks the server how much it has of it.
    pub(super) async fn look_for_unfinished(self) {
        let claimed = tabs::claimed().await;
        let begun: Vec<_> = kept::all().into_iter().filter(|kept| !claimed.contains(&kept.url)).collect();
        // At once, with what was known last: the page shall not jump when the server answers.
        self.unfinished.set(begun.clone());
        for kept in begun {
            let answer = Request::new("HEAD", &kept.url).send(&Line::default(), |_| ()).await;
            match answer.verdict(kept.size) {
                Verdict::At(offset) => self.unfinished.update(|list| {
                    list.iter_mut().filter(|other| other.url == kept.url).for_each(|other| other.offset = offset);
                }),
                Verdict::Arrived(_) | Verdict::Expired => {
                    kept::forget(&kept.url);
                    self.unfinished.update(|list| list.retain(|other| other.url != kept.url));
                }
                // Nothing is known; it is asked again when its file is chosen.
                _ => {}
            }
        }
    }
}
