//! Imports of files that are given by their URL. A worker fetches the file: that survives what dies, and is seen live.

use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web::Payload};
use shared::import::{Import, ImportFromUrl};
use url::Url;

use crate::{
    app::App,
    http::{ApiError, ApiResult, Json},
    imports::{queries, routes},
    jobs::Task,
    webhooks,
};

/// Longest URL that is taken, in bytes: those that are signed for a while are long.
const MAX_URL_BYTES: usize = 8_000;

/// Whether the body of a request says where the file is, instead of being it.
pub fn is_asked_for(request: &HttpRequest) -> bool {
    request.content_type().eq_ignore_ascii_case("application/json")
}

/// Makes the import; its file is fetched by a worker.
///
/// # Errors
/// Where the URL leads to where nobody may be sent, as far as can be told now.
pub async fn create(app: &App, request: &HttpRequest, body: Payload) -> ApiResult<HttpResponse> {
    let wanted = Json::<ImportFromUrl>::from_request(request, &mut body.into_inner()).await?.into_inner();
    if wanted.url.len() > MAX_URL_BYTES {
        return Err(ApiError::invalid("url", format!("must have at most {MAX_URL_BYTES} bytes")));
    }
    let url = webhooks::parse_url(&wanted.url).map_err(|refused| ApiError::invalid("url", refused.0))?;
    app.fetcher.check(&url).await.map_err(|reason| ApiError::invalid("url", reason))?;
    let file_name = routes::kept_name(&wanted.file_name.clone().unwrap_or_else(|| name(&url)));
    let import: Import = queries::insert_url(&mut *app.db().await?, &file_name, url.as_str()).await?.into();
    app.queue.ring(Task::ProcessImport(import.id));
    tracing::info!(import.id, "Import {}: to be fetched from {}", import.id, url.host_str().unwrap_or_default());
    Ok(routes::created(&import))
}

/// The last part of the path.
fn name(url: &Url) -> String {
    let last = url.path_segments().and_then(Iterator::last).unwrap_or_default();
    percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_url_ends() {
        let of = |url: &str| routes::kept_name(&name(&Url::parse(url).expect("a URL")));
        assert_eq!(of("https://example.com/a/Tea%20%C3%A4.csv?token=x"), "Tea ä.csv");
        assert_eq!(of("https://example.com/..%2Fetc%2Fpasswd"), "passwd");
        assert_eq!(of("https://example.com/"), "products.csv");
    }
}
