//! How often one may ask, and how many streams one may hold open. Counted in each process by itself.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter, clock::Clock, clock::DefaultClock, middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use crate::{
    auth::Caller,
    http::{ApiError, ApiResult},
};

type Limiter = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// Requests and streams of everybody.
pub struct Limits {
    requests: Limiter,
    per_minute: u32,
    streams: Arc<Mutex<HashMap<String, u32>>>,
    max_streams: u32,
}

impl Limits {
    pub fn new(requests_per_minute: NonZeroU32, max_streams: u32) -> Self {
        let quota = Quota::per_minute(requests_per_minute);
        Self {
            requests: RateLimiter::keyed(quota).with_middleware(),
            per_minute: requests_per_minute.get(),
            streams: Arc::default(),
            max_streams,
        }
    }

    /// Counts a request. Where there is no account nobody is counted: it is one's own machine.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] where there were too many.
    pub fn spend(&self, caller: &Caller, network: &str) -> ApiResult<Option<Budget>> {
        if matches!(caller, Caller::Anyone) {
            return Ok(None);
        }
        match self.requests.check_key(&caller.account(network)) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                Ok(Some(Budget { per_minute: self.per_minute, left }))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(ApiError::TooManyRequests { what: "requests came", wait_seconds: whole_seconds(wait) })
            }
        }
    }

    /// A place for a stream of events, given back when it is dropped. `None` where there are too many.
    pub fn open_stream(&self, account: String) -> Option<StreamPlace> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(account.clone()).or_default();
        if *open >= self.max_streams {
            return None;
        }
        *open += 1;
        Some(StreamPlace { streams: Arc::clone(&self.streams), account })
    }

    /// Forgets those who have not asked for a while.
    pub fn tidy(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// A stream that is open.
pub struct StreamPlace {
    streams: Arc<Mutex<HashMap<String, u32>>>,
    account: String,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.account) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.account);
            }
        }
    }
}

/// What is left for this minute.
pub struct Budget {
    per_minute: u32,
    left: u32,
}

impl Budget {
    /// In the words of the IETF's draft (draft-ietf-httpapi-ratelimit-headers-10).
    pub fn tell(&self, headers: &mut HeaderMap) {
        // How long until all of it is there again.
        let refill = u64::from(self.per_minute - self.left.min(self.per_minute)) * 60 / u64::from(self.per_minute);
        let fields = [
            ("ratelimit-policy", format!("\"requests\";q={};w=60", self.per_minute)),
            ("ratelimit", format!("\"requests\";r={};t={refill}", self.left)),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_budget_of_its_own() {
        let limits = Limits::new(NonZeroU32::new(3).expect("not zero"), 2);
        let spend = |network| limits.spend(&Caller::Stranger, network).map(|budget| budget.expect("is counted").left);
        assert_eq!([spend("a"), spend("a"), spend("a")].map(|left| left.expect("is let in")), [2, 1, 0]);
        let refused = spend("a").expect_err("too many");
        assert!(matches!(refused, ApiError::TooManyRequests { wait_seconds: 1..=21, .. }), "{refused}");
        assert!(spend("b").is_ok());
        assert!(limits.spend(&Caller::Anyone, "a").expect("is let in").is_none());
    }

    #[test]
    fn a_stream_gives_its_place_back() {
        let limits = Limits::new(NonZeroU32::new(3).expect("not zero"), 1);
        let place = limits.open_stream("a".into());
        assert!(
            place.is_some() && limits.open_stream("a".into()).is_none() && limits.open_stream("b".into()).is_some()
        );
        drop(place);
        assert!(limits.open_stream("a".into()).is_some());
    }
}
