//! Query parameters, checked against the API's document before the handler runs.
//!
//! An unknown parameter is refused: `?actve=true` would list everything, and the client would not notice. Values that
//! PostgreSQL cannot store, NUL in a text and years beyond four digits, are refused by name here, for all operations.

use chrono::{DateTime, Datelike, Utc};
use shared::problem::FieldError;
use url::form_urlencoded;
use utoipa::openapi::{
    RefOr,
    path::{Operation, ParameterIn},
    schema::{KnownFormat, Schema, SchemaFormat},
};

use crate::http::{ApiError, ApiResult};

/// Longest name of an unknown parameter that an error repeats, in characters.
const MAX_NAME_CHARS: usize = 100;

/// The query parameters of one operation.
#[derive(Debug, Default)]
pub struct QueryParameters(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    name: String,
    is_date: bool,
}

impl QueryParameters {
    /// Returns the parameters that the document of the operation names.
    pub fn of(operation: &Operation) -> Self {
        let is_date = |schema: Option<&RefOr<Schema>>| {
            let Some(RefOr::T(Schema::Object(object))) = schema else { return false };
            object.format == Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))
        };
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Query) => {
                Some(Parameter { name: parameter.name.clone(), is_date: is_date(parameter.schema.as_ref()) })
            }
            _ => None,
        });
        Self(parameters.collect())
    }

    /// # Errors
    /// [`ApiError::Invalid`], which names the parameters that are not valid.
    pub fn check(&self, query: &str) -> ApiResult<()> {
        let errors: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .filter_map(|(name, value)| {
                let message = self.error(&name, &value)?;
                Some(FieldError { field: name.chars().take(MAX_NAME_CHARS).collect(), message })
            })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(ApiError::Invalid(errors)) }
    }

    fn error(&self, name: &str, value: &str) -> Option<String> {
        let Some(parameter) = self.0.iter().find(|parameter| parameter.name == name) else {
            let known: Vec<_> = self.0.iter().map(|parameter| parameter.name.as_str()).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Some(format!("is not a parameter of this operation; it has: {known}"));
        };
        if value.contains('\0') {
            return Some("must not contain NUL".into());
        }
        let is_storable = |date: DateTime<Utc>| (1..=9999).contains(&date.year());
        (parameter.is_date && value.parse().is_ok_and(|date| !is_storable(date)))
            .then(|| "must be a date in the years 1 to 9999".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parameters_and_values_without_a_place_in_the_database_are_named() {
        let name = |name: &str, is_date| Parameter { name: name.into(), is_date };
        let parameters = QueryParameters(vec![name("q", false), name("created_after", true)]);
        for (query, refused) in [
            ("", &[][..]),
            ("q=tea&created_after=2026-01-01T00:00:00Z", &[]),
            ("q=+12000-01-01T00:00:00Z", &[]),
            ("created_after=tomorrow", &[]),
            ("Q=tea&actve=true", &["Q", "actve"]),
            ("q=a%00b", &["q"]),
            ("created_after=%2B12000-01-01T00:00:00Z", &["created_after"]),
            ("created_after=-5000-01-01T00:00:00Z", &["created_after"]),
            ("created_after=0000-01-01T00:00:00Z", &["created_after"]),
        ] {
            let found = match parameters.check(query) {
                Ok(()) => Vec::new(),
                Err(ApiError::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, refused, "{query}");
        }
    }
}
