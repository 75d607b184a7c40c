//! Bodies of refused requests.

use std::time::Duration;

use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

/// Maximum bytes that are read and discarded after a request is refused: a client whose connection is closed while it sends may not see
/// the response.
const MAX_BYTES: usize = 64 << 20;
/// Maximum time for that.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A client that sends nothing for this time is waiting for the response.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Discards the rest of the body, until the client pauses.
pub async fn drain(body: &mut Payload) {
    let mut drained = 0;
    let until = Instant::now() + TIMEOUT;
    while let Ok(Some(Ok(chunk))) = timeout(IDLE_TIMEOUT, body.next()).await {
        drained += chunk.len();
        if drained > MAX_BYTES || Instant::now() > until {
            return;
        }
    }
}
