//! Coming in: people, sessions and keys of a test.

use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use shared::{NewKey, Person, Role, Scope, SessionInfo};

use crate::TestApp;

/// Of the account `admin` that [`TestApp::closed`] makes.
pub const ADMIN_PASSWORD: &str = "correct horse battery staple";

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
    let client = client(&[("cookie", &cookie), ("sec-fetch-site", "same-origin")]);
    Browser { client, token, info: response.json().await.unwrap() }
}
