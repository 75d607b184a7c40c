//! The list of products.

mod bulk;
mod changes;
mod delete_all;
mod edit;
mod export;
mod search;
mod search_index;

use shared::search::ProductPage;
use tests::TestApp;

async fn page(app: &TestApp, query: &str) -> ProductPage {
    serde_json::from_value(app.json(&format!("/api/v1/products?sort=created&{query}")).await).unwrap()
}

#[tokio::test]
async fn pages_lead_forward_and_back_through_all_products_once() {
    let app = TestApp::start().await;
    let rows: String = (0..95).map(|n| format!("s{n:03},Product {n},\n")).collect();
    app.import(format!("sku,name,description\n{rows}")).await;

    let (mut forward, mut query) = (Vec::new(), "limit=20".to_owned());
    let last = loop {
        let page = page(&app, &query).await;
        assert_eq!(page.previous.is_none(), forward.is_empty());
        forward.push(page.items.iter().map(|product| product.id).collect::<Vec<_>>());
        match &page.next {
            Some(cursor) => query = format!("limit=20&cursor={cursor}"),
            None => break page,
        }
    };
    assert_eq!(forward.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 20, 20, 15]);
    let ids = forward.concat();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");

    let (mut backward, mut cursor) = (Vec::new(), last.previous);
    while let Some(at) = cursor {
        let page = page(&app, &format!("limit=20&cursor={at}")).await;
        assert!(page.next.is_some());
        backward.push(page.items.iter().map(|product| product.id).collect::<Vec<_>>());
        cursor = page.previous;
    }
    backward.reverse();
    assert_eq!(backward, forward[..4]);
}

#[tokio::test]
async fn an_empty_catalogue_is_an_empty_page() {
    let app = TestApp::start().await;
    assert_eq!(page(&app, "").await, ProductPage { items: vec![], next: None, previous: None });
    assert_eq!(app.json("/api/v1/products/count").await, serde_json::json!({ "count": 0 }));
}
