//! One request of an upload. By `XMLHttpRequest`, since `fetch` does not tell how much of a body has left.

use std::{cell::RefCell, rc::Rc, time::Duration};

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

use super::tus::{self, Answer};
use crate::api;

/// Without an answer for so long, a request without a body has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The request under way, if there is one, so that it can be ended from outside.
#[derive(Clone, Default)]
pub struct Line(Rc<RefCell<Option<XmlHttpRequest>>>);

impl Line {
    /// Ends the request under way. Its answer has the status 0.
    pub fn hang_up(&self) {
        // Out of the cell first: to abort calls back at once.
        let request = self.0.borrow_mut().take();
        if let Some(request) = request {
            // It fails only for a request that was never opened.
            let _ = request.abort();
        }
    }
}

/// What is asked.
pub struct Request<'a> {
    pub method: &'static str,
    pub url: &'a str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'a Blob>,
    /// It has failed when it is not done after this time.
    pub timeout: Duration,
}

impl<'a> Request<'a> {
    pub fn new(method: &'static str, url: &'a str) -> Self {
        Self { method, url, headers: vec![("Tus-Resumable", tus::VERSION.to_owned())], body: None, timeout: PATIENCE }
    }

    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// Sends it, and tells of each part of the body that has left: the number of bytes so far.
    pub async fn send(self, line: &Line, moved: impl Fn(i64) + 'static) -> Answer {
        // A browser that cannot even begin a request has no connection.
        self.exchange(line, moved).await.unwrap_or_default()
    }

    async fn exchange(self, line: &Line, moved: impl Fn(i64) + 'static) -> Result<Answer, JsValue> {
        let xhr = XmlHttpRequest::new()?;
        xhr.open(self.method, self.url)?;
        for (name, value) in api::standing_headers() {
            xhr.set_request_header(name, &value)?;
        }
        for (name, value) in &self.headers {
            xhr.set_request_header(name, value)?;
        }
        xhr.set_timeout(u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
        let progress =
            Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| moved(whole(event.loaded())));
        if self.body.is_some() {
            xhr.upload()?.set_onprogress(Some(progress.as_ref().unchecked_ref()));
        }
        // It ends in any case: with an answer, an error, too late or from outside.
        let ended = Promise::new(&mut |resolve, _| xhr.set_onloadend(Some(&resolve)));
        line.0.replace(Some(xhr.clone()));
        xhr.send_with_opt_blob(self.body)?;
        JsFuture::from(ended).await?;
        // By now it may be the turn of another request.
        line.0.borrow_mut().take_if(|current| *current == xhr);
        Ok(read(&xhr))
    }
}

fn read(xhr: &XmlHttpRequest) -> Answer {
    let header = |name| xhr.get_response_header(name).ok().flatten();
    let number = |name| header(name).and_then(|value| value.parse().ok());
    Answer {
        status: xhr.status().unwrap_or(0),
        offset: number("Upload-Offset"),
        length: number("Upload-Length"),
        location: header("Location"),
        import: header("Loadify-Import").as_deref().and_then(tus::import_of),
        retry_after: number("Retry-After"),
        body: xhr.response_text().ok().flatten().unwrap_or_default(),
    }
}

/// A number of bytes as JavaScript gives it.
#[expect(clippy::cast_possible_truncation, reason = "JavaScript counts bytes in whole numbers below 2^53")]
pub fn whole(bytes: f64) -> i64 {
    bytes as i64
}
