//! A headless Chromium, controlled through `WebDriver`.

use std::{
    mem::ManuallyDrop,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use shared::import::Counts;
use tempfile::TempDir;
use tests::{TestApp, WAIT_TIMEOUT, eventually};
use thirtyfour::prelude::*;

pub struct Browser {
    /// Never dropped: it would try to end its session, and wait a minute for a driver that is gone.
    driver: ManuallyDrop<WebDriver>,
    base: String,
    chromedriver: Child,
    _profile: TempDir,
    /// Must exist for as long as the browser may read from it.
    files: TempDir,
}

impl Browser {
    /// Starts a browser at `path` of the app.
    pub async fn open(app: &TestApp, path: &str) -> Self {
        Self::open_at(&app.base, path).await
    }

    /// Starts a browser at another address, for example that of a proxy.
    pub async fn open_at(base: &str, path: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let chromedriver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in [
            "--headless",
            // Tests may run as root, in a container.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.set("goog:loggingPrefs", serde_json::json!({ "browser": "ALL" })).unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let driver =
            eventually("the browser", || async { WebDriver::new(&address, capabilities.clone()).await.ok() }).await;
        let browser = Self {
            driver: ManuallyDrop::new(driver),
            base: base.to_owned(),
            chromedriver,
            _profile: profile,
            files: tempfile::tempdir().unwrap(),
        };
        browser.go(path).await;
        browser
    }

    pub async fn go(&self, path: &str) {
        self.driver.goto(format!("{}{path}", self.base)).await.unwrap();
    }

    /// Loads a page of another site.
    pub async fn visit(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Opens a tab and continues in it. Returns the tab before.
    pub async fn open_tab(&self, path: &str) -> WindowHandle {
        let before = self.driver.window().await.unwrap();
        let tab = self.driver.new_tab().await.unwrap();
        self.driver.switch_to_window(tab).await.unwrap();
        self.go(path).await;
        before
    }

    /// The current tab.
    pub async fn tab(&self) -> WindowHandle {
        self.driver.window().await.unwrap()
    }

    pub async fn switch_to(&self, tab: WindowHandle) {
        self.driver.switch_to_window(tab).await.unwrap();
    }

    /// Clicks a link to this path, so that the page stays loaded.
    pub async fn click_link(&self, path: &str) {
        self.driver.find(By::Css(format!("a[href='{path}']"))).await.unwrap().click().await.unwrap();
    }

    /// Closes another tab than this one.
    pub async fn close_tab(&self, tab: WindowHandle) {
        let here = self.driver.window().await.unwrap();
        self.driver.switch_to_window(tab).await.unwrap();
        self.driver.close_window().await.unwrap();
        self.driver.switch_to_window(here).await.unwrap();
    }

    pub async fn path(&self) -> String {
        self.driver.current_url().await.unwrap().path().to_owned()
    }

    pub async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    pub async fn back(&self) {
        self.driver.back().await.unwrap();
    }

    pub async fn title(&self) -> String {
        self.driver.title().await.unwrap()
    }

    /// Sets the size of the view. A window could not be as narrow as a phone.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn find(&self, testid: &str) -> Option<WebElement> {
        self.driver.find(By::Css(format!("[data-testid='{testid}']"))).await.ok()
    }

    /// Number of elements that match a CSS selector.
    pub async fn count(&self, selector: &str) -> usize {
        self.driver.find_all(By::Css(selector)).await.unwrap().len()
    }

    /// The visible text of the element; empty if there is none.
    pub async fn text(&self, testid: &str) -> String {
        match self.find(testid).await {
            Some(element) => element.text().await.unwrap_or_default(),
            None => String::new(),
        }
    }

    pub async fn attribute(&self, testid: &str, name: &str) -> Option<String> {
        self.find(testid).await?.attr(name).await.ok()?
    }

    /// The number that the element shows, without separators.
    pub async fn number(&self, testid: &str) -> Option<i64> {
        self.attribute(testid, "data-value").await?.parse().ok()
    }

    /// The result as the page shows it at one moment.
    pub async fn figures(&self) -> Option<Counts> {
        let read = "return ['read','created','updated','unchanged','duplicates','rejected'].map(name => {
            const shown = document.querySelector(`[data-testid=count-${name}]`);
            return shown && Number(shown.dataset.value);
        })";
        let numbers: Vec<Option<i64>> = serde_json::from_value(self.script(read).await).unwrap();
        let [read, created, updated, unchanged, duplicates, rejected] = numbers[..] else { return None };
        Some(Counts {
            read: read?,
            created: created?,
            updated: updated?,
            unchanged: unchanged?,
            duplicates: duplicates?,
            rejected: rejected?,
        })
    }

    pub async fn script(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Runs a script that calls its last argument with the result.
    pub async fn script_async(&self, script: &str) -> Value {
        self.driver.execute_async(script, vec![]).await.unwrap().json().clone()
    }

    /// Repeats `ask` until it returns `Some`.
    pub async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(WAIT_TIMEOUT, asking).await {
            Ok(answer) => answer,
            Err(elapsed) => panic!(
                "timed out waiting for {what} ({elapsed})\n{}",
                self.script("return document.body.innerText").await
            ),
        }
    }

    /// Waits for a text in the first element with this test id, and returns its whole text.
    pub async fn until_text(&self, testid: &str, expected: &str) -> String {
        let asked = async || Some(self.text(testid).await).filter(|text| text.contains(expected));
        self.until(&format!("{testid}: {expected}"), asked).await
    }

    /// Waits for a message, which may be one of several.
    pub async fn until_toast(&self, expected: &str) {
        let read = "return [...document.querySelectorAll('[data-testid=toast]')].map(t => t.innerText).join('\\n')";
        self.until(expected, async || self.script(read).await.as_str()?.contains(expected).then_some(())).await;
    }

    pub async fn until_gone(&self, testid: &str) {
        let selector = format!("[data-testid='{testid}']");
        self.until(&format!("{testid} to go"), async || (self.count(&selector).await == 0).then_some(())).await;
    }

    pub async fn wait_for(&self, testid: &str) {
        self.until(testid, async || match self.find(testid).await {
            Some(element) => element.is_displayed().await.ok()?.then_some(()),
            None => None,
        })
        .await;
    }

    /// Waits until nothing is loading.
    pub async fn until_loaded(&self) {
        self.until("the page to load", async || (self.count("[aria-busy=true], .skeleton").await == 0).then_some(()))
            .await;
    }

    /// Clicks as soon as that is possible: the element may be moving, covered, or rendered again.
    pub async fn click(&self, testid: &str) {
        self.wait_for(testid).await;
        self.until(testid, async || self.find(testid).await?.click().await.ok()).await;
    }

    /// Clicks one of several elements with this test id, with or without Shift.
    pub async fn click_nth(&self, testid: &str, index: usize, shift: bool) {
        let elements = self.driver.find_all(By::Css(format!("[data-testid='{testid}']"))).await.unwrap();
        let chain = self.driver.action_chain();
        let chain = if shift { chain.key_down(Key::Shift) } else { chain };
        let chain = chain.click_element(&elements[index]);
        let chain = if shift { chain.key_up(Key::Shift) } else { chain };
        chain.perform().await.unwrap();
    }

    /// Replaces the text of a field.
    pub async fn enter(&self, testid: &str, text: &str) {
        self.wait_for(testid).await;
        let field = self.find(testid).await.unwrap();
        field.send_keys(Key::Control + "a").await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Picks an option by its value.
    pub async fn choose(&self, testid: &str, value: &str) {
        self.wait_for(testid).await;
        let option = format!("[data-testid='{testid}'] option[value='{value}']");
        self.driver.find(By::Css(option)).await.unwrap().click().await.unwrap();
    }

    /// The value of a field; empty if there is none.
    pub async fn value(&self, testid: &str) -> String {
        match self.find(testid).await {
            Some(field) => field.prop("value").await.ok().flatten().unwrap_or_default(),
            None => String::new(),
        }
    }

    /// Presses a key in the focused element.
    pub async fn press(&self, key: Key) {
        self.type_data(key.into()).await;
    }

    /// Types into the focused element.
    pub async fn type_keys(&self, text: &str) {
        self.type_data(text.into()).await;
    }

    pub async fn type_data(&self, keys: TypingData) {
        self.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses a key while no element has the focus.
    pub async fn press_in_page(&self, key: &str) {
        self.script("document.activeElement?.blur()").await;
        self.driver.find(By::Tag("body")).await.unwrap().send_keys(key).await.unwrap();
    }

    pub async fn focused_testid(&self) -> String {
        self.script("return document.activeElement.dataset.testid ?? ''").await.as_str().unwrap_or_default().to_owned()
    }

    /// The sort order of a column.
    pub async fn sort_of(&self, testid: &str) -> String {
        let read = format!("return document.querySelector(`[data-testid='{testid}']`).closest('th').ariaSort");
        self.script(&read).await.as_str().unwrap_or_default().to_owned()
    }

    /// The query of the address, without its question mark.
    pub async fn query(&self) -> String {
        self.driver.current_url().await.unwrap().query().unwrap_or_default().to_owned()
    }

    /// Sets the color scheme of the system.
    pub async fn prefer(&self, scheme: &str) {
        let features = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// Chooses a file with this content.
    pub async fn choose_file(&self, content: &[u8]) {
        let path = self.file(&format!("products-{:08x}.csv", rand::random::<u32>()), content);
        self.type_into("file-input", path.to_str().unwrap()).await;
    }

    /// Creates a file that the browser can read.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Sends keys to an element that may be hidden: to a file field, one path per line.
    pub async fn type_into(&self, testid: &str, keys: &str) {
        self.until(testid, async || self.find(testid).await?.send_keys(keys).await.ok()).await;
    }

    /// A command of the Chrome `DevTools` protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    /// Fails if the browser's console has errors.
    pub async fn assert_silent(&self) {
        let errors = self.console_errors().await;
        assert_eq!(errors, "", "the console has errors");
    }

    /// Returns the errors of the console since the last call.
    pub async fn console_errors(&self) -> String {
        let url = format!("{}session/{}/se/log", self.driver.handle().server_url(), self.driver.handle().session_id());
        let asked =
            reqwest::Client::new().post(url).json(&serde_json::json!({ "type": "browser" })).send().await.unwrap();
        let answer: Value = asked.json().await.unwrap();
        let entries = answer["value"].as_array().expect("a log");
        let errors = entries.iter().filter(|entry| entry["level"] == "SEVERE").map(ToString::to_string);
        errors.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its driver. Quitting properly would have to be awaited.
        let pkill = Command::new("pkill").args(["-KILL", "-P", &self.chromedriver.id().to_string()]).status();
        let _ = (pkill, self.chromedriver.kill(), self.chromedriver.wait());
    }
}
