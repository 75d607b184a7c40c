//! The balance sheet: what became of the rows, as an equation that adds up in front of the reader.

use leptos::prelude::*;
use shared::import::Counts;

use super::run::Run;
use crate::ui::format::thousands;
use crate::ui::{Glyph, Icon};

/// One term of the equation.
struct Term {
    /// The word of the API; also the name of its colour.
    key: &'static str,
    label: &'static str,
    /// What it means, as a tooltip.
    meaning: &'static str,
    count: fn(&Counts) -> i64,
}

const TERMS: [Term; 5] = [
    Term { key: "created", label: "Created", meaning: "Made a new product", count: |c| c.created },
    Term { key: "updated", label: "Updated", meaning: "Changed a product", count: |c| c.updated },
    Term { key: "unchanged", label: "Unchanged", meaning: "The product was so already", count: |c| c.unchanged },
    Term { key: "repeated", label: "Repeated", meaning: "A later row has the same SKU", count: |c| c.repeated },
    Term { key: "rejected", label: "Rejected", meaning: "Could not be imported", count: |c| c.rejected },
];

#[component]
pub fn Balance(run: RwSignal<Run>) -> impl IntoView {
    let counts = Memo::new(move |_| run.with(|run| run.import.counts));
    let ended = Memo::new(move |_| run.with(|run| run.import.status.is_final()));
    let read = move || counts.with(|counts| counts.read);
    view! {
        <section class="card balance" aria-labelledby="balance-title" data-testid="balance">
            <header class="card-head">
                <h2 id="balance-title">"What became of the rows"</h2>
                <Verdict counts ended />
            </header>
            <Shares counts />
            <dl class="equation">
                {TERMS.into_iter().enumerate().map(|(index, term)| {
                    let count = move || counts.with(term.count);
                    let sign = if index == 0 { "" } else { "+" };
                    view! {
                        <div class="term" data-term=term.key title=term.meaning>
                            <dt>{term.label}</dt>
                            <dd data-sign=sign data-testid=format!("count-{}", term.key) data-value=count>
                                {move || thousands(count())}
                            </dd>
                        </div>
                    }
                }).collect_view()}
                <div class="term term-sum" title="Rows of the file, without its header">
                    <dt>"Read"</dt>
                    <dd data-sign="=" data-testid="count-read" data-value=read>{move || thousands(read())}</dd>
                </div>
            </dl>
        </section>
    }
}

/// Whether the equation holds; said at the end only.
#[component]
fn Verdict(counts: Memo<Counts>, ended: Memo<bool>) -> impl IntoView {
    let verdict = move || match (ended.get(), counts.with(Counts::adds_up)) {
        (false, _) => None,
        (true, true) => Some(view! {
            <p class="verdict" data-tone="good"><Icon glyph=Glyph::Check />"Every row is accounted for"</p>
        }),
        (true, false) => Some(view! {
            <p class="verdict" data-tone="bad"><Icon glyph=Glyph::Warning />"The figures do not add up"</p>
        }),
    };
    view! { {verdict} }
}

/// The terms as shares of one bar; the equation below says the same in figures.
#[component]
fn Shares(counts: Memo<Counts>) -> impl IntoView {
    view! {
        <div class="shares" aria-hidden="true">
            {TERMS.into_iter().map(|term| {
                let count = move || counts.with(term.count);
                view! {
                    <span
                        class="share"
                        class:share-some=move || count().is_positive()
                        data-term=term.key
                        style:flex-grow=move || count().to_string()
                    ></span>
                }
            }).collect_view()}
        </div>
    }
}
