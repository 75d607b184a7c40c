//! One request of an upload. By `XMLHttpRequest`, since `fetch` does not report how much of a body has been sent.

use std::{cell::RefCell, rc::Rc, time::Duration};

use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

use super::tus::{self, Response};
use crate::api;

/// Time without a response after which a request without a body has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// The request in progress, if there is one, so that it can be aborted.
#[derive(Clone, Default)]
pub struct Connection(Rc<RefCell<Option<XmlHttpRequest>>>);

impl Connection {
    /// Aborts the request in progress. Its response has the status 0.
    pub fn abort(&self) {
        // Out of the cell first: aborting calls back at once.
        let request = self.0.borrow_mut().take();
        if let Some(request) = request {
            // It fails only for a request that was never opened.
            let _ = request.abort();
        }
    }
}

/// A request that is being built.
pub struct Request<'a> {
    pub method: &'static str,
    pub url: &'a str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<&'a Blob>,
    /// It has failed if it is not complete after this time.
    pub timeout: Duration,
}

impl<'a> Request<'a> {
    pub fn new(method: &'static str, url: &'a str) -> Self {
        Self {
            method,
            url,
            headers: vec![("Tus-Resumable", tus::VERSION.to_owned())],
            body: None,
            timeout: REQUEST_TIMEOUT,
        }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends it, and reports the number of bytes sent so far whenever that changes.
    pub async fn send(self, connection: &Connection, on_progress: impl Fn(i64) + 'static) -> Response {
        // A browser that cannot even start a request has no connection.
        self.exchange(connection, on_progress).await.unwrap_or_default()
    }

    async fn exchange(self, connection: &Connection, on_progress: impl Fn(i64) + 'static) -> Result<Response, JsValue> {
        let xhr = XmlHttpRequest::new()?;
        xhr.open(self.method, self.url)?;
        for (name, value) in api::common_headers() {
            xhr.set_request_header(name, &value)?;
        }
        for (name, value) in &self.headers {
            xhr.set_request_header(name, value)?;
        }
        xhr.set_timeout(u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX));
        let progress =
            Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| on_progress(whole(event.loaded())));
        if self.body.is_some() {
            xhr.upload()?.set_onprogress(Some(progress.as_ref().unchecked_ref()));
        }
        // It ends in any case: with a response, an error, a timeout or an abort.
        let ended = Promise::new(&mut |resolve, _| xhr.set_onloadend(Some(&resolve)));
        connection.0.replace(Some(xhr.clone()));
        xhr.send_with_opt_blob(self.body)?;
        JsFuture::from(ended).await?;
        // By now it may have been replaced by another request.
        connection.0.borrow_mut().take_if(|current| *current == xhr);
        Ok(read(&xhr))
    }
}

fn read(xhr: &XmlHttpRequest) -> Response {
    let header = |name| xhr.get_response_header(name).ok().flatten();
    let number = |name| header(name).and_then(|value| value.parse().ok());
    Response {
        status: xhr.status().unwrap_or(0),
        offset: number("Upload-Offset"),
        length: number("Upload-Length"),
        location: header("Location"),
        import: header("Loadify-Import").as_deref().and_then(tus::import_of),
        retry_after: number("Retry-After"),
        body: xhr.response_text().ok().flatten().unwrap_or_default(),
    }
}

/// A number of bytes from JavaScript.
#[expect(clippy::cast_possible_truncation, reason = "JavaScript counts bytes in whole numbers below 2^53")]
pub fn whole(bytes: f64) -> i64 {
    bytes as i64
}
