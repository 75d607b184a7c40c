//! Searching, filtering and sorting, compared with a plain scan of the same products.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::StatusCode;
use shared::{
    product::Product,
    search::{ProductFilter, ProductPage, ProductSort},
};
use tests::{TestApp, app::problem, eventually};
use trigram_index::folded;

pub async fn list(app: &TestApp, query: &[(&str, &str)]) -> ProductPage {
    let response = app.client.get(app.url("/api/v1/products")).query(query).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{query:?}");
    response.json().await.unwrap()
}

async fn skus(app: &TestApp, query: &[(&str, &str)]) -> Vec<String> {
    list(app, query).await.items.into_iter().map(|product| product.sku).collect()
}

/// Returns all pages of a list.
pub async fn pages(app: &TestApp, query: &[(&str, &str)]) -> Vec<Vec<Product>> {
    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = list(app, &query).await;
        assert_eq!(page.previous.is_some(), !pages.is_empty());
        pages.push(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return pages,
        }
    }
}

/// Waits until the index lag is 0.
async fn indexed(app: &TestApp) {
    eventually("the index to be up to date", || async {
        (app.json("/api/v1/products/index").await["lag"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_search_word_must_occur_as_a_substring_in_any_case() {
    let app = TestApp::start().await;
    app.import(
        "sku,name,description\nTEA-01,Grüner Tee,Erste Ernte\nTEA-02,Schwarzer Tee,\"50%_off, \\ 'quoted'\"\nCUP,Tasse,für TEE\n",
    )
    .await;
    for (q, found) in [
        ("tee", vec!["TEA-01", "TEA-02", "CUP"]),
        ("TEE grün", vec!["TEA-01"]),
        ("GRÜN", vec!["TEA-01"]),
        ("ernte tea", vec!["TEA-01"]),
        ("a-0", vec!["TEA-01", "TEA-02"]),
        // Accents do not matter: `quoted` has the letter as well.
        ("ü", vec!["TEA-01", "TEA-02", "CUP"]),
        ("für", vec!["CUP"]),
        ("0%_", vec!["TEA-02"]),
        ("%", vec!["TEA-02"]),
        ("_", vec!["TEA-02"]),
        ("\\", vec!["TEA-02"]),
        ("'quoted'", vec!["TEA-02"]),
        ("tee nothing", vec![]),
        ("eetea", vec![]),
        (" \t", vec!["TEA-01", "TEA-02", "CUP"]),
    ] {
        let mut found = found;
        found.sort_unstable();
        assert_eq!(skus(&app, &[("q", q), ("sort", "sku")]).await, found, "{q}");
    }
}

#[tokio::test]
async fn the_exact_sku_comes_first_and_once() {
    let app = TestApp::start().await;
    let rows: String = (0..5).map(|n| format!("x-a-{n},next to a-1\n")).collect();
    app.import(format!("sku,name\n{rows}A-1,wanted\nb,also a-1\n")).await;
    for sort in ["created", "-name"] {
        let all = skus(&app, &[("q", "a-1"), ("sort", sort)]).await;
        assert_eq!((all.len(), all[0].as_str()), (7, "A-1"));
        for limit in ["1", "2", "3", "6", "7"] {
            let pages = pages(&app, &[("q", "a-1"), ("sort", sort), ("limit", limit)]).await;
            let walked: Vec<_> = pages.concat().into_iter().map(|product| product.sku).collect();
            assert_eq!(walked, all, "limit {limit}");
            // And back again.
            let mut back = Vec::new();
            let (mut page, mut cursor) = (list(&app, &[("q", "a-1"), ("sort", sort), ("limit", limit)]).await, None);
            while let Some(next) = page.next {
                cursor = Some(next.clone());
                page = list(&app, &[("q", "a-1"), ("sort", sort), ("limit", limit), ("cursor", &next)]).await;
            }
            let _ = cursor;
            loop {
                back.splice(0..0, page.items.into_iter().map(|product| product.sku));
                let Some(previous) = page.previous else { break };
                page = list(&app, &[("q", "a-1"), ("sort", sort), ("limit", limit), ("cursor", &previous)]).await;
            }
            assert_eq!(back, all, "back, limit {limit}");
        }
    }
    assert_eq!(skus(&app, &[("q", "a-1"), ("active", "false")]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_links_name_the_neighbouring_pages() {
    let app = TestApp::start().await;
    app.import("sku,name\na,x\nb,x\nc,x\n").await;
    let first = app.get("/api/v1/products?limit=1&q=x&sort=sku").await;
    let links = first.headers()["link"].to_str().unwrap().to_owned();
    let page: ProductPage = first.json().await.unwrap();
    let next = page.next.unwrap();
    assert_eq!(
        links,
        format!(
            "</api/v1/products?limit=1&q=x&sort=sku>; rel=\"first\", </api/v1/products?limit=1&q=x&sort=sku&cursor={next}>; rel=\"next\""
        )
    );
    for query in [
        format!("q=x&sort=name&cursor={next}"),
        format!("q=y&sort=sku&cursor={next}"),
        format!("q=x&sort=sku&cursor=A{next}"),
    ] {
        let refused = problem(app.get(&format!("/api/v1/products?{query}")).await).await;
        assert_eq!(
            (refused.status, refused.detail.as_str()),
            (400, "The cursor does not belong to this list; start without a cursor.")
        );
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        (&format!("q={}", "x".repeat(201)), "q"),
        (&format!("q={}", "x+".repeat(21)), "q"),
        ("q=%00", "q"),
    ] {
        let refused = problem(app.get(&format!("/api/v1/products?{query}")).await).await;
        assert_eq!((refused.status, refused.errors[0].field.as_str()), (422, field));
    }
    for (query, status) in [
        ("sort=price", 400),
        ("active=maybe", 400),
        ("created_from=yesterday", 400),
        ("atcive=true", 422),
        ("attributes.gtin=4006381333931", 422),
    ] {
        assert_eq!(problem(app.get(&format!("/api/v1/products?{query}")).await).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_count_is_exact_however_many_match() {
    let app = TestApp::start().await;
    let rows: String =
        (0..210_000).map(|n| format!("s{n},common {}\n", if n < 10_000 { "often" } else { "" })).collect();
    app.import(format!("sku,name\n{rows}")).await;
    for (q, count) in
        [("", 210_000), ("common", 210_000), ("co", 210_000), ("often", 10_000), ("s209999", 1), ("no", 0)]
    {
        assert_eq!(
            app.json(&format!("/api/v1/products/count?q={q}")).await,
            serde_json::json!({ "count": count }),
            "{q}"
        );
    }
    let page = app.json("/api/v1/products?limit=1").await;
    assert_eq!(
        page.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["items", "next", "previous"],
        "a list contains no count"
    );
}

#[tokio::test]
async fn letters_are_found_in_any_case_composition_and_width_and_without_their_accents() {
    let app = TestApp::start().await;
    app.import(
        "sku,name,description\nLI-1,İnşaat çivisi,\nLI-2,Çan,\nLI-3,Café Crème,\nLI-4,Feija\u{303}o preto,\n\
         LI-5,Straßenkarte,\nLI-6,绿茶 龙井,\nLI-7,ＡＢ１２,\nLI-8,Οδός,\nCAFE\u{301}-1,x,\nΟΔΟΣ-1,y,\n",
    )
    .await;
    // Twice: read product by product, and by the posting lists.
    for indexed in [true, false] {
        for (words, sku) in [
            (&["inş", "İNŞ", "İnş", "INŞ", "i\u{307}nş", "insaat"][..], "LI-1"),
            (&["çan", "ÇAN", "can"], "LI-2"),
            (&["café crème", "CAFÉ CR", "cafe\u{301} cre", "cafe creme"], "LI-3"),
            (&["feijão", "FEIJÃO", "feijao", "feija\u{303}o"], "LI-4"),
            (&["strasse", "STRASSE", "straße", "STRAẞE"], "LI-5"),
            (&["茶", "绿茶", "龙井"], "LI-6"),
            (&["AB12", "ab12", "ａｂ１２"], "LI-7"),
            (&["οδός", "ΟΔΌΣ", "οδόσ", "οδος"], "LI-8"),
            (&["café-1", "CAFÉ-1", "cafe-1"], "CAFE\u{301}-1"),
            (&["οδος-1", "ΟΔΟΣ-1", "οδοσ-1"], "ΟΔΟΣ-1"),
        ] {
            for word in words {
                let found = skus(&app, &[("q", word)]).await;
                assert!(found.iter().any(|found| found == sku), "{word} (indexed: {indexed}): {found:?}");
            }
        }
        app.db.execute("UPDATE search_segments SET format = NULL").await;
    }
}

#[tokio::test]
async fn sql_folds_no_more_than_the_index() {
    let app = TestApp::start().await;
    // Every letter, with an accent, in the middle of a text.
    let letters: Vec<String> =
        ('\u{1}'..=char::MAX).filter(|c| c.is_alphanumeric()).map(|c| format!("a{c}\u{301}b")).collect();
    for letters in letters.chunks(20_000) {
        let query = "SELECT letter, search_fold(letter) FROM unnest($1::text[]) AS letter";
        for row in app.db.client.query(query, &[&letters]).await.unwrap() {
            let (letter, folded): (String, String) = (row.get(0), row.get(1));
            assert_eq!(trigram_index::folded(&folded), trigram_index::folded(&letter), "{letter:?}: {folded:?}");
        }
    }
}

#[tokio::test]
async fn values_of_attributes_are_found_after_an_import_an_edit_and_another_import() {
    let app = TestApp::start().await;
    app.import(
        "sku,name,gtin,mpn,brand\nBC-1,Drill,4006381333931,PX-900-B,\"Velden \"\"Größe\"\"\"\nBC-2,Saw,4006381333948,PX-901,Oak\n",
    )
    .await;
    let found = async |q: &str| skus(&app, &[("q", q), ("sort", "sku")]).await;
    for q in ["4006381333931", "PX-900-B", "velden", "\"grosse\"", "drill 4006381333931"] {
        assert_eq!(found(q).await, ["BC-1"], "{q}");
    }
    assert_eq!(found("40063813339").await, ["BC-1", "BC-2"]);
    assert!(found("gtin").await.is_empty(), "names of attributes are not searched");
    // The attributes that a later file does not have are found together with its new texts.
    app.import("sku,name\nBC-1,Hammer\n").await;
    assert_eq!(found("hammer PX-900-B").await, ["BC-1"]);
    assert_eq!(found("drill").await, Vec::<String>::new());
    let id = list(&app, &[("q", "BC-2")]).await.items[0].id;
    let change = serde_json::json!({ "attributes": { "brand": "Ash-tree" } });
    app.ask(reqwest::Method::PATCH, &format!("/api/v1/products/{id}"), &[("If-Match", "*")], &change).await;
    assert_eq!(found("ash-tree 4006381333948").await, ["BC-2"]);
}

#[tokio::test]
async fn a_search_is_stopped_after_its_time_limit() {
    let app = TestApp::start_with(&[("SEARCH_TIMEOUT_SECONDS", "1")]).await;
    app.import("sku,name\na,A\n").await;
    app.db.execute("BEGIN; LOCK TABLE search_segments IN ACCESS EXCLUSIVE MODE").await;
    for path in ["/api/v1/products?q=tea", "/api/v1/products/count?q=tea"] {
        let stopped = app.get(path).await;
        assert!(stopped.headers().contains_key("retry-after"));
        assert_eq!(problem(stopped).await.status, 503, "{path}");
    }
    app.db.execute("ROLLBACK").await;
    assert_eq!(app.get("/api/v1/products?q=tea").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_edit_does_not_wait_for_expensive_searches() {
    let app = TestApp::start_with(&[("DATABASE_CONNECTIONS", "10")]).await;
    app.import("sku,name\na,A\n").await;
    app.db.execute("BEGIN; LOCK TABLE search_keys IN ACCESS EXCLUSIVE MODE").await;
    let searches: Vec<_> =
        (0..30).map(|_| tokio::spawn(app.client.get(app.url("/api/v1/products?sort=name")).send())).collect();
    eventually("searches to wait", || async { (app.db.waiting_sessions().await > 0).then_some(()) }).await;
    let begin = std::time::Instant::now();
    assert_eq!(app.create(serde_json::json!({ "sku": "b", "name": "B" })).await.sku, "b");
    assert!(begin.elapsed().as_millis() < 2_000, "{:?}", begin.elapsed());
    app.db.execute("ROLLBACK").await;
    for search in searches {
        search.abort();
    }
}

/// The expected content of lists, computed from all products.
pub struct Model {
    products: Vec<Product>,
}

impl Model {
    pub async fn read(app: &TestApp) -> Self {
        Self { products: pages(app, &[("sort", "created"), ("limit", "200")]).await.concat() }
    }

    pub fn list(&self, words: &[String], keep: impl Fn(&Product) -> bool, sort: ProductSort) -> Vec<i64> {
        let found = |product: &Product, word: &str| {
            [&product.sku, &product.name, &product.description].iter().any(|text| folded(text).contains(word))
        };
        let mut matches: Vec<&Product> = self
            .products
            .iter()
            .filter(|product| words.iter().all(|word| found(product, &folded(word))) && keep(product))
            .collect();
        matches.sort_by_key(|product| {
            let key = match sort {
                ProductSort::Created | ProductSort::CreatedDesc => String::new(),
                ProductSort::Sku | ProductSort::SkuDesc => shared::product::sku_key(&product.sku),
                ProductSort::Name | ProductSort::NameDesc => product.name.to_lowercase(),
                ProductSort::Updated | ProductSort::UpdatedDesc => {
                    format!("{:020}", product.updated_at.timestamp_micros())
                }
            };
            (key, product.id)
        });
        if sort.is_descending() {
            matches.reverse();
        }
        // The exact match comes first.
        let asked = shared::product::sku_key(&words.join(" "));
        if let Some(at) =
            matches.iter().position(|product| !words.is_empty() && shared::product::sku_key(&product.sku) == asked)
        {
            matches[..=at].rotate_right(1);
        }
        matches.into_iter().map(|product| product.id).collect()
    }
}

pub fn seed() -> u64 {
    let seed = std::env::var("SEARCH_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("SEARCH_SEED={seed}");
    seed
}

pub fn catalogue(random: &mut StdRng, from: usize, rows: usize) -> String {
    let words = ["Tee", "grün", "Lay", "raise", "ÉCOLE", "x9", "q-7", "Δοκιμή", "end"];
    let mut text = |most: usize| {
        let count = random.random_range(1..=most);
        (0..count).map(|_| *words.choose(random).unwrap()).collect::<Vec<_>>().join(" ")
    };
    let rows: String = (from..from + rows)
        .map(|n| {
            let description = if n % 3 == 0 { String::new() } else { text(5) };
            format!("{}-{n},{},{description}\n", text(1), text(2))
        })
        .collect();
    format!("sku,name,description\n{rows}")
}

/// Whether a product matches a condition.
type Keep = Box<dyn Fn(&Product) -> bool>;

/// Returns conditions on a field of the filter: the value of the query, and which products match.
///
/// # Panics
/// If the field is not known here: a new filter is compared with the plain scan, too.
fn conditions(field: &str, middle: DateTime<Utc>) -> Vec<(String, Keep)> {
    fn one(value: &str, keep: impl Fn(&Product) -> bool + 'static) -> (String, Keep) {
        (value.to_owned(), Box::new(keep))
    }
    let time = middle.to_rfc3339();
    match field {
        // The words of each query are chosen at random.
        "q" => vec![],
        "active" => vec![one("false", |product| !product.active), one("true", |product| product.active)],
        "has_description" => vec![
            one("false", |product| product.description.is_empty()),
            one("true", |product| !product.description.is_empty()),
        ],
        "created_from" => vec![one(&time, move |product| product.created_at >= middle)],
        "created_to" => vec![one(&time, move |product| product.created_at < middle)],
        "updated_from" => vec![one(&time, move |product| product.updated_at >= middle)],
        "updated_to" => vec![one(&time, move |product| product.updated_at < middle)],
        "import" => vec![one("2", |product| product.import == Some(2))],
        unknown => panic!("the plain scan has no condition for {unknown}"),
    }
}

#[tokio::test]
async fn any_search_filter_and_order_equals_a_plain_scan() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 400)).await;
    indexed(&app).await;
    block_maintenance(&app).await;
    let middle: DateTime<Utc> = app.db.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    app.import(catalogue(&mut random, 200, 400)).await;
    app.db.execute("UPDATE products SET active = false WHERE id % 7 = 0").await;
    let model = Model::read(&app).await;
    let mut all: Vec<(&str, String, Keep)> = Vec::new();
    for field in ProductFilter::FIELDS {
        all.extend(conditions(field, middle).into_iter().map(|(value, keep)| (field, value, keep)));
    }
    for round in 0..2 {
        for _ in 0..120 {
            let products = &model.products;
            let mut words = Vec::new();
            for _ in 0..random.random_range(0..3) {
                let product = products.choose(&mut random).unwrap();
                let texts = [product.sku.as_str(), &product.name, &product.description];
                let text = *texts.choose(&mut random).unwrap();
                let chars: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
                if !chars.is_empty() {
                    let from = random.random_range(0..chars.len());
                    words.push(
                        chars[from..(from + random.random_range(1..8)).min(chars.len())].iter().collect::<String>(),
                    );
                }
            }
            let sort = *ProductSort::ALL.choose(&mut random).unwrap();
            let q = words.join(" ");
            let mut query = vec![("q", q.as_str()), ("sort", sort.as_str()), ("limit", "37")];
            let mut chosen: Vec<&(&str, String, Keep)> = Vec::new();
            for _ in 0..random.random_range(0..3) {
                let condition = all.choose(&mut random).unwrap();
                if chosen.iter().all(|(field, ..)| *field != condition.0) {
                    chosen.push(condition);
                }
            }
            query.extend(chosen.iter().map(|(field, value, _)| (*field, value.as_str())));
            let keep = |product: &Product| chosen.iter().all(|(_, _, keep)| keep(product));
            let expected = model.list(&words, keep, sort);
            let found: Vec<_> = pages(&app, &query).await.concat().into_iter().map(|product| product.id).collect();
            assert_eq!(found, expected, "round {round}: {query:?}");
        }
        // The second round reads what maintenance has written.
        app.db.execute("SELECT pg_advisory_unlock_all()").await;
        indexed(&app).await;
    }
}

/// Prevents index maintenance: sort keys are out of date, or missing.
async fn block_maintenance(app: &TestApp) {
    app.db.execute(&format!("SELECT pg_advisory_lock({})", 0x05EA_4C85)).await;
}

#[tokio::test]
async fn lists_are_complete_with_a_large_index_lag() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 500)).await;
    indexed(&app).await;
    block_maintenance(&app).await;
    app.import(catalogue(&mut random, 300, 21_000)).await;
    assert!(app.json("/api/v1/products/index").await["lag"].as_i64() > Some(20_000));
    let model = Model::read(&app).await;
    for (q, filter) in [("", ("import", "2")), ("raise", ("import", "1")), ("x9", ("has_description", "true"))] {
        let words: Vec<String> = q.split_whitespace().map(str::to_owned).collect();
        for sort in ProductSort::ALL {
            let keep = |product: &Product| match filter.0 {
                "import" => product.import == filter.1.parse().ok(),
                _ => !product.description.is_empty(),
            };
            let expected = model.list(&words, keep, sort);
            let query = [("q", q), ("sort", sort.as_str()), ("limit", "200"), filter];
            let mut found = Vec::new();
            let mut cursor: Option<String> = None;
            for _ in 0..3 {
                let mut query = query.to_vec();
                query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                let page = list(&app, &query).await;
                found.extend(page.items.iter().map(|product| product.id));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected[..found.len()], "{query:?}");
            assert!(found.len() == 600 || found.len() == expected.len());
        }
    }
}

#[tokio::test]
async fn lists_by_id_with_a_range_of_times_or_an_import_are_complete() {
    let app = TestApp::start().await;
    let rows = |range: std::ops::Range<usize>, step: usize, name: &str| -> String {
        let rows: String = range.step_by(step).map(|n| format!("{n},{name}\n")).collect();
        format!("sku,name\n{rows}")
    };
    let now = || async { app.db.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0) };
    app.import(rows(0..11_000, 1, "old")).await;
    let first: DateTime<Utc> = now().await;
    app.import(rows(11_000..22_000, 1, "new")).await;
    indexed(&app).await;
    let second: DateTime<Utc> = now().await;
    app.import(rows(0..22_000, 700, "here and there")).await;
    app.import(rows(14_000..35_000, 1, "newest")).await;
    let model = Model::read(&app).await;
    let ranges = [
        ("created_from", first.to_rfc3339()),
        ("created_to", first.to_rfc3339()),
        ("updated_from", first.to_rfc3339()),
        ("updated_to", second.to_rfc3339()),
        ("import", "1".to_owned()),
        ("import", "4".to_owned()),
    ];
    for round in 0..2 {
        for (name, value) in &ranges {
            let keep = |product: &Product| match *name {
                "created_from" => product.created_at >= first,
                "created_to" => product.created_at < first,
                "updated_from" => product.updated_at >= first,
                "updated_to" => product.updated_at < second,
                _ => product.import == value.parse().ok(),
            };
            for sort in [ProductSort::Created, ProductSort::CreatedDesc] {
                let query = [("sort", sort.as_str()), ("limit", "200"), (name, value.as_str())];
                let found: Vec<_> = pages(&app, &query).await.concat().into_iter().map(|product| product.id).collect();
                assert!(found == model.list(&[], keep, sort), "round {round}: {query:?}");
            }
        }
        // The second round reads complete sort keys.
        indexed(&app).await;
    }
}

#[tokio::test]
async fn paging_under_concurrent_writes_repeats_and_skips_no_untouched_product() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 1_000)).await;
    indexed(&app).await;
    for sort in ProductSort::ALL {
        // Every tenth product is not changed while the list is read.
        let before = Model::read(&app).await;
        let untouched: Vec<i64> = before.list(&[], |product| product.id % 10 == 0, sort);
        let touched: Vec<&str> = before.products.iter().filter(|p| p.id % 10 == 3).map(|p| p.sku.as_str()).collect();
        let writing = async {
            for _ in 0..6 {
                let name = random.random_range(0..1_000);
                let new: String = (0..60).map(|n| format!("new-{}-{n},N{name}\n", random.random::<u32>())).collect();
                let moved: String = touched.iter().map(|sku| format!("{sku},moved {name}\n")).collect();
                app.import(format!("sku,name\n{new}{moved}")).await;
                app.db.execute("DELETE FROM products WHERE id % 200 = 7").await;
            }
        };
        let reading = async {
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.push(pages(&app, &[("sort", sort.as_str()), ("limit", "23")]).await.concat());
            }
            seen
        };
        let ((), readings) = tokio::join!(writing, reading);
        for products in readings {
            let ids: Vec<i64> = products.iter().map(|product| product.id).filter(|id| untouched.contains(id)).collect();
            assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "{sort:?}: repeated");
            assert_eq!(ids, untouched, "{sort:?}: the unchanged ones, in order");
        }
    }
}
