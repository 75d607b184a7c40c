//! Imports by URL.

use tests::{
    TestApp,
    receiver::{Answer, Receiver},
};

use crate::browser::Browser;

#[tokio::test]
async fn a_url_leads_to_its_import_or_to_an_error() {
    let app = TestApp::start_with(&[("IMPORT_URL_ALLOW_CIDRS", "127.0.0.1/32")]).await;
    let shop =
        Receiver::behaving(|_| Answer::Full(200, "content-type: text/csv\r\n", "sku,name\nA,A\nB,B\n".into())).await;
    let browser = Browser::open(&app, "/").await;
    for (wrong, error) in [("ftp://example.com/a.csv", "http"), ("http://10.0.0.1/a.csv", "10.0.0.1")] {
        browser.enter("url-input", wrong).await;
        browser.click("url-fetch").await;
        browser.until(error, async || browser.text("url-error").await.contains(error).then_some(())).await;
        assert_eq!(browser.focused_testid().await, "url-input");
    }
    browser.enter("url-input", &format!("http://{}/products.csv", shop.address)).await;
    browser.click("url-fetch").await;
    browser.until("the import", async || browser.path().await.starts_with("/imports/").then_some(())).await;
    browser
        .until("its end", async || browser.figures().await.is_some_and(|figures| figures.created == 2).then_some(()))
        .await;
}
