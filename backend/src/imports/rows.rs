//! From a record of the file to a product, or to the reason why it is rejected. Pure.

use std::borrow::Cow;

use csv_async::ByteRecord;
use shared::{
    csv::{FileFormat, Mapping, UTF8_ADVICE},
    formula,
    import::RowErrorCode,
    product::{self, FieldRuleError, MAX_ATTRIBUTES, sku_key},
};

/// Longest excerpt of a rejected row that is stored, in characters.
const MAX_RAW_CHARS: usize = 500;

/// A record whose fields are text and within their limits.
pub struct Fields<'record> {
    record: &'record ByteRecord,
    sku: Cow<'record, str>,
    name: Cow<'record, str>,
    description: Cow<'record, str>,
}

/// A product as the file has it, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub sku_key: String,
    pub sku: String,
    pub name: String,
    pub description: String,
    /// JSON object of the columns that are attributes; `None` where the file has none.
    pub attributes: Option<String>,
}

impl Row {
    /// Returns its bytes of text, as a measure of the memory that it takes.
    pub fn len(&self) -> usize {
        self.sku_key.len()
            + self.sku.len()
            + self.name.len()
            + self.description.len()
            + self.attributes.as_ref().map_or(0, String::len)
    }
}

/// Why a row is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Name of the column at fault, where one is.
    pub column: Option<String>,
    pub code: RowErrorCode,
    pub message: String,
}

/// Checks a record against the rules of `shared::product`.
///
/// Spreadsheets leave out empty cells at the end of a row, or add some: a missing cell is an empty one, and a cell too many
/// is ignored if it is empty.
pub fn check<'record>(record: &'record ByteRecord, format: &FileFormat) -> Result<Fields<'record>, RowError> {
    let mapping = &format.mapping;
    check_length(record, format)?;
    if let Some(index) = record.iter().position(|field| std::str::from_utf8(field).is_err()) {
        let column = mapping.columns.get(index).cloned();
        let message = format!("the text is not UTF-8. {UTF8_ADVICE}");
        return Err(RowError { column, code: RowErrorCode::InvalidUtf8, message });
    }
    let fields = Fields {
        record,
        sku: trimmed(text(record, mapping.sku)),
        name: trimmed(text(record, mapping.name)),
        description: mapping.description.map_or(Cow::Borrowed(""), |index| text(record, index)),
    };
    let error = |index: usize, missing| move |error| column_error(&mapping.columns[index], missing, error);
    product::check_sku(&fields.sku).map_err(error(mapping.sku, RowErrorCode::MissingSku))?;
    product::check_name(&fields.name).map_err(error(mapping.name, RowErrorCode::MissingName))?;
    let mut attributes = 0;
    for index in mapping.attributes() {
        let value = text(record, index);
        attributes += usize::from(!value.is_empty());
        // The limit of a description applies to every other text. It may be empty, so `Missing` cannot occur.
        product::check_description(&value).map_err(error(index, RowErrorCode::TooLong))?;
    }
    if let Some(index) = mapping.description {
        product::check_description(&fields.description).map_err(error(index, RowErrorCode::TooLong))?;
    }
    if attributes > MAX_ATTRIBUTES {
        let message = format!("the row has {attributes} attributes; at most {MAX_ATTRIBUTES} are allowed");
        return Err(RowError { column: None, code: RowErrorCode::TooManyAttributes, message });
    }
    Ok(fields)
}

fn check_length(record: &ByteRecord, format: &FileFormat) -> Result<(), RowError> {
    let columns = format.mapping.columns.len();
    if record.iter().skip(columns).all(|field| field.trim_ascii().is_empty()) {
        return Ok(());
    }
    let delimiter = match format.dialect.delimiter {
        b'\t' => "tab".to_owned(),
        delimiter => format!("`{}`", char::from(delimiter)),
    };
    let message = format!(
        "the row has {} fields, the header has {columns}. Check for a text that contains a {delimiter} and is not in quotes",
        record.len()
    );
    Err(RowError { column: None, code: RowErrorCode::Ragged, message })
}

/// The file ends inside a row, before its last fields: a download was interrupted, for instance.
pub fn cut_off() -> RowError {
    let message = "the file ends inside this row; check that it is complete".to_owned();
    RowError { column: None, code: RowErrorCode::Ragged, message }
}

/// The text of a cell, as it was before an export or a spreadsheet's user protected it.
fn text(record: &ByteRecord, index: usize) -> Cow<'_, str> {
    // Checked for every field before the first use; the check costs less than carrying its result.
    let cell = record.get(index).and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default();
    formula::read(cell)
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn column_error(column: &str, missing: RowErrorCode, error: FieldRuleError) -> RowError {
    let code = match error {
        FieldRuleError::Missing => missing,
        FieldRuleError::TooLong { .. } => RowErrorCode::TooLong,
        FieldRuleError::Nul | FieldRuleError::Reserved => RowErrorCode::NulCharacter,
    };
    RowError { column: Some(column.to_owned()), code, message: format!("{column} {error}") }
}

impl Fields<'_> {
    pub fn sku_key(&self) -> String {
        sku_key(&self.sku)
    }

    /// Returns the product that this record describes; `sku_key` is that of [`Self::sku_key`].
    pub fn into_row(self, sku_key: String, mapping: &Mapping) -> Row {
        let attributes = (mapping.attributes().next().is_some()).then(|| {
            let set: serde_json::Map<_, _> = mapping
                .attributes()
                .map(|index| (&mapping.columns[index], text(self.record, index)))
                .filter(|(_, value)| !value.is_empty())
                .map(|(column, value)| (column.clone(), value.into()))
                .collect();
            serde_json::Value::from(set).to_string()
        });
        Row {
            sku_key,
            sku: self.sku.into_owned(),
            name: self.name.into_owned(),
            description: self.description.into_owned(),
            attributes,
        }
    }
}

/// Returns the beginning of a record for the list of rejected rows, as it is in the file: at most [`MAX_RAW_CHARS`]
/// characters. Bytes that are not UTF-8, and NUL, which PostgreSQL does not store, are replaced.
pub fn excerpt(raw: &[u8]) -> String {
    // A character has at most four bytes.
    let beginning = &raw[..raw.len().min(4 * MAX_RAW_CHARS + 4)];
    let text = String::from_utf8_lossy(beginning);
    let mut chars = text.chars().map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c });
    let mut short: String = chars.by_ref().take(MAX_RAW_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(header: &str) -> FileFormat {
        shared::csv::inspect(format!("{header}\nx\n").as_bytes(), true).expect("a header")
    }

    fn parse(header: &str, fields: &[&[u8]]) -> Result<Row, RowError> {
        let format = format(header);
        let record = ByteRecord::from(fields.to_vec());
        check(&record, &format).map(|fields| {
            let key = fields.sku_key();
            fields.into_row(key, &format.mapping)
        })
    }

    #[test]
    fn a_row_keeps_its_newlines_and_its_other_columns() {
        let row = parse("sku,name,description,price,colour", &[b" TEA-1 ", b"Tea ", b"a\n b", b"1.50", b""])
            .expect("a product");
        assert_eq!(
            row,
            Row {
                sku_key: "tea-1".into(),
                sku: "TEA-1".into(),
                name: "Tea".into(),
                description: "a\n b".into(),
                attributes: Some(r#"{"price":"1.50"}"#.into()),
            }
        );
        assert_eq!(parse("sku,name", &[b"a", b"b"]).expect("a product").attributes, None);
    }

    #[test]
    fn a_cell_that_was_protected_from_a_spreadsheet_is_as_it_was_before() {
        let row = parse("sku,name,'+x", &[b"'=1", b"'quoted'", b"''@y"]).expect("a product");
        assert_eq!((row.sku_key.as_str(), row.sku.as_str(), row.name.as_str()), ("=1", "=1", "'quoted'"));
        assert_eq!(row.attributes.as_deref(), Some(r#"{"+x":"'@y"}"#));
        let row = parse("sku,name,ean", &[b"=\"000456\"", b"-5", b"=\"0012\""]).expect("a product");
        assert_eq!((row.sku_key.as_str(), row.sku.as_str(), row.name.as_str()), ("000456", "000456", "-5"));
        assert_eq!(row.attributes.as_deref(), Some(r#"{"ean":"0012"}"#));
    }

    #[test]
    fn a_missing_cell_is_empty_and_an_empty_one_too_many_is_ignored() {
        for fields in [&[&b"a"[..], b"b"][..], &[b"a", b"b", b"", b""], &[b"a", b"b", b"", b"", b"", b" "]] {
            let row = parse("sku,name,description,price", fields).expect("a product");
            assert_eq!((row.description.as_str(), row.attributes.as_deref()), ("", Some("{}")));
        }
    }

    #[test]
    fn each_error_has_its_code_and_names_its_column() {
        let long = "x".repeat(product::MAX_NAME_CHARS + 1);
        for (fields, code, column) in [
            (vec![&b" "[..], b"b"], RowErrorCode::MissingSku, Some("sku")),
            (vec!["\u{200b}".as_bytes(), b"b"], RowErrorCode::MissingSku, Some("sku")),
            (vec![b"a", b""], RowErrorCode::MissingName, Some("name")),
            (vec![b"a"], RowErrorCode::MissingName, Some("name")),
            (vec![b"a", long.as_bytes()], RowErrorCode::TooLong, Some("name")),
            (vec![b"a\0", b"b"], RowErrorCode::NulCharacter, Some("sku")),
            (vec![b"a", b"caf\xE9"], RowErrorCode::InvalidUtf8, Some("name")),
            (vec![b"a", b"b", b"c"], RowErrorCode::Ragged, None),
            (vec![b"a", b"b", b"", b"d"], RowErrorCode::Ragged, None),
        ] {
            let error = parse("sku,name", &fields).expect_err("rejected");
            assert_eq!((error.code, error.column.as_deref()), (code, column), "{error:?}");
        }
        let error = parse("sku,name,note", &[b"a", b"b", b"c\0"]).expect_err("rejected");
        assert_eq!((error.code, error.column.as_deref()), (RowErrorCode::NulCharacter, Some("note")));
        let header = format!("sku,name{}", (0..=MAX_ATTRIBUTES).map(|n| format!(",a{n}")).collect::<String>());
        let mut fields = vec![&b"x"[..]; MAX_ATTRIBUTES + 3];
        let error = parse(&header, &fields).expect_err("rejected");
        assert_eq!(error.code, RowErrorCode::TooManyAttributes);
        assert_eq!(error.message, "the row has 201 attributes; at most 200 are allowed");
        fields[9] = b"";
        assert!(parse(&header, &fields).is_ok());
    }

    #[test]
    fn an_excerpt_is_short_and_can_be_stored() {
        assert_eq!(excerpt(b"a,\"24\\\" wide\",\xFF\0"), "a,\"24\\\" wide\",\u{FFFD}\u{FFFD}");
        assert_eq!(excerpt(&vec![b'x'; 10_000]).chars().count(), MAX_RAW_CHARS + 1);
        assert_eq!(excerpt("ä".repeat(MAX_RAW_CHARS).as_bytes()).chars().count(), MAX_RAW_CHARS);
    }
}
