//! Distinguishes faults of a job's input from faults of its environment.
//!
//! Only the former count as attempts. Faults of the environment, such as a full disk, a lock that is held for minutes or
//! a restart of the database, are retried until they succeed: when in doubt, a fault counts as one of the environment.

use diesel::result::{DatabaseErrorKind, Error};

use crate::{db::GetConnectionError, jobs::JobError, storage::StorageError};

/// Why a slice of work failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another worker has claimed the job, so this one must not write any more.
    Fenced,
    /// The environment failed: the job waits, for this reason, and is retried.
    Environment(String),
    /// The input may have failed: this was one of a limited number of attempts.
    Input(String),
}

impl Fault {
    pub fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<JobError>() {
            Some(JobError::Fenced) => return Self::Fenced,
            Some(JobError::Db(error)) => return Self::of_query(error),
            Some(JobError::Pool(_)) => return Self::Environment(DATABASE_UNREACHABLE.into()),
            Some(error @ (JobError::Timeout(_) | JobError::Stalled(_))) => return Self::Environment(sentence(error)),
            None => {}
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return Self::of_query(error);
        }
        if error.is::<GetConnectionError>() {
            return Self::Environment(DATABASE_UNREACHABLE.into());
        }
        if let Some(error) = error.downcast_ref::<StorageError>() {
            return Self::Environment(format!("The file could not be stored: {error}."));
        }
        match error.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::NotFound { .. }) => return Self::Input(format!("{error:#}")),
            Some(_) => return Self::Environment(format!("The file storage did not respond: {error:#}.")),
            None => {}
        }
        if error.chain().any(<dyn std::error::Error>::is::<std::io::Error>) {
            return Self::Environment(format!("The file could not be read: {error:#}."));
        }
        Self::Input(format!("{error:#}"))
    }

    fn of_query(error: &Error) -> Self {
        use DatabaseErrorKind as Kind;
        let Error::DatabaseError(kind, info) = error else {
            return match error {
                Error::BrokenTransactionManager => Self::Environment(DATABASE_UNREACHABLE.into()),
                _ => Self::Input(error.to_string()),
            };
        };
        let message = info.message();
        let of_values = matches!(
            kind,
            Kind::UniqueViolation
                | Kind::ForeignKeyViolation
                | Kind::NotNullViolation
                | Kind::CheckViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation
        ) || (matches!(kind, Kind::Unknown) && is_data_exception(message));
        if of_values {
            return Self::Input(format!("The database rejected the rows: {message}."));
        }
        match kind {
            Kind::ClosedConnection | Kind::UnableToSendCommand => Self::Environment(DATABASE_UNREACHABLE.into()),
            _ => Self::Environment(format!("The database reports: {message}.")),
        }
    }
}

const DATABASE_UNREACHABLE: &str = "The database does not respond.";

/// Whether a message is one of class 22 (data exception) or 54 (program limit exceeded); diesel does not pass the code on.
fn is_data_exception(message: &str) -> bool {
    ["invalid ", "out of range", "too long", "unsupported Unicode", "exceeds", "cannot be converted", "malformed"]
        .iter()
        .any(|text| message.contains(text))
}

/// An error as a sentence.
fn sentence(error: &JobError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn query(kind: DatabaseErrorKind, message: &str) -> anyhow::Error {
        Error::DatabaseError(kind, Box::new(message.to_owned())).into()
    }

    #[test]
    fn only_faults_of_the_input_count_as_attempts() {
        use DatabaseErrorKind as Kind;
        let of_environment: [anyhow::Error; 7] = [
            query(Kind::Unknown, "could not extend file \"base/1/2\": No space left on device"),
            query(Kind::Unknown, "canceling statement due to statement timeout"),
            query(Kind::ReadOnlyTransaction, "cannot execute INSERT in a read-only transaction"),
            query(Kind::ClosedConnection, "connection closed"),
            JobError::Stalled(Duration::from_secs(65)).into(),
            anyhow::Error::from(std::io::Error::other("reset")).context("the file cannot be read"),
            JobError::Db(Error::BrokenTransactionManager).into(),
        ];
        for error in of_environment {
            assert!(matches!(Fault::of(&error), Fault::Environment(_)), "{error:#}");
        }
        let input: [anyhow::Error; 4] = [
            query(Kind::CheckViolation, "new row violates check constraint"),
            query(Kind::Unknown, "invalid byte sequence for encoding \"UTF8\": 0x00"),
            query(Kind::Unknown, "index row size 2800 exceeds btree version 4 maximum 2704"),
            anyhow::anyhow!("the server of the file answers with status 500"),
        ];
        for error in input {
            assert!(matches!(Fault::of(&error), Fault::Input(_)), "{error:#}");
        }
        assert_eq!(Fault::of(&JobError::Fenced.into()), Fault::Fenced);
    }
}
