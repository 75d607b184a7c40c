//! Coming in: people, sessions and keys of a test.

use std::sync::Mutex;

use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use shared::auth::{NewKey, Person, Role, Scope, SessionInfo};

use crate::TestApp;

/// Of the account `admin` that [`TestApp::closed`] makes.
pub const ADMIN_PASSWORD: &str = "correct horse battery staple";

/// How long the digits behind `ldf_` are in a key.
const KEY_DIGITS: usize = 72;

/// Secrets that the tests of this program have seen.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on no process may log this.
pub fn keep_secret(secret: &str) {
    SECRETS.lock().unwrap().push(secret.to_owned());
}

/// Fails where a log has a secret that a test has seen, or anything that looks like one.
pub fn assert_tells_no_secret(log: &str) {
    for secret in SECRETS.lock().unwrap().iter().map(String::as_str).chain([ADMIN_PASSWORD]) {
        assert!(!log.contains(secret), "a secret was logged: {secret}");
    }
    let is_key = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count() >= KEY_DIGITS;
    assert!(!log.split("ldf_").skip(1).any(is_key), "a key was logged");
    let is_signing_secret = |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() > 20;
    assert!(!log.split("whsec_").skip(1).any(is_signing_secret), "the secret of a webhook was logged");
}

/// A client that sends these headers with every request.
pub fn client(headers: &[(&'static str, &str)]) -> Client {
    let pairs =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Client::builder().default_headers(pairs.collect::<HeaderMap>()).build().unwrap()
}

/// Somebody's browser: a client with the cookie of a session, that says it shows a page of ours.
pub struct Browser {
    pub client: Client,
    /// As the cookie has it.
    pub token: String,
    pub info: SessionInfo,
}

impl TestApp {
    /// A Loadify in which one must sign in.
    pub async fn closed(settings: &[(&'static str, &str)]) -> Self {
        let mut all = vec![("ADMIN_PASSWORD", ADMIN_PASSWORD)];
        all.extend_from_slice(settings);
        Self::start_with(&all).await
    }

    /// Tries a name and a password.
    pub async fn knock(&self, name: &str, password: &str) -> Response {
        let input = json!({ "name": name, "password": password });
        self.client.post(self.url("/api/v1/session")).json(&input).send().await.unwrap()
    }

    /// Signs in.
    pub async fn sign_in(&self, name: &str, password: &str) -> Browser {
        let response = self.knock(name, password).await;
        assert_eq!(response.status(), StatusCode::OK, "{name} signs in");
        browser(response).await
    }

    pub async fn admin(&self) -> Browser {
        self.sign_in("admin", ADMIN_PASSWORD).await
    }

    /// Makes an account and signs in.
    pub async fn person(&self, admin: &Browser, name: &str, role: Role) -> (Person, Browser) {
        let password = format!("password of the test's {name}");
        keep_secret(&password);
        let input = json!({ "name": name, "role": role, "password": password });
        let response = admin.client.post(self.url("/api/v1/people")).json(&input).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        (response.json().await.unwrap(), self.sign_in(name, &password).await)
    }

    /// Makes a key; gives a client that sends it.
    pub async fn key(&self, admin: &Browser, scopes: &[Scope]) -> (NewKey, Client) {
        let input = json!({ "name": "of a test", "scopes": scopes, "expires_in_days": 1 });
        let response = admin.client.post(self.url("/api/v1/keys")).json(&input).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let key: NewKey = response.json().await.unwrap();
        keep_secret(&key.secret);
        let client = client(&[("authorization", &format!("Bearer {}", key.secret))]);
        (key, client)
    }

    /// JSON that somebody may see.
    pub async fn json_for(&self, client: &Client, path: &str) -> Value {
        let response = client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }
}

/// The browser that got this answer to a sign-in.
pub async fn browser(response: Response) -> Browser {
    let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let token = cookie.split_once('=').unwrap().1.to_owned();
    keep_secret(&token);
    let client = client(&[("cookie", &cookie), ("sec-fetch-site", "same-origin")]);
    Browser { client, token, info: response.json().await.unwrap() }
}
