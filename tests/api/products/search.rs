//! Searching, filtering and sorting, against a plain reading of the same products.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::StatusCode;
use shared::{
    product::Product,
    search::{ProductPage, ProductSort, Total},
};
use tests::{TestApp, app::problem, eventually};

pub async fn list(app: &TestApp, query: &[(&str, &str)]) -> ProductPage {
    let response = app.client.get(app.url("/api/v1/products")).query(query).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{query:?}");
    response.json().await.unwrap()
}

async fn skus(app: &TestApp, query: &[(&str, &str)]) -> Vec<String> {
    list(app, query).await.items.into_iter().map(|product| product.sku).collect()
}

/// Every page of a list, one after the other.
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

/// Until everything that was written is sorted in.
async fn sorted_in(app: &TestApp) {
    eventually("the index to be whole", || async {
        (app.json("/api/v1/products/index").await["pending"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_word_must_occur_anywhere_in_a_word_and_in_any_case() {
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
        ("ü", vec!["TEA-01", "CUP"]),
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
async fn the_product_whose_sku_is_searched_for_comes_first_and_once() {
    let app = TestApp::start().await;
    let rows: String = (0..5).map(|n| format!("x-a-{n},beside a-1\n")).collect();
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
async fn a_cursor_is_for_its_own_list_and_links_lead_to_its_neighbours() {
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
            (400, "The cursor does not belong to this list; begin without one.")
        );
    }
    for (query, field) in
        [("limit=0", "limit"), ("limit=201", "limit"), (&format!("q={}", "x".repeat(201)), "q"), ("q=%00", "q")]
    {
        let refused = problem(app.get(&format!("/api/v1/products?{query}")).await).await;
        assert_eq!((refused.status, refused.errors[0].field.as_str()), (422, field));
    }
    for query in ["sort=price", "active=maybe", "created_from=yesterday"] {
        assert_eq!(problem(app.get(&format!("/api/v1/products?{query}")).await).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_total_is_exact_up_to_ten_thousand_and_says_so() {
    let app = TestApp::start().await;
    let rows: String =
        (0..12_000).map(|n| format!("s{n},common {}\n", if n < 10_000 { "often" } else { "" })).collect();
    app.import(format!("sku,name\n{rows}")).await;
    let exactly = |count| Total { count, exact: true };
    let more = Total { count: 10_000, exact: false };
    for (q, total) in [("", more), ("common", more), ("s11999", exactly(1)), ("no", exactly(0))] {
        assert_eq!(list(&app, &[("q", q), ("limit", "1")]).await.total, total, "{q}");
    }
    // Where that many cannot be counted at once, it says how many there are at least.
    for (q, count) in [("often", exactly(10_000)), ("co", more)] {
        let total = list(&app, &[("q", q), ("limit", "1")]).await.total;
        assert!(total == count || !total.exact && (199..10_000).contains(&total.count), "{q}: {total:?}");
    }
    assert_eq!(
        app.json("/api/v1/products/count?q=common").await,
        serde_json::json!({ "count": 12_000, "exact": true })
    );
    assert_eq!(app.json("/api/v1/products/count?q=oft").await["count"], 10_000);
}

#[tokio::test]
async fn more_candidates_than_are_worth_having_prove_by_some_of_them_that_more_match_than_are_counted() {
    let app = TestApp::start().await;
    let rows: String = (0..210_000).map(|n| format!("{n},common\n")).collect();
    app.import(format!("sku,name\n{rows}")).await;
    sorted_in(&app).await;
    let total = list(&app, &[("q", "common"), ("limit", "1")]).await.total;
    assert_eq!(total, Total { count: 10_000, exact: false });
}

/// What a list must be, worked out by reading everything.
pub struct Model {
    products: Vec<Product>,
}

impl Model {
    pub async fn read(app: &TestApp) -> Self {
        Self { products: pages(app, &[("sort", "created"), ("limit", "200")]).await.concat() }
    }

    pub fn list(&self, words: &[String], keep: impl Fn(&Product) -> bool, sort: ProductSort) -> Vec<i64> {
        let found = |product: &Product, word: &str| {
            [&product.sku, &product.name, &product.description].iter().any(|text| text.to_lowercase().contains(word))
        };
        let mut matches: Vec<&Product> = self
            .products
            .iter()
            .filter(|product| words.iter().all(|word| found(product, &word.to_lowercase())) && keep(product))
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
        // The one whose SKU is searched for.
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

#[tokio::test]
async fn any_search_filter_and_order_is_what_reading_everything_would_give() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 400)).await;
    sorted_in(&app).await;
    hold_up_sorting(&app).await;
    let middle: DateTime<Utc> = app.db.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    app.import(catalogue(&mut random, 200, 400)).await;
    app.db.execute("UPDATE products SET active = false WHERE id % 7 = 0").await;
    let model = Model::read(&app).await;
    let middle = middle.to_rfc3339();
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
            let filter = random.random_range(0..8);
            let conditions = [
                vec![],
                vec![("active", "false")],
                vec![("active", "true")],
                vec![("has_description", "false")],
                vec![("created_from", middle.as_str()), ("has_description", "true")],
                vec![("updated_to", middle.as_str())],
                vec![("import", "2")],
                vec![("created_to", middle.as_str())],
            ];
            query.extend(&conditions[filter]);
            let middle: DateTime<Utc> = middle.parse().unwrap();
            let keep = |product: &Product| match filter {
                1 => !product.active,
                2 => product.active,
                3 => product.description.is_empty(),
                4 => product.created_at >= middle && !product.description.is_empty(),
                5 => product.updated_at < middle,
                6 => product.import == Some(2),
                7 => product.created_at < middle,
                _ => true,
            };
            let expected = model.list(&words, keep, sort);
            let found: Vec<_> = pages(&app, &query).await.concat().into_iter().map(|product| product.id).collect();
            assert_eq!(found, expected, "round {round}: {query:?}");
        }
        // The second round reads from what the background has made of it.
        app.db.execute("SELECT pg_advisory_unlock_all()").await;
        sorted_in(&app).await;
    }
}

/// Keeps products from being sorted in: their keys are behind, or missing.
async fn hold_up_sorting(app: &TestApp) {
    app.db.execute(&format!("SELECT pg_advisory_lock({})", 0x05EA_4C85)).await;
}

#[tokio::test]
async fn lists_are_complete_while_many_products_are_not_sorted_in() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 500)).await;
    sorted_in(&app).await;
    hold_up_sorting(&app).await;
    app.import(catalogue(&mut random, 300, 21_000)).await;
    assert!(app.json("/api/v1/products/index").await["pending"].as_i64() > Some(20_000));
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
async fn a_list_by_id_leaps_over_what_is_out_of_range_and_over_nothing_else() {
    const BOUNDS: &str = "SELECT product_id / 4096 AS zone, min(created_at), max(created_at), min(updated_at), max(updated_at), \
                          min(import_id), max(import_id) FROM search_keys GROUP BY 1";
    let app = TestApp::start().await;
    let rows = |range: std::ops::Range<usize>, step: usize, name: &str| -> String {
        let rows: String = range.step_by(step).map(|n| format!("{n},{name}\n")).collect();
        format!("sku,name\n{rows}")
    };
    let now = || async { app.db.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0) };
    app.import(rows(0..11_000, 1, "old")).await;
    let first: DateTime<Utc> = now().await;
    app.import(rows(11_000..22_000, 1, "new")).await;
    sorted_in(&app).await;
    let second: DateTime<Utc> = now().await;
    // Some of each zone, and then most of some, which leaves their bounds too wide until they are looked at again.
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
        let beyond = "SELECT count(*) FROM search_keys LEFT JOIN search_zones ON zone = product_id / 4096 \
                      WHERE (created_at BETWEEN created_from AND created_to AND updated_at BETWEEN updated_from AND updated_to \
                          AND import_id BETWEEN import_from AND import_to) IS NOT TRUE";
        assert_eq!(app.db.number(beyond).await, 0);
        // The second round finds all sorted in, and narrow bounds.
        sorted_in(&app).await;
        let wide = format!("SELECT count(*) FROM (TABLE search_zones EXCEPT {BOUNDS}) AS wide");
        let wide = || app.db.number(&wide);
        eventually("narrow bounds", || async { (wide().await == 0).then_some(()) }).await;
    }
}

#[tokio::test]
async fn paging_under_concurrent_writes_repeats_and_skips_no_untouched_product() {
    let app = TestApp::start().await;
    let mut random = StdRng::seed_from_u64(seed());
    app.import(catalogue(&mut random, 0, 1_000)).await;
    sorted_in(&app).await;
    for sort in ProductSort::ALL {
        // Every tenth product is not touched while the list is read.
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
            assert_eq!(ids, untouched, "{sort:?}: the untouched ones, in order");
        }
    }
}
