//! Authorization does not depend on how a path is spelled: every operation, in many spellings of its path, for every kind of
//! principal, directly and through nginx with the delivered configuration.
//!
//! A response to another spelling must be that to the plain one, or show that the path is not routed to a handler.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use shared::auth::{Role, Scope};
use tests::{
    TestApp,
    auth::Browser,
    nginx::{Nginx, delivered_site},
    raw::{RawConnection, RawResponse},
};

use super::rules::{NO_ID, Row, TABLE};

/// Concurrent connections.
const CONNECTIONS: usize = 16;
/// Minimum number of spellings of each path.
const MIN_SPELLINGS: usize = 40;

/// A principal: its name, and the header fields that authenticate it.
type Principal = (String, String);

/// A request for an operation.
#[derive(Debug, Clone)]
struct Spelling {
    /// What is special about it.
    what: String,
    method: String,
    /// The request target, in bytes since not all of them are UTF-8.
    target: Vec<u8>,
    headers: String,
}

/// Returns the spellings of an operation whose responses must be those of the operation itself, or not routed. With
/// `every_letter`, each letter of the path is encoded in turn, else a few of them.
fn spellings(method: &str, path: &str, every_letter: bool) -> Vec<Spelling> {
    let mut all: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut add = |what, target: String| all.push((what, target.into_bytes()));
    let letters: Vec<_> = path.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric()).collect();
    let replaced = |at: usize, with: &str| format!("{}{with}{}", &path[..at], &path[at + 1..]);
    for (at, letter) in letters.iter().step_by(if every_letter { 1 } else { 9 }) {
        add("one letter encoded", replaced(*at, &format!("%{:02x}", u32::from(*letter))));
    }
    let (at, letter) = *letters.last().unwrap();
    let code = u32::from(letter);
    add("upper hex", replaced(at, &format!("%{code:02X}")));
    add("double-encoded", replaced(at, &format!("%25{code:02x}")));
    add("overlong UTF-8", replaced(at, &format!("%c{}%{:02x}", code >> 6, 0x80 | (code & 0x3F))));
    add("full-width letter", replaced(at, &format!("%ef%bd%{:02x}", 0x80 | ((code + 0x20) & 0x3F))));
    add("%u encoding", replaced(at, &format!("%u00{code:02x}")));
    add("NUL inside", replaced(at, &format!("%00{letter}")));
    let encoded = |byte: u8| if byte == b'/' { "/".into() } else { format!("%{byte:02X}") };
    add("all letters encoded", path.bytes().map(encoded).collect());
    for (what, with) in [
        ("encoded slashes", "%2f"),
        ("double-encoded slashes", "%252F"),
        ("overlong slashes", "%c0%af"),
        ("doubled slashes", "//"),
        ("dots between", "/./"),
        ("encoded dots between", "/%2e/"),
        ("parents between", "/x/../"),
        ("encoded parents between", "/x/%2e%2e/"),
        ("parents with an encoded slash", "/x/..%2f"),
        ("backslashes", "\\"),
        ("parameters between", ";x/"),
    ] {
        add(what, format!("/{}", path[1..].replace('/', with)));
    }
    for suffix in
        ["/", "//", "/.", "/..;/", "%20", "%00", "%0d%0a", ";x=1", "%3f", "%23", ".json", "?_method=DELETE", "/x/.."]
    {
        add("suffix", format!("{path}{suffix}"));
    }
    for prefix in ["/", "/.", "/x/..", "/api/docs/..%2f..", "/livez/%2e%2e", "/?"] {
        add("prefix", format!("{prefix}{path}"));
    }
    add("upper case", path.to_uppercase());
    add("absolute form", format!("http://127.0.0.1{path}"));
    add("absolute form of another host", format!("http://evil.example{path}"));
    add("without the first slash", path[1..].to_owned());
    for byte in [0x00, b'\t', 0xFF] {
        all.push(("a byte that is not allowed", [path.as_bytes(), &[byte]].concat()));
    }
    let spelling = |what: &str, target: Vec<u8>, headers: String| Spelling {
        what: what.to_owned(),
        method: method.to_owned(),
        target,
        headers,
    };
    let mut spellings: Vec<_> = all.into_iter().map(|(what, target)| spelling(what, target, String::new())).collect();
    for header in ["X-Original-URL", "X-Rewrite-URL"] {
        spellings.push(spelling(header, path.into(), format!("{header}: /livez\r\n")));
        spellings.push(spelling(header, "/livez".into(), format!("{header}: {path}\r\n")));
    }
    spellings
}

/// Returns requests with other methods, and the methods that the server may take each of them for.
fn other_methods(path: &str) -> Vec<(Spelling, Vec<&'static str>)> {
    let spelling = |what: String, method: &str, headers: String| Spelling {
        what,
        method: method.into(),
        target: path.into(),
        headers,
    };
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"];
    let overrides = [
        ("POST", "X-HTTP-Method-Override", "DELETE"),
        ("POST", "X-HTTP-Method-Override", "PATCH"),
        ("POST", "X-HTTP-Method-Override", "GET"),
        ("GET", "X-HTTP-Method-Override", "DELETE"),
        ("POST", "X-HTTP-Method", "DELETE"),
        ("POST", "X-Method-Override", "DELETE"),
    ];
    let methods =
        methods.into_iter().map(|method| (spelling(format!("method {method}"), method, String::new()), vec![method]));
    let overrides = overrides.into_iter().map(|(sent, header, meant)| {
        (spelling(format!("{sent} with {header}: {meant}"), sent, format!("{header}: {meant}\r\n")), vec![sent, meant])
    });
    methods.chain(overrides).collect()
}

/// Sends one request for a row of the table.
async fn send(
    connection: &mut RawConnection,
    spelling: &Spelling,
    row: &Row,
    principal: &Principal,
) -> Option<RawResponse> {
    let mut request = format!("{} ", spelling.method).into_bytes();
    request.extend_from_slice(&spelling.target);
    let kind = if row.1 == "/api/v1/imports" { "text/csv" } else { "application/json" };
    let body = row.2.unwrap_or_default();
    let content = if body.is_empty() && matches!(spelling.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE") {
        String::new()
    } else {
        format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len())
    };
    request.extend_from_slice(
        format!(" HTTP/1.1\r\nHost: 127.0.0.1\r\n{}{}{content}\r\n{body}", principal.1, spelling.headers).as_bytes(),
    );
    connection.send(&spelling.method, &request).await
}

/// Whether a response shows that no handler was called: the path or the method is unknown, or the request is malformed.
fn is_unrouted(response: Option<&RawResponse>) -> bool {
    let Some(response) = response else { return true };
    let is_problem = response.has_type("application/problem+json");
    match response.status {
        // The page, which the server delivers for all other paths, or a file of it.
        200 => response.has_type("text/html"),
        // From nginx or the parser; handlers answer with problem details.
        400 => !is_problem || response.body.windows(19).any(|text| text == b"request was refused"),
        // Handlers name an object, not a path. HEAD has no body.
        404 => {
            !is_problem || response.body.is_empty() || response.body.windows(11).any(|text| text == b"\"detail\":\"/")
        }
        405 => response.header("allow").is_some() || !is_problem,
        302 | 307 | 308 | 414 | 501 | 505 => true,
        _ => false,
    }
}

fn is_refused(response: Option<&RawResponse>) -> bool {
    response.is_some_and(|response| matches!(response.status, 401 | 403))
}

/// Returns the outcome of authorization that a response shows.
fn verdict(response: Option<&RawResponse>) -> String {
    match response {
        None => "closed".into(),
        Some(response) => {
            let body = String::from_utf8_lossy(&response.body[..response.body.len().min(120)]).into_owned();
            format!("{} {} {body}", response.status, response.header("content-type").unwrap_or_default())
        }
    }
}

struct Principals {
    all: Vec<Principal>,
    /// Sessions that requests of the test can end.
    sessions: Vec<i64>,
}

impl Principals {
    /// Those whose requests are also sent through nginx: it is the same for all, so a few show what it changes. With the
    /// environment variable `SPELLING_ALL`, all of them.
    fn behind_nginx(&self) -> Vec<Principal> {
        let all = std::env::var_os("SPELLING_ALL").is_some();
        let is_chosen = |name: &str| all || matches!(name, "anonymous" | "viewer" | "revoked key");
        self.all.iter().filter(|principal| is_chosen(&principal.0)).cloned().collect()
    }
}

async fn principals(app: &TestApp) -> Principals {
    let admin = app.admin().await;
    let cookie = |browser: &Browser| format!("Cookie: loadify={}\r\nSec-Fetch-Site: same-origin\r\n", browser.token);
    let bearer = |secret: &str| format!("Authorization: Bearer {secret}\r\n");
    let mut all = vec![("anonymous".to_owned(), String::new())];
    for role in [Role::Viewer, Role::Editor] {
        let (_, browser) = app.user(&admin, role.as_str(), role).await;
        all.push((role.as_str().to_owned(), cookie(&browser)));
    }
    all.push(("admin".to_owned(), cookie(&admin)));
    for scope in Scope::ALL {
        all.push((format!("key {}", scope.as_str()), bearer(&app.key(&admin, &[scope]).await.0.secret)));
    }
    let ids = app.db.client.query("SELECT id FROM sessions", &[]).await.unwrap();
    let sessions = ids.iter().map(|row| row.get(0)).collect();

    let (expired, revoked) = (app.key(&admin, &Scope::ALL).await.0, app.key(&admin, &Scope::ALL).await.0);
    let sql = "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1";
    app.db.client.execute(sql, &[&expired.key.id]).await.unwrap();
    let url = app.url(&format!("/api/v1/keys/{}", revoked.key.id));
    assert_eq!(admin.client.delete(url).send().await.unwrap().status(), 204);
    let (_, ended) = app.user(&admin, "former", Role::Admin).await;
    assert_eq!(ended.client.delete(app.url("/api/v1/session")).send().await.unwrap().status(), 204);
    all.push(("expired key".into(), bearer(&expired.secret)));
    all.push(("revoked key".into(), bearer(&revoked.secret)));
    all.push(("ended session".into(), cookie(&ended)));
    Principals { all, sessions }
}

/// Everything that a request can change, except sessions and the audit log.
const STATE: &str = "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM imports) * 1000 \
     + (SELECT count(*) FROM uploads) * 1000000 + (SELECT count(*) FROM webhooks) * 1000000000 \
     + (SELECT sum(hashtext(u::text)::bigint) FROM (SELECT id, name, role, enabled, password_hash FROM users) u)::bigint \
     + (SELECT sum(hashtext(k::text)::bigint) FROM (SELECT id, name, scopes, owner FROM api_keys) k)::bigint";

/// Returns the findings about one operation for one principal.
async fn attack(app: &TestApp, base: &str, row: &Row, principal: &Principal, sessions: &[i64]) -> (usize, Vec<String>) {
    let mut connection = RawConnection::new(base);
    let ends_sessions = row.0 == "DELETE" && row.1.starts_with("/api/v1/session") && !row.1.contains('{');
    let restore = async || {
        if ends_sessions {
            let sql = "UPDATE sessions SET expires_at = now() + interval '1 day' WHERE id = ANY($1)";
            app.db.client.execute(sql, &[&sessions]).await.unwrap();
        }
    };
    let path = row.1.replace("{id}", NO_ID);
    let plain = Spelling {
        what: "plain".into(),
        method: row.0.into(),
        target: path.clone().into_bytes(),
        headers: String::new(),
    };
    let expected = send(&mut connection, &plain, row, principal).await;
    restore().await;
    let refused = is_refused(expected.as_ref()) || is_unrouted(expected.as_ref());
    let every_letter = matches!(principal.0.as_str(), "anonymous" | "viewer");
    let mut count = 1;
    let mut wrong = Vec::new();
    // Where products have ids, `/products/.` is the product with the id `.`: another operation, with its own rule.
    let of_id = format!("{}/{{id}}", row.1);
    let has_id = TABLE.iter().any(|other| other.0 == row.0 && other.1 == of_id);
    for spelling in spellings(row.0, &path, every_letter) {
        if has_id && spelling.target == format!("{path}/.").into_bytes() {
            continue;
        }
        let found = send(&mut connection, &spelling, row, principal).await;
        count += 1;
        restore().await;
        let is_livez = spelling.target == b"/livez" && found.as_ref().is_some_and(|found| found.status == 200);
        if is_refused(found.as_ref()) != refused && !is_unrouted(found.as_ref()) && !is_livez {
            let target = String::from_utf8_lossy(&spelling.target).into_owned();
            let (expected, found) = (verdict(expected.as_ref()), verdict(found.as_ref()));
            let Spelling { what, method, .. } = spelling;
            wrong.push(format!("{}: {method} {target:?} ({what}): expected {expected}, found {found}", principal.0));
        }
    }
    (count, wrong)
}

/// Returns the findings about other methods on a path, which can be other operations, for one principal.
async fn attack_methods(base: &str, path: &str, principal: &Principal) -> (usize, Vec<String>) {
    let mut connection = RawConnection::new(base);
    let rows: Vec<&Row> = TABLE.iter().filter(|row| row.1 == path).collect();
    let path = path.replace("{id}", NO_ID);
    let (mut count, mut wrong) = (0, Vec::new());
    // The methods of the path that the principal is allowed to call.
    let mut allowed = Vec::new();
    for row in &rows {
        let plain =
            Spelling { what: String::new(), method: row.0.into(), target: path.clone().into(), headers: String::new() };
        count += 1;
        if !is_refused(send(&mut connection, &plain, row, principal).await.as_ref()) {
            allowed.push(row.0);
            if row.0 == "GET" {
                allowed.push("HEAD");
            }
        }
    }
    for (spelling, meant) in other_methods(&path) {
        let row = rows.iter().find(|row| row.0 == spelling.method).unwrap_or(&rows[0]);
        let found = send(&mut connection, &spelling, row, principal).await;
        count += 1;
        let is_allowed = meant.iter().any(|method| allowed.contains(method));
        if !is_allowed && !is_refused(found.as_ref()) && !is_unrouted(found.as_ref()) {
            wrong.push(format!("{}: {path} ({}): found {}", principal.0, spelling.what, verdict(found.as_ref())));
        }
    }
    (count, wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spelling_of_a_path_does_not_change_who_has_access() {
    let started = Instant::now();
    let settings =
        [("RATE_LIMIT_PER_MINUTE", "1000000000"), ("MAX_STREAMS", "100000"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::closed(&settings).await;
    let web = app.base.strip_prefix("http://").unwrap().to_owned();
    let nginx = Nginx::start(|port| delivered_site(port, &web)).await;
    let principals = principals(&app).await;
    let state = app.db.number(STATE).await;
    for row in TABLE {
        assert!(spellings(row.0, row.1, false).len() >= MIN_SPELLINGS, "{}", row.1);
    }

    let (mut count, mut wrong) = (0, Vec::new());
    let mut add = |(requests, findings): (usize, Vec<String>)| {
        count += requests;
        wrong.extend(findings);
    };
    let is_last = |row: &Row| row.0 == "DELETE" && matches!(row.1, "/api/v1/session" | "/api/v1/sessions");
    let direct = (&app.base, &principals.all);
    let behind_nginx = (&nginx.base, &principals.behind_nginx());
    let mut jobs = Vec::new();
    for (base, principals) in [direct, behind_nginx] {
        for row in TABLE.iter().filter(|row| !is_last(row)) {
            jobs.extend(principals.iter().map(|principal| (base, row, principal)));
        }
    }
    let (reference, sessions) = (&app, &principals.sessions);
    let mut running = stream::iter(jobs)
        .map(|(base, row, principal)| attack(reference, base, row, principal, sessions))
        .buffer_unordered(CONNECTIONS);
    while let Some(found) = running.next().await {
        add(found);
    }
    let mut paths: Vec<_> = TABLE.iter().map(|row| row.1).filter(|path| !path.starts_with("/api/v1/session")).collect();
    paths.dedup();
    let jobs = [direct, behind_nginx].into_iter().flat_map(|(base, principals)| {
        paths.iter().flat_map(move |path| principals.iter().map(move |principal| (base, *path, principal)))
    });
    let mut running = stream::iter(jobs)
        .map(|(base, path, principal)| attack_methods(base, path, principal))
        .buffer_unordered(CONNECTIONS);
    while let Some(found) = running.next().await {
        add(found);
    }
    // One after the other: they end the session of the request.
    for (base, principals) in [direct, behind_nginx] {
        for row in TABLE.iter().filter(|row| is_last(row)) {
            for principal in principals {
                add(attack(&app, base, row, principal, sessions).await);
            }
        }
    }
    println!(
        "{count} requests: {} operations, {} principals, directly and through nginx, in {:.1} s; {} differ",
        TABLE.len(),
        principals.all.len(),
        started.elapsed().as_secs_f64(),
        wrong.len()
    );
    assert_eq!(app.db.number(STATE).await, state, "a request has changed something");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}
