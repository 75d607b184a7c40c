//! Classifies errors of the database by what the caller can do next.

use diesel::{
    QueryResult,
    result::{DatabaseErrorKind, Error},
};

/// Messages of PostgreSQL after which the same call may succeed later. The client library does not pass on SQLSTATE.
const UNAVAILABLE: [&str; 20] = [
    "terminating connection",
    "shutting down",
    "starting up",
    "in recovery mode",
    "not yet accepting connections",
    "not accepting commands",
    "connection closed",
    "too many clients",
    "connection slots are reserved",
    "due to lock timeout",
    "due to statement timeout",
    "due to user request",
    "deadlock detected",
    "read-only transaction",
    "could not extend file",
    "could not write",
    "No space left on device",
    "out of memory",
    "out of shared memory",
    "could not fsync",
];

/// Messages of PostgreSQL about a value that it cannot store or compare.
const INVALID_VALUE: [&str; 6] = [
    "invalid byte sequence for encoding",
    "unsupported Unicode escape sequence",
    "timestamp out of range",
    "date/time field value out of range",
    "out of range for type",
    "value too long for type",
];

/// Returns whether the database is unavailable, read-only, full or busy, so that the same call may succeed later.
pub fn is_unavailable(error: &Error) -> bool {
    match error {
        Error::DatabaseError(kind, info) => {
            matches!(
                kind,
                DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand
                    | DatabaseErrorKind::ReadOnlyTransaction
                    | DatabaseErrorKind::SerializationFailure
            ) || UNAVAILABLE.iter().any(|text| info.message().contains(text))
        }
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

/// Returns whether the caller's input has a value that the database cannot store.
pub fn is_invalid_value(error: &Error) -> bool {
    match error {
        Error::DatabaseError(_, info) => INVALID_VALUE.iter().any(|text| info.message().contains(text)),
        // Dates beyond the range of 64 bits of microseconds.
        Error::SerializationError(_) => true,
        _ => false,
    }
}

/// Makes an absent row `None`.
pub fn optional<T>(result: QueryResult<T>) -> QueryResult<Option<T>> {
    diesel::OptionalExtension::optional(result)
}
