//! Bodies that are JSON: of the right type, not too large, not nested too deep.

use std::ops::Deref;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, Responder,
    dev::Payload,
    error::JsonPayloadError,
    http::header,
    web::{self, Data},
};
use futures_util::future::LocalBoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{
    app::App,
    http::{ApiError, ApiResult},
};

/// The most that `MAX_JSON_DEPTH` can be: `serde_json` itself goes no deeper.
pub const DEEPEST: u8 = 127;

/// JSON, read and written. What cannot be read is refused as an [`ApiError`].
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

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let config = &request.app_data::<Data<App>>().expect("every route knows the app").config;
        let (max_bytes, max_depth, patience) = (config.max_json_bytes, config.max_json_depth, config.upload_idle());
        // Unpacked, one piece of it may be gigabytes before its size is looked at.
        let is_packed = request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let body = web::JsonBody::<Box<RawValue>>::new(request, payload, None, true).limit(max_bytes);
        Box::pin(async move {
            if is_packed {
                let refusal = "the body must be plain JSON, without a Content-Encoding";
                return Err(ApiError::UnsupportedMediaType(refusal.into()));
            }
            let seconds = patience.as_secs();
            let silent = |_| ApiError::Silent { seconds, advice: "send all of the body at once" };
            let text = timeout(patience, body).await.map_err(silent)?.map_err(|error| unreadable(&error))?;
            if is_deeper(text.get(), max_depth.into()) {
                return Err(ApiError::BadRequest(format!("the body is nested more than {max_depth} deep")));
            }
            serde_json::from_str(text.get())
                .map(Json)
                .map_err(|error| unreadable(&JsonPayloadError::Deserialize(error)))
        })
    }
}

/// Whether valid JSON has more than `most` arrays and objects inside one another.
fn is_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// Why a body that should be JSON cannot be taken.
fn unreadable(error: &JsonPayloadError) -> ApiError {
    match error {
        JsonPayloadError::ContentType => {
            ApiError::UnsupportedMediaType("the body must be JSON, and its Content-Type must say so".into())
        }
        JsonPayloadError::Overflow { limit } | JsonPayloadError::OverflowKnownLength { limit, .. } => {
            ApiError::TooLarge { max_bytes: u64::try_from(*limit).unwrap_or(u64::MAX) }
        }
        JsonPayloadError::Deserialize(error) => ApiError::BadRequest(format!("the body cannot be read: {error}")),
        error => ApiError::BadRequest(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_outside_of_strings_only() {
        for (text, depth) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{"b":1},{"c":2}]}"#, 3),
            (r#"["[[[["]"#, 1),
            (r#"["\"[[\\","{"]"#, 1),
            (r#"{"\\":["]]"]}"#, 2),
        ] {
            assert!(!is_deeper(text, depth), "{text}");
            assert!(depth == 0 || is_deeper(text, depth - 1), "{text}");
        }
    }
}
