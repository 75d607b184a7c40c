//! Users, sessions and keys of a test.

use std::sync::Mutex;

use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use shared::auth::{NewKey, Role, Scope, SessionInfo, User};

use crate::TestApp;

/// Password of the user `admin` that [`TestApp::closed`] creates.
pub const ADMIN_PASSWORD: &str = "correct horse battery staple";

/// Digits of a key after `ldf_`.
const KEY_DIGITS: usize = 72;

/// Secrets that tests of this process have received.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on a test fails if a process logs this secret.
pub fn keep_secret(secret: &str) {
    SECRETS.lock().unwrap().push(secret.to_owned());
}

/// Fails if a log contains a secret that a test has received, or anything that looks like one.
pub fn assert_contains_no_secret(log: &str) {
    for secret in SECRETS.lock().unwrap().iter().map(String::as_str).chain([ADMIN_PASSWORD]) {
        assert!(!log.contains(secret), "a secret was logged: {secret}");
    }
    let is_key = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count() >= KEY_DIGITS;
    assert!(!log.split("ldf_").skip(1).any(is_key), "a key was logged");
    let is_signing_secret = |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() > 20;
    assert!(!log.split("whsec_").skip(1).any(is_signing_secret), "the secret of a webhook was logged");
}

/// Returns a client that sends these headers with every request.
pub fn client(headers: &[(&'static str, &str)]) -> Client {
    let pairs =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Client::builder().default_headers(pairs.collect::<HeaderMap>()).build().unwrap()
}

/// The browser of a user: a client with a session cookie, which sends the headers of a page of the same origin.
pub struct Browser {
    pub client: Client,
    /// The value of the cookie.
    pub token: String,
    pub info: SessionInfo,
}

impl TestApp {
    /// Starts Loadify with the user `admin`.
    pub async fn closed(settings: &[(&'static str, &str)]) -> Self {
        let mut all = vec![("ADMIN_PASSWORD", ADMIN_PASSWORD)];
        all.extend_from_slice(settings);
        Self::start_with(&all).await
    }

    /// Sends a name and a password.
    pub async fn try_sign_in(&self, name: &str, password: &str) -> Response {
        let input = json!({ "name": name, "password": password });
        self.client.post(self.url("/api/v1/session")).json(&input).send().await.unwrap()
    }

    /// Signs in.
    pub async fn sign_in(&self, name: &str, password: &str) -> Browser {
        let response = self.try_sign_in(name, password).await;
        assert_eq!(response.status(), StatusCode::OK, "{name} signs in");
        browser(response).await
    }

    pub async fn admin(&self) -> Browser {
        self.sign_in("admin", ADMIN_PASSWORD).await
    }

    /// Creates a user and signs in.
    pub async fn user(&self, admin: &Browser, name: &str, role: Role) -> (User, Browser) {
        let password = format!("password of the test's {name}");
        keep_secret(&password);
        let input = json!({ "name": name, "role": role, "password": password });
        let response = admin.client.post(self.url("/api/v1/users")).json(&input).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        (response.json().await.unwrap(), self.sign_in(name, &password).await)
    }

    /// Creates a key. Returns it with a client that sends it.
    pub async fn key(&self, admin: &Browser, scopes: &[Scope]) -> (NewKey, Client) {
        let input = json!({ "name": "test", "scopes": scopes, "expires_in_days": 1 });
        let response = admin.client.post(self.url("/api/v1/keys")).json(&input).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let key: NewKey = response.json().await.unwrap();
        keep_secret(&key.secret);
        let client = client(&[("authorization", &format!("Bearer {}", key.secret))]);
        (key, client)
    }

    /// Returns the JSON of a successful response.
    pub async fn json_for(&self, client: &Client, path: &str) -> Value {
        let response = client.get(self.url(path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }
}

/// Returns the browser that received this response to a sign-in.
pub async fn browser(response: Response) -> Browser {
    let cookie = response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let token = cookie.split_once('=').unwrap().1.to_owned();
    keep_secret(&token);
    let client = client(&[("cookie", &cookie), ("sec-fetch-site", "same-origin")]);
    Browser { client, token, info: response.json().await.unwrap() }
}
