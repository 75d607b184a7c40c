//! The health of a process.

use serde::{Deserialize, Serialize};

/// Whether requests should be sent to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    Ready,
    /// Requests succeed; work waits until the broker is available again.
    Degraded,
    /// Requests would fail.
    Unready,
    /// It was asked to stop: current requests may still be answered, later ones are refused.
    Stopping,
}

/// One component that the process needs.
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

/// Response of `/readyz`.
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
