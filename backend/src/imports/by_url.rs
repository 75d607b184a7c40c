//! Imports of files at a URL. A worker fetches the file: so a fetch survives failures, and its progress is live.

use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web::Payload};
use shared::import::{Import, ImportFromUrl};
use url::Url;

use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    imports::{queries, routes},
    jobs::Task,
    net,
};

/// Longest URL in bytes: presigned ones are long.
const MAX_URL_BYTES: usize = 8_000;

/// Whether the body of a request is the URL of a file, not the file.
pub fn is_asked_for(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}

/// Creates an import whose file is fetched by a worker.
///
/// # Errors
/// When the URL is not valid or leads to an address that is not allowed, as far as that is known now.
pub async fn create(app: &App, user_id: Option<i64>, request: &HttpRequest, body: Payload) -> ApiResult<HttpResponse> {
    let wanted = Json::<ImportFromUrl>::from_request(request, &mut body.into_inner()).await?.into_inner();
    if wanted.url.len() > MAX_URL_BYTES {
        return Err(ApiError::invalid("url", format!("must have at most {MAX_URL_BYTES} bytes")));
    }
    let url = net::parse_url(&wanted.url).map_err(|error| ApiError::invalid("url", error.0))?;
    app.fetcher.check(&url).await.map_err(|reason| ApiError::invalid("url", reason))?;
    let file_name = routes::kept_name(&wanted.file_name.clone().unwrap_or_else(|| name(&url)));
    let import: Import = queries::insert_url(&mut *app.db().await?, user_id, &file_name, url.as_str()).await?.into();
    app.queue.enqueue(Task::ProcessImport(import.id));
    tracing::info!(import.id, "Import {}: will be fetched from {}", import.id, url.host_str().unwrap_or_default());
    Ok(routes::created(&import))
}

/// The last segment of the path.
fn name(url: &Url) -> String {
    let last = url.path_segments().and_then(Iterator::last).unwrap_or_default();
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_last_segment_of_its_url() {
        let of = |url: &str| routes::kept_name(&name(&Url::parse(url).expect("a URL")));
        assert_eq!(of("https://example.com/a/Tea%20%C3%A4.csv?token=x"), "Tea ä.csv");
        assert_eq!(of("https://example.com/..%2Fetc%2Fpasswd"), "passwd");
        assert_eq!(of("https://example.com/"), "products.csv");
    }
}
