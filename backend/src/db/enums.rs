//! Text columns that hold one of a few values.

use serde::de::DeserializeOwned;

/// Parses a text column as the enum that serializes to such texts. A value that this version does not know, because a newer
/// process wrote it, becomes the variant of the enum that has `#[serde(other)]`. Each enum that is read in this way is in the
/// test below, which fails for one without such a variant.
pub fn parse_enum<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(text.into()).expect("an enum of a column has a variant for unknown values")
}

#[cfg(test)]
mod tests {
    use shared::{
        bulk::BulkAction,
        import::{ImportPhase, RowErrorCode},
        job::JobStatus,
        problem::ErrorCode,
        webhook::{AttemptError, DeliveryStatus, DisabledReason, WebhookEvent},
    };

    use super::*;

    #[test]
    fn a_value_of_a_newer_version_is_parsed_as_unknown() {
        const NEWER: &str = "from a newer version";
        assert_eq!(parse_enum::<JobStatus>(NEWER), JobStatus::Unknown);
        assert_eq!(parse_enum::<ImportPhase>(NEWER), ImportPhase::Unknown);
        assert_eq!(parse_enum::<RowErrorCode>(NEWER), RowErrorCode::Unknown);
        assert_eq!(parse_enum::<ErrorCode>(NEWER), ErrorCode::Unknown);
        assert_eq!(parse_enum::<BulkAction>(NEWER), BulkAction::Unknown);
        assert_eq!(parse_enum::<BulkAction>("activate"), BulkAction::Activate);
        assert_eq!(parse_enum::<WebhookEvent>(NEWER), WebhookEvent::Unknown);
        assert_eq!(parse_enum::<DeliveryStatus>(NEWER), DeliveryStatus::Unknown);
        assert_eq!(parse_enum::<DisabledReason>(NEWER), DisabledReason::Unknown);
        assert_eq!(parse_enum::<AttemptError>(NEWER), AttemptError::Unknown);
    }
}
