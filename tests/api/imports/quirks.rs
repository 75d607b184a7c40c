//! Files with one quirk each, and the expected result of their import.

use shared::import::{Counts, RowErrorCode};
use tests::{TestApp, oracle::Line};

/// A file, the products that it must create, and the rows that it must reject.
struct Quirk {
    name: &'static str,
    file: String,
    created: Vec<[&'static str; 3]>,
    /// Row, line and reason.
    rejected: Vec<(i64, i64, RowErrorCode)>,
}

fn quirk(
    name: &'static str,
    file: impl Into<String>,
    created: &[[&'static str; 3]],
    rejected: &[(i64, i64, RowErrorCode)],
) -> Quirk {
    Quirk { name, file: file.into(), created: created.to_vec(), rejected: rejected.to_vec() }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn quirks() -> Vec<Quirk> {
    use RowErrorCode::{MissingName, Ragged, TextAfterQuote, UnclosedQuote};
    let header = "sku,name,description\n";
    let blank = "\n".repeat(2_000_000);
    vec![
        quirk(
            "the file ends inside a quoted text",
            format!("{header}a,A,\"x, y\"\nb,B,\"cut o"),
            &[["a", "A", "x, y"]],
            &[(2, 3, UnclosedQuote)],
        ),
        quirk(
            "a quote is open on the last line",
            format!("{header}a,A,x\nb,B,\"open\n"),
            &[["a", "A", "x"]],
            &[(2, 3, UnclosedQuote)],
        ),
        quirk(
            "a quote is open on the last line, which ends with CRLF",
            format!("{header}a,A,x\r\nb,B,\"open\r\n"),
            &[["a", "A", "x"]],
            &[(2, 3, UnclosedQuote)],
        ),
        quirk("megabytes of blank lines at the end", format!("{header}a,A,x\n{blank}"), &[["a", "A", "x"]], &[]),
        quirk("megabytes of blank lines and no rows", format!("sku,name\n{blank}"), &[], &[]),
        quirk(
            "an open quote before megabytes of blank lines",
            format!("{header}a,A,\"open\nb,B,y\n{blank}"),
            &[["b", "B", "y"]],
            &[(1, 2, UnclosedQuote)],
        ),
        quirk("the file ends inside a row", format!("{header}a,A,x\nb,B"), &[["a", "A", "x"]], &[(2, 3, Ragged)]),
        quirk(
            "lines end with CR",
            "sku,name,description\ra,A,x\r\rb,,y\rc,C,\"1\r2\"\rd,,z\r",
            &[["a", "A", "x"], ["c", "C", "1\r2"]],
            &[(2, 4, MissingName), (4, 7, MissingName)],
        ),
        quirk(
            "lines end with CR, and a quote is open",
            "sku,name,description\ra,A,\"open\rb,B,y\rc,C,z\r",
            &[["b", "B", "y"], ["c", "C", "z"]],
            &[(1, 2, UnclosedQuote)],
        ),
        quirk(
            "lines end in three ways",
            "sku,name\na,A\r\nb,B\rc,\r\n",
            &[["a", "A", ""], ["b", "B", ""]],
            &[(3, 4, MissingName)],
        ),
        quirk(
            "two texts begin with a quote that is never closed",
            format!("{header}a,A,\"2 inch\nb,B,x\nc,C,\"3 inch\nd,D,y\n"),
            &[["b", "B", "x"], ["d", "D", "y"]],
            &[(1, 2, TextAfterQuote), (3, 4, UnclosedQuote)],
        ),
        quirk(
            "quotes are escaped with backslashes",
            format!("{header}a,A,plain\nb,B,\"24\\\" wide, matt\"\nc,C,\"ends with \\\\\"\"\"\nd,D,x\n"),
            &[["a", "A", "plain"], ["c", "C", "ends with \\\\\""], ["d", "D", "x"]],
            &[(2, 3, TextAfterQuote)],
        ),
        quirk(
            "cells at the end of rows are missing",
            "sku,name,description,price\na,A,x,1\nb,B,y\nc,C\n",
            &[["a", "A", "x"], ["b", "B", "y"], ["c", "C", ""]],
            &[],
        ),
        quirk(
            "rows end with an extra delimiter",
            format!("{header}a,A,x,\nb,B,y,,\nc,C,z,w\n"),
            &[["a", "A", "x"], ["b", "B", "y"]],
            &[(3, 4, Ragged)],
        ),
        quirk("rows consist of delimiters", format!("{header},,\na,A,x\n,,\n , ,\t\n"), &[["a", "A", "x"]], &[]),
        quirk(
            "the header is repeated",
            "sku;name;description\na;A;x\n;;\nSKU; Name;description\nb;B;y\n",
            &[["a", "A", "x"], ["b", "B", "y"]],
            &[],
        ),
        quirk(
            "a blank follows each delimiter",
            "sku, name, description\n\"a\", \"A\", \"x\"\n\"b\", \"B\", \"y, z\"\n",
            &[["a", "A", "x"], ["b", "B", "y, z"]],
            &[],
        ),
        quirk(
            "a blank follows each delimiter of quoted names",
            "\"sku\", \"name\"\n\"a\", \"A\"\n",
            &[["a", "A", ""]],
            &[],
        ),
        quirk(
            "names of columns have invisible characters",
            "\u{200b}sku,name\u{a0},de\u{ad}scription\u{200e}\na,A,x\n",
            &[["a", "A", "x"]],
            &[],
        ),
        quirk(
            "SKUs are protected from a spreadsheet",
            "sku,name,ean\n=\"000456\",A,=\"0012\"\n\"=\"\"000123\"\"\",B,x\n",
            &[["000456", "A", ""], ["000123", "B", ""]],
            &[],
        ),
    ]
}

#[tokio::test]
async fn each_quirk_of_a_file_has_the_expected_result() {
    for Quirk { name, file, created, rejected } in quirks() {
        let app = TestApp::start().await;
        let import = app.import(file).await;
        let found: Vec<_> = app.rejected(import.id).await.iter().map(|row| (row.row_no, row.line, row.code)).collect();
        assert_eq!(found, rejected, "{name}");
        let mut lines: Vec<Line> = app.table().await.lines.into_values().collect();
        lines.sort_by(|left, right| left.name.cmp(&right.name));
        let lines: Vec<_> =
            lines.iter().map(|line| [line.sku.as_str(), line.name.as_str(), line.description.as_str()]).collect();
        assert_eq!(lines, created, "{name}");
        let [created, rejected] = [created.len(), rejected.len()].map(|count| i64::try_from(count).unwrap());
        assert_eq!(
            import.counts,
            Counts { read: created + rejected, created, rejected, ..Counts::default() },
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_rejected_row_is_listed_as_it_is_in_the_file() {
    let app = TestApp::start().await;
    let raw = "b,B,\"24\\\" wide,  matt\"";
    let import = app.import(format!("sku,name,description\na,A,x\n{raw}\r\n\"c\" ,\"\",\"say \"\"hi\"\"\"\n")).await;
    let rejected = app.rejected(import.id).await;
    assert_eq!(rejected[0].raw.as_deref(), Some(raw));
    assert_eq!(
        rejected[0].message,
        "a quoted text is followed by more text; a quote inside of a quoted text must be doubled"
    );
    assert_eq!(rejected[1].raw.as_deref(), Some("\"c\" ,\"\",\"say \"\"hi\"\"\""));
}

#[tokio::test]
async fn skus_that_look_the_same_are_one_product() {
    let app = TestApp::start().await;
    let rows = [
        "ZW-01",
        "ZW\u{200b}-01",
        "zw-\u{ad}01",
        "\u{feff}ZW-01",
        "ZW-01\u{200e}",
        "ΟΔΟΣ-1",
        "οδος-1",
        "A 1",
        "a\u{a0}1",
    ];
    let rows: String = rows.iter().enumerate().map(|(n, sku)| format!("{sku},Name {n}\n")).collect();
    let import = app.import(format!("sku,name\n{rows}")).await;
    assert_eq!((import.counts.read, import.counts.created, import.counts.rejected), (9, 3, 0));
    let table = app.table().await;
    assert_eq!(table.lines.into_values().map(|line| line.name).collect::<Vec<_>>(), ["Name 8", "Name 4", "Name 6"]);
    let taken = app
        .ask(
            reqwest::Method::POST,
            "/api/v1/products",
            &[],
            &serde_json::json!({ "sku": "zw\u{2060}-01", "name": "x" }),
        )
        .await;
    assert_eq!(taken.status(), 409);
}

#[tokio::test]
async fn a_file_changes_only_the_attributes_that_it_has_columns_for() {
    let app = TestApp::start().await;
    app.import("sku,name,description,ean,colour\na,A,x,12,red\nb,B,y,13,\n").await;
    let attributes = async || {
        let page = app.json("/api/v1/products?sort=sku").await;
        [0, 1].map(|index| page["items"][index]["attributes"].to_string())
    };
    for (file, updated, unchanged, expected) in [
        // New columns, twice: written, then found unchanged.
        (
            "sku,name,price\na,A,1\nb,B,2\n",
            2,
            0,
            [r#"{"colour":"red","ean":"12","price":"1"}"#, r#"{"ean":"13","price":"2"}"#],
        ),
        (
            "sku,name,price\na,A,1\nb,B,2\n",
            0,
            2,
            [r#"{"colour":"red","ean":"12","price":"1"}"#, r#"{"ean":"13","price":"2"}"#],
        ),
        // A blank cell clears the attribute of its column.
        (
            "sku,name,price,ean\na,A,,12\nb,B,2,14\n",
            2,
            0,
            [r#"{"colour":"red","ean":"12"}"#, r#"{"ean":"14","price":"2"}"#],
        ),
        ("sku,name\na,A\nb,B\n", 0, 2, [r#"{"colour":"red","ean":"12"}"#, r#"{"ean":"14","price":"2"}"#]),
    ] {
        let counts = app.import(file).await.counts;
        assert_eq!((counts.updated, counts.unchanged), (updated, unchanged), "{file}");
        assert_eq!(attributes().await, expected, "{file}");
    }
}

/// Each path by which rows are written: new products, then mostly unchanged ones, then some of each.
#[tokio::test]
async fn attributes_are_merged_on_each_path_by_which_rows_are_written() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "10"), ("IMPORT_WRITERS", "1")]).await;
    let file = |column: &str, value: &dyn Fn(usize) -> usize| -> String {
        let rows = (0..100).map(|n| format!("s{n:03},N,{}\n", value(n)));
        format!("sku,name,{column}\n{}", rows.collect::<String>())
    };
    app.import(file("size", &|n| n)).await;
    app.import(file("price", &|n| n)).await;
    let counts = app.import(file("price", &|n| if n % 9 == 0 { 1_000 } else { n })).await.counts;
    assert_eq!((counts.updated, counts.unchanged), (12, 88));
    let wrong = "SELECT count(*) FROM products WHERE NOT (attributes ? 'size' AND attributes ? 'price')";
    assert_eq!(app.db.number(wrong).await, 0);
    let changed = "SELECT count(*) FROM products WHERE attributes->>'price' = '1000'";
    assert_eq!(app.db.number(changed).await, 12);
}
