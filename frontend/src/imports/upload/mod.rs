//! Sending files, in blocks that survive a broken line, a reload and a closed tab (tus 1.0.0).
//!
//! It lives above the pages: a person may look around while it goes on. `blocks`, `queue`, `tus` and the fingerprint in
//! `kept` are pure; `sender` sends by them.

mod admission;
mod blocks;
mod drop_zone;
mod exchange;
mod inspect;
mod kept;
mod list;
mod panel;
mod queue;
mod sender;
mod tabs;
mod tus;
mod unfinished;

use std::{collections::HashMap, time::Duration};

use chrono::Utc;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BeforeUnloadEvent, File, FileList, HtmlElement};

use self::{blocks::Blocks, exchange::Line, kept::Kept, sender::Job};
use crate::ui::Toasts;

pub use drop_zone::{DropOverlay, DropZone, FileProblem};
pub use list::UploadList;
pub use panel::{UploadPanel, UploadPill};
pub use queue::{Pause, Queue, Refusal, State, Upload};
pub use unfinished::UnfinishedUploads;

/// How long the way to an import is offered, for who is on another page when its file arrives.
const OFFER: Duration = Duration::from_secs(10);

/// What is being sent, and what could not be. One per tab, found in the context.
#[derive(Clone, Copy)]
pub struct Uploads {
    queue: RwSignal<Queue>,
    /// Begun earlier and not complete: they go on when their file is chosen again.
    unfinished: RwSignal<Vec<Kept>>,
    /// Number of files that have arrived; lists of imports load anew when it grows.
    arrived: RwSignal<u32>,
    /// What is needed to send the files of the queue, by their number.
    jobs: StoredValue<HashMap<u32, Job>, LocalStorage>,
    line: StoredValue<Line, LocalStorage>,
    blocks: StoredValue<Blocks>,
    /// Number of the run that may send. What an older one hears is of no more interest.
    run: StoredValue<u32>,
    open_import: Callback<i64>,
    path: Memo<String>,
    toasts: Toasts,
}

impl Uploads {
    /// Puts it into the context. Needs the router: a file that has arrived leads to the page of its import.
    pub fn provide() {
        let navigate = use_navigate();
        let uploads = Self {
            queue: RwSignal::default(),
            unfinished: RwSignal::default(),
            arrived: RwSignal::new(0),
            jobs: StoredValue::new_local(HashMap::new()),
            line: StoredValue::new_local(Line::default()),
            blocks: StoredValue::new(Blocks::default()),
            run: StoredValue::new(0),
            open_import: Callback::new(move |id| navigate(&format!("/imports/{id}"), NavigateOptions::default())),
            path: use_location().pathname,
            toasts: Toasts::expect(),
        };
        provide_context(uploads);
        spawn_local(uploads.look_for_unfinished());
        let warning = window_event_listener(leptos::ev::beforeunload, move |event: BeforeUnloadEvent| {
            if uploads.queue.with_untracked(Queue::would_be_lost) {
                event.prevent_default();
            }
        });
        let online = window_event_listener(leptos::ev::online, move |_| uploads.try_now());
        on_cleanup(move || {
            warning.remove();
            online.remove();
        });
    }

    pub fn expect() -> Self {
        expect_context()
    }

    pub fn queue(self) -> Signal<Queue> {
        self.queue.into()
    }

    pub fn unfinished(self) -> Signal<Vec<Kept>> {
        self.unfinished.into()
    }

    pub fn arrived(self) -> Signal<u32> {
        self.arrived.into()
    }

    /// Takes the files that were chosen or dropped, and sends those that look like products.
    pub fn take(self, files: Option<FileList>) {
        let Some(files) = files else { return };
        let files: Vec<File> = (0..files.length()).filter_map(|index| files.get(index)).collect();
        let ids = self.queue.try_update(|queue| {
            let mut add = |file: &File| queue.add(file.name(), inspect::size_of(file), Utc::now());
            files.iter().map(&mut add).collect::<Vec<_>>()
        });
        let chosen: Vec<_> = ids.unwrap_or_default().into_iter().zip(files).collect();
        self.jobs.update_value(|jobs| {
            jobs.retain(|id, _| self.queue.with_untracked(|queue| queue.get(*id).is_some()));
            jobs.extend(chosen.iter().map(|(id, file)| (*id, Job::new(file.clone()))));
        });
        spawn_local(async move {
            for (id, _) in chosen {
                self.admit(id).await;
                self.go();
            }
        });
    }

    /// Sends a file once more that failed.
    pub fn retry(self, id: u32) {
        self.update(id, |upload| upload.state = State::Checking);
        spawn_local(async move {
            self.admit(id).await;
            self.go();
        });
    }

    /// Stops sending, until [`Self::resume`].
    pub fn pause(self) {
        let current = self.queue.with_untracked(|queue| queue.current().map(|upload| upload.id));
        if let Some(id) = current {
            self.stop();
            self.update(id, |upload| upload.state = State::Paused(Pause::Asked));
        }
    }

    /// Goes on with the file that is paused.
    pub fn resume(self) {
        self.start_where(|state| matches!(state, State::Paused(_)));
    }

    /// Does not wait any longer for the next try.
    pub fn try_now(self) {
        self.start_where(|state| matches!(state, State::Broken { .. }));
    }

    /// Takes a file out of the queue. The server throws away what it has of it.
    pub fn remove(self, id: u32) {
        if self.queue.with_untracked(|queue| queue.current().is_some_and(|upload| upload.id == id)) {
            self.stop();
        }
        self.queue.update(|queue| queue.remove(id));
        let job = self.jobs.try_update_value(|jobs| jobs.remove(&id)).flatten();
        if let Some(url) = job.and_then(|job| job.url) {
            self.throw_away(url);
        }
        self.go();
    }

    /// Forgets the files that have arrived or failed.
    pub fn clear(self) {
        let settled: Vec<_> = self.queue.with_untracked(|queue| {
            queue.uploads().iter().filter(|upload| upload.state.is_settled()).map(|upload| upload.id).collect()
        });
        for id in settled {
            self.remove(id);
        }
    }

    /// Does without what the server has of a file.
    pub fn dismiss(self, url: String) {
        self.unfinished.update(|list| list.retain(|kept| kept.url != url));
        self.throw_away(url);
    }

    fn update(self, id: u32, change: impl FnOnce(&mut Upload)) {
        self.queue.update(|queue| {
            if let Some(upload) = queue.get_mut(id) {
                change(upload);
            }
        });
    }

    fn fail(self, id: u32, refusal: Refusal) {
        self.update(id, |upload| upload.state = State::Failed(refusal));
        self.go();
    }

    /// A file is complete. Who waits for it alone is led to its import; who has gone elsewhere meanwhile stays there.
    fn arrive(self, id: u32, import: i64) {
        self.jobs.update_value(|jobs| drop(jobs.remove(&id)));
        self.update(id, |upload| upload.state = State::Arrived(import));
        self.arrived.update(|arrived| *arrived += 1);
        let name = self.queue.with_untracked(|queue| queue.get(id).map(|upload| upload.file_name.clone()));
        if self.path.get_untracked() != "/" {
            let text = format!("{} has arrived", name.unwrap_or_default());
            self.toasts.offer(text, "Watch it go in", OFFER, move || self.open_import.run(import));
        } else if self.queue.with_untracked(|queue| queue.only().is_some()) {
            self.queue.update(|queue| queue.remove(id));
            self.open_import.run(import);
        }
        self.go();
    }
}

/// Moves the focus after the button that had it is gone: into the list, or to where the next file is chosen.
fn focus_first() {
    request_animation_frame(|| {
        let found = [".upload-row-remove", ".drop-zone input", ".upload-actions button"]
            .iter()
            .find_map(|selector| document().query_selector(selector).ok().flatten());
        if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // An element that cannot take the focus is no reason to fail.
            let _ = element.focus();
        }
    });
}
