use leptos::{ev, prelude::*};
use shared::{
    problem::Problem,
    webhook::{DeliveryDetail, Webhook, WebhookEvent},
};
use wasm_bindgen_futures::spawn_local;

use super::attempt::AttemptView;
use super::query::kind;
use super::refresh::Refresh;
use super::requests;
use crate::ui::{Notice, Tone};

/// Sends a sample message and shows the result.
#[component]
pub fn TestDelivery(webhook: Memo<Webhook>, refresh: Refresh) -> impl IntoView {
    let chosen = RwSignal::new(WebhookEvent::Test);
    let sending = RwSignal::new(false);
    let answer = RwSignal::new(None::<Result<DeliveryDetail, Problem>>);
    let send = move |_: ev::MouseEvent| {
        if sending.get_untracked() {
            return;
        }
        sending.set(true);
        let (id, kind) = (webhook.with_untracked(|webhook| webhook.id), chosen.get_untracked());
        spawn_local(async move {
            let sent = requests::test(id, (kind != WebhookEvent::Test).then_some(kind)).await;
            answer.try_set(Some(sent));
            sending.try_set(false);
            refresh.now();
        });
    };
    let options = [WebhookEvent::Test].into_iter().chain(WebhookEvent::SUBSCRIBABLE);
    view! {
        <section class="card webhook-section" aria-labelledby="test-title">
            <header class="card-head">
                <div>
                    <h2 id="test-title">"Send test"</h2>
                    <p class="card-note">"Sends a signed sample message now, without retries."</p>
                </div>
                <div class="test-controls">
                    <select
                        class="select"
                        aria-label="Message to send"
                        data-testid="test-kind"
                        on:change=move |event| {
                            chosen.set(kind(&event_target_value(&event)).unwrap_or(WebhookEvent::Test));
                        }
                    >
                        {options.map(|kind| view! { <option value=kind.as_str()>{kind.as_str()}</option> }).collect_view()}
                    </select>
                    <button
                        type="button"
                        class="button button-primary"
                        data-testid="send-test"
                        aria-disabled=move || sending.get().then_some("true")
                        on:click=send
                    >
                        {move || if sending.get() { "Sending …" } else { "Send test" }}
                    </button>
                </div>
            </header>
            <div role="status" data-testid="test-result" aria-busy=move || sending.get().to_string()>
                {move || match answer.get()? {
                    Ok(detail) => Some(detail.log.into_iter().map(|attempt| view! { <AttemptView attempt /> }).collect_view().into_any()),
                    Err(problem) => {
                        Some(view! { <Notice tone=Tone::Bad title="Couldn't send the test"><p>{problem.detail}</p></Notice> }.into_any())
                    }
                }}
            </div>
        </section>
    }
}
