//! A headless Chromium, driven through its `WebDriver`.

use std::{
    mem::ManuallyDrop,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use shared::import::Counts;
use tempfile::TempDir;
use tests::{PATIENCE, TestApp, eventually};
use thirtyfour::prelude::*;

pub struct Browser {
    /// Never dropped: it would try to end its session properly, and wait a minute for a driver that is gone.
    driver: ManuallyDrop<WebDriver>,
    base: String,
    chromedriver: Child,
    _profile: TempDir,
    /// Stays as long as the browser may read from it.
    files: TempDir,
}

impl Browser {
    /// A browser of its own, at `path` of the app.
    pub async fn open(app: &TestApp, path: &str) -> Self {
        Self::open_at(&app.base, path).await
    }

    /// The same where something stands between it and the app.
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

    /// Goes elsewhere.
    pub async fn visit(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Opens another tab and goes on there. Gives the one before.
    pub async fn open_tab(&self, path: &str) -> WindowHandle {
        let before = self.driver.window().await.unwrap();
        let tab = self.driver.new_tab().await.unwrap();
        self.driver.switch_to_window(tab).await.unwrap();
        self.go(path).await;
        before
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

    /// The size of the view, as a phone's would be: a window has a least width.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = serde_json::json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn find(&self, testid: &str) -> Option<WebElement> {
        self.driver.find(By::Css(format!("[data-testid='{testid}']"))).await.ok()
    }

    /// Elements that a CSS selector finds.
    pub async fn count(&self, selector: &str) -> usize {
        self.driver.find_all(By::Css(selector)).await.unwrap().len()
    }

    /// What can be read in the element; empty where it is not there.
    pub async fn text(&self, testid: &str) -> String {
        match self.find(testid).await {
            Some(element) => element.text().await.unwrap_or_default(),
            None => String::new(),
        }
    }

    pub async fn attribute(&self, testid: &str, name: &str) -> Option<String> {
        self.find(testid).await?.attr(name).await.ok()?
    }

    /// The number that the element shows, without its separators.
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

    /// What the script hands to its last argument, a function.
    pub async fn script_async(&self, script: &str) -> Value {
        self.driver.execute_async(script, vec![]).await.unwrap().json().clone()
    }

    /// Asks until the answer is `Some`.
    pub async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(elapsed) => panic!(
                "waited in vain for: {what} ({elapsed})\n{}",
                self.script("return document.body.innerText").await
            ),
        }
    }

    /// Waits for a text in the first that has this test id, and returns the whole.
    pub async fn until_text(&self, testid: &str, expected: &str) -> String {
        let asked = async || Some(self.text(testid).await).filter(|text| text.contains(expected));
        self.until(&format!("{testid}: {expected}"), asked).await
    }

    /// Waits for a message, which can stand below others.
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

    /// Waits until nothing is loading any more.
    pub async fn settled(&self) {
        self.until("the page to settle", async || (self.count("[aria-busy=true], .skeleton").await == 0).then_some(()))
            .await;
    }

    /// Clicks as soon as it can be: it may be moving in, be covered for a moment, or be drawn anew.
    pub async fn click(&self, testid: &str) {
        self.wait_for(testid).await;
        self.until(testid, async || self.find(testid).await?.click().await.ok()).await;
    }

    /// Clicks one of several of the same name, with Shift held or not.
    pub async fn click_nth(&self, testid: &str, index: usize, shift: bool) {
        let elements = self.driver.find_all(By::Css(format!("[data-testid='{testid}']"))).await.unwrap();
        let chain = self.driver.action_chain();
        let chain = if shift { chain.key_down(Key::Shift) } else { chain };
        let chain = chain.click_element(&elements[index]);
        let chain = if shift { chain.key_up(Key::Shift) } else { chain };
        chain.perform().await.unwrap();
    }

    /// Types a text in the place of what stands in a field.
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

    /// What stands in a field; empty where it is not there.
    pub async fn value(&self, testid: &str) -> String {
        match self.find(testid).await {
            Some(field) => field.prop("value").await.ok().flatten().unwrap_or_default(),
            None => String::new(),
        }
    }

    /// Presses a key where the focus is.
    pub async fn press(&self, key: Key) {
        self.type_data(key.into()).await;
    }

    /// Types where the focus is.
    pub async fn type_keys(&self, text: &str) {
        self.type_data(text.into()).await;
    }

    pub async fn type_data(&self, keys: TypingData) {
        self.driver.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses a key while nothing has the focus.
    pub async fn press_in_page(&self, key: &str) {
        self.script("document.activeElement?.blur()").await;
        self.driver.find(By::Tag("body")).await.unwrap().send_keys(key).await.unwrap();
    }

    pub async fn focused_testid(&self) -> String {
        self.script("return document.activeElement.dataset.testid ?? ''").await.as_str().unwrap_or_default().to_owned()
    }

    /// How the column of this header is sorted.
    pub async fn sort_of(&self, testid: &str) -> String {
        let read = format!("return document.querySelector(`[data-testid='{testid}']`).closest('th').ariaSort");
        self.script(&read).await.as_str().unwrap_or_default().to_owned()
    }

    /// The query of the address, without its question mark.
    pub async fn query(&self) -> String {
        self.driver.current_url().await.unwrap().query().unwrap_or_default().to_owned()
    }

    /// Whether the system is said to be light or dark.
    pub async fn prefer(&self, scheme: &str) {
        let features = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// Picks a file with this content.
    pub async fn choose_file(&self, content: &[u8]) {
        let path = self.file(&format!("products-{:08x}.csv", rand::random::<u32>()), content);
        self.type_into("file-input", path.to_str().unwrap()).await;
    }

    /// A file that the browser can read.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Gives keys to an element, seen or not: to a field for files, paths, one a line.
    pub async fn type_into(&self, testid: &str, keys: &str) {
        self.until(testid, async || self.find(testid).await?.send_keys(keys).await.ok()).await;
    }

    /// A command of the Chrome `DevTools` protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    /// Fails where the browser's console has an error.
    pub async fn assert_silent(&self) {
        let errors = self.console_errors().await;
        assert_eq!(errors, "", "the console tells of errors");
    }

    /// The errors of the console since they were last asked for.
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
        // Chromium ends with its driver; to quit properly would have to be awaited.
        let pkill = Command::new("pkill").args(["-KILL", "-P", &self.chromedriver.id().to_string()]).status();
        let _ = (pkill, self.chromedriver.kill(), self.chromedriver.wait());
    }
}
