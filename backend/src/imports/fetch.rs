//! Fetches the file of an import from a URL into the storage.
//!
//! Requests are sent by [`Client`], which checks all addresses of a host; redirects are followed here, so that each is
//! checked like the first URL. Queries of URLs may contain secrets: no message repeats one.

use std::{
    future::Future,
    io::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use flate2::write::MultiGzDecoder;
use reqwest::{
    Method, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION,
    },
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    app::App,
    config::Config,
    imports::{
        file_writer::{Stored, StoredFileWriter, WriteError},
        records::Unreadable,
    },
    net::{Client, ErrorKind, Limits, RequestError, RequestTimings, parse_url},
    storage::{ReserveError, StorageError},
};

/// Redirects that are followed: fewer than browsers and curl do.
const MAX_REDIRECTS: usize = 5;
/// Compressed bytes that are decoded in one step: they may expand to a thousand times as many.
const DECODE_STEP_BYTES: usize = 4 << 10;

/// Fetches files; one per process.
pub struct Fetcher {
    client: Client,
    /// Time without a byte after which a request fails.
    idle_timeout: Duration,
    /// Time for the whole fetch.
    deadline: Duration,
}

/// Progress of a fetch.
#[derive(Default)]
pub struct Progress {
    pub bytes: AtomicU64,
    /// `Content-Length` of the response; 0 if it has none.
    pub announced: AtomicU64,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// A retry would fail in the same way.
    #[error("{0}")]
    Permanent(String),
    /// A retry may succeed.
    #[error("{0}")]
    Temporary(String),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl FetchError {
    /// Returns the error as the job of the import handles it.
    fn into_job_error(self) -> anyhow::Error {
        match self {
            Self::Permanent(reason) => Unreadable(reason).into(),
            Self::Write(WriteError::TooLarge { max_bytes }) => {
                Unreadable(format!("The file is larger than {max_bytes} bytes, the limit of this server.")).into()
            }
            Self::Write(WriteError::File(problem)) => Unreadable(problem.detail).into(),
            Self::Write(WriteError::NoConnection(error)) => error.into(),
            Self::Write(WriteError::Reserve(ReserveError::Database(error))) => error.into(),
            Self::Write(WriteError::Reserve(error)) => {
                Unreadable(format!("There is no room for the file: {error}.")).into()
            }
            Self::Write(WriteError::Storage(StorageError::Store(error))) => error.into(),
            Self::Write(WriteError::Storage(error)) => error.into(),
            Self::Temporary(reason) => anyhow::Error::msg(reason),
        }
    }
}

impl From<RequestError> for FetchError {
    fn from(error: RequestError) -> Self {
        match error.kind {
            ErrorKind::Forbidden => Self::Permanent(error.message),
            ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Http => Self::Temporary(error.message),
        }
    }
}

impl Fetcher {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let idle_timeout = Duration::from_secs(config.import_url_idle_seconds.into());
        let limits = Limits {
            name_server: config.outbound_dns,
            allowed: config.import_url_allow_cidrs.clone(),
            connect_timeout: idle_timeout,
        };
        Ok(Self {
            client: Client::new(limits)?,
            idle_timeout,
            deadline: Duration::from_secs(config.import_url_deadline_seconds.into()),
        })
    }

    /// Checks whether a URL may be fetched.
    ///
    /// # Errors
    /// The reason, to follow the name of the field.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        self.client.check(url).await
    }

    /// Fetches the file at `url`. Returns `None` when it was stopped. Unless it succeeds, nothing is left in the storage.
    ///
    /// # Errors
    /// [`Unreadable`] where a retry would fail in the same way.
    pub async fn fetch(
        &self,
        app: &App,
        user_id: Option<i64>,
        url: &str,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Stored>> {
        let created = StoredFileWriter::create(app, user_id, None).await;
        let mut writer = created.map_err(|error| FetchError::from(error).into_job_error())?;
        let received = tokio::select! {
            () = stop.cancelled() => None,
            result = tokio::time::timeout(self.deadline, self.receive(url, &mut writer, progress)) => Some(result),
        };
        let error = match received {
            Some(Ok(Ok(()))) => {
                let stored = writer.finish().await.map_err(|error| FetchError::from(error).into_job_error())?;
                return Ok(Some(stored));
            }
            Some(Ok(Err(error))) => Some(error),
            Some(Err(_)) => {
                let (seconds, bytes) = (self.deadline.as_secs(), writer.size());
                Some(FetchError::Temporary(format!(
                    "The file was not complete within {seconds} s; {bytes} bytes were received."
                )))
            }
            None => None,
        };
        error.map_or(Ok(None), |error| Err(error.into_job_error()))
    }

    async fn receive(&self, url: &str, writer: &mut StoredFileWriter, progress: &Progress) -> Result<(), FetchError> {
        let mut url =
            Url::parse(url).map_err(|error| FetchError::Permanent(format!("The URL is not valid: {error}.")))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.request(&url).await?;
            if !response.status().is_redirection() {
                return self.store(response, writer, progress).await;
            }
            let next = redirected(&url, &response)?;
            tracing::info!("Redirected from {} to {}", host(&url), host(&next));
            url = next;
        }
        Err(FetchError::Permanent(format!("The URL is redirected more than {MAX_REDIRECTS} times.")))
    }

    /// Returns the head of the response.
    async fn request(&self, url: &Url) -> Result<Response, FetchError> {
        let request = self
            .client
            .request(Method::GET, url.clone())
            .header(ACCEPT, "text/csv, */*;q=0.5")
            .header(ACCEPT_ENCODING, "gzip, identity")
            .build()
            .map_err(|error| FetchError::Permanent(format!("The URL cannot be called: {}.", error.without_url())))?;
        Ok(self.in_time("server", self.client.send(request, &RequestTimings::default())).await??)
    }

    async fn in_time<T>(&self, peer: &str, waiting: impl Future<Output = T>) -> Result<T, FetchError> {
        tokio::time::timeout(self.idle_timeout, waiting).await.map_err(|_| {
            FetchError::Temporary(format!("The {peer} sent nothing for {} s.", self.idle_timeout.as_secs()))
        })
    }

    async fn store(
        &self,
        mut response: Response,
        writer: &mut StoredFileWriter,
        progress: &Progress,
    ) -> Result<(), FetchError> {
        expect_file(response.status(), response.headers())?;
        let mut decoder = decoder(response.headers())?;
        let announced = text(response.headers(), &CONTENT_LENGTH).parse().unwrap_or(0);
        if decoder.is_none() {
            writer.expect(announced).await?;
            progress.announced.store(announced, Relaxed);
        }
        loop {
            let chunk = self.in_time("server", response.chunk()).await?.map_err(|_| {
                let bytes = writer.size();
                FetchError::Temporary(format!(
                    "The connection was closed before the end of the file, after {bytes} bytes."
                ))
            })?;
            let Some(data) = chunk else { break };
            match &mut decoder {
                None => writer.write(data).await?,
                Some(decoder) => {
                    for part in data.chunks(DECODE_STEP_BYTES) {
                        decoder.write_all(part).map_err(|error| decompression_error(&error))?;
                        writer.write(std::mem::take(decoder.get_mut()).into()).await?;
                    }
                }
            }
            progress.bytes.store(writer.size(), Relaxed);
        }
        if let Some(decoder) = decoder {
            writer.write(decoder.finish().map_err(|error| decompression_error(&error))?.into()).await?;
        }
        Ok(())
    }
}

fn decompression_error(error: &std::io::Error) -> FetchError {
    FetchError::Temporary(format!("The response cannot be decompressed: {error}."))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// Returns a header as text; empty where there is none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn redirected(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let location = text(response.headers(), &LOCATION);
    let status = response.status();
    let next =
        from.join(location).ok().filter(|_| !location.is_empty()).ok_or_else(|| {
            FetchError::Permanent(format!("{} answered {status} without a valid Location.", host(from)))
        })?;
    let next = parse_url(next.as_str())
        .map_err(|error| FetchError::Permanent(format!("{} redirects to a URL that {}.", host(from), error.0)))?;
    if from.scheme() == "https" && next.scheme() != "https" {
        let (from, to) = (host(from), host(&next));
        return Err(FetchError::Permanent(format!("{from} redirects to {to} without TLS. Use the final URL.")));
    }
    Ok(next)
}

/// Checks that a response is a file.
fn expect_file(status: StatusCode, headers: &HeaderMap) -> Result<(), FetchError> {
    let temporary = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    match status.as_u16() {
        200 => {}
        401 | 403 => {
            let advice = "Use a URL that needs no sign-in";
            return Err(FetchError::Permanent(format!("The server refused the request: {status}. {advice}.")));
        }
        _ if temporary => return Err(FetchError::Temporary(format!("The server answered {status}."))),
        _ => return Err(FetchError::Permanent(format!("The server answered {status} instead of the file."))),
    }
    if text(headers, &CONTENT_TYPE).starts_with("text/html") {
        let advice = "Use the URL of the file itself";
        return Err(FetchError::Permanent(format!("The URL is a web page, not a CSV file. {advice}.")));
    }
    Ok(())
}

fn decoder(headers: &HeaderMap) -> Result<Option<MultiGzDecoder<Vec<u8>>>, FetchError> {
    match text(headers, &CONTENT_ENCODING).to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(MultiGzDecoder::new(Vec::new()))),
        other => Err(FetchError::Permanent(format!(
            "The server sent the file in the encoding {other}; only gzip is supported."
        ))),
    }
}
