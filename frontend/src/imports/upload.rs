//! Sending one file. Lives above the pages: a person may look around while it goes on.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use shared::{ErrorCode, Import, Problem, detect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BeforeUnloadEvent, File, FileList, ProgressEvent, XmlHttpRequest};

use super::pace::Pace;
use crate::api;
use crate::ui::format::percent;

/// The file that is being sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sending {
    pub file_name: String,
    /// Size of the file, in bytes.
    pub size: i64,
    /// Bytes that have left the browser.
    pub sent: i64,
    pub pace: Pace,
    /// When bytes last left.
    pub moved_at: DateTime<Utc>,
}

impl Sending {
    fn new(file_name: String, size: i64, now: DateTime<Utc>) -> Self {
        Self { file_name, size, sent: 0, pace: Pace::default(), moved_at: now }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    pub fn share(&self) -> f64 {
        if self.size > 0 { self.sent as f64 / self.size as f64 } else { 0.0 }
    }

    /// All bytes are gone; the server has yet to answer.
    pub fn is_sent(&self) -> bool {
        self.sent >= self.size
    }

    fn move_to(&mut self, sent: i64, now: DateTime<Utc>) {
        self.sent = sent.min(self.size);
        self.moved_at = now;
        self.pace.record(now, self.sent);
    }
}

/// Why a file was not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub title: String,
    pub detail: String,
    /// Sending the same file again may go better.
    pub retry: bool,
}

impl Refusal {
    fn new(title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { title: title.into(), detail: detail.into(), retry: false }
    }
}

/// What is being sent, and what could not be. One per tab, found in the context.
#[derive(Clone, Copy)]
pub struct Uploads {
    sending: RwSignal<Option<Sending>>,
    refusal: RwSignal<Option<Refusal>>,
    /// Number of files that have arrived; lists of imports load anew when it grows.
    arrived: RwSignal<u32>,
    file: StoredValue<Option<File>, LocalStorage>,
    request: StoredValue<Option<Request>, LocalStorage>,
    open_import: Callback<i64>,
}

/// A request under way, with the handlers that it calls.
struct Request {
    xhr: XmlHttpRequest,
    _handlers: [Closure<dyn FnMut(ProgressEvent)>; 3],
}

impl Uploads {
    /// Puts it into the context. Needs the router: a file that has arrived leads to the page of its import.
    pub fn provide() {
        let (navigate, path) = (use_navigate(), use_location().pathname);
        let open_import = Callback::new(move |id| {
            // Who has gone elsewhere meanwhile stays there.
            if path.get_untracked() == "/" {
                navigate(&format!("/imports/{id}"), NavigateOptions::default());
            }
        });
        let uploads = Self {
            sending: RwSignal::new(None),
            refusal: RwSignal::new(None),
            arrived: RwSignal::new(0),
            file: StoredValue::new_local(None),
            request: StoredValue::new_local(None),
            open_import,
        };
        provide_context(uploads);
        let warning = window_event_listener(leptos::ev::beforeunload, move |event: BeforeUnloadEvent| {
            if uploads.sending.with_untracked(Option::is_some) {
                event.prevent_default();
            }
        });
        on_cleanup(move || warning.remove());
    }

    pub fn expect() -> Self {
        expect_context()
    }

    pub fn sending(self) -> Signal<Option<Sending>> {
        self.sending.into()
    }

    pub fn refusal(self) -> Signal<Option<Refusal>> {
        self.refusal.into()
    }

    pub fn arrived(self) -> Signal<u32> {
        self.arrived.into()
    }

    /// Takes the file that was chosen or dropped, if it is one and if it looks like products.
    pub fn take(self, files: Option<FileList>) {
        let Some(files) = files else { return };
        self.refusal.set(None);
        if let Some(busy) = self.sending.get_untracked() {
            let title = format!("{} is still being sent", busy.file_name);
            self.refuse(Refusal::new(title, "Wait until it has arrived, or cancel it; then choose the next file."));
        } else if files.length() > 1 {
            let detail = format!("These are {}. Nothing was sent; choose one of them.", files.length());
            self.refuse(Refusal::new("One file at a time, please", detail));
        } else if let Some(file) = files.get(0) {
            self.file.set_value(Some(file.clone()));
            spawn_local(self.check_and_send(file));
        }
    }

    /// Sends the last file once more.
    pub fn retry(self) {
        self.refusal.set(None);
        if let Some(file) = self.file.get_value() {
            spawn_local(self.check_and_send(file));
        }
    }

    /// Stops sending. The server throws away what it has.
    pub fn cancel(self) {
        self.request.update_value(|request| {
            if let Some(request) = request.take() {
                // It fails only for a request that was never opened.
                let _ = request.xhr.abort();
            }
        });
        self.sending.set(None);
    }

    fn refuse(self, refusal: Refusal) {
        self.refusal.set(Some(refusal));
    }

    async fn check_and_send(self, file: File) {
        match inspect(&file).await {
            Ok(()) => self.send(&file),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn send(self, file: &File) {
        self.sending.set(Some(Sending::new(file.name(), size_of(file), Utc::now())));
        match self.request(file) {
            Ok(request) => self.request.set_value(Some(request)),
            Err(_) => self.fail(&api::unreachable()),
        }
    }

    fn request(self, file: &File) -> Result<Request, JsValue> {
        let xhr = XmlHttpRequest::new()?;
        xhr.open("POST", &api::upload_url(&file.name()))?;
        xhr.set_request_header("Content-Type", "text/csv")?;

        let moved = Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| {
            self.sending.update(|sending| {
                if let Some(sending) = sending {
                    sending.move_to(whole(event.loaded()), Utc::now());
                }
            });
        });
        let answering = xhr.clone();
        let answered = Closure::<dyn FnMut(ProgressEvent)>::new(move |_| {
            let body = answering.response_text().ok().flatten().unwrap_or_default();
            match api::parse::<Import>(answering.status().unwrap_or(0), &body) {
                Ok(import) => self.arrive(&import),
                Err(problem) => self.fail(&problem),
            }
        });
        let broken = Closure::<dyn FnMut(ProgressEvent)>::new(move |_| self.fail(&api::unreachable()));

        xhr.upload()?.set_onprogress(Some(moved.as_ref().unchecked_ref()));
        xhr.set_onload(Some(answered.as_ref().unchecked_ref()));
        xhr.set_onerror(Some(broken.as_ref().unchecked_ref()));
        xhr.send_with_opt_blob(Some(file))?;
        Ok(Request { xhr, _handlers: [moved, answered, broken] })
    }

    fn arrive(self, import: &Import) {
        self.sending.set(None);
        self.file.set_value(None);
        self.arrived.update(|arrived| *arrived += 1);
        self.open_import.run(import.id);
    }

    fn fail(self, problem: &Problem) {
        let Some(sending) = self.sending.get_untracked() else { return };
        self.sending.set(None);
        self.refuse(refusal(&sending, problem));
    }
}

/// What to tell of an upload that failed.
fn refusal(sending: &Sending, problem: &Problem) -> Refusal {
    let retry = matches!(
        problem.code,
        ErrorCode::Unavailable | ErrorCode::Internal | ErrorCode::UploadIncomplete | ErrorCode::Unknown
    );
    let title = if problem.status == 0 {
        format!("The connection broke off when {} of {} had been sent", percent(sending.share()), sending.file_name)
    } else {
        format!("{} was not imported", sending.file_name)
    };
    Refusal { title, detail: problem.detail.clone(), retry }
}

/// Looks at the beginning of the file, so that what cannot be imported is not sent at all.
async fn inspect(file: &File) -> Result<(), Refusal> {
    let head = read_head(file).await.map_err(|_| {
        let detail = "The browser cannot read it. If it is a folder, choose a file in it; if it was moved or changed, choose it again.";
        Refusal::new(format!("{} cannot be read", file.name()), detail)
    })?;
    let whole = i64::try_from(head.len()).is_ok_and(|read| read >= size_of(file));
    match detect::inspect(&head, whole) {
        Ok(_) => Ok(()),
        Err(problem) => Err(Refusal::new(format!("{} cannot be imported", file.name()), problem.detail)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the head is some kilobytes")]
async fn read_head(file: &File) -> Result<Vec<u8>, JsValue> {
    let head = file.slice_with_f64_and_f64(0.0, detect::HEAD_BYTES as f64)?;
    let buffer = JsFuture::from(head.array_buffer()).await?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

fn size_of(file: &File) -> i64 {
    whole(file.size())
}

/// A number of bytes as JavaScript gives it.
#[expect(clippy::cast_possible_truncation, reason = "JavaScript counts bytes in whole numbers below 2^53")]
fn whole(bytes: f64) -> i64 {
    bytes as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_sent() -> Sending {
        let mut sending = Sending::new("a.csv".to_owned(), 200, DateTime::UNIX_EPOCH);
        sending.move_to(100, DateTime::UNIX_EPOCH);
        sending
    }

    #[test]
    fn more_bytes_on_the_wire_than_in_the_file_are_not_shown() {
        let mut sending = half_sent();
        sending.move_to(260, DateTime::UNIX_EPOCH);
        assert_eq!((sending.sent, sending.is_sent()), (200, true));
    }

    #[test]
    fn a_broken_connection_may_be_tried_again_and_a_bad_file_may_not() {
        let broken = refusal(&half_sent(), &api::unreachable());
        assert!(broken.retry);
        assert_eq!(broken.title, "The connection broke off when 50 % of a.csv had been sent");
        let bad = refusal(&half_sent(), &api::problem(422, ErrorCode::NoSkuColumn, "No column is called sku."));
        assert_eq!((bad.retry, bad.title.as_str()), (false, "a.csv was not imported"));
    }
}
