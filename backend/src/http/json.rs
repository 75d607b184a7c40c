//! JSON bodies: objects of the right type, and not too large. `serde_json` limits how deep they may be nested.

use std::ops::Deref;

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, Responder,
    dev::Payload,
    error::JsonPayloadError,
    http::header,
    web::{self, Data},
};
use futures_util::future::LocalBoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    app::App,
    http::{ApiError, ApiResult},
};

/// A JSON body, of a request or a response. A body that is not valid is refused with an [`ApiError`].
pub struct Json<T>(pub T);

impl<T> Json<T> {
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize> Responder for Json<T> {
    type Body = <web::Json<T> as Responder>::Body;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse<Self::Body> {
        web::Json(self.0).respond_to(request)
    }
}

/// Largest body of an operation that needs no account: anyone may send many at once.
const MAX_PUBLIC_BYTES: usize = 8 << 10;
/// Memory for all bodies that are being read, in KiB. A request waits until its body fits.
const BUDGET_KIB: usize = 64 << 10;
static BUDGET: Semaphore = Semaphore::const_new(BUDGET_KIB);

/// In the extensions of a request: its operation needs no account.
#[derive(Clone, Copy)]
pub struct PublicOperation;

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let config = &request.app_data::<Data<App>>().expect("every route has the app").config;
        let is_public = request.extensions().contains::<PublicOperation>();
        let max_bytes = if is_public { config.max_json_bytes.min(MAX_PUBLIC_BYTES) } else { config.max_json_bytes };
        let idle_timeout = config.upload_idle();
        // After decompression a single chunk may have gigabytes before its size is checked.
        let is_encoded = request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let kib = announced.unwrap_or(max_bytes).min(max_bytes).div_ceil(1 << 10).min(BUDGET_KIB);
        let body = web::JsonBody::<Box<RawValue>>::new(request, payload, None, true).limit(max_bytes);
        Box::pin(async move {
            if is_encoded {
                let reason = "the body must be plain JSON, without a Content-Encoding";
                return Err(ApiError::UnsupportedMediaType(reason.into()));
            }
            let reading = async {
                let _memory = BUDGET.acquire_many(u32::try_from(kib).unwrap_or(u32::MAX)).await;
                body.await
            };
            let seconds = idle_timeout.as_secs();
            let timed_out = |_| ApiError::Silent { seconds, advice: "send the whole body at once" };
            let text =
                timeout(idle_timeout, reading).await.map_err(timed_out)?.map_err(|error| invalid_body(&error))?;
            parse(text.get()).map(Json)
        })
    }
}

/// All bodies of the API are objects. Serde would accept an array, with the fields in the order of the code.
fn parse<T: DeserializeOwned>(text: &str) -> ApiResult<T> {
    if !text.starts_with('{') {
        return Err(ApiError::BadRequest("the body must be a JSON object".into()));
    }
    if has_nul(text) {
        return Err(ApiError::BadRequest("a text in the body contains NUL (\\u0000), which cannot be stored".into()));
    }
    serde_json::from_str(text).map_err(|error| invalid_body(&JsonPayloadError::Deserialize(error)))
}

/// Returns whether a string of valid JSON contains the character NUL, which JSON must escape and PostgreSQL cannot store.
fn has_nul(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, escape)) = rest.split_once('\\') {
        if escape.starts_with("u0000") {
            return true;
        }
        // The escaped character may be a backslash itself.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// Returns why a body is not accepted.
fn invalid_body(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => {
            ApiError::UnsupportedMediaType("the body must be JSON, with Content-Type: application/json".into())
        }
        JsonPayloadError::Overflow { limit } | JsonPayloadError::OverflowKnownLength { limit, .. } => {
            ApiError::TooLarge { max_bytes: u64::try_from(*limit).unwrap_or(u64::MAX) }
        }
        JsonPayloadError::Deserialize(error) => ApiError::BadRequest(format!("the body is not valid: {error}")),
        error => ApiError::BadRequest(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_however_backslashes_are_escaped() {
        for (text, expected) in [
            (r#"{"a":"b"}"#, false),
            (r#"{"a":"\u0000"}"#, true),
            (r#"{"a":"\\u0000"}"#, false),
            (r#"{"a":"\\\u0000"}"#, true),
            (r#"{"a\u0000":"\""}"#, true),
            (r#"{"a":"\u00001"}"#, true),
        ] {
            assert_eq!(has_nul(text), expected, "{text}");
        }
    }

    #[test]
    fn only_objects_are_accepted() {
        assert!(parse::<serde_json::Value>("{}").is_ok());
        for text in ["[]", "null", "1", "\"{\""] {
            assert!(parse::<serde_json::Value>(text).is_err(), "{text}");
        }
    }
}
