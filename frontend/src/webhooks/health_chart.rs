//! The recent results of a receiver at a glance.

use leptos::prelude::*;
use shared::webhook::{DeliveryStatus, RecentDelivery, Webhook, WebhookHealth};

use crate::ui::format::thousands;

/// Bars in the chart: as many deliveries as the server returns.
const MAX_BARS: usize = 50;
/// Distance of the bars, in units of the drawing.
const BAR_DISTANCE: usize = 6;
/// Width of a bar.
const BAR_WIDTH: usize = 4;
const HEIGHT: f64 = 32.0;
/// Height of the shortest bar, which must be visible.
const MIN_HEIGHT: f64 = 5.0;

/// The last deliveries as bars, the success rate and the 95th percentile of the durations.
#[component]
pub fn HealthStrip(webhook: Memo<Webhook>) -> impl IntoView {
    let health = Memo::new(move |_| webhook.with(|webhook| webhook.health.clone()));
    view! {
        <div class="health" data-testid="health">
            <svg
                class="health-chart"
                viewBox=format!("0 0 {} {HEIGHT}", MAX_BARS * BAR_DISTANCE)
                preserveAspectRatio="none"
                role="img"
                aria-label=move || health.with(summary)
            >
                {move || health.with(|health| bars(&health.recent))}
            </svg>
            <dl class="health-figures">
                <Figure name="Success, 24 h" value=Signal::derive(move || health.with(rate)) />
                <Figure name="p95" value=Signal::derive(move || health.with(|h| duration(h.p95_ms))) />
                <Figure name="Pending" value=Signal::derive(move || health.with(|h| h.pending.to_string())) />
            </dl>
        </div>
    }
}

#[component]
fn Figure(name: &'static str, value: Signal<String>) -> impl IntoView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
        </div>
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a deadline are exact")]
fn bars(recent: &[RecentDelivery]) -> impl IntoView + use<> {
    let recent = &recent[recent.len().saturating_sub(MAX_BARS)..];
    let longest = recent.iter().map(|delivery| delivery.duration_ms).max().unwrap_or(0).max(1) as f64;
    // The newest one is at the right edge.
    let first = MAX_BARS - recent.len();
    let empty = (0..first).map(|place| bar(place, 2.0, "none")).collect_view();
    let filled = recent
        .iter()
        .enumerate()
        .map(|(index, delivery)| {
            let height = MIN_HEIGHT + (HEIGHT - MIN_HEIGHT) * (delivery.duration_ms.max(0) as f64 / longest).sqrt();
            bar(first + index, height, delivery.status.as_str())
        })
        .collect_view();
    (empty, filled)
}

fn bar(place: usize, height: f64, state: &'static str) -> impl IntoView {
    view! {
        <rect
            class="health-bar"
            data-state=state
            x=place * BAR_DISTANCE
            y=format!("{:.1}", HEIGHT - height)
            width=BAR_WIDTH
            height=format!("{height:.1}")
            rx="1"
        />
    }
}

/// Returns a text alternative for the chart.
fn summary(health: &WebhookHealth) -> String {
    let count = i64::try_from(health.recent.len()).unwrap_or(i64::MAX);
    if count == 0 {
        return "No deliveries yet".to_owned();
    }
    let failed = health.recent.iter().filter(|delivery| delivery.status != DeliveryStatus::Delivered).count();
    let deliveries = if count == 1 { "delivery".to_owned() } else { format!("{} deliveries", thousands(count)) };
    format!("The last {deliveries}: {failed} without success")
}

/// Returns the share of successful attempts, rounded down: 100 % only where all succeeded.
fn rate(health: &WebhookHealth) -> String {
    match health.attempts {
        0 => "–".to_owned(),
        attempts => format!("{} %", health.succeeded * 100 / attempts),
    }
}

fn duration(p95_ms: Option<i64>) -> String {
    p95_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_rate_is_rounded_down() {
        let health = |attempts, succeeded| WebhookHealth { attempts, succeeded, ..WebhookHealth::default() };
        assert_eq!([rate(&health(0, 0)), rate(&health(3, 3)), rate(&health(1_000, 999))], ["–", "100 %", "99 %"]);
        assert_eq!(summary(&health(0, 0)), "No deliveries yet");
    }
}
