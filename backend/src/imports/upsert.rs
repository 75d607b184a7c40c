//! Writes rows over products that may exist already.

use diesel::{
    QueryableByName,
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_types::{Array, BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shared::csv::Mapping;

use crate::imports::rows::Row;

/// How the rows of a file are written: which columns it has, and what its next batch is expected to find, given the one
/// before.
#[derive(Debug, Clone)]
pub struct Upsert {
    import_id: i64,
    /// The file has descriptions; if not, products keep theirs.
    descriptions: bool,
    /// The attributes that the file has columns for. Products keep their others.
    attributes: Vec<String>,
    expected: Expected,
    /// A batch was expected to have only new products, and had not.
    was_refuted: bool,
}

/// The three statements have the same effect; they differ in cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Anything,
    /// Only new products: inserted without checking for existing ones, which would cost a third more. If one exists, the
    /// batch is rolled back and written again.
    New,
    /// Mostly unchanged products: looked up first. `ON CONFLICT` locks each row that it finds, which writes to its page and
    /// to the WAL even if nothing changes.
    Unchanged,
}

/// A product that was created or changed.
#[derive(Debug, Clone, QueryableByName)]
pub struct Written {
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    #[diesel(sql_type = Text)]
    pub sku_key: String,
    #[diesel(sql_type = Bool)]
    pub created: bool,
    /// Its description, if the file has none.
    #[diesel(sql_type = Nullable<Text>)]
    pub description: Option<String>,
    /// JSON of the attributes that the product has now; `None` if it has none, and for new products.
    #[diesel(sql_type = Nullable<Text>)]
    pub attributes: Option<String>,
}

/// Result of a batch; its other rows are unchanged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    pub created: i64,
    pub updated: i64,
}

impl Outcome {
    pub fn of(written: &[Written]) -> Self {
        let count = |created: bool| written.iter().filter(|row| row.created == created).count();
        // A batch has at most some hundred thousand rows.
        let [created, updated] = [true, false].map(|created| i64::try_from(count(created)).unwrap_or(i64::MAX));
        Self { created, updated }
    }
}

impl Upsert {
    pub fn of(import_id: i64, mapping: &Mapping) -> Self {
        Self {
            import_id,
            descriptions: mapping.description.is_some(),
            attributes: mapping.attribute_names().map(str::to_owned).collect(),
            expected: Expected::Anything,
            was_refuted: false,
        }
    }

    /// Writes `rows`, which are sorted by key and have no duplicates.
    ///
    /// One array per column: PostgreSQL accepts at most 65,535 parameters, and plans a statement with five quickly.
    pub async fn write(&self, conn: &mut AsyncPgConnection, rows: &[Row]) -> QueryResult<Vec<Written>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let column = |of: fn(&Row) -> &str| rows.iter().map(of).collect::<Vec<_>>();
        // A column that the file does not have is not read: an empty array saves its bytes.
        let descriptions = if self.descriptions { column(|row| &row.description) } else { Vec::new() };
        let attributes =
            if self.has_attributes() { column(|row| row.attributes.as_deref().unwrap_or("{}")) } else { Vec::new() };
        diesel::sql_query(self.sql())
            .bind::<Array<Text>, _>(column(|row| &row.sku_key))
            .bind::<Array<Text>, _>(column(|row| &row.sku))
            .bind::<Array<Text>, _>(column(|row| &row.name))
            .bind::<Array<Text>, _>(descriptions)
            .bind::<Array<Text>, _>(attributes)
            .bind::<BigInt, _>(self.import_id)
            .bind::<Array<Text>, _>(&self.attributes)
            .load(conn)
            .await
    }

    fn has_attributes(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// Adapts the next statement to the result of a batch of `rows` rows.
    pub fn adapt(&mut self, written: Outcome, rows: usize) {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let unchanged = rows - written.created - written.updated;
        self.expected = if written.created == rows && !self.was_refuted {
            Expected::New
        } else if unchanged > rows / 2 {
            Expected::Unchanged
        } else {
            Expected::Anything
        };
    }

    /// Whether `error` only means that a product was not new; the batch is then written by another statement.
    pub fn expected_only_new(&mut self, error: &anyhow::Error) -> bool {
        let refuted = self.expected == Expected::New
            && matches!(error.downcast_ref(), Some(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)));
        if refuted {
            (self.expected, self.was_refuted) = (Expected::Anything, true);
        }
        refuted
    }

    /// `xmax` is 0 on a row version that was not created by an update, which distinguishes new products from changed ones.
    fn sql(&self) -> String {
        let mut columns = vec!["sku", "name"];
        columns.extend(self.descriptions.then_some("description"));
        columns.extend(self.has_attributes().then_some("attributes"));
        let list =
            |prefix: &str| columns.iter().map(|column| format!("{prefix}{column}")).collect::<Vec<_>>().join(", ");
        let (plain, old) = (list(""), list("p."));
        let file = list("file.").replace("file.attributes", "file.attributes::jsonb");
        // A product gets the attributes of the file, and keeps those that the file has no column for.
        let merged = |of: &str| format!("(p.attributes - $7) || {of}");
        let new = list("excluded.").replace("excluded.attributes", &merged("excluded.attributes"));
        let compared = file.replace("file.attributes::jsonb", &merged("file.attributes::jsonb"));
        let insert = format!(
            "INSERT INTO products AS p (sku_key, {plain}, import_id) SELECT file.sku_key, {file}, $6 \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) \
                 AS file (sku_key, sku, name, description, attributes)"
        );
        // A join may change the order in which rows are locked; an array alone is read from front to back.
        let looked_up = format!(
            "LEFT JOIN products p ON p.sku_key = file.sku_key \
             WHERE p.id IS NULL OR ({old}) IS DISTINCT FROM ({compared}) ORDER BY file.sku_key COLLATE \"C\""
        );
        let description = if self.descriptions { "NULL" } else { "p.description" };
        let returning = |created: &str, attributes: &str| {
            format!(
                "RETURNING p.id, p.sku_key, {created} AS created, {description} AS description, {attributes} AS attributes"
            )
        };
        let join = match self.expected {
            Expected::New => return format!("{insert} {}", returning("true", "NULL")),
            Expected::Unchanged => looked_up.as_str(),
            Expected::Anything => "",
        };
        format!(
            "{insert} {join} \
             ON CONFLICT (sku_key) DO UPDATE \
             SET ({plain}, import_id, version, updated_at) = ROW ({new}, $6, p.version + 1, now()) \
             WHERE ({old}) IS DISTINCT FROM ({new}) {}",
            returning("p.xmax = 0", "CASE WHEN p.xmax <> 0 THEN nullif(p.attributes, '{}')::text END")
        )
    }
}
