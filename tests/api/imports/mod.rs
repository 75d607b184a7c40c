//! The effect of an import on the catalogue, and its reports.

mod by_url;
mod failures;
mod files;
mod limits;
mod live;
mod model;
mod quirks;
mod retention;
mod slow;

use shared::{import::Counts, job::JobStatus, problem::ErrorCode};
use tests::{TestApp, csv::Csv, eventually};

#[tokio::test]
async fn a_file_becomes_the_catalogue_row_by_row() {
    let app = TestApp::start().await;
    let import = app.import_exactly(&Csv::random(3_000, 1)).await;
    assert_eq!(import.status, JobStatus::Completed);
    assert_eq!(import.rows_total, Some(3_000));
    assert!(import.counts.duplicates > 100 && import.counts.rejected > 10, "{:?}", import.counts);
    assert!(import.finished_at >= import.started_at && import.started_at >= Some(import.created_at));
}

#[tokio::test]
async fn the_counts_do_not_depend_on_batches_partitions_or_slices() {
    let files = [Csv::random(2_000, 2), Csv::random(2_000, 3)];
    let mut seen: Vec<Vec<Counts>> = Vec::new();
    for (batch, writers) in [("1", "1"), ("7", "3"), ("500", "2"), ("100000", "8")] {
        let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", batch), ("IMPORT_WRITERS", writers)]).await;
        let mut counts = Vec::new();
        for file in &files {
            counts.push(app.import_exactly(file).await.counts);
        }
        seen.push(counts);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

#[tokio::test]
async fn an_import_that_exceeds_its_slice_continues_in_the_next() {
    // One row per transaction: some thousands of them take longer than a second.
    let app = TestApp::start_with(&[("IMPORT_SLICE_SECONDS", "1"), ("IMPORT_BATCH_ROWS", "1")]).await;
    let import = app.import_exactly(&Csv::random(6_000, 4)).await;
    assert_eq!(import.status, JobStatus::Completed);
    let resumed = app.db.number("SELECT count(*) FROM import_events WHERE kind = 'resumed'").await;
    assert!(resumed > 0, "it was done in one slice; the test needs more rows");
}

#[tokio::test]
async fn the_same_file_again_writes_nothing() {
    let app = TestApp::start().await;
    let file = Csv::random(2_000, 5);
    app.import_exactly(&file).await;
    let versions = "SELECT md5(string_agg(ctid::text || xmin || updated_at, ',' ORDER BY id)) FROM products";
    let before: String = app.db.client.query_one(versions, &[]).await.unwrap().get(0);
    let again = app.import_exactly(&file).await;
    assert_eq!((again.counts.created, again.counts.updated), (0, 0));
    assert!(again.counts.unchanged > 1_000);
    let after: String = app.db.client.query_one(versions, &[]).await.unwrap().get(0);
    assert_eq!(before, after, "no row was written");
}

#[tokio::test]
async fn a_row_changes_the_product_with_its_sku_in_any_case_and_leaves_active_alone() {
    let app = TestApp::start().await;
    app.import("sku,name,description\nTEA-01,Tea,old\nCUP,Cup,x\n").await;
    app.db.execute("UPDATE products SET active = false WHERE sku_key = 'tea-01'").await;
    let import = app.import("sku,name,description\ntea-01,Green tea,new\n").await;
    assert_eq!(import.counts, Counts { read: 1, updated: 1, ..Counts::default() });
    let table = app.table().await;
    let line = &table.lines["tea-01"];
    assert_eq!((line.sku.as_str(), line.name.as_str(), line.description.as_str()), ("tea-01", "Green tea", "new"));
    assert!(!line.active, "`active` as set by a user is kept");
    assert!(table.lines["cup"].active, "a new product is active");
}

#[tokio::test]
async fn batches_of_new_products_that_contain_an_existing_one_are_written() {
    // Batches of ten: the first ones are all new, then some, then none, then all again.
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "10"), ("IMPORT_WRITERS", "1")]).await;
    let rows =
        |range: std::ops::Range<u32>, name: &str| range.map(|n| format!("{name},s{n:04},x\n")).collect::<String>();
    let header = "name,sku,description\n";
    app.import_exactly(&Csv::from(format!("{header}{}", rows(95..150, "old")))).await;
    let file = [header, &rows(0..100, "new"), &rows(100..140, "old"), &rows(140..300, "new")].concat();
    let import = app.import_exactly(&Csv::from(file)).await;
    assert_eq!(import.counts, Counts { read: 300, created: 245, updated: 15, unchanged: 40, ..Counts::default() });
}

#[tokio::test]
async fn only_the_last_row_of_a_sku_that_can_be_imported_counts() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "1")]).await;
    let import = app.import("sku,name\na,one\nA,two\nb,x\n a ,three\na,\n").await;
    assert_eq!(import.counts, Counts { read: 5, created: 2, duplicates: 2, rejected: 1, ..Counts::default() });
    assert_eq!(app.table().await.lines["a"].name, "three");
}

#[tokio::test]
async fn a_file_without_descriptions_leaves_them_as_they_are() {
    let app = TestApp::start().await;
    app.import("sku,name,description,price\na,one,text,5\n").await;
    let import = app.import("sku,name\na,one\nb,two\n").await;
    assert_eq!((import.counts.unchanged, import.counts.created), (1, 1));
    assert_eq!(app.table().await.lines["a"].description, "text");
    let products = app.json("/api/v1/products?sort=created").await;
    assert_eq!(products["items"][0]["attributes"]["price"], "5");
}

#[tokio::test]
async fn rejected_rows_are_listed_with_position_reason_and_text() {
    let app = TestApp::start().await;
    let mut file = b"sku,name,description,price\r\n".to_vec();
    file.extend_from_slice(b"a,A,\"two\nlines\",1\r\n");
    file.extend_from_slice(b" ,B,x,1\r\n");
    file.extend_from_slice(b"c,,x,1\r\n");
    file.extend_from_slice(b"d,D,x,1,2\r\n");
    file.extend_from_slice(b"e,E,caf\xE9,1\r\n");
    file.extend_from_slice(b"f,F,x,1\x002\r\n");
    file.extend_from_slice(format!("{},G,x,1\r\n", "g".repeat(201)).as_bytes());
    file.extend_from_slice(b"h,H,x,1\r\n");
    let import = app.import(file).await;
    assert_eq!(import.counts, Counts { read: 8, created: 2, rejected: 6, ..Counts::default() });
    let rejected: Vec<String> = app
        .rejected(import.id)
        .await
        .into_iter()
        .map(|row| {
            let column = row.column.as_deref().unwrap_or("-");
            let raw: String = row.raw.unwrap_or_default().chars().take(20).collect();
            format!("row {} line {} {column} {}: {} | {raw}", row.row_no, row.line, row.code.as_str(), row.message)
        })
        .collect();
    insta::assert_debug_snapshot!(rejected, @r#"
    [
        "row 2 line 4 sku missing_sku: sku is missing |  ,B,x,1",
        "row 3 line 5 name missing_name: name is missing | c,,x,1",
        "row 4 line 6 - ragged: the row has 5 fields, the header has 4. Check for a text that contains a `,` and is not in quotes | d,D,x,1,2",
        "row 5 line 7 description invalid_utf8: the text is not UTF-8. Save it as CSV in UTF-8: in Excel with Save As, CSV UTF-8 (Comma delimited); in LibreOffice with Save As, Text CSV, character set Unicode (UTF-8); in Google Sheets with File, Download, Comma-separated values. | e,E,caf�,1",
        "row 6 line 8 price nul_character: price contains a NUL character, which cannot be stored | f,F,x,1�2",
        "row 7 line 9 sku too_long: sku has 201 characters; at most 200 are allowed | gggggggggggggggggggg",
    ]
    "#);

    let csv = app.get(&format!("/api/v1/imports/{}/rejected.csv", import.id)).await;
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let text = csv.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["row", "line", "column", "code", "message", "raw"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6);
    assert_eq!((&rows[2][0], &rows[2][3], &rows[2][5]), ("4", "ragged", "d,D,x,1,2"));
}

#[tokio::test]
async fn every_rejected_row_of_many_can_be_paged_through_and_downloaded() {
    let app = TestApp::start().await;
    let file: String = std::iter::once("sku,name\n".to_owned()).chain((0..2_500).map(|n| format!("s{n},\n"))).collect();
    let import = app.import(file).await;
    assert_eq!(import.counts, Counts { read: 2_500, rejected: 2_500, ..Counts::default() });
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = app.json(&format!("/api/v1/imports/{}/rejected?limit=999&after={after}", import.id)).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["row_no"].as_i64().unwrap()));
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, (1..=2_500).collect::<Vec<_>>());
    let csv = app.get(&format!("/api/v1/imports/{}/rejected.csv", import.id)).await.text().await.unwrap();
    assert_eq!(csv.lines().count(), 2_501);
}

#[tokio::test]
async fn a_queued_import_is_cancelled_at_once_and_writes_nothing() {
    let app = TestApp::serve(&[]).await; // no worker
    let import = app.upload("sku,name\na,b\n").await;
    let cancel = app.send(reqwest::Method::POST, &format!("/api/v1/imports/{}/cancel", import.id)).await;
    assert_eq!(cancel.status(), 200);
    assert_eq!(app.end_of(import.id).await.status, JobStatus::Cancelled);
    let mut worker = app.worker(&[]).await;
    let other = app.import("sku,name\nc,d\n").await;
    assert_eq!(other.status, JobStatus::Completed);
    assert_eq!(app.table().await.lines.len(), 1, "the cancelled import wrote nothing");
    worker.kill();
}

#[tokio::test]
async fn a_running_import_stops_between_batches_and_keeps_what_it_wrote() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "1")]).await;
    let import = app.upload(Csv::random(60_000, 6).bytes()).await;
    app.rows_read(import.id, 50).await;
    let path = format!("/api/v1/imports/{}/cancel", import.id);
    let cancelling: shared::import::Import = app.send(reqwest::Method::POST, &path).await.json().await.unwrap();
    assert!(cancelling.cancelling);
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Cancelled);
    assert!(!end.cancelling);
    assert!(end.counts.adds_up() && end.counts.read < 60_000, "{:?}", end.counts);
    let written = app.db.number("SELECT count(*) FROM products").await;
    assert_eq!(written, end.counts.created);

    let again = app.send(reqwest::Method::POST, &path).await;
    assert_eq!(again.status(), 200, "cancelling twice is not a conflict");
    let done = app.import("sku,name\na,b\n").await;
    let late = app.send(reqwest::Method::POST, &format!("/api/v1/imports/{}/cancel", done.id)).await;
    assert_eq!(tests::app::problem(late).await.code, ErrorCode::Conflict);
}

#[tokio::test]
async fn two_imports_of_the_same_products_at_once_do_not_deadlock() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "200"), ("IMPORT_WRITERS", "3")]).await;
    let files = [Csv::random(8_000, 7), Csv::random(8_000, 8)];
    let first = app.upload(files[0].bytes()).await;
    let second = app.upload(files[1].bytes()).await;
    let (first, second) = tokio::join!(app.end_of(first.id), app.end_of(second.id));
    assert_eq!((first.status, second.status), (JobStatus::Completed, JobStatus::Completed));
    assert_eq!(app.db.number("SELECT count(*) FROM import_events WHERE kind = 'interrupted'").await, 0, "no deadlock");
    let (mut one, mut other) = (tests::oracle::Table::default(), tests::oracle::Table::default());
    one.apply(&files[0]);
    other.apply(&files[1]);
    for (key, line) in &app.table().await.lines {
        let known = [one.lines.get(key), other.lines.get(key)];
        assert!(known.contains(&Some(line)), "{key} has the values of one of the files");
    }
}

#[tokio::test]
async fn the_history_lists_imports_newest_first_in_pages() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.import("sku,name\na,b\n").await.id);
    }
    ids.reverse();
    let page: shared::import::ImportPage = serde_json::from_value(app.json("/api/v1/imports?limit=3").await).unwrap();
    assert_eq!(page.items.iter().map(|import| import.id).collect::<Vec<_>>(), ids[..3]);
    let next = page.next.unwrap();
    let page: shared::import::ImportPage =
        serde_json::from_value(app.json(&format!("/api/v1/imports?limit=3&before={next}")).await).unwrap();
    assert_eq!(page.items.iter().map(|import| import.id).collect::<Vec<_>>(), ids[3..]);
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn an_import_whose_file_is_missing_fails_and_reports_the_storage() {
    let app = TestApp::serve(&[]).await;
    let import = app.upload("sku,name\na,b\n").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let _worker = app.worker(&[("STORAGE_URL", &format!("file://{}", elsewhere.path().display()))]).await;
    let end = app.end_of(import.id).await;
    assert_eq!(end.status, JobStatus::Failed);
    let reason = end.error.unwrap();
    assert!(reason.contains(&elsewhere.path().display().to_string()) && reason.contains("STORAGE_URL"), "{reason}");
}

#[tokio::test]
async fn an_import_survives_an_outage_of_the_database() {
    let app = TestApp::start_with(&[("IMPORT_BATCH_ROWS", "5"), ("IMPORT_LEASE_SECONDS", "2")]).await;
    let file = Csv::random(10_000, 9);
    let import = app.upload(file.bytes()).await;
    app.rows_read(import.id, 100).await;
    app.db.allow_connections(false).await;
    app.db.terminate_sessions().await;
    let refused = eventually("the API to notice", || async {
        let response = app.get("/api/v1/products").await;
        (response.status() == 503).then_some(response)
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "5");
    assert_eq!(tests::app::problem(refused).await.code, ErrorCode::Unavailable);
    app.db.allow_connections(true).await;
    let mut expected = tests::oracle::Table::default();
    let counts = expected.apply(&file);
    let end = app.end_of(import.id).await;
    assert_eq!((end.status, end.counts), (JobStatus::Completed, counts));
    app.table().await.assert_equals(&expected);
}
