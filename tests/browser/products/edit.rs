//! Adding, editing and deleting a product, also by two people at the same time.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tests::eventually;
use thirtyfour::Key;

use super::{at_list, with_products};

#[tokio::test]
async fn a_product_is_added_edited_duplicated_deleted_and_restored() {
    let app = with_products(3).await;
    let browser = at_list(&app, "/products").await;

    browser.click("new-product").await;
    browser.wait_for("field-sku").await;
    browser.click("save").await;
    browser.until_text("error-sku", "SKU is missing").await;
    browser.enter("field-sku", "TEA-0002").await;
    browser.enter("field-name", "Oolong").await;
    browser.click("save").await;
    browser.wait_for("other-product").await;
    browser.enter("field-sku", "oolong-1").await;
    browser.click("add-attribute").await;
    browser.enter("attribute-name", "origin").await;
    browser.enter("attribute-value", "Taiwan").await;
    browser.click("save").await;
    browser.until_gone("panel").await;
    browser.until_total(4).await;
    browser.until("the new one first", async || (browser.skus().await.first()? == "oolong-1").then_some(())).await;

    browser.click("product-row").await;
    browser.wait_for("field-name").await;
    assert_eq!(browser.value("attribute-value").await, "Taiwan");
    browser.enter("field-name", "Fine oolong").await;
    // A key does not discard unsaved changes.
    browser.press(Key::Escape).await;
    browser.wait_for("discard-changes").await;
    browser.press(Key::Escape).await;
    browser.click("save").await;
    browser.until_gone("panel").await;
    browser.until_text("product-row", "Fine oolong").await;

    browser.click("product-row").await;
    browser.click("duplicate").await;
    browser.until("the copy", async || (browser.path().await == "/products/new").then_some(())).await;
    browser.until("its name", async || (browser.value("field-name").await == "Fine oolong").then_some(())).await;
    browser.until("its SKU", async || browser.value("field-sku").await.is_empty().then_some(())).await;
    browser.enter("field-sku", "oolong-2").await;
    browser.click("save").await;
    browser.until_total(5).await;

    browser.until_gone("panel").await;
    browser.click("product-row").await;
    browser.wait_for("delete-product").await;
    browser.click("delete-product").await;
    browser.until_toast("oolong-2 deleted").await;
    browser.until_total(4).await;
    browser.click("toast-action").await;
    browser.until_toast("1 product restored").await;
    browser.until_total(5).await;
    assert_eq!(browser.skus().await[0], "oolong-2");
    let row =
        app.db.number("SELECT count(*) FROM products WHERE sku = 'oolong-2' AND attributes->>'origin' = 'Taiwan'");
    assert_eq!(row.await, 1);
}

#[tokio::test]
async fn a_product_is_deactivated_in_its_row_and_a_stale_row_is_reported() {
    let app = with_products(2).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("toggle-active").await;
    eventually("the product to be inactive", || async {
        (app.db.number("SELECT count(*) FROM products WHERE NOT active").await == 1).then_some(())
    })
    .await;
    assert_eq!(browser.attribute("toggle-active", "aria-checked").await.as_deref(), Some("false"));

    // Someone else renames it, so the row is out of date.
    let id = app.db.number("SELECT id FROM products WHERE sku = 'tea-0001'").await;
    let version = app.product(id).await.version;
    assert_eq!(app.patch(id, version, json!({ "name": "White tea" })).await.status(), StatusCode::OK);
    browser.click("toggle-active").await;
    browser.until_toast("Someone else changed tea-0001").await;
    browser.until_text("product-row", "White tea").await;
    assert_eq!(browser.attribute("toggle-active", "aria-checked").await.as_deref(), Some("false"));
    browser.click("toggle-active").await;
    eventually("the product to be active", || async {
        (app.db.number("SELECT count(*) FROM products WHERE NOT active").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_users_edit_one_product_and_the_second_chooses() {
    let app = with_products(1).await;
    let id = app.db.number("SELECT id FROM products").await;
    let path = format!("/products/{id}");
    let (one, two) = tokio::join!(at_list(&app, &path), at_list(&app, &path));
    for browser in [&one, &two] {
        browser.wait_for("field-name").await;
    }
    one.enter("field-name", "Sencha").await;
    one.enter("attribute-value", "9.99").await;
    one.click("save").await;
    one.until_gone("panel").await;

    two.enter("field-name", "Gyokuro").await;
    two.enter("field-description", "From Uji").await;
    two.click("save").await;
    two.wait_for("conflict").await;
    let shown = two.text("conflict").await;
    for text in ["Sencha", "Gyokuro"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    // Only the name was changed by both. Their price and my description are kept, whichever name is chosen.
    assert_eq!(two.count("[data-testid=difference]").await, 1);
    two.until_text("taken-over", "price").await;
    two.click("all-theirs").await;
    two.click("save-merged").await;
    two.until_gone("panel").await;
    let merged = app.json(&format!("/api/v1/products/{id}")).await;
    assert_eq!(
        (&merged["name"], &merged["description"], &merged["attributes"]["price"]),
        (&json!("Sencha"), &json!("From Uji"), &json!("9.99"))
    );
    two.until_text("product-row", "Sencha").await;
}

#[tokio::test]
async fn changes_of_two_users_to_different_fields_are_both_saved() {
    let app = with_products(1).await;
    let id = app.db.number("SELECT id FROM products").await;
    let browser = at_list(&app, &format!("/products/{id}")).await;
    browser.wait_for("field-name").await;
    let version = app.product(id).await.version;
    assert_eq!(app.patch(id, version, json!({ "name": "Sencha" })).await.status(), StatusCode::OK);
    browser.enter("field-description", "From Uji").await;
    browser.click("save").await;
    browser.until_toast("tea-0001 saved, and someone else's changes to it were kept").await;
    browser.until_gone("panel").await;
    let product = app.product(id).await;
    assert_eq!((product.name.as_str(), product.description.as_str()), ("Sencha", "From Uji"));
}

#[tokio::test]
async fn going_back_does_not_lose_unsaved_changes() {
    let app = with_products(2).await;
    let browser = at_list(&app, "/products?sort=sku").await;
    browser.click("product-row").await;
    browser.wait_for("field-name").await;
    browser.enter("field-name", "Half a thought").await;
    browser.back().await;
    browser.wait_for("discard-changes").await;
    browser.press(Key::Escape).await;
    assert_eq!(browser.value("field-name").await, "Half a thought");
    browser.until("the address", async || browser.path().await.starts_with("/products/").then_some(())).await;
    browser.back().await;
    browser.click("discard-changes").await;
    browser.until_gone("panel").await;
    tokio::time::timeout(Duration::from_secs(10), browser.until_text("product-row", "tea-0001")).await.unwrap();
}
