//! Files of all kinds, and files that are not tables of products.

use std::fmt::Write;

use shared::{
    import::{Counts, RowErrorCode},
    job::JobStatus,
    problem::ErrorCode,
};
use tests::{TestApp, app::problem};

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_rejected_immediately_and_leaves_nothing() {
    let app = TestApp::start().await;
    for (file, code) in [
        (b"".to_vec(), ErrorCode::EmptyFile),
        (b"sku,name,description\r\n".to_vec(), ErrorCode::EmptyFile),
        (b"id,title\n1,x\n".to_vec(), ErrorCode::NoSkuColumn),
        (b"sku,title\n1,x\n".to_vec(), ErrorCode::NoNameColumn),
        (b"sku,name,SKU\n1,x,2\n".to_vec(), ErrorCode::RepeatedColumn),
        (b"PK\x03\x04 and so on".to_vec(), ErrorCode::NotText),
        (vec![0; 200_000], ErrorCode::NotText),
        (vec![b'x'; 200_000], ErrorCode::NoHeader),
        (format!("sku,name,{}\na,b,c\n", "x".repeat(60_000)).into_bytes(), ErrorCode::HeaderTooLarge),
    ] {
        let problem = app.refused(file).await;
        assert_eq!((problem.status, problem.code), (422, code));
    }
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 0);
    assert_eq!(app.stored_files(), 0);
}

#[tokio::test]
async fn an_error_arrives_although_the_file_is_still_being_sent() {
    let app = TestApp::start().await;
    let mut file = b"id,title\n".to_vec();
    file.resize(20_000_000, b'x');
    assert_eq!(app.refused(file).await.code, ErrorCode::NoSkuColumn);
}

#[tokio::test]
async fn a_file_over_the_limit_is_rejected_with_and_without_its_length() {
    let app = TestApp::start_with(&[("MAX_UPLOAD_BYTES", "100000")]).await;
    let file = format!("sku,name\n{}", "a,b\n".repeat(50_000));
    let problem_of_announced = app.refused(file.clone()).await;
    assert_eq!((problem_of_announced.status, problem_of_announced.code), (413, ErrorCode::PayloadTooLarge));
    assert!(problem_of_announced.detail.contains("100000"), "{problem_of_announced}");

    let pieces = file.into_bytes().chunks(10_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.into_iter().map(std::io::Result::Ok)));
    let response = app.client.post(app.url("/api/v1/imports")).body(body).send().await.unwrap();
    assert_eq!(problem(response).await.code, ErrorCode::PayloadTooLarge);
    assert_eq!(app.stored_files(), 0);
}

#[tokio::test]
async fn an_upload_that_is_cut_leaves_nothing_behind() {
    use tokio::io::AsyncWriteExt;
    let app = TestApp::start().await;
    let address = app.base.trim_start_matches("http://");
    let mut line = tokio::net::TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST /api/v1/imports HTTP/1.1\r\nHost: {address}\r\nContent-Length: 10000000\r\n\r\nsku,name\na,b\n");
    line.write_all(head.as_bytes()).await.unwrap();
    line.shutdown().await.unwrap();
    drop(line);
    // The next upload shows that the server still works; it has its own file and its own row.
    let import = app.import("sku,name\na,b\n").await;
    assert_eq!(import.status, JobStatus::Completed);
    assert_eq!(app.db.number("SELECT count(*) FROM imports").await, 1);
    assert_eq!(app.stored_files(), 1);
}

#[tokio::test]
async fn a_form_is_rejected_with_the_supported_alternative() {
    let app = TestApp::start().await;
    let post = app.client.post(app.url("/api/v1/imports")).header("Content-Type", "multipart/form-data; boundary=x");
    let problem = problem(post.body("--x\r\n\r\nsku,name\r\n--x--").send().await.unwrap()).await;
    assert_eq!((problem.status, problem.code), (415, ErrorCode::UnsupportedMediaType));
    assert!(problem.detail.contains("--data-binary"), "{problem}");
}

#[tokio::test]
async fn an_import_records_name_size_and_hash_of_the_file() {
    let app = TestApp::start().await;
    let post = app.client.post(app.url("/api/v1/imports?file_name=..%2F..%2Fetc%2FÄpfel.csv"));
    let response = post.body("sku,name\na,b\n").send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let import: shared::import::Import = response.json().await.unwrap();
    assert_eq!(location, format!("/api/v1/imports/{}", import.id));
    assert_eq!((import.file_name.as_str(), import.size_bytes), ("Äpfel.csv", Some(13)));
    assert_eq!(import.sha256.as_deref(), Some("022051273c37b9f394fb4e228f1ee9d16886182edee8c90865b2b63c98c808c2"));
}

#[tokio::test]
async fn delimiters_byte_order_marks_and_line_ends_are_recognised() {
    let app = TestApp::start().await;
    for (file, products) in [
        ("sku;name;description\r\ns1;Semi, colon;x\r\n", "s1"),
        ("\u{feff}SKU,Name,Description\ns2,Bom,x", "s2"),
        ("name\tsku\nTab\ts3\n", "s3"),
        ("sku|name\n\n\n|\ns4|Pipe\n\n", "s4"),
        ("sku,name\rs5,Old Macintosh\r", "s5"),
    ] {
        let import = app.import(file).await;
        assert_eq!(import.counts.created, 1, "{file:?}: {:?}", app.rejected(import.id).await);
        assert!(app.table().await.lines.contains_key(products), "{file:?}");
    }
}

#[tokio::test]
async fn other_columns_are_stored_as_attributes() {
    let app = TestApp::start().await;
    app.import("ID,Type,SKU,Name,Price,,Price\n1,simple,a,A,9.99,x,10\n2,,b,B,,,\n").await;
    let products = app.json("/api/v1/products?sort=created").await;
    insta::assert_json_snapshot!(products["items"][0]["attributes"], @r#"
    {
      "ID": "1",
      "Price": "9.99",
      "Price (2)": "10",
      "Type": "simple",
      "column 6": "x"
    }
    "#);
    insta::assert_json_snapshot!(products["items"][1]["attributes"], @r#"
    {
      "ID": "2"
    }
    "#);
}

#[tokio::test]
async fn line_breaks_in_quotes_are_data_and_lines_are_counted_through_them() {
    let app = TestApp::start().await;
    for end in ["\n", "\r\n"] {
        let rows = [
            "name,sku,description",
            "A,a,\"one\ntwo\nthree\"",
            "B,b,\"x\r\ny\"",
            ",c,no name",
            "D,d,\"quote \"\" in\n\"",
            ",e,last",
        ];
        let import = app.import(rows.join(end)).await;
        assert_eq!((import.counts.read, import.counts.rejected), (5, 2));
        let lines: Vec<i64> = app.rejected(import.id).await.iter().map(|row| row.line).collect();
        assert_eq!(lines, [7, 10], "with {end:?}");
        let table = app.table().await;
        assert_eq!(table.lines["a"].description, "one\ntwo\nthree");
        assert_eq!(table.lines["b"].description, "x\r\ny");
        assert_eq!(table.lines["d"].description, "quote \" in\n");
    }
}

#[tokio::test]
async fn an_unclosed_quote_rejects_only_its_own_row() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "100")]).await;
    // More than a megabyte follows the first stray quote, less than that the second.
    let mut file = "sku,name,description\r\na,A,\"never closed\r\n".to_owned();
    for n in 0..20_000 {
        writeln!(file, "s{n},Name of product {n},A description that takes some room: {n:060}\r").unwrap();
    }
    file.push_str("b,B,\"nor is this\r\nc,C,fine\r\n");
    let import = app.import(file).await;
    assert_eq!(import.counts, Counts { read: 20_003, created: 20_001, rejected: 2, ..Counts::default() });
    let rejected = app.rejected(import.id).await;
    let found: Vec<_> =
        rejected.iter().map(|row| (row.row_no, row.line, row.code, row.raw.as_deref().unwrap_or_default())).collect();
    assert_eq!(
        found,
        [
            (1, 2, RowErrorCode::UnclosedQuote, "a,A,\"never closed"),
            (20_002, 20_003, RowErrorCode::UnclosedQuote, "b,B,\"nor is this"),
        ]
    );
    assert_eq!(app.table().await.lines["c"].name, "C");
}

#[tokio::test]
async fn an_endless_row_is_rejected_in_constant_memory() {
    let app = TestApp::start().await;
    let file = format!("sku,name\na,A\nb,{}\nc,C\n", "x".repeat(50_000_000));
    let before = peak_memory(&app);
    let import = app.import(file).await;
    assert_eq!(import.counts, Counts { read: 3, created: 2, rejected: 1, ..Counts::default() });
    let rejected = &app.rejected(import.id).await[0];
    assert_eq!((rejected.row_no, rejected.line, rejected.code), (2, 3, RowErrorCode::RecordTooLarge));
    let grown = peak_memory(&app) - before;
    assert!(grown < 60 << 10, "{grown} kB more for a row of 50 MB");
}

/// Returns the peak memory of the process, in kB.
fn peak_memory(app: &TestApp) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.web.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_endless_row_of_a_file_is_rejected_and_the_others_are_imported() {
    let app = TestApp::start().await;
    let row = format!("a,{}\n", "x".repeat(1_100_000));
    let import = app.import(format!("sku,name\n{}b,B\n", row.repeat(101))).await;
    assert_eq!(import.counts, Counts { read: 102, created: 1, rejected: 101, ..Counts::default() });
    let rejected = app.rejected(import.id).await;
    assert!(
        rejected.iter().all(
            |row| row.code == RowErrorCode::RecordTooLarge && row.raw.as_ref().is_some_and(|raw| raw.len() < 1_000)
        )
    );
    assert_eq!(rejected[100].line, 102);
}

#[tokio::test]
async fn a_header_with_thousands_of_equal_names_is_rejected_immediately() {
    let app = TestApp::start().await;
    let started = std::time::Instant::now();
    let problem = app.refused(format!("sku,name{}\na,b\n", ",a".repeat(6_000))).await;
    assert_eq!((problem.status, problem.code), (422, ErrorCode::HeaderTooLarge));
    assert!(problem.detail.contains("6002 columns") && problem.detail.contains("1000"), "{problem}");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
