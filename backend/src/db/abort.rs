//! Requests whose client is gone: their futures are dropped, which PostgreSQL does not notice by itself.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static CURRENT: Arc<AbortFlag>;
}

/// Whether a request was dropped before its end.
#[derive(Debug, Default)]
pub struct AbortFlag(AtomicBool);

impl AbortFlag {
    pub fn is_aborted(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Returns the flag of the future that is being polled, if it was made by [`abort_on_drop`].
pub fn current() -> Option<Arc<AbortFlag>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs `work`. If it is dropped before its end, the statements that it has running are canceled.
pub fn abort_on_drop<F: Future>(work: F) -> AbortOnDrop<F> {
    let flag = Arc::<AbortFlag>::default();
    AbortOnDrop { work: Box::pin(CURRENT.scope(Arc::clone(&flag), work)), flag, has_ended: false }
}

/// See [`abort_on_drop`].
pub struct AbortOnDrop<F: Future> {
    work: Pin<Box<TaskLocalFuture<Arc<AbortFlag>, F>>>,
    flag: Arc<AbortFlag>,
    has_ended: bool,
}

impl<F: Future> Future for AbortOnDrop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let polled = self.work.as_mut().poll(context);
        self.has_ended = polled.is_ready();
        polled
    }
}

// Runs before the fields are dropped, and with them the connections that `work` holds.
impl<F: Future> Drop for AbortOnDrop<F> {
    fn drop(&mut self) {
        self.flag.0.store(!self.has_ended, Relaxed);
    }
}
