//! A file from a URL to storage.
//!
//! Requests are sent by [`net::Client`], which checks all addresses of a host; redirects are followed here, so that each is
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
    net::{Client, ErrorKind, Limits, RequestError, RequestTimings},
    storage::{ReserveError, StorageError},
};

/// Redirects that are followed, as browsers and curl do, only fewer.
const MAX_REDIRECTS: usize = 5;
/// Compressed bytes that are decoded at once: they may become a thousand times as many.
const DECODED_AT_ONCE: usize = 4 << 10;

/// Fetches files; one per process.
pub struct Fetcher {
    client: Client,
    /// How long a server may be silent.
    idle: Duration,
    /// How long all of it may take.
    overall: Duration,
}

/// How far a fetch is.
#[derive(Default)]
pub struct Progress {
    pub bytes: AtomicU64,
    /// What the server says that it sends; 0 if it does not.
    pub announced: AtomicU64,
}

/// Why a fetch came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// It would come to the same again.
    #[error("{0}")]
    Lasting(String),
    #[error("{0}")]
    Passing(String),
    #[error(transparent)]
    Refused(#[from] WriteError),
}

impl Trouble {
    /// As the task of the import takes it.
    fn explain(self) -> anyhow::Error {
        match self {
            Self::Lasting(reason) => Unreadable(reason).into(),
            Self::Refused(WriteError::TooLarge { max_bytes }) => {
                let limit = "which is the most that is taken here";
                Unreadable(format!("The file is larger than {max_bytes} bytes, {limit}.")).into()
            }
            Self::Refused(WriteError::File(problem)) => Unreadable(problem.detail).into(),
            Self::Refused(WriteError::NoConnection(error)) => error.into(),
            Self::Refused(WriteError::Reserve(ReserveError::Database(error))) => error.into(),
            Self::Refused(WriteError::Reserve(error)) => {
                Unreadable(format!("There is no room for the file: {error}.")).into()
            }
            Self::Refused(WriteError::Storage(StorageError::Store(error))) => error.into(),
            Self::Refused(WriteError::Storage(error)) => error.into(),
            Self::Passing(reason) => anyhow::Error::msg(reason),
        }
    }
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        match error.kind {
            ErrorKind::Forbidden => Self::Lasting(error.message),
            ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Http => Self::Passing(error.message),
        }
    }
}

impl Fetcher {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let idle = Duration::from_secs(config.import_url_idle_seconds.into());
        let limits = Limits {
            name_server: config.outbound_dns,
            allowed: config.import_url_allow_cidrs.clone(),
            connect_timeout: idle,
        };
        Ok(Self {
            client: Client::new(limits)?,
            idle,
            overall: Duration::from_secs(config.import_url_deadline_seconds.into()),
        })
    }

    /// Checks whether a URL may be fetched.
    ///
    /// # Errors
    /// The reason, to follow the name of the field.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        self.client.check(url).await
    }

    /// Fetches the file at `url`. `None` when it was stopped. Nothing is left in storage unless it succeeds.
    ///
    /// # Errors
    /// [`Unreadable`] where it would come to the same again.
    pub async fn fetch(
        &self,
        app: &App,
        user_id: Option<i64>,
        url: &str,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<Stored>> {
        let created = StoredFileWriter::create(app, user_id, None).await;
        let mut writer = created.map_err(|error| Trouble::from(error).explain())?;
        let received = tokio::select! {
            () = stop.cancelled() => None,
            result = tokio::time::timeout(self.overall, self.receive(url, &mut writer, progress)) => Some(result),
        };
        let trouble = match received {
            Some(Ok(Ok(()))) => {
                let stored = writer.finish().await.map_err(|refusal| Trouble::from(refusal).explain())?;
                return Ok(Some(stored));
            }
            Some(Ok(Err(trouble))) => Some(trouble),
            Some(Err(_)) => {
                let (seconds, bytes) = (self.overall.as_secs(), writer.size());
                Some(Trouble::Passing(format!("The file did not come within {seconds} s; {bytes} bytes of it did.")))
            }
            None => None,
        };
        trouble.map_or(Ok(None), |trouble| Err(trouble.explain()))
    }

    async fn receive(&self, url: &str, writer: &mut StoredFileWriter, progress: &Progress) -> Result<(), Trouble> {
        let mut url = Url::parse(url).map_err(|error| Trouble::Lasting(format!("The URL is none: {error}.")))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&url).await?;
            if !response.status().is_redirection() {
                return self.store(response, writer, progress).await;
            }
            let next = redirected(&url, &response)?;
            tracing::info!("Redirected from {} to {}", host(&url), host(&next));
            url = next;
        }
        Err(Trouble::Lasting(format!("The URL is redirected more than {MAX_REDIRECTS} times.")))
    }

    /// Returns the head of the response.
    async fn ask(&self, url: &Url) -> Result<Response, Trouble> {
        let request = self
            .client
            .request(Method::GET, url.clone())
            .header(ACCEPT, "text/csv, */*;q=0.5")
            .header(ACCEPT_ENCODING, "gzip, identity")
            .build()
            .map_err(|error| Trouble::Lasting(format!("The URL cannot be called: {}.", error.without_url())))?;
        Ok(self.in_time("server", self.client.send(request, &RequestTimings::default())).await??)
    }

    async fn in_time<T>(&self, who: &str, waiting: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::time::timeout(self.idle, waiting)
            .await
            .map_err(|_| Trouble::Passing(format!("The {who} was silent for {} s.", self.idle.as_secs())))
    }

    async fn store(
        &self,
        mut response: Response,
        writer: &mut StoredFileWriter,
        progress: &Progress,
    ) -> Result<(), Trouble> {
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
                Trouble::Passing(format!("The connection was cut in the middle of the file, after {bytes} bytes."))
            })?;
            let Some(data) = chunk else { break };
            match &mut decoder {
                None => writer.write(data).await?,
                Some(decoder) => {
                    for part in data.chunks(DECODED_AT_ONCE) {
                        decoder.write_all(part).map_err(|error| garbled(&error))?;
                        writer.write(std::mem::take(decoder.get_mut()).into()).await?;
                    }
                }
            }
            progress.bytes.store(writer.size(), Relaxed);
        }
        if let Some(decoder) = decoder {
            writer.write(decoder.finish().map_err(|error| garbled(&error))?.into()).await?;
        }
        Ok(())
    }
}

fn garbled(error: &std::io::Error) -> Trouble {
    Trouble::Passing(format!("What comes from the server cannot be decompressed: {error}."))
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// A header as text; empty where there is none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn redirected(from: &Url, response: &Response) -> Result<Url, Trouble> {
    let location = text(response.headers(), &LOCATION);
    let status = response.status();
    let next =
        from.join(location).ok().filter(|_| !location.is_empty()).ok_or_else(|| {
            Trouble::Lasting(format!("{} answers {status} and does not say where to go.", host(from)))
        })?;
    if from.scheme() == "https" && next.scheme() != "https" {
        let (from, to) = (host(from), host(&next));
        return Err(Trouble::Lasting(format!("{from} redirects to {to} without encryption, which is not followed.")));
    }
    Ok(next)
}

/// Whether this is the head of a file.
fn expect_file(status: StatusCode, headers: &HeaderMap) -> Result<(), Trouble> {
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    match status.as_u16() {
        200 => {}
        401 | 403 => {
            let advice = "It needs a URL that can be read without signing in";
            return Err(Trouble::Lasting(format!("The server does not give the file out: {status}. {advice}.")));
        }
        _ if passing => return Err(Trouble::Passing(format!("The server answers {status}."))),
        _ => return Err(Trouble::Lasting(format!("The server answers {status} instead of the file."))),
    }
    if text(headers, &CONTENT_TYPE).starts_with("text/html") {
        let advice = "Use the URL that downloads the file itself";
        return Err(Trouble::Lasting(format!("The URL leads to a web page, not to a CSV file. {advice}.")));
    }
    Ok(())
}

fn decoder(headers: &HeaderMap) -> Result<Option<MultiGzDecoder<Vec<u8>>>, Trouble> {
    match text(headers, &CONTENT_ENCODING).to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(MultiGzDecoder::new(Vec::new()))),
        other => Err(Trouble::Lasting(format!(
            "The server sends the file in the encoding {other}, although only gzip was asked for."
        ))),
    }
}
