//! Sending files in chunks that survive a broken connection, a reload and a closed tab (tus 1.0.0).
//!
//! It lives above the pages, so that an upload continues while the user looks at other pages. `chunk_size`, `queue`, `tus`
//! and the fingerprint in `resumable` are pure; `session` sends.

mod chunk_size;
mod drop_zone;
mod inspect;
mod list;
mod panel;
mod prepare;
mod queue;
mod request;
mod resumable;
mod session;
mod tab_locks;
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

use self::{chunk_size::ChunkSizer, request::Connection, resumable::Resumable, session::Transfer};
use crate::ui::Toasts;

pub use drop_zone::{DropOverlay, DropZone, FileErrorNotice};
pub use list::UploadList;
pub use panel::{UploadPanel, UploadPill};
pub use queue::{PauseReason, Queue, State, Upload, UploadError};
pub use unfinished::UnfinishedUploads;

/// Time for which the link to an import is offered to a user who is on another page when the file is uploaded.
const TOAST_DURATION: Duration = Duration::from_secs(10);

/// The uploads of this tab. One per tab, found in the context.
#[derive(Clone, Copy)]
pub struct Uploads {
    queue: RwSignal<Queue>,
    /// Created earlier and not complete: they resume when their file is chosen again.
    unfinished: RwSignal<Vec<Resumable>>,
    /// Number of files that have been uploaded; lists of imports reload when it grows.
    uploaded: RwSignal<u32>,
    /// What is needed to send the files of the queue, by id.
    transfers: StoredValue<HashMap<u32, Transfer>, LocalStorage>,
    connection: StoredValue<Connection, LocalStorage>,
    chunk_sizer: StoredValue<ChunkSizer>,
    /// Number of the session that may send. Responses to an older one are ignored.
    session: StoredValue<u32>,
    open_import: Callback<i64>,
    path: Memo<String>,
    toasts: Toasts,
}

impl Uploads {
    /// Puts it into the context. Needs the router: after the upload, the page of the import opens.
    pub fn provide() {
        let navigate = use_navigate();
        let uploads = Self {
            queue: RwSignal::default(),
            unfinished: RwSignal::default(),
            uploaded: RwSignal::new(0),
            transfers: StoredValue::new_local(HashMap::new()),
            connection: StoredValue::new_local(Connection::default()),
            chunk_sizer: StoredValue::new(ChunkSizer::default()),
            session: StoredValue::new(0),
            open_import: Callback::new(move |id| navigate(&format!("/imports/{id}"), NavigateOptions::default())),
            path: use_location().pathname,
            toasts: Toasts::expect(),
        };
        provide_context(uploads);
        spawn_local(uploads.find_unfinished());
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

    pub fn unfinished(self) -> Signal<Vec<Resumable>> {
        self.unfinished.into()
    }

    pub fn uploaded(self) -> Signal<u32> {
        self.uploaded.into()
    }

    /// Adds the files that were chosen or dropped, and sends those that can be imported.
    pub fn add(self, files: Option<FileList>) {
        let Some(files) = files else { return };
        let files: Vec<File> = (0..files.length()).filter_map(|index| files.get(index)).collect();
        let ids = self.queue.try_update(|queue| {
            let mut added = |file: &File| queue.add(file.name(), inspect::size_of(file), Utc::now());
            files.iter().map(&mut added).collect::<Vec<_>>()
        });
        let chosen: Vec<_> = ids.unwrap_or_default().into_iter().zip(files).collect();
        self.transfers.update_value(|transfers| {
            transfers.retain(|id, _| self.queue.with_untracked(|queue| queue.get(*id).is_some()));
            transfers.extend(chosen.iter().map(|(id, file)| (*id, Transfer::new(file.clone()))));
        });
        spawn_local(async move {
            for (id, _) in chosen {
                self.prepare(id).await;
                self.send_next();
            }
        });
    }

    /// Sends a failed file again.
    pub fn retry(self, id: u32) {
        self.update(id, |upload| upload.state = State::Checking);
        spawn_local(async move {
            self.prepare(id).await;
            self.send_next();
        });
    }

    /// Stops sending, until [`Self::resume`].
    pub fn pause(self) {
        let current = self.queue.with_untracked(|queue| queue.current().map(|upload| upload.id));
        if let Some(id) = current {
            self.stop();
            self.update(id, |upload| upload.state = State::Paused(PauseReason::ByUser));
        }
    }

    /// Continues the file that is paused.
    pub fn resume(self) {
        self.start_where(|state| matches!(state, State::Paused(_)));
    }

    /// Retries without waiting any longer.
    pub fn try_now(self) {
        self.start_where(|state| matches!(state, State::Interrupted { .. }));
    }

    /// Removes a file from the queue, and what the server has of it.
    pub fn remove(self, id: u32) {
        if self.queue.with_untracked(|queue| queue.current().is_some_and(|upload| upload.id == id)) {
            self.stop();
        }
        self.queue.update(|queue| queue.remove(id));
        let transfer = self.transfers.try_update_value(|transfers| transfers.remove(&id)).flatten();
        if let Some(url) = transfer.and_then(|transfer| transfer.url) {
            session::terminate(url);
        }
        self.send_next();
    }

    /// Removes the files that are uploaded or failed.
    pub fn clear(self) {
        let finished: Vec<_> = self.queue.with_untracked(|queue| {
            queue.uploads().iter().filter(|upload| upload.state.is_finished()).map(|upload| upload.id).collect()
        });
        for id in finished {
            self.remove(id);
        }
    }

    /// Discards an unfinished upload.
    pub fn dismiss(self, url: String) {
        self.unfinished.update(|list| list.retain(|stored| stored.url != url));
        session::terminate(url);
    }

    fn update(self, id: u32, change: impl FnOnce(&mut Upload)) {
        self.queue.update(|queue| {
            if let Some(upload) = queue.get_mut(id) {
                change(upload);
            }
        });
    }

    fn fail(self, id: u32, error: UploadError) {
        self.update(id, |upload| upload.state = State::Failed(error));
        self.send_next();
    }

    /// A file is complete. If it is the only one, its import opens; a user who is on another page stays there.
    fn complete(self, id: u32, import: i64) {
        self.transfers.update_value(|transfers| drop(transfers.remove(&id)));
        self.update(id, |upload| upload.state = State::Uploaded(import));
        self.uploaded.update(|uploaded| *uploaded += 1);
        let name = self.queue.with_untracked(|queue| queue.get(id).map(|upload| upload.file_name.clone()));
        if self.path.get_untracked() != "/" {
            let text = format!("{} is uploaded", name.unwrap_or_default());
            self.toasts.offer(text, "View import", TOAST_DURATION, move || self.open_import.run(import));
        } else if self.queue.with_untracked(|queue| queue.only().is_some()) {
            self.queue.update(|queue| queue.remove(id));
            self.open_import.run(import);
        }
        self.send_next();
    }
}

/// Moves the focus after the button that had it is gone: into the list, or to the control that chooses the next file.
fn focus_next_control() {
    request_animation_frame(|| {
        let found = [".upload-row-remove", ".drop-zone input", ".upload-actions button"]
            .iter()
            .find_map(|selector| document().query_selector(selector).ok().flatten());
        if let Some(element) = found.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // An element that cannot be focused is no reason to fail.
            let _ = element.focus();
        }
    });
}
