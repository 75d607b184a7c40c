//! The products page, with mouse and keyboard.

mod bulk;
mod edit;
mod list;

use tests::TestApp;

use crate::browser::Browser;

/// Starts an app with this number of products: `tea-0001`, `tea-0002` and so on, every tenth of them green.
async fn with_products(rows: usize) -> TestApp {
    let app = TestApp::start().await;
    let line = |row: usize| {
        let kind = if row.is_multiple_of(10) { "Green" } else { "Black" };
        format!("tea-{row:04},{kind} tea {row},\"Harvest, number {row}\",{row}.50\n")
    };
    let lines: String = (1..=rows).map(line).collect();
    app.import(format!("sku,name,description,price\n{lines}")).await;
    app
}

/// A browser in which the list is loaded.
async fn at_list(app: &TestApp, path: &str) -> Browser {
    let browser = Browser::open(app, path).await;
    browser.wait_for("product-row").await;
    browser
}

impl Browser {
    /// SKUs of the page from top to bottom.
    async fn skus(&self) -> Vec<String> {
        let read = "return [...document.querySelectorAll('[data-testid=product-row] .cell-sku')].map(c => c.innerText)";
        serde_json::from_value(self.script(read).await).unwrap()
    }

    async fn until_skus(&self, what: &str, expected: &[&str]) {
        self.until(what, async || (self.skus().await == expected).then_some(())).await;
    }

    async fn until_total(&self, total: i64) {
        self.until("the count", async || (self.number("products-total").await == Some(total)).then_some(())).await;
    }
}
