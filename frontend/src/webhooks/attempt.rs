//! One attempt: its result, its timings, and the request and response.

use leptos::prelude::*;
use shared::webhook::{Attempt, AttemptError, Header};

use super::labels;
use crate::ui::Moment;

#[component]
pub fn AttemptView(attempt: Attempt) -> impl IntoView {
    let Attempt { no, at, url, address, code, error, message, duration_ms, timings, .. } = attempt;
    let good = error.is_none() && code.is_some_and(|code| (200..300).contains(&code));
    let tone = if good { "good" } else { "bad" };
    let times = [("DNS", timings.dns_us), ("Connect", timings.connect_us), ("First byte", timings.first_byte_us)];
    let answered = code.is_some();
    view! {
        <article class="attempt" data-testid="attempt">
            <header class="attempt-head">
                <span class="badge" data-tone=tone data-testid="attempt-outcome">
                    <span class="badge-dot"></span>
                    {labels::outcome(code, error)}
                </span>
                {error.map(|error| view! { <code class="attempt-class">{error.as_str()}</code> })}
                <span class="attempt-when">{format!("Attempt {no}, ")}<Moment at /></span>
            </header>
            <Why code error message />
            <dl class="timings" data-testid="timings">
                <div><dt>"Total"</dt><dd>{format!("{duration_ms} ms")}</dd></div>
                {times
                    .map(|(name, us)| {
                        let us = us.map_or_else(|| "–".to_owned(), labels::milliseconds);
                        view! { <div><dt>{name}</dt><dd>{us}</dd></div> }
                    })
                    .collect_view()}
            </dl>
            <details class="exchange" open=answered>
                <summary>"Response"</summary>
                <Headers headers=attempt.response_headers />
                <ResponseBody body=attempt.response_body truncated=attempt.truncated />
            </details>
            <details class="exchange">
                <summary>"Request"</summary>
                <p class="exchange-target"><code>{format!("POST {url}")}</code></p>
                {address.map(|address| view! { <p class="exchange-note">{format!("Address: {address}")}</p> })}
                <Headers headers=attempt.request_headers />
            </details>
        </article>
    }
}

/// What happened, and what a user can do about it.
#[component]
fn Why(code: Option<u16>, error: Option<AttemptError>, message: Option<String>) -> impl IntoView {
    view! {
        <div class="attempt-why" data-testid="attempt-why">
            {labels::advice(code, error).map(|advice| view! { <p>{advice}</p> })}
            {message.map(|message| view! { <p class="exchange-note">{message}</p> })}
        </div>
    }
}

#[component]
fn Headers(headers: Vec<Header>) -> impl IntoView {
    let line = |header: Header| {
        view! {
            <div class="header-line">
                <dt>{header.name}</dt>
                <dd>{header.value}</dd>
            </div>
        }
    };
    (!headers.is_empty()).then(|| view! { <dl class="headers">{headers.into_iter().map(line).collect_view()}</dl> })
}

#[component]
fn ResponseBody(body: Option<String>, truncated: bool) -> impl IntoView {
    match body.filter(|body| !body.is_empty()) {
        None => view! { <p class="exchange-note">"No body."</p> }.into_any(),
        Some(body) => view! {
            <pre class="exchange-body" tabindex="0" aria-label="Response body" data-testid="response-body">{body}</pre>
            {truncated.then_some(view! { <p class="exchange-note">"The response was longer; this is its beginning."</p> })}
        }
        .into_any(),
    }
}
