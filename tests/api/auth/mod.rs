//! Who may come in: starting, signing in and out, keys, cross-site requests, limits, the audit log.

mod headers;
mod rules;
mod secrets;

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::{
    auth::{AccessMode, AuditPage, KeyList, Permission, PersonList, Role, Scope, SessionInfo, SessionList},
    problem::ErrorCode,
};
use tests::{
    TestApp,
    app::problem,
    auth::{ADMIN_PASSWORD, browser, client},
    eventually,
    process::Process,
    sse::NamedStream,
};

#[tokio::test]
async fn a_laptop_without_an_account_is_open_to_itself_only() {
    let app = TestApp::start().await;
    let info: SessionInfo = serde_json::from_value(app.json("/api/v1/session").await).unwrap();
    assert_eq!((info.mode, info.person), (AccessMode::Open, None));
    assert_eq!(info.permissions, Permission::ALL);
    // By a name of elsewhere that leads here (DNS rebinding), or through a proxy that nobody told of.
    for header in [("host", "evil.example"), ("x-forwarded-for", "203.0.113.9")] {
        let response = client(&[header]).get(app.url("/api/v1/products")).send().await.unwrap();
        assert_eq!(problem(response).await.code, ErrorCode::Forbidden, "{header:?}");
    }
    // A program without the headers of a browser may; a page of elsewhere may not.
    assert_eq!(app.ask(Method::POST, "/api/v1/products", &[], &json!({ "sku": "A", "name": "A" })).await.status(), 201);
    let foreign = [("origin", "https://evil.example")];
    let response = app.ask(Method::POST, "/api/v1/products", &foreign, &json!({ "sku": "B", "name": "B" })).await;
    assert_eq!(problem(response).await.code, ErrorCode::CrossSite);
    let first = json!({ "name": "Eve", "role": "admin", "password": ADMIN_PASSWORD });
    assert_eq!(app.ask(Method::POST, "/api/v1/people", &[], &first).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_can_be_reached_from_elsewhere_does_not_start_without_an_account() {
    let app = TestApp::start().await;
    for reachable in [("BIND", "0.0.0.0:0"), ("TRUSTED_PROXIES", "127.0.0.1"), ("PUBLIC_URL", "https://shop.example")] {
        let mut web = app.process("all", &[reachable]);
        assert!(!web.ended().await.success());
        assert!(web.log().contains("set ADMIN_PASSWORD"), "{}", web.log());
    }
    let mut web = app.process("all", &[("BIND", "0.0.0.0:0"), ("ADMIN_PASSWORD", "password1234")]);
    assert!(!web.ended().await.success());
    assert!(web.log().contains("first that are guessed") && !web.log().contains("password1234"), "{}", web.log());
    let web = app.process("all", &[("BIND", "0.0.0.0:0"), ("ADMIN_PASSWORD", ADMIN_PASSWORD)]);
    web.wait_for_line("Loadify is at http://").await;
    // The one that was open is closed now, too.
    assert_eq!(app.get("/api/v1/products").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_password_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{ADMIN_PASSWORD}\n")).unwrap();
    let app = TestApp::start_with(&[("ADMIN_PASSWORD_FILE", file.to_str().unwrap()), ("ADMIN_NAME", "Ada")]).await;
    let ada = app.sign_in(" ADA ", ADMIN_PASSWORD).await;
    assert_eq!(ada.info.person.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn the_first_account_is_made_by_the_link_that_was_printed_once() {
    let app = TestApp::start().await;
    let line = app.web.wait_for_print("/setup#").await;
    let token = line.split("/setup#").nth(1).unwrap().trim();
    let setup = |token: &str, password: &str| {
        let body = json!({ "token": token, "name": "Ada", "password": password });
        app.client.post(app.url("/api/v1/setup")).json(&body).send()
    };
    assert_eq!(setup("x", ADMIN_PASSWORD).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let weak = problem(setup(token, "short").await.unwrap()).await;
    assert_eq!(weak.errors[0].field, "password");
    let made = setup(token, ADMIN_PASSWORD).await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    let ada = browser(made).await;
    assert_eq!(app.json_for(&ada.client, "/api/v1/people").await["items"][0]["name"], "Ada");
    assert_eq!(setup(token, ADMIN_PASSWORD).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/api/v1/products").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_begins_with_a_new_token_and_ends_when_it_should() {
    let app = TestApp::closed(&[]).await;
    let chosen = client(&[("cookie", "loadify=chosen-by-somebody-else")]);
    let sign_in = json!({ "name": "admin", "password": ADMIN_PASSWORD });
    // It came with a cookie, so it has to say from which page.
    let response = chosen.post(app.url("/api/v1/session")).header("sec-fetch-site", "same-origin").json(&sign_in);
    let response = response.send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let ada = browser(response).await;
    assert_ne!(ada.token, "chosen-by-somebody-else");
    assert_eq!(chosen.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    // Who signs in again in the same browser has another token, and the old one opens nothing.
    let again = ada.client.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
    let new = browser(again).await;
    let status = async |client: &reqwest::Client| client.get(app.url("/api/v1/session")).send().await.unwrap().status();
    assert_eq!((status(&ada.client).await, status(&new.client).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));

    // Idle for too long; the time is moved by the row.
    let sql = "UPDATE sessions SET last_used_at = now() - interval '13 hours'";
    app.db.client.execute(sql, &[]).await.unwrap();
    assert_eq!(status(&new.client).await, StatusCode::UNAUTHORIZED);
    let other = app.admin().await;
    app.db.client.execute("UPDATE sessions SET expires_at = now() - interval '1 s'", &[]).await.unwrap();
    assert_eq!(status(&other.client).await, StatusCode::UNAUTHORIZED);

    let (here, there) = (app.admin().await, app.admin().await);
    let list: SessionList = serde_json::from_value(app.json_for(&here.client, "/api/v1/sessions").await).unwrap();
    assert_eq!(list.items.iter().filter(|session| session.current).count(), 1);
    let sibling = list.items.iter().find(|session| !session.current).unwrap();
    let ended = here.client.delete(app.url(&format!("/api/v1/sessions/{}", sibling.id))).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    assert_eq!(status(&there.client).await, StatusCode::UNAUTHORIZED);
    let out = here.client.delete(app.url("/api/v1/session")).send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(status(&here.client).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_bound_to_it() {
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let proxy = client(&[("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9")]);
    let sign_in = json!({ "name": "admin", "password": ADMIN_PASSWORD });
    let response = proxy.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-loadify=") && cookie.contains("Secure"), "{cookie}");
    assert!(response.headers().contains_key("strict-transport-security"));
    let token = browser(response).await.token;
    // A cookie without the prefix can be set by whoever owns a neighbouring host.
    let plain = client(&[("cookie", &format!("loadify={token}")), ("x-forwarded-proto", "https")]);
    assert_eq!(plain.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let secure = client(&[("cookie", &format!("__Host-loadify={token}")), ("x-forwarded-proto", "https")]);
    let sessions = app.json_for(&secure, "/api/v1/sessions").await;
    assert_eq!(sessions["items"][0]["address"], "203.0.113.9");
}

#[tokio::test]
async fn a_stream_ends_when_its_session_does() {
    let app = TestApp::closed(&[]).await;
    let (admin, (_, key)) = {
        let admin = app.admin().await;
        let key = app.key(&admin, &[Scope::ProductsRead]).await;
        (admin, key)
    };
    let viewer = app.person(&admin, "viewer", Role::Viewer).await.1;
    let mut streams = Vec::new();
    for client in [&viewer.client, &key] {
        streams.push(NamedStream::open(client.get(app.url("/api/v1/products/events"))).await);
    }
    let begun = Instant::now();
    let keys: KeyList = serde_json::from_value(app.json_for(&admin.client, "/api/v1/keys").await).unwrap();
    let revoked = admin.client.delete(app.url(&format!("/api/v1/keys/{}", keys.items[0].id))).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    let id = viewer.info.person.unwrap().id;
    let ended = admin.client.delete(app.url(&format!("/api/v1/people/{id}/sessions"))).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn people_are_managed_and_an_admin_always_stays() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let own = admin.info.person.as_ref().unwrap().id;
    let patch = |id: i64, change: serde_json::Value| {
        admin.client.patch(app.url(&format!("/api/v1/people/{id}"))).json(&change).send()
    };
    for change in [json!({ "role": "viewer" }), json!({ "enabled": false })] {
        assert_eq!(patch(own, change).await.unwrap().status(), StatusCode::CONFLICT);
    }
    let deleted = admin.client.delete(app.url(&format!("/api/v1/people/{own}"))).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::CONFLICT);

    let (person, viewer) = app.person(&admin, "Grace", Role::Viewer).await;
    let twice = json!({ "name": "gRACE", "role": "admin", "password": ADMIN_PASSWORD });
    let response = admin.client.post(app.url("/api/v1/people")).json(&twice).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(!viewer.info.permissions.contains(&Permission::WriteProducts));
    // A new role takes effect at once: what was begun under the old one ends.
    assert_eq!(patch(person.id, json!({ "role": "editor" })).await.unwrap().status(), StatusCode::OK);
    let gone = viewer.client.get(app.url("/api/v1/products")).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::UNAUTHORIZED);
    let editor = app.sign_in("grace", "password of the test's Grace").await;
    assert!(editor.info.permissions.contains(&Permission::WriteProducts));

    let change = |current: &str, new: &str| {
        let change = json!({ "current": current, "new": new });
        editor.client.post(app.url("/api/v1/session/password")).json(&change).send()
    };
    assert_eq!(problem(change("not it at all", "a new and long one").await.unwrap()).await.errors[0].field, "current");
    assert_eq!(change("password of the test's Grace", "a new and long one").await.unwrap().status(), 204);
    assert_eq!(editor.client.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.knock("grace", "password of the test's Grace").await.status(), StatusCode::UNAUTHORIZED);

    assert_eq!(patch(person.id, json!({ "enabled": false })).await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.knock("grace", "a new and long one").await.status(), StatusCode::UNAUTHORIZED);
    let people: PersonList = serde_json::from_value(app.json_for(&admin.client, "/api/v1/people").await).unwrap();
    assert_eq!(
        people.items.iter().map(|person| (person.name.as_str(), person.enabled)).collect::<Vec<_>>(),
        [("admin", true), ("Grace", false)]
    );
}

#[tokio::test]
async fn keys_are_shown_once_and_made_in_the_shell_too() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let (key, program) = app.key(&admin, &[Scope::ProductsRead]).await;
    assert!(key.secret.starts_with("ldf_") && key.key.prefix == key.secret[..12]);
    app.json_for(&program, "/api/v1/products").await;
    let list = app.json_for(&admin.client, "/api/v1/keys").await;
    assert!(!list.to_string().contains(&key.secret) && list["items"][0]["last_used_at"].is_string(), "{list}");
    assert_eq!(program.get(app.url("/api/v1/session/")).send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let made = tokio::process::Command::new(tests::process::program())
        .args(["key", "create", "nightly", "--scope", "imports", "--scope", "products:read", "--days", "7"])
        .env_clear()
        .env("DATABASE_URL", &app.db.url)
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let secret = String::from_utf8(made.stdout).unwrap();
    let nightly = client(&[("authorization", &format!("Bearer {}", secret.trim()))]);
    let response = nightly.post(app.url("/api/v1/imports")).header("content-type", "text/csv").body("sku,name\nA,B\n");
    assert_eq!(response.send().await.unwrap().status(), StatusCode::CREATED);
    for wrong in [&secret[..40], "Basic YWRtaW46cGFzc3dvcmQ=", "Bearer "] {
        let response =
            client(&[("authorization", wrong.trim())]).get(app.url("/api/v1/products")).send().await.unwrap();
        assert_eq!(problem(response).await.code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn a_password_is_set_in_the_shell_by_who_is_locked_out() {
    use tokio::io::AsyncWriteExt;
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let mut child = tokio::process::Command::new(tests::process::program())
        .args(["set-password", "Admin"])
        .env_clear()
        .env("DATABASE_URL", &app.db.url)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"another long password\n").await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert_eq!(admin.client.get(app.url("/api/v1/session")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    app.sign_in("admin", "another long password").await;
}

#[tokio::test]
async fn guessing_gets_nowhere_and_the_owner_is_let_in() {
    // 127.0.0.1 is a proxy here, so that a test can come from many addresses.
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let knock = async |from: String, name: &str, password: &str| {
        let sign_in = json!({ "name": name, "password": password });
        let request = app.client.post(app.url("/api/v1/session")).header("x-forwarded-for", from).json(&sign_in);
        request.send().await.unwrap()
    };
    // The owner has been here before, from their usual address.
    assert_eq!(knock("203.0.113.9".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    let mut looked_at = 0;
    for guess in 0..1_000 {
        let response = knock(format!("198.51.100.{}", guess % 250), "admin", &format!("a guess, number {guess}")).await;
        match response.status() {
            StatusCode::UNAUTHORIZED => looked_at += 1,
            status => {
                assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
                let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=61).contains(&wait), "{wait}");
            }
        }
    }
    assert!(looked_at <= 12, "{looked_at} passwords were looked at");
    assert_eq!(knock("203.0.113.9".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    // From elsewhere, too, after a minute at most.
    let blocked =
        "SELECT max(blocked_until) <= now() + interval '60 s' FROM sign_in_failures WHERE key = 'account admin'";
    assert!(app.db.client.query_one(blocked, &[]).await.unwrap().get::<_, bool>(0));
    let sql = "UPDATE sign_in_failures SET blocked_until = now() WHERE key = 'account admin'";
    app.db.client.execute(sql, &[]).await.unwrap();
    assert_eq!(knock("192.0.2.44".into(), "admin", ADMIN_PASSWORD).await.status(), StatusCode::OK);
    // One address that tries many names is held up as well.
    let mut statuses = Vec::new();
    for name in 0..30 {
        statuses.push(knock("192.0.2.66".into(), &format!("name {name}"), "whatever it may be").await.status());
    }
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}

#[tokio::test]
async fn a_name_that_is_not_there_takes_as_long_as_a_wrong_password() {
    let app = TestApp::closed(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..40 {
        for (kind, name) in ["admin", "nobody at all"].into_iter().enumerate() {
            // Never held up: that is another test.
            app.db.client.execute("DELETE FROM sign_in_failures", &[]).await.unwrap();
            let sign_in = json!({ "name": name, "password": format!("wrong {round} and long") });
            let begun = Instant::now();
            let response = app.client.post(app.url("/api/v1/session")).json(&sign_in).send().await.unwrap();
            times[kind].push(begun.elapsed());
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    let [known, unknown] = times.each_mut().map(median);
    println!("median of a wrong password {known:.4} s, of an unknown name {unknown:.4} s");
    assert!((known / unknown - 1.0).abs() < 0.25, "known {known} s, unknown {unknown} s");
}

#[tokio::test]
async fn requests_are_counted_and_it_is_told() {
    let app = TestApp::closed(&[("RATE_LIMIT_PER_MINUTE", "20"), ("MAX_STREAMS", "2")]).await;
    let admin = app.admin().await;
    let (_, program) = app.key(&admin, &[Scope::ProductsRead]).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(NamedStream::open(program.get(app.url("/api/v1/products/events"))).await);
    }
    let third = program.get(app.url("/api/v1/products/events")).send().await.unwrap();
    assert_eq!(problem(third).await.code, ErrorCode::TooManyRequests);
    let mut refused = None;
    for _ in 0..30 {
        let response = program.get(app.url("/api/v1/products/count")).send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(response);
            break;
        }
        assert_eq!(response.headers()["ratelimit-policy"], "\"requests\";q=20;w=60");
        assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with("\"requests\";r="));
    }
    let refused = refused.expect("a budget of 20 is not endless");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // Others have budgets of their own.
    app.json_for(&admin.client, "/api/v1/products/count").await;
}

#[tokio::test]
async fn no_more_imports_wait_than_may() {
    // Only a web process: nobody works on them.
    let app = TestApp::serve(&[("MAX_OPEN_IMPORTS", "2")]).await;
    for _ in 0..2 {
        app.upload("sku,name\nA,A\n").await;
    }
    let response = app.post_file("sku,name\nA,A\n").await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(problem(response).await.code, ErrorCode::TooManyRequests);
    let tus = [("tus-resumable", "1.0.0"), ("upload-length", "10")];
    assert_eq!(client(&tus).post(app.url("/api/v1/uploads")).send().await.unwrap().status(), 429);
    let cancelled = app.send(Method::POST, "/api/v1/imports/1/cancel").await;
    assert_eq!(cancelled.status(), StatusCode::OK);
    app.upload("sku,name\nA,A\n").await;
}

#[tokio::test]
async fn every_change_leaves_a_trace_that_nobody_can_forge() {
    let app = TestApp::closed(&[]).await;
    let begun = Utc::now() - TimeDelta::seconds(1);
    let admin = app.admin().await;
    let (_, editor) = app.person(&admin, "Ada", Role::Editor).await;
    let made =
        editor.client.post(app.url("/api/v1/products")).json(&json!({ "sku": "A", "name": "A" })).send().await.unwrap();
    let id = made.json::<shared::product::Product>().await.unwrap().id;
    let file =
        editor.client.post(app.url("/api/v1/imports")).header("content-type", "text/csv").body("sku,name\nB,B\n");
    assert_eq!(file.send().await.unwrap().status(), StatusCode::CREATED);
    // Not allowed, and tried all the same.
    let refused = editor.client.delete(app.url("/api/v1/products?confirm=2")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    app.knock("=cmd()\nadmin\u{1b}[31m", "whatever it may be").await;

    let audit = async |query: &str| {
        let page = app.json_for(&admin.client, &format!("/api/v1/audit?{query}")).await;
        serde_json::from_value::<AuditPage>(page).unwrap().items
    };
    let found = audit("actor=Ada&action=product.create").await;
    assert_eq!((found.len(), found[0].target.clone(), found[0].status), (1, format!("/products/{id}"), Some(201)));
    assert_eq!(found[0].address, "127.0.0.1");
    assert_eq!(audit("action=import.").await[0].target, "/imports/1");
    assert_eq!(audit("action=product.delete_all").await[0].status, Some(403));
    let forged = &audit("action=session.sign_in").await[0];
    assert_eq!((forged.actor.as_str(), forged.status), ("=cmd()\u{FFFD}admin\u{FFFD}[31m", Some(401)));
    let since = begun.to_rfc3339().replace('+', "%2B");
    assert!(audit(&format!("until={since}")).await.is_empty());
    let all = audit(&format!("since={since}&limit=200")).await;
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert_eq!(audit(&format!("before={}&limit=1", all[0].id)).await, [all[1].clone()]);

    let csv = admin
        .client
        .get(app.url("/api/v1/audit.csv?action=session.sign_in"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(csv.contains(",'=cmd()"), "{csv}");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(!app.web.log().contains("=cmd()"), "what a stranger sends is not in the log");
}

#[tokio::test]
async fn a_request_of_another_site_changes_nothing() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    let cookie = format!("loadify={}", admin.token);
    let host = app.base.trim_start_matches("http://").to_owned();
    let ours = format!("http://{host}");
    let table: [(&[(&'static str, &str)], StatusCode); 8] = [
        (&[("sec-fetch-site", "same-origin")], StatusCode::CREATED),
        (&[("origin", &ours)], StatusCode::CREATED),
        (&[("sec-fetch-site", "same-origin"), ("origin", &ours)], StatusCode::CREATED),
        (&[], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "cross-site"), ("origin", &ours)], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (&[("sec-fetch-site", "none")], StatusCode::FORBIDDEN),
        (&[("origin", "null")], StatusCode::FORBIDDEN),
    ];
    for (row, (headers, expected)) in table.into_iter().enumerate() {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        let product = json!({ "sku": format!("S-{row}"), "name": "A" });
        let response = client(&all).post(app.url("/api/v1/products")).json(&product).send().await.unwrap();
        assert_eq!(response.status(), expected, "{headers:?}");
    }
    // What a form can send without asking first is no JSON.
    let form = admin.client.post(app.url("/api/v1/products")).header("content-type", "text/plain");
    let response = form.body(r#"{"sku":"X","name":"X"}"#).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn nothing_changes_while_it_cannot_be_written_down() {
    let app = TestApp::closed(&[]).await;
    let admin = app.admin().await;
    app.db.execute("ALTER TABLE audit_log ADD CONSTRAINT full_up CHECK (action <> 'product.create')").await;
    let product = json!({ "sku": "A", "name": "A" });
    let response = admin.client.post(app.url("/api/v1/products")).json(&product).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(app.db.number("SELECT count(*) FROM products").await, 0);
}

#[tokio::test]
async fn several_processes_that_start_together_make_one_account() {
    let app = TestApp::start().await;
    let settings: Vec<_> = app.settings.iter().cloned().chain([("ADMIN_PASSWORD", ADMIN_PASSWORD.into())]).collect();
    let processes: Vec<_> = (0..4).map(|_| Process::start("all", &settings)).collect();
    for process in &processes {
        process.wait_for_line("Loadify is at http://").await;
    }
    let made: usize = processes.iter().map(|process| process.count_lines("Made the first account")).sum();
    assert_eq!(made, 1);
    eventually("an account", || async { (app.get("/api/v1/products").await.status() == 401).then_some(()) }).await;
}
