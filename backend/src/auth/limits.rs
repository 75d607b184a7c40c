//! Limits of requests and of open streams per principal. Each process counts on its own.

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
    auth::principal::Principal,
    http::{ApiError, ApiResult},
};

type Limiter = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// Counts the requests and streams of all principals.
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

    /// Counts a request. Requests in open mode are not counted, since they come from the operator's own machine.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] if the principal has sent too many.
    pub fn count_request(&self, principal: &Principal, network: &str) -> ApiResult<Option<Budget>> {
        if matches!(principal, Principal::LocalTrusted) {
            return Ok(None);
        }
        match self.requests.check_key(&principal.request_quota_key(network)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                Ok(Some(Budget { per_minute: self.per_minute, remaining }))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(ApiError::TooManyRequests { what: "requests", wait_seconds: round_up_to_seconds(wait) })
            }
        }
    }

    /// Returns a permit for an event stream, which is released when it is dropped; `None` if `quota_key` has too many.
    pub fn open_stream(&self, quota_key: String) -> Option<StreamPermit> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(quota_key.clone()).or_default();
        if *open >= self.max_streams {
            return None;
        }
        *open += 1;
        Some(StreamPermit { streams: Arc::clone(&self.streams), quota_key })
    }

    /// Removes the state of principals whose budget is full again.
    pub fn remove_idle(&self) {
        self.requests.retain_recent();
        self.requests.shrink_to_fit();
    }
}

fn round_up_to_seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}

/// Permits one open stream.
pub struct StreamPermit {
    streams: Arc<Mutex<HashMap<String, u32>>>,
    quota_key: String,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.quota_key) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.quota_key);
            }
        }
    }
}

/// The requests that remain to a principal.
pub struct Budget {
    per_minute: u32,
    remaining: u32,
}

impl Budget {
    /// Adds the fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers-10).
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        // Seconds until the whole budget is available again.
        let refill = u64::from(self.per_minute - self.remaining.min(self.per_minute)) * 60 / u64::from(self.per_minute);
        let fields = [
            ("ratelimit-policy", format!("\"requests\";q={};w=60", self.per_minute)),
            ("ratelimit", format!("\"requests\";r={};t={refill}", self.remaining)),
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
    fn each_principal_has_its_own_budget() {
        let limits = Limits::new(NonZeroU32::new(3).expect("not zero"), 2);
        let count = |network| {
            limits.count_request(&Principal::Anonymous, network).map(|budget| budget.expect("is counted").remaining)
        };
        assert_eq!([count("a"), count("a"), count("a")].map(|left| left.expect("is allowed")), [2, 1, 0]);
        let refused = count("a").expect_err("too many");
        assert!(matches!(refused, ApiError::TooManyRequests { wait_seconds: 1..=21, .. }), "{refused}");
        assert!(count("b").is_ok());
        assert!(limits.count_request(&Principal::LocalTrusted, "a").expect("is allowed").is_none());
    }

    #[test]
    fn a_dropped_stream_releases_its_permit() {
        let limits = Limits::new(NonZeroU32::new(3).expect("not zero"), 1);
        let permit = limits.open_stream("a".into());
        assert!(
            permit.is_some() && limits.open_stream("a".into()).is_none() && limits.open_stream("b".into()).is_some()
        );
        drop(permit);
        assert!(limits.open_stream("a".into()).is_some());
    }
}
