//! `backend/src/schema.rs` matches the migrations.

use std::collections::BTreeMap;

use tests::TestApp;

/// Columns by table, in order: name and type in diesel's notation.
type Tables = BTreeMap<String, Vec<(String, String)>>;

fn tables_of_the_code() -> Tables {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../backend/src/schema.rs"));
    let mut tables = Tables::new();
    for table in text.split("diesel::table! {").skip(1) {
        let mut lines = table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let name = lines.next().unwrap().split_once(" (").unwrap().0;
        let columns = lines.map_while(|line| line.strip_suffix(',')?.split_once(" -> "));
        tables.insert(name.into(), columns.map(|(name, kind)| (name.into(), kind.into())).collect());
    }
    tables
}

fn diesel_type(data_type: &str, element: &str) -> String {
    match data_type {
        "bigint" => "BigInt".into(),
        "integer" => "Integer".into(),
        "smallint" => "SmallInt".into(),
        "text" => "Text".into(),
        "boolean" => "Bool".into(),
        "bytea" => "Binary".into(),
        "jsonb" => "Jsonb".into(),
        "double precision" => "Double".into(),
        "timestamp with time zone" => "Timestamptz".into(),
        "ARRAY" => match element {
            "_text" => "Array<Text>".into(),
            "_int8" => "Array<BigInt>".into(),
            "_int4" => "Array<Integer>".into(),
            other => panic!("an array of {other}"),
        },
        other => panic!("a column of type {other}"),
    }
}

#[tokio::test]
async fn the_tables_of_the_code_are_those_of_the_migrations() {
    let app = TestApp::start().await;
    let sql = "SELECT table_name::text, column_name::text, data_type::text, udt_name::text, is_nullable = 'YES' \
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations' \
        ORDER BY table_name, ordinal_position";
    let mut tables = Tables::new();
    for row in app.db.client.query(sql, &[]).await.unwrap() {
        let kind = diesel_type(row.get(2), row.get(3));
        let kind = if row.get(4) { format!("Nullable<{kind}>") } else { kind };
        tables.entry(row.get(0)).or_default().push((row.get(1), kind));
    }
    let code = tables_of_the_code();
    assert_eq!(code.keys().collect::<Vec<_>>(), tables.keys().collect::<Vec<_>>());
    for (table, columns) in tables {
        assert_eq!(code[&table], columns, "{table}");
    }
}
