//! How a process is doing.

use serde::{Deserialize, Serialize};

/// Whether requests should be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    Ready,
    /// Requests succeed; work waits until the broker is back.
    Degraded,
    /// Requests would fail.
    Unready,
    /// It was asked to stop: what is sent now may still be answered, what is sent later is refused.
    Stopping,
}

/// One part that the process needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HealthCheck {
    pub ok: bool,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl HealthCheck {
    pub const fn ok() -> Self {
        Self { ok: true, error: None }
    }

    pub const fn failed(error: String) -> Self {
        Self { ok: false, error: Some(error) }
    }
}

/// Answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    pub state: HealthState,
    pub database: HealthCheck,
    /// Whether the schema is the one that this program was built for.
    pub migrations: HealthCheck,
    pub broker: HealthCheck,
    pub storage: HealthCheck,
}
