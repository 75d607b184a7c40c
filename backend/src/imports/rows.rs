//! From a record of the file to a product, or to the reason why not. Pure.

use csv_async::ByteRecord;
use shared::{
    detect::Layout,
    formula,
    import::RowErrorCode,
    product::{self, FieldRuleError, sku_key},
};

/// Longest excerpt of a rejected row that is kept, in characters.
const MAX_RAW_CHARS: usize = 500;

/// A record whose fields are text and within their limits.
pub struct Fields<'record> {
    record: &'record ByteRecord,
    sku: &'record str,
    name: &'record str,
    description: &'record str,
}

/// A product as the file has it, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub sku_key: String,
    pub sku: String,
    pub name: String,
    pub description: String,
    /// JSON object of the extra columns; `None` where the file has none.
    pub attributes: Option<String>,
}

impl Row {
    /// Bytes of text, as a measure for the memory that it takes.
    pub fn len(&self) -> usize {
        self.sku_key.len()
            + self.sku.len()
            + self.name.len()
            + self.description.len()
            + self.attributes.as_ref().map_or(0, String::len)
    }
}

/// Why a row cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Header of the column at fault, where one is.
    pub column: Option<String>,
    pub code: RowErrorCode,
    pub message: String,
}

/// Checks a record against the rules of `shared::product`.
pub fn check<'record>(record: &'record ByteRecord, layout: &Layout) -> Result<Fields<'record>, RowError> {
    let (found, expected) = (record.len(), layout.columns.len());
    if found != expected {
        let message = format!(
            "the row has {found} fields, the header has {expected}; a comma inside a text needs quotes around the text"
        );
        return Err(RowError { column: None, code: RowErrorCode::Ragged, message });
    }
    for index in 0..found {
        if std::str::from_utf8(&record[index]).is_err() {
            let message = "the text is not UTF-8; save the file as CSV in UTF-8".to_owned();
            return Err(RowError {
                column: Some(layout.columns[index].clone()),
                code: RowErrorCode::InvalidUtf8,
                message,
            });
        }
    }
    let fields = Fields {
        record,
        sku: text(record, layout.sku).trim(),
        name: text(record, layout.name).trim(),
        description: layout.description.map_or("", |index| text(record, index)),
    };
    let fault = |index: usize, missing| move |problem| fault(&layout.columns[index], missing, problem);
    product::check_sku(fields.sku).map_err(fault(layout.sku, RowErrorCode::MissingSku))?;
    product::check_name(fields.name).map_err(fault(layout.name, RowErrorCode::MissingName))?;
    for index in layout.description.into_iter().chain(layout.extra()) {
        // The limit of a description holds for every other text too; it may be empty, so `Missing` cannot come.
        product::check_description(text(record, index)).map_err(fault(index, RowErrorCode::TooLong))?;
    }
    Ok(fields)
}

fn text(record: &ByteRecord, index: usize) -> &str {
    // Checked for every field before the first use; the check costs less than carrying its result.
    formula::armed(std::str::from_utf8(&record[index]).unwrap_or_default())
}

fn fault(column: &str, missing: RowErrorCode, problem: FieldRuleError) -> RowError {
    let code = match problem {
        FieldRuleError::Missing => missing,
        FieldRuleError::TooLong { .. } => RowErrorCode::TooLong,
        FieldRuleError::Nul | FieldRuleError::Reserved => RowErrorCode::NulCharacter,
    };
    RowError { column: Some(column.to_owned()), code, message: format!("{column} {problem}") }
}

impl Fields<'_> {
    pub fn sku_key(&self) -> String {
        sku_key(self.sku)
    }

    /// The product that this record describes; `sku_key` is that of [`Self::sku_key`].
    pub fn into_row(self, sku_key: String, layout: &Layout) -> Row {
        let attributes = (layout.extra().next().is_some()).then(|| {
            let kept: serde_json::Map<_, _> = layout
                .extra()
                .map(|index| (&layout.columns[index], text(self.record, index)))
                .filter(|(_, value)| !value.is_empty())
                .map(|(column, value)| (column.clone(), value.into()))
                .collect();
            serde_json::Value::from(kept).to_string()
        });
        Row { sku_key, sku: self.sku.into(), name: self.name.into(), description: self.description.into(), attributes }
    }
}

/// A record as text again, shortened, for the list of rejected rows. What cannot be stored as text is replaced.
pub fn excerpt(record: &ByteRecord, delimiter: u8) -> String {
    let mut line = String::new();
    for (index, field) in record.iter().enumerate() {
        if index > 0 {
            line.push(char::from(delimiter));
        }
        let field = String::from_utf8_lossy(field);
        if field.contains(['"', '\n', '\r', char::from(delimiter)]) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&field);
        }
        if line.len() > 4 * MAX_RAW_CHARS {
            break;
        }
    }
    shorten(&line)
}

/// Text for the list of rejected rows: at most [`MAX_RAW_CHARS`], and without NUL, which Postgres does not store.
pub fn shorten(text: &str) -> String {
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

    fn layout(header: &str) -> Layout {
        shared::detect::inspect(format!("{header}\nx\n").as_bytes(), true).expect("a header")
    }

    fn parse(header: &str, fields: &[&[u8]]) -> Result<Row, RowError> {
        let layout = layout(header);
        let record = ByteRecord::from(fields.to_vec());
        check(&record, &layout).map(|fields| {
            let key = fields.sku_key();
            fields.into_row(key, &layout)
        })
    }

    #[test]
    fn a_row_keeps_its_newlines_and_its_extra_columns() {
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
    fn a_cell_that_an_export_has_defused_is_what_it_was() {
        let row = parse("sku,name,'+x", &[b"'=1", b"'quoted'", b"''@y"]).expect("a product");
        assert_eq!((row.sku_key.as_str(), row.sku.as_str(), row.name.as_str()), ("=1", "=1", "'quoted'"));
        assert_eq!(row.attributes.as_deref(), Some(r#"{"+x":"'@y"}"#));
    }

    #[test]
    fn each_fault_has_its_code_and_names_its_column() {
        let long = "x".repeat(shared::product::MAX_NAME_CHARS + 1);
        for (fields, code, column) in [
            (vec![&b" "[..], b"b"], RowErrorCode::MissingSku, Some("sku")),
            (vec![b"a", b""], RowErrorCode::MissingName, Some("name")),
            (vec![b"a", long.as_bytes()], RowErrorCode::TooLong, Some("name")),
            (vec![b"a\0", b"b"], RowErrorCode::NulCharacter, Some("sku")),
            (vec![b"a", b"caf\xE9"], RowErrorCode::InvalidUtf8, Some("name")),
            (vec![b"a"], RowErrorCode::Ragged, None),
            (vec![b"a", b"b", b"c"], RowErrorCode::Ragged, None),
        ] {
            let error = parse("sku,name", &fields).expect_err("rejected");
            assert_eq!((error.code, error.column.as_deref()), (code, column), "{error:?}");
        }
        let error = parse("sku,name,note", &[b"a", b"b", b"c\0"]).expect_err("rejected");
        assert_eq!((error.code, error.column.as_deref()), (RowErrorCode::NulCharacter, Some("note")));
    }

    #[test]
    fn an_excerpt_is_short_storable_and_can_be_read_as_csv() {
        let record = ByteRecord::from(vec![&b"a,b"[..], b"say \"hi\"", b"\xFF\0"]);
        assert_eq!(excerpt(&record, b','), "\"a,b\",\"say \"\"hi\"\"\",\u{FFFD}\u{FFFD}");
        let record = ByteRecord::from(vec![vec![b'x'; 10_000]]);
        assert_eq!(excerpt(&record, b',').chars().count(), MAX_RAW_CHARS + 1);
    }
}
